"""Sessions that pay by time, over the wire: pauses of ours, cars that never wake, a night of DST.

5.00 EUR an hour charging, 10.00 EUR an hour parking, 0.50 EUR/kWh; 19 % VAT included.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sitecontroller.clock import SystemClock
from sitecontroller.domain.commands import CommandState, PauseCharging, ResumeCharging
from sitecontroller.domain.costs import ShowCost
from sitecontroller.domain.rating import BillDimension
from sitecontroller.domain.station import ChargingState
from sitecontroller.domain.tariff import (
    PriceComponent,
    Restriction,
    Tariff,
    TariffDimension,
    TariffElement,
)
from sitecontroller.domain.transaction import Transaction
from sitecontroller.services.session_facts import marks_of
from sitecontroller.simulation.virtual_time import VirtualLoop, virtual_clock
from tests.support import eventually
from tests.unit.money.test_receipt import text_of
from tests.wire.costs.test_costs import enabled, shows, told
from tests.wire.limits.box import Box, now
from tests.wire.site import TestSite, boot16, boot201, running_site, status16

Play = Callable[[TestSite, Box], Awaitable[None]]
VERSIONS = ["1.6", "2.0.1", "2.1"]
WAKE = 10 / 60
BY_TIME = Tariff(
    "standard", 1, "By time", "EUR",
    (
        PriceComponent(TariffDimension.ENERGY, Decimal("0.50"), Decimal(19)),
        PriceComponent(TariffDimension.TIME, Decimal(5), Decimal(19)),
        PriceComponent(TariffDimension.PARKING_TIME, Decimal(10), Decimal(19)),
    ),
    datetime(2020, 1, 1, tzinfo=UTC),
)  # fmt: skip


class MorningAfter(SystemClock):
    """The wall clock of 25 October 2026, from 08:00 UTC on."""

    def __init__(self) -> None:
        self._began_s = self.monotonic_s()

    def now(self) -> datetime:
        passed = timedelta(seconds=self.monotonic_s() - self._began_s)
        return datetime(2026, 10, 25, 8, tzinfo=UTC) + passed


class Plugged(Box):
    """A box whose car may sleep, and that says so."""

    sleeps = False

    @property
    def drawn_a(self) -> float:
        return 0.0 if self.sleeps else super().drawn_a

    async def says(self, state: str) -> None:
        if self.charger.version == "1.6":
            await status16(self.charger, 1, state)
            return
        info = {"transactionId": "T-1", "chargingState": state}
        await self._event("Updated", "ChargingStateChanged", transactionInfo=info)

    async def end(self) -> dict[str, Any]:
        """The station ends the session; its answer."""
        ended, self._transaction, self.over = self._transaction, None, True
        if self.charger.version == "1.6":
            stop = {"meterStop": round(self.register_wh), "timestamp": now()}
            return await self.charger.call("StopTransaction", {"transactionId": ended, **stop})
        return await self.charger.call(
            "TransactionEvent",
            {
                "eventType": "Ended",
                "timestamp": now(),
                "triggerReason": "EVCommunicationLost",
                "seqNo": self._sequence,
                "transactionInfo": {"transactionId": "T-1", "stoppedReason": "EVDisconnected"},
                "meterValue": [{"timestamp": now(), "sampledValue": [{"value": self.register_wh}]}],
            },
        )


@pytest.fixture
def scene(run: Any, tmp_path: Path) -> Any:
    """`scene(version, play)` in virtual time, with a car that takes 16 A from the start."""

    async def played(version: str, play: Play, tariff: Tariff) -> None:
        clock = virtual_clock()
        async with running_site(tmp_path, clock=clock, tariff=tariff) as site:
            await asyncio.sleep(320)
            async with site.charger(version=version) as charger:
                charger.answers["GetConfiguration"] = shows
                charger.answers["GetVariables"] = enabled
                charger.answers["CostUpdated"] = lambda _: {}
                box = Plugged(charger, car_a=16)
                await (boot16 if version == "1.6" else boot201)(charger)
                await asyncio.sleep(10)
                await box.begin()
                sampler = asyncio.create_task(box.keep_sampling())
                await play(site, box)
                box.over = True
                await asyncio.gather(sampler)

    def staged(version: str, play: Play, tariff: Tariff = BY_TIME) -> None:
        run(played(version, play, tariff), loop_factory=VirtualLoop)

    return staged


def hours(row: Transaction, dimension: BillDimension) -> float:
    assert row.price is not None
    found = [line.volume for line in row.price.lines if line.dimension is dimension]
    return float(sum(found, Decimal(0)))


async def paused(site: TestSite, box: Plugged, minutes: float) -> None:
    """A person pauses the session; its car falls asleep, and its station says so."""
    row = await site.row()
    await site.site.controller.execute(PauseCharging(row.key))
    await asyncio.sleep(20)
    await box.says("SuspendedEV")
    await asyncio.sleep(minutes * 60 - 20)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_station_that_says_suspended_ev_during_our_pause_pays_for_no_minute_of_it(
    scene: Any, version: str
):
    async def play(site: TestSite, box: Plugged) -> None:
        await asyncio.sleep(1800)
        await paused(site, box, 30)
        await site.site.controller.execute(ResumeCharging((await site.row()).key))
        await eventually(lambda: box.drawn_a >= 6, within_s=120)
        await box.says("Charging")
        await asyncio.sleep(1800)
        await box.end()
        row = await site.row()
        assert hours(row, BillDimension.TIME) == pytest.approx(1, abs=0.04)
        assert hours(row, BillDimension.PARKING_TIME) == 0
        printed = text_of(await site.site.controller.receipt_pdf(row.key))
        assert "Paused by the site, not charged" in printed
        assert "paused by" in printed, "the reason"

    scene(version, play)


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_a_car_that_never_wakes_after_our_pause_parks_ten_minutes_later(scene: Any, version: str):
    async def play(site: TestSite, box: Plugged) -> None:
        await asyncio.sleep(1800)
        box.sleeps = True
        await paused(site, box, 30)
        await site.site.controller.execute(ResumeCharging((await site.row()).key))
        await asyncio.sleep(3600)
        await box.end()
        row = await site.row()
        assert hours(row, BillDimension.TIME) == pytest.approx(0.5, abs=0.02)
        assert hours(row, BillDimension.PARKING_TIME) == pytest.approx(1 - WAKE, abs=0.04)

    scene(version, play)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_running_price_at_the_end_is_the_final_price(scene: Any, version: str):
    async def play(site: TestSite, box: Plugged) -> None:
        await asyncio.sleep(1200)
        box.sleeps = True
        await box.says("SuspendedEV")
        await asyncio.sleep(1200)
        controller = site.site.controller
        row = await site.row()
        controller.transaction_view(row.key)
        await asyncio.sleep(2)
        view = controller.transaction_view(row.key)
        assert (await controller.execute(ShowCost(row.key))).state is CommandState.ACCEPTED
        answer = await box.end()
        price = (await site.row()).price
        assert price is not None
        due = float(price.total.amount)
        assert view is not None
        assert view.price is not None
        assert float(view.price.amount) == pytest.approx(due, abs=0.2), "a minute of parking"
        if version == "1.6":
            await eventually(lambda: told(box.charger, "FinalCost"))
            assert told(box.charger, "FinalCost")[0]["cost"] == due
            last = told(box.charger, "RunningCost")[-1]["cost"]
        else:
            assert answer["totalCost"] == due
            last = box.charger.asked_for("CostUpdated")[-1]["totalCost"]
        assert last == pytest.approx(due, abs=0.011), "told in the same second"
        receipt = await controller.receipt_pdf(row.key)
        assert receipt.startswith(b"%PDF")

    scene(version, play)


def test_an_hour_that_comes_twice_in_a_night_is_paid_twice(run: Any, tmp_path: Path):
    """A station was offline in the night to 25 October 2026; Berlin's 02:00 to 03:00 came
    twice. That hour costs 12.00 EUR, others 5.00 EUR."""
    dear = TariffElement(
        (PriceComponent(TariffDimension.TIME, Decimal(12), Decimal(19)),),
        Restriction(start_time="02:00", end_time="03:00"),
    )
    tariff = replace(BY_TIME, elements=(dear,))
    clock = MorningAfter()

    async def play() -> None:
        async with (
            running_site(tmp_path, clock=clock, tariff=tariff) as site,
            site.charger() as charger,
        ):
            await boot16(charger)
            card = {"connectorId": 1, "idTag": "CARD0001", "meterStart": 0}
            began = {**card, "timestamp": "2026-10-24T23:00:00Z"}
            number = (await charger.call("StartTransaction", began))["transactionId"]
            stop = {"meterStop": 10_000, "timestamp": "2026-10-25T03:00:00Z"}
            await charger.call("StopTransaction", {"transactionId": number, **stop})
            row = await site.row()
            assert row.price is not None
            amounts = {
                (line.unit_price, line.volume) for line in row.price.lines
                if line.dimension is BillDimension.TIME
            }  # fmt: skip
            assert amounts == {(Decimal(12), Decimal(2)), (Decimal(5), Decimal(2))}
            assert row.price.total.amount == Decimal("39.00")

    run(play())


def test_a_restart_forgets_neither_a_pause_nor_what_the_station_said(run: Any, tmp_path: Path):
    """A pause stands when the controller stops, and its car sleeps; nothing of it is paid later."""

    async def begun(site: TestSite) -> str:
        async with site.charger() as charger:
            box = Plugged(charger, car_a=16)
            await boot16(charger)
            await asyncio.sleep(10)
            await box.begin()
            sampler = asyncio.create_task(box.keep_sampling())
            await asyncio.sleep(600)
            await paused(site, box, 5)
            box.over = True
            await asyncio.gather(sampler)
        return (await site.row()).key

    def marks(site: TestSite, key: str) -> Any:
        return site.site.store.read(lambda tx: marks_of(tx, key))

    async def play() -> None:
        clock = virtual_clock()
        async with running_site(tmp_path, clock=clock, tariff=BY_TIME) as site:
            await asyncio.sleep(320)
            key = await begun(site)
            before = await marks(site, key)
        async with running_site(tmp_path, clock=clock, planted=True) as again:
            after = await marks(again, key)
            assert after[: len(before)] == before
            said = [mark.charging_state for mark in after if mark.charging_state is not None]
            assert said == [ChargingState.CHARGING, ChargingState.SUSPENDED_EV]
            assert [mark.paused for mark in before if mark.paused is not None][-1]

    run(play(), loop_factory=VirtualLoop)
