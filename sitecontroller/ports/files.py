"""The seam to the file server for firmware and logs."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sitecontroller.domain.files import TransferScheme


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as it lies with us: its size and sums, in hex."""

    name: str
    size_bytes: int
    sha256: str
    md5: str


@dataclass(frozen=True, slots=True)
class FileArrived:
    """A station brought a whole file; `file_name` is its own name for it, cleaned."""

    token: str
    file: StoredFile
    file_name: str
    scheme: TransferScheme


@dataclass(frozen=True, slots=True)
class FileFetched:
    """A station has had the last byte of a file."""

    token: str
    scheme: TransferScheme


FileEvent = FileArrived | FileFetched


class FileServer(Protocol):
    """Files of and for stations, and the doors on the LAN through which those who know a token
    fetch and bring them. Names and tokens are ours; nothing here waits for the disk on the loop.
    """

    @property
    def schemes(self) -> tuple[TransferScheme, ...]:
        """The ways that are open, preferred first."""

    def tell(self, listener: Callable[[FileEvent], None]) -> None:
        """Who hears of files that came and went, on the loop."""

    def offer(self, token: str, name: str, file_name: str) -> None:
        """Whoever knows the token may fetch a file, as often as it likes, until withdrawn."""

    def expect(self, token: str, name: str, size_max_bytes: int) -> None:
        """Whoever knows the token may bring one file, once; it is kept under `name`."""

    def withdraw(self, token: str) -> None:
        """The token opens nothing any more."""

    def url(self, token: str, scheme: TransferScheme, file_name: str, towards: str | None) -> str:
        """What a station at the address `towards` is told; without a name it ends in a slash."""

    def moved_bytes(self, token: str) -> int:
        """How much went over so far; 0 when nothing is known of it."""

    async def keep(
        self, name: str, chunks: AsyncIterator[bytes], size_max_bytes: int
    ) -> StoredFile:
        """Take a file in from our own side. Raises InvalidInput (too large), OperatingError."""

    def read(self, name: str) -> AsyncIterator[bytes]:
        """A file's bytes. Raises NotFound at the first step."""

    def path(self, name: str) -> Path:
        """Where it lies, for the workshop."""

    async def remove(self, name: str) -> None:
        """Forget a file; none of that name is no fault."""

    async def names(self) -> frozenset[str]:
        """Of all files kept."""

    async def renew(self) -> None:
        """Show a renewed certificate from now on, where there is one."""

    @property
    def fill(self) -> float:
        """How much of the quota is used, 0 to 1."""
