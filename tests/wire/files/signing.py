"""A maker who signs firmware, as OCPP wants it: RSA with PSS, or ECDSA, over SHA-256."""

import base64
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec as curves
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

Key = rsa.RSAPrivateKey | curves.EllipticCurvePrivateKey


@cache
def _key(ec: bool) -> Key:
    if ec:
        return curves.generate_private_key(curves.SECP256R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def signed_by_the_maker(
    content: bytes, *, ec: bool = False, now: datetime | None = None
) -> tuple[str, str]:
    """(signature in base64, certificate as PEM), valid for a year about `now`."""
    key, at = _key(ec), now or datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test Wallboxes")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(at - timedelta(days=180))
        .not_valid_after(at + timedelta(days=180))
        .sign(key, SHA256())
    )
    if isinstance(key, curves.EllipticCurvePrivateKey):
        signature = key.sign(content, curves.ECDSA(SHA256()))
    else:
        signature = key.sign(content, padding.PSS(padding.MGF1(SHA256()), 32), SHA256())
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode().strip()
    return base64.b64encode(signature).decode(), pem
