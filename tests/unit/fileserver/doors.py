"""A file server on loopback for a test, and what it told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sitecontroller.clock import SystemClock
from sitecontroller.config import FileSettings
from sitecontroller.domain.files import TransferScheme
from sitecontroller.fileserver.server import LanFileServer
from sitecontroller.fileserver.tickets import new_token
from sitecontroller.ports import Clock, FileEvent

SIZE_MAX = 1024 * 1024


@dataclass
class Doors:
    """The server under test."""

    server: LanFileServer
    told: list[FileEvent] = field(default_factory=list)

    def upload(self, scheme: TransferScheme = TransferScheme.HTTP, size_max: int = SIZE_MAX) -> str:
        """Where one file may be brought."""
        token = new_token()
        self.server.expect(token, f"log-{token}", size_max)
        return self.server.url(token, scheme, "", None)

    async def download(
        self, content: bytes, scheme: TransferScheme = TransferScheme.HTTP, name: str = "fw.bin"
    ) -> str:
        """Where a file may be fetched."""

        async def chunks() -> AsyncIterator[bytes]:
            yield content

        token = new_token()
        await self.server.keep(f"firmware-{token}", chunks(), SIZE_MAX * 16)
        self.server.offer(token, f"firmware-{token}", name)
        return self.server.url(token, scheme, name, None)

    async def content(self, name: str) -> bytes:
        """Of a kept file."""
        return b"".join([piece async for piece in self.server.read(name)])


@asynccontextmanager
async def doors(
    folder: Path, *, clock: Clock | None = None, tls: Path | None = None, **settings: Any
) -> AsyncIterator[Doors]:
    """A running file server on loopback."""
    server = LanFileServer(
        replace(FileSettings(), **settings),
        folder / "files",
        "127.0.0.1",
        clock or SystemClock(),
        () if tls is None else (tls,),
    )
    found = Doors(server)
    server.tell(found.told.append)
    await server.start()
    try:
        yield found
    finally:
        await server.stop()
