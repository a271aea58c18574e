"""The first tables: transactions, reports, readings, tokens, tariffs, stations, alarms, outbox."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table of `r0001_first.sql`."""
    statements = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8").split(";")
    for statement in filter(None, map(str.strip, statements)):
        op.execute(statement)
