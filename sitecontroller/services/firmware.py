"""Firmware updates of single stations: sent, followed through download, restart and proof (Q57).

What counts is what a station shows: a job is installed when the station has booted with another
version, with or without the statuses that should have come between. Statuses may be missing, late
or twice; the station may restart in the middle, and so may we.
"""

import dataclasses
import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from sitecontroller.domain.commands import Command, CommandResult, CommandState
from sitecontroller.domain.errors import (
    CallTimeout,
    ControllerError,
    FieldError,
    InvalidInput,
    NotFound,
    OperatingError,
    StationOffline,
    Unsupported,
)
from sitecontroller.domain.events import Event, StationChanged, StationReady
from sitecontroller.domain.files import TransferScheme, heard, is_allowed_url
from sitecontroller.domain.firmware import (
    FIRMWARE_FAILURES,
    STATE_OF,
    FirmwareImage,
    FirmwareJob,
    FirmwareJobQuery,
    FirmwareJobsQuery,
    FirmwareJobState,
    FirmwareJobView,
    FirmwareStatus,
    FirmwareStatusReported,
    InstallFirmware,
    UpdateFirmware,
    after_status,
    job_view,
    result_of,
    shows_new,
    unproven,
)
from sitecontroller.domain.ids import new_ulid
from sitecontroller.domain.queries import Query
from sitecontroller.domain.views import Page
from sitecontroller.ports import CallAnswer, FileFetched, StationLink
from sitecontroller.services.desk import Answerer, Desk, Handler
from sitecontroller.services.firmware_library import FirmwareLibrary, image_name
from sitecontroller.services.firmware_watch import FirmwareWatch
from sitecontroller.services.jobs import Jobs
from sitecontroller.services.logs import check_zone
from sitecontroller.services.transfers import Transfers

log = logging.getLogger(__name__)

PURPOSE = "firmware"
SENDS_MAX = 3
SEND_AGAIN_S = 60.0
JOBS_KEPT_MAX = 5000
AHEAD_DAYS_MAX = 30
WAITS_DAYS_MAX = 7

_S = FirmwareJobState


class FirmwareJobs:
    """Updates of all stations."""

    def __init__(self, desk: Desk, transfers: Transfers, library: FirmwareLibrary) -> None:
        self._desk = desk
        self._transfers = transfers
        self._library = library
        self.jobs = Jobs(desk.store, desk.clock, "firmware-job", FirmwareJob)
        self.on_change: Callable[[FirmwareJob], None] = lambda job: None
        self._watch = FirmwareWatch(desk, transfers, self)
        self._boots: dict[str, datetime] = {}
        self._sending: set[str] = set()
        self.handlers: Mapping[type[Command], Handler] = {InstallFirmware: self._install}
        self.answerers: Mapping[type[Query], Answerer] = {
            FirmwareJobsQuery: self._page,
            FirmwareJobQuery: self._one,
        }

    async def load(self) -> None:
        """Take up the jobs under way."""
        await self.jobs.load()
        self._desk.publisher.subscribe(self._on_event, StationReady, StationChanged)

    async def open(self) -> None:
        """Files can be fetched again."""
        for job in self.jobs.open():
            self._offer(job)

    # begun

    async def _install(self, command: InstallFirmware, command_id: str) -> CommandResult:
        for name in ("retrieve_at", "install_at"):
            check_zone(name, getattr(command, name))
            self._check_near(name, getattr(command, name))
        if command.retrieve_at and command.install_at and command.install_at < command.retrieve_at:
            raise InvalidInput(
                "the firmware would be installed before it is downloaded",
                remedy="Let retrieve_at be before install_at",
                errors=(FieldError("install_at", "lies before retrieve_at"),),
            )
        image = self._image(command)
        if command.require_signature and image is not None and image.signature is None:
            raise Unsupported(
                f"{image.file_name} is not signed",
                remedy=f"Add its signature and certificate: PUT /v1/firmware/{image.key}/signature",
            )
        link = self._desk.link(command.station_id)
        job = self._new(command.station_id, image)
        job = dataclasses.replace(
            job,
            url=command.url,
            version_wanted=command.version or job.version_wanted,
            retrieve_at=command.retrieve_at,
            install_at=command.install_at,
            require_signature=command.require_signature,
        )
        await self.put(job)
        answer = await self._send(job, link)
        shown = {"job": job.key}
        if answer is None:
            return CommandResult(command_id, CommandState.SENT, self.jobs.now(job).reason, shown)
        state = CommandState.ACCEPTED if answer.accepted else CommandState.REJECTED
        return CommandResult(command_id, state, None if answer.accepted else answer.status, shown)

    def _check_near(self, name: str, at: datetime | None) -> None:
        if at is not None and at > self._desk.clock.now() + timedelta(days=AHEAD_DAYS_MAX):
            raise InvalidInput(
                f"{name} is more than {AHEAD_DAYS_MAX} days ahead",
                remedy="Plan it for an earlier day",
                errors=(FieldError(name, f"is more than {AHEAD_DAYS_MAX} days ahead"),),
            )

    def _image(self, command: InstallFirmware) -> FirmwareImage | None:
        if (command.image_key is None) == (command.url is None):
            raise InvalidInput(
                "name either an image of the library or a url",
                remedy="Give image_key, or url where site.toml allows it",
                errors=(FieldError("image_key", "is needed, unless there is a url"),),
            )
        if command.image_key is not None:
            return self._library.get(command.image_key)
        allowed = self._desk.config.files.firmware_urls
        if not is_allowed_url(command.url or "", allowed):
            raise InvalidInput(
                "firmware may not be taken from there",
                remedy="Upload the file to the library, or list the place under [files] "
                "firmware_urls in site.toml",
                errors=(FieldError("url", "lies below no URL of firmware_urls"),),
            )
        return None

    async def begin(self, station_id: str, image: FirmwareImage, rollout_key: str) -> FirmwareJob:
        """One station of a roll-out; it is sent now, or when the station is here and idle."""
        job = dataclasses.replace(self._new(station_id, image), rollout_key=rollout_key)
        await self.put(job)
        link = self._desk.stations.link(station_id)
        if link is not None:
            self._send_soon(job, link)
        return job

    async def cancel_waiting(self, rollout_key: str, reason: str) -> None:
        """Those of a roll-out that no station knows of yet."""
        for job in self.jobs.open():
            if job.rollout_key == rollout_key and job.state is _S.WAITING and job.sends == 0:
                await self.end(job, _S.CANCELLED, reason)

    def in_use(self, image_key: str) -> bool:
        """Whether an update under way still needs an image."""
        return any(job.image_key == image_key for job in self.jobs.open())

    def busy(self, station_id: str) -> bool:
        """Whether a session runs there."""
        return any(t.station_id == station_id for t in self._desk.transactions.running())

    def version(self, station_id: str) -> str | None:
        """What a station last booted with."""
        state = self._desk.stations.state(station_id)
        boot = None if state is None else state.record.boot
        return None if boot is None else boot.firmware_version

    def _new(self, station_id: str, image: FirmwareImage | None) -> FirmwareJob:
        now = self._desk.clock.now()
        return FirmwareJob(
            key=new_ulid(now),
            station_id=station_id,
            state=_S.WAITING,
            request_id=self._transfers.new_request_id(),
            token=self._transfers.new_token(),
            scheme=TransferScheme.HTTP,
            created_at=now,
            image_key=None if image is None else image.key,
            version_wanted=None if image is None else image.version,
            version_before=self.version(station_id),
        )

    async def _send(self, job: FirmwareJob, link: StationLink) -> CallAnswer | None:
        """None: no answer came; it is sent again later, unless the station shows that it came."""
        schemes = await self._transfers.schemes_for(link, PURPOSE, job.tried)
        job = self.jobs.now(job)
        if job.state is not _S.WAITING:
            return None
        if not schemes:
            await self.end(job, _S.FAILED, "no way of transfer is left")
            return None
        if job.rollout_key is not None and self.busy(job.station_id):
            await self.put(dataclasses.replace(job, reason="a session is running"))
            return None
        image = None if job.image_key is None else self._library.get(job.image_key)
        job = dataclasses.replace(job, scheme=schemes[0], sends=job.sends + 1, reason=None)
        await self.put(job)
        self._offer(job)
        try:
            answer = await link.ask(self._request(job, image))
        except (CallTimeout, StationOffline) as error:
            await self._unanswered(job, error)
            return None
        except ControllerError as error:
            await self.end(self.jobs.now(job), _S.FAILED, error.detail)
            raise
        await self._answered(job, answer)
        return answer

    def _request(self, job: FirmwareJob, image: FirmwareImage | None) -> UpdateFirmware:
        name = "firmware.bin" if image is None else image.file_name
        return UpdateFirmware(
            request_id=job.request_id,
            url=job.url or self._transfers.url(job.station_id, job.token, job.scheme, name),
            retrieve_at=job.retrieve_at or self._desk.clock.now(),
            install_at=job.install_at,
            signature=None if image is None else image.signature,
            signing_certificate=None if image is None else image.signing_certificate,
            require_signature=job.require_signature,
        )

    def _offer(self, job: FirmwareJob) -> None:
        if job.image_key is not None:
            self._transfers.server.offer(job.token, image_name(job.image_key), "")

    async def _unanswered(self, job: FirmwareJob, error: OperatingError) -> None:
        job = self.jobs.now(job)
        if job.state is not _S.WAITING:
            return
        if job.sends >= SENDS_MAX:
            await self.end(job, _S.FAILED, f"the charger did not answer: {error.detail}")
            return
        await self.put(dataclasses.replace(job, reason="the charger has not answered yet"))

    async def _answered(self, job: FirmwareJob, answer: CallAnswer) -> None:
        job = self.jobs.now(job)
        if not answer.accepted:
            reason = FIRMWARE_FAILURES.get(answer.status, f"the charger said {answer.status}")
            await self.end(job, _S.FAILED, reason)
            return
        # A station does one update at a time; only 2.x says so (AcceptedCanceled, L01.FR.24).
        for other in self.jobs.of_station(job.station_id):
            if other.key != job.key:
                await self.end(other, _S.CANCELLED, "a newer update took its place")
        job = self.jobs.now(job)
        if job.under_way:
            state = _S.REQUESTED if job.state is _S.WAITING else job.state
            signed = bool(answer.body.get("signed"))
            await self.put(dataclasses.replace(job, state=state, signed=signed, sends=0))

    # what stations say and do

    async def status(self, report: FirmwareStatusReported) -> None:
        """A station speaks of an update; the same word again is only counted."""
        job = self.jobs.meant(report.station_id, report.request_id)
        if job is None or report.status is FirmwareStatus.IDLE:
            return
        is_new = not job.sayings or job.sayings[-1].word != report.status.value
        job = dataclasses.replace(
            job, sayings=heard(job.sayings, report.status.value, report.received_at)
        )
        self.jobs.count(job)
        if not job.under_way:
            return
        self.jobs.sign(job)
        if not is_new:
            return
        if report.status is FirmwareStatus.DOWNLOAD_FAILED:
            await self.put(job)
            # It asks the station: not before this message of the station's has been answered.
            failed = self._download_failed(job)
            self._desk.background.spawn(failed, f"another way for the update of {job.station_id}")
        elif STATE_OF[report.status] is _S.FAILED:
            await self.end(job, _S.FAILED, FIRMWARE_FAILURES[report.status.value])
        else:
            await self.put(dataclasses.replace(job, state=after_status(job, report.status)))
            await self._look_at_version(job.station_id, rebooted=False)

    async def _download_failed(self, job: FirmwareJob) -> None:
        """On to the next way, where there is one."""
        tried = (*job.tried, job.scheme)
        link = self._desk.stations.link(job.station_id)
        reason = FIRMWARE_FAILURES["DownloadFailed"]
        left = () if link is None else await self._transfers.schemes_for(link, PURPOSE, tried)
        job = self.jobs.now(job)
        if not job.under_way:
            return
        if not left or job.url is not None:
            await self.end(job, _S.FAILED, reason)
            return
        log.info("%s: no download by %s", job.station_id, job.scheme.value)
        self._transfers.server.withdraw(job.token)
        again = dataclasses.replace(
            job,
            state=_S.WAITING,
            tried=tried,
            request_id=self._transfers.new_request_id(),
            token=self._transfers.new_token(),
            reason="the download failed; it is tried another way",
        )
        await self.put(again)
        assert link is not None
        self._send_soon(again, link)

    def _send_soon(self, job: FirmwareJob, link: StationLink) -> None:
        """Without waiting for the answer; once at a time."""
        if job.key not in self._sending:
            self._sending.add(job.key)
            self._desk.background.spawn(self._send_quietly(job, link), f"update {job.station_id}")

    async def _send_quietly(self, job: FirmwareJob, link: StationLink) -> None:
        try:
            await self._send(job, link)
        except ControllerError as error:
            log.warning("%s: firmware: %s", job.station_id, error.detail)
        finally:
            self._sending.discard(job.key)

    async def fetched(self, event: FileFetched) -> None:
        """A station has had the whole file."""
        job = self.jobs.of_token(event.token)
        if job is None:
            return
        self.jobs.sign(job)
        state = after_status(job, FirmwareStatus.DOWNLOADED)
        await self.put(dataclasses.replace(job, state=state, fetched=True))
        await self._transfers.worked(job.station_id, PURPOSE, event.scheme)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, StationReady | StationChanged) and any(
            job.state is not _S.WAITING or job.sends for job in self._lately(event.station_id)
        ):
            rebooted = isinstance(event, StationReady) and event.rebooted
            state = self._desk.stations.state(event.station_id)
            boot = None if state is None else state.record.boot
            if boot is None or (
                not rebooted and self._boots.get(event.station_id) == boot.received_at
            ):
                return
            self._boots[event.station_id] = boot.received_at
            self._desk.background.spawn(
                self._look_at_version(event.station_id, rebooted=rebooted),
                f"{event.station_id} firmware version",
            )

    def _lately(self, station_id: str) -> tuple[FirmwareJob, ...]:
        """Jobs that a new version would prove: those under way, or the last, given up too soon."""
        last = self.jobs.last_ended(station_id)
        late = (last,) if last is not None and (last.timed_out or last.state is _S.UNPROVEN) else ()
        return self.jobs.of_station(station_id) or late

    async def _look_at_version(self, station_id: str, *, rebooted: bool) -> None:
        """What a station's version says of its jobs."""
        version = self.version(station_id)
        for known in self._lately(station_id):
            job = self.jobs.now(known)
            if job.state is _S.WAITING and not job.sends:
                continue
            if rebooted and job.under_way:
                self.jobs.sign(job)
            job = dataclasses.replace(
                job, rebooted=job.rebooted or rebooted, version_after=version or job.version_after
            )
            if shows_new(job, version):
                await self.end(job, _S.INSTALLED, None)
            elif rebooted and job.state is _S.CHECKING:
                await self.end(job, _S.UNPROVEN, unproven(job))
            elif rebooted and job.under_way:
                await self.put(job)

    # now and then

    async def check(self) -> None:
        """Follow the jobs under way; called every few seconds."""
        await self.jobs.write()
        for known in self.jobs.open():
            job = self.jobs.now(known)
            if job.state is _S.WAITING:
                await self._send_later(job)
            elif job.under_way:
                await self._watch.follow(job)
        self._watch.forget_ended()

    async def _send_later(self, job: FirmwareJob) -> None:
        if self._desk.clock.now() - job.created_at > timedelta(days=WAITS_DAYS_MAX):
            reason = f"the charger was not to be had for {WAITS_DAYS_MAX} days"
            await self.end(job, _S.FAILED, reason)
            return
        link = self._desk.stations.link(job.station_id)
        unanswered = job.sends > 0 and self.jobs.silent_s(job) < SEND_AGAIN_S
        if link is None or unanswered or (job.rollout_key and self.busy(job.station_id)):
            return
        self.jobs.sign(job)
        self._send_soon(job, link)

    # its own

    async def put(self, job: FirmwareJob) -> None:
        """Keep a job as it is now."""
        self.on_change(job)
        await self.jobs.put(job)

    async def end(self, job: FirmwareJob, state: FirmwareJobState, reason: str | None) -> None:
        """It is over; a later success alone may still change that."""
        known = self.jobs.now(job)
        if not known.under_way and (state is not _S.INSTALLED or known.succeeded):
            return
        if self._transfers.ready:
            self._transfers.server.withdraw(job.token)
        job = dataclasses.replace(
            job, state=state, reason=reason, finished_at=self._desk.clock.now()
        )
        log.info("%s: firmware: %s", job.station_id, result_of(job))
        if state in (_S.FAILED, _S.UNPROVEN):
            self._desk.alarms.raise_(
                "firmware-failed", job.station_id, station=job.station_id, result=result_of(job)
            )
        elif state is _S.INSTALLED:
            self._desk.alarms.clear("firmware-failed", job.station_id)
        await self.put(job)

    async def tidy(self) -> None:
        """Forget the oldest jobs beyond what is kept."""
        await self.jobs.shelf.trim(JOBS_KEPT_MAX)

    async def _one(self, query: FirmwareJobQuery) -> FirmwareJobView:
        job = self.jobs.get(query.job_key) or await self.jobs.shelf.get(query.job_key)
        if job is None:
            raise NotFound("no update has this key", remedy="GET /v1/firmware-jobs lists them")
        return self._view(job)

    async def _page(self, query: FirmwareJobsQuery) -> Page[FirmwareJobView]:
        page = await self.jobs.shelf.page(query.limit, query.cursor, query.station_id)
        return Page(tuple(self._view(self.jobs.now(job)) for job in page.items), page.next)

    def _view(self, job: FirmwareJob) -> FirmwareJobView:
        moved = self._transfers.server.moved_bytes(job.token) if self._transfers.ready else 0
        return job_view(job, moved)
