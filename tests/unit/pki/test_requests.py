"""What a station may have signed, and what not."""

import base64
import contextlib

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from sitecontroller.domain.errors import InvalidInput
from sitecontroller.pki.requests import check_request
from tests.unit.pki.hands import csr, ec_key, rsa_key

NAMES = frozenset({"SN-1", "CP-01"})


@pytest.mark.parametrize("curve", [ec.SECP256R1, ec.SECP384R1, ec.SECP521R1])
def test_a_request_on_a_known_curve_is_taken(curve):
    assert check_request(csr(ec_key(curve)), NAMES).common_name == "SN-1"


@pytest.mark.parametrize("bits", [2048, 3072])
def test_a_request_with_an_rsa_key_is_taken(bits):
    assert check_request(csr(rsa_key(bits), "CP-01"), NAMES).common_name == "CP-01"


def one_line(pem):
    return pem.replace("\n", "")


def escaped(pem):
    return pem.replace("\n", "\\n")


def windows(pem):
    return "\ufeff  " + pem.replace("\n", "\r\n") + "\r\n"


@pytest.mark.parametrize("spelling", [one_line, escaped, windows])
def test_line_ends_are_written_in_many_ways(spelling):
    assert check_request(spelling(csr(ec_key())), NAMES).common_name == "SN-1"


@pytest.mark.parametrize(
    ("request_text", "reason"),
    [
        (csr(ec_key(), "SN-2"), "it is for 'SN-2'"),
        (csr(ec_key(), "sn-1"), "it is for 'sn-1'"),
        (csr(ec_key(), ""), "names nobody"),
        (csr(ec_key(ec.SECP256K1)), "curve secp256k1"),
        (csr(rsa_key(1024)), "1024 bits"),
        (csr(ec_key(), hash_=hashes.SHA224()), "old hash"),
        (csr(ed25519.Ed25519PrivateKey.generate()), "neither EC nor RSA"),
        ("", "no certificate request in PEM form"),
        ("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----", "be read"),
    ],
)
def test_a_request_that_must_not_be_signed_is_refused_with_the_reason(request_text, reason):
    with pytest.raises(InvalidInput) as caught:
        check_request(request_text, NAMES)
    assert reason in caught.value.detail


def test_a_signature_of_another_key_is_refused():
    good = csr(ec_key())
    body = base64.b64decode("".join(good.splitlines()[1:-1]))
    broken = body[:-4] + bytes([body[-4] ^ 1]) + body[-3:]
    text = (
        "-----BEGIN CERTIFICATE REQUEST-----\n"
        + base64.encodebytes(broken).decode()
        + "-----END CERTIFICATE REQUEST-----\n"
    )
    with pytest.raises(InvalidInput) as caught:
        check_request(text, NAMES)
    assert "signature" in caught.value.detail or "be read" in caught.value.detail


@given(st.binary(max_size=400))
def test_no_bytes_whatever_raise_anything_else(content):
    text = (
        "-----BEGIN CERTIFICATE REQUEST-----\n"
        + base64.encodebytes(content).decode()
        + "-----END CERTIFICATE REQUEST-----\n"
    )
    with pytest.raises(InvalidInput):
        check_request(text, NAMES)


@given(st.integers(0, 300), st.integers(0, 255))
def test_no_altered_byte_of_a_good_request_raises_anything_else(at, value):
    body = bytearray(base64.b64decode("".join(GOOD.splitlines()[1:-1])))
    body[at % len(body)] = value
    text = (
        "-----BEGIN CERTIFICATE REQUEST-----\n"
        + base64.encodebytes(bytes(body)).decode()
        + "-----END CERTIFICATE REQUEST-----\n"
    )
    with contextlib.suppress(InvalidInput):
        assert check_request(text, NAMES).common_name == "SN-1"


GOOD = csr(ec_key())
