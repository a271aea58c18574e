"""What several commands have in common: the site they are for, times and lengths of time."""

import argparse
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeAlias

from sitecontroller.wire import parse_instant

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_config(command: argparse.ArgumentParser) -> None:
    """The option that names the site."""
    command.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="the site's site.toml (default: the demo site in your data folder)",
    )


def duration(text: str) -> timedelta:
    """`90s`, `30m`, `2h`: from 1 s to 8 h."""
    match = re.fullmatch(r"(\d{1,5})([smh])", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"'{text}' is no time; write one like 90s, 30m or 2h")
    seconds = int(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]]
    if not 0 < seconds <= 8 * 3600:
        raise argparse.ArgumentTypeError("from 1s to 8h")
    return timedelta(seconds=seconds)


def instant(text: str) -> datetime:
    """A time as RFC 3339 has it."""
    try:
        return parse_instant(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no time as 2026-03-01T12:00:00Z") from None
