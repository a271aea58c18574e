"""A meter family as data: which register holds what, in which type, and how blocks are read.

Reads and checks the files in `models/`, turns registers into a `MeterReading` in canonical units
and back (the virtual site serves the same map). Pure but for reading the files; talks to no meter
and knows nothing of an installation (phase order, current transformers): that is `meter.py`.
"""

import tomllib
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any

from sitecontroller.domain.errors import FieldError, InvalidInput
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.topology import NOMINAL_V, PerPhase
from sitecontroller.modbus.modelfile import Table, fault
from sitecontroller.modbus.registers import WORDS, Point, Registers, decoded, encoded

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

READ_MAX = 125
"""Registers in one answer (Modbus application protocol 1.1b3, 6.3)."""

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
            return (self._around(self.points[:middle]), self._around(self.points[middle:]))
        trimmed = self._around(self.points)
        return () if trimmed.count == self.count else (trimmed,)

    def _around(self, points: tuple[Point, ...]) -> "Block":
        start = points[0].address
        return Block(self.name, start, max(point.end for point in points) - start, points)


@dataclass(frozen=True, slots=True)
class SerialSettings:
    """How the maker sets the serial port; 8 data bits always. `parity` is "N", "E" or "O"."""

    baudrate: int = 9600
    parity: str = "N"
    stopbits: int = 1


@dataclass(frozen=True, slots=True)
class MeterModel:
    """A meter family. `fast` is read every cycle, `slow` about every 30 s.

    `function` is 3 (holding) or 4 (input registers); `word_order` "big" sends the high word first.
    `unit_gap_s` is the silence a bus keeps before it talks to this meter after another one.
    `verified` is true once somebody compared the file with a real device.
    """

    name: str
    vendor: str
    models: tuple[str, ...]
    source: str
    verified: bool
    function: int
    word_order: str
    unsigned_currents: bool
    unit_gap_s: float
    serial: SerialSettings
    fast: tuple[Block, ...]
    slow: tuple[Block, ...]

    def points(self) -> tuple[Point, ...]:
        """Every point, block by block."""
        return tuple(point for block in (*self.fast, *self.slow) for point in block.points)

    def values(self, registers: Registers) -> Values:
        """What the points of these registers hold; a point whose registers are missing is left out.

        A "no value" pattern, NaN and infinity are None.
        """
        return {
            point.name: decoded(point, registers, self.word_order)
            for point in self.points()
            if point.address in registers and point.end - 1 in registers
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
        for point in self.points():
            value = values[point.name]
            if self.unsigned_currents and point.name in CURRENTS and value is not None:
                value = abs(value)
            registers.update(encoded(point, value, self.word_order))
        return registers


def meter_model(name: str) -> MeterModel:
    """The family of that name; InvalidInput names those there are."""
    models = known_models()
    model = models.get(name.strip().lower())
    if model is None:
        raise InvalidInput(
            f"no meter model is called '{name}'; known are: {', '.join(models)}",
            remedy="Write one of these, or add a file: docs/adding-a-meter.md",
            errors=(FieldError("model", f"'{name}' is not one of {', '.join(models)}"),),
        )
    return model


@cache
def known_models() -> dict[str, MeterModel]:
    """Every family in `models/` by the name of its file, sorted."""
    folder = resources.files(__package__) / "models"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    return {
        file.name.removesuffix(".toml"): parse_model(file.read_text(encoding="utf-8"), file.name)
        for file in files
    }


def parse_model(text: str, file: str) -> MeterModel:
    """Read and check one meter file; ConfigurationError names the file, the key and the remedy."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise fault(file, "", f"is not valid TOML: {error}") from None
    root = Table(data, file)
    unknown = _unknown_patterns(root.table("unknown", {}))
    points: dict[str, list[Point]] = {}
    tables = root.table("points")
    for name in tables.names():
        block, point = _point(tables.table(name), name, unknown)
        points.setdefault(block, []).append(point)
    limit = root.integer("registers_max", READ_MAX, low=4, high=READ_MAX)
    block_tables = root.table("blocks")
    for block in sorted(points.keys() - set(block_tables.names())):
        key = f"points.{points[block][0].name}.block"
        raise fault(file, key, f"names '{block}', but there is no [blocks.{block}]")
    blocks = [
        _block(block_tables.table(name), name, points.get(name, []), limit)
        for name in block_tables.names()
    ]
    serial = root.table("serial", {})
    model = MeterModel(
        name=file.removesuffix(".toml"),
        vendor=root.text("vendor"),
        models=root.texts("models"),
        source=root.text("source"),
        verified=root.flag("verified", default=False),
        function=root.choice("function", (3, 4)),
        word_order=root.choice("word_order", ("big", "little")),
        unsigned_currents=root.flag("unsigned_currents", default=False),
        unit_gap_s=root.number("unit_gap_ms", 0, low=0, high=1000) / 1000,
        serial=SerialSettings(
            serial.choice("baudrate", (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200), 9600),
            serial.choice("parity", ("N", "E", "O"), "N"),
            serial.choice("stopbits", (1, 2), 1),
        ),
        fast=tuple(block for block in blocks if block.name.startswith("fast")),
        slow=tuple(block for block in blocks if not block.name.startswith("fast")),
    )
    if not model.fast:
        raise fault(file, "blocks.fast", "is missing: what is read every cycle")
    for table in (root, block_tables, serial):
        table.no_more()
    return model


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


def _unknown_patterns(table: Table) -> dict[str, int]:
    patterns: dict[str, int] = {}
    for kind in table.names():
        if kind not in WORDS:
            raise table.wrong(kind, f"is no type; one of: {', '.join(WORDS)}")
        text = table.text(kind)
        try:
            patterns[kind] = int(text, 16)
        except ValueError:
            raise table.wrong(kind, f"'{text}' is not hexadecimal, like FFFF") from None
        if len(text) != 4 * WORDS[kind]:
            raise table.wrong(kind, f"'{text}' needs {4 * WORDS[kind]} hexadecimal digits")
    return patterns


def _point(table: Table, name: str, unknown: dict[str, int]) -> tuple[str, Point]:
    if name not in POINT_NAMES:
        raise table.wrong("", f"is no point; one of: {', '.join(POINT_NAMES)}")
    kind = table.choice("type", tuple(WORDS))
    point = Point(
        name=name,
        address=table.integer("address", None, low=0, high=0xFFFF),
        type=kind,
        scale=table.number("scale", 1.0, low=1e-6, high=1e6),
        unknown=unknown.get(kind),
    )
    block = table.text("block")
    table.no_more()
    return block, point


def _block(table: Table, name: str, points: list[Point], count_max: int) -> Block:
    start = table.integer("start", None, low=0, high=0xFFFF)
    count = table.integer("count", None, low=1, high=count_max)
    table.no_more()
    for point in points:
        if not (start <= point.address and point.end <= start + count):
            raise fault(
                table.file,
                f"points.{point.name}.address",
                f"0x{point.address:04X} is outside block {name}: "
                f"0x{start:04X} to 0x{start + count - 1:04X}",
            )
    if not points:
        raise table.wrong("", "has no point: nothing would be read from it")
    return Block(name, start, count, tuple(sorted(points, key=lambda point: point.address)))
