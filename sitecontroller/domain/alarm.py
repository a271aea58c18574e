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
    come again for so long. `particular`: the parameters `priority` and `remedy`, where an alarm has
    them, say it better than the row.
    """

    code: str
    priority: AlarmPriority
    text: str
    remedy: str
    cause_group: str
    until_acknowledged: bool = False
    ends_after_s: float | None = None
    particular: bool = False


_H, _M, _L = AlarmPriority.HIGH, AlarmPriority.MEDIUM, AlarmPriority.LOW

ALARMS: dict[str, AlarmDefinition] = {
    row.code: row
    for row in (
        AlarmDefinition(
            "emergency-stop", _H,
            "Emergency stop by {by}: {progress}",
            "Help whoever needs it; when the danger is over, close the contact and release it by "
            "name: sitecontroller emergency release",
            "emergency",
        ),
        AlarmDefinition(
            "input-lost", _H,
            "Input {input} ({kind}) can't be read: {reason}",
            "Check the module's power and its network or bus cable now: this contact does nothing",
            "inputs",
        ),
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
            "breaker-near-trip", _H,
            "{circuit} {phase} at {current_a} A: its {curve} {limit_a} A breaker may trip in "
            "{left_s} s; all chargers below it are stopped",
            "Switch off other loads on this circuit; charging goes on when the breaker has cooled",
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
            particular=True,
        ),
        AlarmDefinition(
            "station-event", _M,
            "{evse} reports: {words}",
            "Look at the charger and its page; call service if it stays",
            "station",
            particular=True,
        ),
        AlarmDefinition(
            "station-notice", _L,
            "{evse} reported: {words}",
            "Look at the charger and its page",
            "station",
            until_acknowledged=True,
            particular=True,
        ),
        AlarmDefinition(
            "lease-untested", _L,
            "{station} has firmware {firmware}, which wasn't tested as the one before was",
            "Test its lease and its limits again (sitecontroller commission), or skip the tests",
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
            "limit-source-silent", _H,
            "Limit source {source} is silent: {reason}; in force: {holds}",
            "Check the network and the device or service that sends the limit",
            "load",
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
            "availability-ignored", _M,
            "{evse} is to be out of service, but it takes cars",
            "Switch it off at its breaker, or put it back into service here",
            "station",
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
            "firmware-failed", _M,
            "{station} did not get its new firmware. {result}",
            "Look at the update of this charger; try again when it is idle, or call service",
            "firmware",
            until_acknowledged=True,
        ),
        AlarmDefinition(
            "rollout-stopped", _M,
            "The roll-out of firmware {version} stopped itself: {reason}",
            "Look at the chargers that failed, then resume the roll-out or abort it",
            "firmware",
        ),
        AlarmDefinition(
            "files-full", _M,
            "Firmware and logs take {percent} % of the room they may have",
            "Remove firmware that no charger needs, or raise quota_mb under [files]",
            "firmware",
        ),
        AlarmDefinition(
            "transaction-review", _L,
            "A session at {evse} needs a look: {reason}",
            "Open the session and check its meter readings",
            "money",
            until_acknowledged=True,
        ),
        AlarmDefinition(
            "signed-reading-invalid", _M,
            "The signed readings of a session at {evse} are not valid: {reason}",
            "Look at the session's signed readings; bill it all the same or don't, by name: until "
            "then it has no receipt. If it happens again, have the meter and its key checked",
            "money",
        ),
        AlarmDefinition(
            "receipt-differs", _M,
            "Receipt {number} at {evse} says {printed}; after a correction the price is {price}",
            "Settle the difference with the driver by hand; a receipt once given never changes",
            "money",
            until_acknowledged=True,
        ),
        AlarmDefinition(
            "start-refused-after-stop", _L,
            "{evse} takes no new session since the last one was stopped",
            "Pull the plug and plug in again, or restart the charger; next time pause, don't stop",
            "station",
            until_acknowledged=True,
        ),
        AlarmDefinition(
            "local-list-refused", _L,
            "{station} doesn't take its list of cards: {reason}",
            "Nothing while it is online; without contact it may refuse cards that it should know",
            "station",
        ),
        AlarmDefinition(
            "settlement-failed", _M,
            "{station} could not settle a payment of {amount}: {status}",
            "Ask the driver to pay at the till; check the charger's payment terminal",
            "money",
            until_acknowledged=True,
        ),
        AlarmDefinition(
            "station-cost-differs", _L,
            "{station} counted {own} for a session that is billed with {billed}",
            "Give the charger the tariff again; the bill is right, what it showed was not",
            "money",
            until_acknowledged=True,
        ),
        AlarmDefinition(
            "settlement-differs", _M,
            "{station} took a payment of {amount}; its session: {price}",
            "Look at the charger's payments; pay back what was too much, or ask for the rest",
            "money",
            until_acknowledged=True,
        ),
        AlarmDefinition(
            "reservation-unmet", _M,
            "{place} is reserved for card {card} from now, but {reason}",
            "Ask whoever is there to move, or give the driver another bay",
            "station",
        ),
        AlarmDefinition(
            "reservation-lost", _M,
            "{place} is no longer reserved for card {card}: {reason}",
            "Give the driver another bay, and reserve that",
            "station",
            until_acknowledged=True,
        ),
        AlarmDefinition(
            "settings-not-held", _L,
            "{station} did not keep settings over its restart: {settings}",
            "Compare its settings with the last snapshot; set them at the charger itself",
            "station",
            until_acknowledged=True,
        ),
        AlarmDefinition(
            "remote-start-unanswered", _L,
            "{evse} accepted the start but no session began",
            "Check that the car is plugged in, then start again",
            "station",
            until_acknowledged=True,
        ),
        AlarmDefinition(
            "external-limit", _L,
            "{place} is limited by {source}, not by this site: {limit}",
            "Nothing if that is meant so; else ask whoever set it. The alarm ends by itself",
            "load",
        ),
        AlarmDefinition(
            "grid-deviation", _M,
            "{station} changes its power because of the grid: {fault} ({control} acts)",
            "Nothing if it ends within minutes; else tell the grid operator or an electrician",
            "load",
        ),
        AlarmDefinition(
            "priority-charging", _L,
            "{evse} charges with priority, by the charger's own profile",
            "Nothing; to end it, end priority charging on the session's page",
            "load",
        ),
        AlarmDefinition(
            "station-security", _M,
            "{station}: {event}",
            "Look at the charger and at its security events",
            "security",
            until_acknowledged=True,
            particular=True,
        ),
        AlarmDefinition(
            "login-refused", _M,
            "{station} was turned away {count} times: {reason}",
            "If it is our charger: enter its password or certificate anew; else look who it is",
            "security",
            ends_after_s=3600.0,
        ),
        AlarmDefinition(
            "unsecured-station", _M,
            "{station} may connect without proving who it is until {until}: {reason}",
            "Give the charger its password, then end the exception",
            "security",
        ),
        AlarmDefinition(
            "certificate-rejected", _M,
            "{station} has no new certificate: {reason}",
            "Mend what is named, then renew its certificate from its security page",
            "security",
            until_acknowledged=True,
        ),
        AlarmDefinition(
            "certificate-expiring", _M,
            "The certificate of {name} ends on {date}",
            "Renew it from the security page; without it the charger can't connect by TLS",
            "security",
        ),
        AlarmDefinition(
            "payment-unclear", _H,
            "Nobody knows whether {operation} of {amount} by {provider} took place: {reason}",
            "Don't take the money again: look at the terminal or the drawer; it is asked by itself",
            "payments",
        ),
        AlarmDefinition(
            "terminal-unreachable", _H,
            "The till doesn't reach the card terminal: {reason}",
            "Look whether it is on and its cable or network is plugged in; take cash meanwhile",
            "payments",
        ),
        AlarmDefinition(
            "terminal-without-bank", _H,
            "The card terminal doesn't reach its bank: {reason}",
            "Check the terminal's own line, often the site's internet; take cash meanwhile. It is "
            "over with the next card that the bank answers to",
            "payments",
        ),
        AlarmDefinition(
            "certificates-unusable", _H,
            "Chargers can't connect by TLS: {reason}",
            "Set the PC's clock, or restore the folder state/pki from a backup",
            "security",
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
    def priority(self) -> AlarmPriority:
        """How urgent it is."""
        own = self.parameters.get("priority") if self.definition.particular else None
        return AlarmPriority(own) if own in set(AlarmPriority) else self.definition.priority

    @property
    def remedy(self) -> str:
        """What to do, in English."""
        own = self.parameters.get("remedy") if self.definition.particular else None
        return own or self.definition.remedy

    @property
    def text(self) -> str:
        """What happened, in English."""
        return self.definition.text.format_map(_Missing(self.parameters))


class _Missing(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "?"
