"""A car that gives back at times of peak demand, over real wires: a meter's Modbus, OCPP 2.1."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sitecontroller.domain.errors import Conflict
from sitecontroller.domain.session_needs import AllowDischarge, EndDischarge, SessionNeedsQuery
from sitecontroller.domain.topology import EvseKey
from sitecontroller.simulation.virtual_time import VirtualLoop, virtual_clock
from tests.wire.limits.box import Box, _body, _schedule
from tests.wire.limits.test_own_meters import (
    PERIOD_S,
    TARGET_W,
    VOLTS,
    Wired,
    next_window,
    wired_site,
)
from tests.wire.site import boot201, instant

LEASE_S = 60
SETTLED_S = 15
BUILDING_A = 30.0
"""Per phase: 20.7 kW, more than the target of 15 kW."""
DEMAND = {"demand": {"target_w": TARGET_W, "period_s": PERIOD_S}}
RULES = {"enabled": True, "evses": [{"evse": "CP-01/1", "current_a_max": 16}], "lease_s": LEASE_S}
DISCHARGE = {**DEMAND, "discharge": RULES}


class GivingBox(Box):
    """A charger whose car gives back as its setpoint says; `soc_percent` is what it shows."""

    soc_percent: float | None = 80.0
    obeys_setpoints = True
    takes_setpoints = True
    offline_since: datetime | None = None

    @property
    def given_a(self) -> float:
        """Per phase."""
        return max(0.0, -self.drawn_a)

    @property
    def drawn_a(self) -> float:
        period = self._period()
        if self._transaction is not None and self.obeys_setpoints and "setpoint" in period:
            assert period["operationMode"] == "CentralSetpoint"
            assert period["dischargeLimit"] == period["setpoint"] < 0
            assert period["limit"] == 0
            return float(period["setpoint"])
        return float(period["limit"]) if self._ended(period) else super().drawn_a

    def setpoints(self) -> list[float]:
        """Of every profile that came."""
        told = self.charger.asked_for("SetChargingProfile")
        periods = [_schedule(_body(payload))["chargingSchedulePeriod"][0] for payload in told]
        return [period["setpoint"] for period in periods if "setpoint" in period]

    def _set(self, payload: dict[str, Any]) -> dict[str, Any]:
        period = _schedule(_body(payload))["chargingSchedulePeriod"][0]
        if "setpoint" in period and not self.takes_setpoints:
            return {"status": "Rejected", "statusInfo": {"reasonCode": "UnsupportedParam"}}
        return super()._set(payload)

    def _period(self) -> dict[str, Any]:
        """Of the session's profile, the one that holds now."""
        body = self.profiles.get(("TxProfile", 0))
        if body is None or "startSchedule" not in _schedule(body):
            return {}
        since = self.offline_since
        offline_s = 0.0 if since is None else (virtual_clock().now() - since).total_seconds()
        if offline_s > body.get("maxOfflineDuration", offline_s):
            return {}
        schedule = _schedule(body)
        begun = datetime.fromisoformat(schedule["startSchedule"])
        passed_s = (virtual_clock().now() - begun).total_seconds()
        periods = [p for p in schedule["chargingSchedulePeriod"] if p["startPeriod"] <= passed_s]
        return periods[-1] if periods else {}

    def _ended(self, period: dict[str, Any]) -> bool:
        return period.get("startPeriod", 0) > 0

    async def _event(self, kind: str, reason: str, **rest: Any) -> None:
        if "meterValue" in rest and self.soc_percent is not None:
            soc = {"value": self.soc_percent, "measurand": "SoC", "location": "EV"}
            rest["meterValue"][0]["sampledValue"].append(soc)
        await super()._event(kind, reason, **rest)


@asynccontextmanager
async def giving_box(wired: Wired, version: str = "2.1") -> Any:
    async with wired.site.charger("CP-01", version) as charger:
        box = GivingBox(charger, car_a=16)
        await boot201(charger)
        sampler = asyncio.create_task(box.keep_sampling())
        try:
            yield box
        finally:
            box.over = True
            sampler.cancel()
            await asyncio.gather(sampler, return_exceptions=True)


Story = Callable[[Wired, GivingBox], Awaitable[None]]


@pytest.fixture
def play(run: Any, tmp_path: Path) -> Callable[..., None]:
    """`play(story, load)`: a car charges, the building takes more than the target."""

    async def played(story: Story, load: dict[str, Any], version: str) -> None:
        async with wired_site(tmp_path, load) as wired, giving_box(wired, version) as box:
            wired.wires.box = box
            wired.wires.building_a = BUILDING_A
            await box.begin()
            await asyncio.sleep(SETTLED_S)
            await story(wired, box)

    def tell(story: Story, load: dict[str, Any], version: str = "2.1") -> None:
        run(played(story, load, version), loop_factory=VirtualLoop)

    return tell


def session(wired: Wired) -> str:
    transaction = wired.site.site.services.transactions.active(EvseKey("CP-01", 1))
    assert transaction is not None
    return transaction.key


async def allow(wired: Wired, for_s: float = 3600) -> None:
    until = virtual_clock().now() + timedelta(seconds=for_s)
    await wired.client.execute(AllowDischarge(session(wired), until))


async def mean_w(wired: Wired, box: GivingBox, seconds: int) -> float:
    """At the grid, over so many seconds; it is never fed."""
    energy_ws = 0.0
    for _ in range(seconds):
        await asyncio.sleep(1)
        assert wired.wires.grid_a >= 0
        energy_ws += wired.wires.grid_a * VOLTS * 3
    return energy_ws / seconds


def test_a_car_gives_back_what_the_building_takes_above_the_target(play: Any) -> None:
    async def story(wired: Wired, box: GivingBox) -> None:
        await allow(wired)
        await next_window()
        assert await mean_w(wired, box, PERIOD_S - 2) <= TARGET_W
        assert box.given_a >= 8
        assert "discharges" in wired.reason()
        assert wired.reason().endswith("A: peak demand")
        view = wired.site.site.services.load.limit_view(EvseKey("CP-01", 1))
        assert (view.current_a, view.bound_by) == (0, "discharge")
        needs = await wired.client.ask(SessionNeedsQuery(session(wired)))
        assert needs.discharge_from == "session"
        wired.wires.building_a = 5.0
        await asyncio.sleep(60)
        assert box.given_a == 0, "nothing is missing any more"

    play(story, DISCHARGE)


def test_it_stops_within_ten_seconds_when_consent_is_withdrawn(play: Any) -> None:
    async def story(wired: Wired, box: GivingBox) -> None:
        await allow(wired)
        await asyncio.sleep(30)
        assert box.given_a >= 8
        await wired.client.execute(EndDischarge(session(wired)))
        await asyncio.sleep(10)
        assert box.drawn_a == 0
        told = len(box.setpoints())
        await asyncio.sleep(40)
        assert len(box.setpoints()) == told

    play(story, DISCHARGE)


@pytest.mark.parametrize("by_line", [False, True], ids=["its clock", "its line"])
def test_without_contact_it_ends_with_its_lease(play: Any, by_line: bool) -> None:
    async def story(wired: Wired, box: GivingBox) -> None:
        await allow(wired)
        await asyncio.sleep(30)
        assert box.given_a >= 8
        body = box.profiles["TxProfile", 0]
        assert body["maxOfflineDuration"] == LEASE_S
        assert body["invalidAfterOfflineDuration"] is True
        await box.charger.socket.close()
        box.over = True
        box.offline_since = virtual_clock().now() if by_line else None
        await asyncio.sleep(LEASE_S + 1)
        assert box.given_a == 0
        assert box.drawn_a == 0, "the second period, or its fallback"

    play(story, DISCHARGE)


@pytest.mark.parametrize(
    ("load", "version"),
    [
        ({**DEMAND, "discharge": {**RULES, "enabled": False}}, "2.1"),
        (DISCHARGE, "2.0.1"),
    ],
    ids=["off", "an older station"],
)
def test_nothing_is_sent_where_nobody_gives_back(play: Any, load: Any, version: str) -> None:
    async def story(wired: Wired, box: GivingBox) -> None:
        if load is DISCHARGE:
            await allow(wired)
        else:
            with pytest.raises(Conflict):
                await allow(wired)
        await asyncio.sleep(30)
        assert box.drawn_a == 0
        assert box.setpoints() == []

    play(story, load, version)


def test_nothing_is_sent_without_consent_or_a_state_of_charge(play: Any) -> None:
    async def story(wired: Wired, box: GivingBox) -> None:
        await asyncio.sleep(20)
        assert box.setpoints() == [], "nobody agreed"
        box.soc_percent = None
        await asyncio.sleep(50)
        await allow(wired)
        await asyncio.sleep(20)
        assert box.setpoints() == [], "nobody knows how full it is"

    play(story, DISCHARGE)


def test_a_car_that_offers_it_and_leaves_late_needs_no_word_of_a_person(play: Any) -> None:
    async def story(wired: Wired, box: GivingBox) -> None:
        await box.charger.call(
            "NotifyEVChargingNeeds",
            {
                "evseId": 1,
                "chargingNeeds": {
                    "requestedEnergyTransfer": "AC_BPT",
                    "departureTime": instant(virtual_clock().now() + timedelta(hours=9)),
                    "v2xChargingParameters": {
                        "maxDischargePower": 6 * 3 * VOLTS,
                        "evTargetEnergyRequest": 10_000,
                    },
                },
            },
        )
        await asyncio.sleep(30)
        assert box.given_a == 6, "no more than it says it can"
        needs = await wired.client.ask(SessionNeedsQuery(session(wired)))
        assert needs.discharge_from == "car"
        box.soc_percent = 40.0
        await asyncio.sleep(15)
        assert box.given_a == 0, "it is at its minimum"

    play(story, DISCHARGE)


def test_a_station_that_refuses_setpoints_is_told_its_limit_alone(play: Any) -> None:
    async def story(wired: Wired, box: GivingBox) -> None:
        box.takes_setpoints = False
        await allow(wired)
        await asyncio.sleep(30)
        refused = len(box.setpoints())
        assert box.drawn_a == 0
        assert box.purposes()[-1][0] == "TxProfile", "its limits go on as before"
        await asyncio.sleep(30)
        assert len(box.setpoints()) == refused

    play(story, DISCHARGE)


def test_where_the_building_falls_the_car_is_lowered_before_anything_is_fed_in(play: Any) -> None:
    async def story(wired: Wired, box: GivingBox) -> None:
        await allow(wired)
        await asyncio.sleep(30)
        before_a = box.given_a
        wired.wires.building_a = before_a
        await asyncio.sleep(4)
        assert 0 < box.given_a < before_a
        assert wired.wires.grid_a >= 1, "the margin stays free"

    play(story, {"demand": {**DEMAND["demand"], "target_w": 4000}, "discharge": RULES})
