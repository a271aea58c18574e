"""What flowed through metered circuits, quarter hour by quarter hour: what forecasts learn from."""

from pathlib import Path

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the tables of `r0004_quarter_hours.sql`."""
    statements = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8").split(";")
    for statement in filter(None, map(str.strip, statements)):
        op.execute(statement)
