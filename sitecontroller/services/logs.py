"""Logs and diagnostics of stations: asked for, followed until the file is here, kept for a while.

The job is done when the file has arrived (Q56). A way that fails is followed by the next one; a
station that repeats itself a thousand times costs one row (everest/libocpp#459).
"""

import dataclasses
import logging
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta

from sitecontroller.domain.commands import Command, CommandResult, CommandState
from sitecontroller.domain.errors import (
    CallTimeout,
    ConnectionLost,
    ControllerError,
    FieldError,
    InvalidInput,
    NotFound,
    StationOffline,
)
from sitecontroller.domain.files import (
    LOG_FAILURES,
    GetLog,
    LogJob,
    LogJobQuery,
    LogJobsQuery,
    LogJobState,
    LogJobView,
    LogStatus,
    LogStatusReported,
    RequestLog,
    TransferScheme,
    heard,
)
from sitecontroller.domain.ids import new_ulid
from sitecontroller.domain.queries import Query
from sitecontroller.domain.views import Page
from sitecontroller.ports import CallAnswer, FileArrived, StationLink
from sitecontroller.services.desk import Answerer, Desk, Handler
from sitecontroller.services.jobs import Jobs
from sitecontroller.services.transfers import Transfers

log = logging.getLogger(__name__)

PURPOSE = "logs"
SILENT_S_MAX = 1800.0
"""A job without any sign for so long has failed; each status and each byte is a sign."""
ARRIVES_WITHIN_S = 60.0
"""After a station said that it has uploaded."""
LOGS_MAX = 500
MEBIBYTE = 1024 * 1024
REPLACED = "a newer request took its place"


class Logs:
    """Log jobs of all stations."""

    def __init__(self, desk: Desk, transfers: Transfers) -> None:
        self._desk = desk
        self._transfers = transfers
        self._jobs = Jobs(desk.store, desk.clock, "log-job", LogJob)
        self._moved: dict[str, int] = {}
        self._size_max_bytes = desk.config.files.log_mb_max * MEBIBYTE
        self.handlers: Mapping[type[Command], Handler] = {GetLog: self._get}
        self.answerers: Mapping[type[Query], Answerer] = {
            LogJobsQuery: self._page,
            LogJobQuery: self._one,
        }

    async def load(self) -> None:
        """Take up the jobs under way."""
        await self._jobs.load()

    async def open(self) -> None:
        """Files may come again; one that came while we went down is found."""
        names = await self._transfers.server.names()
        for job in self._jobs.open():
            if _name(job) in names:
                size = self._transfers.server.path(_name(job)).stat().st_size
                await self._done(job, job.scheme, None, size, None)
            else:
                self._expect(job)
        await self._remove_strays(names)

    # asked for

    async def _get(self, command: GetLog, command_id: str) -> CommandResult:
        _check_span(command)
        link = self._desk.link(command.station_id)
        server = self._transfers.server
        if command.scheme is not None and command.scheme not in server.schemes:
            ours = " or ".join(server.schemes)
            raise InvalidInput(
                f"logs don't come by {command.scheme.value} here",
                remedy=f"Use {ours}",
                errors=(FieldError("scheme", f"is {ours}"),),
            )
        schemes = (
            await self._transfers.schemes_for(link, PURPOSE)
            if command.scheme is None
            else (command.scheme,)
        )
        now = self._desk.clock.now()
        job = LogJob(
            key=new_ulid(now),
            station_id=command.station_id,
            log_type=command.log_type,
            state=LogJobState.REQUESTED,
            request_id=self._transfers.new_request_id(),
            token=self._transfers.new_token(),
            scheme=schemes[0],
            created_at=now,
            tried=() if command.scheme is None else tuple(set(server.schemes) - {schemes[0]}),
            oldest_at=command.oldest_at,
            latest_at=command.latest_at,
        )
        answer = await self._ask(job, link)
        state = CommandState.ACCEPTED if answer.accepted else CommandState.REJECTED
        shown = {"job": job.key, "file_name": answer.body.get("file_name")}
        return CommandResult(command_id, state, None if answer.accepted else answer.status, shown)

    async def _ask(self, job: LogJob, link: StationLink) -> CallAnswer:
        """Send it. Without an answer it may have come all the same: the job goes on."""
        self._expect(job)
        await self._jobs.put(job)
        self._jobs.sign(job)
        try:
            answer = await link.ask(
                RequestLog(
                    job.log_type,
                    job.request_id,
                    self._transfers.url(job.station_id, job.token, job.scheme),
                    job.oldest_at,
                    job.latest_at,
                )
            )
        except (CallTimeout, ConnectionLost):
            raise
        except ControllerError as error:
            await self._end(job, LogJobState.FAILED, error.detail)
            raise
        if not answer.accepted:
            await self._end(job, LogJobState.FAILED, f"the charger said {answer.status}")
        elif answer.status == "AcceptedCanceled":
            for other in self._jobs.of_station(job.station_id):
                if other.key != job.key:
                    await self._end(other, LogJobState.CANCELLED, REPLACED)
        return answer

    def _expect(self, job: LogJob) -> None:
        self._transfers.server.expect(job.token, _name(job), self._size_max_bytes)

    # what stations say and bring

    async def status(self, report: LogStatusReported) -> None:
        """A station speaks of an upload; the same word again is only counted."""
        job = self._jobs.meant(report.station_id, report.request_id)
        if job is None or report.status is LogStatus.IDLE:
            return
        is_new = not job.sayings or job.sayings[-1].word != report.status.value
        sayings = heard(job.sayings, report.status.value, report.received_at)
        job = dataclasses.replace(job, sayings=sayings)
        self._jobs.count(job)
        if not job.under_way:
            return
        self._jobs.sign(job)
        if not is_new:
            return
        if report.status is LogStatus.UPLOADING:
            await self._jobs.put(dataclasses.replace(job, state=LogJobState.UPLOADING))
        elif report.status is LogStatus.ACCEPTED_CANCELED:
            await self._end(job, LogJobState.CANCELLED, REPLACED)
        elif report.status in LOG_FAILURES:
            await self._jobs.put(job)
            # It asks the station: not before this message of the station's has been answered.
            failed = self._failed(job, LOG_FAILURES[report.status])
            self._desk.background.spawn(failed, f"another way for the log of {job.station_id}")
        else:
            await self._jobs.put(job)

    async def arrived(self, event: FileArrived) -> bool:
        """A file came; whether it was one of a log job."""
        job = self._jobs.of_token(event.token)
        if job is None:
            return False
        name = event.file_name or None
        await self._done(job, event.scheme, name, event.file.size_bytes, event.file.sha256)
        return True

    async def _done(
        self,
        job: LogJob,
        scheme: TransferScheme,
        file_name: str | None,
        size_bytes: int,
        sha256: str | None,
    ) -> None:
        await self._transfers.worked(job.station_id, PURPOSE, scheme)
        done = dataclasses.replace(
            self._jobs.now(job),
            state=LogJobState.UPLOADED,
            scheme=scheme,
            file_name=file_name,
            size_bytes=size_bytes,
            sha256=sha256,
            finished_at=self._desk.clock.now(),
            reason=None,
        )
        log.info("%s: %s came size=%d B", job.station_id, job.log_type.value, size_bytes)
        self._transfers.server.withdraw(job.token)
        await self._jobs.put(done)

    async def _failed(self, job: LogJob, reason: str) -> None:
        """This way failed: on to the next, where there is one and the station is here."""
        job = self._jobs.now(job)
        if not job.under_way:
            return
        job = dataclasses.replace(job, tried=(*job.tried, job.scheme))
        link = self._desk.stations.link(job.station_id)
        schemes = (
            () if link is None else await self._transfers.schemes_for(link, PURPOSE, job.tried)
        )
        if link is None or not schemes:
            await self._end(job, LogJobState.FAILED, reason)
            return
        if not self._jobs.now(job).under_way:
            return  # its file came meanwhile
        log.info(
            "%s: log by %s failed (%s); by %s now",
            job.station_id, job.scheme.value, reason, schemes[0].value,
        )  # fmt: skip
        self._transfers.server.withdraw(job.token)
        again = dataclasses.replace(
            self._jobs.now(job),
            tried=job.tried,
            scheme=schemes[0],
            state=LogJobState.REQUESTED,
            request_id=self._transfers.new_request_id(),
            token=self._transfers.new_token(),
        )
        await self._jobs.put(again)
        self._desk.background.spawn(self._ask_again(again, link), f"log of {job.station_id}")

    async def _ask_again(self, job: LogJob, link: StationLink) -> None:
        try:
            await self._ask(job, link)
        except StationOffline:
            await self._end(job, LogJobState.FAILED, "the charger went offline")
        except ControllerError as error:
            log.warning("%s: log not asked for again: %s", job.station_id, error.detail)

    async def _end(self, job: LogJob, state: LogJobState, reason: str) -> None:
        job = self._jobs.now(job)
        if not job.under_way:
            return
        if self._transfers.ready:
            self._transfers.server.withdraw(job.token)
        log.warning("%s: no log: %s", job.station_id, reason)
        await self._jobs.put(
            dataclasses.replace(job, state=state, reason=reason, finished_at=self._desk.clock.now())
        )

    # now and then

    async def check(self) -> None:
        """Follow the jobs under way; called every few seconds."""
        await self._jobs.write()
        for open_job in self._jobs.open():
            job = self._jobs.now(open_job)
            if not job.under_way:
                continue
            moved = self._transfers.server.moved_bytes(job.token)
            if moved > self._moved.get(job.key, 0):
                self._moved[job.key] = moved
                self._jobs.sign(job)
            said_done = bool(job.sayings) and job.sayings[-1].word == LogStatus.UPLOADED.value
            silent_s = self._jobs.silent_s(job)
            if said_done and silent_s >= ARRIVES_WITHIN_S:
                await self._failed(job, "the charger says it has uploaded, but nothing came")
            elif silent_s >= SILENT_S_MAX:
                await self._failed(job, f"nothing came within {SILENT_S_MAX / 60:.0f} minutes")
        under_way = {job.key for job in self._jobs.open()}
        self._moved = {key: size for key, size in self._moved.items() if key in under_way}

    async def tidy(self) -> None:
        """Let old logs go; called now and then."""
        oldest = self._desk.clock.now() - timedelta(days=self._desk.config.files.keep_days)
        kept = [job for job in await self._jobs.shelf.all() if not job.under_way]
        for number, job in enumerate(kept):
            if number >= LOGS_MAX or job.created_at < oldest:
                await self._transfers.server.remove(_name(job))
                await self._jobs.drop(job)

    async def make_room(self) -> None:
        """Let the oldest log go, if a day has passed since it came: new files matter more."""
        young = self._desk.clock.now() - timedelta(days=1)
        for job in reversed(await self._jobs.shelf.all()):
            if job.state is LogJobState.UPLOADED and job.created_at < young:
                log.warning("%s: log of %s removed to make room", job.station_id, job.created_at)
                await self._transfers.server.remove(_name(job))
                await self._jobs.drop(job)
                return

    async def _remove_strays(self, names: frozenset[str]) -> None:
        known = {_name(job) for job in await self._jobs.shelf.all()}
        for name in names:
            if name.startswith("log-") and name not in known:
                await self._transfers.server.remove(name)

    # what people ask

    async def file(self, key: str) -> tuple[LogJob, AsyncIterator[bytes]]:
        """A log's file. Raises NotFound."""
        job = await self._find(key)
        if job.state is not LogJobState.UPLOADED:
            raise NotFound("this log has no file", remedy="See how far it is: /v1/log-jobs")
        return job, self._transfers.server.read(_name(job))

    async def _find(self, key: str) -> LogJob:
        job = self._jobs.get(key) or await self._jobs.shelf.get(key)
        if job is None:
            raise NotFound("no log job has this key", remedy="GET /v1/log-jobs lists them")
        return job

    async def _one(self, query: LogJobQuery) -> LogJobView:
        return self._view(await self._find(query.job_key))

    async def _page(self, query: LogJobsQuery) -> Page[LogJobView]:
        page = await self._jobs.shelf.page(query.limit, query.cursor, query.station_id)
        return Page(tuple(self._view(self._jobs.now(job)) for job in page.items), page.next)

    def _view(self, job: LogJob) -> LogJobView:
        moved = job.size_bytes or 0
        if job.under_way and self._transfers.ready:
            moved = self._transfers.server.moved_bytes(job.token)
        return LogJobView(
            key=job.key,
            station_id=job.station_id,
            log_type=job.log_type,
            state=job.state,
            scheme=job.scheme,
            created_at=job.created_at,
            finished_at=job.finished_at,
            sayings=job.sayings,
            received_bytes=moved,
            file_name=job.file_name,
            size_bytes=job.size_bytes,
            sha256=job.sha256,
            reason=job.reason,
        )


def _name(job: LogJob) -> str:
    return f"log-{job.key}"


def _check_span(command: GetLog) -> None:
    for name in ("oldest_at", "latest_at"):
        check_zone(name, getattr(command, name))
    if command.oldest_at and command.latest_at and command.oldest_at >= command.latest_at:
        raise InvalidInput(
            "the log would end before it begins",
            remedy="Let oldest_at be before latest_at",
            errors=(FieldError("oldest_at", "lies after latest_at"),),
        )


def check_zone(name: str, at: datetime | None) -> None:
    """Raises InvalidInput for an instant that names no time zone."""
    if at is not None and at.tzinfo is None:
        raise InvalidInput(
            f"{name} names no time zone",
            remedy="Write it like 2026-03-01T12:00:00Z",
            errors=(FieldError(name, "names no time zone"),),
        )
