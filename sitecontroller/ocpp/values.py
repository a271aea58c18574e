"""Single values out of a station's payload, whatever type they came in (Q22).

Stations send numbers as text and text as numbers; nothing here raises. What can't be read is None.
"""

import math
import unicodedata
from typing import Any

from sitecontroller.domain.authorization import IdToken, IdTokenType
from sitecontroller.domain.errors import FieldError, InvalidInput

TEXT_CHARACTERS_MAX = 255
INTEGER_MAX = 2**53
ENERGY_WH_MAX = 1e12
"""A register of a terawatt hour is none: a station's whole life is a thousandth of that."""
LETTERS_AND_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
HEX_DIGITS = "0123456789ABCDEF"
SENT_CHARACTERS_MAX = 16
"""Of a card number that every station takes (Q24)."""

_TOKEN_TYPES = {kind.value.casefold(): kind for kind in IdTokenType}


def text(value: object, at_most: int = TEXT_CHARACTERS_MAX) -> str | None:
    """Trimmed text without control characters, at most 255 of them; None if nothing is left."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    visible = str(value)
    if not visible.isprintable():
        visible = "".join(c for c in visible if unicodedata.category(c) not in ("Cc", "Cs"))
    return visible.strip()[:at_most] or None


def integer(value: object) -> int | None:
    """A whole number, also from 3.0 or "3"."""
    found = number(value)
    return int(found) if found is not None and found.is_integer() else None


def number(value: object) -> float | None:
    """A finite number below 2^53, also from text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) and abs(found) < INTEGER_MAX else None


def register_wh(value: object) -> float | None:
    """An energy register in Wh; None beyond what any register of a station counts."""
    found = number(value)
    return found if found is not None and abs(found) <= ENERGY_WH_MAX else None


def table(value: object) -> dict[str, Any]:
    """An object, or an empty one."""
    return value if isinstance(value, dict) else {}


def rows(value: object, at_most: int) -> list[dict[str, Any]]:
    """The objects of a list, the first `at_most` of them."""
    items = value[:at_most] if isinstance(value, list) else []
    return [item for item in items if isinstance(item, dict)]


def id_token(value: object, kind: object = None) -> IdToken | None:
    """A card number: control characters, NULs and outer blanks out (Q23); None if it's empty."""
    found = text(value)
    if found is None:
        return None
    known = _TOKEN_TYPES.get((text(kind) or "").casefold(), IdTokenType.ISO14443)
    return IdToken(found, known)


def group(parent: str | None, at_most: int) -> str | None:
    """A group's number as a station takes it; cut short it could be another group's."""
    return parent if parent is not None and len(parent) <= at_most else None


def sendable_token(
    token: str,
    *,
    characters: str = LETTERS_AND_DIGITS,
    length_max: int = SENT_CHARACTERS_MAX,
) -> str:
    """A card number as it may be sent to a station, in capitals (Q24): cards compare caseless.

    `characters` are those the station takes. InvalidInput says why the number can't be sent.
    """
    given = token.strip()
    sent = given.upper() if given.isascii() else given  # "ß" must not become another card's "SS"
    reason = None
    if not sent:
        reason = "is empty"
    elif len(sent) > length_max:
        reason = f"has {len(sent)} characters; this charger takes {length_max}"
    elif not set(sent) <= set(characters):
        others = " ".join(sorted(set(sent) - set(characters)))[:40]
        reason = f"has signs that this charger doesn't take: {others}"
    if reason is not None:
        raise InvalidInput(
            f"The card number can't be sent: it {reason}",
            remedy=f"Use a card number of at most {length_max} of A-Z and 0-9",
            errors=(FieldError("id_token", reason),),
        )
    return sent
