"""The command line: `main` is its entry."""

from sitecontroller.cli.main import main

__all__ = ["main"]
