"""The poller: each meter at its own pace, failures told every time and logged once."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.topology import Meter
from sitecontroller.modbus.model import meter_model
from sitecontroller.modbus.poller import MeterPoller
from sitecontroller.simulation.virtual_time import VirtualClock, VirtualLoop
from tests.wire.modbus.fakes import READING, Responder

Run = Callable[..., Any]
B23 = meter_model("abb-b23")


@dataclass
class Told:
    """A listener that keeps what it hears."""

    clock: VirtualClock
    samples: list[tuple[str, float]] = field(default_factory=list)
    readings: list[MeterReading] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)
    since_s: list[float | None] = field(default_factory=list)

    def meter_measured(self, meter_id: str, reading: MeterReading) -> None:
        self.samples.append((meter_id, self.clock.monotonic_s()))
        self.readings.append(reading)

    def meter_failed(self, meter_id: str, reason: str, since_s: float | None = None) -> None:
        self.failures.append((meter_id, reason))
        self.since_s.append(since_s)

    def times_s(self, meter_id: str) -> list[float]:
        return [at_s for name, at_s in self.samples if name == meter_id]


def living(clock: VirtualClock) -> Responder:
    """A meter whose voltage moves, as every real one's does."""
    responder = Responder({1: {}})

    def measured(unit: int, function: int, start: int, count: int, _: Any) -> Any:
        wobble = int(clock.monotonic_s() * 10) % 47 / 10
        responder.registers[1] = B23.encode(
            replace(READING, voltage_v=(228.0 + wobble, 231.0, 229.0))
        )
        return responder._honest(unit, function, start, count)

    responder.twist = measured
    return responder


async def polled(meters: list[Meter], told: Told, for_s: float) -> None:
    poller = asyncio.create_task(MeterPoller(meters, told.clock, told).run())
    await asyncio.sleep(for_s)
    poller.cancel()
    await asyncio.gather(poller, return_exceptions=True)


def test_each_meter_is_read_at_its_own_period(run: Run) -> None:
    async def main() -> tuple[int, int]:
        told = Told(VirtualClock())
        async with living(told.clock).on_tcp() as one, living(told.clock).on_tcp() as other:
            meters = [
                Meter("fast", "", B23.name, one, period_s=0.5),
                Meter("slow", "", B23.name, other, period_s=10),
            ]
            await polled(meters, told, 59.9)
        return len(told.times_s("fast")), len(told.times_s("slow"))

    assert run(main(), loop_factory=VirtualLoop) == (120, 6)


def test_a_silent_meter_does_not_slow_down_the_others(run: Run) -> None:
    async def main() -> int:
        told = Told(VirtualClock())
        silent = living(told.clock)
        silent.twist = lambda *_: None
        async with living(told.clock).on_tcp() as one, silent.on_tcp() as other:
            meters = [Meter("M1", "", B23.name, one), Meter("M2", "", B23.name, other)]
            await polled(meters, told, 29.9)
        assert {name for name, _ in told.failures} == {"M2"}
        return len(told.times_s("M1"))

    assert run(main(), loop_factory=VirtualLoop) == 30


def test_a_failure_and_the_recovery_are_each_logged_once(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        told = Told(VirtualClock())
        responder = living(told.clock)
        honest = responder.twist
        async with responder.on_tcp() as url:
            poller = asyncio.create_task(
                MeterPoller([Meter("M1", "", B23.name, url)], told.clock, told).run()
            )
            await asyncio.sleep(5)
            responder.twist = lambda *_: None
            await asyncio.sleep(30)
            responder.twist = honest
            await asyncio.sleep(15)
            poller.cancel()
            await asyncio.gather(poller, return_exceptions=True)
        assert told.times_s("M1")[-1] > 45

    with caplog.at_level(logging.INFO, "sitecontroller.modbus.poller"):
        run(main(), loop_factory=VirtualLoop)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_frozen_registers_are_told_as_a_failure_since_they_last_moved(run: Run) -> None:
    async def main() -> Told:
        told = Told(VirtualClock())
        async with Responder({1: B23.encode(READING)}).on_tcp() as url:
            await polled([Meter("M1", "", B23.name, url)], told, 15)
        return told

    told = run(main(), loop_factory=VirtualLoop)
    assert {name for name, _ in told.failures} == {"M1"}
    assert all("frozen" in reason for _, reason in told.failures)
    first_s = told.samples[0][1]
    assert told.since_s == [pytest.approx(first_s, abs=0.1)] * len(told.failures)


def test_a_poller_can_be_started_again(run: Run) -> None:
    async def main() -> int:
        told = Told(VirtualClock())
        async with living(told.clock).on_tcp() as url:
            poller = MeterPoller([Meter("M1", "", B23.name, url)], told.clock, told)
            for _ in range(2):
                task = asyncio.create_task(poller.run())
                await asyncio.sleep(2.5)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        return len(told.samples)

    assert run(main(), loop_factory=VirtualLoop) == 6


def test_a_site_without_meters_has_a_poller_that_waits(run: Run) -> None:
    async def main() -> bool:
        told = Told(VirtualClock())
        task = asyncio.create_task(MeterPoller([], told.clock, told).run())
        await asyncio.sleep(1)
        running = not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return running

    assert run(main(), loop_factory=VirtualLoop)
