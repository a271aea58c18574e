"""Commissioning: begins checks, keeps what came of them, and hands what was learned of a model and
firmware to those who tell limits.

One check runs at a time. It asks load management for all it needs, so a check breaks no limit; one
that is ended, by whatever, leaves everything as it was.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

from sitecontroller.dlm.fallback_plan import propose_fallbacks
from sitecontroller.dlm.fallbacks import prove_fallbacks
from sitecontroller.domain.commands import Command, CommandResult, CommandState
from sitecontroller.domain.commissioning import (
    LEASE_S_MAX,
    LEASE_S_MIN,
    OF_MODELS,
    SITE,
    TEXT_CHARACTERS_MAX,
    CancelCheck,
    Check,
    CheckKind,
    CheckState,
    CommissioningQuery,
    CommissioningRecord,
    CommissioningView,
    FallbackProposal,
    FallbackProposalQuery,
    SkipCheck,
    StartCheck,
    lease_fact,
    limits_fact,
)
from sitecontroller.domain.errors import (
    ConfigurationError,
    Conflict,
    FieldError,
    InvalidInput,
    OperatingError,
)
from sitecontroller.domain.events import MeterFailed, MeterMeasured, StationReady
from sitecontroller.domain.queries import Query
from sitecontroller.domain.station import model_key
from sitecontroller.domain.topology import Evse
from sitecontroller.services.commissioning.book import Book, firmware_of, is_complete
from sitecontroller.services.commissioning.lease import lease_test
from sitecontroller.services.commissioning.limits import limit_test
from sitecontroller.services.commissioning.meters import Seen, meter_check
from sitecontroller.services.commissioning.phases import phase_check
from sitecontroller.services.commissioning.scene import Outcome, Sample, Scene, Undecided, evse_of
from sitecontroller.services.desk import Answerer, Desk, Handler

Render = Callable[[CommissioningRecord], bytes]
"""The record as PDF; importable, so that the workshop can run it."""

UNTESTED = "lease-untested"
CANCELLED = "Ended by a person before it was done"

log = logging.getLogger(__name__)


class Commissioning:
    """Owner of the checks and of what they found."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._book = Book(desk)
        self._running: tuple[Check, asyncio.Task[None]] | None = None
        self._meters: dict[str, Sample] = {}
        self._failures: dict[str, str] = {}
        desk.publisher.subscribe(self._hear_meter, MeterMeasured, MeterFailed)
        desk.publisher.subscribe(self._hear_station, StationReady)
        self.handlers: Mapping[type[Command], Handler] = {
            StartCheck: self._start,
            SkipCheck: self._skip,
            CancelCheck: self._cancel,
        }
        self.answerers: Mapping[type[Query], Answerer] = {
            CommissioningQuery: self._view,
            FallbackProposalQuery: self._propose,
        }

    async def load(self) -> None:
        """Take up what was done before."""
        await self._book.load()

    async def record_pdf(self, render: Render) -> bytes:
        """The record on paper, as of now."""
        config = self._desk.config
        record = CommissioningRecord(
            config.site_id,
            config.name,
            self._desk.clock.now(),
            config.time_zone,
            await self._view(CommissioningQuery()),
            prove_fallbacks(config.topology),
        )
        return await self._desk.workshop.run(render, record)

    # what people ask for

    async def _start(self, command: StartCheck, command_id: str) -> CommandResult:
        check, evse = self._checked(command.kind, command.subject, command.done_by)
        if not LEASE_S_MIN <= command.lease_s <= LEASE_S_MAX:
            raise _fault("lease_s", f"is {LEASE_S_MIN} to {LEASE_S_MAX}")
        if self._running is not None:
            raise Conflict(
                f"{_words(self._running[0])} runs", remedy="Wait until it is done, or cancel it"
            )
        if evse is not None:
            self._desk.link(evse.station_id)
        task = self._desk.background.spawn(
            self._run(check, evse, command.lease_s), _words(check), patient=True
        )
        self._running = check, task
        return CommandResult(command_id, CommandState.ACCEPTED, f"{_words(check)} runs")

    async def _skip(self, command: SkipCheck, command_id: str) -> CommandResult:
        check, _ = self._checked(command.kind, command.subject, command.done_by)
        if not command.reason.strip():
            raise _fault("reason", "is missing: say why it is left out")
        if len(command.reason) > TEXT_CHARACTERS_MAX:
            raise _fault("reason", f"has at most {TEXT_CHARACTERS_MAX} characters")
        now = self._desk.clock.now()
        skipped = replace(
            check, state=CheckState.SKIPPED, ended_at=now, findings=(command.reason.strip(),)
        )
        await self._book.put(skipped)
        self._settle(check)
        return CommandResult(command_id, CommandState.ACCEPTED, f"{_words(check)} is left out")

    async def _cancel(self, command: CancelCheck, command_id: str) -> CommandResult:
        if self._running is None:
            raise Conflict("no check runs", remedy="GET /v1/commissioning shows them")
        check, task = self._running
        task.cancel()
        await asyncio.wait({task})
        await self._keep(check, Outcome(CheckState.UNDECIDED, (CANCELLED,)))
        return CommandResult(command_id, CommandState.ACCEPTED, f"{_words(check)} has ended")

    def _checked(self, kind: CheckKind, subject: str, done_by: str) -> tuple[Check, Evse | None]:
        """The check as it begins. Raises InvalidInput."""
        if not done_by.strip() or len(done_by) > TEXT_CHARACTERS_MAX:
            raise _fault("done_by", f"is the name of a person, at most {TEXT_CHARACTERS_MAX} long")
        topology, evse = self._desk.config.topology, None
        if kind is CheckKind.FALLBACKS:
            subject = SITE
        elif kind is CheckKind.METER:
            only = next(iter(topology.meters), "") if len(topology.meters) == 1 else ""
            subject = subject or only
            if subject not in topology.meters:
                raise _fault("subject", f"'{subject}' is no meter of site.toml")
        else:
            evse = evse_of(self._desk, subject)
            if evse is None:
                raise _fault(
                    "subject", f"'{subject}' is no EVSE of site.toml; write one as CP-03/1"
                )
        boot = None if evse is None else self._book.boot_of(evse.station_id)
        if kind in OF_MODELS and boot is None:
            raise _fault("subject", f"what {subject} is isn't known: it has never connected")
        firmware = "" if boot is None or kind not in OF_MODELS else firmware_of(boot)
        now = self._desk.clock.now()
        return Check(
            kind, subject, CheckState.RUNNING, done_by.strip(), now, firmware=firmware
        ), evse

    # what runs

    async def _run(self, check: Check, evse: Evse | None, lease_s: int) -> None:
        try:
            await self._book.put(check)
            log.info("commissioning: %s begins, by %s", _words(check), check.done_by)
            try:
                outcome = await self._outcome(check, evse, lease_s)
            except Undecided as why:
                outcome = Outcome(CheckState.UNDECIDED, (str(why),))
            except OperatingError as error:
                outcome = Outcome(CheckState.UNDECIDED, (f"Broken off: {error.detail}",))
            await self._keep(check, outcome)
        finally:
            self._running = None

    async def _outcome(self, check: Check, evse: Evse | None, lease_s: int) -> Outcome:
        if check.kind is CheckKind.METER:
            return meter_check(self._seen(check.subject))
        if check.kind is CheckKind.FALLBACKS or evse is None:
            return self._proof()
        scene = Scene(self._desk, evse)
        if check.kind is CheckKind.PHASES:
            return await phase_check(scene)
        if check.kind is CheckKind.LEASE:
            outcome, way = await lease_test(scene, lease_s)
            if way is not None:
                await self._learn(evse.station_id, lease_fact, way)
            return outcome
        outcome, schedules_true = await limit_test(scene)
        if outcome.state is not CheckState.UNDECIDED:
            await self._learn(evse.station_id, limits_fact, schedules_true)
        return outcome

    def _proof(self) -> Outcome:
        try:
            return Outcome(CheckState.PASSED, prove_fallbacks(self._desk.config.topology))
        except ConfigurationError as error:
            faults = tuple(fault.message for fault in error.errors)
            return Outcome(CheckState.FAILED, faults)

    async def _learn(self, station_id: str, fact: Callable[[str], str], value: object) -> None:
        """Remember it for all stations of that model and firmware, and tell those connected."""
        stations = self._desk.stations
        model = model_key(self._book.boot_of(station_id))
        await stations.remember(fact(model), value)
        for other_id in self._desk.config.topology.stations:
            link = stations.link(other_id)
            if link is not None and model_key(self._book.boot_of(other_id)) == model:
                await link.learn_limits()

    async def _keep(self, check: Check, outcome: Outcome) -> None:
        done = replace(
            check,
            state=outcome.state,
            ended_at=self._desk.clock.now(),
            findings=outcome.findings,
            write=outcome.write,
        )
        await self._book.put(done)
        self._settle(check)
        log.info(
            "commissioning: %s %s: %s",
            _words(check),
            outcome.state.lower(),
            "; ".join((*outcome.findings, *outcome.write)),
        )

    # what is heard

    def _hear_meter(self, event: object) -> None:
        if isinstance(event, MeterMeasured):
            self._meters[event.meter_id] = Sample(event.reading, event.received_s)
            self._failures.pop(event.meter_id, None)
        elif isinstance(event, MeterFailed):
            self._failures[event.meter_id] = event.reason

    def _hear_station(self, event: object) -> None:
        """After a firmware change what was tested is asked for again."""
        if not isinstance(event, StationReady):
            return
        boot = self._book.boot_of(event.station_id)
        if boot is None:
            return
        due = any(
            self._book.knows_another(kind, boot) and not self._book.is_done(kind, firmware_of(boot))
            for kind in OF_MODELS
        )
        if due:
            self._desk.alarms.raise_(
                UNTESTED,
                event.station_id,
                station=event.station_id,
                firmware=boot.firmware_version or "unknown",
            )
        else:
            self._desk.alarms.clear(UNTESTED, event.station_id)

    def _settle(self, check: Check) -> None:
        if check.kind in OF_MODELS:
            for station_id in self._desk.config.topology.stations:
                if self._desk.stations.link(station_id) is not None:
                    self._hear_station(StationReady(station_id, self._desk.clock.now(), False))

    def _seen(self, meter_id: str) -> Seen:
        sample = self._meters.get(meter_id)
        meter = self._desk.config.topology.meters[meter_id]
        failure = self._failures.get(meter_id)
        if sample is None:
            return Seen(meter, None, None, failure)
        age_s = self._desk.clock.monotonic_s() - sample.received_s
        return Seen(meter, sample.reading, age_s, failure)

    # what is asked

    async def _view(self, query: CommissioningQuery) -> CommissioningView:
        checks = self._book.all()
        running = None if self._running is None else _words(self._running[0])
        return CommissioningView(checks, running, is_complete(checks))

    async def _propose(self, query: FallbackProposalQuery) -> FallbackProposal:
        return await self._desk.workshop.run(propose_fallbacks, self._desk.config.topology)


def _words(check: Check) -> str:
    return f"{check.kind.lower()} check of {check.subject}"


def _fault(field: str, message: str) -> InvalidInput:
    return InvalidInput(
        f"{field} {message}",
        remedy="Mend the field and send it again",
        errors=(FieldError(field, message),),
    )
