"""What many stations cost the OCPP server: memory while idle, latency when steady, coming back.

The floor is bare `websockets` with JSON, as in `ocpp.py`; stations are in a process of their own.
"""

import asyncio
import contextlib
import gc
import logging
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from sitecontroller import event_loop
from sitecontroller.domain.station import OcppVersion
from sitecontroller.garbage import collect_seldom
from tests.bench import ocpp
from tests.bench.ocpp_mix import mixed
from tests.fuzz.target import rss_mib

VERSION = OcppVersion.V16.value
IDLE = 500
STEADY, CALLS_PER_S, STEADY_S = 500, 400, 10
COSTS = (100, 1000)
COST_NAME = "CPU a call at 1000 stations, of that at 100"
CALLS_FOR_COST = 60


async def run() -> dict[str, float]:
    """Latencies in ms, memory in KiB, times as ratios to the floor; in a process of its own, whose
    memory nobody has used before."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return await asyncio.get_running_loop().run_in_executor(pool, _in_child)


def _in_child() -> dict[str, float]:
    logging.disable(logging.CRITICAL)
    figures = event_loop.run(_ours())
    floor = asyncio.run(_floor())
    figures["500 come back, of the floor's time"] = round(
        figures.pop("back s") / floor.pop("back s"), 2
    )
    return figures | floor


async def _floor() -> dict[str, float]:
    async with ocpp._floor(VERSION) as port:
        with _stations(port) as ask:
            await ask("connect", IDLE)
            back_s = await ask("return", IDLE)
    return {"back s": back_s, f"the floor's {COST_NAME}": await _growth(ocpp._floor)}


async def _growth(server: Callable[[str], ocpp.Server]) -> float:
    """CPU a call with many stations, of that with few."""
    cost_s = []
    for count in COSTS:
        async with server(VERSION) as port:
            with _stations(port) as ask:
                await ask("connect", count)
                cpu_s = time.process_time()
                await ask("talk", count)
                cost_s.append((time.process_time() - cpu_s) / count)
    few_s, many_s = cost_s
    return round(many_s / few_s, 2)


async def _ours() -> dict[str, float]:
    figures: dict[str, float] = {}
    collecting = asyncio.create_task(collect_seldom())  # as `sitecontroller run` does
    async with ocpp._ours(VERSION) as port:
        with _stations(port) as ask:
            await ask("connect", 20)  # what is loaded at the first ones is no station's
            gc.collect()
            before_mib = rss_mib()
            await ask("connect", IDLE)
            gc.collect()
            figures["KiB an idle station"] = round((rss_mib() - before_mib) * 1024 / IDLE, 1)
            figures["back s"] = await ask("return", IDLE)
            figures["p99 ms at 500 stations, 400 calls/s"] = await ask("steady", STEADY)
    figures[COST_NAME] = await _growth(ocpp._ours)
    collecting.cancel()
    return figures


@contextlib.contextmanager
def _stations(port: int) -> Iterator[Callable[[str, int], Any]]:
    """A process of stations: what is asked of it is done, and its answer awaited."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    child = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs, port))
    child.start()
    theirs.close()

    async def ask(what: str, count: int) -> float:
        ours.send((what, count))
        answer: float = await asyncio.get_running_loop().run_in_executor(None, ours.recv)
        return answer

    try:
        yield ask
    finally:
        child.kill()
        child.join()


def _serve(pipe: Any, port: int) -> None:
    asyncio.run(_Stations(pipe, port).serve())


class _Stations:
    """In the child: the connected ones."""

    def __init__(self, pipe: Any, port: int) -> None:
        self._pipe, self._port = pipe, port
        self._connected: list[ocpp._Station] = []
        self._latencies: list[float] = []

    async def serve(self) -> None:
        loop = asyncio.get_running_loop()
        work = {
            "connect": self._connect,
            "return": self._return,
            "steady": self._steady,
            "talk": self._talk,
        }
        with contextlib.suppress(EOFError):
            while True:
                what, count = await loop.run_in_executor(None, self._pipe.recv)
                self._pipe.send(await work[what](count))

    async def _connect(self, count: int) -> float:
        """In place of those there were, in steps of fifty; how long it took, s."""
        began_s = time.perf_counter()
        self._drop()
        for first in range(0, count, 50):
            numbers = range(first, min(first + 50, count))
            self._connected += await asyncio.gather(*map(self._one, numbers))
        return time.perf_counter() - began_s

    async def _return(self, count: int) -> float:
        """All at once; how long until each has an answer to its first call, s."""
        self._drop()
        await asyncio.sleep(1)
        began_s = time.perf_counter()
        self._connected = list(await asyncio.gather(*map(self._one, range(count))))
        await self._talk(count, calls=1)
        return time.perf_counter() - began_s

    async def _talk(self, count: int, calls: int = CALLS_FOR_COST) -> float:
        """Each says so much, one call after the other."""
        for number, station in enumerate(self._connected[:count]):
            station.say(ocpp._masked_frames(mixed(VERSION, number, calls)))
        await asyncio.gather(*(station.done for station in self._connected[:count]))
        return 0.0

    async def _steady(self, count: int) -> float:
        """p99 of round trips in ms while CALLS_PER_S are said, spread over all."""
        self._latencies.clear()
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        for number in range(CALLS_PER_S * STEADY_S):
            await asyncio.sleep(max(0.0, began_s + number / CALLS_PER_S - loop.time()))
            station = self._connected[number % count]
            station.say(ocpp._masked_frames(mixed(VERSION, number, 1)))
        await asyncio.gather(*(station.done for station in self._connected[:count]))
        return round(statistics.quantiles(self._latencies, n=100)[98] * 1000, 2)

    async def _one(self, number: int) -> ocpp._Station:
        loop = asyncio.get_running_loop()
        _, station = await loop.create_connection(
            lambda: ocpp._Station([], self._latencies), "127.0.0.1", self._port
        )
        station.transport.write(ocpp._handshake(ocpp._name(number), VERSION))
        await station.upgraded
        return station

    def _drop(self) -> None:
        for station in self._connected:
            station.done.cancel()
            station.transport.abort()
        self._connected.clear()


if __name__ == "__main__":
    for name, value in asyncio.run(run()).items():
        print(f"{name}: {value}")
