"""Plans: made every quarter hour and when cars come, go or say otherwise, followed by the cycle.

The solver runs in the workshop, never on the loop. Where it fails or is late the rule is asked, and
where that has no answer either the last plan holds until it is too old; then the cycle goes by its
own rules, as it does without planning.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from sitecontroller.config import PlanningSettings
from sitecontroller.domain.commands import Command, CommandResult
from sitecontroller.domain.errors import OperatingError, StoreUnavailable
from sitecontroller.domain.events import (
    ChargingNeedsTold,
    Event,
    EvseMeasured,
    MeterMeasured,
    TransactionChanged,
)
from sitecontroller.domain.planning import (
    ForecastQuery,
    ForecastView,
    PlanQuery,
    PlanView,
    PricesQuery,
    SetPrices,
)
from sitecontroller.domain.queries import Query
from sitecontroller.domain.topology import NOMINAL_V, EvseKey
from sitecontroller.domain.views import Page
from sitecontroller.planning import Plan, Problem, by_rule, plan
from sitecontroller.services.desk import Answerer, Desk, Handler
from sitecontroller.services.planning.ceilings import ceilings_of
from sitecontroller.services.planning.forecasts import Forecasts
from sitecontroller.services.planning.outlook import Outlook, Wish, are_new, look_ahead, wishes_of
from sitecontroller.services.planning.prices import PriceBook
from sitecontroller.services.planning.series import QUARTER_S, PowerSeries, quarter_of
from sitecontroller.services.planning.views import plan_view

AFTER_QUARTER_S = 5.0
"""By then its last sample has come."""
CALM_S = 2.0
"""What comes together is planned together."""
LOOK_EVERY_S = 10.0
"""For departures that were changed."""
PAUSE_S = 10.0
"""Between two plans."""
SOLVER_WITHIN_S = 10.0
ANSWER_WITHIN_S = 45.0
"""The workshop may have a document to make before."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MadePlan:
    """A plan and what it was made for."""

    outlook: Outlook
    plan: Plan
    made_at: datetime
    peak_so_far_w: int | None
    wishes: Mapping[EvseKey, Wish]


class Planning:
    """Owner of the last plan, the prices, the forecasts and the series they are learned from."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._settings: PlanningSettings = desk.config.planning
        self._zone = ZoneInfo(desk.config.time_zone)
        self._series = PowerSeries(desk)
        self._prices = PriceBook(desk, self._settings)
        self._forecasts = Forecasts(desk, self._series.circuit_ids)
        self._last: MadePlan | None = None
        self._is_asked = asyncio.Event()
        self._fault = ""
        self.handlers: Mapping[type[Command], Handler] = {SetPrices: self._set_prices}
        self.answerers: Mapping[type[Query], Answerer] = {
            PlanQuery: self._view,
            ForecastQuery: self._forecast_page,
            PricesQuery: self._prices.view,
        }

    async def load(self) -> None:
        """Take up the prices that were given before, and begin to listen."""
        await self._prices.load()
        publisher = self._desk.publisher
        publisher.subscribe(self._series.on_event, MeterMeasured, EvseMeasured, TransactionChanged)
        if self._settings.enabled:
            publisher.subscribe(self._on_event, TransactionChanged, ChargingNeedsTold)

    async def run(self) -> None:
        """Store and plan until cancelled."""
        while True:
            try:
                await self._series.write()
            except StoreUnavailable as error:
                log.warning("planning: a quarter hour isn't kept: %s", error)
            if self._settings.enabled:
                await self._replan()
                if await self._forecasts.learn_due():
                    await self._replan()
                await asyncio.sleep(PAUSE_S)
            await self._due()

    async def _due(self) -> None:
        """Until shortly after the quarter hour, or somebody asks, or a car says otherwise."""
        left_s = AFTER_QUARTER_S - self._desk.clock.now().timestamp() % QUARTER_S
        left_s = left_s if left_s > 0 else left_s + QUARTER_S
        while left_s > 0 and not self._is_asked.is_set() and not self._has_changed():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(LOOK_EVERY_S, left_s)):
                    await self._is_asked.wait()
            left_s -= LOOK_EVERY_S
        if self._is_asked.is_set():
            await asyncio.sleep(CALM_S)
            self._is_asked.clear()

    def _has_changed(self) -> bool:
        """Whether somebody leaves at another time, or needs more, than the last plan knows."""
        snapshot = self._desk.load.snapshot
        if not self._settings.enabled or snapshot is None or self._last is None:
            return False
        return are_new(self._last.wishes, wishes_of(snapshot, self._desk.clock.now()))

    def _on_event(self, event: Event) -> None:
        match event:
            case TransactionChanged(transaction, began=began, ended=ended) if began or ended:
                self._desk.load.advice.forget(EvseKey(transaction.station_id, transaction.evse_id))
                self._is_asked.set()
            case ChargingNeedsTold():
                self._is_asked.set()

    # plans

    async def _replan(self) -> None:
        """A new plan, or the last one stays."""
        snapshot = self._desk.load.snapshot
        if snapshot is None:
            return
        try:
            await self._prices.reread()
            now, now_s = self._desk.clock.now(), self._desk.clock.monotonic_s()
            first, count = quarter_of(now), self._settings.horizon_h * 4
            prices = self._prices.quarters(first, count)
            peak_w = await self._peak_so_far_w(now)
            predict = self._forecasts.predict
            outlook = look_ahead(
                snapshot,
                now,
                self._settings,
                prices,
                predict,
                peak_w or 0.0,
                self._targets_w(first, count),
            )
            if outlook is None:
                return
            made = await self._solve(outlook.problem)
        except (TimeoutError, OperatingError, RuntimeError) as error:
            self._failed(f"no plan: {str(error) or 'no answer in time'}")
            return
        self._failed(made.why)
        self._last = MadePlan(outlook, made, now, peak_w, wishes_of(snapshot, now))
        leaves_s = {
            key: now_s + (leaves_at - now).total_seconds()
            for key, leaves_at in outlook.leaves.items()
        }
        ceilings = ceilings_of(outlook, made, now, now_s, self._zone)
        self._desk.load.advice.replace(now_s, ceilings, leaves_s)

    async def _solve(self, problem: Problem) -> Plan:
        """By the solver; where it fails or is late, by the rule."""
        run = self._desk.workshop.run
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await run(plan, problem, time_limit_s=SOLVER_WITHIN_S)
        except TimeoutError:
            why = f"the solver had no answer within {ANSWER_WITHIN_S:g} s"
        except Exception as error:
            why = f"the solver failed: {error}"
        async with asyncio.timeout(ANSWER_WITHIN_S):
            return await run(by_rule, problem, why)

    def _targets_w(self, first: int, count: int) -> dict[str, list[float]]:
        """Where peak demand is limited, the fuse or the target of each quarter hour."""
        demand = self._desk.config.load.demand
        if demand is None:
            return {}
        circuit = self._desk.config.topology.circuits[demand.circuit_id]
        fuse_w = sum(a - circuit.margin_a for a in circuit.limit_a) * NOMINAL_V
        begins = (datetime.fromtimestamp(n * QUARTER_S, UTC) for n in range(first, first + count))
        targets_w = (demand.target_w_at(at) for at in begins)
        return {circuit.circuit_id: [fuse_w if w is None else min(fuse_w, w) for w in targets_w]}

    async def _peak_so_far_w(self, now: datetime) -> int | None:
        """The highest quarter hour of the billing period so far; None: none is known."""
        if not self._settings.demand_charge_per_kw:
            return None
        local = now.astimezone(self._zone)
        begun = local.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        begun = begun.replace(month=1) if self._settings.demand_period == "year" else begun
        root_id, since = self._desk.config.topology.root().circuit_id, quarter_of(begun)
        return await self._desk.store.read(lambda tx: tx.peak_w(root_id, since))

    def _failed(self, fault: str) -> None:
        """Say once what keeps the solver, and once that it answers again."""
        if fault and fault != self._fault:
            log.warning("planning: %s", fault)
        elif self._fault and not fault:
            log.info("planning: the solver answers again")
        self._fault = fault

    # what is asked

    async def _set_prices(self, command: SetPrices, command_id: str) -> CommandResult:
        result = await self._prices.set(command, command_id)
        self._is_asked.set()
        return result

    async def _view(self, query: PlanQuery) -> PlanView:
        if not self._settings.enabled:
            return PlanView("off")
        last = self._last
        if last is None:
            return PlanView("none yet", why=self._fault)
        is_followed = self._desk.load.advice.holds(self._desk.clock.monotonic_s())
        state = "followed" if is_followed else "too old"
        currency = self._desk.config.currency
        return plan_view(last.outlook, last.plan, last.made_at, last.peak_so_far_w, state, currency)

    async def _forecast_page(self, query: ForecastQuery) -> Page[ForecastView]:
        return Page(self._forecasts.views(), None)
