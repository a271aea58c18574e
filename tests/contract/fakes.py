"""A session that is a script, and small services that keep what they were told.

Every payload is checked against the `ocpp` package's schema in both directions.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sitecontroller.config import OcppSettings
from sitecontroller.domain.authorization import Authorization, AuthorizationStatus, IdToken
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.station import (
    OcppVersion,
    RegistrationStatus,
    StationBooted,
    StatusReported,
)
from sitecontroller.domain.topology import EvseKey
from sitecontroller.domain.transaction import (
    Transaction,
    TransactionEnded,
    TransactionStarted,
    TransactionState,
    TransactionUpdated,
)
from sitecontroller.ocpp.commands import Priority
from sitecontroller.ocpp.frames import request_validator, response_validator
from sitecontroller.services.inbound import StationServices
from sitecontroller.services.stations import BootAnswer
from sitecontroller.services.transactions import StartOutcome

START = datetime(2025, 6, 1, 12, 0, tzinfo=UTC)

Reply = dict[str, Any] | Exception | Callable[[dict[str, Any]], Any]


class HandClock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.passed_s = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.passed_s)

    def monotonic_s(self) -> float:
        return self.passed_s


@dataclass(frozen=True)
class Said:
    """One CALL of ours."""

    action: str
    payload: dict[str, Any]
    priority: Priority
    deadline_s: float
    key: str | None


class Deaf:
    """Services that look after stations: they take everything and do nothing."""

    def __getattr__(self, name: str) -> Any:
        return Deaf()

    async def __call__(self, *_: Any, **__: Any) -> None:
        return None


class ScriptedSession:
    """Answers our CALLs by a script: a payload, an exception, or a function of the request."""

    generation = 1

    def __init__(self, version: OcppVersion, station_id: str, replies: dict[str, Reply]) -> None:
        self.version, self.station_id, self.replies = version, station_id, replies
        self.said: list[Said] = []
        self.calls_allowed = False
        self.closed_with: str | None = None
        self.faults: list[tuple[str, ...]] = []
        self._after_reply: list[Callable[[], None]] = []

    async def call(
        self,
        action: str,
        payload: dict[str, Any],
        *,
        priority: Priority = Priority.ATTENDANT,
        deadline_s: float = 30.0,
        key: str | None = None,
    ) -> dict[str, Any]:
        check(request_validator(self.version, action), payload)
        self.said.append(Said(action, payload, priority, deadline_s, key))
        reply = self.replies[action]
        if callable(reply):
            reply = reply(payload)
        if isinstance(reply, Exception):
            raise reply
        return reply

    def after_reply(self, callback: Callable[[], None]) -> None:
        self._after_reply.append(callback)

    def note_faults(self, subject: str, *faults: str) -> None:
        self.faults.append((subject, *faults))

    def boot_answered(self) -> None:
        self._after_reply.append(lambda: setattr(self, "calls_allowed", True))

    async def close(self, reason: str) -> None:
        self.closed_with = reason

    def reply_written(self) -> None:
        waiting, self._after_reply = self._after_reply, []
        for callback in waiting:
            callback()

    def payloads(self, action: str) -> list[dict[str, Any]]:
        return [said.payload for said in self.said if said.action == action]

    def last(self, action: str) -> Said:
        return next(said for said in reversed(self.said) if said.action == action)


@dataclass
class FakeStations:
    answer: BootAnswer = field(default_factory=lambda: BootAnswer(RegistrationStatus.ACCEPTED, 300))
    has_password: bool = True
    boots: list[StationBooted] = field(default_factory=list)
    reports: list[StatusReported] = field(default_factory=list)
    readiness: list[bool] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def admitted(self, station_id: str) -> bool:
        return self.has_password

    async def booted(self, boot: StationBooted) -> BootAnswer:
        self.boots.append(boot)
        return self.answer

    async def status_reported(self, report: StatusReported) -> None:
        self.reports.append(report)

    def ready(self, link: object, *, rebooted: bool) -> None:
        self.readiness.append(rebooted)

    async def warn(self, station_id: str, warning: str) -> None:
        self.warnings.append(warning)

    async def remembered(self, name: str) -> Any:
        return self.facts.get(name)

    async def remember(self, name: str, value: Any) -> None:
        self.facts[name] = value


@dataclass
class FakeAuthorization:
    known: dict[str, Authorization] = field(default_factory=dict)

    async def authorize(self, station_id: str, id_token: IdToken) -> Authorization:
        unknown = Authorization(AuthorizationStatus.INVALID)
        return self.known.get(id_token.id_token, unknown)


@dataclass
class FakeTransactions:
    authorization: FakeAuthorization
    next_id: int = 4711
    decides: bool = True
    """Whether it has a verdict on a token shown during or at the end of a session."""
    starts: list[TransactionStarted] = field(default_factory=list)
    updates: list[TransactionUpdated] = field(default_factory=list)
    ends: list[TransactionEnded] = field(default_factory=list)

    async def started(self, report: TransactionStarted) -> StartOutcome:
        self.starts.append(report)
        verdict = await self._verdict(report.id_token)
        transaction = Transaction(
            key="01",
            station_id=report.station_id,
            evse_id=report.evse_id,
            connector_id=report.connector_id,
            station_transaction_id=report.station_transaction_id or str(self.next_id),
            state=TransactionState.ACTIVE,
            authorization_status=verdict.status,
            started_at=report.time.at,
            start_received_at=report.received_at,
        )
        return StartOutcome(transaction, verdict)

    async def state_reported(self, report: StatusReported) -> None:
        """Of interest to prices alone."""

    async def updated(self, report: TransactionUpdated) -> Authorization | None:
        self.updates.append(report)
        return await self._decision(report.id_token)

    async def ended(self, report: TransactionEnded) -> Authorization | None:
        self.ends.append(report)
        return await self._decision(report.id_token)

    async def _decision(self, id_token: IdToken | None) -> Authorization | None:
        decides = self.decides and id_token is not None
        return await self._verdict(id_token) if decides else None

    async def _verdict(self, id_token: IdToken | None) -> Authorization:
        if id_token is None:
            return Authorization(AuthorizationStatus.ACCEPTED)
        return await self.authorization.authorize("", id_token)


@dataclass
class FakeMetering:
    live: list[tuple[EvseKey, MeterReading]] = field(default_factory=list)

    def evse_measured(self, key: EvseKey, reading: MeterReading) -> None:
        self.live.append((key, reading))


class Office:
    """All services of one test."""

    def __init__(self, settings: OcppSettings | None = None, clock: Any = None) -> None:
        self.clock = clock or HandClock()
        self.stations = FakeStations()
        self.authorization = FakeAuthorization()
        self.transactions = FakeTransactions(self.authorization)
        self.metering = FakeMetering()
        self.blocks: Any = Deaf()
        self.settings = settings or OcppSettings()

    def accept(self, card: str, **changed: Any) -> None:
        verdict = Authorization(AuthorizationStatus.ACCEPTED)
        self.authorization.known[card] = replace(verdict, **changed)

    @property
    def bundle(self) -> StationServices:
        return StationServices(
            self.stations,  # type: ignore[arg-type]
            self.authorization,  # type: ignore[arg-type]
            self.transactions,  # type: ignore[arg-type]
            self.metering,  # type: ignore[arg-type]
            self.clock,
            self.settings,
            self.blocks,
        )


def check(validator: Any, payload: dict[str, Any]) -> None:
    """The payload is an action's and fits its schema."""
    assert validator is not None, "the version has no such action"
    validator.validate(payload)


async def say(dialect: Any, session: ScriptedSession, action: str, payload: Any) -> dict[str, Any]:
    """A station's CALL: its valid request, our valid answer, and what follows once it's written."""
    check(request_validator(session.version, action), payload)
    answer: dict[str, Any] = await dialect.answer(action, payload, dialect.services.clock.now())
    check(response_validator(session.version, action), answer)
    session.reply_written()
    return answer
