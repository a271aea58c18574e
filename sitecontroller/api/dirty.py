"""Which objects of the live picture must be sent again, and which events are news.

A table says for each event what it touches. Nothing is encoded here, and nothing is asked of the
controller before it is time to send.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sitecontroller.api.seam import SiteController
from sitecontroller.domain.events import (
    AlarmChanged,
    CommandFinished,
    EmergencyChanged,
    Event,
    EvseMeasured,
    LimitsChanged,
    MeterFailed,
    MeterMeasured,
    ReservationChanged,
    SiteLimitChanged,
    StationChanged,
    StationConnected,
    StationDisconnected,
    StationReady,
    TransactionChanged,
)
from sitecontroller.domain.topology import EvseKey
from sitecontroller.domain.views import StationView
from sitecontroller.ports import Clock

ENTITIES = ("stations", "circuits", "meters", "transactions", "alarms")
"""As in a snapshot; stations come before the transactions that their readings mark."""
OBJECTS_MAX = 32
"""Objects in one frame, and the most of one turn of the loop."""
TURN_S = 0.002
"""After so long the rest waits for the next turn: a circuit above 1000 EVSEs takes 0.5 ms."""
EVENTS_MAX = 64
SCHEMA_VERSION = 1

_NEWS = (
    StationConnected,
    StationDisconnected,
    StationReady,
    AlarmChanged,
    CommandFinished,
    ReservationChanged,
    SiteLimitChanged,
    EmergencyChanged,
)


class Dirty:
    """What has changed since the last frame."""

    def __init__(self) -> None:
        self.site = False
        self.ids: dict[str, set[str]] = {name: set() for name in ENTITIES}
        self.events_lost = False
        self._measured: set[EvseKey] = set()
        self._events: list[Event] = []

    def __bool__(self) -> bool:
        return self.has_changes or bool(self._events) or self.events_lost

    @property
    def has_changes(self) -> bool:
        """Whether any object waits to be sent."""
        return self.site or any(self.ids.values())

    def note(self, event: Event) -> None:
        """Mark what `event` touches and keep it if it is news."""
        match event:
            case StationConnected() | StationDisconnected() | StationReady() | StationChanged():
                self.ids["stations"].add(event.station_id)
                self.site = True
            case EvseMeasured():
                self.ids["stations"].add(event.key.station_id)
                self._measured.add(event.key)
            case MeterMeasured() | MeterFailed():
                self.ids["meters"].add(event.meter_id)
                self.site = True
            case TransactionChanged():
                self.ids["transactions"].add(event.transaction.key)
                self.ids["stations"].add(event.transaction.station_id)
                self.site = True
            case LimitsChanged():
                self.ids["stations"].update(key.station_id for key in event.evse_keys)
                self.ids["circuits"].update(event.circuit_ids)
                self.site = True
            case AlarmChanged():
                self.ids["alarms"].add(event.alarm.key)
                self.site = True
            case EmergencyChanged():
                self.site = True
            case CommandFinished():
                pass
        if isinstance(event, _NEWS) or (
            isinstance(event, TransactionChanged) and (event.began or event.ended)
        ):
            self._keep(event)

    def take_changes(self, controller: SiteController, clock: Clock) -> dict[str, Any]:
        """The site and objects by entity and id (None: gone), as many as one turn has room for."""
        ends_s = clock.monotonic_s() + TURN_S
        changes: dict[str, Any] = {}
        if self.site:
            changes["site"] = controller.site_view()
            self.site = False
        for _ in range(OBJECTS_MAX):
            name = next((name for name in ENTITIES if self.ids[name]), None)
            if name is None:
                break
            key = self.ids[name].pop()
            view = _view(controller, name, key)
            changes.setdefault(name, {})[key] = view
            if isinstance(view, StationView):
                self._mark_measured(view)
            if clock.monotonic_s() >= ends_s:
                break
        return changes

    def take_events(self, controller: SiteController) -> list[dict[str, Any]]:
        """Name, schema version and payload of the news, oldest first; now none."""
        events, self._events = self._events, []
        return [
            {
                "name": type(event).__name__,
                "schema_version": SCHEMA_VERSION,
                "payload": _payload(event, controller),
            }
            for event in events
        ]

    def _keep(self, event: Event) -> None:
        if len(self._events) < EVENTS_MAX:
            self._events.append(event)
        else:
            self.events_lost = True

    def _mark_measured(self, station: StationView) -> None:
        """A running transaction's energy changes with its EVSE's readings."""
        for evse in station.evses:
            key = EvseKey(station.station_id, evse.evse_id)
            if key in self._measured and evse.transaction_key is not None:
                self.ids["transactions"].add(evse.transaction_key)
            self._measured.discard(key)


def views(controller: SiteController, entity: str, ids: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """Id and view of those that there are, each made when it is asked for."""
    for key in ids:
        view = _view(controller, entity, key)
        if view is not None:
            yield key, view


def _view(controller: SiteController, entity: str, key: str) -> Any:
    makers: dict[str, Callable[[str], Any]] = {
        "stations": controller.station_view,
        "circuits": controller.circuit_view,
        "meters": controller.meter_view,
        "transactions": controller.transaction_view,
        "alarms": controller.alarm_view,
    }
    return makers[entity](key)


def _payload(event: Event, controller: SiteController) -> Any:
    """The event itself; of a transaction its view, which masks the card number."""
    if isinstance(event, TransactionChanged):
        view = controller.transaction_view(event.transaction.key)
        return {"transaction": view, "began": event.began, "ended": event.ended}
    return event
