"""Certificates, security events, profiles and TLS of simulated stations."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import ocsp

from sitecontroller.domain.station import OcppVersion
from sitecontroller.simulation.certificates import hash_data
from tests.simulation.blocks.papers import certificate, pem, write
from tests.simulation.csms import Bench, bench
from tests.support import eventually

V16, V201, V21 = OcppVersion
every_version = pytest.mark.parametrize("version", list(OcppVersion))


def root_kind(version: OcppVersion) -> str:
    return "CentralSystemRootCertificate" if version is V16 else "CSMSRootCertificate"


async def listed(it: Bench, kind: str) -> list[dict[str, Any]]:
    asked: Any = kind if it.csms.version is V16 else [kind]
    answer = await it.csms.call("GetInstalledCertificateIds", {"certificateType": asked})
    if it.csms.version is V16:
        return answer.get("certificateHashData", [])
    return [row["certificateHashData"] for row in answer.get("certificateHashDataChain", [])]


def test_hashes_are_those_of_an_ocsp_request() -> None:
    root_key, root = certificate("Root", is_authority=True)
    _, leaf = certificate("Leaf", (root_key, root))
    request = ocsp.OCSPRequestBuilder().add_certificate(leaf, root, hashes.SHA256()).build()
    known = hash_data(pem(leaf), pem(root))
    assert known["issuerNameHash"] == request.issuer_name_hash.hex()
    assert known["issuerKeyHash"] == request.issuer_key_hash.hex()
    assert int(known["serialNumber"], 16) == request.serial_number


@every_version
def test_a_root_is_installed_listed_and_deleted(run_fast: Any, version: OcppVersion) -> None:
    _, paper = certificate("Root", is_authority=True)
    kind = root_kind(version)

    async def story() -> Any:
        async with bench(version) as it:
            request = {"certificateType": kind, "certificate": pem(paper)}
            said = [(await it.csms.call("InstallCertificate", request))["status"]]
            said.append(
                (await it.csms.call("InstallCertificate", {**request, "certificate": "x"}))[
                    "status"
                ]
            )
            found = await listed(it, kind)
            for _ in "ab":
                gone = await it.csms.call("DeleteCertificate", {"certificateHashData": found[0]})
                said.append(gone["status"])
            return said, found, await listed(it, kind)

    said, found, left = run_fast(story())
    assert said == ["Accepted", "Rejected", "Accepted", "NotFound"]
    assert (len(found), left) == (1, [])


@every_version
def test_a_station_asks_for_its_certificate_and_takes_only_its_own(
    run_fast: Any, version: OcppVersion
) -> None:
    root = certificate("Root", is_authority=True)

    async def story() -> Any:
        async with bench(version, serial_number="SN-4711") as it:
            action, word = (
                ("ExtendedTriggerMessage", "SignChargePointCertificate")
                if version is V16
                else ("TriggerMessage", "SignChargingStationCertificate")
            )
            await it.csms.call(action, {"requestedMessage": word})
            asked = await it.csms.hears("SignCertificate")
            csr = x509.load_pem_x509_csr(asked["csr"].encode())
            _, other = certificate("Other", root)
            _, own = certificate("SN-4711", root, csr.public_key())
            said = []
            for paper in (other, own, own):
                chain = {"certificateChain": pem(paper) + pem(root[1])}
                said.append((await it.csms.call("CertificateSigned", chain))["status"])
            return csr, said

    csr, said = run_fast(story())
    assert csr.is_signature_valid
    assert csr.subject.rfc4514_string() == "O=Demo,CN=SN-4711"
    assert said == ["Rejected", "Accepted", "Rejected"]


@every_version
def test_a_boot_is_a_security_event(run_fast: Any, version: OcppVersion) -> None:
    async def story() -> list[str]:
        async with bench(version) as it:
            await it.csms.hears("SecurityEventNotification")
            await it.csms.call("Reset", {"type": "Hard" if version is V16 else "Immediate"})
            await eventually(lambda: len(it.csms.all("BootNotification")) == 2, 60)
            await eventually(lambda: len(it.csms.all("SecurityEventNotification")) == 2, 10)
            return [event["type"] for event in it.csms.all("SecurityEventNotification")]

    assert run_fast(story()) == ["StartupOfTheDevice", "ResetOrReboot"]


def test_a_profile_is_raised_and_never_lowered(run_fast: Any) -> None:
    async def story() -> Any:
        async with bench(V16, security_profile=2) as it:
            said = []
            for value in ("1", "3"):
                change = {"key": "SecurityProfile", "value": value}
                said.append((await it.csms.call("ChangeConfiguration", change))["status"])
            return said, it.station.security_profile

    assert run_fast(story()) == (["Rejected", "Accepted"], 3)


@pytest.mark.parametrize("profile", ["2", "3"])
def test_a_raised_profile_that_does_not_connect_is_given_up(run_fast: Any, profile: str) -> None:
    """A05.FR.08: nobody speaks TLS there, so it comes back as before, with its password."""

    async def story() -> Any:
        async with bench(V16) as it:
            change = {"key": "SecurityProfile", "value": profile}
            assert (await it.csms.call("ChangeConfiguration", change))["status"] == "Accepted"
            await eventually(lambda: it.station.uplink.url and it.station.uplink.failures, 30)
            assert not it.station.uplink.online
            await eventually(lambda: it.station.uplink.online, 120)
            asked = await it.csms.call("GetConfiguration", {"key": ["SecurityProfile"]})
            (told,) = asked["configurationKey"]
            return told["value"], "Authorization" in it.csms.headers[-1]

    assert run_fast(story()) == ("1", True)


def test_a_network_slot_that_does_not_connect_costs_no_password(run_fast: Any) -> None:
    async def story() -> tuple[int, bool]:
        async with bench(V201) as it:
            slot = {
                "configurationSlot": 1,
                "connectionData": {
                    "ocppVersion": "OCPP20", "ocppTransport": "JSON", "messageTimeout": 30,
                    "ocppCsmsUrl": it.csms.url.replace("ws:", "wss:"), "securityProfile": 3,
                    "ocppInterface": "Wired0",
                },
            }  # fmt: skip
            assert (await it.csms.call("SetNetworkProfile", slot))["status"] == "Accepted"
            await it.csms.call("Reset", {"type": "Immediate"})
            await eventually(lambda: it.station.uplink.failures, 120)
            await eventually(lambda: it.station.uplink.online, 300)
            return it.station.security_profile, "Authorization" in it.csms.headers[-1]

    assert run_fast(story()) == (1, True)


@pytest.fixture
def authority(tmp_path: Path) -> Any:
    """(key, certificate, its file) and a server context that shows a certificate of it."""
    key, paper = certificate("Site authority", is_authority=True)
    ca_file, _ = write(tmp_path, "ca", key, paper)
    host = certificate("localhost", (key, paper), host="localhost")
    chain, secret = write(tmp_path, "server", *host)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, secret)
    context.load_verify_locations(ca_file)
    return key, paper, ca_file, context


@every_version
def test_profile_2_is_tls_with_a_password(
    run_fast: Any, version: OcppVersion, authority: Any
) -> None:
    *_, ca_file, context = authority

    async def story() -> tuple[bool, int]:
        async with bench(version, tls=context, security_profile=2, ca_file=ca_file) as it:
            await it.charge()
            return "Authorization" in it.csms.headers[0], it.csms.connections

    assert run_fast(story()) == (True, 1)


@every_version
def test_profile_3_shows_a_certificate_and_renews_it(
    run_fast: Any, version: OcppVersion, authority: Any, tmp_path: Path
) -> None:
    key, paper, ca_file, context = authority
    context.verify_mode = ssl.CERT_REQUIRED
    own = certificate("SN-1", (key, paper))
    chain, secret = write(tmp_path, "station", *own)
    files = {"ca_file": ca_file, "certificate_file": chain, "key_file": secret}

    async def story() -> Any:
        async with bench(version, tls=context, security_profile=3, **files) as it:
            action, word = (
                ("ExtendedTriggerMessage", "SignChargePointCertificate")
                if version is V16
                else ("TriggerMessage", "SignChargingStationCertificate")
            )
            await it.csms.call(action, {"requestedMessage": word})
            asked = await it.csms.hears("SignCertificate")
            csr = x509.load_pem_x509_csr(asked["csr"].encode())
            _, renewed = certificate("SN-1", (key, paper), csr.public_key())
            await it.csms.call("CertificateSigned", {"certificateChain": pem(renewed)})
            await eventually(lambda: it.csms.connections == 2, 60)
            await eventually(lambda: it.station.uplink.online, 60)
            socket = it.csms.connection.transport.get_extra_info("ssl_object")
            shown = x509.load_der_x509_certificate(socket.getpeercert(binary_form=True))
            return "Authorization" in it.csms.headers[1], shown.serial_number, renewed

    has_password, shown, renewed = run_fast(story())
    assert not has_password
    assert shown == renewed.serial_number


@every_version
def test_a_csms_that_nobody_vouches_for_gets_no_connection(
    run_fast: Any, version: OcppVersion, authority: Any, tmp_path: Path
) -> None:
    *_, context = authority
    stranger, _ = write(tmp_path, "stranger", *certificate("Stranger", is_authority=True))

    async def story() -> tuple[int, bool]:
        more = {"security_profile": 2, "ca_file": stranger}
        async with bench(version, tls=context, boots=("Accepted",), **more) as it:
            await asyncio.sleep(30)
            return it.csms.connections, it.station.uplink.online

    assert run_fast(story()) == (0, False)
