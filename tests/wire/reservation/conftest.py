"""Here all runs on virtual time."""

from tests.wire.virtual_run import run

__all__ = ["run"]
