"""Virtual time: timers cost nothing, and nothing that is under way looks late."""

import asyncio
import selectors
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve

from sitecontroller.simulation.virtual_time import (
    VirtualClock,
    VirtualLoop,
    run_virtual,
    virtual_clock,
)

ROUND_TRIPS = 10_000
Run = Callable[..., Any]


@pytest.fixture(params=["prompt", "slow"])
def run_fast(run: Run, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run` on a virtual loop, over a kernel that delivers at once and over one that doesn't.

    The slow kernel never has anything ready for a caller who doesn't wait.
    """
    if request.param == "slow":
        select = selectors.DefaultSelector.select
        monkeypatch.setattr(
            selectors.DefaultSelector,
            "select",
            lambda self, timeout=None: [] if timeout == 0 else select(self, timeout),
        )
    return lambda main, **options: run(main, loop_factory=VirtualLoop, **options)


def now_s() -> float:
    return asyncio.get_running_loop().time()


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


@asynccontextmanager
async def echo_connection(**options: Any) -> AsyncIterator[ClientConnection]:
    async with serve(echo, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        port = server.sockets[0].getsockname()[1]
        url = f"ws://127.0.0.1:{port}"
        async with connect(url, compression=None, ping_interval=None, **options) as connection:
            yield connection


def test_a_day_passes_at_once(run_fast: Run) -> None:
    async def sleep_a_day() -> float:
        await asyncio.sleep(86_400)
        return now_s()

    began = time.monotonic()
    assert run_fast(sleep_a_day()) == pytest.approx(86_400)
    assert time.monotonic() - began < 5


def test_timers_come_in_their_order(run_fast: Run) -> None:
    async def wake_in_order() -> list[float]:
        woken: list[float] = []

        async def sleeper(seconds: float) -> None:
            await asyncio.sleep(seconds)
            woken.append(seconds)

        await asyncio.gather(*(sleeper(s) for s in (3.0, 0.5, 2.0, 86_400.25, 0.1)))
        return woken

    assert run_fast(wake_in_order()) == [0.1, 0.5, 2.0, 3.0, 86_400.25]


def test_a_wait_for_a_rounding_error_ends(run_fast: Run) -> None:
    """0.1 + 0.2 > 0.3: a loop that sleeps for what is left must see time move."""

    async def wait_out() -> float:
        await asyncio.sleep(1000)
        began_s, turns = now_s(), 0
        while (left_s := 0.1 + 0.2 - 0.3 - (now_s() - began_s)) > 0:
            await asyncio.sleep(left_s)
            turns += 1
            assert turns < 10
        return now_s() - began_s

    assert 0 < run_fast(wait_out()) < 1e-5


def test_both_times_of_the_clock_advance_with_the_loop(run_fast: Run) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)

    async def read_the_clock() -> tuple[datetime, float]:
        clock = VirtualClock(start)
        await asyncio.sleep(90)
        return clock.now(), clock.monotonic_s()

    now, monotonic_s = run_fast(read_the_clock())
    assert now == start + timedelta(seconds=90)
    assert monotonic_s == pytest.approx(90)


def test_a_run_starts_at_the_instant_asked_for() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)

    async def ask() -> datetime:
        return virtual_clock().now()

    assert run_virtual(ask(), start=start) == start


def test_time_stands_still_while_a_thread_works(run_fast: Run) -> None:
    async def work_against_a_timer() -> tuple[str, float]:
        loop = asyncio.get_running_loop()
        gate = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            threading.Timer(0.1, gate.set).start()
            async with asyncio.timeout(1):
                ended = await loop.run_in_executor(pool, gate.wait, 20)
        return str(ended), now_s()

    assert run_fast(work_against_a_timer()) == ("True", 0.0)


def test_ten_thousand_web_socket_answers_are_never_late(run_fast: Run) -> None:
    async def exchange() -> float:
        async with echo_connection() as connection:
            for number in range(ROUND_TRIPS):
                async with asyncio.timeout(1):
                    await connection.send(str(number))
                    assert await connection.recv() == str(number)
        return now_s()

    assert run_fast(exchange()) == 0.0


def test_twelve_busy_connections_lose_no_time(run_fast: Run) -> None:
    async def talk(url: str) -> None:
        async with connect(url, compression=None) as connection:
            for number in range(100):
                async with asyncio.timeout(1):
                    await connection.send("x" * 700)
                    await connection.recv()
                await asyncio.sleep(10 + number % 3)

    async def twelve() -> float:
        async with serve(echo, "127.0.0.1", 0, compression=None) as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            await asyncio.gather(*(talk(url) for _ in range(12)))
            return now_s()

    assert run_fast(twelve()) == pytest.approx(33 * (10 + 11 + 12) + 10)


def test_megabytes_arrive_before_time_moves(run_fast: Run) -> None:
    """More than the kernel's buffers hold: sender and receiver wait for each other."""

    async def exchange() -> float:
        async with echo_connection(max_size=None) as connection:
            async with asyncio.timeout(1):
                await connection.send(b"x" * 1_000_000)
                assert len(await connection.recv()) == 1_000_000
        return now_s()

    assert run_fast(exchange()) == 0.0


def test_a_closed_connection_is_noticed_before_time_moves(run_fast: Run) -> None:
    async def hang_up() -> float:
        async def read_to_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            async with asyncio.timeout(1):
                await reader.read()
            writer.close()
            ended.set_result(now_s())

        ended: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        server = await asyncio.start_server(read_to_end, "127.0.0.1", 0)
        async with server:
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.transport.abort()
            return await ended

    assert run_fast(hang_up()) == 0.0


def test_a_reader_that_pauses_does_not_stop_the_clock(run_fast: Run) -> None:
    async def pause() -> float:
        async def read_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            transport = writer.transport
            assert isinstance(transport, asyncio.ReadTransport)
            transport.pause_reading()
            await asyncio.sleep(60)
            transport.resume_reading()
            await reader.readexactly(5)
            writer.close()
            ended.set_result(now_s())

        ended: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        server = await asyncio.start_server(read_late, "127.0.0.1", 0)
        async with server:
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"hello")
            result = await ended
            writer.close()
            return result

    began = time.monotonic()
    assert run_fast(pause()) == pytest.approx(60)
    assert time.monotonic() - began < 1.5  # the bytes were not waited for


def test_a_silent_peer_lets_a_timeout_come(run_fast: Run) -> None:
    async def wait_in_vain() -> float:
        async with echo_connection() as connection:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(30):
                    await connection.recv()
            return now_s()

    assert run_fast(wait_in_vain()) == pytest.approx(30)


def test_a_refused_connection_takes_no_time(run_fast: Run) -> None:
    async def knock() -> float:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)
        return now_s()

    assert run_fast(knock()) == 0.0
