"""Keeps garbage collection from holding up the event loop; for the controller's own process.

A full collection looks at every object: 90 ms for what the program's modules alone consist of, and
it would come at any moment. So what is there at the start is never looked at again, collections of
young objects stay small, and a full one comes only when enough may be garbage to be worth its
pause (a closed connection leaves about 110 objects in cycles).
"""

import asyncio
import gc

YOUNG_MAX = 700
YOUNG_ROUNDS = 4
"""With Python's 10 a collection of the middle generation took up to 10 ms with 500 stations."""
NEVER = 1_000_000_000
LOOK_EVERY_S = 60.0
GARBAGE_MAX = 50_000
"""Old objects since the last full collection: of 450 closed connections, some 50 MB."""


async def collect_seldom() -> None:
    """Goes on until cancelled; then everything is as it was."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_MAX, YOUNG_ROUNDS, NEVER)
    kept = 0
    try:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if _old_objects() > kept + GARBAGE_MAX:
                gc.collect()
                kept = _old_objects()
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _old_objects() -> int:
    return len(gc.get_objects(generation=2))
