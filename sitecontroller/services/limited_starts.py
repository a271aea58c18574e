"""Sessions that people begin with a limit from their first moment on."""

from collections.abc import Mapping

from sitecontroller.domain.commands import Command, CommandResult, CommandState
from sitecontroller.domain.errors import FieldError, InvalidInput
from sitecontroller.domain.queries import Query
from sitecontroller.domain.smart import LimitedStart, StartLimited
from sitecontroller.domain.topology import Evse, EvseKey
from sitecontroller.services.authorization import check_usable
from sitecontroller.services.desk import Answerer, Desk, Handler, result_of
from sitecontroller.services.effect import Effect

EFFECT_WITHIN_S = 60.0
OWN_IDS = 0x40000000
"""Numbers of these starts, apart from those without a limit."""


class LimitedStarts:
    """The limit is no more than the fallback, which load management keeps free for every start."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._remote_start_id = OWN_IDS | (int(desk.clock.now().timestamp()) & 0x3FFFFFFF)
        self.handlers: Mapping[type[Command], Handler] = {StartLimited: self._start}
        self.answerers: Mapping[type[Query], Answerer] = {}

    async def _start(self, command: StartLimited, command_id: str) -> CommandResult:
        key = EvseKey(command.station_id, command.evse_id)
        link = self._desk.link(command.station_id)
        _check(command, self._desk.config.topology.evse(key))
        await check_usable(self._desk.store, command.id_token, self._desk.clock.now())
        await self._desk.load.make_room(command.station_id, command.evse_id)
        self._remote_start_id = OWN_IDS | ((self._remote_start_id + 1) & 0x3FFFFFFF)
        request = LimitedStart(
            command.evse_id, command.id_token, self._remote_start_id, command.current_a
        )
        with Effect(
            self._desk.publisher,
            lambda event: (
                event.began
                and (event.transaction.station_id, event.transaction.evse_id)
                == (command.station_id, command.evse_id)
            ),
        ) as effect:
            answer = await link.ask(request)
            if not answer.accepted:
                return result_of(command_id, answer)
            if await effect.shows(EFFECT_WITHIN_S):
                return CommandResult(command_id, CommandState.EFFECTIVE)
        reason = f"no session began within {EFFECT_WITHIN_S:.0f} s"
        return CommandResult(command_id, CommandState.INEFFECTIVE, reason)


def _check(command: StartLimited, evse: Evse | None) -> None:
    if evse is None:
        raise InvalidInput(
            f"{command.station_id} has no EVSE {command.evse_id} in site.toml",
            errors=(FieldError("evse_id", "is one of the station's"),),
        )
    lowest_a, most_a = evse.current_a_min, evse.fallback_a
    if command.current_a != 0 and not lowest_a <= command.current_a <= most_a:
        raise InvalidInput(
            "A session can't be begun with this limit",
            remedy="Start it without a limit: load management sets one",
            errors=(
                FieldError("current_a", f"is 0, or {lowest_a:g} A to the fallback of {most_a:g} A"),
            ),
        )
