"""Owner of the forecasts of what metered circuits draw besides EVSEs; learned once a day, in the
workshop, one circuit after the other.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sitecontroller.domain.errors import OperatingError
from sitecontroller.domain.planning import ForecastError, ForecastView
from sitecontroller.planning import Forecast, Quantiles, learn
from sitecontroller.planning.forecast import WEEKS_MAX
from sitecontroller.services.desk import Desk
from sitecontroller.services.planning.series import QUARTER_S, quarter_of

LEARN_EVERY_S = 86_400.0
LEARN_AGAIN_S = 3600.0
"""After it didn't work."""
LEARN_WITHIN_S = 120.0
DAY_QUARTERS = 96
SHOWN_QUARTERS = 96

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Learned:
    """One circuit's forecast; `due_s`: when to learn again, monotonic."""

    due_s: float = float("-inf")
    forecast: Forecast | None = None
    learned_at: datetime | None = None
    days: int = 0


def learn_base_load(rows: Sequence[tuple[int, int]], zone: ZoneInfo) -> Forecast:
    """From (number of the quarter hour, W). For the workshop."""
    return learn(
        ((datetime.fromtimestamp(number * QUARTER_S, UTC), w) for number, w in rows), zone=zone
    )


class Forecasts:
    """What is expected of each metered circuit."""

    def __init__(self, desk: Desk, circuit_ids: Sequence[str]) -> None:
        self._desk = desk
        self._zone = ZoneInfo(desk.config.time_zone)
        self._by_circuit = {circuit_id: Learned() for circuit_id in circuit_ids}

    async def learn_due(self) -> bool:
        """Learn what is due; whether anything is new."""
        is_new = False
        for circuit_id, learned in self._by_circuit.items():
            now_s = self._desk.clock.monotonic_s()
            if now_s < learned.due_s:
                continue
            try:
                async with asyncio.timeout(LEARN_WITHIN_S):
                    await self._learn(circuit_id, learned)
                learned.due_s = now_s + LEARN_EVERY_S
                is_new = True
            except (TimeoutError, OperatingError, RuntimeError) as error:
                learned.due_s = now_s + LEARN_AGAIN_S
                log.warning("forecast of %s: not learned, again in 1 h: %s", circuit_id, error)
        return is_new

    async def _learn(self, circuit_id: str, learned: Learned) -> None:
        now = self._desk.clock.now()
        since = quarter_of(now - timedelta(weeks=WEEKS_MAX))
        rows = await self._desk.store.read(lambda tx: tx.base_quarters(circuit_id, since))
        learned.days = len(rows) // DAY_QUARTERS
        if rows:
            forecast = await self._desk.workshop.run(learn_base_load, rows, self._zone)
            learned.forecast, learned.learned_at = forecast, now

    def predict(self, circuit_id: str, start_at: datetime, count: int) -> list[Quantiles | None]:
        """For so many quarter hours; None where nothing is known."""
        learned = self._by_circuit.get(circuit_id)
        if learned is None or learned.forecast is None:
            return [None] * count
        return learned.forecast.predict(start_at, count)

    def views(self) -> tuple[ForecastView, ...]:
        """Every metered circuit, the next day."""
        first = quarter_of(self._desk.clock.now())
        start_at = datetime.fromtimestamp(first * QUARTER_S, UTC)
        views = []
        for circuit_id, learned in self._by_circuit.items():
            expected = self.predict(circuit_id, start_at, SHOWN_QUARTERS)
            views.append(
                ForecastView(
                    circuit_id,
                    learned.learned_at,
                    learned.days,
                    _error(learned.forecast),
                    start_at,
                    tuple(None if q is None else round(q.low) for q in expected),
                    tuple(None if q is None else round(q.mid) for q in expected),
                    tuple(None if q is None else round(q.high) for q in expected),
                )
            )
        return tuple(views)


def _error(forecast: Forecast | None) -> ForecastError | None:
    accuracy = forecast.accuracy if forecast is not None else None
    if accuracy is None:
        return None
    return ForecastError(
        accuracy.samples,
        round(accuracy.mae, 1),
        round(accuracy.bias, 1),
        round(accuracy.naive_mae, 1),
        round(accuracy.below_low, 4),
        round(accuracy.above_high, 4),
    )
