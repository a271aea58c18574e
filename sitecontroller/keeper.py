"""The keeper: starts the controller, starts it again when it dies, hands on the wish to stop.

A parent of few lines and no dependencies, so that nothing of the controller can take it down.
Back-off: 1 s, growing to 30 s; a run of a minute resets it. Exit status 75 asks for a restart at
once (a station was accepted, the configuration changed), 78 says that a restart would not help.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from types import FrameType

RESTART_STATUS = 75
UNUSABLE_STATUS = 78
BACKOFF_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
STEADY_AFTER_S = 60.0
STOP_WITHIN_S = 10.0


class Keeper:
    """Keeps one controller process alive until it is told to stop; `ask` asks one to end."""

    def __init__(
        self,
        arguments: list[str],
        say: Callable[[str], None],
        ask: Callable[[subprocess.Popen[bytes]], None] = subprocess.Popen.terminate,
    ) -> None:
        self._command = [sys.executable, "-m", "sitecontroller", "serve", *arguments]
        self._say, self._ask = say, ask
        self._stopping = False
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)

    def run(self) -> int:
        """Until the controller ends cleanly or a stop is asked for; its last exit status."""
        failures = 0
        while True:
            started_s = time.monotonic()
            status = self._wait(subprocess.Popen(self._command))
            if self._stopping or status in (0, UNUSABLE_STATUS):
                return status
            if status == RESTART_STATUS:
                self._say("controller: restarts with its new configuration")
                continue
            if time.monotonic() - started_s > STEADY_AFTER_S:
                failures = 0
            pause_s = BACKOFF_S[min(failures, len(BACKOFF_S) - 1)]
            failures += 1
            self._say(f"controller: ended with status {status}; starts again in {pause_s:g} s")
            if not self._pause(pause_s):
                return 0

    def _wait(self, child: subprocess.Popen[bytes]) -> int:
        """The child's exit status; one that won't stop is killed after `STOP_WITHIN_S`."""
        asked_s: float | None = None
        while True:
            try:
                return child.wait(timeout=0.2)
            except subprocess.TimeoutExpired:
                if not self._stopping:
                    continue
            if asked_s is None:
                asked_s = time.monotonic()
                self._ask(child)
            elif time.monotonic() - asked_s > STOP_WITHIN_S:
                child.kill()

    def _pause(self, pause_s: float) -> bool:
        """Wait; False when a stop is asked for meanwhile."""
        until_s = time.monotonic() + pause_s
        while time.monotonic() < until_s and not self._stopping:
            time.sleep(0.05)
        return not self._stopping

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        self._stopping = True
