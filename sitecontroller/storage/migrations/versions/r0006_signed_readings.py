"""What meters signed, byte for byte and for good."""

from pathlib import Path

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create the table of `r0006_signed_readings.sql`."""
    statements = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8").split(";")
    for statement in filter(None, map(str.strip, statements)):
        op.execute(statement)
