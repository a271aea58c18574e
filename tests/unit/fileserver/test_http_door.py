"""HTTP for stations: files fetched in any way a station does, brought in any way, and bounded."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from sitecontroller.domain.errors import ConfigurationError
from sitecontroller.domain.files import TransferScheme
from sitecontroller.fileserver import http as http_door
from sitecontroller.ports import FileArrived, FileFetched
from tests.support import eventually
from tests.unit.fileserver.doors import Doors, doors

CONTENT = bytes(range(256)) * 1000
UNKNOWN = "/once/" + "0" * 32


async def arrived(door: Doors) -> FileArrived:
    """The one file that came."""
    events = await eventually(lambda: [e for e in door.told if isinstance(e, FileArrived)])
    assert len(events) == 1
    return events[0]


@pytest.mark.parametrize("method", ["PUT", "POST"])
@pytest.mark.parametrize("ending", ["", "diag.log", "?a=b", "a/b/diag.log"])
def test_q56_a_file_is_taken_with_and_without_a_name_or_a_slash(
    run: Callable[..., Any], tmp_path: Path, method: str, ending: str
) -> None:
    async def scenario() -> None:
        async with doors(tmp_path) as door, httpx.AsyncClient() as client:
            url = door.upload()
            target = url.rstrip("/") if ending == "" else url + ending
            answer = await client.request(method, target, content=CONTENT)
            assert answer.status_code == 200
            event = await arrived(door)
            assert await door.content(event.file.name) == CONTENT
            assert event.file_name == ("diag.log" if "diag" in ending else "")
            assert event.scheme is TransferScheme.HTTP

    run(scenario())


def test_q56_a_form_hands_over_its_file_alone(run: Callable[..., Any], tmp_path: Path) -> None:
    async def scenario() -> None:
        async with doors(tmp_path) as door, httpx.AsyncClient() as client:
            answer = await client.post(
                door.upload(),
                data={"comment": "not the file"},
                files={"log": ("../../etc/diag\x00.log", CONTENT)},
            )
            assert answer.status_code == 200
            event = await arrived(door)
            assert await door.content(event.file.name) == CONTENT
            assert event.file_name.endswith(".log")
            assert "/" not in event.file_name

    run(scenario())


def test_a_body_of_unknown_length_is_taken(run: Callable[..., Any], tmp_path: Path) -> None:
    async def scenario() -> None:
        async def pieces() -> Any:
            for _ in range(10):
                yield CONTENT[:999]

        async with doors(tmp_path) as door, httpx.AsyncClient() as client:
            assert (await client.put(door.upload(), content=pieces())).status_code == 200
            assert (await arrived(door)).file.size_bytes == 9990

    run(scenario())


def test_a_token_takes_one_file_and_then_opens_nothing(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with doors(tmp_path) as door, httpx.AsyncClient() as client:
            url = door.upload()
            assert (await client.put(url, content=b"once")).status_code == 200
            assert (await client.put(url, content=b"twice")).status_code == 404
            event = await arrived(door)
            assert await door.content(event.file.name) == b"once"

    run(scenario())


def test_who_knows_nothing_gets_one_and_the_same_answer(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with doors(tmp_path) as door, httpx.AsyncClient() as client:
            base = f"http://127.0.0.1:{door.server.ports[TransferScheme.HTTP]}"
            upload, download = door.upload(), await door.download(CONTENT)
            asked = [
                ("GET", base + "/"),
                ("GET", base + UNKNOWN + "/fw.bin"),
                ("PUT", base + UNKNOWN + "/"),
                ("GET", base + "/once/../../../etc/passwd"),
                ("GET", upload),
                ("PUT", download),
                ("DELETE", download),
                ("OPTIONS", download),
                ("PROPFIND", base + "/"),
            ]
            answers = [await client.request(method, url) for method, url in asked]
            assert {answer.status_code for answer in answers} == {404}
            assert {answer.content for answer in answers} == {b""}
            assert len({tuple(answer.headers.items()) for answer in answers}) == 1
            assert door.told == []

    run(scenario())


def test_what_is_too_large_is_refused_and_leaves_nothing(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    async def scenario() -> None:
        async def pieces() -> Any:
            for _ in range(100):
                yield b"x" * 1000

        async with doors(tmp_path) as door, httpx.AsyncClient() as client:
            url = door.upload(size_max=10_000)
            assert (await client.put(url, content=b"x" * 10_001)).status_code == 413
            assert (await client.put(url, content=pieces())).status_code == 413
            assert (await client.put(url, content=b"")).status_code == 400
            headers = {"Content-Range": "bytes 0-9/100"}
            assert (await client.put(url, content=b"x", headers=headers)).status_code == 400
            assert list((tmp_path / "files" / "incoming").iterdir()) == []
            assert door.server.fill == 0
            assert (await client.put(url, content=b"x" * 10_000)).status_code == 200

    run(scenario())


def test_a_full_depot_says_so(run: Callable[..., Any], tmp_path: Path) -> None:
    async def scenario() -> None:
        async with doors(tmp_path, quota_mb=1) as door, httpx.AsyncClient() as client:
            first = await client.put(door.upload(), content=b"x" * 900_000)
            second = await client.put(door.upload(), content=b"x" * 900_000)
            assert (first.status_code, second.status_code) == (200, 507)

    run(scenario())


def test_an_upload_that_breaks_off_is_not_taken_for_a_file(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with doors(tmp_path) as door:
            path = door.upload().split("/", 3)[3]
            _, writer = await asyncio.open_connection(
                "127.0.0.1", door.server.ports[TransferScheme.HTTP]
            )
            writer.write(
                f"PUT /{path} HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nab".encode()
            )
            await writer.drain()
            incoming = tmp_path / "files" / "incoming"
            await eventually(lambda: list(incoming.iterdir()))
            writer.close()
            await writer.wait_closed()
            await eventually(lambda: not list(incoming.iterdir()))
            assert door.told == []

    run(scenario())


def test_a_file_is_fetched_whole_in_part_and_from_the_middle(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with doors(tmp_path) as door, httpx.AsyncClient() as client:
            url = await door.download(CONTENT)
            assert url.endswith("/fw.bin")
            head = await client.head(url)
            assert head.headers["content-length"] == str(len(CONTENT))
            assert door.told == []
            assert (await client.get(url)).content == CONTENT
            await eventually(lambda: [type(e) for e in door.told] == [FileFetched])
            part = await client.get(url, headers={"Range": "bytes=0-99"})
            assert (part.status_code, part.content) == (206, CONTENT[:100])
            rest = await client.get(url, headers={"Range": f"bytes={len(CONTENT) - 7}-"})
            assert rest.content == CONTENT[-7:]
            assert rest.headers["content-range"] == f"bytes 255993-255999/{len(CONTENT)}"
            last = await client.get(url, headers={"Range": "bytes=-5"})
            assert last.content == CONTENT[-5:]
            beyond = await client.get(url, headers={"Range": "bytes=999999999-"})
            assert beyond.status_code == 416

    run(scenario())


def test_a_client_that_dawdles_is_let_go(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_door, "HEAD_WITHIN_S", 0.2)
    monkeypatch.setattr(http_door, "PIECE_WITHIN_S", 0.2)

    async def scenario() -> None:
        async with doors(tmp_path) as door:
            path = door.upload().split("/", 3)[3]
            for said in (
                "",
                "PUT /once/",
                f"PUT /{path} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n",
            ):
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1", door.server.ports[TransferScheme.HTTP]
                )
                writer.write(said.encode())
                assert await asyncio.wait_for(reader.read(), 5) == b""
                writer.close()

    run(scenario())


def test_one_address_can_hold_only_so_many_connections(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with doors(tmp_path) as door:
            opened = [
                await asyncio.open_connection("127.0.0.1", door.server.ports[TransferScheme.HTTP])
                for _ in range(http_door.CONNECTIONS_PER_ADDRESS_MAX + 1)
            ]
            last = opened[-1][0]
            assert await asyncio.wait_for(last.read(), 5) == b""
            for _, writer in opened:
                writer.close()

    run(scenario())


def test_rubbish_ends_its_connection_and_nothing_else(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with doors(tmp_path) as door, httpx.AsyncClient() as client:
            url = await door.download(CONTENT)
            for rubbish in (b"\x00\xff" * 500, b"GET " + b"a" * 70_000, b"\r\n\r\n\r\n", b"{}"):
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1", door.server.ports[TransferScheme.HTTP]
                )
                writer.write(rubbish)
                writer.write_eof()
                await asyncio.wait_for(reader.read(), 5)
                writer.close()
            assert (await client.get(url)).content == CONTENT

    run(scenario())


def test_the_same_ports_are_taken_again_after_a_restart(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with doors(tmp_path) as door:
            before = (door.server.ports[TransferScheme.HTTP], door.server.ports[TransferScheme.FTP])
        async with doors(tmp_path) as door:
            assert (
                door.server.ports[TransferScheme.HTTP],
                door.server.ports[TransferScheme.FTP],
            ) == before

    run(scenario())


def test_a_job_s_address_is_the_one_the_station_can_reach(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    async def scenario() -> None:
        token = "0" * 32
        async with doors(tmp_path, host="0.0.0.0") as door:
            port = door.server.ports[TransferScheme.HTTP]
            url = door.server.url(token, TransferScheme.HTTP, "a b.bin", "127.0.0.1")
            assert url == f"http://127.0.0.1:{port}/once/{token}/a%20b.bin"
        async with doors(tmp_path, public_url="http://10.0.0.5:8081/charging/") as door:
            ports = door.server.ports
            url = door.server.url(token, TransferScheme.HTTP, "", "127.0.0.1")
            assert url == f"http://10.0.0.5:8081/charging/once/{token}/"
            url = door.server.url(token, TransferScheme.FTP, "", "127.0.0.1")
            assert url == f"ftp://job:{token}@10.0.0.5:{ports[TransferScheme.FTP]}/once/{token}/"

    run(scenario())


def test_a_taken_port_is_named(run: Callable[..., Any], tmp_path: Path) -> None:
    async def scenario() -> None:
        async with doors(tmp_path / "a") as door:
            taken = door.server.ports[TransferScheme.HTTP]
            with pytest.raises(ConfigurationError) as fault:
                async with doors(tmp_path / "b", http_port=taken):
                    pass
            assert fault.value.errors[0].field == "files.http_port"

    run(scenario())
