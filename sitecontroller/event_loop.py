"""The controller's event loop, made in one place: uvloop where it is installed, else asyncio's own.

It takes a quarter off the CPU time of a message (docs/adr/0007). Whatever runs on the loop
must run on both: uvloop's transports are no `asyncio.Transport` by name, its handles no
`asyncio.Handle`, and its `time()` counts whole milliseconds.
"""

import asyncio
import importlib
import importlib.util
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


def new_event_loop() -> asyncio.AbstractEventLoop:
    """The loop that the controller runs on."""
    if importlib.util.find_spec("uvloop") is None:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = importlib.import_module("uvloop").new_event_loop()
    return loop


def run(main: Coroutine[Any, Any, Result], *, watched: bool = False) -> Result:
    """Run `main` to its end. `watched`: on asyncio's own loop, whose steps `watchdog` can see."""
    factory = asyncio.new_event_loop if watched else new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)


def name_of(loop: asyncio.AbstractEventLoop) -> str:
    """Whose loop it is, for the log."""
    return type(loop).__module__.partition(".")[0]
