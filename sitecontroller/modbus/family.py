"""A meter family: which registers hold what, in which type, and how they are read.

Turns registers into a `MeterReading` in canonical units and back (the virtual site serves the same
map). Pure; talks to no meter and knows nothing of an installation (phase order, current
transformers): that is `meter.py`. The files are read by `modelfile.py`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.topology import NOMINAL_V, PerPhase
from sitecontroller.modbus.registers import Point, Registers, decoded, encoded

Values = dict[str, float | None]
"""What the points hold, in canonical units; currents as in the registers, maybe unsigned."""

VOLTAGES = ("voltage_l1_v", "voltage_l2_v", "voltage_l3_v")
CURRENTS = ("current_l1_a", "current_l2_a", "current_l3_a")
POWERS = ("power_l1_w", "power_l2_w", "power_l3_w")
POINT_NAMES = (
    *VOLTAGES,
    *CURRENTS,
    *POWERS,
    "power_w",
    "frequency_hz",
    "energy_import_wh",
    "energy_export_wh",
)

FROZEN_S = 10.0
"""Mains voltage moves all the time: registers that don't for so long are frozen."""
DIRECTION_POWER_FACTOR = 0.5
"""Below this share of U·I a current is mostly reactive: it has no direction and counts as load."""


@dataclass(frozen=True, slots=True)
class Block:
    """Registers that one request reads, and the points in them."""

    name: str
    start: int
    count: int
    points: tuple[Point, ...]

    def halves(self) -> tuple["Block", ...]:
        """Smaller blocks that together hold the same points; none when it can't get smaller.

        For a meter that answers "illegal data address" because something in between is missing.
        """
        middle = len(self.points) // 2
        if middle:
            return (self.around(self.points[:middle]), self.around(self.points[middle:]))
        trimmed = self.around(self.points)
        return () if trimmed.count == self.count else (trimmed,)

    def around(self, points: tuple[Point, ...]) -> "Block":
        """No more than these points of it need."""
        start = min(point.start for point in points)
        return Block(self.name, start, max(point.end for point in points) - start, points)

    def moved(self, base: int) -> "Block":
        """The same block where addresses begin at `base`."""
        points = tuple(
            replace(
                point,
                address=point.address + base,
                added=tuple((sign, address + base) for sign, address in point.added),
                exponent=None if point.exponent is None else point.exponent + base,
            )
            for point in self.points
        )
        return Block(self.name, self.start + base, self.count, points)


@dataclass(frozen=True, slots=True)
class SerialSettings:
    """How the maker sets the serial port; 8 data bits always. `parity` is "N", "E" or "O"."""

    baudrate: int = 9600
    parity: str = "N"
    stopbits: int = 1


@dataclass(frozen=True, slots=True)
class Identity:
    """What a meter of the family says of itself: one of these words from `address` on."""

    function: int
    address: int
    words: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class MeterModel:
    """A meter family. `fast` is read every cycle, `slow` about every 30 s.

    `function` is 3 (holding) or 4 (input registers); `word_order` "big" sends the high word first.
    `unit_id` and `serial` are as it leaves the factory. `unit_gap_s` is the silence a bus keeps
    before it talks to this meter after another one. Registers that stand still for `frozen_s` are
    frozen. With `sunspec` (numbers of SunSpec models) addresses count from the id of that model,
    wherever it is found. `verified` is true once somebody compared the file with a real device.
    """

    name: str
    vendor: str
    models: tuple[str, ...]
    source: str
    note: str
    verified: bool
    function: int
    word_order: str
    unsigned_currents: bool
    unit_id: int
    unit_gap_s: float
    frozen_s: float
    serial: SerialSettings
    identity: Identity | None
    sunspec: tuple[int, ...]
    fast: tuple[Block, ...]
    slow: tuple[Block, ...]
    _points: tuple[Point, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        points = tuple(point for block in (*self.fast, *self.slow) for point in block.points)
        object.__setattr__(self, "_points", points)

    def points(self) -> tuple[Point, ...]:
        """Every point, block by block."""
        return self._points

    def moved(self, base: int) -> "MeterModel":
        """The same family where addresses begin at `base`."""
        return replace(
            self,
            fast=tuple(block.moved(base) for block in self.fast),
            slow=tuple(block.moved(base) for block in self.slow),
        )

    def values(self, registers: Registers, points: Iterable[Point] | None = None) -> Values:
        """What the points (or some of them) hold; one whose registers are missing is left out.

        A "no value" pattern, NaN and infinity are None.
        """
        return {
            point.name: decoded(point, registers, self.word_order)
            for point in (self._points if points is None else points)
            if point.start in registers and point.end - 1 in registers
        }

    def reading(self, values: Values, at: datetime) -> MeterReading:
        """A sample in canonical form, taken at `at`, on the meter's own phases.

        Without a total the power is the sum of the phases, if all are known.
        """
        powers = _phases(values, POWERS)
        voltages = _phases(values, VOLTAGES)
        currents = _phases(values, CURRENTS)
        if self.unsigned_currents:
            currents = _map3(_directed, currents, voltages, powers)
        power_w = values.get("power_w")
        if power_w is None:
            known = [power for power in powers if power is not None]
            power_w = sum(known) if len(known) == 3 else None
        return MeterReading(
            at=at,
            current_a=currents,
            voltage_v=voltages,
            power_phase_w=powers,
            power_w=power_w,
            energy_import_wh=values.get("energy_import_wh"),
            energy_export_wh=values.get("energy_export_wh"),
            frequency_hz=values.get("frequency_hz"),
        )

    def decode(self, registers: Registers, at: datetime) -> MeterReading:
        """`reading` of `values`: registers to a sample."""
        return self.reading(self.values(registers), at)

    def encode(self, reading: MeterReading) -> dict[int, int]:
        """The registers of every block as this meter would show the reading; gaps are 0.

        ValueError when a value doesn't fit its register, or is None where the file knows no
        pattern for "no value".
        """
        registers = {
            address: 0
            for block in (*self.fast, *self.slow)
            for address in range(block.start, block.start + block.count)
        }
        values = _values_of(reading)
        for point in self._points:
            value = values[point.name]
            if self.unsigned_currents and point.name in CURRENTS and value is not None:
                value = abs(value)
            registers.update(encoded(point, value, self.word_order))
        return registers


def _directed(current_a: float | None, voltage_v: float | None, power_w: float | None) -> Any:
    """A magnitude with its direction: negative where the phase feeds back into the grid."""
    if current_a is None or power_w is None or power_w >= 0:
        return current_a
    apparent_va = abs(current_a) * (NOMINAL_V if voltage_v is None else voltage_v)
    return -abs(current_a) if -power_w >= DIRECTION_POWER_FACTOR * apparent_va else current_a


def _map3(function: Any, *phases: PerPhase) -> PerPhase:
    one, two, three = (function(*values) for values in zip(*phases, strict=True))
    return (one, two, three)


def _phases(values: Values, names: tuple[str, ...]) -> PerPhase:
    one, two, three = (values.get(name) for name in names)
    return (one, two, three)


def _values_of(reading: MeterReading) -> Values:
    phases = (*reading.voltage_v, *reading.current_a, *reading.power_phase_w)
    return {
        **dict(zip((*VOLTAGES, *CURRENTS, *POWERS), phases, strict=True)),
        "power_w": reading.power_w,
        "frequency_hz": reading.frequency_hz,
        "energy_import_wh": reading.energy_import_wh,
        "energy_export_wh": reading.energy_export_wh,
    }
