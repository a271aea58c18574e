"""A car park in memory that charges by plan: `load/site.py` with drivers who say when they leave,
prices, and a building of which weeks are known.

Time goes in steps of 5 s, and a cycle of load management comes with each: nights pass in seconds.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sitecontroller.config import PlanningSettings
from sitecontroller.domain.errors import OperatingError
from sitecontroller.domain.metering import QuarterHour
from sitecontroller.domain.planning import (
    ForecastQuery,
    ForecastView,
    PlanQuery,
    PlanView,
    PricePeriod,
    SetPrices,
)
from sitecontroller.domain.topology import EvseKey, Topology
from sitecontroller.services.load import pace
from sitecontroller.services.load.claim import Claim
from sitecontroller.services.planning.planner import Planning
from sitecontroller.services.planning.series import KEEP_QUARTERS, quarter_of
from sitecontroller.storage.store import Store
from tests.unit.load import site as load_site
from tests.unit.load.site import Site, car, key

STEP_S = 5.0
START = datetime(2026, 11, 24, 3, 10, tzinfo=UTC)
"""A Tuesday, 04:10 in Berlin."""
ZONE = "Europe/Berlin"
WEEKS = 4


def at(clock: str) -> datetime:
    """That day at so much o'clock in Berlin."""
    return datetime.fromisoformat(f"2026-11-24T{clock}+01:00").astimezone(UTC)


class Workshop:
    """Does the work here and now; a function in `breaks` fails, one in `late_s` takes so long."""

    def __init__(self) -> None:
        self.breaks: set[str] = set()
        self.late_s: dict[str, float] = {}
        self.done: list[str] = []

    async def run(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.done.append(fn.__name__)
        await asyncio.sleep(self.late_s.get(fn.__name__, 0.0))
        if fn.__name__ in self.breaks:
            raise OperatingError(f"{fn.__name__} broke")
        return fn(*args, **kwargs)


@dataclass
class PlannedSite(Site):
    """`power_w` has what flowed at the grid connection, by quarter hour."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.workshop = Workshop()
        self.power_w: dict[int, list[float]] = {}
        self.registers: dict[EvseKey, float] = {}
        self._planner: asyncio.Task[None] | None = None

    async def begin_planning(self, store: Store, settings: PlanningSettings) -> None:
        config = SimpleNamespace(
            planning=settings,
            topology=self.topology,
            time_zone=ZONE,
            currency="EUR",
            load=self.settings,
        )
        desk = SimpleNamespace(
            config=config,
            store=store,
            clock=self.clock,
            publisher=self.publisher,
            workshop=self.workshop,
            transactions=self,
            load=self.load,
        )
        self.planning = Planning(desk)  # type: ignore[arg-type]
        await self.planning.load()
        self._planner = asyncio.get_running_loop().create_task(self.planning.run())

    async def end_planning(self) -> None:
        if self._planner is not None:
            self._planner.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._planner

    async def price(self, *steps: tuple[str, str, str]) -> None:
        """(from, until, price per kWh), o'clock."""
        periods = []
        for begins, ends, per_kwh in steps:
            start_at = at(begins)
            while start_at < at(ends):
                end_at = start_at + timedelta(minutes=15)
                periods.append(PricePeriod(start_at, end_at, Decimal(per_kwh)))
                start_at = end_at
        command = SetPrices(tuple(periods), "EUR", "test")
        await self.planning.handlers[SetPrices](command, "1")

    async def plan(self) -> PlanView:
        view: PlanView = await self.planning.answerers[PlanQuery](PlanQuery())
        return view

    async def forecast(self) -> ForecastView:
        page = await self.planning.answerers[ForecastQuery](ForecastQuery())
        view: ForecastView = page.items[0]
        return view

    def arrive(
        self, number: int, need_wh: float, leaves: str | None, current_a_max: float = 16.0
    ) -> None:
        """A car begins to charge; its battery takes what it needs and no more."""
        evse_key = key(number)
        model = replace(car(current_a_max), battery_wh=need_wh, taper_from=1.0)
        self.charge(evse_key, model, soc=0.0)
        self.running[evse_key] = replace(self.running[evse_key], meter_start_wh=0.0)
        self.registers[evse_key] = self.plant.outlets[evse_key].energy_wh
        if leaves is not None:
            self.say(number, need_wh, leaves)

    def say(self, number: int, need_wh: float, leaves: str) -> None:
        """The driver says when the car leaves and what it needs."""
        departs_s = self.now_s + (at(leaves) - self.clock.now()).total_seconds()
        claim = Claim(self.running[key(number)].key, departs_s=departs_s, served_wh=need_wh)
        self.load.claim(key(number), claim)

    def got(self, number: int) -> float:
        """How full it is: 0 to 1."""
        there = self.plant.outlets[key(number)].car
        assert there is not None
        return there.soc

    async def until(self, clock: str, each: Callable[[], None] | None = None) -> None:
        await self.advance((at(clock) - self.clock.now()).total_seconds(), each)

    def why(self, number: int) -> str:
        view = self.load.limit_view(key(number))
        assert view is not None
        return view.reason

    @property
    def peak_w(self) -> float:
        """The highest quarter hour that was whole."""
        whole = 900 / STEP_S
        return max(sum(w) / len(w) for w in self.power_w.values() if len(w) >= whole - 1)

    async def advance(self, seconds: float, each: Callable[[], None] | None = None) -> None:
        ends = self.now_s + seconds - 1e-6
        while self.now_s < ends:
            await asyncio.sleep(STEP_S)
            self._step()
            if each is not None:
                each()

    def sample_evse(self, key: EvseKey) -> None:
        super().sample_evse(key)
        register_wh = self.plant.outlets[key].energy_wh - self.registers.get(key, 0.0)
        self.running[key] = replace(self.running[key], meter_last_wh=register_wh)

    def _step(self) -> None:
        for evse_key, outlet in self.plant.outlets.items():
            profiles = self.stations[evse_key.station_id].profiles[evse_key.evse_id]
            outlet.offered_a = profiles.offer_a(outlet.evse.current_a_max, self.now_s)
        self.plant.step(STEP_S)
        self._add_base()
        self.judge.observe()
        for evse_key in tuple(self.running):
            self.sample_evse(evse_key)
        self._sample_meters()
        quarter = quarter_of(self.clock.now())
        self.power_w.setdefault(quarter, []).append(sum(self.total_a("main")) * 230)


async def known_weeks(store: Store, base_w: Callable[[datetime], float]) -> None:
    """What the building drew in the weeks before, W over all phases."""
    rows = []
    first = START - timedelta(weeks=WEEKS)
    for number in range(quarter_of(first), quarter_of(START)):
        third_w = base_w(datetime.fromtimestamp(number * 900, UTC)) / 3
        each = (third_w, third_w, third_w)
        rows.append(QuarterHour(number, each, each, (0.0, 0.0, 0.0)))

    def put(tx: Any) -> None:
        for row in rows:
            tx.put_quarter("main", row, KEEP_QUARTERS)

    await store.commit(put)


@asynccontextmanager
async def planned_site(
    directory: Path,
    topology: Topology,
    *,
    weeks: Callable[[datetime], float] | None = None,
    prices: Sequence[tuple[str, str, str]] = (),
    **settings: Any,
) -> AsyncIterator[PlannedSite]:
    """A site whose chargers are connected and whose first plan is made."""
    patch = pytest.MonkeyPatch()
    patch.setattr(load_site, "START", START)
    patch.setattr(pace, "CYCLE_S", STEP_S)
    meters = {id_: replace(each, period_s=STEP_S) for id_, each in topology.meters.items()}
    site = PlannedSite(replace(topology, meters=meters))
    store = await Store.open(directory / "site.db", site.clock)
    try:
        if weeks is not None:
            await known_weeks(store, weeks)
        async with site:
            await site.settle()
            await site.advance(30)
            await site.begin_planning(store, PlanningSettings(enabled=True, **settings))
            if prices:
                await site.price(*prices)
            await site.advance(30)
            yield site
            await site.end_planning()
    finally:
        await site.end_planning()
        await store.close()
        patch.undo()
