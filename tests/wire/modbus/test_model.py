"""Meter files: what they say is checked, and registers become readings and registers again."""

import tomllib
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitecontroller.domain.errors import ConfigurationError, InvalidInput
from sitecontroller.domain.metering import MeterReading
from sitecontroller.modbus.model import MeterModel, known_models, meter_model, parse_model
from tests.wire.modbus.fakes import shown

AT = datetime(2025, 3, 3, 6, 0, tzinfo=UTC)
GOLDEN = Path(__file__).parent / "golden"
EXAMPLE = (resources.files("sitecontroller.modbus") / "models/abb-b23.toml").read_text("utf-8")

every_model = pytest.mark.parametrize("model", known_models().values(), ids=list(known_models()))


def dump(name: str) -> tuple[dict[int, int], dict[str, Any]]:
    """The registers of a golden file and the reading they are."""
    data = tomllib.loads((GOLDEN / f"{name}.toml").read_text("utf-8"))
    registers = {
        address: int(word, 16)
        for block in data["blocks"]
        for address, word in enumerate(block["words"].split(), start=block["start"])
    }
    return registers, data["reading"]


def known(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(known(item) for item in value)
    return None if value == "unknown" else pytest.approx(value, rel=1e-6)


@every_model
def test_a_register_dump_is_read_as_the_display_shows_it(model: MeterModel) -> None:
    registers, expected = dump(model.name)
    reading = model.decode(registers, AT)
    assert {name: getattr(reading, name) for name in expected} == {
        name: known(value) for name, value in expected.items()
    }


@every_model
def test_a_register_dump_is_written_as_it_was_read(model: MeterModel) -> None:
    registers, _ = dump(model.name)
    written = model.encode(model.decode(registers, AT))
    alone = [point for point in model.points() if not point.added and point.exponent is None]
    points = [a for point in alone for a in range(point.start, point.end)]
    assert {a: written[a] for a in points} == {a: registers[a] for a in points}


def phase_powers(voltages: tuple[float, ...], currents: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(round(v * i * 0.98, -1) for v, i in zip(voltages, currents, strict=True))


@st.composite
def readings(draw: st.DrawFn) -> MeterReading:
    """Readings whose figures are whole in every model's registers and not too large for any."""
    voltages = tuple(draw(st.integers(200, 260)) * 1.0 for _ in range(3))
    currents = tuple(draw(st.integers(-800, 800)) * 0.5 for _ in range(3))
    powers = phase_powers(voltages, currents)
    return MeterReading(
        at=AT,
        current_a=currents,
        voltage_v=voltages,
        power_phase_w=powers,
        power_w=round(sum(powers), -1),
        energy_import_wh=draw(st.integers(0, 10_000)) * 1000.0,
        energy_export_wh=draw(st.integers(0, 10_000)) * 1000.0,
        frequency_hz=draw(st.integers(45, 65)) * 1.0,
    )


def rounded(reading: MeterReading) -> tuple[Any, ...]:
    """To 6 digits: what a float32 holds. The signs of currents are left to other tests."""
    currents = tuple(None if amount is None else abs(amount) for amount in reading.current_a)
    phases = (*currents, *reading.voltage_v, *reading.power_phase_w)
    totals = (reading.power_w, reading.energy_import_wh, reading.energy_export_wh)
    return tuple(
        None if value is None else float(f"{value:.6g}")
        for value in (*phases, *totals, reading.frequency_hz)
    )


@given(reading=readings())
def test_what_is_written_is_read_back_by_every_model(reading: MeterReading) -> None:
    for model in known_models().values():
        read = model.decode(model.encode(reading), AT)
        assert rounded(read) == rounded(shown(model, reading)), model.name


@given(reading=readings())
def test_registers_survive_reading_and_writing_in_every_model(reading: MeterReading) -> None:
    for model in known_models().values():
        registers = model.encode(reading)
        assert model.encode(model.decode(registers, AT)) == registers, model.name


def test_the_low_word_may_come_first() -> None:
    little = EXAMPLE.replace('word_order = "big"', 'word_order = "little"')
    big, low = parse_model(EXAMPLE, "abb-b23.toml"), parse_model(little, "abb-b23.toml")
    registers, _ = dump("abb-b23")
    point = next(p for p in big.points() if p.name == "voltage_l1_v")
    swapped = {
        point.address: registers[point.address + 1],
        point.address + 1: registers[point.address],
    }
    assert low.values(swapped)["voltage_l1_v"] == 230.4


def test_a_mostly_reactive_current_counts_as_load() -> None:
    model = meter_model("eastron-sdm630")
    reading = MeterReading(
        at=AT,
        current_a=(20.0, 20.0, 20.0),
        voltage_v=(230.0, 230.0, 230.0),
        power_phase_w=(-4000.0, -100.0, 100.0),
        power_w=-4000.0,
        energy_import_wh=0.0,
        energy_export_wh=0.0,
        frequency_hz=50.0,
    )
    assert model.decode(model.encode(reading), AT).current_a == (-20.0, 20.0, 20.0)


def test_a_value_too_large_for_its_register_is_refused() -> None:
    model = meter_model("abb-b23")
    registers, _ = dump("abb-b23")
    reading = model.decode(registers, AT)
    too_much = MeterReading(at=AT, frequency_hz=700.0, current_a=reading.current_a)
    with pytest.raises(ValueError, match="frequency_hz: 700"):
        model.encode(too_much)


def test_an_unknown_model_names_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match=r"known are: abb-b23, .*eastron-sdm630, .*weidm"):
        meter_model("sdm120")


@pytest.mark.parametrize(
    ("line", "instead", "key"),
    [
        ("function = 3", "function = 5", "function"),
        ("function = 3", "", "function"),
        ('word_order = "big"', 'word_order = "middle"', "word_order"),
        ('vendor = "ABB"', "vendor = 7", "vendor"),
        ('vendor = "ABB"', 'vendor = "ABB"\ncolour = "grey"', "colour"),
        ("baudrate = 9600", "baudrate = 9601", "serial.baudrate"),
        ("count = 28", "count = 126", "blocks.fast.count"),
        ("count = 28", "count = 27", "points.power_l3_w.address"),
        ('uint16 = "FFFF"', 'uint16 = "FFF"', "unknown.uint16"),
        ('uint16 = "FFFF"', 'uint16 = "QQQQ"', "unknown.uint16"),
        ("0x5B2C, type", '0x5B2C, kind = "a", type', "points.frequency_hz.kind"),
        ('0x5B2C, type = "uint16"', '0x5B2C, type = "real"', "points.frequency_hz.type"),
        ('frequency_hz = { block = "slow"', 'hertz = { block = "slow"', "points.hertz"),
        ('frequency_hz = { block = "slow"', 'frequency_hz = { block = "x"', "points.frequency_hz"),
        ("[blocks.fast]", "[blocks.quick]", "points.voltage_l1_v.block"),
        ("0x5000, type", '0x5000, plus = "x", type', "points.energy_import_wh.plus"),
        ("0x5000, type", "0x5000, plus = [0x6000], type", "points.energy_import_wh.address"),
        ("0x5000, type", "0x5000, exponent = 0x10000, type", "points.energy_import_wh.exponent"),
        ('words = ["4232 3320"', 'words = ["42 3320"', "identify.words"),
        ('words = ["4232 3320"', 'words = ["4232"', "identify.words"),
        ("function = 3", "function = 3\nsunspec = [0]", "sunspec"),
        ("function = 3", "function = 3\nfrozen_s = 1", "frozen_s"),
        ("[points]", "[points", ""),
    ],
)
def test_a_fault_in_a_file_names_file_and_key(line: str, instead: str, key: str) -> None:
    assert line in EXAMPLE
    with pytest.raises(ConfigurationError) as caught:
        parse_model(EXAMPLE.replace(line, instead, 1), "my-meter.toml")
    assert caught.value.detail.startswith("my-meter.toml")
    assert caught.value.errors[0].field.startswith(key)


@every_model
def test_a_file_says_where_its_facts_are_from_and_what_is_not_sure(model: MeterModel) -> None:
    assert model.source
    assert model.note
    assert not model.verified


@every_model
def test_no_request_asks_for_half_a_value(model: MeterModel) -> None:
    """Some meters refuse a request that begins or ends inside a value (Siemens PAC)."""
    for block in (*model.fast, *model.slow):
        for part in block.halves():
            assert all(part.start <= point.start for point in part.points)
            assert all(point.end <= part.start + part.count for point in part.points)


def test_tariffs_are_added_and_export_is_taken_off() -> None:
    text = EXAMPLE.replace(
        "energy_import_wh = { block",
        "energy_import_wh = { plus = [0x5004], block",
    ).replace("power_w = { block", "power_w = { minus = [0x5B16], block")
    model = parse_model(text, "my-meter.toml")
    registers, _ = dump("abb-b23")
    registers |= {0x5004: 0, 0x5005: 0, 0x5006: 0, 0x5007: 100}
    values = model.values(registers)
    assert values["energy_import_wh"] == 12_345_670.0 + 1000.0
    assert values["power_w"] == pytest.approx(3422.17 - 3500.12)


def test_a_sum_with_an_unknown_part_is_unknown() -> None:
    text = EXAMPLE.replace("energy_import_wh = {", "energy_import_wh = { plus = [0x5004],")
    registers, _ = dump("abb-b23")
    assert parse_model(text, "my-meter.toml").values(registers)["energy_import_wh"] is None


@pytest.mark.parametrize(
    ("name", "count_max"),
    [("carlo-gavazzi-em24", 11), ("carlo-gavazzi-em340", 50), ("eastron-sdm630", 80)],
)
def test_a_meter_is_not_asked_for_more_than_it_gives(name: str, count_max: int) -> None:
    model = meter_model(name)
    assert max(block.count for block in (*model.fast, *model.slow)) <= count_max


def test_a_gap_that_can_not_be_read_is_in_no_request() -> None:
    """Siemens PAC1600: registers 31 to 48."""
    model = meter_model("siemens-pac1600")
    asked = {
        address
        for block in (*model.fast, *model.slow)
        for address in range(block.start, block.start + block.count)
    }
    assert asked.isdisjoint(range(31, 49))


def test_names_are_found_however_they_are_written() -> None:
    assert meter_model(" Eastron-SDM630 ") is meter_model("eastron-sdm630")
