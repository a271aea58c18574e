"""FTP for stations: brought and fetched in every way embedded clients do, and nothing to see."""

import asyncio
import ftplib
import io
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import pytest

from sitecontroller.domain.files import TransferScheme
from sitecontroller.ports import FileArrived, FileFetched
from tests.support import eventually, wait_until
from tests.unit.fileserver.doors import doors

CONTENT = bytes(range(256)) * 1000
FTP = TransferScheme.FTP


def logged_in(url: str, user: str | None = None, password: str | None = None) -> ftplib.FTP:
    """A client at the place a URL names, with its user."""
    parts = urlsplit(url)
    client = ftplib.FTP()
    client.connect(parts.hostname or "", parts.port or 21, timeout=10)
    client.login(user or parts.username or "", password or parts.password or "")
    return client


def by_url(parts: SplitResult, client: ftplib.FTP) -> None:
    """As libcurl does: into the folder, then the name alone."""
    client.cwd(parts.path)
    client.storbinary("STOR diag.log", io.BytesIO(CONTENT))


def by_path(parts: SplitResult, client: ftplib.FTP) -> None:
    client.storbinary(f"STOR {parts.path}diag.log", io.BytesIO(CONTENT))


def step_by_step(parts: SplitResult, client: ftplib.FTP) -> None:
    for folder in filter(None, parts.path.split("/")):
        client.cwd(folder)
    client.storbinary("STOR diag.log", io.BytesIO(CONTENT))


def at_the_root(parts: SplitResult, client: ftplib.FTP) -> None:
    client.storbinary("STOR diag.log", io.BytesIO(CONTENT))


def actively(parts: SplitResult, client: ftplib.FTP) -> None:
    client.set_pasv(False)
    client.storbinary("STOR diag.log", io.BytesIO(CONTENT))


def renamed(parts: SplitResult, client: ftplib.FTP) -> None:
    client.storbinary("STOR diag.log", io.BytesIO(CONTENT))
    client.rename("diag.log", "diag-final.log")
    assert client.size("diag.log") == len(CONTENT)


@pytest.mark.parametrize(
    "bring",
    [by_url, by_path, step_by_step, at_the_root, actively, renamed],
    ids=lambda f: f.__name__,
)
def test_q56_a_station_brings_its_file_by_ftp(
    run: Callable[..., Any], tmp_path: Path, bring: Callable[..., None]
) -> None:
    async def scenario() -> None:
        async with doors(tmp_path) as door:
            url = door.upload(FTP)

            def station() -> None:
                with logged_in(url) as client:
                    bring(urlsplit(url), client)

            await asyncio.to_thread(station)
            events = await eventually(lambda: door.told)
            assert [type(event) for event in events] == [FileArrived]
            assert await door.content(events[0].file.name) == CONTENT
            assert events[0].file_name == "diag.log"

    run(scenario())


@pytest.mark.parametrize("bring", [by_url, by_path])
def test_q56_anybody_may_log_in_who_knows_the_path(
    run: Callable[..., Any], tmp_path: Path, bring: Callable[..., None]
) -> None:
    async def scenario() -> None:
        async with doors(tmp_path) as door:
            url = door.upload(FTP)

            def station() -> None:
                with logged_in(url, "anonymous", "me@example.org") as client:
                    bring(urlsplit(url), client)

            await asyncio.to_thread(station)
            await eventually(lambda: len(door.told) == 1)

    run(scenario())


def test_a_file_is_fetched_by_ftp_and_goes_on_where_it_stopped(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with doors(tmp_path) as door:
            url = await door.download(CONTENT, FTP)

            def station() -> tuple[int | None, bytes, bytes]:
                whole, rest = io.BytesIO(), io.BytesIO()
                with logged_in(url) as client:
                    client.voidcmd("TYPE I")
                    size = client.size("fw.bin")
                    client.retrbinary("RETR fw.bin", whole.write)
                    client.retrbinary(f"RETR {urlsplit(url).path}", rest.write, rest=255_000)
                return size, whole.getvalue(), rest.getvalue()

            size, whole, rest = await asyncio.to_thread(station)
            assert (size, whole, rest) == (len(CONTENT), CONTENT, CONTENT[255_000:])
            await eventually(lambda: [type(e) for e in door.told] == [FileFetched] * 2)

    run(scenario())


def test_there_is_nothing_to_see(run: Callable[..., Any], tmp_path: Path) -> None:
    async def scenario() -> None:
        async with doors(tmp_path) as door:
            url, other = door.upload(FTP), await door.download(CONTENT, FTP)

            def station() -> None:
                with logged_in(url, "anonymous", "x") as client:
                    assert client.nlst() == []
                    lines: list[str] = []
                    client.retrlines("LIST", lines.append)
                    assert lines == []
                    for command in (
                        "RETR fw.bin", "SIZE fw.bin", "CWD /once", "CWD ../../etc",
                        "RETR /etc/passwd", "STOR x.log", "RETR /once/" + "0" * 32,
                        f"STOR {urlsplit(other).path}", f"RETR {urlsplit(url).path}",
                        "DELE x", "MKD x", "RMD x", "RNFR x", "STOU", "APPE x", "MDTM fw.bin",
                        "MLST x", "SITE CHMOD 777 x",
                    ):  # fmt: skip
                        with pytest.raises(ftplib.Error, match=r"^[45]50"):
                            client.voidcmd(command)

            await asyncio.to_thread(station)
            assert door.told == []

    run(scenario())


def test_a_wrong_password_is_refused_and_a_used_ticket_too(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with doors(tmp_path) as door:
            url = door.upload(FTP)

            def station() -> None:
                with pytest.raises(ftplib.error_perm, match="530"):
                    logged_in(url, "job", "0" * 32)
                with logged_in(url) as client:
                    at_the_root(urlsplit(url), client)
                    with pytest.raises(ftplib.error_perm, match="550"):
                        at_the_root(urlsplit(url), client)
                with pytest.raises(ftplib.error_perm, match="530"):
                    logged_in(url)

            await asyncio.to_thread(station)
            await eventually(lambda: len(door.told) == 1)

    run(scenario())


def test_a_file_that_is_too_large_or_torn_is_not_kept(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with doors(tmp_path) as door:
            url = door.upload(FTP, size_max=20_000)
            token = urlsplit(url).password or ""

            def station() -> None:
                client = logged_in(url)
                with pytest.raises((ftplib.Error, OSError)):
                    at_the_root(urlsplit(url), client)
                client.close()
                wait_until(lambda: door.server.fill == 0)
                door.server.expect(token, "log-2", 20_000)
                client = logged_in(url)
                client.voidcmd("TYPE I")
                data = client.transfercmd("STOR diag.log")
                data.send(b"the beginning of a log")
                wait_until(lambda: door.server.moved_bytes(token) == 22)
                linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
                data.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                data.close()  # with a reset
                with pytest.raises(ftplib.Error):
                    client.voidresp()
                client.close()

            await asyncio.to_thread(station)
            await eventually(lambda: not list((tmp_path / "files" / "incoming").iterdir()))
            assert door.told == []
            assert door.server.fill == 0

    run(scenario())


def test_passive_ports_stay_in_their_range(run: Callable[..., Any], tmp_path: Path) -> None:
    async def scenario() -> None:
        async with doors(tmp_path, passive_ports=range(47_100, 47_120)) as door:
            url = door.upload(FTP)

            def station() -> int:
                with logged_in(url) as client:
                    port: int = client.makepasv()[1]
                    return port

            assert await asyncio.to_thread(station) in range(47_100, 47_120)

    run(scenario())
