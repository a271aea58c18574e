"""A small web server on loopback whose answers a test chooses: real HTTP, virtual time or not."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Answer = bytes | dict[str, Any] | list[Any] | int
"""A body, a document, or the status of an answer without one."""


@dataclass(slots=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Web:
    """`answer` gives each request its answer; None: the connection is cut."""

    answer: Callable[[Asked], Answer | None]
    url: str = ""
    asked: list[Asked] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await self._one(head.decode(), reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _one(
        self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        first, *lines = head.strip().split("\r\n")
        method, target, _ = first.split(" ")
        headers = {
            name.lower(): value for name, _, value in (each.partition(": ") for each in lines)
        }
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        parts = urlsplit(target)
        asked = Asked(method, parts.path, dict(parse_qsl(parts.query)), headers, body)
        self.asked.append(asked)
        answer = self.answer(asked)
        if answer is None:
            raise ConnectionResetError
        status = answer if isinstance(answer, int) else 200
        if isinstance(answer, int):
            answer = b""
        text = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        writer.write(f"HTTP/1.1 {status} -\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text)
        await writer.drain()


@contextlib.asynccontextmanager
async def web(answer: Callable[[Asked], Answer | None]) -> AsyncIterator[Web]:
    """Listen on a free port."""
    served = Web(answer)
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    served.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield served
    finally:
        server.close()
