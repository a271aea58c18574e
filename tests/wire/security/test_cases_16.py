"""OCPP 1.6's cases of security, as its compliance tool numbers and plays them."""

import ssl

import pytest
from cryptography.x509.oid import NameOID

from sitecontroller.domain.certificates import (
    CertificateUse,
    DeleteCertificate,
    InstallCertificate,
    InstalledCertificatesQuery,
    ListCertificates,
    RenewCertificate,
)
from sitecontroller.domain.commands import CommandState, ResetStation, ResetType
from sitecontroller.domain.security import RaiseSecurityProfile, RotatePassword, SecurityEventsQuery
from sitecontroller.pki.certificates import names_of
from tests.support import eventually
from tests.wire.security.mobility import hash_payload
from tests.wire.security.site import box, certified, leaf, profile_of, roots, secure_site
from tests.wire.security.test_certificates import (
    HASH,
    OUTSIDE,
    alarm_codes,
    effect,
    execute,
    signs_when_asked,
)
from tests.wire.security.test_passwords import answers_with, told
from tests.wire.security.test_profiles import SUITES, refusal
from tests.wire.site import PASSWORD, instant, status16

RENEWAL = {"requestedMessage": "SignChargePointCertificate"}


@pytest.fixture
def play(run, tmp_path):
    """`play(story)` runs `await story(site)` at a site that speaks TLS."""

    async def played(story):
        async with secure_site(tmp_path) as site:
            await story(site)

    return lambda story: run(played(story))


async def comes(made, charger):
    """It boots and reports itself and its two connectors."""
    assert (await made.boot(charger))["status"] == "Accepted"
    for connector in (0, 1, 2):
        await status16(charger, connector, "Available")


async def tells(site, charger, kind):
    """A security event, answered and kept."""
    told_of = {"type": kind, "timestamp": instant()}
    assert await charger.call("SecurityEventNotification", told_of) == {}
    kept = await site.site.controller.query(SecurityEventsQuery(50, station_id="CP-01"))
    assert kind in {event.type for event in kept.items}


def test_a_new_password_of_16_to_20_bytes_in_hexadecimal_holds_from_the_next_connection(play):
    """Proves: TC_073_CSMS."""

    async def story(site):
        made = box(site, version="1.6")
        async with made.connected(site, tls=False) as charger:
            await made.boot(charger)
            answers_with(charger, "Accepted")
            result = await execute(site, RotatePassword("CP-01"))
            (made.password,) = told(charger)
        assert 16 <= len(bytes.fromhex(made.password)) <= 20
        assert made.password != PASSWORD
        async with made.connected(site, tls=False) as charger:
            await comes(made, charger)
            assert (await effect(site, result)).state is CommandState.EFFECTIVE

    play(story)


def test_a_charger_renews_its_certificate_when_asked_and_connects_with_it(play):
    """Proves: TC_074_CSMS."""

    async def story(site):
        made = box(site, version="1.6")
        async with made.connected(site) as charger:
            await comes(made, charger)
            signing = signs_when_asked(made, charger, "1.6")
            result = await execute(site, RenewCertificate("CP-01"))
            assert RENEWAL in charger.asked_for("ExtendedTriggerMessage")
            assert await signing == {"status": "Accepted"}
            assert (await effect(site, result)).state is CommandState.EFFECTIVE
            (sent,) = charger.asked_for("CertificateSigned")
        certificate = leaf(sent["certificateChain"])
        assert certificate.public_key() == made.key.public_key()
        assert "CN=SN-0001" in certificate.subject.rfc4514_string()
        made.password = None
        async with made.connected(site) as charger:
            await comes(made, charger)
        assert await profile_of(site) == 3

    play(story)


@pytest.mark.parametrize(
    ("use", "word"),
    [
        (CertificateUse.MANUFACTURER_ROOT, "ManufacturerRootCertificate"),
        (CertificateUse.CSMS_ROOT, "CentralSystemRootCertificate"),
    ],
)
def test_a_root_is_installed_and_then_listed(play, use, word):
    """Proves: TC_075_1_CSMS, TC_075_2_CSMS."""

    async def story(site):
        made = box(site, version="1.6")
        async with made.connected(site) as charger:
            await comes(made, charger)
            result = await execute(site, InstallCertificate("CP-01", use, OUTSIDE))
            assert result.state is CommandState.ACCEPTED
            sent = {"certificateType": word, "certificate": OUTSIDE}
            assert charger.asked_for("InstallCertificate") == [sent]
            root = leaf(OUTSIDE)
            named = hash_payload(root, root)
            charger.answers["GetInstalledCertificateIds"] = lambda _: {
                "status": "Accepted",
                "certificateHashData": [named],
            }
            result = await execute(site, ListCertificates("CP-01", (use,)))
            assert charger.asked_for("GetInstalledCertificateIds") == [{"certificateType": word}]
            (listed,) = result.answer["certificates"]
            assert (listed["use"], listed["hash"]["serial_number"]) == (
                use.value,
                named["serialNumber"],
            )

    play(story)


@pytest.mark.parametrize("algorithm", ["SHA256", "SHA384", "SHA512"])
def test_an_installed_root_is_deleted_by_the_hash_that_the_charger_lists(play, algorithm):
    """Proves: TC_076_CSMS."""

    async def story(site):
        made = box(site, version="1.6")
        use = CertificateUse.CSMS_ROOT
        async with made.connected(site) as charger:
            await comes(made, charger)
            await execute(site, InstallCertificate("CP-01", use, OUTSIDE))
            assert charger.asked_for("InstallCertificate")
            named = {**HASH, "hashAlgorithm": algorithm}
            charger.answers["GetInstalledCertificateIds"] = lambda _: {
                "status": "Accepted",
                "certificateHashData": [named],
            }
            await execute(site, ListCertificates("CP-01", (use,)))
            listed = await site.site.controller.query(InstalledCertificatesQuery("CP-01"))
            result = await execute(site, DeleteCertificate("CP-01", listed.certificates[0].hash))
            assert result.state is CommandState.ACCEPTED
            assert charger.asked_for("DeleteCertificate") == [{"certificateHashData": named}]
            charger.answers["GetInstalledCertificateIds"] = lambda _: {"status": "NotFound"}
            result = await execute(site, ListCertificates("CP-01", (use,)))
            assert result.answer == {"certificates": []}

    play(story)


def test_a_charger_that_finds_its_new_certificate_invalid_says_so(play):
    """Proves: TC_077_CSMS."""

    async def story(site):
        made = box(site, version="1.6")
        async with made.connected(site) as charger:
            await comes(made, charger)
            signing = signs_when_asked(made, charger, "1.6", status="Rejected")
            result = await execute(site, RenewCertificate("CP-01"))
            assert RENEWAL in charger.asked_for("ExtendedTriggerMessage")
            assert await signing == {"status": "Accepted"}
            assert (await effect(site, result)).state is CommandState.INEFFECTIVE
            (sent,) = charger.asked_for("CertificateSigned")
            assert leaf(sent["certificateChain"]).public_key() == made.key.public_key()
            await tells(site, charger, "InvalidChargePointCertificate")
            assert "certificate-rejected" in alarm_codes(site)

    play(story)


def test_a_charger_that_finds_a_root_invalid_says_so(play):
    """Proves: TC_078_CSMS."""

    async def story(site):
        made = box(site, version="1.6")
        async with made.connected(site) as charger:
            await comes(made, charger)
            charger.answers["InstallCertificate"] = lambda _: {"status": "Rejected"}
            command = InstallCertificate("CP-01", CertificateUse.CSMS_ROOT, OUTSIDE)
            result = await execute(site, command)
            assert (result.state, result.reason) == (CommandState.REJECTED, "Rejected")
            (sent,) = charger.asked_for("InstallCertificate")
            assert sent["certificateType"] == "CentralSystemRootCertificate"
            await tells(site, charger, "InvalidCentralSystemCertificate")
            assert "station-security" in alarm_codes(site)

    play(story)


@pytest.mark.parametrize("profile", [2, 3])
def test_a_charger_raised_one_profile_restarts_and_never_comes_back_by_the_old_one(play, profile):
    """Proves: TC_083_CSMS."""

    async def story(site):
        made = box(site, version="1.6")
        if profile == 3:
            async with made.connected(site) as charger:
                await comes(made, charger)  # profile 2 is what it has shown
        before = box(site, version="1.6")
        async with made.connected(site, tls=profile == 3) as charger:
            await comes(made, charger)
            signing = signs_when_asked(made, charger, "1.6") if profile == 3 else None
            result = await execute(site, RaiseSecurityProfile("CP-01", profile))
            told_to = {"key": "SecurityProfile", "value": str(profile)}
            await eventually(lambda: told_to in charger.asked_for("ChangeConfiguration"))
            if signing is not None:
                await signing
            await execute(site, ResetStation("CP-01", ResetType.IMMEDIATE))
            assert charger.asked_for("Reset") == [{"type": "Hard"}]
        if profile == 3:
            made.password = None
        async with made.connected(site) as charger:
            await comes(made, charger)
            assert (await effect(site, result)).state is CommandState.EFFECTIVE
        assert (await refusal(before, site, tls=profile == 3))[0] == 401
        async with made.connected(site) as charger:
            await comes(made, charger)
        assert await profile_of(site) == profile

    play(story)


@pytest.mark.parametrize("suite", SUITES)
def test_a_charger_knows_the_site_by_its_certificate(play, suite):
    """Each of the four suites, and TLS 1.2; the chain and the address are checked.

    Proves: TC_086_CSMS.
    """

    async def story(site):
        made = box(site, version="1.6", ciphers=suite, tls=(None, ssl.TLSVersion.TLSv1_2))
        made.trusted = [roots(site)[0 if "ECDSA" in suite else 1]]
        async with made.connected(site) as charger:
            session = charger.socket.transport.get_extra_info("ssl_object")
            assert (session.version(), session.cipher()[0]) == ("TLSv1.2", suite)
            shown = leaf(ssl.DER_cert_to_PEM_cert(session.getpeercert(binary_form=True)))
            assert shown.public_key().key_size >= (256 if "ECDSA" in suite else 2048)
            assert shown.serial_number
            (name,) = shown.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
            assert name.value in names_of(shown).hosts
            assert "127.0.0.1" in names_of(shown).addresses
            await comes(made, charger)
        assert await profile_of(site) == 2

    play(story)


@pytest.mark.parametrize("suite", SUITES)
def test_the_site_knows_a_charger_by_its_certificate(play, suite):
    """Proves: TC_087_CSMS."""

    async def story(site):
        first = box(site, version="1.6")
        async with first.connected(site) as charger:
            await comes(first, charger)  # tells its serial number
        made = certified(site, version="1.6", password=None, ciphers=suite)
        made.tls = (None, ssl.TLSVersion.TLSv1_2)
        async with made.connected(site) as charger:
            session = charger.socket.transport.get_extra_info("ssl_object")
            assert (session.version(), session.cipher()[0]) == ("TLSv1.2", suite)
            await comes(made, charger)
        assert await profile_of(site) == 3

    play(story)
