"""A stage for cars that give back: a site whose building takes too much, a car at a 2.1 charger."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sitecontroller.domain.session_needs import AllowDischarge
from sitecontroller.domain.topology import EvseKey
from sitecontroller.simulation.virtual_time import VirtualLoop, virtual_clock
from tests.wire.limits.box import Box, _body, _schedule
from tests.wire.limits.test_own_meters import (
    PERIOD_S,
    TARGET_W,
    VOLTS,
    Wired,
    wired_site,
)
from tests.wire.site import boot201

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
