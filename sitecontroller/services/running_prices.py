"""What running sessions cost so far, by the function that makes their bills.

A price that depends on energy alone is worked out at once; one that depends on times needs the
session's readings from the database, so it is as old as a minute.
"""

import logging
from dataclasses import dataclass

from sitecontroller.domain.errors import ControllerError
from sitecontroller.domain.events import Event, TransactionChanged
from sitecontroller.domain.pricing.plan import needs_times
from sitecontroller.domain.rating import Price, rate
from sitecontroller.domain.topology import EvseKey, Topology
from sitecontroller.domain.transaction import Transaction
from sitecontroller.ports import Clock, Store
from sitecontroller.publisher import Publisher
from sitecontroller.services.background import Background
from sitecontroller.services.transaction_figures import price_so_far

REFRESH_S = 60.0

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Known:
    """`price` None: not worked out yet, or nobody can."""

    asked_s: float
    price: Price | None = None


class RunningPrices:
    """One price for the console, the display and the limits of what a session may cost."""

    def __init__(
        self,
        topology: Topology,
        store: Store,
        clock: Clock,
        publisher: Publisher,
        background: Background,
    ) -> None:
        self._topology = topology
        self._store = store
        self._clock = clock
        self._background = background
        self._known: dict[str, _Known] = {}
        publisher.subscribe(self._on_event, TransactionChanged)

    def of(self, transaction: Transaction) -> Price | None:
        """What an ended one costs, or a running one so far; None: nobody knows (yet)."""
        tariff, energy_wh = transaction.tariff, transaction.energy_wh
        if transaction.price is not None:
            return transaction.price
        if not transaction.active or tariff is None or energy_wh is None:
            return None
        if not needs_times(tariff):
            return rate(tariff, energy_wh, ended=False)
        known = self._known.get(transaction.key)
        now_s = self._clock.monotonic_s()
        if known is None or now_s - known.asked_s >= REFRESH_S:
            known = self._known.setdefault(transaction.key, _Known(now_s))
            known.asked_s = now_s
            self._background.spawn(self._refresh(transaction, known), "running price")
        return known.price

    async def _refresh(self, transaction: Transaction, known: _Known) -> None:
        evse = self._topology.evse(EvseKey(transaction.station_id, transaction.evse_id))
        power_w_max = None if evse is None else evse.power_w_max
        zone = self._topology.time_zone
        now = self._clock.now()
        try:
            known.price = await self._store.read(price_so_far, transaction, now, power_w_max, zone)
        except ControllerError as error:
            log.warning("transaction %s: no running price: %s", transaction.key, error.detail)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, TransactionChanged) and not event.transaction.active:
            self._known.pop(event.transaction.key, None)
