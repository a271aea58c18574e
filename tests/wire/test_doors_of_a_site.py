"""Q01 to Q08 and Q17 to Q21 with the whole controller behind the socket: what is stored and shown.
Each case of the wire itself stands in `tests/wire/ocpp_core`."""

import asyncio
import contextlib

import pytest

from sitecontroller.domain.conformance import ConformanceQuery
from sitecontroller.domain.queries import JournalQuery
from sitecontroller.domain.security import SecurityEventsQuery
from sitecontroller.ocpp.handshake import MISSING_SUBPROTOCOL
from tests.support import eventually
from tests.wire.charger import CallError
from tests.wire.ocpp_core.site import basic, request
from tests.wire.site import PASSWORD, boot16, boot201, running_site
from tests.wire.transactions.scenes import start

LOGIN = basic("CP-01", PASSWORD.encode())


@pytest.fixture
def scene(run, tmp_path):
    """`scene(play)` runs `await play(site)`."""

    async def staged(play):
        async with running_site(tmp_path) as site:
            await play(site)

    return lambda play: run(staged(play))


@contextlib.asynccontextmanager
async def knocking(site, target="/CP-01", **headers):
    """Raw bytes of a handshake; the head of the answer, while the connection stays."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.site.ocpp_port)
    try:
        writer.write(request(target, **{"Authorization": LOGIN, **headers}))
        async with asyncio.timeout(8):
            yield await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def online(site, station_id="CP-01"):
    return site.site.controller.station_view(station_id).online


async def journalled(site, text):
    """The first entry of the journal with that text, once it is written."""

    async def written():
        return (await site.site.controller.query(JournalQuery(text=text))).items

    return (await eventually(written))[0]


async def faults(site):
    """What the report for the maker counts of CP-01, by sentence."""
    report = await site.site.controller.query(ConformanceQuery("CP-01"))
    return {fault.fault: fault.count for fault in report.faults}


@pytest.mark.parametrize(
    "target",
    ["/ocpp/1.6/cp-01/CP-01", "//cp-01", "/%63p-01?a=b", "/%20CP-01%20", "ws://pc/ocpp/CP-01/"],
)
def test_q01_q02_however_its_id_is_written_the_station_is_online_by_its_own(scene, target):
    async def play(site):
        async with knocking(site, target) as head:
            assert head.startswith(b"HTTP/1.1 101 ")
            await eventually(lambda: online(site))
            assert site.site.controller.station_view("CP-01").station_id == "CP-01"
            assert not online(site, "CP-02")
        connected = await journalled(site, "OCPP 1.6")
        assert (connected.station_id, connected.kind) == ("CP-01", "connect")

    scene(play)


@pytest.mark.parametrize(
    ("target", "status", "shown"),
    [
        ("/ocpp/", b" 404 ", "the path names no station: /ocpp/"),
        ("/CP 01", b" 400 ", "a blank in the path is written %20"),
    ],
)
def test_q01_q06_who_names_no_station_or_a_blank_is_shown_in_the_journal(
    scene, target, status, shown
):
    async def play(site):
        async with knocking(site, target) as head:
            assert status in head
        entry = await journalled(site, shown)
        assert (entry.direction, entry.kind) == ("in", "invalid")
        assert not online(site)

    scene(play)


def test_q03_q05_a_station_without_two_headers_is_warned_of_once_for_good(run, tmp_path):
    async def play(planted):
        async with running_site(tmp_path, planted=planted) as site:
            for _ in range(2):
                async with knocking(site, drop="Connection", Sec_WebSocket_Protocol="") as head:
                    assert head.startswith(b"HTTP/1.1 101 ")
                    await eventually(lambda: site.site.controller.station_view("CP-01").version)
                    assert site.site.controller.station_view("CP-01").version == "1.6"
                await eventually(lambda: not online(site))
            stored = await site.site.store.read(lambda tx: tx.station("CP-01"))
            return stored.warnings.count(MISSING_SUBPROTOCOL)

    assert run(play(False)) == 1
    assert run(play(True)) == 1


@pytest.mark.parametrize(
    ("offered", "version"),
    [("OCPP1.6", "1.6"), ("ocpp1.6;ocpp1.5", "1.6"), ("ocpp1.6, ocpp2.0.1, ocpp2.1", "2.1")],
)
def test_q04_the_newest_common_version_is_spoken_and_shown(scene, offered, version):
    async def play(site):
        async with knocking(site, Sec_WebSocket_Protocol=offered) as head:
            assert head.startswith(b"HTTP/1.1 101 ")
            await eventually(lambda: online(site))
            assert site.site.controller.station_view("CP-01").version == version

    scene(play)


@pytest.mark.parametrize("password", [PASSWORD.encode(), bytes.fromhex(PASSWORD)])
@pytest.mark.parametrize("scheme", ["Basic", "basic"])
def test_q07_a_key_logs_in_as_text_and_as_the_bytes_it_stands_for(scene, password, scheme):
    async def play(site):
        login = basic("cp-01", password).replace("Basic", scheme)
        async with knocking(site, Authorization=login) as head:
            assert head.startswith(b"HTTP/1.1 101 ")
            await eventually(lambda: online(site))
        async with knocking(site, Authorization=basic("cp-01", password[:-1])) as head:
            assert head.startswith(b"HTTP/1.1 401 ")

    scene(play)


def test_q08_a_second_socket_of_a_living_station_is_an_event_and_an_alarm(scene):
    async def play(site):
        async with site.charger() as charger:
            await boot16(charger)
            async with knocking(site) as head:
                assert head.startswith(b"HTTP/1.1 409 ")
            assert "currentTime" in await charger.call("Heartbeat", {})
            assert online(site)
            assert site.site.controller.alarm_view("duplicate-station:CP-01") is not None

            async def kept():
                found = await site.site.controller.query(SecurityEventsQuery(station_id="CP-01"))
                return "DuplicateConnectionRefused" in {event.type for event in found.items}

            await eventually(kept)

    scene(play)


def test_q08_a_late_close_of_the_old_connection_leaves_the_new_one_online(scene, monkeypatch):
    monkeypatch.setattr("sitecontroller.ocpp.server.PONG_OF_THE_FIRST_S", 0.2)

    async def play(site):
        async with knocking(site):  # a raw socket answers no ping
            await eventually(lambda: online(site))
            async with site.charger() as charger:
                await boot16(charger)
                await charger.call("StartTransaction", start())
                await asyncio.sleep(0)
                assert online(site)
                assert site.site.services.stations.link("CP-01") is not None
                assert (await site.row()).active

    scene(play)


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
def test_q17_q19_q20_q21_nonsense_is_counted_and_the_station_stays(scene, version):
    async def play(site):
        async with site.charger(version=version) as charger:
            await (boot16 if version == "1.6" else boot201)(charger)
            for frame in ("hello", '[2,"short"]', '[3,"nobody",{}]', '[5,"nobody","Odd","",{}]'):
                await charger.socket.send(frame)
            with pytest.raises(CallError) as unknown:
                await charger.call("NoSuchThing", {})
            assert unknown.value.code == "NotImplemented"
            found = await faults(site)
            for fault in (
                "The frame is not JSON",
                "A CALL has four elements: type, id, action, payload",
                "an answer to no call, or a late one",
                "unknown action 'NoSuchThing'",
            ):
                assert found[fault] == 1
            assert online(site)
            assert await site.rows() == ()

    scene(play)


def test_q18_a_start_under_the_same_message_id_is_one_row(scene):
    async def play(site):
        async with site.charger() as charger:
            await boot16(charger)
            first = await charger.call("StartTransaction", start(), message_id="7")
            assert await charger.call("StartTransaction", start(), message_id="7") == first
            row = await site.row()
            assert row.station_transaction_id == str(first["transactionId"])
            assert await site.outbox_kinds() == ["TransactionStarted"]
            assert (await faults(site))["a CALL sent again"] == 1

    scene(play)
