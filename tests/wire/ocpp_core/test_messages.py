"""WebSocket frames become messages, however TCP cuts them and whatever stands between them."""

import asyncio
import itertools

import pytest
from websockets.asyncio.server import serve
from websockets.frames import BINARY, CONT, PING, TEXT, Frame

from sitecontroller.ocpp.connection import StationConnection

LONG = b"l" * 70_000
"""Above the 64 KiB from which a frame names its length in eight bytes."""
TALK = (
    (Frame(TEXT, b"[2]"),),
    (Frame(TEXT, b"x" * 125), Frame(TEXT, b"y" * 126), Frame(TEXT, b"z" * 1000)),
    (Frame(PING, b"alive?"),),
    (Frame(TEXT, b""),),
    (Frame(TEXT, b"in ", fin=False), Frame(PING, b""), Frame(CONT, b"parts")),
    (Frame(BINARY, b"binary"), Frame(TEXT, "größer".encode())),
    (Frame(TEXT, LONG), Frame(TEXT, b"last")),
)
SAID = [b"[2]", b"x" * 125, b"y" * 126, b"z" * 1000, b"", b"in parts", b"binary",
        "größer".encode(), LONG, b"last"]  # fmt: skip


class _Gatehouse:
    """Lets everyone in."""

    speaks_tls = False

    def __init__(self) -> None:
        self.connection: asyncio.Future[StationConnection] = asyncio.Future()

    def opened(self, connection: StationConnection) -> bool:
        self.connection.set_result(connection)
        return True

    def malformed(self, *_: object) -> bool:
        return True

    def closed(self, connection: StationConnection) -> None: ...


async def _heard(chunks: list[bytes]) -> tuple[list[bytes], int | None]:
    """The messages that come of what the socket delivers so, and the code it is closed with."""
    gatehouse = _Gatehouse()
    heard: list[bytes] = []
    listening, done = asyncio.Event(), asyncio.Event()

    class Connection(StationConnection):
        pass

    Connection.gatehouse = gatehouse

    async def handler(connection: StationConnection) -> None:
        connection.listen(heard.append, done.set)
        listening.set()
        await done.wait()

    async with serve(
        handler, "127.0.0.1", 0, create_connection=Connection, compression=None
    ) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"GET /CP HTTP/1.1\r\nHost: site\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        async with asyncio.timeout(10):
            connection = await gatehouse.connection
            await listening.wait()
            for chunk in chunks:
                connection.data_received(chunk)
            sent = connection.protocol.close_sent
            writer.close()
            done.set()
    return heard, None if sent is None else sent.code


def _wire(*frames: Frame) -> bytes:
    return b"".join(frame.serialize(mask=True) for frame in frames)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64, 1000, 10**6])
def test_messages_are_the_same_however_tcp_cuts_them(run, size):
    wire = _wire(*itertools.chain(*TALK))
    chunks = [wire[start : start + size] for start in range(0, len(wire), size)]
    assert run(_heard(chunks)) == (SAID, None)


def test_messages_are_the_same_when_each_write_comes_by_itself(run):
    assert run(_heard([_wire(*frames) for frames in TALK])) == (SAID, None)


def test_what_looks_like_a_frame_within_a_message_is_none(run):
    unmasked = bytes(4)
    inside = b"\x81\x82" + unmasked + b"no"
    long = b"\x81" + bytes((0x80 | (10 + len(inside)),)) + unmasked + b"0123456789" + inside
    begun = b"\x01" + long[1:]
    parts = [begun[:16], begun[16:], _wire(Frame(CONT, inside))]
    assert run(_heard([long[:16], long[16:], *parts])) == (
        [b"0123456789" + inside, b"0123456789" + inside + inside],
        None,
    )


@pytest.mark.parametrize(
    "broken",
    [
        Frame(TEXT, b"not masked").serialize(mask=False),
        Frame(TEXT, b"a reserved bit").serialize(mask=True).replace(b"\x81", b"\xc1", 1),
        Frame(CONT, b"of nothing").serialize(mask=True),
        Frame(TEXT, b"an unknown kind").serialize(mask=True).replace(b"\x81", b"\x83", 1),
    ],
    ids=["not masked", "reserved bit", "continuation of nothing", "unknown kind"],
)
def test_a_frame_that_breaks_the_protocol_closes_with_1002(run, broken):
    before = _wire(Frame(TEXT, b"before"))
    after = _wire(Frame(TEXT, b"after"))
    assert run(_heard([before + broken + after, after])) == ([b"before"], 1002)


def test_a_message_within_the_fragments_of_another_closes_with_1002(run):
    begun, another = _wire(Frame(TEXT, b"begun", fin=False)), _wire(Frame(TEXT, b"another"))
    assert run(_heard([begun, another])) == ([], 1002)
