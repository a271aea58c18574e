"""A scan finds every meter on a line and names the model that it is."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sitecontroller.cli.main import main as sitecontroller
from sitecontroller.cli.meters import units as units_of
from sitecontroller.domain.errors import MeterTimeout
from sitecontroller.modbus.address import BusAddress
from sitecontroller.modbus.bus import Bus
from sitecontroller.modbus.family import MeterModel, SerialSettings
from sitecontroller.modbus.model import known_models, meter_model
from sitecontroller.modbus.scan import Candidate, FoundUnit, scan
from sitecontroller.modbus.show import configured, render_found
from sitecontroller.simulation.virtual_time import VirtualClock, VirtualLoop
from tests.wire.modbus.fakes import READING, Answer, Responder, served

Run = Callable[..., Any]
MODELS = tuple(known_models().values())
RECOGNIZABLE = [
    name
    for name, model in known_models().items()
    if any(point.name == "voltage_l2_v" for point in model.points())
]
SAYS_SO = {
    "abb-b23": {0x8960: 0x4232, 0x8961: 0x3320},
    "carlo-gavazzi-em24-e1": {0x000B: 1650},
    "socomec-countis-e23": dict(zip(range(0xC350, 0xC354), (0x53, 0x4F, 0x43, 0x4F), strict=True)),
}


def device(name: str) -> dict[int, int]:
    """What a meter of this model answers: its values, and what it says of itself."""
    return served(meter_model(name), READING) | SAYS_SO.get(name, {})


class Line(Responder):
    """Units of a line; each knows only the function of its model."""

    def __init__(self, models: dict[int, str]) -> None:
        super().__init__({unit: device(name) for unit, name in models.items()}, self._only)
        self._functions = {unit: meter_model(name).function for unit, name in models.items()}

    def _only(self, unit: int, function: int, start: int, count: int, honest: Answer) -> Answer:
        if unit in self._functions and self._functions[unit] != function:
            return bytes([unit, function | 0x80, 0x01])
        return honest


async def found_on(
    url: str, models: tuple[MeterModel, ...] = MODELS, units: Any = None
) -> list[FoundUnit]:
    clock = VirtualClock()
    bus = Bus(BusAddress.parse(url, SerialSettings()), clock)
    try:
        return [found async for found in scan(bus, models, units, clock)]
    finally:
        bus.close()


@pytest.fixture
def scanned(run: Run) -> Run:
    """`scanned(responder, …)`: what a scan finds behind a gateway, on virtual time."""

    def of(responder: Responder, *, rtu: bool = True, **asked: Any) -> list[FoundUnit]:
        async def main() -> list[FoundUnit]:
            async with responder.on_tcp(rtu=rtu) as url:
                return await found_on(url, **asked)

        found: list[FoundUnit] = run(main(), loop_factory=VirtualLoop)
        return found

    return of


def best(found: FoundUnit) -> set[str]:
    """The names of the models that are equally likely and more so than others."""
    top = found.candidates[0]
    return {
        each.model.name
        for each in found.candidates
        if (each.identified, each.score) == (top.identified, top.score)
    }


@pytest.mark.parametrize("name", RECOGNIZABLE)
def test_a_meter_of_each_model_is_among_the_most_likely(scanned: Run, name: str) -> None:
    (found,) = scanned(Line({1: name}), units=[1])
    assert name in best(found)


@pytest.mark.parametrize("name", ["eastron-sdm630", "schneider-iem3155", *SAYS_SO, "sunspec-float"])
def test_a_common_meter_or_one_that_says_what_it_is_comes_first(scanned: Run, name: str) -> None:
    (found,) = scanned(Line({1: name}), units=[1])
    assert found.candidates[0].model.name == name


def test_every_unit_of_a_line_is_found(scanned: Run) -> None:
    line = Line({3: "eastron-sdm630", 71: "abb-b23", 247: "carlo-gavazzi-em340"})
    assert [found.unit_id for found in scanned(line)] == [3, 71, 247]


def test_a_line_of_247_units_is_asked_in_less_than_two_minutes(run: Run) -> None:
    async def main() -> float:
        async with Line({1: "eastron-sdm630"}).on_tcp(rtu=True) as url:
            began_s = asyncio.get_running_loop().time()
            await found_on(url)
            return asyncio.get_running_loop().time() - began_s

    assert run(main(), loop_factory=VirtualLoop) < 120


def test_a_device_that_answers_every_unit_is_found_once(scanned: Run) -> None:
    registers = device("shelly-pro-3em")
    everywhere = Responder(dict.fromkeys(range(1, 248), registers))
    assert [found.unit_id for found in scanned(everywhere, rtu=False)] == [1]


def test_a_meter_that_is_silent_to_wrong_questions_is_found_when_its_model_is_named(
    scanned: Run,
) -> None:
    def only_right(unit: int, function: int, start: int, count: int, honest: Answer) -> Answer:
        return None if honest is None or honest[1] & 0x80 else honest

    model = meter_model("socomec-countis-e23")
    shy = Responder({1: device(model.name)}, only_right)
    assert scanned(shy, units=[1]) == []
    (found,) = scanned(shy, units=[1], models=(model,))
    assert found.candidates[0].model == model


def test_something_else_is_found_without_a_model(scanned: Run) -> None:
    (found,) = scanned(Responder({5: dict.fromkeys(range(300), 17)}))
    assert (found.unit_id, found.candidates) == (5, ())
    assert "fits no known meter model" in render_found(found)
    assert configured(found, "tcp://x:502") == ""


def test_values_that_can_not_be_true_speak_against_a_model(scanned: Run) -> None:
    line = Line({1: "eastron-sdm630"})
    line.registers[1] = meter_model("eastron-sdm630").encode(
        replace(READING, power_phase_w=(99_000.0, 4700.0, -1100.0))
    )
    (found,) = scanned(line, units=[1], models=(meter_model("eastron-sdm630"),))
    assert found.candidates == ()


def test_a_line_that_can_not_be_opened_is_told_at_once(run: Run) -> None:
    with pytest.raises(MeterTimeout, match="no connection to serial"):
        run(found_on("serial:///dev/no-such-line"))


def test_a_serial_line_is_scanned(run: Run) -> None:
    async def main() -> list[FoundUnit]:
        with Line({2: "eastron-sdm630"}).on_pty() as url:
            return await found_on(url, units=[1, 2, 3])

    (found,) = run(main())
    assert (found.unit_id, found.candidates[0].model.name) == (2, "eastron-sdm630")


def commanded(run: Run, line: Responder, *options: str) -> int:
    """`meter scan` of this line, as an electrician starts it; its exit status."""

    async def main() -> int:
        async with line.on_tcp(rtu=True) as url:
            return await asyncio.to_thread(sitecontroller, ["meter", "scan", url, *options])

    status: int = run(main())
    return status


def test_the_command_prints_models_and_lines_for_the_site(run: Run, capsys: Any) -> None:
    assert commanded(run, Line({2: "eastron-sdm630"}), "--units", "1-3") == 0
    told = capsys.readouterr().out
    assert "unit 2: eastron-sdm630 (Eastron SDM630-Modbus v1)" in told
    assert "shows 230.0 V, 231.0 V, 229.0 V, 10.00 A, 20.50 A, -5.00 A, 50.00 Hz" in told
    assert '[[meters]]\nid = "meter-2"\nmodel = "eastron-sdm630"' in told


def test_the_command_tells_scripts_the_same(run: Run, capsys: Any) -> None:
    assert commanded(run, Line({2: "abb-b23"}), "--units", "2", "--json") == 0
    (unit,) = json.loads(capsys.readouterr().out)["units"]
    assert unit["unit_id"] == 2
    assert unit["models"][0] == {"model": "abb-b23", "identified": True, "score": 5}
    assert unit["reading"]["voltage_v"] == [230.0, 231.0, 229.0]


def test_the_command_says_what_to_try_when_nothing_answers(run: Run, capsys: Any) -> None:
    assert commanded(run, Line({}), "--units", "1", "--model", "abb-b23") == 1
    told = capsys.readouterr().err
    assert "nothing answers on rtutcp://" in told
    assert "baudrate=19200&parity=E" in told


def test_the_lines_for_the_configuration_carry_settings_other_than_the_makers() -> None:
    found = FoundUnit(4, (candidate("schneider-iem3155"),))
    assert configured(found, "serial:///dev/ttyUSB0").splitlines() == [
        "[[meters]]",
        'id = "meter-4"',
        'model = "schneider-iem3155"',
        'url = "serial:///dev/ttyUSB0?baudrate=9600&parity=N&stopbits=1"',
        "unit_id = 4",
    ]
    assert 'url = "tcp://x:502"' in configured(found, "tcp://x:502")


def candidate(name: str) -> Candidate:
    return Candidate(meter_model(name), False, 5, READING)


def test_units_are_written_as_ranges() -> None:
    assert units_of("1-3,71, 2") == [1, 2, 3, 71]


@pytest.mark.parametrize("text", ["", "0-3", "5-1", "1-300", "x"])
def test_what_is_no_range_of_units_is_refused(text: str, capsys: Any) -> None:
    with pytest.raises(SystemExit):
        sitecontroller(["meter", "scan", "tcp://127.0.0.1:1", "--units", text])
    assert "write 1-247 or 1,2,71" in capsys.readouterr().err
