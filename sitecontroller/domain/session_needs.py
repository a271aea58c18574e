"""What people say of a running session: who it is for, when it leaves, how much it needs.

It stands before what the car says (`smart.ChargingNeeds`), field by field, and is kept until the
session ends.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sitecontroller.domain.commands import Command
from sitecontroller.domain.errors import FieldError
from sitecontroller.domain.queries import Query
from sitecontroller.domain.topology import ServiceClass

STAYS_MAX = timedelta(days=31)
BOOST_MAX = timedelta(days=1)
ENERGY_WH_MAX = 1_000_000.0


@dataclass(frozen=True, slots=True)
class SessionNeeds:
    """What was said of a session; None: nothing."""

    transaction_key: str
    station_id: str
    said_at: datetime
    departure_at: datetime | None = None
    energy_wh: float | None = None
    """Still needed when it was said."""
    delivered_wh: float | None = None
    """What the session had by then; None: not known yet, so nothing."""
    service_class: ServiceClass | None = None
    boost_until: datetime | None = None
    """First of all until then."""
    discharge_until: datetime | None = None
    """It may give back until then."""
    keeps_all: bool = False
    """It gives nothing back, whatever the car offers."""


@dataclass(frozen=True, slots=True)
class SetChargingNeeds(Command):
    """Say when a running session leaves, how much it still needs and whom it is for; null: nobody
    says. It replaces all that was said before, but no boost."""

    transaction_key: str
    departure_at: datetime | None = None
    energy_wh: float | None = None
    service_class: ServiceClass | None = None


@dataclass(frozen=True, slots=True)
class BoostSession(Command):
    """Serve a running session before others, as class vip, until a time."""

    transaction_key: str
    until: datetime


@dataclass(frozen=True, slots=True)
class EndBoost(Command):
    """Serve a session as before its boost."""

    transaction_key: str


@dataclass(frozen=True, slots=True)
class AllowDischarge(Command):
    """Let the car of a running session give energy back for a peak-demand target, until a time."""

    transaction_key: str
    until: datetime


@dataclass(frozen=True, slots=True)
class EndDischarge(Command):
    """The car of a running session gives nothing back, whatever it offers itself."""

    transaction_key: str


@dataclass(frozen=True, slots=True)
class SessionNeedsView:
    """What load management goes by for a running session; None: nobody said."""

    transaction_key: str
    station_id: str
    evse_id: int
    service_class: ServiceClass
    class_from: str
    """Who says so: "boost", "session", "card" or "evse"."""
    departure_at: datetime | None
    departure_from: str | None
    """Who says so: "session" or "car"."""
    energy_left_wh: float | None
    """Still needed now."""
    energy_from: str | None
    boost_until: datetime | None
    guaranteed_a: float
    """Of the EVSE; 0: nothing."""
    discharge_until: datetime | None = None
    """It may give back until then; null: it gives nothing back."""
    discharge_from: str | None = None
    """Who says so: "session" or "car"."""


@dataclass(frozen=True, slots=True)
class SessionNeedsQuery(Query):
    """What load management goes by for a running session."""

    transaction_key: str


def needs_faults(command: SetChargingNeeds, now: datetime) -> tuple[FieldError, ...]:
    """What is wrong with it."""
    faults = []
    if command.departure_at is not None and not now < command.departure_at <= now + STAYS_MAX:
        faults.append(FieldError("departure_at", f"lies from now to {STAYS_MAX.days} days ahead"))
    if command.energy_wh is not None and not 0 <= command.energy_wh <= ENERGY_WH_MAX:
        faults.append(FieldError("energy_wh", f"is 0 to {ENERGY_WH_MAX:,.0f} Wh"))
    return tuple(faults)


def until_faults(command: BoostSession | AllowDischarge, now: datetime) -> tuple[FieldError, ...]:
    """What is wrong with it."""
    if now < command.until <= now + BOOST_MAX:
        return ()
    hours = BOOST_MAX / timedelta(hours=1)
    return (FieldError("until", f"lies from now to {hours:g} hours ahead"),)
