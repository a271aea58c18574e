"""The class of a token, and what load management allowed whom and why."""

from pathlib import Path

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the table of tokens anew with what it holds, and the one of limits, by
    `r0005_classes_and_limits.sql`."""
    statements = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8").split(";")
    for statement in filter(None, map(str.strip, statements)):
        op.execute(statement)
