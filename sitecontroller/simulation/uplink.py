"""A station's end of OCPP-J: connects, boots, sends what is queued, answers what is asked.

Messages leave one at a time in the order they were queued. Those about a transaction wait for the
line however long it is down; all others are forgotten with it. A lost connection is tried again
after 1 s, then 2, 4 … `RETRY_S_MAX`.
"""

import asyncio
import base64
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.frames import CloseCode
from websockets.typing import Subprotocol

from sitecontroller.domain.station import OcppVersion
from sitecontroller.ocpp import frames
from sitecontroller.ports import Clock

Payload = dict[str, Any]
Answered = Callable[[Payload | None], None]
"""Called with the answer, or with None when there will be none."""

RETRY_S_MIN = 1.0
RETRY_S_MAX = 30.0
RETRY_JITTER = 0.2
ANSWER_S_MAX = 30.0
ATTEMPTS_MAX = 3
ATTEMPT_PAUSE_S = 10.0
OUTBOX_MAX = 10_000
BOOT_RETRY_S = 10.0
BOOT_RETRY_S_MAX = 3600.0
CLOSE_S_MAX = 1.0

SUBPROTOCOLS = {OcppVersion.V16: Subprotocol("ocpp1.6"), OcppVersion.V201: Subprotocol("ocpp2.0.1")}

log = logging.getLogger(__name__)


class CallRefused(Exception):
    """The CSMS answered with a CALLERROR, or not at all."""


class UplinkOwner(Protocol):
    """What an uplink asks of its station."""

    def boot_notification(self) -> Payload:
        """The payload of a BootNotification."""

    def booted(self, answer: Payload, *, afresh: bool) -> None:
        """The line is up and accepted; `answer` is empty after a reconnect without boot."""

    def answer(self, action: str, payload: Payload) -> Payload:
        """Answer a CALL; raises `frames.CallFault`."""

    def answered(self) -> None:
        """The answer is on its way: what has to follow it may go now."""


@dataclass(slots=True, eq=False)
class _Message:
    action: str
    payload: Callable[[], Payload]
    lasting: bool
    answered: Answered | None
    attempts: int = 0


class Uplink:
    """The connection of one station. `password` may be changed at any time."""

    def __init__(
        self,
        station_id: str,
        version: OcppVersion,
        owner: UplinkOwner,
        clock: Clock,
        random: Random,
        *,
        password: str | None,
        ping_interval_s: float | None = None,
    ) -> None:
        self.password = password
        self.ping_interval_s = ping_interval_s
        self.online = False
        """Connected and accepted."""
        self._station_id, self._version, self._owner = station_id, version, owner
        self._clock, self._random = clock, random
        self._socket: ClientConnection | None = None
        self._outbox: deque[_Message] = deque()
        self._work = asyncio.Event()
        self._waiting: dict[str, asyncio.Future[Payload]] = {}
        self._calls = 0
        self._must_boot = True
        self._away_until_s = 0.0

    async def run(self, url: Callable[[], str]) -> None:
        """Keep the line up until cancelled.

        `url` tells the endpoint without the station's id; it is asked before each attempt.
        """
        retry_s = RETRY_S_MIN
        while True:
            try:
                socket = await self._connect(url())
                retry_s = RETRY_S_MIN
                try:
                    await self._converse(socket)
                finally:
                    await socket.close(CloseCode.GOING_AWAY)
            except (OSError, TimeoutError, WebSocketException) as error:
                log.info("station %s: line down, trying again: %s", self._station_id, error)
            away_s = self._away_until_s - self._clock.monotonic_s()
            jitter = 1 + self._random.uniform(-RETRY_JITTER, RETRY_JITTER)
            await asyncio.sleep(max(retry_s * jitter, away_s))
            retry_s = min(2 * retry_s, RETRY_S_MAX)

    def send(
        self,
        action: str,
        payload: Payload | Callable[[], Payload],
        *,
        lasting: bool = False,
        answered: Answered | None = None,
    ) -> None:
        """Queue a CALL. A payload that is a function is asked for when its turn comes."""
        build = payload if callable(payload) else lambda: payload
        if not lasting and not self.online:
            if answered is not None:
                answered(None)
            return
        if len(self._outbox) >= OUTBOX_MAX:
            self._drop(self._outbox[0])
        self._outbox.append(_Message(action, build, lasting, answered))
        self._work.set()

    async def ask(self, action: str, payload: Payload) -> Payload | None:
        """Queue a CALL and wait for its answer; None without a line or an answer."""
        future: asyncio.Future[Payload | None] = asyncio.get_running_loop().create_future()

        def settle(answer: Payload | None) -> None:
            if not future.done():
                future.set_result(answer)

        self.send(action, payload, answered=settle)
        return await future

    async def hang_up(self, away_s: float = 0.0, *, reboot: bool = False) -> None:
        """Close the line and stay away for at least so long; then reconnect, or boot."""
        self._away_until_s = self._clock.monotonic_s() + away_s
        self._must_boot = self._must_boot or reboot
        if self._socket is not None:
            await self._socket.close()

    def has_lasting(self) -> bool:
        """Whether messages about transactions wait to be sent."""
        return any(message.lasting for message in self._outbox)

    def boot_again(self) -> None:
        """Send a BootNotification without a reboot, as a TriggerMessage asks."""
        self.send("BootNotification", self._owner.boot_notification)

    def _connect(self, url: str) -> connect:
        headers = {}
        if self.password is not None:
            credentials = f"{self._station_id}:{self.password}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(credentials).decode()}"
        return connect(
            f"{url.rstrip('/')}/{self._station_id}",
            subprotocols=[SUBPROTOCOLS[self._version]],
            additional_headers=headers,
            compression=None,
            proxy=None,
            ping_interval=self.ping_interval_s,
            ping_timeout=self.ping_interval_s,
            close_timeout=CLOSE_S_MAX,
        )

    async def _converse(self, socket: ClientConnection) -> None:
        """Read and write until the line is gone or this is cancelled."""
        self._socket = socket
        both = (self._read(socket), self._write(socket))
        tasks = [asyncio.create_task(self._until_closed(half)) for half in both]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.online = False
            self._socket = None
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            self._forget_what_does_not_last()
        for result in results:
            if isinstance(result, Exception):
                raise result

    @staticmethod
    async def _until_closed(half: Coroutine[Any, Any, None]) -> None:
        with contextlib.suppress(ConnectionClosed):
            await half

    async def _read(self, socket: ClientConnection) -> None:
        async for frame in socket:
            try:
                kind, message_id, *rest = orjson.loads(frame)
            except (ValueError, TypeError):
                log.warning("station %s: unreadable frame %.100r", self._station_id, frame)
                continue
            if kind == frames.CALL:
                await socket.send(self._reply(message_id, *rest), text=True)
                self._owner.answered()
            elif (future := self._waiting.get(message_id)) is None or future.done():
                log.info("station %s: unexpected answer %s", self._station_id, message_id)
            elif kind == frames.CALLRESULT:
                future.set_result(rest[0])
            else:
                future.set_exception(CallRefused(f"{rest[0]}: {rest[1]}"))

    def _reply(self, message_id: str, action: str, payload: Payload) -> bytes:
        validator = frames.request_validator(self._version, action)
        try:
            if validator is None:
                raise frames.CallFault("NotImplemented", f"{action} is unknown")
            if wrong := frames.violations(validator, payload):
                raise frames.CallFault("FormatViolation", "; ".join(wrong))
            return frames.encode_result(message_id, self._owner.answer(action, payload))
        except frames.CallFault as fault:
            return frames.encode_error(self._version, message_id, fault.code, fault.description)

    async def _write(self, socket: ClientConnection) -> None:
        if self._must_boot:
            answer = await self._boot(socket)
            self._must_boot = False
            self.online = True
            self._owner.booted(answer, afresh=True)
        else:
            self.online = True
            self._owner.booted({}, afresh=False)
        while True:
            while self._outbox:
                await self._deliver(socket, self._outbox[0])
            self._work.clear()
            await self._work.wait()

    async def _boot(self, socket: ClientConnection) -> Payload:
        while True:
            try:
                payload = self._owner.boot_notification()
                answer = await self._call(socket, "BootNotification", payload)
            except CallRefused as error:
                log.info("station %s: boot refused: %s", self._station_id, error)
                answer = {}
            if answer.get("status") == "Accepted":
                return answer
            pause_s = float(answer.get("interval") or BOOT_RETRY_S)
            await asyncio.sleep(min(max(pause_s, 1.0), BOOT_RETRY_S_MAX))

    async def _deliver(self, socket: ClientConnection, message: _Message) -> None:
        """Send the head of the queue; it leaves the queue when answered or given up."""
        try:
            answer = await self._call(socket, message.action, message.payload())
        except CallRefused as error:
            message.attempts += 1
            if message.lasting and message.attempts < ATTEMPTS_MAX:
                await asyncio.sleep(ATTEMPT_PAUSE_S * message.attempts)
                return
            log.info("station %s: %s refused: %s", self._station_id, message.action, error)
            self._drop(message)
            return
        if message in self._outbox:
            self._outbox.remove(message)
        if message.answered is not None:
            message.answered(answer)

    async def _call(self, socket: ClientConnection, action: str, payload: Payload) -> Payload:
        self._calls += 1
        message_id = f"{self._random.getrandbits(48):012x}-{self._calls}"
        future: asyncio.Future[Payload] = asyncio.get_running_loop().create_future()
        self._waiting[message_id] = future
        try:
            await socket.send(frames.encode_call(message_id, action, payload), text=True)
            async with asyncio.timeout(ANSWER_S_MAX):
                return await future
        except TimeoutError:
            raise CallRefused(f"no answer within {ANSWER_S_MAX:g} s") from None
        finally:
            del self._waiting[message_id]

    def _drop(self, message: _Message) -> None:
        if message in self._outbox:
            self._outbox.remove(message)
        if message.answered is not None:
            message.answered(None)

    def _forget_what_does_not_last(self) -> None:
        for message in [m for m in self._outbox if not m.lasting]:
            self._drop(message)
