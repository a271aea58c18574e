"""Reading and checking one file of `models/`; docs/adding-a-meter.md explains its keys."""

import tomllib

from sitecontroller.modbus.family import (
    FROZEN_S,
    POINT_NAMES,
    Block,
    Identity,
    MeterModel,
    SerialSettings,
)
from sitecontroller.modbus.filetable import Table, fault
from sitecontroller.modbus.registers import WORDS, Point

READ_MAX = 125
"""Registers in one answer (Modbus application protocol 1.1b3, 6.3)."""
BAUDRATES = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)


def parse_model(text: str, file: str) -> MeterModel:
    """Read and check one meter file; ConfigurationError names the file, the key and the remedy."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise fault(file, "", f"is not valid TOML: {error}") from None
    root = Table(data, file)
    blocks = _blocks(root)
    function = root.choice("function", (3, 4))
    model = MeterModel(
        name=file.removesuffix(".toml"),
        vendor=root.text("vendor"),
        models=root.texts("models"),
        source=root.text("source"),
        note=root.text("note", ""),
        verified=root.flag("verified", default=False),
        function=function,
        word_order=root.choice("word_order", ("big", "little")),
        unsigned_currents=root.flag("unsigned_currents", default=False),
        unit_id=root.integer("unit_id", 1, low=0, high=255),
        unit_gap_s=root.number("unit_gap_ms", 0, low=0, high=1000) / 1000,
        frozen_s=root.number("frozen_s", FROZEN_S, low=FROZEN_S, high=600),
        serial=_serial(root.table("serial", {})),
        identity=_identity(root.table("identify", {}), function),
        sunspec=root.integers("sunspec", (), low=1, high=65534),
        fast=tuple(block for block in blocks if block.name.startswith("fast")),
        slow=tuple(block for block in blocks if not block.name.startswith("fast")),
    )
    if not model.fast:
        raise fault(file, "blocks.fast", "is missing: what is read every cycle")
    root.no_more()
    return model


def _serial(table: Table) -> SerialSettings:
    settings = SerialSettings(
        table.choice("baudrate", BAUDRATES, 9600),
        table.choice("parity", ("N", "E", "O"), "N"),
        table.choice("stopbits", (1, 2), 1),
    )
    table.no_more()
    return settings


def _identity(table: Table, function: int) -> Identity | None:
    if not table.names():
        return None
    texts = table.texts("words")
    words = tuple(_hexadecimal(table, "words", text.replace(" ", "")) for text in texts)
    if len({len(each) for each in words}) != 1:
        raise table.wrong("words", "are all of one length: one request reads them")
    identity = Identity(
        function=table.choice("function", (3, 4), function),
        address=table.integer("address", None, low=0, high=0xFFFF),
        words=words,
    )
    table.no_more()
    return identity


def _hexadecimal(table: Table, key: str, text: str) -> tuple[int, ...]:
    """Groups of four digits as registers."""
    if not text or len(text) % 4:
        raise table.wrong(key, f"'{text}' needs four hexadecimal digits a register")
    try:
        return tuple(int(text[at : at + 4], 16) for at in range(0, len(text), 4))
    except ValueError:
        raise table.wrong(key, f"'{text}' is not hexadecimal, like FFFF") from None


def _blocks(root: Table) -> list[Block]:
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
        raise fault(root.file, key, f"names '{block}', but there is no [blocks.{block}]")
    blocks = [
        _block(block_tables.table(name), name, points.get(name, []), limit)
        for name in block_tables.names()
    ]
    block_tables.no_more()
    return blocks


def _unknown_patterns(table: Table) -> dict[str, int]:
    patterns: dict[str, int] = {}
    for kind in table.names():
        if kind not in WORDS:
            raise table.wrong(kind, f"is no type; one of: {', '.join(WORDS)}")
        text = table.text(kind)
        if len(_hexadecimal(table, kind, text)) != WORDS[kind]:
            raise table.wrong(kind, f"'{text}' needs {4 * WORDS[kind]} hexadecimal digits")
        patterns[kind] = int(text, 16)
    return patterns


def _point(table: Table, name: str, unknown: dict[str, int]) -> tuple[str, Point]:
    if name not in POINT_NAMES:
        raise table.wrong("", f"is no point; one of: {', '.join(POINT_NAMES)}")
    kind = table.choice("type", tuple(WORDS))
    added = tuple(
        (sign, address)
        for sign, key in ((1, "plus"), (-1, "minus"))
        for address in table.integers(key, (), low=0, high=0xFFFF)
    )
    point = Point(
        name=name,
        address=table.integer("address", None, low=0, high=0xFFFF),
        type=kind,
        scale=table.number("scale", 1.0, low=1e-6, high=1e6),
        unknown=unknown.get(kind),
        added=added,
        exponent=table.optional_integer("exponent", low=0, high=0xFFFF),
    )
    block = table.text("block")
    table.no_more()
    return block, point


def _block(table: Table, name: str, points: list[Point], count_max: int) -> Block:
    start = table.integer("start", None, low=0, high=0xFFFF)
    count = table.integer("count", None, low=1, high=count_max)
    table.no_more()
    for point in points:
        if not (start <= point.start and point.end <= start + count):
            raise fault(
                table.file,
                f"points.{point.name}.address",
                f"0x{point.start:04X} to 0x{point.end - 1:04X} is outside block {name}: "
                f"0x{start:04X} to 0x{start + count - 1:04X}",
            )
    if not points:
        raise table.wrong("", "has no point: nothing would be read from it")
    return Block(name, start, count, tuple(sorted(points, key=lambda point: point.start)))
