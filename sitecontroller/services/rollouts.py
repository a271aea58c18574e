"""Roll-outs: one image to many stations in three stages, only to those that are here and idle.

It goes on by itself after a restart, stops by itself after failures, and can be paused, resumed
and aborted. A station that is away or in use is passed over until it is free; the order within a
stage is whoever is free first.
"""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo

from sitecontroller.domain.commands import Command, CommandResult, CommandState
from sitecontroller.domain.errors import Conflict, FieldError, InvalidInput, NotFound
from sitecontroller.domain.firmware import (
    FirmwareImage,
    FirmwareJob,
    FirmwareJobState,
    is_version,
    result_of,
)
from sitecontroller.domain.ids import fold, new_ulid
from sitecontroller.domain.queries import Query
from sitecontroller.domain.rollout import (
    AbortRollout,
    PauseRollout,
    ResumeRollout,
    Rollout,
    RolloutQuery,
    RolloutsQuery,
    RolloutState,
    RolloutStation,
    RolloutView,
    StartRollout,
    in_window,
    may_start,
    must_stop,
    parse_window_time,
    stage_ends,
    stage_of,
)
from sitecontroller.domain.station import StationBooted
from sitecontroller.domain.views import Page
from sitecontroller.services.desk import Answerer, Desk, Handler
from sitecontroller.services.firmware import FirmwareJobs
from sitecontroller.services.firmware_library import FirmwareLibrary
from sitecontroller.services.shelf import Shelf

log = logging.getLogger(__name__)

CONCURRENCY_MAX = 50
STATIONS_MAX = 1000
ROLLOUTS_KEPT_MAX = 200

_LIVE = (RolloutState.RUNNING, RolloutState.PAUSED, RolloutState.STOPPED)
_BAD = (FirmwareJobState.FAILED, FirmwareJobState.UNPROVEN)


class Rollouts:
    """All roll-outs; those that may still go on are in memory with their jobs."""

    def __init__(self, desk: Desk, library: FirmwareLibrary, firmware: FirmwareJobs) -> None:
        self._desk = desk
        self._library = library
        self._firmware = firmware
        self._shelf = Shelf(desk.store, "rollout", Rollout)
        self._live: dict[str, Rollout] = {}
        self._jobs: dict[str, dict[str, FirmwareJob]] = {}
        self._time_zone = ZoneInfo(desk.config.time_zone)
        firmware.on_change = self._job_changed
        self.handlers: Mapping[type[Command], Handler] = {
            StartRollout: self._start,
            PauseRollout: self._pause,
            ResumeRollout: self._resume,
            AbortRollout: self._abort,
        }
        self.answerers: Mapping[type[Query], Answerer] = {
            RolloutsQuery: self._page,
            RolloutQuery: self._one,
        }

    async def load(self) -> None:
        """Take up those that may still go on."""
        self._live = {rollout.key: rollout for rollout in await self._shelf.all(open_only=True)}
        if self._live:
            for job in reversed(await self._firmware.jobs.shelf.all()):
                self._job_changed(job)

    def in_use(self, image_key: str) -> bool:
        """Whether a roll-out still needs an image."""
        return any(rollout.image_key == image_key for rollout in self._live.values())

    # what people ask

    async def _start(self, command: StartRollout, command_id: str) -> CommandResult:
        image = self._library.get(command.image_key)
        _check(command)
        stations = self._stations_for(image, command)
        if not stations:
            raise Conflict(
                f"no charger of this site is a {image.vendor} {image.model} that lacks "
                f"{image.version}",
                remedy="Compare vendor and model with those the chargers tell (GET /v1/stations)",
            )
        if self.in_use(image.key):
            raise Conflict(
                "a roll-out of this firmware goes on already",
                remedy="Resume it, or abort it first",
            )
        now = self._desk.clock.now()
        rollout = Rollout(
            key=new_ulid(now),
            image_key=image.key,
            version=image.version,
            state=RolloutState.RUNNING,
            station_ids=stations,
            concurrency=command.concurrency,
            created_at=now,
            window_start=command.window_start,
            window_end=command.window_end,
        )
        await self._put(rollout)
        self._desk.background.spawn(self._go_on(rollout.key), f"roll-out {rollout.key}")
        answer = {"rollout": rollout.key, "stations": list(stations)}
        return CommandResult(command_id, CommandState.ACCEPTED, None, answer)

    def _stations_for(self, image: FirmwareImage, command: StartRollout) -> tuple[str, ...]:
        named = {fold(station_id) for station_id in command.station_ids}
        for station_id in command.station_ids:
            if self._desk.stations.find(station_id) is None:
                raise InvalidInput(
                    f"no charger '{station_id}'",
                    remedy="GET /v1/stations lists those of this site",
                    errors=(FieldError("station_ids", f"'{station_id}' is none of this site"),),
                )
        return tuple(
            state.station.station_id
            for state in self._desk.stations.states()
            if (not named or fold(state.station.station_id) in named)
            and state.record.boot is not None
            and _is_for(image, state.record.boot)
            and not is_version(state.record.boot.firmware_version, image.version)
            and _fits(command.firmware or "*", state.record.boot.firmware_version or "")
        )[:STATIONS_MAX]

    async def _pause(self, command: PauseRollout, command_id: str) -> CommandResult:
        rollout = await self._find_live(command.rollout_key)
        if rollout.state is not RolloutState.RUNNING:
            raise Conflict(f"the roll-out is {rollout.state.value}", remedy="Nothing is to pause")
        await self._put(dataclasses.replace(rollout, state=RolloutState.PAUSED))
        return CommandResult(command_id, CommandState.EFFECTIVE)

    async def _resume(self, command: ResumeRollout, command_id: str) -> CommandResult:
        rollout = await self._find_live(command.rollout_key)
        if rollout.state is RolloutState.RUNNING:
            raise Conflict("the roll-out goes on already", remedy="Nothing is to resume")
        self._desk.alarms.clear("rollout-stopped", rollout.key)
        await self._put(
            dataclasses.replace(
                rollout,
                state=RolloutState.RUNNING,
                reason=None,
                forgiven=len(self._bad(rollout)),
            )
        )
        return CommandResult(command_id, CommandState.EFFECTIVE)

    async def _abort(self, command: AbortRollout, command_id: str) -> CommandResult:
        rollout = await self._find_live(command.rollout_key)
        self._desk.alarms.clear("rollout-stopped", rollout.key)
        await self._firmware.cancel_waiting(rollout.key, "the roll-out was aborted")
        await self._finish(rollout, RolloutState.ABORTED)
        under_way = sum(job.under_way for job in self._jobs_of(rollout).values())
        reason = f"{under_way} chargers are under way and go on" if under_way else None
        return CommandResult(command_id, CommandState.EFFECTIVE, reason)

    async def _find_live(self, key: str) -> Rollout:
        rollout = self._live.get(key)
        if rollout is not None:
            return rollout
        if await self._shelf.get(key) is not None:
            raise Conflict("the roll-out has ended", remedy="Start another")
        raise NotFound("no roll-out has this key", remedy="GET /v1/rollouts lists them")

    # how it goes on

    async def check(self) -> None:
        """Go on with each; called every few seconds."""
        for key in tuple(self._live):
            await self._go_on(key)

    async def _go_on(self, key: str) -> None:
        rollout = self._live.get(key)
        if rollout is None or rollout.state is not RolloutState.RUNNING:
            return
        jobs = self._jobs_of(rollout)
        ended = sum(not job.under_way for job in jobs.values())
        bad = self._bad(rollout)
        if must_stop(len(bad) - rollout.forgiven, ended, len(rollout.station_ids)):
            await self._stop(rollout, bad)
            return
        if ended == len(rollout.station_ids):
            await self._finish(rollout, RolloutState.DONE)
            return
        local = self._desk.clock.now().astimezone(self._time_zone).time()
        if not in_window(local, rollout.window_start, rollout.window_end):
            return
        under_way = len(jobs) - ended
        room = may_start(ended, under_way, len(rollout.station_ids), rollout.concurrency)
        image = self._library.get(rollout.image_key)
        free = [s for s in rollout.station_ids if s not in jobs and self._hindrance(s) is None]
        for station_id in free[:room]:
            still = self._live.get(key)
            if still is None or still.state is not RolloutState.RUNNING:
                return
            if self._hindrance(station_id) is None and station_id not in self._jobs_of(rollout):
                await self._firmware.begin(station_id, image, rollout.key)

    def _hindrance(self, station_id: str) -> str | None:
        """Why a station can't be updated now."""
        if self._desk.stations.link(station_id) is None:
            return "it is offline"
        if self._firmware.busy(station_id):
            return "a session is running"
        if self._firmware.jobs.of_station(station_id):
            return "another update is under way"
        return None

    async def _stop(self, rollout: Rollout, bad: Sequence[FirmwareJob]) -> None:
        last = max(bad, key=lambda job: job.finished_at or job.created_at)
        reason = f"{len(bad)} of {len(self._jobs_of(rollout))} failed, last {last.station_id}: "
        reason += result_of(last)
        log.warning("roll-out %s: stopped: %s", rollout.key, reason)
        self._desk.alarms.raise_(
            "rollout-stopped", rollout.key, version=rollout.version, reason=reason
        )
        await self._firmware.cancel_waiting(rollout.key, "the roll-out was stopped")
        await self._put(dataclasses.replace(rollout, state=RolloutState.STOPPED, reason=reason))

    async def _finish(self, rollout: Rollout, state: RolloutState) -> None:
        log.info("roll-out %s: %s", rollout.key, state.value)
        await self._put(
            dataclasses.replace(rollout, state=state, finished_at=self._desk.clock.now())
        )

    async def _put(self, rollout: Rollout) -> None:
        live = rollout.state in _LIVE
        if live:
            self._live[rollout.key] = rollout
        else:
            self._live.pop(rollout.key, None)
        await self._shelf.put(rollout.key, rollout, rollout.created_at, open=live)

    def _job_changed(self, job: FirmwareJob) -> None:
        """The newest job of a station counts; a cancelled one leaves the station to be served."""
        if job.rollout_key not in self._live:
            return
        jobs = self._jobs.setdefault(job.rollout_key, {})
        if job.state is FirmwareJobState.CANCELLED:
            if job.station_id in jobs and jobs[job.station_id].key == job.key:
                del jobs[job.station_id]
            return
        jobs[job.station_id] = job

    def _jobs_of(self, rollout: Rollout) -> dict[str, FirmwareJob]:
        return self._jobs.setdefault(rollout.key, {})

    def _bad(self, rollout: Rollout) -> list[FirmwareJob]:
        return [job for job in self._jobs_of(rollout).values() if job.state in _BAD]

    # how it stands

    async def tidy(self) -> None:
        """Forget the oldest beyond what is kept."""
        await self._shelf.trim(ROLLOUTS_KEPT_MAX)
        self._jobs = {key: jobs for key, jobs in self._jobs.items() if key in self._live}

    async def _one(self, query: RolloutQuery) -> RolloutView:
        rollout = self._live.get(query.rollout_key) or await self._shelf.get(query.rollout_key)
        if rollout is None:
            raise NotFound("no roll-out has this key", remedy="GET /v1/rollouts lists them")
        return self._view(rollout, await self._all_jobs((rollout,)))

    async def _page(self, query: RolloutsQuery) -> Page[RolloutView]:
        page = await self._shelf.page(query.limit, query.cursor)
        rollouts = [self._live.get(rollout.key, rollout) for rollout in page.items]
        jobs = await self._all_jobs(rollouts)
        return Page(tuple(self._view(rollout, jobs) for rollout in rollouts), page.next)

    async def _all_jobs(self, rollouts: Sequence[Rollout]) -> dict[str, dict[str, FirmwareJob]]:
        """By roll-out and station; those that have ended are read from the database."""
        found = {rollout.key: dict(self._jobs.get(rollout.key, {})) for rollout in rollouts}
        if any(key not in self._live for key in found):
            for job in reversed(await self._firmware.jobs.shelf.all()):
                if job.rollout_key in found and job.rollout_key not in self._live:
                    found[job.rollout_key][job.station_id] = self._firmware.jobs.now(job)
        return found

    def _view(self, rollout: Rollout, all_jobs: dict[str, dict[str, FirmwareJob]]) -> RolloutView:
        jobs, total = all_jobs[rollout.key], len(rollout.station_ids)
        ended = sum(not job.under_way for job in jobs.values())
        stage = stage_of(ended, total)
        return RolloutView(
            key=rollout.key,
            image_key=rollout.image_key,
            version=rollout.version,
            state=rollout.state,
            stage=stage,
            stage_stations=stage_ends(total)[stage - 1],
            total=total,
            installed=sum(job.succeeded for job in jobs.values()),
            failed=sum(job.state in _BAD for job in jobs.values()),
            under_way=len(jobs) - ended,
            reason=rollout.reason,
            created_at=rollout.created_at,
            finished_at=rollout.finished_at,
            window_start=rollout.window_start,
            window_end=rollout.window_end,
            stations=tuple(self._station(rollout, s, jobs.get(s)) for s in rollout.station_ids),
        )

    def _station(
        self, rollout: Rollout, station_id: str, job: FirmwareJob | None
    ) -> RolloutStation:
        if job is not None:
            return RolloutStation(station_id, job.state, job.key, result_of(job))
        if rollout.state not in _LIVE:
            return RolloutStation(station_id, None, None, "Not reached.")
        hindrance = self._hindrance(station_id)
        note = f"Waiting: {hindrance}." if hindrance else "Waiting for its turn."
        return RolloutStation(station_id, None, None, note)


def _is_for(image: FirmwareImage, boot: StationBooted) -> bool:
    return _fits(image.vendor, boot.vendor) and _fits(image.model, boot.model)


def _fits(pattern: str, text: str) -> bool:
    return fnmatchcase(text.strip().casefold(), pattern.strip().casefold())


def _check(command: StartRollout) -> None:
    errors = []
    if not 1 <= command.concurrency <= CONCURRENCY_MAX:
        errors.append(FieldError("concurrency", f"is from 1 to {CONCURRENCY_MAX}"))
    if len(command.station_ids) > STATIONS_MAX:
        errors.append(FieldError("station_ids", f"has more than {STATIONS_MAX}"))
    if (command.window_start is None) != (command.window_end is None):
        errors.append(FieldError("window_start", "goes together with window_end"))
    for name in ("window_start", "window_end"):
        try:
            parse_window_time(getattr(command, name) or "00:00")
        except ValueError:
            errors.append(FieldError(name, "is a local time like 22:00"))
    if errors:
        raise InvalidInput(
            "; ".join(f"{error.field} {error.message}" for error in errors),
            remedy="Mend the fields named",
            errors=tuple(errors),
        )
