"""Plays the station of a recorded journal once more, against any controller.

What the station said is said again, in its order and at its pace; what the controller asks is
answered as the station answered then. Ids that the controller gives (a 1.6 transaction, a request)
are those of today in what follows. The clock times in the messages stay those of the recording.
A new password is never taken.
"""

import asyncio
import contextlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from sitecontroller.domain.errors import InvalidInput
from sitecontroller.domain.station import OcppVersion
from sitecontroller.domain.views import JournalEntry
from sitecontroller.ocpp import frames
from sitecontroller.simulation.line import SUBPROTOCOLS, Opening, basic_auth, open_line
from sitecontroller.wire import from_json, parse_instant

PAUSE_S_MAX = 30.0
"""Between two messages, before `speed`: a night without cars isn't waited for."""
ANSWER_S_MAX = 30.0
QUIET_S = 1.0
"""At the end of a connection, for what the controller still asks."""
ASKED_WITH = ("requestId", "remoteStartId")
ANSWERED_WITH = ("transactionId",)
GIVEN = ASKED_WITH + ANSWERED_WITH
"""Ids that a controller gives and a station repeats."""
SETTING = ("ChangeConfiguration", "SetVariables")
PASSWORDS = ("AuthorizationKey", "BasicAuthPassword")
REDACTED = "[redacted]"
_CONNECTED = re.compile(r"OCPP (\S+)$")

Frame = list[Any]


@dataclass(frozen=True, slots=True)
class Said:
    """A frame of the station's. `answer` is the controller's then; None: there was none."""

    entry: JournalEntry
    answer: Frame | None


@dataclass(frozen=True, slots=True)
class Asked:
    """A CALL of the controller's, and what the station answered."""

    action: str
    payload: Any
    answer: Frame


@dataclass(frozen=True, slots=True)
class Connection:
    """One connection, from the first frame to the last."""

    version: OcppVersion
    said: tuple[Said, ...]
    asked: tuple[Asked, ...]


@dataclass(slots=True)
class Outcome:
    """What came of a replay; `differences` are sentences."""

    sent: int = 0
    same: int = 0
    differences: list[str] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    asked_then: Counter[str] = field(default_factory=Counter)
    skipped: int = 0
    """Frames that the journal doesn't have as they were."""


def read_recording(lines: Iterable[bytes]) -> list[JournalEntry]:
    """A file of `ocpp export`, one station's. Raises InvalidInput with the line."""
    entries: list[JournalEntry] = []
    for number, line in enumerate(lines, start=1):
        try:
            entries.append(from_json(JournalEntry, orjson.loads(line)))
        except (ValueError, TypeError, KeyError) as error:
            raise InvalidInput(
                f"line {number} is no entry of a journal: {error!r}",
                remedy="Take a file that `sitecontroller ocpp export` wrote",
            ) from None
    if len({entry.station_id for entry in entries}) != 1:
        raise InvalidInput(
            "the file is not the journal of one charger",
            remedy="Take a file that `sitecontroller ocpp export` wrote",
        )
    return entries


def connections(entries: Sequence[JournalEntry]) -> list[Connection]:
    """The recording, connection by connection; what was said before the first is left out."""
    found: list[tuple[OcppVersion, list[JournalEntry]]] = []
    for entry in entries:
        if entry.kind == "connect" and (match := _CONNECTED.search(entry.text)) is not None:
            found.append((OcppVersion(match[1]), []))
        elif found and entry.kind != "disconnect":
            found[-1][1].append(entry)
    if not found:
        raise InvalidInput(
            "the file has no connection from its beginning, so its OCPP version is unknown",
            remedy="Export again, with an earlier --since or none",
        )
    return [_connection(version, of_it) for version, of_it in found]


def _connection(version: OcppVersion, entries: Sequence[JournalEntry]) -> Connection:
    answers: dict[tuple[str, str], list[Frame]] = {}
    for entry in entries:
        frame = _frame(entry)
        if entry.kind in ("result", "error") and frame is not None:
            answers.setdefault((entry.direction, entry.message_id or ""), []).append(frame)

    def answer(direction: str, entry: JournalEntry) -> Frame | None:
        waiting = answers.get((direction, entry.message_id or ""))
        return waiting.pop(0) if waiting else None

    said, asked = [], []
    for entry in entries:
        if entry.direction == "in" and entry.kind in ("call", "send", "invalid"):
            said.append(Said(entry, answer("out", entry)))
        elif entry.direction == "out" and entry.kind == "call":
            call, reply = _frame(entry), answer("in", entry)
            if call is not None and reply is not None:
                asked.append(Asked(str(entry.action), call[3], reply))
    return Connection(version, tuple(said), tuple(asked))


async def replay(
    recorded: Sequence[Connection],
    *,
    url: str,
    station_id: str,
    password: str | None,
    speed: float | None,
) -> Outcome:
    """Say it all again to the controller at `url`, so many times as fast; None: without pauses.

    Raises OSError, TimeoutError or WebSocketException when it doesn't let the station in.
    """
    player = _Player(speed)
    for connection in recorded:
        login = {} if password is None else {"Authorization": basic_auth(station_id, password)}
        protocols = [SUBPROTOCOLS[connection.version]]
        socket = await open_line(Opening(f"{url}/{station_id}", protocols, login))
        try:
            await player.play(connection, socket)
        finally:
            await socket.close()
    return player.outcome


class _Player:
    """The station while it is played; what it learned outlives a connection."""

    def __init__(self, speed: float | None) -> None:
        self.outcome = Outcome()
        self._speed = speed
        self._given: dict[tuple[str, Any], Any] = {}
        """Today's id by its name and what it was then."""
        self._waiting: dict[str, asyncio.Future[Frame]] = {}
        self._answers: list[Asked] = []
        self._version = OcppVersion.V16

    async def play(self, connection: Connection, socket: ClientConnection) -> None:
        self._version = connection.version
        self._answers = list(connection.asked)
        self.outcome.asked_then.update(asked.action for asked in connection.asked)
        reading = asyncio.create_task(self._read(socket))
        try:
            for said, pause_s in zip(connection.said, _pauses(connection), strict=True):
                await asyncio.sleep(0 if self._speed is None else pause_s / self._speed)
                if not await self._say(said, socket, reading):
                    break
            await asyncio.wait((reading,), timeout=QUIET_S)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _say(self, said: Said, socket: ClientConnection, reading: asyncio.Task[None]) -> bool:
        """Whether there is still a connection afterwards."""
        frame = _frame(said.entry)
        if frame is None:
            self.outcome.skipped += 1
            return True
        answer: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._waiting[said.entry.message_id or ""] = answer
        renamed = self._renamed(frame)
        with contextlib.suppress(ConnectionClosed):
            await socket.send(said.entry.text if renamed == frame else json.dumps(renamed))
            self.outcome.sent += 1
        if said.answer is not None:
            both = (answer, reading)
            await asyncio.wait(both, timeout=ANSWER_S_MAX, return_when=asyncio.FIRST_COMPLETED)
        if said.answer is not None and answer.done():
            self._compare(said.entry, said.answer, answer.result())
        elif reading.done():
            self._differs(said.entry, "the controller hung up, the rest was not sent")
        elif said.answer is not None:
            self._differs(said.entry, f"no answer within {ANSWER_S_MAX:g} s")
        return not reading.done()

    async def _read(self, socket: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for text in socket:
                frame = orjson.loads(text)
                if frame[0] == frames.CALL:
                    await socket.send(self._reply(*frame[1:4]).decode())
                elif (waiting := self._waiting.pop(str(frame[1]), None)) is not None:
                    waiting.set_result(frame)

    # What the controller asks

    def _reply(self, message_id: str, action: str, payload: Any) -> bytes:
        self.outcome.asked[action] += 1
        found = None if _sets_a_password(action, payload) else self._recorded(action, payload)
        if found is not None:
            for name in ASKED_WITH:
                if name in found.payload and name in payload:
                    self._given[name, found.payload[name]] = payload[name]
            return orjson.dumps([found.answer[0], message_id, *found.answer[2:]])
        validator = frames.response_validator(self._version, action)
        rejection = {"status": "Rejected"}
        if validator is not None and validator.is_valid(rejection):
            return frames.encode_result(message_id, rejection)
        return frames.encode_error(self._version, message_id, "NotSupported", "not recorded")

    def _recorded(self, action: str, payload: Any) -> Asked | None:
        """The answer to the same question, else the next to one of this action; the last stays."""
        of_it = [asked for asked in self._answers if asked.action == action]
        if not of_it:
            return None
        found = next((asked for asked in of_it if asked.payload == payload), of_it[0])
        if len(of_it) > 1:
            self._answers = [asked for asked in self._answers if asked is not found]
        return found

    # What it answers

    def _compare(self, entry: JournalEntry, then: Frame, now: Frame) -> None:
        self._learn(then, now)
        found = list(_differences(self._renamed(_told(then)), _told(now)))
        for difference in found:
            self._differs(entry, difference)
        self.outcome.same += not found

    def _learn(self, then: Frame, now: Frame) -> None:
        """A 1.6 controller gives the transaction its id."""
        if then[0] == now[0] == frames.CALLRESULT:
            for name in ANSWERED_WITH:
                if name in then[2] and name in now[2]:
                    self._given[name, then[2][name]] = now[2][name]

    def _differs(self, entry: JournalEntry, how: str) -> None:
        about = entry.action or "an unreadable frame"
        self.outcome.differences.append(f"{about} of {entry.at:%Y-%m-%d %H:%M:%S}: {how}")

    def _renamed(self, value: Any) -> Any:
        """The same with today's ids."""
        if isinstance(value, list):
            return [self._renamed(item) for item in value]
        if not isinstance(value, dict):
            return value
        return {
            name: self._given.get((name, item), item)
            if name in GIVEN and isinstance(item, int | str)
            else self._renamed(item)
            for name, item in value.items()
        }


def _pauses(connection: Connection) -> Iterator[float]:
    """Before each message, since the one before it was sent."""
    before: datetime | None = None
    for said in connection.said:
        pause_s = 0.0 if before is None else (said.entry.at - before).total_seconds()
        yield min(max(pause_s, 0.0), PAUSE_S_MAX)
        before = said.entry.at


def _frame(entry: JournalEntry) -> Frame | None:
    """None: the journal has it cut, or it never was JSON."""
    try:
        frame = json.loads(entry.text)  # takes the NaN of some stations
    except (ValueError, RecursionError):
        return None
    return frame if isinstance(frame, list) else None


def _told(answer: Frame) -> Any:
    """The payload of a CALLRESULT, the code of a CALLERROR: its text is for people."""
    return answer[2] if answer[0] == frames.CALLRESULT else {"CALLERROR": answer[2]}


def _differences(then: Any, now: Any, path: str = "answer") -> Iterator[str]:
    if isinstance(then, dict) and isinstance(now, dict):
        for name in [*then, *(name for name in now if name not in then)]:
            inner = name if path == "answer" else f"{path}.{name}"
            yield from _differences(then.get(name), now.get(name), inner)
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        for number, (one, other) in enumerate(zip(then, now, strict=True)):
            yield from _differences(one, other, f"{path}.{number}")
    elif then not in (now, REDACTED) and not (_is_time(then) and _is_time(now)):
        yield f"{path} was {_shown(then)}, is {_shown(now)}"


def _shown(value: Any) -> str:
    return "absent" if value is None else json.dumps(value, ensure_ascii=False)


def _is_time(value: Any) -> bool:
    try:
        parse_instant(value)
    except (ValueError, TypeError):
        return False
    return True


def _sets_a_password(action: str, payload: Any) -> bool:
    return action in SETTING and any(name in json.dumps(payload) for name in PASSWORDS)
