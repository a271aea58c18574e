"""A station's end of OCPP-J: connects, boots, sends what is queued, answers what is asked.

Messages leave one at a time in the order they were queued. Those about a transaction wait for the
line however long it is down; all others are forgotten with it. A lost connection is tried again
after 1 s, then 2, 4 … `RETRY_S_MAX`. An answer that breaks its schema counts as none.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

import orjson
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.frames import CloseCode

from sitecontroller.domain.station import OcppVersion
from sitecontroller.ocpp import frames
from sitecontroller.ports import Clock
from sitecontroller.simulation.line import Opening, open_line

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
REPLIES_MAX = 100
"""Answers on their way late; more are dropped."""
NOT_THERE = ("NotSupported", "NotImplemented")
"""A CSMS that says so is not asked again."""
CLOSE_CODES = (CloseCode.NORMAL_CLOSURE, CloseCode.GOING_AWAY)
BOOT_RETRY_S = 10.0
BOOT_RETRY_S_MAX = 3600.0

log = logging.getLogger(__name__)


class CallRefused(Exception):
    """The CSMS answered with a CALLERROR, or not at all (`code` is empty then)."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code


class UplinkOwner(Protocol):
    """What an uplink asks of its station."""

    station_id: str

    @property
    def version(self) -> OcppVersion:
        """What it speaks now."""

    def opening(self, url: str) -> Opening:
        """How to open the line; `url` is the endpoint without the station's id."""

    def opened(self, subprotocol: str | None) -> None:
        """The handshake is through, and this is what was agreed."""

    def bend(self, joint: str, value: Any, *context: Any) -> Any:
        """What a misbehaving station makes of it."""

    def boot_notification(self) -> Payload:
        """The payload of a BootNotification."""

    def booted(self, answer: Payload, *, afresh: bool) -> None:
        """The line is up and accepted; `answer` is empty after a reconnect without boot."""

    def answer(self, action: str, payload: Payload) -> Payload:
        """Answer a CALL; raises `frames.CallFault`."""

    def answered(self) -> None:
        """The answer is on its way: what has to follow it may go now."""


@dataclass(slots=True, eq=False)
class Message:
    """One CALL that waits. `lasting` ones outlive the connection."""

    action: str
    payload: Callable[[], Payload]
    lasting: bool
    answered: Answered | None
    attempts: int = 0


class Uplink:
    """The connection of one station. `password` may be changed at any time."""

    def __init__(
        self, owner: UplinkOwner, clock: Clock, random: Random, *, password: str | None
    ) -> None:
        self.password = password
        self.ping_interval_s: float | None = None
        self.online = False
        """Connected and accepted."""
        self.outbox: deque[Message] = deque()
        self.socket: ClientConnection | None = None
        self.failures = 0
        """Attempts to connect that failed since the line was last up."""
        self.url = ""
        """The endpoint of the last attempt."""
        self.was_told_to_go = False
        """The CSMS closed the last connection with a close frame."""
        self._left_behind: list[ClientConnection] = []
        self._owner, self._clock, self._random = owner, clock, random
        self._work = asyncio.Event()
        self._waiting: dict[str, asyncio.Future[Payload]] = {}
        self._late: set[asyncio.Task[None]] = set()
        self._calls = 0
        self._must_boot = True
        self._away_until_s = 0.0

    async def run(self, url: Callable[[], str]) -> None:
        """Keep the line up until cancelled.

        `url` tells the endpoint without the station's id; it is asked before each attempt.
        """
        retry_s = RETRY_S_MIN
        try:
            while True:
                self.url = url()
                try:
                    socket = await open_line(self._owner.opening(self.url))
                    retry_s = RETRY_S_MIN
                    self.failures = 0
                    await self._use(socket)
                except (OSError, TimeoutError, WebSocketException) as error:
                    self.failures += 1
                    station_id = self._owner.station_id
                    log.info("station %s: line down, trying again: %s", station_id, error)
                away_s = self._away_until_s - self._clock.monotonic_s()
                jitter = 1 + self._random.uniform(-RETRY_JITTER, RETRY_JITTER)
                await asyncio.sleep(self._owner.bend("retry", max(retry_s * jitter, away_s)))
                retry_s = min(2 * retry_s, RETRY_S_MAX)
        finally:
            for socket in self._left_behind:
                socket.transport.abort()

    async def _use(self, socket: ClientConnection) -> None:
        self._owner.opened(socket.subprotocol)
        try:
            await self._converse(socket)
        finally:
            if socket not in self._left_behind:
                self.was_told_to_go = socket.close_code in CLOSE_CODES
                await socket.close(CloseCode.GOING_AWAY)

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
        withheld = self._owner.bend("withheld", False, action, payload)
        if withheld or (not lasting and not self.online):
            if answered is not None:
                answered(None)
            return
        if len(self.outbox) >= OUTBOX_MAX:
            self._drop(self.outbox[0])
        self.outbox.append(Message(action, build, lasting, answered))
        self._work.set()

    async def ask(self, action: str, payload: Payload) -> Payload | None:
        """Queue a CALL and wait for its answer; None without a line or an answer."""
        future: asyncio.Future[Payload | None] = asyncio.get_running_loop().create_future()

        def settle(answer: Payload | None) -> None:
            if not future.done():
                future.set_result(answer)

        self.send(action, payload, answered=settle)
        return await future

    async def notify(self, action: str, payload: Payload) -> None:
        """A SEND (OCPP 2.1 part 4, 4.1.5): nobody answers it; lost without a line."""
        frame = orjson.dumps([frames.SEND, self._next_id(), action, payload])
        await self.write(self._owner.bend("frame", frame, action))

    async def write(self, frame: bytes) -> None:
        """Put a frame on the line as it is; lost without a line."""
        if self.socket is not None and self.online:
            with contextlib.suppress(ConnectionClosed):
                await self.socket.send(frame, text=True)

    async def hang_up(self, away_s: float = 0.0, *, reboot: bool = False) -> None:
        """Close the line and stay away for at least so long; then reconnect, or boot."""
        self._away_until_s = self._clock.monotonic_s() + away_s
        self._must_boot = self._must_boot or reboot
        if self.socket is not None:
            await self.socket.close()

    def abandon(self) -> None:
        """Leave the connection as it is and open another, as a station does that lost its own."""
        if self.socket is not None:
            self._left_behind = [s for s in self._left_behind if s.close_code is None]
            self._left_behind.append(self.socket)
            for half in self._halves:
                half.cancel()

    def has_lasting(self) -> bool:
        """Whether messages about transactions wait to be sent."""
        return any(message.lasting for message in self.outbox)

    def boot_again(self) -> None:
        """Send a BootNotification without a reboot, as a TriggerMessage asks."""
        self.send("BootNotification", self._owner.boot_notification)

    _halves: tuple[asyncio.Task[None], ...] = ()

    async def _converse(self, socket: ClientConnection) -> None:
        """Read and write until the line is gone or this is cancelled."""
        self.socket = socket
        both = (self._read(socket), self._write(socket))
        self._halves = tuple(asyncio.create_task(self._until_closed(half)) for half in both)
        try:
            await asyncio.wait(self._halves, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.online = False
            self.socket = None
            tasks = (*self._halves, *self._late)
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

    # What comes in

    async def _read(self, socket: ClientConnection) -> None:
        async for frame in socket:
            try:
                kind, message_id, *rest = orjson.loads(frame)
            except (ValueError, TypeError):
                log.warning("station %s: unreadable frame %.100r", self._owner.station_id, frame)
                continue
            if kind == frames.CALL:
                await self._answer(socket, message_id, *rest)
            elif (future := self._waiting.get(str(message_id))) is None or future.done():
                log.info("station %s: unexpected answer %s", self._owner.station_id, message_id)
            elif kind == frames.CALLRESULT:
                future.set_result(rest[0])
            else:
                future.set_exception(CallRefused(f"{rest[0]}: {rest[1]}", str(rest[0])))

    async def _answer(
        self, socket: ClientConnection, message_id: str, action: str, payload: Payload
    ) -> None:
        reply = self._reply(message_id, action, payload)
        delay_s: float | None = self._owner.bend("reply_delay", 0.0, action)
        if delay_s == 0.0:
            await socket.send(reply, text=True)
            self._owner.answered()
        elif delay_s is None:
            self._owner.answered()
        elif len(self._late) < REPLIES_MAX:
            task = asyncio.create_task(self._reply_late(socket, reply, delay_s))
            self._late.add(task)
            task.add_done_callback(self._late.discard)

    async def _reply_late(self, socket: ClientConnection, reply: bytes, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        with contextlib.suppress(ConnectionClosed):
            await socket.send(reply, text=True)
        self._owner.answered()

    def _reply(self, message_id: str, action: str, payload: Payload) -> bytes:
        version = self._owner.version
        validator = frames.request_validator(version, action)
        try:
            if validator is None:
                raise frames.CallFault("NotImplemented", f"{action} is unknown")
            if wrong := frames.violations(validator, payload):
                raise frames.CallFault("FormatViolation", "; ".join(wrong))
            answer = self._owner.answer(action, payload)
            reply = frames.encode_result(message_id, answer)
        except frames.CallFault as fault:
            reply = frames.encode_error(version, message_id, fault.code, fault.description)
        bent: bytes = self._owner.bend("reply", reply, action)
        return bent

    # What goes out

    async def _write(self, socket: ClientConnection) -> None:
        if self._must_boot and not self._owner.bend("withheld", False, "BootNotification", {}):
            answer = await self._boot(socket)
            self._must_boot = False
            self.online = True
            self._owner.booted(answer, afresh=True)
        else:
            self.online = True
            self._owner.booted({}, afresh=False)
        self._owner.bend("outbox", self.outbox)
        while True:
            while self.outbox:
                await self._deliver(socket, self.outbox[0])
            self._work.clear()
            await self._work.wait()

    async def _boot(self, socket: ClientConnection) -> Payload:
        while True:
            try:
                payload = self._owner.boot_notification()
                answer = await self._call(socket, "BootNotification", payload)
            except CallRefused as error:
                log.info("station %s: boot refused: %s", self._owner.station_id, error)
                answer = {}
            if answer.get("status") == "Accepted":
                return answer
            pause_s = float(answer.get("interval") or BOOT_RETRY_S)
            await asyncio.sleep(min(max(pause_s, 1.0), BOOT_RETRY_S_MAX))

    async def _deliver(self, socket: ClientConnection, message: Message) -> None:
        """Send the head of the queue; it leaves the queue when answered or given up."""
        try:
            payload = message.payload()
            answer = await self._call(socket, message.action, payload)
        except CallRefused as error:
            message.attempts += 1
            hopeless = not message.lasting or error.code in NOT_THERE
            if not hopeless and message.attempts < ATTEMPTS_MAX:
                await asyncio.sleep(ATTEMPT_PAUSE_S * message.attempts)
                return
            log.info("station %s: %s refused: %s", self._owner.station_id, message.action, error)
            self._drop(message)
            return
        if message in self.outbox:
            self.outbox.remove(message)
        if message.answered is not None:
            message.answered(answer)
        self._owner.bend("delivered", None, message.action, payload)

    async def _call(self, socket: ClientConnection, action: str, payload: Payload) -> Payload:
        message_id = self._owner.bend("message_id", self._next_id())
        key = str(message_id)
        future: asyncio.Future[Payload] = asyncio.get_running_loop().create_future()
        self._waiting[key] = future
        payload = self._owner.bend("payload", payload, action)
        frame = self._owner.bend("frame", frames.encode_call(message_id, action, payload), action)
        try:
            await socket.send(frame, text=True)
            async with asyncio.timeout(ANSWER_S_MAX):
                answer = await future
        except TimeoutError:
            raise CallRefused(f"no answer within {ANSWER_S_MAX:g} s") from None
        finally:
            self._waiting.pop(key, None)
        await self._check(socket, key, action, answer)
        return answer

    async def _check(
        self, socket: ClientConnection, message_id: str, action: str, answer: Payload
    ) -> None:
        """A station of 2.1 says what is wrong with an answer, the others keep it to themselves."""
        validator = frames.response_validator(self._owner.version, action)
        wrong = [] if validator is None else frames.violations(validator, answer)
        if not wrong:
            return
        if self._owner.version is OcppVersion.V21:
            fault = [frames.CALLRESULTERROR, message_id, "FormatViolation", wrong[0], {}]
            await socket.send(orjson.dumps(fault), text=True)
        raise CallRefused(f"the answer breaks its schema: {wrong[0]}")

    def _next_id(self) -> str:
        self._calls += 1
        return f"{self._random.getrandbits(48):012x}-{self._calls}"

    def _drop(self, message: Message) -> None:
        if message in self.outbox:
            self.outbox.remove(message)
        if message.answered is not None:
            message.answered(None)

    def _forget_what_does_not_last(self) -> None:
        for message in [m for m in self.outbox if not m.lasting]:
            self._drop(message)
