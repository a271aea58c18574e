"""Signed readings as the site keeps and judges them: whatever a station sent, byte for byte.

What stations sign is stored in the commit of the reading that it came with and never changed. The
verdict stands beside it and may be found again; a person decides what to do about a bad one.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from sitecontroller.domain.commands import Command
from sitecontroller.domain.metering import ReadingContext
from sitecontroller.domain.ocmf import Finding
from sitecontroller.domain.queries import Query
from sitecontroller.domain.topology import EvseKey


class SignedVerdict(StrEnum):
    """What is known of a signed reading, or of a session's."""

    VALID = "valid"
    INVALID = "invalid"
    UNSUPPORTED = "unsupported"
    """A format that can't be checked here (ALFEN, EDL40, PCDF, …)."""
    NO_KEY = "no-key"
    """No public key is pinned for this meter."""


@dataclass(frozen=True, slots=True)
class SignedReading:
    """One signed value of a transaction. `data` is the text that the station sent: of 1.6 the
    value, of 2.x the signedMeterValue as JSON."""

    transaction_key: str
    at: datetime
    context: ReadingContext
    data: str


@dataclass(frozen=True, slots=True)
class MeterKeyPin:
    """The public key that a person vouches for: it stands on the meter of this EVSE."""

    evse: EvseKey
    public_key: str
    meter_serial: str
    pinned_by: str
    pinned_at: datetime


@dataclass(frozen=True, slots=True)
class JudgedReading:
    """One record as people see it: `record` is the decoded text, or what came if it is no text."""

    at: datetime
    context: ReadingContext
    format: str
    record: str
    verdict: SignedVerdict
    findings: tuple[Finding, ...]
    named_key: str = ""
    """The public key that the station sent with it, hex; "" if none. It is not trusted."""


@dataclass(frozen=True, slots=True)
class SignedJudgement:
    """What all signed readings of a session come to. `energy_wh` is None unless they say it."""

    verdict: SignedVerdict
    findings: tuple[Finding, ...]
    energy_wh: Decimal | None
    readings: tuple[JudgedReading, ...]


@dataclass(frozen=True, slots=True)
class SignedDecision:
    """What a person decided about a session whose signed readings are bad."""

    bill: bool
    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class SignedSession:
    """The verdict of a session as it is kept. `is_final`: judged after its end; `held`: nobody is
    billed for it until a person decides."""

    transaction_key: str
    verdict: SignedVerdict
    findings: tuple[Finding, ...]
    energy_wh: Decimal | None
    judged_at: datetime
    readings: int
    is_final: bool
    decision: SignedDecision | None = None

    @property
    def held(self) -> bool:
        refused = self.verdict is SignedVerdict.INVALID
        return refused and (self.decision is None or not self.decision.bill)


@dataclass(frozen=True, slots=True)
class SignedReadingsView:
    """A session's signed readings, one by one and together; `verdict` is None without any."""

    transaction_key: str
    verdict: SignedVerdict | None
    held: bool
    findings: tuple[Finding, ...]
    energy_wh: float | None
    public_key: str
    readings: tuple[JudgedReading, ...]
    decision: SignedDecision | None


@dataclass(frozen=True, slots=True)
class PinMeterKey(Command):
    """Vouch for the public key of an EVSE's meter, as printed on it; an empty one takes it back."""

    station_id: str
    evse_id: int
    public_key: str
    by: str
    meter_serial: str = ""


@dataclass(frozen=True, slots=True)
class DecideSignedSession(Command):
    """Bill a session although its signed readings are bad, or don't; by name and with a reason."""

    transaction_key: str
    bill: bool
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class SignedReadingsQuery(Query):
    """The signed readings of a session, and what they are worth."""

    transaction_key: str


@dataclass(frozen=True, slots=True)
class MeterKeysQuery(Query):
    """The public keys that people vouched for."""
