"""Security profiles over real sockets: who is let in with what, and what it costs to be refused."""

import asyncio
import ssl
import subprocess
import time

import pytest
from websockets.exceptions import InvalidHandshake, InvalidStatus

from sitecontroller.domain.security import SecurityEventsQuery, StationSecurityQuery
from sitecontroller.pki import certificates, keys
from sitecontroller.pki.keys import KeyKind
from tests.support import eventually
from tests.unit.pki.hands import authority_of
from tests.wire.security.site import Box, box, certified, leaf, profile_of, roots, secure_site

SUITES = [
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
]
"""The four of A00.FR.318 in OpenSSL's words."""


async def refusal(made: Box, site, **options):
    """(status, headers, body, seconds) of a log-in that must fail."""
    began = time.monotonic()
    with pytest.raises(InvalidStatus) as caught:
        async with made.connected(site, **options):
            pass
    response = caught.value.response
    headers = tuple(sorted(response.headers.raw_items()))
    return response.status_code, headers, bytes(response.body or b""), time.monotonic() - began


def test_a_station_with_its_password_is_let_in_by_plain_websocket(run, tmp_path):
    """Proves: TC_A_01_CSMS."""

    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site)
            async with made.connected(site, tls=False) as charger:
                answer = await made.boot(charger)
                assert answer["status"] == "Accepted"
            assert await profile_of(site) == 1

    run(play())


def test_a_user_name_that_is_not_the_stations_is_refused(run, tmp_path):
    """Proves: TC_A_02_CSMS."""

    async def play() -> None:
        async with secure_site(tmp_path) as site:
            wrong = box(site, "CP-02")
            status, *_ = await refusal(wrong, site, tls=False, path="CP-01")
            assert status == 401

    run(play())


def test_a_wrong_password_is_refused(run, tmp_path):
    """Proves: TC_A_03_CSMS."""

    async def play() -> None:
        async with secure_site(tmp_path) as site:
            for tls in (False, True):
                status, *_ = await refusal(box(site, password="x" * 40), site, tls=tls)
                assert status == 401

    run(play())


@pytest.mark.parametrize(
    ("suite", "root"), [(suite, 0 if "ECDSA" in suite else 1) for suite in SUITES]
)
def test_a_station_that_knows_one_suite_and_one_root_only_comes_in_by_tls(
    run, tmp_path, suite, root
):
    """Proves: TC_A_04_CSMS."""

    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site, ciphers=suite, tls=(None, ssl.TLSVersion.TLSv1_2))
            made.trusted = [roots(site)[root]]
            async with made.connected(site) as charger:
                session = charger.socket.transport.get_extra_info("ssl_object")
                assert session.cipher()[0] == suite
                assert session.compression() is None
                assert (await made.boot(charger))["status"] == "Accepted"
            assert await profile_of(site) == 2

    run(play())


@pytest.mark.parametrize("kind", ["EC", "RSA"])
def test_a_station_without_the_other_kind_of_signature_can_check_the_whole_chain(
    run, tmp_path, kind
):
    """Small TLS libraries are built with one kind only: no signature of the other in the chain."""
    algorithms = {"EC": "ECDSA+SHA256", "RSA": "RSA+SHA256"}[kind]
    cipher = {"EC": SUITES[0], "RSA": SUITES[2]}[kind]

    async def play() -> None:
        async with secure_site(tmp_path) as site:
            root = tmp_path / "root.pem"
            root.write_text(roots(site)[kind == "RSA"])
            command = [
                *("openssl", "s_client", "-connect", f"127.0.0.1:{site.site.ocpp_port}"),
                *("-CAfile", str(root), "-verify_return_error", "-tls1_2", "-brief"),
                *("-sigalgs", algorithms, "-cipher", cipher, "-verify_ip", "127.0.0.1"),
            ]
            done = await asyncio.to_thread(
                subprocess.run, command, input=b"", capture_output=True, timeout=10, check=False
            )
            assert done.returncode == 0, done.stderr.decode()
            assert b"Verification: OK" in done.stderr

    run(play())


def test_tls_before_12_is_refused_and_12_let_in_right_after(run, tmp_path):
    """Proves: TC_A_06_CSMS."""

    async def play() -> None:
        async with secure_site(tmp_path) as site:
            for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
                old = box(site, ciphers="ALL:@SECLEVEL=0", tls=(version, version))
                with pytest.raises((ssl.SSLError, OSError)):
                    async with old.connected(site):
                        pass
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                new = box(site, tls=(version, version))
                async with new.connected(site) as charger:
                    assert (await new.boot(charger))["status"] == "Accepted"

    run(play())


def test_a_station_with_its_certificate_needs_no_password(run, tmp_path):
    """Proves: TC_A_07_CSMS."""

    async def play() -> None:
        async with secure_site(tmp_path) as site:
            first = box(site)
            async with first.connected(site) as charger:
                await first.boot(charger)  # tells its serial number
            made = certified(site, password=None)
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                made.tls = (version, version)
                async with made.connected(site) as charger:
                    assert (await made.boot(charger))["status"] == "Accepted"
            assert await profile_of(site) == 3

    run(play())


def test_a_station_may_show_its_certificate_without_the_one_above(run, tmp_path):
    """As many do, though TLS asks for the whole chain."""

    async def play() -> None:
        async with secure_site(tmp_path) as site:
            async with box(site).connected(site) as charger:
                await box(site).boot(charger)
            made = certified(site, password=None)
            made.chain = certificates.pem(leaf(made.chain))
            async with made.connected(site) as charger:
                assert (await made.boot(charger))["status"] == "Accepted"

    run(play())


@pytest.mark.parametrize("fault", ["unknown authority", "expired", "common name", "not yet"])
def test_an_invalid_certificate_is_refused_and_the_valid_one_let_in_right_after(
    run, tmp_path, fault
):
    """Proves: TC_A_08_CSMS."""

    async def play() -> None:
        async with secure_site(tmp_path) as site:
            good = certified(site, password=None)
            async with box(site).connected(site) as charger:
                await good.boot(charger)
            bad = certified(site, password=None, common_name="SN-0002")
            now = site.site.services.clock.now()
            issuing = site.site.authority._chains[KeyKind.EC].issuing
            if fault == "unknown authority":
                above = authority_of(name=issuing.certificate.subject.rfc4514_string(), at=now)
                made = certificates.station(
                    bad.key.public_key(), "Test site", "SN-0001", above, now
                )
                bad.chain = certificates.pem(made)
            elif fault != "common name":
                life = certificates.STATION_LIFE
                at = now - life - life / 100 if fault == "expired" else now + life / 100
                made = certificates.station(
                    bad.key.public_key(), "Test site", "SN-0001", issuing, at
                )
                bad.chain = certificates.pem(made, issuing.certificate)
            with pytest.raises((InvalidHandshake, OSError)) as caught:
                async with bad.connected(site):
                    pass
            if fault == "common name":
                assert caught.value.response.status_code == 401
            async with good.connected(site) as charger:
                assert (await good.boot(charger))["status"] == "Accepted"

    run(play())


def test_every_refused_login_over_tls_looks_the_same(run, tmp_path):
    """Status, headers, body, and time: unknown id, wrong password, another station's password or
    certificate, a profile that is too low, plain or TLS."""

    async def play() -> None:
        async with secure_site(tmp_path) as site:
            high = certified(site, "CP-02", password=None)
            async with box(site, "CP-02").connected(site) as charger:
                await high.boot(charger)
            async with high.connected(site):
                pass
            attempts = [
                (box(site, password="x" * 40), {}),
                (box(site, password=None), {}),
                (box(site), {"path": "CP-99"}),
                (box(site, "CP-02"), {"path": "CP-01"}),
                (high, {"path": "CP-01"}),
                (certified(site, common_name="SN-9", password=None), {}),
                (box(site, "CP-02"), {}),
                (box(site, "CP-02"), {"tls": False}),
            ]
            seen = [await refusal(made, site, **options) for made, options in attempts]
            assert len({answer[:3] for answer in seen}) == 1
            assert seen[0][0] == 401
            times = [answer[3] for answer in seen]
            assert max(times) - min(times) < 0.25
            assert min(times) >= 0.5

    run(play())


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
def test_a_station_that_once_came_by_tls_is_refused_on_plain(run, tmp_path, version):
    """A05.FR.07, also after a restart of the controller."""

    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site, version=version)
            async with made.connected(site, tls=False) as charger:
                await made.boot(charger)
            async with made.connected(site) as charger:
                await made.boot(charger)
            assert (await refusal(made, site, tls=False))[0] == 401
        async with secure_site(tmp_path, fresh=False) as site:
            assert (await refusal(made, site, tls=False))[0] == 401
            async with made.connected(site) as charger:
                await made.boot(charger)
            events = await site.site.controller.query(SecurityEventsQuery(station_id="CP-01"))
            refused = [e for e in events.items if e.type == "ProfileDowngradeRefused"]
            assert len(refused) == 2
            assert "127.0.0.1" in refused[0].info

    run(play())


def test_a_station_that_once_came_with_a_certificate_is_refused_with_a_password(run, tmp_path):
    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = certified(site, password=None)
            async with box(site).connected(site) as charger:
                await made.boot(charger)
            async with made.connected(site):
                pass
            assert (await refusal(box(site), site))[0] == 401
            view = await site.site.controller.query(StationSecurityQuery("CP-01"))
            assert (view.profile, view.profile_min) == (3, 3)

    run(play())


def test_site_toml_may_ask_for_more_than_a_station_ever_showed(run, tmp_path):
    async def play() -> None:
        async with secure_site(tmp_path, security={"profile_min": 2}) as site:
            made = box(site)
            assert (await refusal(made, site, tls=False))[0] == 401
            async with made.connected(site) as charger:
                assert (await made.boot(charger))["status"] == "Accepted"

    run(play())


def test_nobody_gets_a_certificate_by_telling_anothers_serial_number(run, tmp_path):
    """A station may lie about its serial number: what it gets so is never good for another."""

    async def play() -> None:
        async with secure_site(tmp_path) as site:
            liar = box(site, "CP-01")
            async with liar.connected(site) as charger:
                await charger.call(
                    "BootNotification",
                    {
                        "reason": "PowerUp",
                        "chargingStation": {
                            "vendorName": "T",
                            "model": "M",
                            "serialNumber": "SN-0002",  # CP-02's, which nobody knows yet
                        },
                    },
                )
                liar.takes_its_certificate(charger)
                answer = await charger.call("SignCertificate", {"csr": liar.csr("SN-0002")})
                assert answer["status"] == "Accepted"
                await eventually(lambda: liar.chain)
            victim = box(site, "CP-02")
            async with victim.connected(site) as charger:
                await victim.boot(charger)
            liar.password = None
            assert (await refusal(liar, site, path="CP-02"))[0] == 401

    run(play())


def test_a_name_of_a_known_station_is_not_signed_for_another(run, tmp_path):
    async def play() -> None:
        async with secure_site(tmp_path) as site:
            victim, liar = box(site, "CP-02"), box(site, "CP-01")
            async with victim.connected(site) as charger:
                await victim.boot(charger)
            async with liar.connected(site) as charger:
                await liar.boot(charger)
                for name in ("SN-0002", "CP-02", "cp-02"):
                    answer = await charger.call("SignCertificate", {"csr": liar.csr(name)})
                    assert answer["status"] == "Rejected"

    run(play())


def test_an_authority_of_the_installer_is_taken_with_the_serial_number_alone(run, tmp_path):
    async def play() -> None:
        other = authority_of(name="Installer")
        bundle = tmp_path / "roots.pem"
        bundle.write_text(certificates.pem(other.certificate))
        settings = {"client_roots": str(bundle)}
        async with secure_site(tmp_path, security=settings) as site:
            made = box(site, password=None)
            now = site.site.services.clock.now()
            async with box(site).connected(site) as charger:
                await made.boot(charger)
            for name, let_in in (("CP-01", False), ("SN-0001", True)):
                chain = certificates.station(made.key.public_key(), "X", name, other, now)
                made.chain = certificates.pem(chain)
                if let_in:
                    async with made.connected(site) as charger:
                        assert (await made.boot(charger))["status"] == "Accepted"
                else:
                    assert (await refusal(made, site))[0] == 401

    run(play())


def test_new_certificates_hold_for_new_handshakes_and_end_no_connection(run, tmp_path):
    async def play() -> None:
        async with secure_site(tmp_path) as site:
            old, new = box(site, "CP-01"), box(site, "CP-02")
            async with old.connected(site) as charger:
                await old.boot(charger)
                shown = charger.socket.transport.get_extra_info("ssl_object").getpeercert(True)
                authority = site.site.authority
                authority._names = lambda: certificates.ServerNames(("new.test",), ("127.0.0.1",))
                assert await authority.renew()
                async with new.connected(site) as second:
                    await new.boot(second)
                    session = second.socket.transport.get_extra_info("ssl_object")
                    assert session.getpeercert(True) != shown
                assert "currentTime" in await charger.call("Heartbeat", {})

    run(play())


def test_rsa_keys_of_stations_are_taken_too(run, tmp_path):
    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site, password=None)
            made.key = keys.new_key(KeyKind.RSA, 2048)
            async with box(site).connected(site) as charger:
                await made.boot(charger)
            authority = site.site.authority
            made.chain = authority.sign(made.csr(), frozenset({"SN-0001"})).chain
            made.tls = (None, ssl.TLSVersion.TLSv1_2)
            made.ciphers = SUITES[2]
            async with made.connected(site) as charger:
                assert (await made.boot(charger))["status"] == "Accepted"

    run(play())
