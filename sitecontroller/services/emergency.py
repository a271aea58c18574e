"""Emergency stop (S10): 0 A, sessions ended, chargers out of service; latched until a named person
releases it.

Acts first and stores at once after that; needs no meter, no headquarters and no console. All
stations are told side by side, each before anything else that waits for it. Whoever connects later
is told then, and who doesn't show it is told again. After the release only what was taken out of
service goes back, and nothing that people took out meanwhile.
"""

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import Mapping

from sitecontroller.domain.availability import AvailabilityWish, Place
from sitecontroller.domain.commands import Command, CommandResult, CommandState
from sitecontroller.domain.emergency import (
    NAME_CHARACTERS_MIN,
    TEXT_CHARACTERS_MAX,
    EmergencyQuery,
    EmergencyStop,
    EmergencyView,
    ReleaseEmergency,
    TakenOut,
    TriggerEmergency,
    must_wait,
)
from sitecontroller.domain.errors import (
    Conflict,
    FieldError,
    InvalidInput,
    OperatingError,
    StoreUnavailable,
)
from sitecontroller.domain.events import EmergencyChanged, Event, StationReady, TransactionChanged
from sitecontroller.domain.queries import Query
from sitecontroller.domain.station import ConnectorStatus
from sitecontroller.ports import StationLink
from sitecontroller.services.desk import Answerer, Desk, Handler
from sitecontroller.services.emergency_rows import KIND, KIND_TAKEN_OUT, SITE, put_release, put_stop
from sitecontroller.services.shelf import Shelf
from sitecontroller.services.stations import StationState

WORDS = "emergency stop"
RETRY_S = 3.0
"""A station that doesn't show it is told again after this,"""
RETRIES = 3
RETRY_LATER_S = 15.0
"""and after so many times at this pace."""
NAMED_MAX = 5
"""Stations named in one alarm."""

log = logging.getLogger(__name__)


class Emergency:
    """Owner of the latch, and of what it took out of service."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._stops = Shelf(desk.store, KIND, EmergencyStop)
        self._shelf = Shelf(desk.store, KIND_TAKEN_OUT, TakenOut)
        self._wishes = Shelf(desk.store, "availability", AvailabilityWish)
        self._stop: EmergencyStop | None = None
        self._taken_out: dict[str, TakenOut] = {}
        self._contacts: dict[str, bool | None] = {}
        """Emergency inputs: at rest or not, None: not known."""
        self._told: dict[str, tuple[int, float]] = {}
        """How often a station was told since it connected, and when last (monotonic)."""
        self._storing = asyncio.Lock()
        self._watch: asyncio.Task[None] | None = None
        self.handlers: Mapping[type[Command], Handler] = {
            TriggerEmergency: self._trigger_by_person,
            ReleaseEmergency: self._release,
        }
        self.answerers: Mapping[type[Query], Answerer] = {EmergencyQuery: self._view}

    async def load(self) -> None:
        """Take up a stop of the last run before the first station connects; nothing starts."""
        for taken_out in await self._shelf.all():
            self._taken_out[taken_out.station_id] = taken_out
        self._desk.publisher.subscribe(self._on_event, StationReady, TransactionChanged)
        for stop in await self._stops.all():
            log.warning("emergency stop by %s still holds", stop.triggered_by)
            self._hold(stop)
        if self._stop is None:
            self._desk.alarms.clear("emergency-stop", SITE)

    # what others ask

    @property
    def stop(self) -> EmergencyStop | None:
        """The stop that holds; None: none does."""
        return self._stop

    def check(self, command: Command) -> None:
        """Raises Conflict for what must wait until the release."""
        if self._stop is not None and must_wait(command):
            raise Conflict(
                f"The site is stopped by {self._stop.triggered_by}: nothing starts",
                remedy="Clear the cause, then release the emergency stop by name",
            )

    def contact(self, input_id: str, *, at_rest: bool | None) -> None:
        """What an emergency contact shows: not at rest triggers. None: not known, which keeps a
        stop from being released."""
        self._contacts[input_id] = at_rest
        if at_rest is False:
            self.trigger(f"contact {input_id}")

    def trigger(self, by: str, reason: str = "") -> asyncio.Task[None] | None:
        """Stop everything now; the task is done when that is stored. None: it is stopped."""
        if self._stop is not None:
            return None
        stop = EmergencyStop(self._desk.clock.now(), by, reason)
        log.warning("emergency stop: triggered by %s reason=%r", by, reason)
        self._hold(stop)
        for state in self._desk.stations.states():
            self._tell_if_there(state.station.station_id)
        self._desk.publisher.publish(EmergencyChanged(stop, active=True, by=by))
        return self._desk.background.spawn(self._store(stop), "emergency stop is stored")

    # commands and questions

    async def _trigger_by_person(self, command: TriggerEmergency, command_id: str) -> CommandResult:
        _check_text("by", command.by)
        _check_text("reason", command.reason, least=0)
        stored = self.trigger(command.by.strip(), command.reason.strip())
        if stored is None:
            return CommandResult(command_id, CommandState.ACCEPTED, "The site is stopped already")
        await asyncio.shield(stored)
        return CommandResult(command_id, CommandState.ACCEPTED, self._progress())

    async def _release(self, command: ReleaseEmergency, command_id: str) -> CommandResult:
        name, reason = command.name.strip(), command.reason.strip()
        _check_text("name", name)
        _check_text("reason", reason)
        async with self._storing:
            stop = self._stop
            if stop is None:
                raise Conflict("No emergency stop holds", remedy="Nothing is to be released")
            not_closed = self._not_closed()
            if not_closed:
                raise Conflict(
                    f"It can't be released: {', '.join(not_closed)}",
                    remedy="Unlock the button, or mend the contact's wire or module; take one that "
                    "is gone for good out of site.toml",
                )
            at = self._desk.clock.now()
            await self._desk.store.commit(put_release, stop, name, reason, at)
            self._stop = None
        log.warning("audit emergency stop: released by %s reason=%r", name, reason)
        if self._watch is not None:
            self._watch.cancel()
        self._desk.load.end_shedding(KIND)
        self._desk.alarms.clear("emergency-stop", SITE)
        self._desk.publisher.publish(EmergencyChanged(stop, active=False, by=name))
        for station_id in tuple(self._taken_out):
            self._put_back_soon(station_id)
        return CommandResult(command_id, CommandState.EFFECTIVE)

    async def _view(self, query: EmergencyQuery) -> EmergencyView:
        stop = self._stop
        not_closed = self._not_closed()
        if stop is None:
            return EmergencyView(False, None, None, None, not_closed)
        sorted_ids = self._sorted()
        return EmergencyView(
            True, stop.since, stop.triggered_by, stop.reason, not_closed, *sorted_ids
        )

    def _not_closed(self) -> tuple[str, ...]:
        words = {False: "is still triggered", None: "can't be read"}
        return tuple(
            f"contact {input_id} {words[at_rest]}"
            for input_id, at_rest in self._contacts.items()
            if at_rest is not True
        )

    # stopping

    def _hold(self, stop: EmergencyStop) -> None:
        """From now on nothing may draw, whoever connects."""
        self._stop = stop
        root_id = self._desk.config.topology.root().circuit_id
        self._desk.load.shed(KIND, root_id, WORDS)
        self._watch = self._desk.background.spawn(
            self._keep_stopped(), "emergency stop", patient=True
        )
        self._tell_people()

    async def _store(self, stop: EmergencyStop) -> None:
        """The latch survives a restart from here on."""
        async with self._storing:
            while self._stop is stop:
                try:
                    await self._desk.store.commit(put_stop, stop)
                    return
                except StoreUnavailable as error:
                    log.error("emergency stop: not stored yet: %s", error)
                    await asyncio.sleep(RETRY_S)

    async def _keep_stopped(self) -> None:
        """Tell again who doesn't show it, and tell people how far it is."""
        while self._stop is not None:
            await asyncio.sleep(RETRY_S)
            for state in self._desk.stations.states():
                self._tell_again(state)
            self._tell_people()

    def _tell_again(self, state: StationState) -> None:
        station_id = state.station.station_id
        link = self._desk.stations.link(station_id)
        if link is None or self._is_stopped(state):
            return
        times, last_s = self._told.get(station_id, (0, float("-inf")))
        wait_s = RETRY_S if times <= RETRIES else RETRY_LATER_S
        if self._desk.clock.monotonic_s() - last_s >= wait_s:
            self._tell_out(state, link)

    def _on_event(self, event: Event) -> None:
        match event:
            case TransactionChanged(transaction, began=True) if self._stop is not None:
                self._tell_if_there(transaction.station_id)
            case StationReady(station_id) if self._stop is not None:
                self._told.pop(station_id, None)
                self._tell_if_there(station_id)
            case StationReady(station_id):
                self._put_back_soon(station_id)

    def _tell_if_there(self, station_id: str) -> None:
        state = self._desk.stations.state(station_id)
        link = self._desk.stations.link(station_id)
        if state is not None and link is not None:
            self._tell_out(state, link)

    def _tell_out(self, state: StationState, link: StationLink) -> None:
        """Sessions first: a station may wait with the rest until they have ended."""
        station_id = state.station.station_id
        times, _ = self._told.get(station_id, (0, 0.0))
        self._told[station_id] = times + 1, self._desk.clock.monotonic_s()
        known = self._taken_out.get(station_id)
        places = _merged(known.places if known is not None else (), _places(state))
        if known is None or known.places != places:
            taken_out = TakenOut(station_id, places, self._desk.clock.now())
            self._taken_out[station_id] = taken_out
            self._desk.background.spawn(self._keep(taken_out), f"{station_id} taken out is stored")
        calls = [
            link.stop(transaction_id, urgent=True)
            for transaction_id in self._transactions(station_id)
        ]
        calls += [
            link.change_availability(place.evse_id, operative=False, urgent=True)
            for place in places
        ]

        async def tell() -> None:
            for outcome in await asyncio.gather(*calls, return_exceptions=True):
                if isinstance(outcome, BaseException):
                    log.warning("%s: emergency stop: %s", station_id, outcome)
                elif not outcome.accepted:
                    log.warning("%s: emergency stop refused: %s", station_id, outcome.status)

        self._desk.background.spawn(tell(), f"{station_id} emergency stop")

    async def _keep(self, taken_out: TakenOut) -> None:
        with contextlib.suppress(StoreUnavailable):  # the latch itself is tried until it is stored
            await self._shelf.put(
                taken_out.station_id, taken_out, taken_out.at, taken_out.station_id, open=True
            )

    def _transactions(self, station_id: str) -> list[str]:
        return [
            transaction.station_transaction_id
            for transaction in self._desk.transactions.running()
            if transaction.station_id == station_id
        ]

    # how far it is

    def _is_stopped(self, state: StationState) -> bool:
        """Whether it shows that all of it is out of service, and no session runs."""
        running = self._transactions(state.station.station_id)
        return not running and all(
            evse.connectors and evse.connector_status in _OUT for evse in state.evses.values()
        )

    def _sorted(self) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        """Stations that are stopped, that don't show it, that are offline."""
        stopped, waiting, offline = [], [], []
        for state in self._desk.stations.states():
            station_id = state.station.station_id
            if self._desk.stations.link(station_id) is None:
                offline.append(station_id)
            elif self._is_stopped(state):
                stopped.append(station_id)
            else:
                waiting.append(station_id)
        return tuple(stopped), tuple(waiting), tuple(offline)

    def _progress(self) -> str:
        stopped, waiting, offline = self._sorted()
        parts = [f"{len(stopped)} chargers are out of service"]
        parts += [f"waiting for {_named(waiting)}"] if waiting else []
        parts += [f"no contact to {_named(offline)}"] if offline else []
        return "; ".join(parts)

    def _tell_people(self) -> None:
        if self._stop is not None:
            self._desk.alarms.raise_(
                "emergency-stop", SITE, by=self._stop.triggered_by, progress=self._progress()
            )

    # putting back

    def _put_back_soon(self, station_id: str) -> None:
        if station_id in self._taken_out:
            self._desk.background.spawn(
                self._put_back(station_id), f"{station_id} goes back into service"
            )

    async def _put_back(self, station_id: str) -> None:
        """What the stop took out, unless people want it out; again when it connects, if need be."""
        taken_out = self._taken_out.get(station_id)
        link = self._desk.stations.link(station_id)
        if taken_out is None or link is None:
            return
        wishes = [w.place for w in await self._wishes.all(station_id) if not w.operative]
        left = []
        for place in taken_out.places:
            if any(wish.evse_id in (None, place.evse_id) and _whole(wish) for wish in wishes):
                continue
            try:
                answer = await link.change_availability(place.evse_id, operative=True)
            except OperatingError as error:
                log.warning("%s: not put back into service: %s", place, error.detail)
                left.append(place)
                continue
            if not answer.accepted:
                log.warning("%s: refuses to go back into service: %s", place, answer.status)
        if self._stop is not None or self._taken_out.get(station_id) is not taken_out:
            return
        if left:
            self._taken_out[station_id] = dataclasses.replace(taken_out, places=tuple(left))
            await self._keep(self._taken_out[station_id])
            return
        del self._taken_out[station_id]
        await self._shelf.drop(station_id)


_OUT = (ConnectorStatus.UNAVAILABLE, ConnectorStatus.FAULTED)


def _in_service(state: StationState) -> tuple[int, ...]:
    """EVSEs that don't say they are out of service."""
    return tuple(
        evse_id
        for evse_id, evse in state.evses.items()
        if evse.connector_status is not ConnectorStatus.UNAVAILABLE
    )


def _places(state: StationState) -> tuple[Place, ...]:
    """What is in service: the whole station in one word, or its outlets."""
    station_id, evse_ids = state.station.station_id, _in_service(state)
    if len(evse_ids) == len(state.evses):
        return (Place(station_id),)
    return tuple(Place(station_id, evse_id) for evse_id in evse_ids)


def _merged(known: tuple[Place, ...], more: tuple[Place, ...]) -> tuple[Place, ...]:
    """A whole station holds its outlets; one that was told as a whole stays so."""
    whole = [place for place in known if place.evse_id is None]
    if whole or not known:
        return tuple(whole) or more
    if any(place.evse_id is None for place in more):
        return known  # back from a restart it has forgotten: those out before were not ours
    return tuple(dict.fromkeys((*known, *more)))


def _whole(wish: Place) -> bool:
    return wish.connector_id is None


def _named(station_ids: tuple[str, ...]) -> str:
    more = len(station_ids) - NAMED_MAX
    return ", ".join(station_ids[:NAMED_MAX]) + (f" and {more} more" if more > 0 else "")


def _check_text(field: str, value: str, *, least: int = NAME_CHARACTERS_MIN) -> None:
    if least <= len(value.strip()) and len(value) <= TEXT_CHARACTERS_MAX:
        return
    said = f"has {least} to {TEXT_CHARACTERS_MAX} characters"
    raise InvalidInput(
        f"An emergency stop is on record with names: {field} {said}",
        remedy="Mend the field and send it again",
        errors=(FieldError(field, said),),
    )
