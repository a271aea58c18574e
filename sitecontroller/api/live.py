"""The live feed: first everything, then only what changed, on one WebSocket per client.

`LiveFeed` listens to the controller while somebody is attached and encodes each change once for
all. A client that reads too slowly loses its queue and gets a new snapshot, so that it is late but
never wrong. Domain events that are news for people travel as `event` frames; all others only mark
what is to be sent again. Whatever is long is told in turns of the loop, a few milliseconds each.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from starlette.websockets import WebSocket, WebSocketDisconnect

from sitecontroller.api.dirty import ENTITIES, Dirty, views
from sitecontroller.api.encoding import encode, encode_mapping
from sitecontroller.api.problems import problem
from sitecontroller.api.seam import SiteController
from sitecontroller.domain.errors import OperatingError
from sitecontroller.domain.events import Event
from sitecontroller.ports import Clock

COALESCE_S = 0.1
FRAMES_MAX = 64
CLIENTS_MAX = 32
CLOSE_WITHIN_S = 0.5
GOING_AWAY = 1001
INTERNAL_ERROR = 1011

log = logging.getLogger(__name__)
router = APIRouter()


class LiveClient:
    """The queue of one client: at most FRAMES_MAX frames, then a new snapshot instead."""

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._snapshot_due = True
        self._wake.set()
        self.overflows = 0

    def offer(self, frame: bytes) -> None:
        """Queue a frame; what comes before a snapshot that is still due is in that snapshot."""
        if self._snapshot_due:
            return
        if len(self._frames) >= FRAMES_MAX:
            self.overflows += 1
            self.renew()
            return
        self._frames.append(frame)
        self._wake.set()

    def renew(self) -> None:
        """Drop the queue and send everything."""
        self._frames.clear()
        self._snapshot_due = True
        self._wake.set()

    async def next(self) -> bytes | None:
        """The next frame, or None when a snapshot is due."""
        while not self._snapshot_due and not self._frames:
            self._wake.clear()
            await self._wake.wait()
        if self._snapshot_due:
            self._snapshot_due = False
            return None
        return self._frames.popleft()


class LiveFeed:
    """One for the API. Frames here have no `seq` yet: each client counts its own."""

    def __init__(self, controller: SiteController, clock: Clock) -> None:
        self._controller = controller
        self._clock = clock
        self._clients: list[LiveClient] = []
        self._dirty = Dirty()
        self._told = Dirty()
        self._unsubscribe: Callable[[], None] = _nothing
        self._timer: asyncio.Handle | None = None
        self.closing = asyncio.Event()

    @property
    def clients(self) -> tuple[LiveClient, ...]:
        """Those attached."""
        return tuple(self._clients)

    @property
    def pending(self) -> bool:
        """Whether something waits to be told."""
        return bool(self._dirty) or bool(self._told)

    def close(self) -> None:
        """Let every client go (1001) and take no new ones."""
        self.closing.set()

    def attach(self) -> LiveClient:
        """A new client; the first one makes the feed listen."""
        client = LiveClient()
        if not self._clients:
            self._unsubscribe = self._controller.subscribe(self._note)
        self._clients.append(client)
        return client

    def detach(self, client: LiveClient) -> None:
        """The last one to go ends the listening."""
        self._clients.remove(client)
        if self._clients:
            return
        self._unsubscribe()
        self._dirty, self._told = Dirty(), Dirty()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def snapshot(self) -> bytes:
        """A snapshot frame, made in slices.

        Its client must take frames from before it begins: what changes while it is made may be
        missing in it, and follows.
        """
        parts = [b'"at":', encode(self._clock.now()), b',"type":"snapshot","snapshot":{"site":']
        ids = self._controller.ids()
        parts.append(encode(self._controller.site_view()))
        await asyncio.sleep(0)
        for name in ENTITIES:
            found = views(self._controller, name, getattr(ids, name))
            parts += (b',"%s":' % name.encode(), await encode_mapping(found))
        await asyncio.sleep(0)
        return b"".join((*parts, b"}}"))

    def _note(self, event: Event) -> None:
        self._dirty.note(event)
        self._wait_for_more()

    def _wait_for_more(self) -> None:
        if self._timer is None and self._dirty:
            self._timer = asyncio.get_running_loop().call_later(COALESCE_S, self._flush)

    def _flush(self) -> None:
        """Tell what has gathered; what comes meanwhile gathers for the next time."""
        self._told, self._dirty = self._dirty, Dirty()
        self._turn()

    def _turn(self) -> None:
        self._timer = None
        try:
            self._tell()
        except Exception:
            log.exception("live: a change could not be told; every client gets a new snapshot")
            self._start_over()
        if self._told:
            self._timer = asyncio.get_running_loop().call_later(0, self._turn)
        else:
            self._wait_for_more()

    def _tell(self) -> None:
        """One frame of changes or, after the last of them, the events."""
        if self._told.events_lost:
            self._start_over()
            return
        at = self._clock.now()
        if self._told.has_changes:
            changes = self._told.take_changes(self._controller, self._clock)
            self._offer({"at": at, "type": "changes", **changes})
            return
        for event in self._told.take_events(self._controller):
            self._offer({"at": at, "type": "event", **event})

    def _start_over(self) -> None:
        self._dirty, self._told = Dirty(), Dirty()
        for client in self._clients:
            client.renew()

    def _offer(self, frame: dict[str, Any]) -> None:
        body = encode(frame)[1:]
        for client in self._clients:
            client.offer(body)


@router.websocket("/v1/live")
async def live(websocket: WebSocket) -> None:
    """Sender and watcher: the first to end ends both, so that no dead client is kept."""
    feed: LiveFeed = websocket.app.state.live
    if feed.closing.is_set() or len(feed.clients) >= CLIENTS_MAX:
        full = OperatingError("No more live clients are taken", remedy="Close another console")
        await websocket.send_denial_response(problem(full))
        return
    await websocket.accept()
    client = feed.attach()
    tasks = {
        asyncio.create_task(_send(websocket, feed, client), name="live sender"),
        asyncio.create_task(_watch(websocket), name="live watcher"),
        asyncio.create_task(feed.closing.wait(), name="live closing"),
    }
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        feed.detach(client)
    faults = [fault for task in done if (fault := _fault(task)) is not None]
    if faults or feed.closing.is_set():
        with contextlib.suppress(TimeoutError, RuntimeError, WebSocketDisconnect):
            code = INTERNAL_ERROR if faults else GOING_AWAY
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await websocket.close(code)
    if faults:
        raise faults[0]


def _fault(task: asyncio.Task[Any]) -> BaseException | None:
    """What went wrong in a task that has ended; that the client is gone is nothing wrong."""
    error = task.exception()
    return None if isinstance(error, WebSocketDisconnect) else error


async def _send(websocket: WebSocket, feed: LiveFeed, client: LiveClient) -> None:
    seq = 0
    while True:
        frame = await client.next()
        seq += 1
        if frame is None:
            text = (await feed.snapshot()).decode()
            await asyncio.sleep(0)  # Sending a megabyte, encoded once more, takes its own turn.
        else:
            text = frame.decode()
        await websocket.send_text(f'{{"seq":{seq},{text}')


async def _watch(websocket: WebSocket) -> None:
    """Returns when the client is gone. The feed takes no messages; what comes is dropped."""
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass


def _nothing() -> None:
    pass
