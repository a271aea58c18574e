"""Faults of stations in plain words, and what the controller tried to heal one by itself.

What a station says of a fault are `FaultSigns`, whatever its version; the catalogue turns them into
a `Fault`: words, a remedy for an attendant, how urgent it is, and what may be tried from here.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sitecontroller.domain.alarm import AlarmPriority
from sitecontroller.domain.queries import Query


class Mending(StrEnum):
    """Where a fault is mended."""

    HERE = "here"
    """An attendant can do it, at the console or at the bay."""
    VISIT = "visit"
    """A technician has to come."""


class HealingStep(StrEnum):
    """What the controller may try by itself, in this order: the mildest first."""

    UNLOCK = "unlock"
    """Release the cable once more."""
    TOGGLE = "toggle"
    """Take the EVSE out of service and back, which makes many boxes look at themselves anew."""
    RESET = "reset"
    """One soft restart, never while a transaction runs on the station."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A row of the catalogue. `{code}` in its words stands for what the station said, `{value}` for
    a 2.x variable's value."""

    name: str
    words: str
    remedy: str
    mending: Mending
    priority: AlarmPriority
    heal: tuple[HealingStep, ...] = ()


@dataclass(frozen=True, slots=True)
class FaultSigns:
    """All that a station gives away of a fault; what it doesn't say is empty.

    `vendor_code` is 1.6's vendorErrorCode, which may name several with commas, or 2.x's techCode.
    """

    vendor: str = ""
    model: str = ""
    code: str = ""
    """1.6's ChargePointErrorCode."""
    vendor_id: str = ""
    vendor_code: str = ""
    info: str = ""
    component: str = ""
    variable: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class FaultFound:
    """What the catalogue makes of a station's signs; `code` is what the station itself said."""

    fault: Fault
    words: str
    code: str


class HealingState(StrEnum):
    """How a healing came out."""

    UNDER_WAY = "under-way"
    HEALED = "healed"
    IN_VAIN = "in-vain"
    BROKEN_OFF = "broken-off"
    """The controller stopped, or cars kept the station busy, before all was tried."""


@dataclass(frozen=True, slots=True)
class HealingTry:
    """One step that was taken; `outcome` is plain words."""

    step: HealingStep
    at: datetime
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Healing:
    """What the controller did about one fault by itself."""

    key: str
    station_id: str
    evse_id: int
    """0: the station as a whole."""
    fault: str
    """The name of its row in the catalogue."""
    code: str
    began_at: datetime
    state: HealingState = HealingState.UNDER_WAY
    tries: tuple[HealingTry, ...] = ()
    ended_at: datetime | None = None
    out_of_service: bool = False
    """The controller has taken the EVSE out of service and not yet put it back."""


@dataclass(frozen=True, slots=True)
class HealingsQuery(Query):
    """What was tried, newest first; `station_id` None: at the whole site."""

    limit: int = 50
    cursor: str | None = None
    station_id: str | None = None
