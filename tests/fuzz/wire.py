"""A connection without a socket."""

import time
from collections.abc import Callable


class MemoryWire:
    """A `link.Wire` without a socket."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.sent_s = 0.0
        """When the last frame was."""
        self.aborted = False
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
        self.aborted = True

    def abort(self) -> None:
        self.aborted = True
