"""Payments, the till's drawer and its shifts."""

from pathlib import Path

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create the tables of `r0007_payments.sql`."""
    statements = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8").split(";")
    for statement in filter(None, map(str.strip, statements)):
        op.execute(statement)
