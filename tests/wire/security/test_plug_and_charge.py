"""Plug & Charge over the wire: contracts judged by chain or hashes, in 1.6, 2.0.1 and 2.1."""

import asyncio
import base64
import json
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from sitecontroller.config import parse_config
from sitecontroller.domain.authorization import IdTokenType, TokenRecord
from sitecontroller.domain.certificates import (
    CertificateUse,
    ForgetRoot,
    TrustedRootsQuery,
    TrustRoot,
)
from sitecontroller.domain.errors import ConfigurationError, InvalidInput, NotFound
from sitecontroller.ocpp.v16.pnc import VENDOR
from sitecontroller.pki import certificates as pki
from sitecontroller.pki import chains
from tests.support import eventually
from tests.wire.charger import CallError
from tests.wire.security.mobility import EMAID, Provider, hash_payload
from tests.wire.security.site import box, leaf, roots, secure_site
from tests.wire.security.test_certificates import Headquarters, execute
from tests.wire.site import instant

VERSIONS = pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])


async def ask(charger, action, payload):
    """A message of Plug & Charge: over DataTransfer in 1.6."""
    if charger.version != "1.6":
        return await charger.call(action, payload)
    outer = await charger.call(
        "DataTransfer", {"vendorId": VENDOR, "messageId": action, "data": json.dumps(payload)}
    )
    assert outer["status"] == "Accepted"
    return json.loads(outer["data"])


async def authorize(charger, emaid=EMAID, **shown):
    token = {"idToken": emaid, "type": "eMAID"}
    answer = await ask(charger, "Authorize", {"idToken": token, **shown})
    return answer["idTokenInfo"]["status"], answer["certificateStatus"]


def pnc_site(tmp_path, provider, **settings):
    """A site that trusts the provider and may ask its responder."""
    settings = {"revocation_urls": [provider.url] if provider.url else [], **settings}
    return secure_site(tmp_path, plug_and_charge=settings)


async def trust(site, provider):
    result = await execute(site, TrustRoot(CertificateUse.CONTRACT_ROOT, provider.root_pem, "M"))
    return result.answer["fingerprint"]


async def known_contract(site, emaid=EMAID, **rest):
    token = TokenRecord(emaid, IdTokenType.E_MAID, "a driver", **rest)
    await site.site.controller.put_token(token)


@VERSIONS
@pytest.mark.parametrize("by", ["chain", "hashes"])
def test_a_known_contract_under_a_trusted_root_may_charge(run, tmp_path, version, by):
    async def play() -> None:
        provider = Provider()
        async with provider.responder(), pnc_site(tmp_path, provider) as site:
            await trust(site, provider)
            await known_contract(site)
            made = box(site, version=version)
            contract = provider.contract()
            shown = {"iso15118CertificateHashData": provider.hashes(contract)}
            if by == "chain":
                shown["certificate"] = provider.chain(contract)
            async with made.connected(site) as charger:
                await made.boot(charger)
                assert await authorize(charger, **shown) == ("Accepted", "Accepted")
                asked = provider.asked
                assert await authorize(charger, **shown) == ("Accepted", "Accepted")
                assert provider.asked == asked  # the answers are cached

    run(play())


@VERSIONS
def test_what_is_wrong_with_a_contract_is_said_in_the_specifications_words(run, tmp_path, version):
    """C07.FR.13 to 17."""

    async def play() -> None:
        provider, other = Provider(), Provider("Other")
        async with provider.responder(), pnc_site(tmp_path, provider) as site:
            await trust(site, provider)
            made = box(site, version=version)
            contract, foreign = provider.contract(), other.contract()
            expired = provider.contract(at=provider.now - pki.STATION_LIFE - timedelta(days=9))
            bad = provider.contract()
            provider.revoked.add(bad.serial_number)

            def chain(certificate, whose=provider):
                return {
                    "certificate": whose.chain(certificate),
                    "iso15118CertificateHashData": provider.hashes(certificate),
                }

            async with made.connected(site) as charger:
                await made.boot(charger)
                for shown, emaid, verdict in (
                    (chain(contract), EMAID, ("Invalid", "ContractCancelled")),
                    (chain(expired), EMAID, ("Expired", "CertificateExpired")),
                    (chain(bad), EMAID, ("Invalid", "CertificateRevoked")),
                    (chain(foreign, other), EMAID, ("Invalid", "CertChainError")),
                    (chain(contract), "DE8AAC99999999", ("Invalid", "CertChainError")),
                    ({"certificate": "garbage"}, EMAID, ("Invalid", "CertChainError")),
                ):
                    assert await authorize(charger, emaid, **shown) == verdict
                await known_contract(site, blocked=True)
                assert await authorize(charger, **chain(contract)) == (
                    "Blocked",
                    "ContractCancelled",
                )

    run(play())


def test_hashes_that_no_trusted_root_issued_are_not_believed(run, tmp_path):
    async def play() -> None:
        provider, other = Provider(), Provider("Other")
        async with provider.responder(), pnc_site(tmp_path, provider) as site:
            await trust(site, provider)
            await known_contract(site)
            made = box(site)
            other.url = provider.url
            async with made.connected(site) as charger:
                await made.boot(charger)
                for rows in (
                    other.hashes(other.contract()),
                    [{**hash_of("x"), "responderURL": ""}],
                ):
                    verdict = await authorize(charger, iso15118CertificateHashData=rows)
                    assert verdict == ("Invalid", "CertChainError")

    run(play())


def hash_of(serial):
    return {
        "hashAlgorithm": "SHA256",
        "issuerNameHash": "ab",
        "issuerKeyHash": "cd",
        "serialNumber": serial,
    }


@pytest.mark.parametrize(
    ("revocation", "verdict"),
    [("strict", ("Invalid", "CertChainError")), ("soft", ("Accepted", "Accepted"))],
)
def test_without_a_proof_of_revocation_the_sites_policy_counts(run, tmp_path, revocation, verdict):
    """No responder is listed, so none is asked, whatever URL the station names."""

    async def play() -> None:
        provider = Provider()
        async with provider.responder():
            settings = {"revocation": revocation, "revocation_urls": []}
            async with pnc_site(tmp_path, provider, **settings) as site:
                await trust(site, provider)
                await known_contract(site)
                made = box(site)
                async with made.connected(site) as charger:
                    await made.boot(charger)
                    contract = provider.contract()
                    shown = {"iso15118CertificateHashData": provider.hashes(contract)}
                    assert await authorize(charger, **shown) == verdict
                    assert provider.asked == 0

    run(play())


async def started(charger, emaid=EMAID, wh=0):
    return await charger.call(
        "TransactionEvent",
        {
            "eventType": "Started",
            "timestamp": instant(),
            "triggerReason": "Authorized",
            "seqNo": 0,
            "transactionInfo": {"transactionId": "T-1"},
            "evse": {"id": 1, "connectorId": 1},
            "idToken": {"idToken": emaid, "type": "eMAID"},
            "meterValue": [{"timestamp": instant(), "sampledValue": [{"value": wh}]}],
        },
    )


def test_an_unknown_contract_charges_up_to_the_sites_limit(run, tmp_path):
    """0.50 a kWh and 1.00 a session: 5.00 is reached at 8 kWh."""

    async def play() -> None:
        provider = Provider()
        settings = {"unknown_contracts": "accept", "unknown_limit": 5}
        async with provider.responder(), pnc_site(tmp_path, provider, **settings) as site:
            await trust(site, provider)
            made = box(site)
            async with made.connected(site) as charger:
                await made.boot(charger)
                await eventually(lambda: site.site.services.stations.link("CP-01"))
                contract = provider.contract()
                shown = {"iso15118CertificateHashData": provider.hashes(contract)}
                assert await authorize(charger, **shown) == ("Accepted", "Accepted")
                answer = await started(charger)
                assert answer["idTokenInfo"]["status"] == "Accepted"
                for number, wh in enumerate((4000, 7900, 8100, 8200), start=1):
                    assert bool(charger.asked_for("RequestStopTransaction")) is (wh > 8100)
                    await charger.call(
                        "TransactionEvent",
                        {
                            "eventType": "Updated",
                            "timestamp": instant(),
                            "triggerReason": "MeterValuePeriodic",
                            "seqNo": number,
                            "transactionInfo": {"transactionId": "T-1"},
                            "meterValue": [
                                {"timestamp": instant(), "sampledValue": [{"value": wh}]}
                            ],
                        },
                    )
                    if wh == 8100:
                        await eventually(lambda: charger.asked_for("RequestStopTransaction"))
                await asyncio.sleep(0.1)
                assert charger.asked_for("RequestStopTransaction") == [{"transactionId": "T-1"}]

    run(play())


def test_a_blocked_contract_does_not_become_a_guest(run, tmp_path):
    async def play() -> None:
        provider = Provider()
        settings = {"unknown_contracts": "accept"}
        async with provider.responder(), pnc_site(tmp_path, provider, **settings) as site:
            await trust(site, provider)
            await known_contract(site, blocked=True)
            made = box(site)
            async with made.connected(site) as charger:
                await made.boot(charger)
                shown = {"iso15118CertificateHashData": provider.hashes(provider.contract())}
                assert await authorize(charger, **shown) == ("Blocked", "ContractCancelled")

    run(play())


# certificate status


@VERSIONS
def test_the_status_of_the_sites_own_certificates_is_answered_by_its_authority(
    run, tmp_path, version
):
    """Proves: TC_M_24_CSMS."""

    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site, version=version)
            async with made.connected(site) as charger:
                await made.boot(charger)
                made.takes_its_certificate(charger)
                await charger.call("SignCertificate", {"csr": made.csr()})
                await eventually(lambda: made.chain)
                own, issuing = x509.load_pem_x509_certificates(made.chain.encode())
                root = leaf(roots(site)[0])
                for certificate, issuer in ((own, issuing), (issuing, root)):
                    asked = {**hash_payload(certificate, issuer), "responderURL": "http://x/"}
                    answer = await ask(charger, "GetCertificateStatus", {"ocspRequestData": asked})
                    assert answer["status"] == "Accepted"
                    der = base64.b64decode(answer["ocspResult"])
                    response = ocsp.load_der_ocsp_response(der)
                    assert response.certificate_status is ocsp.OCSPCertStatus.GOOD
                    assert response.serial_number == certificate.serial_number

    run(play())


@VERSIONS
def test_the_status_of_others_comes_from_listed_responders_and_the_cache(run, tmp_path, version):
    async def play() -> None:
        provider = Provider()
        async with provider.responder(), pnc_site(tmp_path, provider) as site:
            await trust(site, provider)
            made = box(site, version=version)
            async with made.connected(site) as charger:
                await made.boot(charger)
                asked = provider.hashes(provider.contract())[0]
                for _ in range(2):
                    answer = await ask(charger, "GetCertificateStatus", {"ocspRequestData": asked})
                    assert answer["status"] == "Accepted"
                assert provider.asked == 1
                elsewhere = {**asked, "serialNumber": "77", "responderURL": "http://10.0.0.1/"}
                answer = await ask(charger, "GetCertificateStatus", {"ocspRequestData": elsewhere})
                assert answer["status"] == "Failed"
                assert "list" in answer["statusInfo"]["additionalInfo"]

    run(play())


def crl(provider, *serials):
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(provider.root.certificate.subject)
        .last_update(provider.now)
        .next_update(provider.now + timedelta(days=3))
    )
    for serial in serials:
        entry = x509.RevokedCertificateBuilder().serial_number(serial)
        builder = builder.add_revoked_certificate(entry.revocation_date(provider.now).build())
    return builder.sign(provider.root.key, hashes.SHA256()).public_bytes(Encoding.DER)


async def statuses(charger, *wishes):
    rows = [
        {"certificateHashData": named, "source": source, "urls": [url]}
        for named, source, url in wishes
    ]
    answer = await charger.call("GetCertificateChainStatus", {"certificateStatusRequests": rows})
    return answer["certificateStatus"]


def test_a_21_station_asks_for_a_whole_chain(run, tmp_path):
    """2.1 M07: OCSP and CRL, each certificate by itself."""

    async def play() -> None:
        provider = Provider()
        listed = crl(provider, provider.sub.certificate.serial_number)

        async def serve(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(listed) + listed)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        crl_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with provider.responder():
            urls = [provider.url, crl_url]
            async with pnc_site(tmp_path, provider, revocation_urls=urls) as site:
                await trust(site, provider)
                made = box(site, version="2.1")
                async with made.connected(site) as charger:
                    await made.boot(charger)
                    contract = provider.contract()
                    own = hash_payload(contract, provider.sub.certificate)
                    sub = hash_payload(provider.sub.certificate, provider.root.certificate)
                    nobody = "http://127.0.0.1:1/"
                    unlisted = {**own, "serialNumber": "5"}
                    rows = await statuses(
                        charger,
                        (own, "OCSP", provider.url),
                        (sub, "CRL", crl_url),
                        (unlisted, "CRL", nobody),
                    )
                    assert [row["status"] for row in rows] == ["Good", "Revoked", "Failed"]
                    assert [row["certificateHashData"] for row in rows] == [own, sub, unlisted]
                    (cached,) = await statuses(charger, (own, "OCSP", nobody))
                    assert cached["status"] == "Good"
                    with pytest.raises(CallError):
                        await charger.call(
                            "GetCertificateChainStatus", {"certificateStatusRequests": []}
                        )
        server.close()
        await server.wait_closed()

    run(play())


# what only headquarters can do

EV_REQUEST = {
    "iso15118SchemaVersion": "urn:iso:15118:2:2013:MsgDef",
    "action": "Install",
    "exiRequest": "RVhJIHJlcXVlc3Q=",
}


@VERSIONS
@pytest.mark.parametrize("action", ["Install", "Update"])
def test_a_cars_wish_for_a_contract_is_passed_on_to_headquarters(run, tmp_path, version, action):
    """Headquarters is played by the test, so TC_M_26_CSMS and TC_M_28_CSMS stay unproven:
    the site has the way to it and no more.
    """

    async def play() -> None:
        async with secure_site(tmp_path) as site:
            headquarters = Headquarters()
            site.site.services.blocks.security.certificates.contracts = headquarters
            made = box(site, version=version)
            async with made.connected(site) as charger:
                await made.boot(charger)
                extra = {"maximumContractCertificateChains": 3} if version == "2.1" else {}
                answer = await ask(
                    charger, "Get15118EVCertificate", {**EV_REQUEST, "action": action, **extra}
                )
                wanted = {"remainingContracts": 2} if version == "2.1" else {}
                assert answer == {"status": "Accepted", "exiResponse": "RVhJ", **wanted}
                (asked,) = headquarters.asked
                assert (asked.action, asked.exi_request) == (action, EV_REQUEST["exiRequest"])

    run(play())


@VERSIONS
def test_without_headquarters_a_car_is_told_so_at_once(run, tmp_path, version):
    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site, version=version)
            async with made.connected(site) as charger:
                await made.boot(charger)
                loop = asyncio.get_running_loop()
                began_s = loop.time()
                answer = await ask(charger, "Get15118EVCertificate", EV_REQUEST)
                assert loop.time() - began_s < 1
                assert answer["status"] == "Failed"
                assert answer["exiResponse"] == ""
                assert "headquarters" in answer["statusInfo"]["additionalInfo"]

    run(play())


# 1.6


def test_plug_and_charge_of_16_understands_lenient_spellings_and_refuses_the_rest(run, tmp_path):
    async def play() -> None:
        provider = Provider()
        async with provider.responder(), pnc_site(tmp_path, provider) as site:
            await trust(site, provider)
            await known_contract(site)
            made = box(site, version="1.6")
            async with made.connected(site) as charger:
                await made.boot(charger)
                shown = {"iso15118CertificateHashData": provider.hashes(provider.contract())}
                payload = {"idToken": EMAID, **shown}  # a plain text, as the note has it
                answer = await ask(charger, "Authorize", payload)
                assert answer["certificateStatus"] == "Accepted"
                for message, data, status in (
                    ("Nonsense", "{}", "UnknownMessageId"),
                    ("Authorize", "no json", "Rejected"),
                    ("Authorize", "[" * 5000, "Rejected"),
                    ("Authorize", "[]", "Rejected"),
                    ("Authorize", None, "Rejected"),
                ):
                    body = {"vendorId": VENDOR.upper(), "messageId": message}
                    body |= {} if data is None else {"data": data}
                    assert (await charger.call("DataTransfer", body))["status"] == status
                for nothing in ({}, {"idToken": ""}, {"idToken": EMAID, "certificate": ""}):
                    answer = await ask(charger, "Authorize", nothing)
                    assert answer["idTokenInfo"]["status"] == "Invalid"

    run(play())


# roots


def test_roots_of_contracts_are_trusted_listed_and_forgotten(run, tmp_path):
    async def play() -> None:
        provider = Provider()
        async with secure_site(tmp_path) as site:
            fingerprint = await trust(site, provider)
            for use, pem in (
                (CertificateUse.CSMS_ROOT, provider.root_pem),
                (CertificateUse.V2G_ROOT, "garbage"),
                (CertificateUse.V2G_ROOT, provider.chain(provider.contract())),
            ):
                with pytest.raises(InvalidInput):
                    await execute(site, TrustRoot(use, pem))
        async with secure_site(tmp_path, fresh=False) as site:
            (root,) = (await site.site.controller.query(TrustedRootsQuery())).items
            assert (
                root.fingerprint
                == fingerprint
                == pki.fingerprint(chains.read_root(provider.root_pem))
            )
            await execute(site, ForgetRoot(fingerprint))
            with pytest.raises(NotFound):
                await execute(site, ForgetRoot(fingerprint))

    run(play())


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"plug_and_charge": {"revocation": "never"}}, "plug_and_charge.revocation"),
        ({"plug_and_charge": {"revocation_urls": ["ftp://x/"]}}, "plug_and_charge.revocation_urls"),
        ({"plug_and_charge": {"unknown_limt": 5}}, "plug_and_charge.unknown_limt"),
        ({"ocpp": {"security": {"profile_min": 4}}}, "ocpp.security.profile_min"),
        ({"ocpp": {"security": {"profile_min": 2, "tls": False}}}, "ocpp.security.profile_min"),
        ({"ocpp": {"security": {"client_roots": "none.pem"}}}, "ocpp.security.client_roots"),
        ({"ocpp": {"security": {"names": ["no name"]}}}, "ocpp.security.names"),
    ],
)
def test_a_fault_in_the_settings_is_named_with_its_key(tmp_path, settings, key):
    data = {"circuits": [{"id": "main", "limit_a": 63}], **settings}
    with pytest.raises(ConfigurationError) as caught:
        parse_config(data, base_dir=tmp_path)
    assert key in {error.field for error in caught.value.errors}
