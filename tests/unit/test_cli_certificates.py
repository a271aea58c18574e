"""`selfcheck` on certificates: whole files, and what ends soon."""

from datetime import timedelta

import pytest

from sitecontroller.cli import certificates
from sitecontroller.domain.security import (
    BoundCertificate,
    OwnCertificateView,
    StationSecurityView,
)
from tests.unit.pki.hands import NOW, made_authority


def station(days, **rest):
    held = BoundCertificate("ab", "1", "SN-1", NOW + timedelta(days=days), NOW, **rest)
    facts = dict.fromkeys(StationSecurityView.__dataclass_fields__)
    return StationSecurityView(**facts | {"station_id": "CP-01", "certificates": (held,)})


def test_an_untouched_authority_is_well(run, tmp_path):
    run(made_authority(tmp_path))
    assert certificates.files(tmp_path).well


@pytest.mark.parametrize("lost", ["ec-root.key", "rsa-issuing.pem", "ec-server.pem"])
def test_a_file_that_is_lost_or_torn_is_named(run, tmp_path, lost):
    run(made_authority(tmp_path))
    (tmp_path / "pki" / lost).write_text("torn")
    found = certificates.files(tmp_path)
    assert not found.well
    assert "backup" in found.remedy


def test_keys_that_others_can_read_are_named(run, tmp_path):
    run(made_authority(tmp_path))
    (tmp_path / "pki" / "ec-root.key").chmod(0o644)
    found = certificates.files(tmp_path)
    assert not found.well
    assert "ec-root.key" in found.detail


@pytest.mark.parametrize(("days", "words"), [(21, "valid"), (19, "ends on"), (-1, "has ended")])
def test_what_the_site_shows_is_told_when_it_ends_soon(days, words):
    shown = OwnCertificateView("ec-server", "CN=site", NOW + timedelta(days=days), "ab")
    found = certificates.own([shown], NOW)
    assert words in found.detail
    assert found.well is (days > 20)


@pytest.mark.parametrize(("days", "words"), [(31, "valid"), (29, "CP-01 ends on"), (-1, "ended")])
def test_a_charger_whose_certificate_ends_soon_is_named(days, words):
    found = certificates.of_chargers([station(days)], NOW)
    assert words in found.detail
    assert found.well is (days > 30)


def test_revoked_and_refused_certificates_of_chargers_do_not_count():
    gone = [station(1, revoked_at=NOW), station(1, taken=False)]
    assert certificates.of_chargers(gone, NOW).detail == "none"
