"""Checks a firmware's signature as a station will: before it is handed to dozens of them.

The maker's key signs the SHA-256 of the whole file: RSA with PSS padding (PKCS #1 v1.5 of older
makers is taken too), or ECDSA (OCPP 2.0.1 L01.FR.04). Runs in the workshop.
"""

import base64
import binascii
import hashlib
from datetime import datetime
from pathlib import Path

CHUNK_BYTES = 1024 * 1024
CERTIFICATE_CHARACTERS_MAX = 5500
SIGNATURE_CHARACTERS_MAX = 800
"""Both as OCPP carries them."""


def signature_fault(path: Path, signature: str, certificate: str, now: datetime) -> str | None:
    """What is wrong with a signature (base64) by a certificate (PEM); None: nothing."""
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        raw = base64.b64decode("".join(signature.split()), validate=True)
    except (binascii.Error, ValueError):
        return "the signature is not base64"
    try:
        signer = x509.load_pem_x509_certificate(certificate.encode())
        key = signer.public_key()
    except ValueError as error:
        return f"the certificate can't be read: {error}"
    if not signer.not_valid_before_utc <= now <= signer.not_valid_after_utc:
        return f"the certificate is valid until {signer.not_valid_after_utc:%Y-%m-%d} only"
    digest, prehashed = _digest(path), utils.Prehashed(SHA256())
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(raw, digest, ec.ECDSA(prehashed))
            return None
        if not isinstance(key, rsa.RSAPublicKey):
            return "the certificate's key is neither RSA nor elliptic curve"
        try:
            pss = padding.PSS(padding.MGF1(SHA256()), padding.PSS.AUTO)
            key.verify(raw, digest, pss, prehashed)
        except InvalidSignature:
            key.verify(raw, digest, padding.PKCS1v15(), prehashed)
    except InvalidSignature:
        return "the signature does not fit the file and the certificate"
    return None


def _digest(path: Path) -> bytes:
    sha256 = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(CHUNK_BYTES):
            sha256.update(piece)
    return sha256.digest()
