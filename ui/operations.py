"""What an attendant can do, one short function each: the command, and what is said afterwards.

`Operation` sends one command without blocking anything. A refusal by the charger is an answer and
is shown as one; an operating error is shown with what to do.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Self

from sitecontroller.domain.commands import (
    AcceptStation,
    AcknowledgeAlarm,
    ChangeAvailability,
    Command,
    CommandResult,
    CommandState,
    RejectStation,
    ResetStation,
    ResetType,
    SetVariable,
    StartTransaction,
    StopTransaction,
    UnlockConnector,
)
from sitecontroller.domain.emergency import ReleaseEmergency
from sitecontroller.domain.errors import CallTimeout, ControllerError, StationOffline
from sitecontroller.domain.limit_source import LimitSource, SetSiteLimit, WithdrawSiteLimit
from sitecontroller.domain.session_needs import BoostSession, EndBoost, SetChargingNeeds
from sitecontroller.domain.topology import ServiceClass
from ui.desk import Desk, Notice
from ui.i18n.texts import translate
from ui.presenters import units
from ui.presenters.words import Shape, Tone


class Operation:
    """One command on its way, with its words."""

    def __init__(self, desk: Desk, command: Command, subject: str) -> None:
        self._desk = desk
        self._command = command
        self._subject = subject
        self._done = ""
        self._note: Callable[[CommandResult], Notice | None] = lambda result: None
        self._refused = translate("Operation", "Try again; call service if it stays")
        self._remedies: dict[type[ControllerError], str] = {
            StationOffline: translate("Operation", "Check the charger's power and network cable"),
            CallTimeout: translate("Operation", "Look whether it happened; if not, try again"),
        }

    def success(self, text: str) -> Self:
        """Say this once the charger has agreed; nothing is said without it."""
        self._done = text
        return self

    def refusal(self, remedy: str) -> Self:
        """What to do when the charger refuses."""
        self._refused = remedy
        return self

    def failure(self, remedies: dict[type[ControllerError], str]) -> Self:
        """What to do for some errors; the others keep their own remedy."""
        self._remedies |= remedies
        return self

    def note(self, note: Callable[[CommandResult], Notice | None]) -> Self:
        """What else the answer may have to tell."""
        self._note = note
        return self

    def start(self) -> None:
        """Send it."""
        self._desk.spawn(self._run())

    async def _run(self) -> None:
        try:
            result = await self._desk.execute(self._command)
        except ControllerError as error:
            remedy = next(
                (text for cls, text in self._remedies.items() if isinstance(error, cls)), ""
            )
            self._desk.fail(error, remedy)
            return
        self._tell(result)

    def _tell(self, result: CommandResult) -> None:
        if result.state in (CommandState.REJECTED, CommandState.FAILED):
            text = translate("Operation", "{subject} refused").format(subject=self._subject)
            if result.reason:
                text += f": {result.reason}"
            self._desk.notice(Notice(text, self._refused, Tone.MEDIUM, Shape.DIAMOND, lasting=True))
            return
        self._desk.follow(result.command_id, self._subject)
        if result.state is CommandState.SENT:
            text = translate("Operation", "Sent; {subject} has not answered yet")
            self._desk.notice(Notice(text.format(subject=self._subject), shape=Shape.CLOCK))
        elif self._done:
            self._desk.notice(self._note(result) or Notice(self._done))


def start_charging(desk: Desk, station_id: str, evse_id: int, id_token: str) -> None:
    """Begin a session on a card."""
    (
        Operation(desk, StartTransaction(station_id, evse_id, id_token), station_id)
        .success(translate("Operation", "{charger} starts charging").format(charger=station_id))
        .refusal(translate("Operation", "Check that the car is plugged in and the card is valid"))
        .failure({StationOffline: translate("Operation", "Let the driver start at the charger")})
        .start()
    )


def stop_charging(desk: Desk, station_id: str, transaction_key: str) -> None:
    """End a session."""
    (
        Operation(desk, StopTransaction(transaction_key), station_id)
        .success(translate("Operation", "{charger} stops charging").format(charger=station_id))
        .failure(
            {
                StationOffline: translate(
                    "Operation", "Let the driver stop it at the charger or in the car"
                )
            }
        )
        .start()
    )


def release_cable(desk: Desk, station_id: str, evse_id: int) -> None:
    """Unlock the connector."""
    (
        Operation(desk, UnlockConnector(station_id, evse_id), station_id)
        .success(translate("Operation", "{charger} releases the cable").format(charger=station_id))
        .refusal(translate("Operation", "Stop the session first; then the car lets go, too"))
        .start()
    )


def restart_charger(desk: Desk, station_id: str, *, at_once: bool) -> None:
    """Restart a charger: at once, or as soon as it is idle."""
    kind = ResetType.IMMEDIATE if at_once else ResetType.ON_IDLE
    text = translate("Operation", "{charger} restarts; it is back in about a minute")
    (
        Operation(desk, ResetStation(station_id, kind), station_id)
        .success(text.format(charger=station_id))
        .start()
    )


def set_in_service(desk: Desk, station_id: str, *, operative: bool) -> None:
    """Put a charger into service or take it out."""
    text = (
        translate("Operation", "{charger} is in service again")
        if operative
        else translate("Operation", "{charger} takes no new sessions")
    )
    (
        Operation(desk, ChangeAvailability(station_id, None, operative), station_id)
        .success(text.format(charger=station_id))
        .start()
    )


def write_setting(desk: Desk, station_id: str, name: str, value: str) -> None:
    """Change one of the charger's own settings."""
    (
        Operation(desk, SetVariable(station_id, name, value), station_id)
        .success(
            translate("Operation", "{charger} took {name} = {value}").format(
                charger=station_id, name=name, value=value
            )
        )
        .refusal(translate("Operation", "Check the setting's name and value in its manual"))
        .start()
    )


def accept_charger(desk: Desk, station_id: str) -> None:
    """Admit a new charger."""
    (
        Operation(desk, AcceptStation(station_id), station_id)
        .success(translate("Operation", "{charger} is accepted").format(charger=station_id))
        .note(_password_by_hand)
        .start()
    )


def reject_charger(desk: Desk, station_id: str) -> None:
    """Turn a new charger away for the rest of the commissioning time."""
    (
        Operation(desk, RejectStation(station_id), station_id)
        .success(translate("Operation", "{charger} is turned away").format(charger=station_id))
        .start()
    )


def _password_by_hand(result: CommandResult) -> Notice | None:
    """A charger that did not take its password gets it from a person, who sees it only here."""
    password = (result.answer or {}).get("password")
    if password is None:
        return None
    return Notice(
        translate("Operation", "Accepted, but the charger did not take its password"),
        translate("Operation", "Enter it in the charger's own settings: {password}").format(
            password=password
        ),
        Tone.MEDIUM,
        Shape.DIAMOND,
        lasting=True,
    )


def limit_place(
    desk: Desk,
    place_id: str,
    name: str,
    current_a: float,
    *,
    is_group: bool,
    until: datetime | None,
    reason: str,
) -> None:
    """Limit a fuse or a group by hand, A per phase; it replaces what was set so before."""
    command = SetSiteLimit(
        f"attendant-{place_id}",
        LimitSource.ATTENDANT,
        circuit_id=None if is_group else place_id,
        group_id=place_id if is_group else None,
        current_a=(current_a, current_a, current_a),
        until=until,
        reason=reason,
    )
    (
        Operation(desk, command, name)
        .success(
            translate("Operation", "{place} is limited to {current}").format(
                place=name, current=units.limit(current_a)
            )
        )
        .note(_what_it_cannot)
        .start()
    )


def withdraw_limit(desk: Desk, limit_id: str, name: str) -> None:
    """Lift a limit that was set by hand."""
    text = translate("Operation", "{place}: the limit is lifted; currents rise by and by")
    (Operation(desk, WithdrawSiteLimit(limit_id), name).success(text.format(place=name)).start())


def _what_it_cannot(result: CommandResult) -> Notice | None:
    """A limit may be lower than what chargers fall back to without contact."""
    if not result.reason:
        return None
    return Notice(
        translate("Operation", "The limit is set"),
        result.reason,
        Tone.MEDIUM,
        Shape.DIAMOND,
        lasting=True,
    )


def set_needs(
    desk: Desk,
    name: str,
    transaction_key: str,
    *,
    departure_at: datetime | None,
    energy_wh: float | None,
    service_class: ServiceClass,
) -> None:
    """Say when a car leaves, how much it needs and how it is served."""
    command = SetChargingNeeds(transaction_key, departure_at, energy_wh, service_class)
    text = translate("Operation", "{charger}: load management knows what the car needs")
    Operation(desk, command, name).success(text.format(charger=name)).start()


def boost(desk: Desk, name: str, transaction_key: str, until: datetime) -> None:
    """Serve a car before others for a while."""
    text = translate("Operation", "{charger} goes first until {time}").format(
        charger=name, time=units.clock_time(until, desk.picture.zone)
    )
    Operation(desk, BoostSession(transaction_key, until), name).success(text).start()


def end_boost(desk: Desk, name: str, transaction_key: str) -> None:
    """Serve a car as the others again."""
    text = translate("Operation", "{charger} waits its turn again").format(charger=name)
    Operation(desk, EndBoost(transaction_key), name).success(text).start()


def release_emergency(desk: Desk, name: str, reason: str) -> None:
    """Say that a person has looked and charging may go on."""
    (
        Operation(
            desk, ReleaseEmergency(name, reason), translate("Operation", "The emergency stop")
        )
        .success(translate("Operation", "Released by {name}; chargers come back").format(name=name))
        .start()
    )


def acknowledge_alarm(desk: Desk, alarm_key: str) -> None:
    """Say that a person has seen an alarm."""
    (
        Operation(desk, AcknowledgeAlarm(alarm_key), translate("Operation", "The alarm"))
        .success(translate("Operation", "Acknowledged; it goes when its cause is gone"))
        .start()
    )
