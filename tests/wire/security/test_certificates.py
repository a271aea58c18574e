"""Certificates on chargers: signed, installed, listed, deleted, in every version."""

from datetime import timedelta

import pytest

from sitecontroller.domain.certificates import (
    CertificateHash,
    CertificateUse,
    DeleteCertificate,
    HashAlgorithm,
    InstallCertificate,
    InstalledCertificatesQuery,
    ListCertificates,
    RenewCertificate,
    RevokeCertificates,
    SigningUse,
)
from sitecontroller.domain.commands import CommandState
from sitecontroller.domain.errors import InvalidInput, NotFound, OperatingError, Unsupported
from sitecontroller.domain.security import StationSecurityQuery
from sitecontroller.pki import certificates as pki
from sitecontroller.services.contracts import VehicleAnswer
from tests.support import eventually
from tests.unit.pki.hands import authority_of, csr, rsa_key
from tests.wire.security.site import box, leaf, roots, secure_site
from tests.wire.security.test_profiles import refusal

HASH = {
    "hashAlgorithm": "SHA256",
    "issuerNameHash": "AB" * 32,
    "issuerKeyHash": "cd" * 32,
    "serialNumber": "0FFF",
}
OUTSIDE = pki.pem(authority_of(name="Outside").certificate)
STATION_KIND = {"1.6": {}, "2.0.1": {"certificateType": "ChargingStationCertificate"}}
STATION_KIND["2.1"] = {**STATION_KIND["2.0.1"], "requestId": 77}
VERSIONS = pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])


class Headquarters:
    """Signs for vehicles and answers cars, as headquarters will."""

    def __init__(self):
        self.root = authority_of(name="V2G")
        self.asked = []

    def check_ready(self):
        pass

    async def sign(self, request):
        self.asked.append(request)
        return pki.pem(pki.station(rsa_key().public_key(), "V2G", "SECC", self.root, AT))

    async def vehicle(self, request):
        self.asked.append(request)
        return VehicleAnswer(True, "RVhJ", 2)


AT = authority_of(name="x").certificate.not_valid_before_utc + timedelta(days=1)


async def execute(site, command):
    return await site.site.controller.execute(command)


async def effect(site, result, within_s=10):
    """The command's end."""
    ends = (CommandState.EFFECTIVE, CommandState.INEFFECTIVE)
    find = site.site.controller.command_result
    await eventually(lambda: find(result.command_id).state in ends, within_s)
    return find(result.command_id)


def alarm_codes(site):
    return {alarm.code for alarm in site.site.services.alarms.open() if alarm.active}


# signing


def signs_when_asked(made, charger, version, *, status="Accepted", request=None):
    """Answer the trigger, then send a SignCertificate, as a charger does."""
    import asyncio

    action = "ExtendedTriggerMessage" if version == "1.6" else "TriggerMessage"
    asked = asyncio.Event()

    def triggered(payload):
        if "Sign" in payload["requestedMessage"]:
            asked.set()
        return {"status": "Accepted"}

    charger.answers[action] = triggered
    made.takes_its_certificate(charger, status)

    async def sign():
        await asked.wait()
        payload = {"csr": request or made.csr(), **STATION_KIND[version]}
        return await charger.call("SignCertificate", payload)

    return asyncio.create_task(sign())


@VERSIONS
def test_a_charger_is_made_to_renew_its_certificate_and_comes_back_with_it(run, tmp_path, version):
    """Proves: TC_A_11_CSMS."""

    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site, version=version)
            async with made.connected(site) as charger:
                await made.boot(charger)
                signing = signs_when_asked(made, charger, version)
                result = await execute(site, RenewCertificate("CP-01"))
                assert result.state is CommandState.ACCEPTED
                assert (await signing) == {"status": "Accepted"}
                assert (await effect(site, result)).state is CommandState.EFFECTIVE
                (sent,) = charger.asked_for("CertificateSigned")
                assert set(sent) == {"certificateChain", *STATION_KIND[version]}
                assert {name: sent[name] for name in STATION_KIND[version]} == STATION_KIND[version]
            certificate = leaf(made.chain)
            assert certificate.subject.rfc4514_string() == "CN=SN-0001,O=Test site"
            made.password = None
            async with made.connected(site) as charger:
                assert (await made.boot(charger))["status"] == "Accepted"
            view = await site.site.controller.query(StationSecurityQuery("CP-01"))
            assert view.profile == 3
            assert [c.common_name for c in view.certificates] == ["SN-0001"]

    run(play())


@VERSIONS
def test_a_charger_renews_its_certificate_by_itself(run, tmp_path, version):
    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site, version=version)
            async with made.connected(site) as charger:
                await made.boot(charger)
                made.takes_its_certificate(charger)
                payload = {"csr": made.csr(key=rsa_key()), **STATION_KIND[version]}
                assert (await charger.call("SignCertificate", payload)) == {"status": "Accepted"}
                await eventually(lambda: made.chain)
            assert leaf(made.chain).issuer.rfc4514_string().startswith("CN=Test site issuing RSA")

    run(play())


@VERSIONS
def test_a_charger_that_refuses_its_new_certificate_is_told_of(run, tmp_path, version):
    """Proves: TC_A_14_CSMS."""

    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site, version=version)
            async with made.connected(site) as charger:
                await made.boot(charger)
                signing = signs_when_asked(made, charger, version, status="Rejected")
                result = await execute(site, RenewCertificate("CP-01"))
                assert (await signing) == {"status": "Accepted"}
                assert (await effect(site, result)).state is CommandState.INEFFECTIVE
                assert "certificate-rejected" in alarm_codes(site)
                assert "currentTime" in await charger.call("Heartbeat", {})

    run(play())


@VERSIONS
@pytest.mark.parametrize("fault", ["other name", "weak key", "no request"])
def test_a_request_that_must_not_be_signed_is_refused_with_an_alarm(run, tmp_path, version, fault):
    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site, version=version)
            requests = {
                "other name": made.csr("SN-0002"),
                "weak key": csr(rsa_key(1024), "SN-0001"),
                "no request": "garbage",
            }
            async with made.connected(site) as charger:
                await made.boot(charger)
                answer = await charger.call("SignCertificate", {"csr": requests[fault]})
                assert answer["status"] == "Rejected"
                assert ("statusInfo" in answer) is (version != "1.6")
                assert "certificate-rejected" in alarm_codes(site)
                assert not charger.asked_for("CertificateSigned")

    run(play())


def test_a_charger_that_asks_again_and_again_is_held_back(run, tmp_path):
    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site)
            async with made.connected(site) as charger:
                await made.boot(charger)
                said = [
                    (await charger.call("SignCertificate", {"csr": made.csr()}))["status"]
                    for _ in range(8)
                ]
                assert said == ["Accepted"] * 6 + ["Rejected"] * 2

    run(play())


def test_without_certificates_of_its_own_a_site_signs_nothing_and_says_how_to_get_them(
    run, tmp_path
):
    async def play() -> None:
        async with (
            secure_site_off(tmp_path) as (site, made),
            made.connected(site, tls=False) as charger,
        ):
            await made.boot(charger)
            answer = await charger.call("SignCertificate", {"csr": made.csr()})
            assert answer["status"] == "Rejected"
            with pytest.raises(OperatingError) as caught:
                await execute(site, RenewCertificate("CP-01"))
            assert "tls = true" in caught.value.remedy

    run(play())


def secure_site_off(directory):
    import contextlib

    from tests.wire.security.site import Box
    from tests.wire.site import running_site

    @contextlib.asynccontextmanager
    async def off():
        async with running_site(directory) as site:
            yield site, Box()

    return off()


@pytest.mark.parametrize("combined", [False, True])
def test_a_certificate_for_vehicles_is_passed_on_to_headquarters(run, tmp_path, combined):
    """Headquarters is played by the test, so TC_A_12_CSMS and TC_A_13_CSMS stay unproven:
    the site has the way to it and no more.
    """
    import asyncio

    async def play() -> None:
        async with secure_site(tmp_path) as site:
            headquarters = Headquarters()
            site.site.services.blocks.security.certificates.contracts = headquarters
            made = box(site)
            async with made.connected(site) as charger:
                await made.boot(charger)
                made.takes_its_certificate(charger)
                result = await execute(
                    site, RenewCertificate("CP-01", SigningUse.V2G, combined=combined)
                )
                wanted = "SignCombinedCertificate" if combined else "SignV2GCertificate"
                asked = charger.asked_for("TriggerMessage")[-1]["requestedMessage"]
                assert asked == wanted
                payload = {"csr": made.csr(), "certificateType": "V2GCertificate"}
                assert (await charger.call("SignCertificate", payload)) == {"status": "Accepted"}
                assert (await effect(site, result)).state is CommandState.EFFECTIVE
                (sent,) = charger.asked_for("CertificateSigned")
                assert sent["certificateType"] == "V2GCertificate"
                assert leaf(sent["certificateChain"]).subject.rfc4514_string() == "CN=SECC,O=V2G"
                assert headquarters.asked[0].csr == made.csr() or headquarters.asked[0].csr
            await asyncio.sleep(0)

    run(play())


@VERSIONS
def test_without_headquarters_a_certificate_for_vehicles_is_refused_at_once(run, tmp_path, version):
    import json

    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site, version=version)
            async with made.connected(site) as charger:
                await made.boot(charger)
                payload = {"csr": made.csr(), "certificateType": "V2GCertificate"}
                if version == "1.6":
                    outer = await charger.call(
                        "DataTransfer",
                        {
                            "vendorId": "org.openchargealliance.iso15118pnc",
                            "messageId": "SignCertificate",
                            "data": json.dumps(payload),
                        },
                    )
                    assert outer["status"] == "Accepted"
                    answer = json.loads(outer["data"])
                else:
                    answer = await charger.call("SignCertificate", payload)
                assert answer["status"] == "Rejected"
                assert "headquarters" in answer["statusInfo"]["additionalInfo"]
                with pytest.raises(OperatingError):
                    await execute(site, RenewCertificate("CP-01", SigningUse.V2G))

    run(play())


def test_a_certificate_is_renewed_in_time_and_one_that_ends_soon_is_told(run, tmp_path):
    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site)
            services = site.site.services
            async with made.connected(site) as charger:
                await made.boot(charger)
                made.takes_its_certificate(charger)
                await charger.call("SignCertificate", {"csr": made.csr()})
                await eventually(lambda: made.chain)
                await services.blocks.security.certificates.renew_due()
                assert not charger.asked_for("TriggerMessage")
                guard = services.stations.guard
                security = guard.security("CP-01")
                import dataclasses

                old = dataclasses.replace(
                    security.certificates[0],
                    issued_at=services.clock.now() - timedelta(days=700),
                    not_after=services.clock.now() + timedelta(days=20),
                )
                await guard.keep(dataclasses.replace(security, certificates=(old,)))
                for _ in range(3):
                    await services.blocks.security.certificates.renew_due()
                (asked,) = charger.asked_for("TriggerMessage")
                assert asked["requestedMessage"] == "SignChargingStationCertificate"
                assert "certificate-expiring" in alarm_codes(site)

    run(play())


def test_revoked_certificates_are_refused_and_the_connection_ends(run, tmp_path):
    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site)
            async with made.connected(site) as charger:
                await made.boot(charger)
                made.takes_its_certificate(charger)
                await charger.call("SignCertificate", {"csr": made.csr()})
                await eventually(lambda: made.chain)
            async with made.connected(site) as charger:
                await made.boot(charger)
                await execute(site, RevokeCertificates("CP-01", "board was stolen"))
                await charger.socket.wait_closed()
            assert (await refusal(made, site))[0] == 401

    run(play())


# roots


@VERSIONS
def test_the_sites_own_roots_are_installed(run, tmp_path, version):
    """Proves: TC_M_01_CSMS."""

    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site, version=version)
            async with made.connected(site) as charger:
                await made.boot(charger)
                result = await execute(site, InstallCertificate("CP-01"))
                assert result.state is CommandState.ACCEPTED
                sent = charger.asked_for("InstallCertificate")
                name = "CentralSystem" if version == "1.6" else "CSMS"
                assert {s["certificateType"] for s in sent} == {f"{name}RootCertificate"}
                assert tuple(s["certificate"] for s in sent) == roots(site)

    run(play())


def test_a_charger_with_room_for_one_root_is_fine_with_the_first(run, tmp_path):
    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site)
            async with made.connected(site) as charger:
                await made.boot(charger)
                answers = iter(("Accepted", "Rejected"))
                charger.answers["InstallCertificate"] = lambda _: {"status": next(answers)}
                result = await execute(site, InstallCertificate("CP-01"))
                assert result.state is CommandState.ACCEPTED

    run(play())


@pytest.mark.parametrize(
    "use",
    [
        CertificateUse.CSMS_ROOT,
        CertificateUse.MANUFACTURER_ROOT,
        CertificateUse.V2G_ROOT,
        CertificateUse.CONTRACT_ROOT,
    ],
)
def test_a_root_of_any_use_is_installed(run, tmp_path, use):
    """Proves: TC_M_02_CSMS, TC_M_03_CSMS, TC_M_04_CSMS."""

    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site)
            async with made.connected(site) as charger:
                await made.boot(charger)
                result = await execute(site, InstallCertificate("CP-01", use, OUTSIDE))
                assert result.state is CommandState.ACCEPTED
                (sent,) = charger.asked_for("InstallCertificate")
                assert sent == {"certificateType": use.value, "certificate": OUTSIDE}

    run(play())


@VERSIONS
@pytest.mark.parametrize("status", ["Failed", "Rejected"])
def test_a_root_that_was_not_installed_is_a_refusal(run, tmp_path, version, status):
    """Proves: TC_M_05_CSMS."""

    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site, version=version)
            async with made.connected(site) as charger:
                await made.boot(charger)
                charger.answers["InstallCertificate"] = lambda _: {"status": status}
                command = InstallCertificate("CP-01", CertificateUse.CSMS_ROOT, OUTSIDE)
                result = await execute(site, command)
                assert (result.state, result.reason) == (CommandState.REJECTED, status)

    run(play())


def test_what_is_no_root_is_refused_before_a_charger_hears_of_it(run, tmp_path):
    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site)
            async with made.connected(site) as charger:
                await made.boot(charger)
                for use, pem, field in (
                    (CertificateUse.CSMS_ROOT, "garbage", "pem"),
                    (CertificateUse.CSMS_ROOT, "x" * 6000, "pem"),
                    (CertificateUse.V2G_ROOT, None, "pem"),
                    (CertificateUse.V2G_CHAIN, OUTSIDE, "use"),
                ):
                    with pytest.raises(InvalidInput) as caught:
                        await execute(site, InstallCertificate("CP-01", use, pem))
                    assert caught.value.errors[0].field == field
                with pytest.raises(Unsupported):
                    await execute(
                        site, InstallCertificate("CP-01", CertificateUse.VEHICLE_ROOT, OUTSIDE)
                    )
                assert not charger.asked_for("InstallCertificate")

    run(play())


def chain_of(use, algorithm="SHA256", **rest):
    named = {**HASH, "hashAlgorithm": algorithm}
    return {"certificateType": use.value, "certificateHashData": named, **rest}


@pytest.mark.parametrize(
    ("use", "algorithm"),
    [
        (CertificateUse.CSMS_ROOT, "SHA256"),
        (CertificateUse.CSMS_ROOT, "SHA384"),
        (CertificateUse.CSMS_ROOT, "SHA512"),
        (CertificateUse.MANUFACTURER_ROOT, "SHA256"),
        (CertificateUse.V2G_ROOT, "SHA256"),
        (CertificateUse.V2G_CHAIN, "SHA256"),
        (CertificateUse.CONTRACT_ROOT, "SHA256"),
    ],
)
def test_certificates_of_one_use_are_listed_and_kept(run, tmp_path, use, algorithm):
    """Proves: TC_M_12_CSMS, TC_M_13_CSMS, TC_M_14_CSMS, TC_M_15_CSMS, TC_M_16_CSMS."""

    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site)
            with pytest.raises(NotFound):
                await site.site.controller.query(InstalledCertificatesQuery("CP-01"))
            async with made.connected(site) as charger:
                await made.boot(charger)
                rest = (
                    {"childCertificateHashData": [HASH]} if use is CertificateUse.V2G_CHAIN else {}
                )
                charger.answers["GetInstalledCertificateIds"] = lambda _: {
                    "status": "Accepted",
                    "certificateHashDataChain": [chain_of(use, algorithm, **rest)],
                }
                result = await execute(site, ListCertificates("CP-01", (use,)))
                assert result.state is CommandState.ACCEPTED
                (sent,) = charger.asked_for("GetInstalledCertificateIds")
                assert sent == {"certificateType": [use.value]}
            told = await site.site.controller.query(InstalledCertificatesQuery("CP-01"))
            (certificate,) = told.certificates
            assert certificate.use is use
            assert certificate.hash.hash_algorithm.value == algorithm
            assert len(certificate.children) == len(rest.get("childCertificateHashData", ()))

    run(play())


def test_all_certificates_are_listed_at_once(run, tmp_path):
    """Proves: TC_M_17_CSMS, TC_M_18_CSMS."""

    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site)
            async with made.connected(site) as charger:
                await made.boot(charger)
                uses = (CertificateUse.CSMS_ROOT, CertificateUse.MANUFACTURER_ROOT)
                charger.answers["GetInstalledCertificateIds"] = lambda _: {
                    "status": "Accepted",
                    "certificateHashDataChain": [chain_of(use) for use in uses],
                }
                await execute(site, ListCertificates("CP-01", uses))
                result = await execute(site, ListCertificates("CP-01"))
                first, second = charger.asked_for("GetInstalledCertificateIds")
                assert first == {"certificateType": [use.value for use in uses]}
                assert second == {}
                assert len(result.answer["certificates"]) == 2

    run(play())


@VERSIONS
def test_a_charger_without_certificates_is_an_answer_too(run, tmp_path, version):
    """Proves: TC_M_19_CSMS."""

    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site, version=version)
            async with made.connected(site) as charger:
                await made.boot(charger)
                charger.answers["GetInstalledCertificateIds"] = lambda _: {"status": "NotFound"}
                command = ListCertificates("CP-01", (CertificateUse.MANUFACTURER_ROOT,))
                result = await execute(site, command)
                assert result.state is CommandState.ACCEPTED
                assert result.answer == {"certificates": []}

    run(play())


def test_a_16_charger_is_asked_for_one_kind_after_the_other(run, tmp_path):
    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site, version="1.6")
            async with made.connected(site) as charger:
                await made.boot(charger)
                charger.answers["GetInstalledCertificateIds"] = lambda _: {
                    "status": "Accepted",
                    "certificateHashData": [HASH],
                }
                result = await execute(site, ListCertificates("CP-01"))
                kinds = [
                    p["certificateType"] for p in charger.asked_for("GetInstalledCertificateIds")
                ]
                assert kinds == ["CentralSystemRootCertificate", "ManufacturerRootCertificate"]
                uses = [c["use"] for c in result.answer["certificates"]]
                assert uses == ["CSMSRootCertificate", "ManufacturerRootCertificate"]

    run(play())


@pytest.mark.parametrize(
    ("version", "algorithm"),
    [("1.6", "SHA256"), ("2.0.1", "SHA256"), ("2.0.1", "SHA384"), ("2.1", "SHA512")],
)
def test_a_certificate_is_deleted_by_the_hash_under_which_it_is_listed(
    run, tmp_path, version, algorithm
):
    """As the charger spelt it (M04.FR.07).

    Proves: TC_M_20_CSMS.
    """

    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site, version=version)
            async with made.connected(site) as charger:
                await made.boot(charger)
                named = {**HASH, "hashAlgorithm": algorithm}
                key = "certificateHashData" if version == "1.6" else "certificateHashDataChain"
                listed = (
                    named if version == "1.6" else chain_of(CertificateUse.CSMS_ROOT, algorithm)
                )
                charger.answers["GetInstalledCertificateIds"] = lambda _: {
                    "status": "Accepted",
                    key: [listed],
                }
                await execute(site, ListCertificates("CP-01", (CertificateUse.CSMS_ROOT,)))
                told = await site.site.controller.query(InstalledCertificatesQuery("CP-01"))
                command = DeleteCertificate("CP-01", told.certificates[0].hash)
                assert (await execute(site, command)).state is CommandState.ACCEPTED
                assert charger.asked_for("DeleteCertificate") == [{"certificateHashData": named}]
            told = await site.site.controller.query(InstalledCertificatesQuery("CP-01"))
            assert told.certificates == ()

    run(play())


@pytest.mark.parametrize("status", ["Failed", "NotFound"])
def test_a_certificate_that_was_not_deleted_is_a_refusal(run, tmp_path, status):
    """Proves: TC_M_21_CSMS."""

    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site)
            async with made.connected(site) as charger:
                await made.boot(charger)
                charger.answers["DeleteCertificate"] = lambda _: {"status": status}
                named = CertificateHash(HashAlgorithm.SHA256, "ab", "cd", "1")
                result = await execute(site, DeleteCertificate("CP-01", named))
                assert (result.state, result.reason) == (CommandState.REJECTED, status)

    run(play())


def test_a_16_charger_without_the_extension_is_said_to_lack_it(run, tmp_path):
    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site, version="1.6")
            async with made.connected(site) as charger:
                await made.boot(charger)
                charger.answers["ExtendedTriggerMessage"] = lambda _: {"status": "NotImplemented"}
                with pytest.raises(Unsupported) as caught:
                    await execute(site, RenewCertificate("CP-01"))
                assert "no security extension" in caught.value.detail

    run(play())
