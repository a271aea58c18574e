"""A charger in the test's hand: raw OCPP frames over a real WebSocket, nothing clever.

It answers what the controller asks with the plainest acceptance, unless told otherwise, and keeps
everything it was asked.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

Answer = Callable[[dict[str, Any]], dict[str, Any] | None]
"""A payload in, a payload out; None: never answer."""

_ACCEPTED = {"status": "Accepted"}
_PLAIN: dict[str, dict[str, Any]] = {
    "GetConfiguration": {"configurationKey": [], "unknownKey": []},
    "UnlockConnector": {"status": "Unlocked"},
    "GetCompositeSchedule": {"status": "Rejected"},
    "GetVariables": {"getVariableResult": []},
    "SetVariables": {"setVariableResult": []},
    "GetTransactionStatus": {"messagesInQueue": False},
    "ClearCache": _ACCEPTED,
}


class CallError(Exception):
    """The controller answered with a CALLERROR; one that an answer raises goes to it."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code


class Charger:
    """One connection of a charger."""

    def __init__(self, socket: ClientConnection, version: str) -> None:
        self.socket = socket
        self.version = version
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Answer] = {}
        self.errors: dict[str, str] = {}
        """Actions answered with a CALLERROR of that code."""
        self.refused_answers: list[list[Any]] = []
        """The CALLRESULTERRORs that came (OCPP 2.1)."""
        self._pending: dict[str, asyncio.Future[Any]] = {}
        self._number = 0

    async def call(
        self, action: str, payload: dict[str, Any], *, message_id: str | None = None
    ) -> dict[str, Any]:
        """Send a CALL and return the answer's payload; CallError for a CALLERROR."""
        self._number += 1
        key = message_id or f"test-{self._number}"
        future = asyncio.get_running_loop().create_future()
        self._pending[key] = future
        await self.socket.send(json.dumps([2, key, action, payload]))
        answer: dict[str, Any] = await asyncio.wait_for(future, 10)
        return answer

    async def tell(self, action: str, payload: dict[str, Any]) -> None:
        """Send a SEND (OCPP 2.1), which nobody answers."""
        self._number += 1
        await self.socket.send(json.dumps([6, f"send-{self._number}", action, payload]))

    def asked_for(self, action: str) -> list[dict[str, Any]]:
        """The payloads of every CALL of that action so far."""
        return [payload for name, payload in self.asked if name == action]

    async def read(self) -> None:
        """Take in frames until the connection closes."""
        async for text in self.socket:
            frame = json.loads(text)
            if frame[0] == 2:
                await self._answer(frame)
                continue
            if frame[0] == 5:
                self.refused_answers.append(frame)
                continue
            future = self._pending.pop(frame[1], None)
            if future is None or future.done():
                continue
            if frame[0] == 3:
                future.set_result(frame[2])
            else:
                future.set_exception(CallError(frame[2], frame[3]))

    async def _answer(self, frame: list[Any]) -> None:
        _, key, action, payload = frame
        self.asked.append((action, payload))
        if action in self.errors:
            await self.socket.send(json.dumps([4, key, self.errors[action], "", {}]))
            return
        try:
            answer = self.answers.get(action, lambda _: _PLAIN.get(action, _ACCEPTED))(payload)
        except CallError as error:
            await self.socket.send(json.dumps([4, key, error.code, str(error), {}]))
            return
        if answer is not None:
            await self.socket.send(json.dumps([3, key, answer]))


@asynccontextmanager
async def charger_at(
    url: str, station_id: str, password: str, version: str = "1.6"
) -> AsyncIterator[Charger]:
    """A connected charger that has not booted yet."""
    login = base64.b64encode(f"{station_id}:{password}".encode()).decode()
    async with connect(
        f"{url}/{station_id}",
        subprotocols=[f"ocpp{version}"],  # type: ignore[list-item]
        additional_headers={"Authorization": f"Basic {login}"},
        ping_interval=None,
    ) as socket:
        charger = Charger(socket, version)
        reader = asyncio.create_task(charger.read())
        try:
            yield charger
        finally:
            await socket.close()
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
