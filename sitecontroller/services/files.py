"""Firmware and logs of stations: the services that look after them, and the file server they share.

Until `open` has been called they answer that the file server does not run.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping

from sitecontroller.domain.commands import Command
from sitecontroller.domain.files import LogJob, LogStatusReported
from sitecontroller.domain.firmware import (
    FirmwareImage,
    FirmwareStatusReported,
    ImageTerms,
    PublishStatusReported,
)
from sitecontroller.domain.queries import Query
from sitecontroller.ports import FileArrived, FileEvent, FileServer
from sitecontroller.services.desk import Answerer, Desk, Handler
from sitecontroller.services.firmware import FirmwareJobs
from sitecontroller.services.firmware_library import FirmwareLibrary
from sitecontroller.services.logs import Logs
from sitecontroller.services.publishing import Publishing
from sitecontroller.services.rollouts import Rollouts
from sitecontroller.services.transfers import Transfers

CHECK_EVERY_S = 5.0
TIDY_EVERY = 720
"""Checks: once an hour."""
FULL = 0.9
"""Of the quota: people are told, and the oldest logs go."""


class Files:
    """Logs, firmware, roll-outs and published firmware."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._transfers = Transfers(desk)
        self._library = FirmwareLibrary(desk, self._transfers)
        self._logs = Logs(desk, self._transfers)
        self._firmware = FirmwareJobs(desk, self._transfers, self._library)
        self._publishing = Publishing(desk, self._transfers, self._library)
        self._rollouts = Rollouts(desk, self._library, self._firmware)
        self._library.in_use = self._in_use
        self._parts = (
            self._library,
            self._logs,
            self._firmware,
            self._publishing,
            self._rollouts,
        )
        self.handlers: Mapping[type[Command], Handler] = {
            kind: step for part in self._parts for kind, step in part.handlers.items()
        }
        self.answerers: Mapping[type[Query], Answerer] = {
            kind: step for part in self._parts for kind, step in part.answerers.items()
        }

    async def load(self) -> None:
        """Take up what the database knows."""
        for part in self._parts:
            await part.load()

    async def open(self, server: FileServer) -> None:
        """The file server runs: files come and go from now on, those of earlier jobs too."""
        self._transfers.open(server)
        server.tell(self._moved)
        for part in (self._library, self._logs, self._firmware, self._publishing):
            await part.open()

    async def run(self) -> None:
        """Follow all jobs, for ever; only after `open`."""
        count = 0
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            await self.check()
            count += 1
            if count % TIDY_EVERY == 1:
                await self.tidy()

    async def check(self) -> None:
        """One look at everything that is under way."""
        await self._transfers.server.renew()
        await self._logs.check()
        await self._firmware.check()
        await self._rollouts.check()
        if self._transfers.server.fill >= FULL:
            await self._logs.make_room()
        if self._transfers.server.fill >= FULL:
            share = f"{100 * self._transfers.server.fill:.0f}"
            self._desk.alarms.raise_("files-full", "files", percent=share)
        else:
            self._desk.alarms.clear("files-full", "files")

    async def tidy(self) -> None:
        """Let go what is older or more than is kept."""
        for part in (self._logs, self._firmware, self._publishing, self._rollouts):
            await part.tidy()

    # what stations say

    async def log_status(self, report: LogStatusReported) -> None:
        """Of an upload."""
        await self._logs.status(report)

    async def firmware_status(self, report: FirmwareStatusReported) -> None:
        """Of an update."""
        await self._firmware.status(report)

    async def publish_status(self, report: PublishStatusReported) -> None:
        """Of handing firmware on."""
        await self._publishing.status(report)

    # files for people

    async def add_image(self, terms: ImageTerms, chunks: AsyncIterator[bytes]) -> FirmwareImage:
        """Take a firmware image in."""
        return await self._library.add(terms, chunks)

    async def image_file(self, key: str) -> tuple[FirmwareImage, AsyncIterator[bytes]]:
        """An image and its bytes. Raises NotFound."""
        return await self._library.file(key)

    async def log_file(self, key: str) -> tuple[LogJob, AsyncIterator[bytes]]:
        """A log and its bytes. Raises NotFound."""
        return await self._logs.file(key)

    # its own

    def _moved(self, event: FileEvent) -> None:
        self._desk.background.spawn(self._take(event), "a station's file")

    async def _take(self, event: FileEvent) -> None:
        if isinstance(event, FileArrived):
            if not await self._logs.arrived(event):
                await self._transfers.server.remove(event.file.name)
            return
        await self._firmware.fetched(event)

    def _in_use(self, image_key: str) -> bool:
        return (
            self._firmware.in_use(image_key)
            or self._publishing.in_use(image_key)
            or self._rollouts.in_use(image_key)
        )
