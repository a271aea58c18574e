"""Alarms: one table says for each code how urgent it is, what happened and what to do.

Texts are English with named parameters; the console translates by code.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class AlarmPriority(StrEnum):
    """ISA-18.2 priorities as the console shows them."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class AlarmDefinition:
    """A row of the table. `cause_group` joins alarms that one cause brings about.

    Most alarms are states, and whoever raised one clears it. `until_acknowledged`: an event, over
    when a person has seen it. `ends_after_s`: nobody reports its end; it is over when it has not
    come again for so long.
    """

    code: str
    priority: AlarmPriority
    text: str
    remedy: str
    cause_group: str
    until_acknowledged: bool = False
    ends_after_s: float | None = None


_H, _M, _L = AlarmPriority.HIGH, AlarmPriority.MEDIUM, AlarmPriority.LOW

ALARMS: dict[str, AlarmDefinition] = {
    row.code: row
    for row in (
        AlarmDefinition(
            "meter-stale", _H,
            "Meter {meter} has been silent for {age_s} s; chargers are held back",
            "Check the meter's power and its network or bus cable",
            "metering",
        ),
        AlarmDefinition(
            "circuit-overloaded", _H,
            "{circuit} {phase} at {current_a} A, limit {limit_a} A",
            "Switch off other loads on this circuit; chargers are already reduced",
            "load",
        ),
        AlarmDefinition(
            "station-disobedient", _H,
            "{evse} draws {current_a} A although it was told {limit_a} A",
            "Nothing if the car stops; else switch off the charger's breaker and call service",
            "load",
        ),
        AlarmDefinition(
            "station-faulted", _H,
            "{evse} reports a fault: {error}",
            "Send the car to another bay; restart the charger, call service if it stays",
            "station",
        ),
        AlarmDefinition(
            "component-restarted", _H,
            "Part of the controller failed and was restarted: {component}",
            "Nothing now; send the log to support if it happens again",
            "controller",
            ends_after_s=600.0,
        ),
        AlarmDefinition(
            "database-restored", _H,
            "The database was damaged; the backup {backup} is in use",
            "Compare the last sessions and receipts with the paper; call support",
            "controller",
        ),
        AlarmDefinition(
            "database-fault", _H,
            "The database can't be written: {reason}; the controller restarts",
            "Check the PC's disk; call support if it happens again",
            "controller",
        ),
        AlarmDefinition(
            "disk-full", _H,
            "The disk is nearly full; only what matters is still stored",
            "Free space on this PC's disk now",
            "controller",
        ),
        AlarmDefinition(
            "charging-refused-token", _H,
            "{evse} charges although its card was refused",
            "Ask the driver for payment; check the charger's free-vend setting",
            "station",
        ),
        AlarmDefinition(
            "fallback-unproven", _M,
            "{evse} did not take its safe limit; it counts at its maximum",
            "Check that the charger supports smart charging; restart it from its page",
            "load",
        ),
        AlarmDefinition(
            "station-offline", _M,
            "{station} has no contact since {since}",
            "Check the charger's power and its network cable",
            "network",
        ),
        AlarmDefinition(
            "duplicate-station", _M,
            "A second device tried to connect as {station} from {address}",
            "Check that no two chargers have the same name; unknown device: call IT",
            "security",
            ends_after_s=600.0,
        ),
        AlarmDefinition(
            "no-tariff", _M,
            "No tariff is valid: sessions can't be priced",
            "Set a price: sitecontroller tariff set --kwh 0.49 (with your own price)",
            "money",
        ),
        AlarmDefinition(
            "transaction-review", _L,
            "A session at {evse} needs a look: {reason}",
            "Open the session and check its meter readings",
            "money",
            until_acknowledged=True,
        ),
        AlarmDefinition(
            "receipt-differs", _M,
            "Receipt {number} at {evse} says {printed}; after a correction the price is {price}",
            "Settle the difference with the driver by hand; a receipt once given never changes",
            "money",
            until_acknowledged=True,
        ),
        AlarmDefinition(
            "remote-start-unanswered", _L,
            "{evse} accepted the start but no session began",
            "Check that the car is plugged in, then start again",
            "station",
            until_acknowledged=True,
        ),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm; `key` is unique while it is active: code and subject."""

    key: str
    code: str
    subject: str
    """What it is about: a station, EVSE, circuit or meter id."""
    raised_at: datetime
    parameters: dict[str, str] = field(default_factory=dict)
    count: int = 1
    cleared_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None

    @property
    def active(self) -> bool:
        """Whether its cause still stands."""
        return self.cleared_at is None

    @property
    def definition(self) -> AlarmDefinition:
        """Its row in the table."""
        return ALARMS[self.code]

    @property
    def text(self) -> str:
        """What happened, in English."""
        return self.definition.text.format_map(_Missing(self.parameters))


class _Missing(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "?"
