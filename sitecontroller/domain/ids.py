"""Identifiers: our ULIDs, station identities, card numbers and EVSE-IDs."""

import re
import secrets
from datetime import datetime

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_STATION_ID = re.compile(r"[A-Za-z0-9*_=:+|@.-]{1,48}")
_SEPARATORS = str.maketrans("", "", "-: ")
_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")


def new_ulid(at: datetime, randomness: int | None = None) -> str:
    """A ULID: 48 bits of milliseconds and 80 random bits, 26 characters that sort by time."""
    random_bits = secrets.randbits(80) if randomness is None else randomness & ((1 << 80) - 1)
    value = (max(0, int(at.timestamp() * 1000)) << 80) | random_bits
    return "".join(_CROCKFORD[(value >> shift) & 31] for shift in range(125, -5, -5))


def is_ulid(text: str) -> bool:
    """Whether `text` is one of our keys."""
    return _ULID.fullmatch(text) is not None


def is_station_id(text: str) -> bool:
    """Whether `text` may name a station (OCPP 2.0.1 identity characters, 1 to 48 of them)."""
    return _STATION_ID.fullmatch(text) is not None


def fold(text: str) -> str:
    """The form under which station ids and card numbers are compared: trimmed, caseless."""
    return text.strip().casefold()


def bare(text: str) -> str:
    """The form under which contracts (eMAID) and MAC addresses are compared: separators count for
    nothing either (ISO 15118-1 annex C; IEEE 802 writes hyphens, most cars colons)."""
    return fold(text).translate(_SEPARATORS)


def masked(id_token: str) -> str:
    """A card number as people may see it: the last four characters."""
    return id_token if len(id_token) <= 4 else "…" + id_token[-4:]


def evse_code(prefix: str, station_id: str, evse_id: int) -> str:
    """The EVSE-ID (ISO 15118-2 form), as in ``DE*ABC*E`` + ``CP01*1``."""
    return f"{prefix}{re.sub(r'[^A-Za-z0-9*]', '', station_id).upper()}*{evse_id}"
