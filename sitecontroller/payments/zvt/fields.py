"""Data fields of ZVT by their bitmap (PA00P015, list of bitmaps): fixed, LLVAR, LLLVAR, TLV.

A field of a bitmap that isn't in the list has no known end: it and what follows are kept as
`rest`, and what came before it counts. Only the owner of a value judges it; reading one that is
no decimal gives None.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sitecontroller.payments.zvt import tlv
from sitecontroller.payments.zvt.apdu import ZvtError

AMOUNT, CURRENCY, TRACE, ORIGINAL_TRACE = 0x04, 0x49, 0x0B, 0x37
TIME, DATE, EXPIRY, SEQUENCE = 0x0C, 0x0D, 0x0E, 0x17
STATUS_BYTE, SERVICE_BYTE, CONTAINER = 0x19, 0x03, 0x06
PAN, RESULT, TERMINAL_ID, VU_NUMBER, AID = 0x22, 0x27, 0x29, 0x2A, 0x3B
TEXT, TOTALS, RECEIPT, TURNOVER = 0x3C, 0x60, 0x87, 0x88
CARD_TYPE, CARD_NAME = 0x8A, 0x8B

CHARACTERS = "cp437"
"""ZVT's own 8-bit set, as far as receipts use it."""

_LL, _LLL, _TLV = -2, -3, -1
_SIZES: dict[int, int] = {
    0x01: 1, 0x02: 1, 0x03: 1, 0x04: 6, 0x05: 1, 0x06: _TLV, 0x0B: 3, 0x0C: 3, 0x0D: 2, 0x0E: 2,
    0x17: 2, 0x19: 1, 0x22: _LL, 0x23: _LL, 0x24: _LLL, 0x27: 1, 0x29: 4, 0x2A: 15, 0x2D: _LL,
    0x2E: _LLL, 0x37: 3, 0x3A: 2, 0x3B: 8, 0x3C: _LLL, 0x3D: 3, 0x49: 2, 0x4C: _LL, 0x60: _LLL,
    0x70: 4, 0x71: 4, 0x72: 1, 0x73: 1, 0x74: 1, 0x75: 1, 0x87: 2, 0x88: 3, 0x8A: 1, 0x8B: _LL,
    0x8C: 1, 0x9A: _LLL, 0xA0: 1, 0xA7: _LL, 0xAA: 3, 0xAF: _LLL, 0xBA: 5, 0xD0: 1, 0xD1: _LL,
    0xD2: 1, 0xD3: 1, 0xE0: 1, **dict.fromkeys(range(0xE1, 0xE9), _LL), 0xE9: 1, 0xEA: 1, 0xEB: 8,
    0xF0: 1, **dict.fromkeys(range(0xF1, 0xF9), _LL), 0xF9: 1, 0xFA: 1, 0xFB: 1, 0xFC: 1, 0xFD: 1,
}  # fmt: skip
BITMAPS = frozenset(_SIZES)
_VARIABLE_MAX = {_LL: 99, _LLL: 999}


def fixed_size(bitmap: int) -> int | None:
    """Bytes of a field that always has as many; None: variable, or unknown."""
    size = _SIZES.get(bitmap)
    return size if size is not None and size > 0 else None


@dataclass(frozen=True, slots=True)
class Field:
    """One field as it stands in a message."""

    bitmap: int
    value: bytes

    def encode(self) -> bytes:
        """Bitmap, length where it is variable, value. Raises ZvtError where it doesn't fit."""
        size = _SIZES.get(self.bitmap)
        if size is None:
            raise ZvtError(f"bitmap {self.bitmap:02X} is not known")
        return bytes((self.bitmap,)) + _length(self, size) + self.value


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of one message, in its order."""

    items: tuple[Field, ...] = ()
    rest: bytes = field(default=b"")

    def get(self, bitmap: int) -> bytes | None:
        """The first value of a bitmap."""
        return next((each.value for each in self.items if each.bitmap == bitmap), None)

    def number(self, bitmap: int) -> int | None:
        """A BCD value; None: absent, or no decimal digits."""
        value = self.get(bitmap)
        return None if value is None else from_bcd(value)

    def byte(self, bitmap: int) -> int | None:
        """A value of one byte."""
        value = self.get(bitmap)
        return value[0] if value else None

    def text(self, bitmap: int) -> str | None:
        """A value in words, without padding and control characters."""
        value = self.get(bitmap)
        return None if value is None else to_text(value)

    def tagged(self, tag: int) -> tuple[bytes, ...]:
        """Values of a tag, wherever it is in the TLV container."""
        return tuple(tlv.find_all(self.get(CONTAINER) or b"", tag))


def encode(items: Iterable[Field]) -> bytes:
    """Fields one after the other. Raises ZvtError."""
    return b"".join(each.encode() for each in items)


def decode(data: bytes) -> Fields:
    """All fields up to the first that can't be read; never raises."""
    items: list[Field] = []
    at = 0
    while at < len(data):
        try:
            start, size = _extent(data, at)
        except ZvtError:
            break
        if start + size > len(data):
            break
        items.append(Field(data[at], data[start : start + size]))
        at = start + size
    return Fields(tuple(items), data[at:])


def to_bcd(number: int, size: int) -> bytes:
    """Decimal digits, two a byte. Raises ZvtError where they are too many."""
    digits = str(number)
    if number < 0 or len(digits) > 2 * size:
        raise ZvtError(f"{number} doesn't fit {size} bytes of BCD")
    return bytes.fromhex(digits.zfill(2 * size))


def from_bcd(value: bytes) -> int | None:
    """The number; None: other digits, or none."""
    digits = value.hex()
    return int(digits) if digits.isdecimal() else None


def to_text(value: bytes) -> str:
    """Characters of ZVT's set without control characters and trailing blanks."""
    text = value.decode(CHARACTERS)
    return "".join(sign for sign in text if sign.isprintable()).rstrip()


def from_text(text: str) -> bytes:
    """As a terminal sends it."""
    return text.encode(CHARACTERS, errors="replace")


def _extent(data: bytes, at: int) -> tuple[int, int]:
    """Where the value of the field at `at` begins, and its size. Raises ZvtError."""
    size = _SIZES.get(data[at])
    if size is None:
        raise ZvtError(f"bitmap {data[at]:02X} is not known")
    if size > 0:
        return at + 1, size
    if size == _TLV:
        length, start = tlv.read_length(data, at + 1)
        return start, length
    digits = [byte & 0x0F for byte in data[at + 1 : at + 1 - size]]
    if len(digits) != -size or max(digits) > 9:
        raise ZvtError(f"bitmap {data[at]:02X} has no length")
    return at + 1 - size, int("".join(map(str, digits)))


def _length(item: Field, size: int) -> bytes:
    actual = len(item.value)
    if size == _TLV:
        return tlv.encode_length(actual)
    if size > 0:
        if actual != size:
            raise ZvtError(f"bitmap {item.bitmap:02X} takes {size} bytes, not {actual}")
        return b""
    if actual > _VARIABLE_MAX[size]:
        raise ZvtError(f"bitmap {item.bitmap:02X} takes {_VARIABLE_MAX[size]} bytes at most")
    return bytes(0xF0 | int(digit) for digit in str(actual).zfill(-size))
