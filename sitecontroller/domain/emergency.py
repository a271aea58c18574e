"""The emergency stop (S10): what it is, who may end it, and what must wait until then."""

from dataclasses import dataclass
from datetime import datetime

from sitecontroller.domain.availability import Place
from sitecontroller.domain.commands import (
    CallStation,
    ChangeAvailability,
    Command,
    StartTransaction,
)
from sitecontroller.domain.queries import Query
from sitecontroller.domain.smart import StartLimited

NAME_CHARACTERS_MIN = 2
TEXT_CHARACTERS_MAX = 200
_BEGINS = ("RemoteStartTransaction", "RequestStartTransaction")


@dataclass(frozen=True, slots=True)
class EmergencyStop:
    """Nothing charges until a named person releases it. `triggered_by` is a contact or a person."""

    since: datetime
    triggered_by: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TakenOut:
    """What an emergency stop took out of service at one station: this, and no more, goes back.

    Outlets that were out of service before are not among the places.
    """

    station_id: str
    places: tuple[Place, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class TriggerEmergency(Command):
    """Stop everything at once: 0 A, sessions ended, chargers out of service."""

    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ReleaseEmergency(Command):
    """A person who has looked says that charging may go on; refused while a contact is open."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class EmergencyQuery(Query):
    """Whether the site is stopped, and how far it is."""


@dataclass(frozen=True, slots=True)
class EmergencyView:
    """How the site stands. Station ids: `stopped` show that they are out of service without a
    session, `waiting` were told and don't show it (yet), `offline` can't be told."""

    active: bool
    since: datetime | None
    triggered_by: str | None
    reason: str | None
    contacts_not_closed: tuple[str, ...]
    """Inputs that keep it from being released, with what is known of them."""
    stopped: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    offline: tuple[str, ...] = ()


def must_wait(command: Command) -> bool:
    """Whether a command would let a car charge, or a charger take cars: not before the release."""
    match command:
        case StartTransaction() | StartLimited():
            return True
        case ChangeAvailability(operative=operative):
            return operative
        case CallStation(action=action, payload=payload):
            operative = "Operative" in (payload.get("type"), payload.get("operationalStatus"))
            return action in _BEGINS or (action == "ChangeAvailability" and operative)
    return False
