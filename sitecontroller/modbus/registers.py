"""One value in a meter's registers: 16-bit words to a number in its canonical unit, and back."""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

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
EXPONENT_MAX = 10
"""SunSpec scale factors are powers of ten from -10 to 10; 0x8000 is "not implemented"."""


@dataclass(frozen=True, slots=True)
class Point:
    """One value: `raw × scale` is its canonical unit; `unknown` is the raw word for "no value".

    `added` are further values of the same type, each with its sign: tariffs that make a total, or
    export in a register of its own. `exponent` is the address of a signed power of ten that stands
    for the scale (the meter may change it); `scale` is then what the virtual site writes there.
    """

    name: str
    address: int
    type: str
    scale: float = 1.0
    unknown: int | None = None
    added: tuple[tuple[int, int], ...] = ()
    exponent: int | None = None

    words: int = field(init=False)
    """How many registers its type takes."""
    start: int = field(init=False)
    """The address of the first register that it needs."""
    end: int = field(init=False)
    """The address after the last register that it needs."""
    divisor: int = field(init=False)
    """10 for a scale of 0.1: 0.1 × 2301 is 230.10000000000002, 2301 / 10 is what is displayed."""

    def __post_init__(self) -> None:
        words = WORDS[self.type]
        starts = [self.address, *(address for _, address in self.added)]
        ends = [start + words for start in starts]
        if self.exponent is not None:
            starts.append(self.exponent)
            ends.append(self.exponent + 1)
        for name, value in (
            ("words", words),
            ("start", min(starts)),
            ("end", max(ends)),
            ("divisor", _divisor(self.scale)),
        ):
            object.__setattr__(self, name, value)


def decoded(point: Point, registers: Registers, word_order: str) -> float | None:
    """The value of a point; None for its "no value" pattern, NaN and infinity."""
    value = _number(point, point.address, registers, word_order)
    for sign, address in point.added:
        more = _number(point, address, registers, word_order)
        if value is None or more is None:
            return None
        value += sign * more
    if value is None:
        return None
    if point.exponent is not None:
        power = _signed(registers[point.exponent], 16)
        known = abs(power) <= EXPONENT_MAX
        return (value * 10.0**power if power >= 0 else value / 10.0**-power) if known else None
    return value / point.divisor if point.divisor > 1 else value * point.scale


def encoded(point: Point, value: float | None, word_order: str) -> dict[int, int]:
    """The registers that show this value: all of it in the first of several that are added.

    ValueError when it doesn't fit the type, or is None and the meter knows no "no value".
    """
    shown: dict[int, float | None] = {address: 0.0 for _, address in point.added}
    address = point.address
    if value is not None and value < 0 and not point.type.startswith(("int", "float")):
        address = next((place for sign, place in point.added if sign < 0), address)
        value = -value if address != point.address else value
    shown |= {point.address: 0.0, address: value}
    registers: dict[int, int] = {}
    for place, part in shown.items():
        words = _words(point, part)
        if word_order == "little":
            words.reverse()
        registers.update(zip(range(place, place + point.words), words, strict=True))
    if point.exponent is not None:
        registers[point.exponent] = round(math.log10(point.scale)) % (1 << 16)
    return registers


def _number(point: Point, start: int, registers: Registers, word_order: str) -> float | None:
    """One register group as it stands there, not scaled."""
    addresses = range(start, start + point.words)
    raw = 0
    for address in addresses if word_order == "big" else reversed(addresses):
        raw = raw << 16 | registers[address]
    if raw == point.unknown:
        return None
    bits = 16 * point.words
    if point.type in _FLOATS:
        (value,) = _FLOATS[point.type].unpack(raw.to_bytes(bits // 8, "big"))
        return float(value) if math.isfinite(value) else None
    return _signed(raw, bits) if point.type.startswith("int") else raw


def _words(point: Point, value: float | None) -> list[int]:
    """The value in its type, high word first."""
    bits = 16 * point.words
    if value is None:
        if point.unknown is None and point.type not in _FLOATS:
            raise ValueError(f"{point.name}: this meter has no way to say 'no value'")
        raw = point.unknown if point.unknown is not None else _nan(point.type)
    elif point.type in _FLOATS:
        raw = int.from_bytes(_FLOATS[point.type].pack(_unscaled(value, point)), "big")
    else:
        raw = round(_unscaled(value, point))
        low = -(1 << (bits - 1)) if point.type.startswith("int") else 0
        if not low <= raw < low + (1 << bits):
            raise ValueError(f"{point.name}: {value:g} does not fit {point.type}")
        raw %= 1 << bits
    return [raw >> shift & 0xFFFF for shift in range(bits - 16, -16, -16)]


def _signed(raw: int, bits: int) -> int:
    return raw - (1 << bits) if raw >> (bits - 1) else raw


def _divisor(scale: float) -> int:
    divisor = round(1 / scale)
    return divisor if divisor > 1 and math.isclose(divisor * scale, 1, rel_tol=1e-12) else 1


def _unscaled(value: float, point: Point) -> float:
    return value * point.divisor if point.divisor > 1 else value / point.scale


def _nan(kind: str) -> int:
    return int.from_bytes(_FLOATS[kind].pack(math.nan), "big")
