"""Firmware that a local controller hands on to the stations behind it (OCPP 2.x L03, L04).

It fetches the file from us once; its stations are then updated from the places it names.
"""

import dataclasses
from collections.abc import Mapping

from sitecontroller.domain.commands import Command, CommandResult, CommandState
from sitecontroller.domain.errors import ControllerError, NotFound
from sitecontroller.domain.files import heard
from sitecontroller.domain.firmware import (
    PublishedFirmware,
    PublishedFirmwareQuery,
    PublishedFirmwareView,
    PublishFirmware,
    PublishStatusReported,
    RequestPublishing,
    RequestUnpublishing,
    UnpublishFirmware,
)
from sitecontroller.domain.queries import Query
from sitecontroller.domain.views import Page
from sitecontroller.services.desk import Answerer, Desk, Handler
from sitecontroller.services.firmware_library import FirmwareLibrary, image_name
from sitecontroller.services.shelf import Shelf
from sitecontroller.services.transfers import Transfers

PURPOSE = "firmware"
KEPT_MAX = 500
OVER = frozenset({"Unpublished", "DownloadFailed", "InvalidChecksum", "PublishFailed", "Rejected"})
"""Words after which the local controller has it no longer, or never will."""


class Publishing:
    """What each local controller was told to hand on; one row for it and an image."""

    def __init__(self, desk: Desk, transfers: Transfers, library: FirmwareLibrary) -> None:
        self._desk = desk
        self._transfers = transfers
        self._library = library
        self._shelf = Shelf(desk.store, "published-firmware", PublishedFirmware)
        self._rows: dict[str, PublishedFirmware] = {}
        self.handlers: Mapping[type[Command], Handler] = {
            PublishFirmware: self._publish,
            UnpublishFirmware: self._unpublish,
        }
        self.answerers: Mapping[type[Query], Answerer] = {PublishedFirmwareQuery: self._page}

    async def load(self) -> None:
        """Take up what is handed on."""
        self._rows = {row.key: row for row in await self._shelf.all(open_only=True)}

    async def open(self) -> None:
        """The files can be fetched again."""
        for row in self._rows.values():
            self._offer(row)

    def in_use(self, image_key: str) -> bool:
        """Whether a local controller may still want an image."""
        return any(row.image_key == image_key for row in self._rows.values())

    async def _publish(self, command: PublishFirmware, command_id: str) -> CommandResult:
        image = self._library.get(command.image_key)
        link = self._desk.link(command.station_id)
        scheme = (await self._transfers.schemes_for(link, PURPOSE))[0]
        row = PublishedFirmware(
            key=f"{command.station_id}/{image.key}",
            station_id=command.station_id,
            image_key=image.key,
            checksum=image.md5,
            request_id=self._transfers.new_request_id(),
            token=self._transfers.new_token(),
            created_at=self._desk.clock.now(),
            state="Requested",
        )
        await self._put(row)
        self._offer(row)
        url = self._transfers.url(row.station_id, row.token, scheme, image.file_name)
        try:
            answer = await link.ask(RequestPublishing(row.request_id, url, row.checksum))
        except ControllerError:
            await self._put(dataclasses.replace(self._rows.get(row.key, row), state="Rejected"))
            raise
        if not answer.accepted:
            await self._put(dataclasses.replace(row, state="Rejected"))
        state = CommandState.ACCEPTED if answer.accepted else CommandState.REJECTED
        return CommandResult(command_id, state, None if answer.accepted else answer.status)

    async def _unpublish(self, command: UnpublishFirmware, command_id: str) -> CommandResult:
        link = self._desk.link(command.station_id)
        key = f"{command.station_id}/{command.image_key}"
        row = self._rows.get(key) or await self._shelf.get(key)
        if row is None:
            raise NotFound(
                "this charger was never told to hand that firmware on",
                remedy="GET /v1/published-firmware lists what was",
            )
        answer = await link.ask(RequestUnpublishing(row.checksum))
        if answer.status in ("Unpublished", "NoFirmware"):
            await self._put(dataclasses.replace(row, state="Unpublished", locations=()))
        state = CommandState.EFFECTIVE if answer.accepted else CommandState.REJECTED
        return CommandResult(command_id, state, None if answer.accepted else answer.status)

    async def status(self, report: PublishStatusReported) -> None:
        """A local controller speaks of publishing."""
        row = self._meant(report)
        if row is None or report.word == "Idle":
            return
        is_new = not row.sayings or row.sayings[-1].word != report.word
        row = dataclasses.replace(
            row,
            state=report.word,
            locations=report.locations or row.locations,
            sayings=heard(row.sayings, report.word, report.received_at),
        )
        if is_new:
            await self._put(row)
        else:
            self._rows[row.key] = row

    def _meant(self, report: PublishStatusReported) -> PublishedFirmware | None:
        own = [row for row in self._rows.values() if row.station_id == report.station_id]
        exact = [row for row in own if row.request_id == report.request_id]
        return next(iter(exact or sorted(own, key=lambda row: row.created_at, reverse=True)), None)

    def _offer(self, row: PublishedFirmware) -> None:
        self._transfers.server.offer(row.token, image_name(row.image_key), "")

    async def _put(self, row: PublishedFirmware) -> None:
        is_open = row.state not in OVER
        if is_open:
            self._rows[row.key] = row
        else:
            self._rows.pop(row.key, None)
            self._transfers.server.withdraw(row.token)
        await self._shelf.put(row.key, row, row.created_at, row.station_id, open=is_open)

    async def tidy(self) -> None:
        """Forget the oldest rows beyond what is kept."""
        await self._shelf.trim(KEPT_MAX)

    async def _page(self, query: PublishedFirmwareQuery) -> Page[PublishedFirmwareView]:
        page = await self._shelf.page(query.limit, query.cursor)
        return Page(tuple(_view(self._rows.get(row.key, row)) for row in page.items), page.next)


def _view(row: PublishedFirmware) -> PublishedFirmwareView:
    return PublishedFirmwareView(
        key=row.key,
        station_id=row.station_id,
        image_key=row.image_key,
        created_at=row.created_at,
        state=row.state,
        locations=row.locations,
        sayings=row.sayings,
    )
