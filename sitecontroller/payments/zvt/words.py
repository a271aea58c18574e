"""What terminals mean by their codes, from `texts.toml`; schemes of cards, from `schemes.toml`."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True)
class Scheme:
    """Cards of one kind. `booking`: "book-total" or "partial-reversal"."""

    scheme: str
    name: str
    types: frozenset[int]
    total: str
    booking: str


OTHER = "other"


def result_text(code: int) -> str:
    """Why it was refused, in words for an attendant; codes 01 to 63 are the bank's own."""
    known = _texts()["results"].get(f"{code:02X}")
    if known is not None:
        return str(known)
    if 0x01 <= code <= 0x63:
        return f"the bank refused it (code {code:02d})"
    return f"the terminal reports error {code:02X}"


def status_text(code: int) -> str:
    """What state a terminal is in."""
    return str(_texts()["status"].get(f"{code:02X}", f"reports status {code:02X}"))


def progress_text(code: int) -> str:
    """What a terminal is doing; codes from 41 on ask for the card's removal too."""
    known = _texts()["progress"].get(f"{code & 0x3F:02X}" if code >= 0x40 else f"{code:02X}")
    if known is None:
        return "Please wait"
    return f"{known}. Please remove the card" if 0x40 <= code < 0x80 else str(known)


def is_no_acquirer(code: int) -> bool:
    """Whether the terminal has no line to its acquirer."""
    return f"{code:02X}" in _texts()["groups"]["no_acquirer"]


def is_busy(code: int) -> bool:
    """Whether the terminal is still at something."""
    return f"{code:02X}" in _texts()["groups"]["busy"]


def is_canceled(code: int) -> bool:
    """Whether a person or the time ended it."""
    return f"{code:02X}" in _texts()["groups"]["canceled"]


@cache
def schemes() -> dict[str, Scheme]:
    """All of them by name."""
    table = tomllib.loads(files(__package__).joinpath("schemes.toml").read_text("utf-8"))
    return {
        key: Scheme(key, row["name"], frozenset(row["types"]), row["total"], row["booking"])
        for key, row in table.items()
    }


def scheme_of(card_type: int | None) -> Scheme:
    """The scheme of a card by ZVT's card type; unknown ones are "other"."""
    known = schemes()
    return next((each for each in known.values() if card_type in each.types), known[OTHER])


@cache
def _texts() -> dict[str, Any]:
    return tomllib.loads(files(__package__).joinpath("texts.toml").read_text("utf-8"))
