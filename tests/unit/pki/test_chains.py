"""Contract chains, and the hashes that stand for certificates in OCPP."""

import base64
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import ocsp
from hypothesis import given
from hypothesis import strategies as st

from sitecontroller.domain.certificates import HashAlgorithm
from sitecontroller.domain.errors import InvalidInput
from sitecontroller.pki import certificates, chains, keys
from sitecontroller.pki.chains import ChainVerdict
from sitecontroller.pki.keys import KeyKind
from tests.unit.pki.hands import NOW, authority_of, ec_key, issued

ROOT = authority_of(name="Mobility root")
SUB = certificates.issuing(keys.new_key(KeyKind.EC), "Mobility", ROOT, NOW - timedelta(days=30))
LEAF = issued(SUB, "DE8AA1A2B3C4D5")
OTHER = authority_of(name="Mobility root")


@pytest.mark.parametrize("kind", KeyKind)
def test_a_whole_chain_under_a_trusted_root_is_valid(kind):
    root = authority_of(kind)
    sub = certificates.issuing(keys.new_key(kind, 2048), "Mobility", root, NOW)
    leaf = issued(sub, "DE8AA1A2B3C4D5", keys.new_key(kind, 2048))
    checked = chains.check_chain((leaf, sub.certificate), (root.certificate,), NOW)
    assert checked.verdict is ChainVerdict.VALID
    assert checked.links == ((leaf, sub.certificate), (sub.certificate, root.certificate))


@pytest.mark.parametrize(
    ("chain", "roots", "days", "verdict"),
    [
        ((LEAF, SUB.certificate, ROOT.certificate), (ROOT,), 0, ChainVerdict.VALID),
        ((LEAF, SUB.certificate), (), 0, ChainVerdict.UNTRUSTED),
        ((LEAF, SUB.certificate), (OTHER,), 0, ChainVerdict.BAD_SIGNATURE),
        ((LEAF,), (ROOT,), 0, ChainVerdict.UNTRUSTED),
        ((SUB.certificate, LEAF), (ROOT,), 0, ChainVerdict.UNTRUSTED),
        ((LEAF, SUB.certificate), (ROOT,), 800, ChainVerdict.EXPIRED),
        ((LEAF, SUB.certificate), (ROOT,), -100, ChainVerdict.EXPIRED),
        ((ROOT.certificate,), (ROOT,), 0, ChainVerdict.UNTRUSTED),
    ],
)
def test_any_other_chain_is_not(chain, roots, days, verdict):
    trusted = tuple(root.certificate for root in roots)
    at = NOW + timedelta(days=days)
    assert chains.check_chain(chain, trusted, at).verdict is verdict


def test_a_driver_cannot_sign_a_certificate_for_another():
    """A leaf is no authority, whatever its key signs."""
    key = ec_key()
    mine = certificates.Issuer(issued(SUB, "DE8AA1A2B3C4D5", key), key)
    forged = issued(mine, "DE8AAVICTIM001")
    checked = chains.check_chain(
        (forged, mine.certificate, SUB.certificate), (ROOT.certificate,), NOW
    )
    assert checked.verdict is ChainVerdict.UNTRUSTED


def test_an_issuing_authority_cannot_make_further_ones():
    deeper = certificates.issuing(keys.new_key(KeyKind.EC), "Rogue", SUB, NOW)
    forged = issued(deeper, "DE8AAVICTIM001")
    checked = chains.check_chain(
        (forged, deeper.certificate, SUB.certificate), (ROOT.certificate,), NOW
    )
    assert checked.verdict is ChainVerdict.UNTRUSTED


@pytest.mark.parametrize("algorithm", HashAlgorithm)
@pytest.mark.parametrize("kind", KeyKind)
def test_hashes_are_those_of_ocsp(algorithm, kind):
    root = authority_of(kind)
    leaf = issued(root, "SN-1")
    builder = ocsp.OCSPRequestBuilder()
    library = builder.add_certificate(
        leaf, root.certificate, getattr(hashes, algorithm.value)()
    ).build()
    ours = chains.certificate_hash(leaf, root.certificate, algorithm)
    assert ours.issuer_name_hash == library.issuer_name_hash.hex()
    assert ours.issuer_key_hash == library.issuer_key_hash.hex()
    assert int(ours.serial_number, 16) == leaf.serial_number


@pytest.mark.parametrize(
    ("pem", "reason"),
    [
        ("", "no certificate in PEM form"),
        (certificates.pem(LEAF), "no certificate of an authority"),
        (certificates.pem(SUB.certificate), "isn't signed by itself"),
        (certificates.pem(ROOT.certificate, ROOT.certificate), "more than 1"),
        ("x" * 20_000, "too long"),
    ],
)
def test_only_a_root_is_trusted_as_one(pem, reason):
    with pytest.raises(InvalidInput) as caught:
        chains.read_root(pem)
    assert reason in caught.value.detail


@given(st.binary(max_size=600))
def test_no_bytes_whatever_raise_anything_else(content):
    body = base64.encodebytes(content).decode()
    text = f"-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n"
    with pytest.raises(InvalidInput):
        chains.read_certificates(text)


@given(st.integers(0, 600), st.integers(0, 255))
def test_no_altered_byte_of_a_chain_makes_it_valid(at, value):
    body = bytearray(base64.b64decode("".join(certificates.pem(LEAF).splitlines()[1:-1])))
    if body[at % len(body)] == value:
        return
    body[at % len(body)] = value
    text = base64.encodebytes(bytes(body)).decode()
    try:
        (leaf,) = chains.read_certificates(
            f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n"
        )
    except InvalidInput:
        return
    checked = chains.check_chain((leaf, SUB.certificate), (ROOT.certificate,), NOW)
    assert checked.verdict is not ChainVerdict.VALID
