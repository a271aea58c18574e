"""Q01 to Q07 and Q11: who is let in, under which name, speaking what; and what the others get."""

import asyncio
import base64
import socket

import pytest

from sitecontroller.config import OcppSettings
from sitecontroller.domain.security import Login
from sitecontroller.domain.station import OcppVersion
from sitecontroller.domain.topology import ChargingStation
from sitecontroller.ocpp.door import Allowance, DoorLimits
from sitecontroller.ocpp.link import LinkTraits
from tests.support import eventually
from tests.wire.ocpp_core.site import (
    BOOT,
    PASSWORD,
    ask,
    basic,
    refusal,
    request,
    running_site,
    still_answers,
)


@pytest.mark.parametrize(
    "target",
    [
        "/CP01",
        "/CP01/",
        "//CP01",
        "/ocpp/CP01",
        "/ocpp/1.6/CP01/CP01",
        "http://site:9000/ocpp/CP01",
        "ws://site/CP01/",
        "/ocpp/CP%30%31",
        "/%43P01?key=value",
        "/ocpp/CP01?a=/other#x",
    ],
)
def test_q01_every_way_to_write_the_path_finds_the_station(run, target):
    async def main():
        async with running_site() as site:
            assert (await site.raw(request(target))).startswith(b"HTTP/1.1 101 ")
            await eventually(lambda: site.stations.connections)
            assert site.stations.connections[0].station_id == "CP01"

    run(main())


@pytest.mark.parametrize("target", ["/", "//", "/ocpp", "/ocpp/", "/ocpp/1.6", "/ocpp/2.0.1/"])
def test_q01_a_path_without_an_id_is_not_found_and_shown(run, target):
    async def main():
        async with running_site() as site:
            assert (await site.raw(request(target))).startswith(b"HTTP/1.1 404 ")
            assert f"names no station: {target}" in site.journal.texts("invalid")[0]

    run(main())


@pytest.mark.parametrize("path", ["/cp01", "/Cp01", "/%20CP01%20", "/ocpp/cP01"])
def test_q02_case_and_blanks_of_an_id_do_not_matter(run, path):
    async def main():
        async with running_site("CP01") as site, site.connect(path, user="cp01") as station:
            await still_answers(station)
            assert site.dialect.station_id == "CP01"
            assert site.stations.heard_of[0] == "CP01"

    run(main())


@pytest.mark.parametrize("header", [None, "", "  "])
def test_q03_without_a_subprotocol_a_station_speaks_16_and_is_warned_of(run, header):
    async def main():
        drop = "Sec-WebSocket-Protocol" if header is None else ""
        extra = {} if header is None else {"Sec_WebSocket_Protocol": header}
        async with running_site() as site:
            head = await site.raw(request(drop=drop, **extra))
            assert head.startswith(b"HTTP/1.1 101 ")
            assert b"sec-websocket-protocol" not in head.lower()
            await eventually(lambda: site.dialects)
            assert site.dialect.version is OcppVersion.V16
            assert [station for station, _ in site.stations.warnings] == ["CP01"]

    run(main())


def test_q03_a_site_may_insist_on_a_subprotocol(run):
    async def main():
        config = OcppSettings(host="127.0.0.1", port=0, allow_missing_subprotocol=False)
        async with running_site(config=config) as site:
            head = await site.raw(request(drop="Sec-WebSocket-Protocol"))
            assert head.startswith(b"HTTP/1.1 400 ")

    run(main())


@pytest.mark.parametrize(
    ("offered", "answered", "version"),
    [
        ("ocpp1.6", "ocpp1.6", "1.6"),
        ("OCPP1.6", "OCPP1.6", "1.6"),
        ("ocpp1.6j", "ocpp1.6j", "1.6"),
        ("ocpp1.6;ocpp1.5", "ocpp1.6", "1.6"),
        ("ocpp1.6, ocpp2.0.1", "ocpp2.0.1", "2.0.1"),
        ("ocpp2.0.1, ocpp1.6", "ocpp2.0.1", "2.0.1"),
        ("ocpp1.6, ocpp1.6", "ocpp1.6", "1.6"),
        ("ocpp2.1, ocpp1.6", "ocpp2.1", "2.1"),
        ("ocpp3.0, ocpp1.6", "ocpp1.6", "1.6"),
        ("ocpp1.6\r\nSec-WebSocket-Protocol: ocpp2.0.1", "ocpp2.0.1", "2.0.1"),
        ("ocpp1.6\r\nSec-WebSocket-Protocol: ocpp1.6", "ocpp1.6", "1.6"),
    ],
)
def test_q04_odd_subprotocols_find_the_newest_common_version(run, offered, answered, version):
    async def main():
        async with running_site() as site:
            head = await site.raw(request(Sec_WebSocket_Protocol=offered))
            assert head.startswith(b"HTTP/1.1 101 ")
            assert f"sec-websocket-protocol: {answered}\r\n".lower() in head.decode().lower()
            assert answered in head.decode()
            await eventually(lambda: site.dialects)
            assert site.dialect.version == version

    run(main())


def test_q04_a_pinned_station_speaks_its_version(run):
    async def main():
        async with running_site() as site:
            site.stations.known["cp01"] = ChargingStation("CP01", (), version_pin="1.6")
            async with site.connect(protocols=["ocpp2.0.1", "ocpp1.6"]) as station:
                assert station.subprotocol == "ocpp1.6"

    run(main())


@pytest.mark.parametrize("offered", ["ocpp1.5", "ocpp2.0", "soap", "ocpp"])
def test_q04_without_a_common_version_the_answer_names_ours(run, offered):
    async def main():
        async with running_site() as site:
            head = await site.raw(request(Sec_WebSocket_Protocol=offered))
            assert head.startswith(b"HTTP/1.1 400 ")
            assert b"ocpp1.6, ocpp2.0.1" in head

    run(main())


@pytest.mark.parametrize("connection", [None, "keep-alive", "close"])
def test_q05_a_missing_connection_header_is_repaired(run, connection):
    async def main():
        drop = "Connection" if connection is None else ""
        extra = {} if connection is None else {"Connection": connection}
        async with running_site() as site:
            head = await site.raw(request(drop=drop, **extra))
            assert head.startswith(b"HTTP/1.1 101 ")

    run(main())


@pytest.mark.parametrize(
    "broken",
    [
        request("/ocpp/CP 01"),
        request("/CP01 "),
        request("/ocpp/CP\xe401"),
        b"GET /CP01\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
        request().replace(b"Host: site", b"Host site"),
    ],
    ids=["blank", "trailing blank", "umlaut", "no version", "TLS", "header without colon"],
)
def test_q06_a_malformed_request_gets_a_logged_400(run, broken):
    async def main():
        async with running_site() as site:
            assert (await site.raw(broken)).startswith(b"HTTP/1.1 400 ")
            assert "HTTP 400" in site.journal.texts("invalid")[0]

    run(main())


def test_q06_a_head_in_pieces_is_read(run):
    async def main():
        async with running_site() as site:
            reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
            for byte in request():
                writer.write(bytes([byte]))
                await writer.drain()
            assert (await reader.readline()).startswith(b"HTTP/1.1 101 ")
            writer.close()

    run(main())


@pytest.mark.parametrize("size", [17_000, 200_000])
def test_a_head_that_is_too_long_gets_431(run, size):
    async def main():
        async with running_site() as site:
            head = await site.raw(request(X_Padding="x" * size))
            assert head.startswith(b"HTTP/1.1 431 ")

    run(main())


def test_a_browser_is_told_that_this_is_a_websocket(run):
    async def main():
        async with running_site() as site:
            assert b" 426 " in await site.raw(b"GET / HTTP/1.1\r\nHost: site\r\n\r\n")

    run(main())


def _basic(user: bytes, password: bytes, scheme: str = "Basic") -> str:
    return f"{scheme} " + base64.b64encode(user + b":" + password).decode()


@pytest.mark.parametrize(
    "authorization",
    [
        _basic(b"CP01", PASSWORD),
        _basic(b"cp01", PASSWORD, "basic"),
        _basic(b"CP01", PASSWORD, "BASIC"),
        _basic(b"CP01", PASSWORD, "Basic ").rstrip("="),
        _basic(b"box-7", PASSWORD),
    ],
    ids=["plain", "lower case", "upper case", "no padding", "alias"],
)
def test_q07_basic_auth_is_read_leniently(run, authorization):
    async def main():
        traits = LinkTraits(login_names=("box-7",))
        async with running_site(traits=lambda _: traits) as site:
            head = await site.raw(request(Authorization=authorization))
            assert head.startswith(b"HTTP/1.1 101 ")

    run(main())


def test_q07_a_password_is_bytes(run):
    async def main():
        async with running_site() as site:
            seen = []

            async def authenticate(login):
                seen.append(login.password)
                return await type(site.stations).authenticate(site.stations, login)

            site.stations.authenticate = authenticate
            binary = bytes(range(256))
            await site.raw(request(Authorization=_basic(b"CP01", binary)))
            assert seen == [binary]

    run(main())


FAILED_LOGINS = {
    "unknown id": request("/CP99", Authorization=basic("CP99", PASSWORD)),
    "wrong password": request(Authorization=basic("CP01", b"wrong")),
    "no password": request(drop="Authorization"),
    "other user": request(Authorization=basic("CP02", PASSWORD)),
    "not basic": request(Authorization="Bearer abc"),
    "not base64": request(Authorization="Basic §§§"),
    "no id at all": request("/%00%01", Authorization=basic("CP01", PASSWORD)),
}


def test_q11_every_failed_login_gets_the_same_answer(run):
    async def main():
        async with running_site("CP01", "CP02") as site:
            answers = {await site.raw(attempt) for attempt in FAILED_LOGINS.values()}
            assert len(answers) == 1
            assert answers.pop().startswith(b"HTTP/1.1 401 ")

    run(main())


def test_q11_every_failed_login_takes_the_same_time(run):
    async def main():
        loop = asyncio.get_running_loop()
        async with running_site("CP01", "CP02") as site:

            async def slow(*_):
                await asyncio.sleep(0.2)
                return await type(site.stations).authenticate(site.stations, Login("CP99"))

            took = []
            for authenticate in (site.stations.authenticate, slow):
                site.stations.authenticate = authenticate
                began = loop.time()
                await site.raw(FAILED_LOGINS["wrong password"])
                took.append(loop.time() - began)
            assert abs(took[0] - took[1]) < 0.15

    run(main())


def test_q11_an_unknown_station_may_knock_while_commissioning(run):
    async def main():
        async with running_site() as site:
            site.stations.commissioning = True
            async with site.connect("/New-7", password=None) as station:
                assert (await ask(station, [2, "b", "BootNotification", BOOT]))[0] == 3
                assert site.dialect.station is None
                assert site.stations.connections[0].station_id == "New-7"

    run(main())


def test_q11_new_stations_that_knock_are_bounded(run, monkeypatch):
    async def main():
        monkeypatch.setattr("sitecontroller.ocpp.server.UNKNOWN_STATIONS_MAX", 1)
        async with running_site() as site:
            site.stations.commissioning = True
            async with site.connect("/New-1", password=None):
                response = await refusal(site.connect("/New-2", password=None))
                assert response.status_code == 401

    run(main())


def test_a_flood_of_bad_logins_is_turned_away_and_good_stations_come_in(run):
    async def main():
        limits = DoorLimits(address=Allowance(5, 0), station=Allowance(5, 0))
        async with running_site(limits=limits) as site:
            async with site.connect() as station:
                await still_answers(station)
            attempt = FAILED_LOGINS["wrong password"]
            bad = [site.raw(attempt, source="127.0.0.2") for _ in range(60)]
            statuses = [(await answer)[9:12] for answer in asyncio.as_completed(bad)]
            assert statuses.count(b"429") > 20
            assert (await site.raw(request("/ocpp"), source="127.0.0.2"))[9:12] == b"429"
            async with site.connect() as station:
                await still_answers(station)

    run(main())


def test_logins_that_succeed_cost_nothing(run):
    async def main():
        limits = DoorLimits(address=Allowance(1, 0), station=Allowance(1, 0))
        station_ids = [f"CP{number:02}" for number in range(5)]
        async with running_site(*station_ids, limits=limits) as site:
            for station_id in station_ids:
                async with site.connect(f"/{station_id}", user=station_id) as station:
                    await still_answers(station)

    run(main())


async def _ended(reader):
    """Whether the other end closes, or drops, without a word."""
    try:
        return await reader.read() == b""
    except ConnectionError:
        return True


def test_sockets_that_say_nothing_are_bounded_per_address(run):
    async def main():
        async with running_site(limits=DoorLimits(sockets_per_address=3)) as site:
            idle = [await asyncio.open_connection("127.0.0.1", site.port) for _ in range(3)]
            await eventually(lambda: len(site.server._opening) == 3)
            reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
            async with asyncio.timeout(2):
                assert await _ended(reader)
            for _, each in [*idle, (reader, writer)]:
                each.close()

    run(main())


def test_a_handshake_takes_5_s_at_most(run, monkeypatch):
    async def main():
        monkeypatch.setattr("sitecontroller.ocpp.server.OPEN_TIMEOUT_S", 0.2)
        async with running_site() as site:
            reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
            writer.write(request()[:40])
            async with asyncio.timeout(2):
                assert await _ended(reader)
            writer.close()

    run(main())


def test_the_server_takes_a_socket_that_is_bound_already(run):
    async def main():
        async with running_site() as site:
            await site.server.stop()
            sock = socket.create_server(("127.0.0.1", 0))
            assert await site.server.start(sock) == sock.getsockname()[1]

    run(main())
