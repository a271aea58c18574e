"""Which of a charger's certificates hold: refused and lost renewals, and revoked ones."""

from sitecontroller.domain.certificates import RevokeCertificates
from sitecontroller.pki import certificates as pki
from tests.support import eventually
from tests.wire.security.site import box, leaf, secure_site
from tests.wire.security.test_certificates import execute
from tests.wire.security.test_profiles import refusal


def test_a_charger_that_fails_to_renew_keeps_the_certificate_it_has(run, tmp_path):
    """However often it refuses a new one: the one in use still opens, and its end is still told."""

    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site)
            services = site.site.services
            async with made.connected(site) as charger:
                await made.boot(charger)
                made.takes_its_certificate(charger)
                await charger.call("SignCertificate", {"csr": made.csr()})
                await eventually(lambda: made.chain)
            made.password = None
            async with made.connected(site) as charger:
                await made.boot(charger)
                in_use = services.stations.guard.security("CP-01").certificate
                made.takes_its_certificate(charger, "Rejected")
                for number in range(1, 6):
                    await charger.call("SignCertificate", {"csr": made.csr()})
                    await eventually(
                        lambda n=number: len(charger.asked_for("CertificateSigned")) == n
                    )
                security = services.stations.guard.security("CP-01")
                assert security.certificate == in_use
            async with made.connected(site) as charger:
                assert (await made.boot(charger))["status"] == "Accepted"

    run(play())


def test_a_new_certificate_that_was_lost_on_its_way_opens_and_the_old_one_too(run, tmp_path):
    async def play() -> None:
        async with secure_site(tmp_path) as site:
            old, new = box(site), box(site)
            guard = site.site.services.stations.guard
            async with old.connected(site) as charger:
                await old.boot(charger)
                old.takes_its_certificate(charger)
                await charger.call("SignCertificate", {"csr": old.csr()})
                await eventually(lambda: old.chain)
            old.password = new.password = None
            async with old.connected(site) as charger:
                await old.boot(charger)
                charger.answers["CertificateSigned"] = lambda _: None
                await charger.call("SignCertificate", {"csr": new.csr()})
                (sent,) = await eventually(lambda: charger.asked_for("CertificateSigned"))
                new.chain = sent["certificateChain"]
            for made in (old, new):
                async with made.connected(site) as charger:
                    assert (await made.boot(charger))["status"] == "Accepted"
            assert guard.security("CP-01").certificate.fingerprint == pki.fingerprint(
                leaf(new.chain)
            )

    run(play())


def test_every_revoked_certificate_stays_refused_however_many_there_are(run, tmp_path):
    async def play() -> None:
        async with secure_site(tmp_path) as site:
            stolen = []
            for _ in range(7):
                made = box(site)
                async with made.connected(site) as charger:
                    await made.boot(charger)
                    made.takes_its_certificate(charger)
                    await charger.call("SignCertificate", {"csr": made.csr()})
                    await eventually(lambda made=made: made.chain)
                await execute(site, RevokeCertificates("CP-01", "board was stolen"))
                site.site.services.blocks.security.certificates._recent.clear()
                made.password = None
                stolen.append(made)
        async with secure_site(tmp_path, fresh=False) as site:
            assert {(await refusal(made, site))[0] for made in stolen} == {401}

    run(play())
