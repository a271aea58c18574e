"""Watches updates that go on at stations: what moves, what is silent for too long, what to ask.

A station may lose its statuses, restart or vanish. Bytes that move, a boot and a word are signs of
life; half of the time that a state may last without one, the station is asked how far it is.
"""

import dataclasses
import logging
from typing import Protocol

from sitecontroller.domain.errors import OperatingError
from sitecontroller.domain.firmware import (
    FirmwareJob,
    FirmwareJobState,
    FirmwareStatus,
    after_status,
    unproven,
)
from sitecontroller.services.desk import Desk
from sitecontroller.services.jobs import Jobs
from sitecontroller.services.transfers import Transfers

log = logging.getLogger(__name__)

ASK_VERSION_S = 60.0
"""After "Installed": a station that doesn't restart is asked for its version."""

_S = FirmwareJobState
_SILENT_S_MAX: dict[FirmwareJobState, float] = {
    _S.REQUESTED: 3600.0,
    _S.DOWNLOADING: 3600.0,
    _S.DOWNLOADED: 86400.0,
    _S.INSTALLING: 3600.0,
    _S.CHECKING: 900.0,
}
"""Without any sign for so long, a job in that state has come to nothing."""
_SILENT_REASONS = {
    _S.REQUESTED: "the charger never began to download",
    _S.DOWNLOADING: "the download stopped",
    _S.DOWNLOADED: "the charger has the file but did not install it within a day",
    _S.INSTALLING: "the charger began to install and was not heard of again with a new version",
}


class Updates(Protocol):
    """The service that owns the jobs."""

    jobs: Jobs[FirmwareJob]

    def busy(self, station_id: str) -> bool: ...
    async def put(self, job: FirmwareJob) -> None: ...
    async def end(self, job: FirmwareJob, state: FirmwareJobState, reason: str | None) -> None: ...


class FirmwareWatch:
    """What is remembered between two looks."""

    def __init__(self, desk: Desk, transfers: Transfers, firmware: Updates) -> None:
        self._desk = desk
        self._transfers = transfers
        self._firmware = firmware
        self._moved: dict[str, int] = {}
        self._asked: set[tuple[str, FirmwareJobState]] = set()

    def forget_ended(self) -> None:
        """Of jobs that have ended nothing is remembered."""
        keys = {job.key for job in self._firmware.jobs.open()}
        self._moved = {key: size for key, size in self._moved.items() if key in keys}
        self._asked = {(key, state) for key, state in self._asked if key in keys}

    async def follow(self, job: FirmwareJob) -> None:
        """One look at a job that its station knows of."""
        moved = self._transfers.server.moved_bytes(job.token)
        if moved > self._moved.get(job.key, 0):
            self._moved[job.key] = moved
            self._firmware.jobs.sign(job)
            state = after_status(job, FirmwareStatus.DOWNLOADING)
            if job.state is _S.REQUESTED:
                job = dataclasses.replace(job, state=state)
                await self._firmware.put(job)
            job = self._firmware.jobs.now(job)
        if self._has_reason_to_wait(job):
            self._firmware.jobs.sign(job)
        if not job.under_way:
            return
        silent_s, most_s = self._firmware.jobs.silent_s(job), _SILENT_S_MAX[job.state]
        if silent_s >= most_s:
            await self._silent(job)
        elif silent_s >= min(most_s / 2, ASK_VERSION_S if job.state is _S.CHECKING else most_s):
            await self._ask_how_far(job)

    def _has_reason_to_wait(self, job: FirmwareJob) -> bool:
        now = self._desk.clock.now()
        planned = {_S.REQUESTED: job.retrieve_at, _S.DOWNLOADED: job.install_at}.get(job.state)
        in_session = job.state is not _S.CHECKING and self._firmware.busy(job.station_id)
        return in_session or (planned is not None and now < planned)

    async def _ask_how_far(self, job: FirmwareJob) -> None:
        """Once a state: a station that lost its statuses still knows them."""
        link = self._desk.stations.link(job.station_id)
        if link is None or (job.key, job.state) in self._asked:
            return
        self._asked.add((job.key, job.state))
        checking = job.state is _S.CHECKING
        try:
            await link.trigger(
                "BootNotification" if checking else "FirmwareStatusNotification", None
            )
        except OperatingError as error:
            log.info("%s: doesn't say how far its update is: %s", job.station_id, error.detail)

    async def _silent(self, job: FirmwareJob) -> None:
        if job.state is _S.CHECKING:
            await self._firmware.end(job, _S.UNPROVEN, unproven(job))
            return
        reason = _SILENT_REASONS[job.state]
        if job.rebooted:
            reason = f"the charger restarted and still shows {job.version_after or 'no version'}"
        await self._firmware.end(dataclasses.replace(job, timed_out=True), _S.FAILED, reason)
