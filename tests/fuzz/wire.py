"""A connection without a socket."""

import time
from collections.abc import Callable

MEANT = ("its password has changed",)
"""Why the controller may close a connection that someone wanted something of; this one stays."""


class MemoryWire:
    """A `link.Wire` without a socket."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.sent_s = 0.0
        """When the last frame was."""
        self.ended_because = ""
        """Why the controller ended the connection; "": it didn't."""
        self.on_frame: Callable[[bytes], None] = lambda _: None

    def answer(self, mark: str) -> bytes | None:
        """What was answered to the CALL of that id; None: nothing yet."""
        wanted = f'[3,"{mark}",'.encode()
        return next((frame for frame in self.sent if frame.startswith(wanted)), None)

    congested = False

    def listen(self, on_frame: Callable[[bytes], None], on_lost: Callable[[], None]) -> None:
        self.on_frame = on_frame

    def pause(self) -> None:
        """Frames come one batch at a time."""

    def resume(self) -> None:
        """As above."""

    def send(self, frame: bytes) -> None:
        self.sent.append(frame)
        self.sent_s = time.monotonic()

    async def drain(self) -> None:
        """Nothing waits."""

    async def ping(self) -> bool:
        return True

    async def close(self, reason: str) -> None:
        if reason not in MEANT:
            self.ended_because = reason

    def abort(self) -> None:
        self.ended_because = self.ended_because or "dropped"
