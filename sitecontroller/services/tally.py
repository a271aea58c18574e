"""What the head line of the site adds up: how many EVSEs do what, and the energy of what runs.

A site view is asked for up to ten times a second and a site may have 1000 EVSEs: only stations that
an event named since the last look are counted again.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

from sitecontroller.domain.events import (
    Event,
    EvseMeasured,
    LimitsChanged,
    StationChanged,
    StationConnected,
    StationDisconnected,
    StationReady,
    TransactionChanged,
)
from sitecontroller.domain.transaction import Transaction
from sitecontroller.domain.views import EvseActivity
from sitecontroller.publisher import Publisher

COUNTED = (
    StationConnected, StationDisconnected, StationReady, StationChanged, EvseMeasured,
    LimitsChanged, TransactionChanged,
)  # fmt: skip
ActivitiesOf = Callable[[str], tuple[EvseActivity, ...]]


class Tally:
    """Right as of the last published event, as long as every change of an activity has one.

    `activities_of` a station id: those of its EVSEs now; none for a station that isn't known.
    """

    def __init__(
        self,
        publisher: Publisher,
        station_ids: Iterable[str],
        running: Iterable[Transaction],
        activities_of: ActivitiesOf,
    ) -> None:
        self._activities_of = activities_of
        self._uncounted = set(station_ids)
        self._counted: dict[str, tuple[EvseActivity, ...]] = {}
        self._activities: Counter[EvseActivity] = Counter()
        self._energies_wh: dict[str, Decimal] = {}
        self._running_wh = Decimal(0)
        for transaction in running:
            self._weigh(transaction)
        publisher.subscribe(self._note, *COUNTED)

    def activities(self) -> Mapping[EvseActivity, int]:
        """The number of EVSEs by what they do; 0 for what none does."""
        for station_id in self._uncounted:
            now = self._activities_of(station_id)
            before = self._counted.get(station_id, ())
            if now != before:
                for activity in before:
                    self._activities[activity] -= 1
                for activity in now:
                    self._activities[activity] += 1
                self._counted[station_id] = now
        self._uncounted.clear()
        return self._activities

    def running_wh(self) -> Decimal:
        """What the running transactions have delivered so far."""
        return self._running_wh

    def _note(self, event: Event) -> None:
        match event:
            case StationConnected() | StationDisconnected() | StationReady() | StationChanged():
                self._uncounted.add(event.station_id)
            case EvseMeasured():
                self._uncounted.add(event.key.station_id)
            case LimitsChanged():
                self._uncounted.update(key.station_id for key in event.evse_keys)
            case TransactionChanged():
                self._uncounted.add(event.transaction.station_id)
                self._weigh(event.transaction)

    def _weigh(self, transaction: Transaction) -> None:
        self._running_wh -= self._energies_wh.pop(transaction.key, Decimal(0))
        energy_wh = transaction.energy_wh
        if transaction.active and energy_wh is not None:
            self._energies_wh[transaction.key] = energy_wh
            self._running_wh += energy_wh
