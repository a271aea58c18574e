"""One value in a meter's registers: 16-bit words to a number in its canonical unit, and back."""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass

Registers = Mapping[int, int]
"""16-bit words by their 0-based address on the wire."""

WORDS = {
    "int16": 1,
    "uint16": 1,
    "int32": 2,
    "uint32": 2,
    "int64": 4,
    "uint64": 4,
    "float32": 2,
    "float64": 4,
}
_FLOATS = {"float32": struct.Struct(">f"), "float64": struct.Struct(">d")}


@dataclass(frozen=True, slots=True)
class Point:
    """One value: `raw × scale` is its canonical unit; `unknown` is the raw word for "no value"."""

    name: str
    address: int
    type: str
    scale: float = 1.0
    unknown: int | None = None

    @property
    def words(self) -> int:
        """How many registers it takes."""
        return WORDS[self.type]

    @property
    def end(self) -> int:
        """The address after its last register."""
        return self.address + self.words


def decoded(point: Point, registers: Registers, word_order: str) -> float | None:
    """The value of a point; None for its "no value" pattern, NaN and infinity."""
    addresses = range(point.address, point.end)
    raw = 0
    for address in addresses if word_order == "big" else reversed(addresses):
        raw = raw << 16 | registers[address]
    if raw == point.unknown:
        return None
    bits = 16 * point.words
    if point.type in _FLOATS:
        (value,) = _FLOATS[point.type].unpack(raw.to_bytes(bits // 8, "big"))
        return _scaled(value, point.scale) if math.isfinite(value) else None
    if point.type.startswith("int") and raw >> (bits - 1):
        raw -= 1 << bits
    return float(_scaled(raw, point.scale))


def encoded(point: Point, value: float | None, word_order: str) -> dict[int, int]:
    """The registers that show this value.

    ValueError when it doesn't fit the type, or is None and the meter knows no "no value".
    """
    bits = 16 * point.words
    if value is None:
        if point.unknown is None and point.type not in _FLOATS:
            raise ValueError(f"{point.name}: this meter has no way to say 'no value'")
        raw = point.unknown if point.unknown is not None else _nan(point.type)
    elif point.type in _FLOATS:
        raw = int.from_bytes(_FLOATS[point.type].pack(_unscaled(value, point.scale)), "big")
    else:
        raw = round(_unscaled(value, point.scale))
        low = -(1 << (bits - 1)) if point.type.startswith("int") else 0
        if not low <= raw < low + (1 << bits):
            raise ValueError(f"{point.name}: {value:g} does not fit {point.type}")
        raw %= 1 << bits
    words = [raw >> shift & 0xFFFF for shift in range(bits - 16, -16, -16)]
    if word_order == "little":
        words.reverse()
    return dict(zip(range(point.address, point.end), words, strict=True))


def _divisor(scale: float) -> int:
    """10 for 0.1: 0.1 × 2301 is 230.10000000000002, 2301 / 10 is what the display shows."""
    divisor = round(1 / scale)
    return divisor if divisor > 1 and math.isclose(divisor * scale, 1, rel_tol=1e-12) else 1


def _scaled(raw: float, scale: float) -> float:
    divisor = _divisor(scale)
    return raw / divisor if divisor > 1 else raw * scale


def _unscaled(value: float, scale: float) -> float:
    divisor = _divisor(scale)
    return value * divisor if divisor > 1 else value / scale


def _nan(kind: str) -> int:
    return int.from_bytes(_FLOATS[kind].pack(math.nan), "big")
