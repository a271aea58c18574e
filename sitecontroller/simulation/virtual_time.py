"""An event loop on which half an hour passes in seconds, with real sockets and threads.

The selector never waits for a timer: when nothing is ready, time jumps to the next one. It jumps
only when nothing can still happen *now*: no byte is on its way between two sockets of this loop and
no executor job is in flight; for those it really waits. So an answer that takes the machine a
moment never looks late. Exact for connections whose two ends live on this loop, plain or TLS;
a peer in another process is not waited for.
"""

import asyncio
import logging
import selectors
import socket
import ssl
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from contextvars import Context
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, TypeVarTuple

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")
Address = tuple[Any, ...]
ConnectionEnd = tuple[Address, Address]

DEFAULT_START = datetime(2025, 3, 3, 6, 0, tzinfo=UTC)
WAIT_S_MIN = 1e-6
"""A wait for what rounding left of a time (1e-15 s) would end before it began, for ever."""
LOOK_AGAIN_S = 0.02
"""Real seconds of one wait for bytes or jobs in flight."""
LOOKS_MAX = 100
"""Looks without any event after which bytes in flight are taken for lost (2 s)."""
CANCELLATION_ROUNDS_MAX = 5

log = logging.getLogger(__name__)


class VirtualClock:
    """The `Clock` of a virtual loop: both of its times advance together, and never by themselves.

    Outside a coroutine of the loop it may be read too: it belongs to one loop.
    """

    def __init__(
        self,
        start: datetime = DEFAULT_START,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        assert start.tzinfo is not None, "a clock starts at an aware instant"
        self._start = start
        self._loop = loop if loop is not None else asyncio.get_running_loop()

    def now(self) -> datetime:
        """The start and what has passed on the loop since."""
        return self._start + timedelta(seconds=self._loop.time())

    def monotonic_s(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._loop.time()


class VirtualLoop(asyncio.SelectorEventLoop):
    """A selector loop whose time is `time()` below; `clock` is its `Clock`."""

    def __init__(self, start: datetime = DEFAULT_START) -> None:
        self._now_s = 0.0
        self._jobs = 0
        self._lines = _Lines()
        super().__init__(_NeverWaiting(self._lines, self._has_jobs, self._advance))
        self.clock = VirtualClock(start, self)

    def time(self) -> float:
        """Virtual seconds since this loop was made."""
        return self._now_s

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Arguments], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """As always, but no wait is shorter than `WAIT_S_MIN`."""
        if 0 < delay < WAIT_S_MIN:
            delay = WAIT_S_MIN
        return super().call_later(delay, callback, *args, context=context)

    def run_in_executor(
        self,
        executor: Executor | None,
        func: Callable[[*Arguments], Result],
        *args: *Arguments,
    ) -> asyncio.Future[Result]:
        """As always; time stands still until the job is done."""
        future: asyncio.Future[Result] = super().run_in_executor(executor, func, *args)
        self._jobs += 1
        future.add_done_callback(self._job_done)
        return future

    def _job_done(self, _future: "asyncio.Future[Any]") -> None:
        self._jobs -= 1

    def _has_jobs(self) -> bool:
        return self._jobs > 0

    def _advance(self, seconds: float) -> None:
        self._now_s += seconds

    def _make_socket_transport(
        self, sock: socket.socket, protocol: Any, waiter: Any = None, **options: Any
    ) -> Any:
        counted = self._lines.count(sock, accepted=options.get("server") is not None)
        return super()._make_socket_transport(  # type: ignore[misc]
            counted, protocol, waiter, **options
        )

    def _make_ssl_transport(
        self,
        rawsock: socket.socket,
        protocol: Any,
        sslcontext: ssl.SSLContext,
        waiter: Any = None,
        **options: Any,
    ) -> Any:
        counted = self._lines.count(rawsock, accepted=options.get("server") is not None)
        return super()._make_ssl_transport(  # type: ignore[misc]
            counted, protocol, sslcontext, waiter, **options
        )


def run_virtual(main: Coroutine[Any, Any, Result], *, start: datetime = DEFAULT_START) -> Result:
    """Run `main` to its end on a virtual loop of its own, then end what it left running.

    Inside, `virtual_clock()` is the loop's clock.
    """
    loop = VirtualLoop(start)
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(main)
    finally:
        try:
            _cancel_all(loop)
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            asyncio.set_event_loop(None)
            loop.close()


def virtual_clock() -> VirtualClock:
    """The clock of the running virtual loop."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop), "this coroutine runs on real time"
    return loop.clock


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    for _ in range(CANCELLATION_ROUNDS_MAX):
        tasks = asyncio.all_tasks(loop)
        if not tasks:
            return
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))


class _NeverWaiting(selectors.DefaultSelector):
    """Reports what is ready; otherwise moves virtual time on instead of waiting for it."""

    def __init__(
        self,
        lines: "_Lines",
        has_jobs: Callable[[], bool],
        advance: Callable[[float], None],
    ) -> None:
        super().__init__()
        self._lines, self._has_jobs, self._advance = lines, has_jobs, advance
        self._writers: set[int] = set()

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = super().register(fileobj, events, data)
        self._note(key)
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = super().modify(fileobj, events, data)
        self._note(key)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        key = super().unregister(fileobj)
        self._writers.discard(key.fd)
        return key

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready now; if nothing is, after `timeout` virtual seconds."""
        events = super().select(0)
        if events or (timeout is not None and timeout <= 0):
            return events
        if timeout is None:
            return super().select(None)  # no timer at all: only the outside can wake this loop
        looks = 0
        while self._has_jobs() or self._something_moves():
            events = super().select(LOOK_AGAIN_S)
            if events:
                return events
            looks = 0 if self._has_jobs() else looks + 1
            if looks >= LOOKS_MAX:
                self._give_up()
                break
        self._advance(timeout)
        return []

    def _note(self, key: selectors.SelectorKey) -> None:
        if key.events & selectors.EVENT_WRITE:
            self._writers.add(key.fd)
        else:
            self._writers.discard(key.fd)

    def _something_moves(self) -> bool:
        """Whether the kernel owes this loop an event it was asked for."""
        lines = self._lines
        if lines.flying and any(self._awaits(end) for end in lines.flying):
            return True
        return any(self._awaits(lines.peer_of(fd)) for fd in self._writers)

    def _awaits(self, end: ConnectionEnd | None) -> bool:
        """Whether bytes to this end will be read without anything else happening first.

        True too for an end that isn't there yet: its connection is being opened.
        """
        counted = self._lines.ends.get(end) if end is not None else None
        if counted is None:
            return True
        key = self.get_map().get(counted.fileno())
        return key is not None and bool(key.events & selectors.EVENT_READ)

    def _give_up(self) -> None:
        log.warning(
            "virtual time: what was on its way between sockets did not arrive; time moves on "
            "connections=%s",
            list(self._lines.flying),
        )
        self._lines.flying.clear()
        self._writers.clear()


class _Lines:
    """The connections of one loop and the bytes on their way in each direction."""

    def __init__(self) -> None:
        self.ends: dict[ConnectionEnd, _CountedSocket] = {}
        self.flying: dict[ConnectionEnd, int] = {}
        """Bytes sent and not yet read, by the receiving end; the end of the stream counts one."""
        self._by_fd: dict[int, _CountedSocket] = {}

    def count(self, sock: socket.socket, *, accepted: bool) -> socket.socket:
        """The same connection as a socket that counts; others than TCP stay as they are."""
        if sock.family not in (socket.AF_INET, socket.AF_INET6):
            return sock
        try:
            here, there = sock.getsockname()[:2], sock.getpeername()[:2]
        except OSError:
            return sock  # gone already: its transport will find out
        counted = _CountedSocket(fileno=sock.detach())
        counted.setblocking(False)
        counted.watch(self, (here, there))
        self.ends[here, there] = counted
        self._by_fd[counted.fileno()] = counted
        if accepted:
            self.arrived((here, there), 1)
        elif (there, here) not in self.ends:
            self.sent((there, here), 1)  # the peer has to accept; taken off when it does
        return counted

    def sent(self, end: ConnectionEnd, amount: int) -> None:
        self.flying[end] = self.flying.get(end, 0) + amount

    def arrived(self, end: ConnectionEnd, amount: int) -> None:
        left = self.flying.get(end, 0) - amount
        if left > 0:
            self.flying[end] = left
        else:
            self.flying.pop(end, None)

    def closed(self, counted: "_CountedSocket", descriptor: int) -> None:
        """One end is gone: what flew to it is void, the other is about to hear of it."""
        self._by_fd.pop(descriptor, None)
        if self.ends.get(counted.end) is counted:
            del self.ends[counted.end]
        self.flying.pop(counted.end, None)
        peer = self.ends.get(counted.peer)
        if peer is None:
            self.flying.pop(counted.peer, None)
        else:
            peer.has_peer = False
            self.sent(counted.peer, 1)

    def peer_of(self, descriptor: int) -> ConnectionEnd | None:
        counted = self._by_fd.get(descriptor)
        return None if counted is None else counted.peer


class _CountedSocket(socket.socket):
    """A connected TCP socket that tells its loop what it sent and read."""

    _lines: _Lines
    end: ConnectionEnd
    peer: ConnectionEnd
    has_peer = True

    def watch(self, lines: _Lines, end: ConnectionEnd) -> None:
        self._lines, self.end, self.peer = lines, end, (end[1], end[0])

    def send(self, data: Any, flags: int = 0) -> int:
        return self._sent(super().send(data, flags))

    def sendmsg(self, *args: Any) -> int:
        return self._sent(super().sendmsg(*args))

    def recv(self, size: int, flags: int = 0) -> bytes:
        try:
            data = super().recv(size, flags)
        except OSError as error:
            self._failed(error)
            raise
        self._received(len(data))
        return data

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        try:
            amount = super().recv_into(buffer, nbytes, flags)
        except OSError as error:
            self._failed(error)
            raise
        self._received(amount)
        return amount

    def shutdown(self, how: int) -> None:
        super().shutdown(how)
        if how != socket.SHUT_RD and self.has_peer:
            self._lines.sent(self.peer, 1)

    def close(self) -> None:
        descriptor = self.fileno()
        super().close()
        if descriptor >= 0:
            self._lines.closed(self, descriptor)

    def _sent(self, amount: int) -> int:
        if self.has_peer:
            self._lines.sent(self.peer, amount)
        return amount

    def _received(self, amount: int) -> None:
        if amount:
            self._lines.arrived(self.end, amount)
        else:
            self._lines.flying.pop(self.end, None)  # the end of the stream: nothing follows

    def _failed(self, error: OSError) -> None:
        if not isinstance(error, BlockingIOError | InterruptedError):
            self._lines.flying.pop(self.end, None)  # reset: nothing more comes
