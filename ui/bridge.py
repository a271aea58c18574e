"""From the controller's live feed to Qt signals: one connection at a time, again and again.

The bridge owns the client and the task that reads it. It never gives up: after a loss it waits
`RETRY_FIRST_S`, doubling to `RETRY_MAX_S`, and connects anew, so that a restarted controller is
found under its new address.
"""

import asyncio
import contextlib
import logging

from PySide6.QtCore import QObject, Signal

from sitecontroller.domain.errors import ControllerError, ControllerUnreachable
from sitecontroller.domain.live import EventFrame, LiveFrame, SnapshotFrame
from ui.api import Connect, ControllerApi
from ui.i18n.texts import translate
from ui.state import Link, Picture

RETRY_FIRST_S = 0.5
RETRY_MAX_S = 5.0

log = logging.getLogger(__name__)


class Bridge(QObject):
    """Keeps `picture` true and tells who listens."""

    changed = Signal(object)
    """A `Changed`: what the last frame changed."""
    linked = Signal()
    """The connection came, went, or failed for another reason."""
    happened = Signal(object)
    """An `EventFrame`."""
    history_loaded = Signal()

    def __init__(self, connect: Connect, picture: Picture, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.picture = picture
        self._connect = connect
        self._client: ControllerApi | None = None
        self._task: asyncio.Task[None] | None = None
        self._history: asyncio.Task[None] | None = None

    @property
    def api(self) -> ControllerApi:
        """The connected client; ControllerUnreachable when there is none."""
        if self._client is None:
            raise ControllerUnreachable(
                translate("Bridge", "The controller can't be reached"),
                remedy=translate("Bridge", "Wait for the connection, then try again"),
            )
        return self._client

    def start(self) -> None:
        """Begin to connect; needs a running loop."""
        assert self._task is None, "the bridge runs already"
        self._task = asyncio.get_running_loop().create_task(self._run(), name="bridge")

    async def close(self) -> None:
        """End the connection and the task."""
        for task in (self._history, self._task):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        self._task = self._history = None

    async def _run(self) -> None:
        wait_s = RETRY_FIRST_S
        while True:
            failure = ""
            try:
                if await self._follow():
                    wait_s = RETRY_FIRST_S
            except ControllerError as error:
                failure = error.detail
            except Exception as error:
                log.exception("bridge: the live feed failed")
                failure = str(error)
            self._set_link(Link.LOST, failure)
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, RETRY_MAX_S)

    async def _follow(self) -> bool:
        """Read one connection to its end; whether it brought anything."""
        client = self._connect()
        brought = False
        try:
            async for frame in client.live():
                self._client, brought = client, True
                self._take(frame)
        finally:
            self._client = None
            await client.close()
        return brought

    def _take(self, frame: LiveFrame) -> None:
        if isinstance(frame, EventFrame):
            self.happened.emit(frame)
            return
        changed = self.picture.apply(frame)
        if isinstance(frame, SnapshotFrame):
            self._set_link(Link.LIVE)
            self._load_history()
        self.changed.emit(changed)

    def _set_link(self, link: Link, failure: str = "") -> None:
        if self.picture.set_link(link, failure):
            self.linked.emit()

    def _load_history(self) -> None:
        if self._history is None or self._history.done():
            self._history = asyncio.get_running_loop().create_task(
                self._fetch_history(), name="phase history"
            )

    async def _fetch_history(self) -> None:
        try:
            samples = await self.api.phase_history()
        except ControllerError as error:
            log.warning("bridge: no phase history: %s", error)
            return
        self.picture.load_history(samples)
        self.history_loaded.emit()
