"""Keeps garbage collection from holding up the event loop; for the controller's own process.

A full collection looks at every object: 90 ms for what the program's modules alone consist of, and
it would come at any moment. So what is there at the start is never looked at again, collections of
young objects stay small, and a full one (0.1 ms per station) comes only when memory has grown as
much as by 500 closed connections, each of which leaves a knot that nothing else unties.
"""

import asyncio
import gc
import sys

YOUNG_MAX = 700
YOUNG_ROUNDS = 4
"""With Python's 10 a collection of the middle generation took up to 10 ms with 500 stations."""
NEVER = 1_000_000_000
LOOK_EVERY_S = 60.0
GROWTH_BLOCKS = 150_000
"""Of memory; a closed connection leaves 300."""


async def collect_seldom() -> None:
    """Goes on until cancelled; then everything is as it was."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_MAX, YOUNG_ROUNDS, NEVER)
    try:
        await asyncio.sleep(LOOK_EVERY_S)
        kept = sys.getallocatedblocks()  # With the stations' connections, which are no garbage.
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if sys.getallocatedblocks() > kept + GROWTH_BLOCKS:
                gc.collect()
                kept = sys.getallocatedblocks()
            kept = min(kept, sys.getallocatedblocks())
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
