"""A foreign station's own process: started in a folder of the test's, its output kept, ended by us.

What a person does at the station (plug in, hold a card to it) goes the way its makers meant: their
HTTP or WebSocket interface, or lines on the standard input of a small driver of ours.
"""

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import httpx
from websockets.sync.client import connect

STOP_WITHIN_S = 5.0


class Hand(Protocol):
    """What a person can do at a station. A card is held to it to start, and again to stop."""

    def plug(self) -> None: ...
    def start(self, card: str) -> None: ...
    def stop(self, card: str) -> None: ...
    def unplug(self) -> None: ...


@contextmanager
def running(
    command: Sequence[str], directory: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """The program until the block ends; its output goes to station.log."""
    with (directory / "station.log").open("w", encoding="utf-8") as output:
        program = subprocess.Popen(
            command,
            cwd=directory,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield program
        finally:
            if program.stdin is not None:
                program.stdin.close()
            program.terminate()
            try:
                program.wait(timeout=STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait()


class LinesHand:
    """A driver of ours around somebody's library: one word and its argument a line."""

    def __init__(self, program: subprocess.Popen[str]) -> None:
        self._program = program

    def plug(self) -> None:
        self._write("plug")

    def start(self, card: str) -> None:
        self._write(f"swipe {card}")

    stop = start

    def unplug(self) -> None:
        self._write("unplug")

    def _write(self, line: str) -> None:
        assert self._program.stdin is not None
        assert self._program.poll() is None, "the station's program has ended; see station.log"
        self._program.stdin.write(line + "\n")
        self._program.stdin.flush()


def post(url: str, body: dict[str, Any] | None = None) -> Any:
    """An HTTP interface of theirs."""
    answer = httpx.post(url, json=body, timeout=10)
    assert answer.status_code == 200, f"{url}: {answer.status_code} {answer.text}"
    return answer.text


def procedure(url: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
    """One procedure of the SAP simulator's UI protocol."""
    key = f"00000000-0000-4000-8000-{os.urandom(6).hex()}"
    with connect(url, subprotocols=["ui0.0.1"], max_size=2**24) as socket:  # type: ignore[list-item]
        socket.send(json.dumps([key, name, body]))
        while True:
            said = json.loads(socket.recv(timeout=15))
            if said[0] == key:
                assert said[1]["status"] == "success", f"{name}: {said[1]}"
                return dict(said[1])


def answers(question: Callable[[], Any]) -> bool:
    """Whether an interface is up: AssertionError, the test's "not yet", while it is not."""
    try:
        question()
    except (httpx.HTTPError, OSError) as error:
        raise AssertionError(str(error)) from None
    return True
