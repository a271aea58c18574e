"""`python -m tests.fuzz --frames 10000000 --seed 7`: generated frames against a whole site.

Prints how many were taken, what escaped, and how far memory grew; exit status 1 on any fault. The
frame that did it is printed with its seed and number. Runs one process for each version.
"""

import argparse
import asyncio
import json
import logging
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from unittest.mock import patch

from sitecontroller.domain.station import OcppVersion
from sitecontroller.services import car_needs
from tests.fuzz.frames import Frames
from tests.fuzz.target import BATCH, RSS_GROWTH_MIB_MAX, Escaped, rss_mib, target

WARM_UP = 20_000
"""Frames before memory is first looked at: caches and learned kinds have filled."""
FOUND_MAX = 5
TOLD_EVERY = 100_000


def main() -> int:
    """Fuzz every version; 0 when nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--frames", type=int, default=10_000_000, help="of all versions together")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--processes", type=int, default=len(OcppVersion))
    asked = parser.parse_args()
    share = asked.frames // len(OcppVersion)
    with ProcessPoolExecutor(asked.processes) as pool:
        jobs = [pool.submit(fuzz, version.value, asked.seed, share) for version in OcppVersion]
        results = [job.result() for job in jobs]
    for result in results:
        print(json.dumps(result), flush=True)
    faults = sum(len(result["faults"]) for result in results)
    print(f"{sum(r['frames'] for r in results)} frames, {faults} faults, seed {asked.seed}")
    return 1 if faults else 0


def fuzz(version: str, seed: int, count: int) -> dict[str, object]:
    """Feed `count` frames of one version; what came of it."""
    return asyncio.run(_fuzz(OcppVersion(version), seed, count))


@patch.object(car_needs, "LOOK_EVERY_S", 0.001)  # one car may wait for its limit; so many can't
async def _fuzz(version: OcppVersion, seed: int, count: int) -> dict[str, object]:
    logging.basicConfig(level=logging.WARNING, handlers=[logging.NullHandler()], force=True)
    escaped, frames = Escaped(), Frames(version, seed)
    logging.getLogger().addHandler(escaped)
    faults: list[str] = []
    began_s, rss, done = time.monotonic(), 0.0, 0
    async with target(version, frames) as fed:
        while done < count and len(faults) < FOUND_MAX:
            batch = [frames.next() for _ in range(min(BATCH, count - done))]
            try:
                await fed.feed(batch)
            except AssertionError as fault:
                faults.append(f"{fault} in frames {done} to {done + len(batch)}")
                break
            found = [*escaped.taken(), *fed.escaped]
            fed.escaped.clear()
            faults += [f"{text} in frames {done} to {done + len(batch)}" for text in found]
            done += len(batch)
            if done % TOLD_EVERY < len(batch):
                print(f"{version}: {done} of {count}, {len(faults)} faults", file=sys.stderr)
            if not rss and done >= WARM_UP:
                rss = rss_mib()
        grown = rss_mib() - rss if rss else 0.0
        faults += await fed.faults_afterwards()
        faults += escaped.taken()
    if grown > RSS_GROWTH_MIB_MAX:
        faults.append(f"memory grew by {grown:.0f} MiB")
    return {
        "version": version.value,
        "frames": done,
        "faults": faults,
        "memory_grown_mib": round(grown, 1),
        "neighbour_waited_s_max": round(fed.waited_s_max, 2),
        "frames_per_s": round(done / (time.monotonic() - began_s)),
    }


if __name__ == "__main__":
    sys.exit(main())
