"""DER controls of stations that can feed in, their alarms, and frequency signals handed on."""

from collections.abc import Mapping
from dataclasses import replace

from sitecontroller.domain.commands import Command, CommandResult, CommandState
from sitecontroller.domain.errors import FieldError, InvalidInput
from sitecontroller.domain.grid import (
    FAULT_WORDS,
    AfrrSignal,
    ClearDerControls,
    DerControl,
    DerControlsQuery,
    DerControlsView,
    DerEvent,
    DerEventKind,
    DerEventsQuery,
    DropDerControls,
    GetDerControls,
    PutDerControl,
    ReadDerControls,
    SendAfrrSignal,
    SetDerControl,
)
from sitecontroller.domain.ids import new_ulid
from sitecontroller.domain.queries import Query
from sitecontroller.domain.views import Page
from sitecontroller.services.desk import Answerer, Desk, Handler, result_of
from sitecontroller.services.shelf import Shelf
from sitecontroller.wire import to_json

CONTROLS_MAX = 100
EVENTS_KEPT = 5000
ID_CHARACTERS_MAX = 36
SIGNAL_MAX = 2**31 - 1


class GridControls:
    """Commands, the controls read back, and what they did."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._views = Shelf(desk.store, "der-controls", DerControlsView)
        self._events = Shelf(desk.store, "der-event", DerEvent)
        self.handlers: Mapping[type[Command], Handler] = {
            SetDerControl: self._set,
            ReadDerControls: self._read,
            ClearDerControls: self._clear,
            SendAfrrSignal: self._send_signal,
        }
        self.answerers: Mapping[type[Query], Answerer] = {
            DerControlsQuery: self._view,
            DerEventsQuery: self._page,
        }

    async def happened(self, event: DerEvent) -> None:
        """A control took over or ended; a deviation is an alarm until it is over (R05)."""
        key = new_ulid(event.received_at)
        await self._events.put(key, event, event.received_at, event.station_id)
        await self._events.trim(EVENTS_KEPT)
        if event.kind is DerEventKind.ALARM:
            fault = event.fault or ""
            self._desk.alarms.raise_(
                "grid-deviation",
                event.station_id,
                station=event.station_id,
                fault=FAULT_WORDS.get(fault, fault or "it doesn't say why"),
                control=event.control_type or "a control of the grid code",
            )
        elif event.kind is DerEventKind.ALARM_ENDED:
            self._desk.alarms.clear("grid-deviation", event.station_id)

    async def _set(self, command: SetDerControl, command_id: str) -> CommandResult:
        control_id = command.control_id or new_ulid(self._desk.clock.now())
        _check_id(control_id)
        if not command.settings:
            member = command.control_type.member
            raise InvalidInput(
                f"A {command.control_type.value} control has settings",
                remedy=f"Give what OCPP 2.1 has under {member} in SetDERControl",
                errors=(FieldError("settings", "is not empty"),),
            )
        request = PutDerControl(
            control_id, command.control_type, command.is_default, command.settings
        )
        answer = await self._desk.link(command.station_id).ask(request)
        result = result_of(command_id, answer, show=True)
        return replace(result, answer={"control_id": control_id, **(result.answer or {})})

    async def _read(self, command: ReadDerControls, command_id: str) -> CommandResult:
        request = GetDerControls(command.is_default, command.control_type, command.control_id)
        if command.control_id is not None:
            _check_id(command.control_id)
        answer = await self._desk.link(command.station_id).ask(request)
        if not answer.accepted:
            return result_of(command_id, answer)
        held: tuple[DerControl, ...] = answer.body["controls"]
        complete: bool = answer.body["complete"]
        view = await self._keep(
            command.station_id, held, complete, is_all=request == GetDerControls()
        )
        shown = replace(view, controls=held[:CONTROLS_MAX], complete=complete)
        return CommandResult(command_id, CommandState.EFFECTIVE, None, to_json(shown))

    async def _keep(
        self, station_id: str, held: tuple[DerControl, ...], complete: bool, *, is_all: bool
    ) -> DerControlsView:
        now = self._desk.clock.now()
        if not is_all:
            known = await self._views.get(station_id)
            told = {each.control_id for each in held}
            before = () if known is None else known.controls
            held = (*held, *(each for each in before if each.control_id not in told))
            complete = known is not None and known.complete
        view = DerControlsView(station_id, held[:CONTROLS_MAX], now, complete)
        await self._views.put(station_id, view, now, station_id)
        return view

    async def _clear(self, command: ClearDerControls, command_id: str) -> CommandResult:
        if command.control_id is not None:
            _check_id(command.control_id)
        request = DropDerControls(command.is_default, command.control_type, command.control_id)
        return result_of(command_id, await self._desk.link(command.station_id).ask(request))

    async def _send_signal(self, command: SendAfrrSignal, command_id: str) -> CommandResult:
        if abs(command.signal) > SIGNAL_MAX:
            raise InvalidInput(
                "This is no aFRR signal",
                errors=(FieldError("signal", "is a whole number of 32 bits"),),
            )
        link = self._desk.link(command.station_id)
        return result_of(command_id, await link.ask(AfrrSignal(command.signal)))

    async def _view(self, query: DerControlsQuery) -> DerControlsView:
        self._desk.known(query.station_id)
        kept = await self._views.get(query.station_id)
        return kept or DerControlsView(query.station_id, complete=False)

    async def _page(self, query: DerEventsQuery) -> Page[DerEvent]:
        self._desk.known(query.station_id)
        return await self._events.page(query.limit, query.cursor, query.station_id)


def _check_id(control_id: str) -> None:
    if not 0 < len(control_id) <= ID_CHARACTERS_MAX:
        raise InvalidInput(
            "This is no id of a DER control",
            errors=(FieldError("control_id", f"has 1 to {ID_CHARACTERS_MAX} characters"),),
        )
