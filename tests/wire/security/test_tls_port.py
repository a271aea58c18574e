"""TLS on the stations' port: bounded, fair, and never in the way of plain connections."""

import asyncio
import contextlib
import ssl

import pytest

from sitecontroller.ocpp import secure
from sitecontroller.ocpp.door import Allowance, DoorLimits
from sitecontroller.ocpp.v16.security import EXTENDED_TRIGGERS
from tests.support import eventually
from tests.unit.pki.hands import made_authority
from tests.wire.ocpp_core import site as core
from tests.wire.security.site import Box, box, secure_site

HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"


@contextlib.asynccontextmanager
async def tls_port(directory, *station_ids, limits=None):
    """A server with small fakes behind it, and real certificates before it."""
    from sitecontroller.clock import SystemClock

    authority = await made_authority(directory, SystemClock())
    async with core.running_site(
        *(station_ids or ("CP01",)), limits=limits, authority=authority
    ) as site:
        trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusted.load_verify_locations(cadata=authority.roots()[0])
        yield site, trusted


async def over_tls(site, trusted, request, source="127.0.0.1"):
    """An HTTP answer to a request over TLS."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", site.port, ssl=trusted, local_addr=(source, 0)
    )
    try:
        writer.write(request)
        return await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 8)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def test_one_port_speaks_both(run, tmp_path):
    async def play() -> None:
        async with tls_port(tmp_path) as (site, trusted):
            assert (await site.raw(core.request())).startswith(b"HTTP/1.1 101 ")
            await eventually(lambda: site.stations.gone)
            answer = await over_tls(site, trusted, core.request())
            assert answer.startswith(b"HTTP/1.1 101 ")

    run(play())


@pytest.mark.parametrize("size", [1, 7, 200])
def test_a_handshake_in_small_pieces_is_put_together(run, tmp_path, size):
    """The first byte alone tells; what came before TLS began must not be lost."""

    async def play() -> None:
        async with tls_port(tmp_path) as (site, trusted):
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            session = trusted.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
            reader, writer = await asyncio.open_connection("127.0.0.1", site.port)

            async def step(act):
                while True:
                    try:
                        return act()
                    except ssl.SSLWantReadError:
                        sent = outgoing.read()
                        for at in range(0, len(sent), size):
                            writer.write(sent[at : at + size])
                            await writer.drain()
                            await asyncio.sleep(0)
                        incoming.write(await asyncio.wait_for(reader.read(65536), 5))

            await step(session.do_handshake)
            session.write(core.request())
            writer.write(outgoing.read())
            answer = await step(lambda: session.read(4096))
            assert answer.startswith(b"HTTP/1.1 101 ")
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    run(play())


@pytest.mark.parametrize("sent", [HELLO, HELLO + b"\x00" * 70_000, b"\x16", b"\x16" * 300])
def test_a_broken_or_endless_handshake_is_dropped_in_time(run, tmp_path, monkeypatch, sent):
    monkeypatch.setattr("sitecontroller.ocpp.connection.TLS_HANDSHAKE_S", 1.0)

    async def play() -> None:
        async with tls_port(tmp_path) as (site, trusted):
            reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
            writer.write(sent)
            began_s = asyncio.get_running_loop().time()
            with contextlib.suppress(OSError):
                await asyncio.wait_for(reader.read(), 8)
            assert asyncio.get_running_loop().time() - began_s < 3
            writer.close()
            assert (await over_tls(site, trusted, core.request())).startswith(b"HTTP/1.1 101 ")
            await eventually(lambda: not site.server._opening)

    run(play())


def test_a_flood_of_handshakes_from_one_address_holds_no_other_up(run, tmp_path):
    """127.0.0.2 opens and abandons handshakes as fast as it can; 127.0.0.1 comes in meanwhile,
    plain and by TLS, and the flood's bucket is empty soon."""

    async def play() -> None:
        limits = DoorLimits(tls=Allowance(20, 1))
        async with tls_port(tmp_path, limits=limits) as (site, trusted):

            async def knock():
                with contextlib.suppress(OSError):
                    reader, writer = await asyncio.open_connection(
                        "127.0.0.1", site.port, local_addr=("127.0.0.2", 0)
                    )
                    writer.write(HELLO)
                    await reader.read(1)
                    writer.close()

            flood = [asyncio.create_task(knock()) for _ in range(200)]
            await asyncio.sleep(0.05)
            began_s = asyncio.get_running_loop().time()
            answer = await over_tls(site, trusted, core.request())
            assert answer.startswith(b"HTTP/1.1 101 ")
            assert asyncio.get_running_loop().time() - began_s < 2
            assert site.server._door.turned_away >= 150
            for task in flood:
                task.cancel()
            await asyncio.gather(*flood, return_exceptions=True)

    run(play())


def test_logins_that_succeed_cost_an_address_nothing(run, tmp_path):
    async def play() -> None:
        limits = DoorLimits(tls=Allowance(2, 0.0001))
        async with tls_port(tmp_path, limits=limits) as (site, trusted):
            for number in range(1, 6):
                answer = await over_tls(site, trusted, core.request())
                assert answer.startswith(b"HTTP/1.1 101 ")
                await eventually(lambda n=number: len(site.stations.gone) == n)

    run(play())


def test_handshakes_are_begun_a_few_at_a_time_and_addresses_in_turn(run, tmp_path, monkeypatch):
    async def play() -> None:
        async with tls_port(tmp_path) as (site, _):
            begun = []

            class Waiting:
                secured = True

                def __init__(self, address):
                    self.address = address

                async def upgrade(self, first, context):
                    begun.append(self.address)

            for address in ["a"] * 10 + ["b", "c"]:
                assert site.server._handshakes.begin(Waiting(address), b"")
            await eventually(lambda: len(begun) == 12)
            assert begun.index("b") < 8
            assert begun.index("c") < 8

    monkeypatch.setattr(secure, "TICK_S", 0.001)
    run(play())


def test_a_stop_in_the_middle_of_handshakes_leaves_nothing(run, tmp_path):
    async def play() -> None:
        writers = []
        async with tls_port(tmp_path) as (site, _):
            for _ in range(20):
                _, writer = await asyncio.open_connection("127.0.0.1", site.port)
                writer.write(HELLO)
                writers.append(writer)
            await asyncio.sleep(0.05)
        for writer in writers:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    run(play())


def test_a_malformed_request_within_tls_gets_its_400(run, tmp_path):
    async def play() -> None:
        async with tls_port(tmp_path) as (site, trusted):
            answer = await over_tls(site, trusted, b"GET /CP 01 HTTP/1.1\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 400 ")

    run(play())


def test_where_tls_is_off_it_is_refused_at_once(run, tmp_path):
    async def play() -> None:
        async with core.running_site() as site:
            assert (await site.raw(HELLO)).startswith(b"HTTP/1.1 400 ")

    run(play())


def test_a_new_charger_may_knock_by_tls_and_with_a_certificate_of_its_own(run, tmp_path):
    """Accepted by a person, that certificate is its proof from then on."""
    from datetime import timedelta

    from sitecontroller.domain.commands import AcceptStation
    from sitecontroller.pki import certificates as pki
    from tests.unit.pki.hands import authority_of
    from tests.wire.test_commissioning import SITE_TOML

    toml = tmp_path / "site.toml"
    toml.write_text(SITE_TOML)
    maker = authority_of(name="Maker")
    bundle = tmp_path / "makers.pem"
    bundle.write_text(pki.pem(maker.certificate))

    async def play() -> None:
        settings = {"client_roots": str(bundle)}
        async with secure_site(
            tmp_path, security=settings, commissioning=timedelta(hours=1), config_path=toml
        ) as site:
            made = Box("CP-09", password=None, trusted=list(box(site).trusted))
            now = site.site.services.clock.now()
            made.chain = pki.pem(pki.station(made.key.public_key(), "Maker", "BOX-77", maker, now))
            async with made.connected(site) as charger:
                answer = await charger.call(
                    "BootNotification",
                    {
                        "reason": "PowerUp",
                        "chargingStation": {"vendorName": "M", "model": "X"},
                    },
                )
                assert answer["status"] == "Pending"
                charger.answers["SetVariables"] = lambda _: {"setVariableResult": []}
                await site.site.controller.execute(AcceptStation("CP-09"))
            guard = site.site.services.stations.guard
            (certificate,) = guard.security("CP-09").certificates
            assert certificate.common_name == "BOX-77"
            assert not certificate.issued_here

    run(play())


@pytest.mark.parametrize("knows", [True, False])
def test_a_16_charger_is_asked_by_the_extensions_trigger_where_it_knows_it(run, tmp_path, knows):
    assert set(EXTENDED_TRIGGERS) == {"SignChargingStationCertificate", "LogStatusNotification"}

    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site, version="1.6")
            async with made.connected(site) as charger:
                await made.boot(charger)
                await eventually(lambda: site.site.services.stations.link("CP-01"))
                if not knows:
                    charger.answers["ExtendedTriggerMessage"] = lambda _: {
                        "status": "NotImplemented"
                    }
                link = site.site.services.stations.link("CP-01")
                assert (await link.trigger("LogStatusNotification", None)).accepted
                assert charger.asked_for("ExtendedTriggerMessage") == [
                    {"requestedMessage": "LogStatusNotification"}
                ]
                core_triggers = charger.asked_for("TriggerMessage")
                fallback = {"requestedMessage": "DiagnosticsStatusNotification"}
                assert (fallback in core_triggers) is not knows

    run(play())
