"""What we have to say to one station: one CALL at a time, the urgent first, each with a deadline.

What an emergency stop has to say goes first, then safety limits, stops, what an attendant asks, and
housekeeping last, paced and backed off after time-outs. A newer command with the same key takes the
place of one still waiting (Q50), so a superseded limit never leaves. On connection loss everything
fails at once.

OCPP-J allows one outstanding CALL (1.6: 4.1.1; 2.0.1 part 4: 4.1.1). A reduction must not wait for
a station that chews on a log upload, so after `STALL_S` without an answer the outstanding call
counts as timed out for the *order* of things: a safety limit is sent, while the late answer is
still taken. Nothing but safety limits may do that, each after `STALL_S` of its own, and what an
emergency stop has to say, after `EMERGENCY_STALL_S`.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from sitecontroller.domain.errors import CallRefused, CallTimeout, ConnectionLost
from sitecontroller.ports import LimitSuperseded

STALL_S = 3.0
EMERGENCY_STALL_S = 0.5
"""A station with two cars is told everything within 3 s, even if it answers nothing (S10)."""
OUTSTANDING_MAX = 8
WAITING_MAX = 64
"""Per priority; more would only time out."""
HOUSEKEEPING_GAP_S = 0.25
"""Between an answer and the next housekeeping call (Q14)."""
BACK_OFF_S = 1.0
"""Doubled for each time-out in a row, for housekeeping only."""
BACK_OFF_MAX_S = 60.0


class Priority(IntEnum):
    """Which waiting command goes first; lower is sooner."""

    EMERGENCY = 0
    SAFETY = 1
    STOP = 2
    ATTENDANT = 3
    HOUSEKEEPING = 4


@dataclass(slots=True, eq=False)
class _Command:
    message_id: str
    action: str
    frame: bytes
    priority: Priority
    key: str | None
    deadline_s: float
    answer: asyncio.Future[dict[str, Any]]
    timer: asyncio.TimerHandle | None = None
    sent_s: float | None = None
    """Of the loop's clock; None: waiting."""


class CommandQueue:
    """The outbound half of one connection. `send` writes the frame of an action's CALL with its
    message id, and returns at once.

    Closed until `open`: a deadline that starts before counts from then on. `holding_s` is how long
    that can take at most.
    """

    def __init__(
        self,
        send: Callable[[str, str, bytes], None],
        *,
        holding_s: float = 0.0,
        gap_s: float = HOUSEKEEPING_GAP_S,
    ) -> None:
        self._send = send
        self._holding_s = holding_s
        self._gap_s = gap_s
        self._loop = asyncio.get_running_loop()
        self._waiting: tuple[deque[_Command], ...] = tuple(deque() for _ in Priority)
        self._by_key: dict[str, _Command] = {}
        self._outstanding: dict[str, _Command] = {}
        self._is_open = False
        self._lost: str | None = None
        self._timeouts = 0
        self._quiet_until_s = 0.0
        self._wake: asyncio.TimerHandle | None = None

    async def call(
        self,
        message_id: str,
        action: str,
        frame: bytes,
        *,
        priority: Priority,
        deadline_s: float,
        key: str | None = None,
    ) -> dict[str, Any]:
        """Queue an encoded CALL; the payload of its CALLRESULT, or CallRefused, CallTimeout,
        ConnectionLost or LimitSuperseded."""
        if self._lost is not None:
            raise ConnectionLost(self._lost)
        command = _Command(
            message_id, action, frame, priority, key, deadline_s, self._loop.create_future()
        )
        self._enqueue(command)
        self._arm(command, deadline_s if self._is_open else deadline_s + self._holding_s)
        self._advance()
        try:
            return await command.answer
        finally:
            if command.sent_s is None:
                self._withdraw(command)

    def open(self) -> None:
        """Let commands out; waiting ones get their whole deadline from now."""
        if self._is_open or self._lost is not None:
            return
        self._is_open = True
        for queue in self._waiting:
            for command in queue:
                self._arm(command, command.deadline_s)
        self._advance()

    def outstanding(self, message_id: str) -> tuple[str, float] | None:
        """Action and sending time (of the loop) of a call that waits for its answer; None: there
        is no such call, or its time is over."""
        command = self._outstanding.get(message_id)
        if command is None:
            return None
        assert command.sent_s is not None, "outstanding means sent"
        return command.action, command.sent_s

    def settle(self, message_id: str, outcome: dict[str, Any] | CallRefused) -> None:
        """The station answered an outstanding call."""
        command = self._release(message_id)
        self._timeouts = 0
        self._quiet_until_s = self._loop.time() + self._gap_s
        if not command.answer.done():
            if isinstance(outcome, CallRefused):
                command.answer.set_exception(outcome)
            else:
                command.answer.set_result(outcome)
        self._advance()

    def lose(self, reason: str) -> None:
        """The connection is gone: whatever waits or is outstanding fails now."""
        if self._lost is not None:
            return
        self._lost = reason
        if self._wake is not None:
            self._wake.cancel()
        commands = [*self._outstanding.values(), *(c for queue in self._waiting for c in queue)]
        self._outstanding.clear()
        self._by_key.clear()
        for queue in self._waiting:
            queue.clear()
        for command in commands:
            _fail(command, ConnectionLost(reason))

    def _enqueue(self, command: _Command) -> None:
        queue = self._waiting[command.priority]
        older = None if command.key is None else self._by_key.get(command.key)
        if older is not None:
            self._replace(older, command)
        elif len(queue) >= WAITING_MAX:
            raise CallTimeout(f"{WAITING_MAX} commands already wait for this station")
        else:
            queue.append(command)
        if command.key is not None:
            self._by_key[command.key] = command

    def _replace(self, older: _Command, newer: _Command) -> None:
        """In the older one's place, so that a value that changes often still gets its turn."""
        queue = self._waiting[older.priority]
        if older.priority is newer.priority:
            queue[queue.index(older)] = newer
        else:
            queue.remove(older)
            self._waiting[newer.priority].append(newer)
        _fail(older, LimitSuperseded(f"{older.action} gave way to a newer one"))

    def _withdraw(self, command: _Command) -> None:
        """Take out a command that nobody waits for any more."""
        if command.timer is not None:
            command.timer.cancel()
        queue = self._waiting[command.priority]
        if command in queue:
            queue.remove(command)
        if command.key is not None and self._by_key.get(command.key) is command:
            del self._by_key[command.key]

    def _advance(self) -> None:
        """Send what may be sent now, and come back when more may."""
        while self._is_open and (first := self._first_waiting()) is not None:
            wait_s = self._wait_s(first)
            if wait_s is None:
                return
            if wait_s > 0:
                if self._wake is not None:
                    self._wake.cancel()
                self._wake = self._loop.call_later(wait_s, self._advance)
                return
            self._waiting[first.priority].popleft()
            if first.key is not None:
                del self._by_key[first.key]
            first.sent_s = self._loop.time()
            self._outstanding[first.message_id] = first
            self._send(first.message_id, first.action, first.frame)

    def _first_waiting(self) -> _Command | None:
        return next((queue[0] for queue in self._waiting if queue), None)

    def _wait_s(self, command: _Command) -> float | None:
        """Seconds until this command may go; None: not before an answer or a time-out."""
        now_s = self._loop.time()
        if self._outstanding:
            if command.priority > Priority.SAFETY or len(self._outstanding) == OUTSTANDING_MAX:
                return None
            others = self._outstanding.values()
            in_emergency = Priority.EMERGENCY in (command.priority, *(c.priority for c in others))
            stall_s = EMERGENCY_STALL_S if in_emergency else STALL_S
            return max(c.sent_s or 0.0 for c in others) + stall_s - now_s
        if command.priority is Priority.HOUSEKEEPING:
            return self._quiet_until_s - now_s
        return 0.0

    def _arm(self, command: _Command, within_s: float) -> None:
        if command.timer is not None:
            command.timer.cancel()
        command.timer = self._loop.call_later(within_s, self._expire, command)

    def _expire(self, command: _Command) -> None:
        if command.sent_s is None:
            self._withdraw(command)
            _fail(command, CallTimeout(f"{command.action} could not be sent in time"))
            return
        self._release(command.message_id)
        back_off_s = min(BACK_OFF_MAX_S, BACK_OFF_S * 2.0 ** min(self._timeouts, 16))
        self._timeouts += 1
        self._quiet_until_s = self._loop.time() + back_off_s
        waited_s = self._loop.time() - command.sent_s
        _fail(command, CallTimeout(f"no answer to {command.action} after {waited_s:.0f} s"))
        self._advance()

    def _release(self, message_id: str) -> _Command:
        command = self._outstanding.pop(message_id)
        if command.timer is not None:
            command.timer.cancel()
        return command


def _fail(command: _Command, error: Exception) -> None:
    if command.timer is not None:
        command.timer.cancel()
    if not command.answer.done():
        command.answer.set_exception(error)
