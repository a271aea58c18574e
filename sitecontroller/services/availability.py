"""Keeps out of service what people took out of service.

A wish is stored before the station hears of it and told again whenever the station says otherwise:
1.6 stations forget it with every restart. What a station says of its connectors is the proof; an
"Accepted" is none.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from sitecontroller.domain.availability import (
    AvailabilityWish,
    OutOfServiceQuery,
    OutOfServiceView,
    Place,
)
from sitecontroller.domain.commands import (
    ChangeAvailability,
    Command,
    CommandResult,
    CommandState,
)
from sitecontroller.domain.errors import (
    CallRefused,
    CallTimeout,
    Conflict,
    FieldError,
    InvalidInput,
    NotFound,
    OperatingError,
    StationOffline,
)
from sitecontroller.domain.events import CommandFinished, Event, StationChanged, StationReady
from sitecontroller.domain.queries import Query
from sitecontroller.domain.station import OcppVersion
from sitecontroller.domain.views import Page
from sitecontroller.ports import StationLink
from sitecontroller.services.availability_wishes import Wishes
from sitecontroller.services.desk import Answerer, Desk, Handler
from sitecontroller.services.device_readings import page_of
from sitecontroller.services.evse_state import CONNECTORS_MAX

log = logging.getLogger(__name__)

EFFECT_WITHIN_S = 60.0
ASK_AFTER_S = 15.0
"""Without a StatusNotification until then it is asked for."""
AFTER_READY_S = 3.0
"""A station that has booted tells its connectors' states first."""
AGAIN_AFTER_S = 30.0
TIMES_MAX = 3
"""So often a wish is told after a boot; then a person has to look."""
NOTE_CHARACTERS_MAX = 200
TAKEN = ("Accepted", "Scheduled")


@dataclass(slots=True)
class _Told:
    """How often a station heard a wish since its boot, and when last (monotonic)."""

    times: int = 0
    last_s: float = float("-inf")


@dataclass(slots=True)
class _Watch:
    """A command whose effect is waited for; `waits`: the station does it after a session, or is
    away."""

    command_id: str
    operative: bool
    waits: bool = False


class Availability:
    """The commands and questions about it, and the one who tells stations again."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._wishes = Wishes(desk)
        self._told: dict[Place, _Told] = {}
        self._watches: dict[Place, _Watch] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self.handlers: Mapping[type[Command], Handler] = {ChangeAvailability: self._change}
        self.answerers: Mapping[type[Query], Answerer] = {OutOfServiceQuery: self._out_of_service}

    async def load(self) -> None:
        """Take up the wishes of the last run."""
        await self._wishes.load()
        self._desk.publisher.subscribe(self._on_event, StationReady, StationChanged)

    # what people ask

    async def _change(self, command: ChangeAvailability, command_id: str) -> CommandResult:
        place = self._checked(command)
        before = self._wishes.get(place)
        wish = AvailabilityWish(
            place, command.operative, self._desk.clock.now(), command.note.strip(), command.by
        )
        await self._wishes.put(wish)
        self._told[place] = _Told()
        watch = _Watch(command_id, command.operative, waits=True)
        try:
            status = await self._tell(self._desk.link(place.station_id), wish)
        except (StationOffline, CallTimeout) as error:
            self._watches[place] = watch
            reason = f"{error.detail}; it is told as soon as it answers"
            return CommandResult(command_id, CommandState.SENT, reason)
        except CallRefused as refusal:
            status = refusal.error_code
        if status not in TAKEN:
            await (self._drop(place) if before is None else self._wishes.put(before))
            reason = f"the charger refuses it: {status or 'no reason given'}"
            return CommandResult(command_id, CommandState.REJECTED, reason)
        log.info(
            "audit %s: %s by=%s note=%r",
            place,
            "put into service" if command.operative else "taken out of service",
            command.by,
            wish.note,
        )
        watch.waits = status == "Scheduled"
        self._watches[place] = watch
        self._follow(place, watch)
        return CommandResult(command_id, CommandState.ACCEPTED, self._reason(wish, status))

    async def _out_of_service(self, query: OutOfServiceQuery) -> Page[OutOfServiceView]:
        found = [
            self._view(wish)
            for wish in sorted(self._wishes.all(), key=lambda wish: wish.at, reverse=True)
            if query.station_id in (None, wish.place.station_id)
        ]
        return Page(*page_of(found, query.limit, query.cursor))

    def _view(self, wish: AvailabilityWish) -> OutOfServiceView:
        place = wish.place
        online = self._desk.stations.link(place.station_id) is not None
        return OutOfServiceView(
            place.station_id,
            place.evse_id,
            place.connector_id,
            wish.operative,
            wish.note,
            wish.by,
            wish.at,
            self._wishes.shows(place, operative=wish.operative) if online else None,
        )

    def _checked(self, command: ChangeAvailability) -> Place:
        self._desk.known(command.station_id)
        place = Place(command.station_id, command.evse_id, command.connector_id)
        if not self._wishes.exists(place):
            raise NotFound(
                f"{place.station_id} has no EVSE {place.evse_id}",
                remedy="GET /v1/stations lists the EVSEs of each",
            )
        link = self._desk.stations.link(place.station_id)
        is_16 = link is not None and link.version is OcppVersion.V16
        connectors_max = 1 if is_16 else CONNECTORS_MAX
        if place.connector_id is not None and (
            place.evse_id is None or not 1 <= place.connector_id <= connectors_max
        ):
            raise _invalid("connector_id", f"1 to {connectors_max}, with an EVSE")
        if len(command.note) > NOTE_CHARACTERS_MAX:
            raise _invalid("note", f"at most {NOTE_CHARACTERS_MAX} characters")
        around = self._wishes.around(place)
        if command.operative and around is not None:
            raise Conflict(
                f"{around.place} as a whole is out of service",
                remedy=f"Put {around.place} back into service first",
            )
        return place

    def _reason(self, wish: AvailabilityWish, status: str) -> str | None:
        """What a person should know of a change that was taken."""
        if status == "Scheduled":
            return "takes effect when the running session has ended"
        if not wish.operative:
            return None
        still = [
            f"{other.place} stays out of service" + (f" ({other.note})" if other.note else "")
            for other in self._wishes.within(wish.place)
        ]
        return "; ".join(still[:3]) or None

    # telling stations

    async def _tell(self, link: StationLink, wish: AvailabilityWish) -> str:
        """Say it to the station; its word for it. A wish to serve cars ends when it is taken."""
        place = wish.place
        told = self._told.setdefault(place, _Told())
        told.times, told.last_s = told.times + 1, self._desk.clock.monotonic_s()
        answer = await link.change_availability(
            place.evse_id, operative=wish.operative, connector_id=place.connector_id
        )
        if answer.accepted and wish.operative and self._wishes.get(place) is wish:
            await self._drop(place)
            if link.version is OcppVersion.V16 and place.evse_id is None:
                for other in self._wishes.within(place):  # connector 0 put them back, too
                    await link.change_availability(other.place.evse_id, operative=False)
        return answer.status

    def _on_event(self, event: Event) -> None:
        if isinstance(event, StationReady):
            wishes = self._wishes.of(event.station_id)
            for wish in wishes if event.rebooted else ():
                self._told.pop(wish.place, None)
            if wishes:
                self._check_in(event.station_id, AFTER_READY_S, is_fresh=True)
        elif isinstance(event, StationChanged):
            self._settle(event.station_id)
            if self._wishes.contradicted(event.station_id, is_fresh=False):
                self._check_in(event.station_id, 0.0, is_fresh=False)

    def _check_in(self, station_id: str, after_s: float, *, is_fresh: bool) -> None:
        """Look again; what is planned already stands, unless the station has just booted."""
        planned = self._timers.get(station_id)
        if planned is not None and not is_fresh:
            return
        if planned is not None:
            planned.cancel()
        loop = asyncio.get_running_loop()
        self._timers[station_id] = loop.call_later(after_s, self._check, station_id, is_fresh)

    def _check(self, station_id: str, is_fresh: bool) -> None:
        """Tell again what the station contradicts, not too often."""
        self._timers.pop(station_id, None)
        if self._desk.stations.link(station_id) is None:
            return
        now_s, waits_s = self._desk.clock.monotonic_s(), []
        for wish in self._wishes.contradicted(station_id, is_fresh=is_fresh):
            told = self._told.setdefault(wish.place, _Told())
            rest_s = told.last_s + AGAIN_AFTER_S - now_s
            if rest_s > 0:
                waits_s.append(rest_s)
            elif told.times >= TIMES_MAX:
                place = str(wish.place)
                self._desk.alarms.raise_("availability-ignored", place, evse=place)
            else:
                told.last_s = now_s
                self._desk.background.spawn(self._tell_again(wish), f"{wish.place} availability")
                waits_s.append(AGAIN_AFTER_S)
        if waits_s:
            self._check_in(station_id, min(waits_s), is_fresh=False)
        if is_fresh:
            self._settle(station_id, is_fresh=True)

    async def _tell_again(self, wish: AvailabilityWish) -> None:
        place = wish.place
        link = self._desk.stations.link(place.station_id)
        if link is None or self._wishes.get(place) is not wish:
            return
        try:
            status = await self._tell(link, wish)
        except OperatingError as error:
            log.warning("%s: availability not told: %s", place, error.detail)
            return
        word = "serve cars" if wish.operative else "stay out of service"
        log.info("%s: told again to %s, answer=%s", place, word, status)
        watch = self._watches.get(place)
        if watch is not None and status in TAKEN:
            watch.waits = status == "Scheduled"
            self._follow(place, watch)

    # effects

    def _follow(self, place: Place, watch: _Watch) -> None:
        """Watch for the effect; without one the station is asked, then it counts as missing."""
        self._settle(place.station_id)
        if self._watches.get(place) is watch and not watch.waits:
            loop = asyncio.get_running_loop()
            loop.call_later(ASK_AFTER_S, self._ask, place, watch)
            loop.call_later(EFFECT_WITHIN_S, self._give_up, place, watch)

    def _ask(self, place: Place, watch: _Watch) -> None:
        link = self._desk.stations.link(place.station_id)
        if self._watches.get(place) is watch and link is not None:
            self._desk.background.spawn(self._ask_status(link, place), f"{place} status")

    async def _ask_status(self, link: StationLink, place: Place) -> None:
        state = self._desk.stations.state(place.station_id)
        evse_ids = tuple(state.evses) if state is not None else ()
        for evse_id in evse_ids if place.evse_id is None else (place.evse_id,):
            try:
                await link.trigger("StatusNotification", evse_id)
            except OperatingError as error:
                log.info("%s: doesn't tell its state: %s", place, error.detail)
                return

    def _give_up(self, place: Place, watch: _Watch) -> None:
        if self._watches.get(place) is watch:
            del self._watches[place]
            reason = f"the charger did not report it within {EFFECT_WITHIN_S:.0f} s"
            self._publish(watch, CommandState.INEFFECTIVE, reason)

    def _settle(self, station_id: str, *, is_fresh: bool = False) -> None:
        """Tell the commands whose effect shows, and end the alarms of wishes that hold.

        What a station said before it left or booted proves nothing until it was told or is fresh.
        """
        if self._desk.stations.link(station_id) is None:
            return
        for place, watch in tuple(self._watches.items()):
            was_told = is_fresh or not watch.waits or self._told.get(place, _Told()).times > 0
            if (
                place.station_id == station_id
                and was_told
                and self._wishes.shows(place, operative=watch.operative)
            ):
                del self._watches[place]
                self._publish(watch, CommandState.EFFECTIVE)
        for wish in self._wishes.of(station_id):
            if self._wishes.shows(wish.place, operative=wish.operative):
                self._desk.alarms.clear("availability-ignored", str(wish.place))

    def _publish(self, watch: _Watch, state: CommandState, reason: str | None = None) -> None:
        """Behind the command's own answer, which is on its way still where the effect was first."""
        finished = CommandFinished(CommandResult(watch.command_id, state, reason))
        asyncio.get_running_loop().call_soon(self._desk.publisher.publish, finished)

    async def _drop(self, place: Place) -> None:
        self._told.pop(place, None)
        self._desk.alarms.clear("availability-ignored", str(place))
        await self._wishes.drop(place)


def _invalid(field: str, words: str) -> InvalidInput:
    return InvalidInput(
        f"this can't be taken out of service: {field} {words}",
        remedy="Mend the field named in `errors`",
        errors=(FieldError(field, words),),
    )
