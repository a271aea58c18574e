"""The set-up of a station, step by step, against a station of a few settings."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from sitecontroller.domain.errors import CallRefused, CallTimeout, ConnectionLost
from sitecontroller.ocpp.setup import Setting, SetUp, SetUpPlan

PLAN = SetUpPlan(
    sample_interval="Interval",
    sample_interval_s=10,
    measurand_lists=("Measurands",),
    measurands=("Energy", "Current", "Power"),
    switches={"StopOnInvalid": "true"},
)


@dataclass
class Box:
    """A station's settings. It has room for `measurands_max` of what it `measures`."""

    values: dict[str, str] = field(
        default_factory=lambda: {
            "Interval": "60",
            "Measurands": "Energy",
            "StopOnInvalid": "false",
        }
    )
    read_only: frozenset[str] = frozenset()
    measures: frozenset[str] = frozenset({"Energy", "Current", "Power"})
    measurands_max: int = 10
    fault: Exception | None = None
    said: list[tuple[str, ...]] = field(default_factory=list)

    async def read_settings(self, names: tuple[str, ...]) -> dict[str, Setting]:
        self.said.append(("read", *names))
        if self.fault is not None:
            raise self.fault
        return {
            name: Setting(value, writable=name not in self.read_only)
            for name, value in self.values.items()
            if not names or name in names
        }

    async def write_setting(self, name: str, value: str) -> bool:
        self.said.append(("write", name, value))
        if self.fault is not None:
            raise self.fault
        parts = value.split(",")
        if name == "Measurands" and (
            not self.measures.issuperset(parts) or len(parts) > self.measurands_max
        ):
            return False
        self.values[name] = value
        return True

    @property
    def written(self) -> list[tuple[str, ...]]:
        return [command[1:] for command in self.said if command[0] == "write"]


@dataclass
class Memory:
    facts: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    async def remembered(self, name: str) -> Any:
        return self.facts.get(name)

    async def remember(self, name: str, value: Any) -> None:
        self.facts[name] = value

    async def warn(self, station_id: str, warning: str) -> None:
        self.warnings.append(warning)


class Bench:
    """Sets boxes up and keeps what is remembered and how long it paused."""

    def __init__(self, run: Callable[..., Any]) -> None:
        self._run = run
        self.memory = Memory()
        self.pauses: list[float] = []

    def set_up(
        self, box: Box, *, station: str = "CP-1", model: str = "m/1.0", plan: SetUpPlan = PLAN
    ) -> SetUp:
        async def pause(seconds: float) -> None:
            self.pauses.append(seconds)

        set_up = SetUp(station, model, plan, box, self.memory, sleep=pause)
        self._run(set_up.run())
        return set_up


@pytest.fixture
def bench(run: Callable[..., Any]) -> Bench:
    return Bench(run)


def test_a_station_is_brought_to_the_plan(bench: Bench) -> None:
    box = Box()
    bench.set_up(box)
    assert box.values == {
        "Interval": "10",
        "Measurands": "Energy,Current,Power",
        "StopOnInvalid": "true",
    }


def test_what_already_holds_is_not_written(bench: Bench) -> None:
    box = Box({"Interval": "10", "Measurands": "power, current, energy", "StopOnInvalid": "TRUE"})
    bench.set_up(box)
    assert box.written == []


def test_q14_commands_are_paced(bench: Bench) -> None:
    box = Box()
    bench.set_up(box)
    assert len(bench.pauses) == len(box.said) - 1
    assert min(bench.pauses) >= 0.25


def test_q14_two_time_outs_end_it(bench: Bench) -> None:
    box = Box(fault=CallTimeout("no answer"))
    set_up = bench.set_up(box)
    assert len(box.said) == 2
    assert set_up.interval_held is None
    assert bench.memory.facts == {}


def test_a_lost_connection_ends_it_at_once(bench: Bench) -> None:
    box = Box(fault=ConnectionLost("gone"))
    bench.set_up(box)
    assert len(box.said) == 1


def test_a_callerror_refuses_one_step_only(bench: Bench) -> None:
    box = Box(fault=CallRefused("InternalError", ""))
    bench.set_up(box)
    assert ("write", "Interval", "10") in box.said


def test_q14_the_next_boot_repeats_nothing(bench: Bench) -> None:
    box = Box()
    bench.set_up(box)
    box.said.clear()
    set_up = bench.set_up(box)
    assert box.said == [("read", "Interval")]
    assert set_up.interval_held


def test_a_factory_reset_is_noticed_on_the_next_boot(bench: Bench) -> None:
    bench.set_up(Box())
    reset = Box()
    bench.set_up(reset)
    assert reset.values["Interval"] == "10"


def test_new_firmware_is_set_up_again(bench: Bench) -> None:
    box = Box()
    bench.set_up(box)
    box.said.clear()
    bench.set_up(box, model="m/1.1")
    assert box.said[0] == ("read", *PLAN.names)


def test_q15_singles_are_tried_when_the_list_is_refused(bench: Bench) -> None:
    box = Box(measures=frozenset({"Energy", "Power"}))
    bench.set_up(box)
    assert box.values["Measurands"] == "Energy,Power"
    assert bench.memory.warnings == ["measures Energy,Power (Measurands)"]


def test_q15_a_short_list_keeps_the_most_wanted(bench: Bench) -> None:
    box = Box(measurands_max=2)
    bench.set_up(box)
    assert box.values["Measurands"] == "Energy,Current"


def test_q15_the_station_keeps_its_own_list_when_nothing_is_taken(bench: Bench) -> None:
    box = Box(measures=frozenset({"Own"}))
    box.values["Measurands"] = "Own"
    bench.set_up(box)
    assert box.values["Measurands"] == "Own"


def test_q14_what_a_model_took_is_tried_first_on_its_sisters(bench: Bench) -> None:
    bench.set_up(Box(measurands_max=2))
    sister = Box(measurands_max=2)
    bench.set_up(sister, station="CP-2")
    lists = [value for name, value in sister.written if name == "Measurands"]
    assert lists == ["Energy,Current"]


def test_q15_a_model_on_the_deny_list_is_never_probed_nor_asked(bench: Bench) -> None:
    box = Box()
    bench.set_up(box, plan=replace(PLAN, probe_measurands=False, read_all=True))
    touched = {word for command in box.said for word in command}
    assert "Measurands" not in touched
    assert ("read",) not in box.said
    assert box.values["Interval"] == "10"


def test_a_refused_sample_interval_is_told(bench: Bench) -> None:
    box = Box(read_only=frozenset({"Interval"}))
    set_up = bench.set_up(box)
    assert set_up.interval_held is False
    assert bench.memory.warnings == ["doesn't take a sample interval of 10 s"]


def test_switches_a_station_lacks_are_left(bench: Bench) -> None:
    box = Box()
    del box.values["StopOnInvalid"]
    bench.set_up(box)
    assert "StopOnInvalid" not in box.values
