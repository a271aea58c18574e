"""One RPC session with one station over one WebSocket connection.

The station's CALLs are answered one after the other; its answers to ours are taken at once, also
while a CALL waits for its commit. Nothing a station sends ends the session: it is repaired,
answered with a CALLERROR, or counted and dropped. A CALL whose facts could not be stored gets no
reply, so the station sends it again. Log-in and replacement are the server's business.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from sitecontroller.domain.errors import CallRefused, StoreUnavailable
from sitecontroller.domain.station import OcppVersion
from sitecontroller.ocpp import frames, gate
from sitecontroller.ocpp.answered import Answered
from sitecontroller.ocpp.commands import CommandQueue, Priority
from sitecontroller.ocpp.frames import CallFault
from sitecontroller.ocpp.gate import InboundAnswer, InboundCall, Refusal, RefusedAnswer
from sitecontroller.ocpp.intake import NEVER_REFUSED, Intake
from sitecontroller.ocpp.link import Dialect, LinkTraits, Liveness, Wire, is_answered
from sitecontroller.ocpp.pace import Pace
from sitecontroller.ocpp.repair import mend
from sitecontroller.ports import Clock, Journal
from sitecontroller.services.conformance import Conformance

__all__ = ["Dialect", "LinkTraits", "Session"]

log = logging.getLogger(__name__)

BOOT_WAIT_S = 30.0
"""Without a BootNotification our CALLs start this long after the connection (Q12)."""
POLL_S = 60.0
"""A silent link without pings is asked something this often (Q09)."""
POLLS_LOST_MAX = 2
PONG_WAIT_S = 20.0
CALL_HEAD = b"[2"
INBOX_MAX = 64
"""CALLs that wait for the one before; then nothing more is read from the socket."""
JOURNAL_CHARS_MAX = 64 * 1024
SHOWN_CHARS_MAX = 100
"""Of a station's words in a report or a line of the log."""
OUR_FAULT = CallFault("InternalError", "The controller could not answer this message")
DRAIN_S = 2.0
"""How long an answer in the making may still take when its connection has ended."""


class Session:
    """Calls in and out of one connection; `generation` tells it from earlier ones.

    `heard` is called for every sign of life. `calls_allowed` is set when our CALLs may go out.
    """

    def __init__(
        self,
        wire: Wire,
        *,
        station_id: str,
        version: OcppVersion,
        generation: int,
        clock: Clock,
        journal: Journal,
        conformance: Conformance,
        traits: LinkTraits,
        heard: Callable[[str], None],
        pace: Pace | None = None,
    ) -> None:
        self.station_id = station_id
        self.version = version
        self._is_21 = version is OcppVersion.V21
        """It has SEND and CALLRESULTERROR; earlier versions refuse them."""
        self.generation = generation
        self.traits = traits
        self.calls_allowed = asyncio.Event()
        self.unsolicited = 0
        """Answers to no call of ours, dropped."""
        self._wire = wire
        self._clock, self._journal = clock, journal
        self._conformance = conformance
        self._intake = Intake(conformance, traits.requests, traits.answers)
        self._heard, self._pace = heard, pace or Pace()
        self._loop = asyncio.get_running_loop()
        self._commands = CommandQueue(
            self._send_call, holding_s=BOOT_WAIT_S, gap_s=traits.command_gap_s
        )
        self._dialect: Dialect | None = None
        self._unread: tuple[bytes, datetime, float] | None = None
        """A CALL that came while nothing else did, and when. It is read at its turn: of a thousand
        stations that speak at once, parsed messages are then in the processor's cache."""
        self._inbox: deque[tuple[InboundCall, datetime, float]] = deque()
        self._idle: asyncio.Future[None] | None = None
        self._worker: asyncio.Task[None] | None = None
        self._answered = Answered()
        self._after_reply: list[Callable[[], None]] = []
        self._boot_seen = False
        self._gone = asyncio.Event()
        self._liveness = Liveness(traits.ping_interval_s or POLL_S)
        self._faults_logged: set[str] = set()
        self._id_prefix = f"{int(clock.now().timestamp() * 1000):x}"
        self._ids = 0
        self._tasks: set[asyncio.Future[object]] = set()

    # what the dialect and the services use

    async def call(
        self,
        action: str,
        payload: dict[str, Any],
        *,
        priority: Priority = Priority.ATTENDANT,
        deadline_s: float = 30.0,
        key: str | None = None,
    ) -> dict[str, Any]:
        """Send a CALL and return its CALLRESULT's payload, mended where it broke its schema.

        Raises CallRefused (CALLERROR), CallTimeout, ConnectionLost, LimitSuperseded when a newer
        call with the same `key` took its place before it was sent, or InvalidInput when the
        payload breaks the schema.
        """
        frames.check_call(self.version, action, payload)
        self._ids += 1
        message_id = f"{self._id_prefix}-{self._ids}"
        frame = frames.encode_call(message_id, action, payload)
        return await self._commands.call(
            message_id, action, frame, priority=priority, deadline_s=deadline_s, key=key
        )

    def note_faults(self, subject: str, *faults: str) -> None:
        """Count what was wrong in what this station says, beside what broke its schema."""
        self._conformance.note(subject, *faults)

    def after_reply(self, callback: Callable[[], None]) -> None:
        """Run `callback` once the CALLRESULT that is being made now has been written."""
        self._after_reply.append(callback)

    def boot_answered(self) -> None:
        """Let our CALLs go out once the reply that is being made now has been written (Q12)."""
        self._after_reply.append(self._allow_calls)

    async def close(self, reason: str) -> None:
        """End the connection (1001)."""
        await self._wire.close(reason)

    # what the server uses

    async def run(self, dialect: Dialect) -> None:
        """Serve the connection until it ends."""
        self._dialect = dialect
        boot_timer = self._loop.call_later(BOOT_WAIT_S, self._boot_overdue)
        self._worker = self._loop.create_task(self._work())
        self._spawn(self._watch())
        self._wire.listen(self._take, self._lost)
        try:
            await self._gone.wait()
        finally:
            boot_timer.cancel()
            self._lost()

    def end(self, reason: str) -> None:
        """Fail what is under way and answer nothing more. The connection itself stays as it is."""
        if self._gone.is_set():
            return
        self._gone.set()
        self._commands.lose(reason)
        if self._unread is not None:
            self._read(*self._unread)  # for the journal
        self._inbox.clear()
        self._wake()
        for task in self._tasks:
            task.cancel()

    def abort(self, reason: str) -> None:
        """End the session and drop its connection, at once and without a close frame."""
        self.end(reason)
        if self._worker is not None:
            self._worker.cancel()
        self._wire.abort()

    async def settled(self) -> None:
        """Wait, but not long, until nothing of this session runs any more."""
        tasks = {*self._tasks, *((self._worker,) if self._worker is not None else ())}
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=DRAIN_S)
            for task in late:
                task.cancel()

    async def answers_ping(self, within_s: float) -> bool:
        """Whether the station's end of the connection is alive."""
        try:
            async with asyncio.timeout(within_s):
                return await self._wire.ping()
        except TimeoutError:
            return False

    # frames in

    def _take(self, raw: bytes) -> None:
        """One frame, as it comes off the socket. Never raises: that would end the connection."""
        if self._gone.is_set():
            return
        now_s = self._liveness.heard_s = self._loop.time()
        self._heard(self.station_id)
        if self._idle is not None and raw.startswith(CALL_HEAD):
            self._unread = raw, self._clock.now(), now_s
            self._wake()
            return
        if self._unread is not None:
            self._read(*self._unread)
        self._read(raw, self._clock.now(), now_s)

    def _read(self, raw: bytes, received_at: datetime, now_s: float) -> None:
        self._unread = None
        try:
            frame = gate.read(raw)
            if type(frame) is InboundCall:
                self._take_call(frame, received_at, now_s)
            elif type(frame) is InboundAnswer:
                self._settle(frame, raw, now_s)
            elif type(frame) is RefusedAnswer:
                self._take_refused(frame, raw)
            elif type(frame) is Refusal:
                self._refuse(frame, raw)
        except Exception:
            self._log_fault("a frame")

    def _take_call(self, call: InboundCall, received_at: datetime, now_s: float) -> None:
        if call.unconfirmed and not self._is_21:
            self._refuse(gate.unknown_type(call.message_id, frames.SEND), call.body)
            return
        kind = "send" if call.unconfirmed else "call"
        self._record("in", kind, call.body, call.action, str(call.message_id))
        if call.repairs:
            self._conformance.note("frame", *call.repairs)
        if self._conformance.looks_left > 0:
            self._conformance.looks_left -= 1
            if gate.has_duplicate_keys(call):
                self._conformance.note("frame", "an object names a key twice")
        self._inbox.append((call, received_at, now_s))
        if len(self._inbox) == INBOX_MAX:
            self._wire.pause()
        self._wake()

    def _refuse(self, refusal: Refusal, raw: bytes) -> None:
        message_id = refusal.message_id
        self._record("in", "invalid", raw, None, None if message_id is None else str(message_id))
        self._conformance.note("frame", refusal.reason)
        if message_id is None and self.version is not OcppVersion.V16:
            message_id = frames.NO_MESSAGE_ID
        answerable = refusal.answerable and not (refusal.since_21 and self._is_21)
        if message_id is not None and answerable:
            self._send_error(message_id, CallFault(refusal.code, refusal.reason), None, None)

    def _take_refused(self, refused: RefusedAnswer, raw: bytes) -> None:
        """The station could not take our answer to its CALL. It says so; nobody answers that."""
        if not self._is_21:
            self._refuse(gate.unknown_type(refused.message_id, frames.CALLRESULTERROR), raw)
            return
        action = self._answered.action_of(refused.message_id)
        self._record("in", "error", raw, action, str(refused.message_id))
        subject = f"our answer to {action}" if action else "an answer of ours"
        code, why = refused.error_code[:SHOWN_CHARS_MAX], refused.description[:SHOWN_CHARS_MAX]
        self._conformance.note("frame", *refused.repairs, f"{subject} was not taken: {code}")
        self._log_once(subject, f"was not taken by the station: {code} {why}")

    def _settle(self, answer: InboundAnswer, raw: bytes, now_s: float) -> None:
        kind = "error" if answer.payload is None else "result"
        if answer.repairs:
            self._conformance.note("frame", *answer.repairs)
        outstanding = self._commands.outstanding(answer.message_id)
        if outstanding is None:
            self._record("in", kind, raw, None, answer.message_id)
            self.unsolicited += 1
            self._conformance.note("frame", "an answer to no call, or a late one")
            return
        action, sent_s = outstanding
        self._record("in", kind, raw, action, answer.message_id, now_s - sent_s)
        if answer.payload is None:
            refused = CallRefused(answer.error_code, answer.description, answer.details)
            self._commands.settle(answer.message_id, refused)
            return
        payload = answer.payload
        known = frames.action(self.version, action)
        try:
            payload, missing = self._intake.answer(known, action, payload)
        except CallRefused as refused:
            self._commands.settle(answer.message_id, refused)
            return
        if missing and self._is_21:
            self._send_result_error(answer.message_id, action, missing)
        self._commands.settle(answer.message_id, payload)

    async def _work(self) -> None:
        """Answer the inbox, one CALL after the other."""
        while not self._gone.is_set():
            if not self._inbox and self._unread is None:
                self._idle = self._loop.create_future()
                await self._idle
                continue
            await self._pace.turn()
            if self._unread is not None:
                self._read(*self._unread)
            if not self._inbox:
                continue  # it was no CALL after all, or the session has ended
            if len(self._inbox) == INBOX_MAX:
                self._wire.resume()
            call, received_at, since_s = self._inbox.popleft()
            if call.unconfirmed:
                await self._hear(call, received_at)
            else:
                await self._reply(call, received_at, since_s)
            if self._wire.congested:
                await self._wire.drain()

    def _wake(self) -> None:
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)
        self._idle = None

    def _lost(self) -> None:
        self.end("the connection to the station was lost")

    async def _reply(self, call: InboundCall, received_at: datetime, since_s: float) -> None:
        earlier = self._answered.reply_to(call, since_s)
        if earlier is not None:
            self._conformance.note("frame", "a CALL sent again")
            self._send("result", earlier, call.message_id, call.action, since_s)
            return
        self._after_reply.clear()
        try:
            reply = frames.encode_result(call.message_id, await self._result(call, received_at))
        except CallFault as fault:
            self._send_error(call.message_id, fault, call.action, since_s)
            return
        except StoreUnavailable as error:
            self._log_once(call.action, f"not stored, so not answered: {error}")
            return
        except Exception:
            self._log_fault(call.action)
            self._send_error(call.message_id, OUR_FAULT, call.action, since_s)
            return
        self._answered.remember(call, reply, since_s)
        self._send("result", reply, call.message_id, call.action, since_s)
        for callback in self._after_reply:
            callback()

    async def _hear(self, call: InboundCall, received_at: datetime) -> None:
        """Hand on a SEND, never answered whatever comes of it (N15.FR.02). Facts of energy and
        money are taken also where they should have come as a CALL."""
        action, payload = call.action, call.payload
        known = frames.action(self.version, action)
        if known is None or (known.response is not None and action not in NEVER_REFUSED):
            self._conformance.note("frame", f"'{action}' is not sent without an answer")
            return
        if not known.request.is_valid(payload):
            mended = mend(known.request_schema, payload)
            self._conformance.note(action, *mended.violations)
            payload = payload if mended.missing else mended.payload
        assert self._dialect is not None, "a frame came before run()"
        try:
            await self._dialect.answer(action, payload, received_at)
        except CallFault as fault:
            self._conformance.note(action, f"not taken: {fault.description}")
        except StoreUnavailable as error:
            self._log_once(action, f"not stored: {error}")
        except Exception:
            self._log_fault(action)
        self._after_reply.clear()

    async def _result(self, call: InboundCall, received_at: datetime) -> dict[str, Any]:
        """The checked payload of a CALLRESULT. Raises CallFault or whatever the services raise."""
        action, payload = call.action, call.payload
        known = frames.action(self.version, action)
        if known is None:
            self._conformance.note("frame", f"unknown action '{action}'")
            raise CallFault("NotImplemented", f"'{action}' is no action of OCPP {self.version}")
        payload = self._intake.request(known, action, payload)
        if action == "BootNotification":
            self._boot_seen = True
        assert self._dialect is not None, "a frame came before run()"
        result = await self._dialect.answer(action, payload, received_at)
        if known.response is not None and not known.response.is_valid(result):
            found = "; ".join(frames.violations(known.response, result))
            raise AssertionError(f"our answer to {action} breaks its schema: {found}")
        return result

    # frames out

    def _send_error(
        self,
        message_id: gate.MessageId,
        fault: CallFault,
        action: str | None,
        since_s: float | None,
    ) -> None:
        frame = frames.encode_error(
            self.version, message_id, fault.code, fault.description, fault.details
        )
        self._send("error", frame, message_id, action, since_s)

    def _send_result_error(self, message_id: str, action: str, missing: tuple[str, ...]) -> None:
        why = f"Missing or not readable: {', '.join(missing)}"
        frame = frames.encode_result_error(message_id, "OccurrenceConstraintViolation", why)
        self._send("error", frame, message_id, action, None)

    def _send(
        self,
        kind: str,
        frame: bytes,
        message_id: gate.MessageId,
        action: str | None,
        since_s: float | None,
    ) -> None:
        if not self._gone.is_set():
            self._wire.send(frame)
            took_s = None if since_s is None else self._loop.time() - since_s
            self._record("out", kind, frame, action, str(message_id), took_s)

    def _send_call(self, message_id: str, action: str, frame: bytes) -> None:
        self._wire.send(frame)
        self._record("out", "call", frame, action, message_id)

    # life of the link

    def _allow_calls(self) -> None:
        self.calls_allowed.set()
        self._commands.open()

    def _boot_overdue(self) -> None:
        """No boot since the connection: a station that was never off, or one that forgot (Q12)."""
        if self._boot_seen or self._gone.is_set():
            return
        assert self._dialect is not None, "the timer was set by run()"
        self._allow_calls()
        self._dialect.became_ready(rebooted=False)
        self._spawn(is_answered(self._dialect.trigger("BootNotification", None)))

    async def _watch(self) -> None:
        """Drop the connection when nobody is at its other end any more."""
        if self.traits.ping_interval_s is not None:
            await self._liveness.until_silent(self._pinged, 1)
        else:
            await self._liveness.until_silent(self._polled, POLLS_LOST_MAX)
        silent_s = self._liveness.silent_s
        log.warning("%s: silent for %.0f s, connection dropped", self.station_id, silent_s)
        self._wire.abort()

    async def _pinged(self) -> bool:
        alive = await self.answers_ping(PONG_WAIT_S)
        if alive:
            self._heard(self.station_id)
        return alive

    async def _polled(self) -> bool:
        """Before our CALLs are allowed there is nothing to ask with."""
        if self._dialect is None or not self.calls_allowed.is_set():
            return True
        return await is_answered(self._dialect.poll())

    def _spawn(self, work: Awaitable[object]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # journal and log

    def _record(
        self,
        direction: str,
        kind: str,
        frame: bytes,
        action: str | None,
        message_id: str | None,
        took_s: float | None = None,
    ) -> None:
        text = frame.decode(errors="replace")
        self._journal.record(
            self.station_id,
            direction,
            kind,
            text if len(text) <= JOURNAL_CHARS_MAX else text[:JOURNAL_CHARS_MAX],
            action=action,
            message_id=message_id,
            latency_ms=None if took_s is None else took_s * 1000,
        )

    def _log_once(self, action: str, sentence: str) -> None:
        if action not in self._faults_logged:
            self._faults_logged.add(action)
            log.error("%s: %s %s", self.station_id, action, sentence)

    def _log_fault(self, action: str) -> None:
        if action not in self._faults_logged:
            self._faults_logged.add(action)
            log.exception("%s: %s could not be answered", self.station_id, action)
