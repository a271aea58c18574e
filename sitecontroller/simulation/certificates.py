"""Keys, certificate requests and certificates of a simulated station."""

import base64
import binascii
import hashlib
import re
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)

PrivateKey = ec.EllipticCurvePrivateKey


def certificates_in(text: str) -> list[str]:
    """The certificates of a chain in PEM, the leaf first."""
    return _PEM.findall(text)


def is_certificate(text: str) -> bool:
    """Whether its first one can be read."""
    found = certificates_in(text)
    if not found:
        return False
    try:
        _loaded(found[0])
    except ValueError:
        return False
    return True


def hash_data(pem: str, issuer_pem: str | None = None) -> dict[str, str]:
    """CertificateHashDataType with SHA-256 (RFC 6960: names in DER, the issuer's key in bits).

    Without `issuer_pem` it is taken for its own issuer, as a root is.
    """
    certificate, issuer = _loaded(pem), _loaded(issuer_pem or pem)
    return {
        "hashAlgorithm": "SHA256",
        "issuerNameHash": hashlib.sha256(certificate.issuer.public_bytes()).hexdigest(),
        "issuerKeyHash": hashlib.sha256(_key_bits(issuer)).hexdigest(),
        "serialNumber": f"{certificate.serial_number:x}"[:40],
    }


def new_key() -> PrivateKey:
    """A private key on P-256."""
    return ec.generate_private_key(ec.SECP256R1())


def request_for(key: PrivateKey, common_name: str, organization: str) -> str:
    """A certificate signing request in PEM."""
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization or "Unknown"),
        ]
    )
    request = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def belongs_to(pem: str, key: PrivateKey) -> bool:
    """Whether a certificate is for this key."""
    return _public(_loaded(pem).public_key()) == _public(key.public_key())


def key_pem(key: PrivateKey) -> bytes:
    """The private key as a file has it."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def is_signed(body: bytes, signature: str, certificate: str) -> bool:
    """Whether the certificate's key signed the file (OCPP 2.0.1 L01.FR.12): base64, SHA-256, with
    RSA PSS or PKCS#1 or with ECDSA."""
    try:
        signed = base64.b64decode(signature, validate=True)
        key = _loaded(certificates_in(certificate)[0]).public_key()
    except (binascii.Error, ValueError, IndexError):
        return False
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _verifies(key, signed, body, ec.ECDSA(hashes.SHA256()))
    if not isinstance(key, rsa.RSAPublicKey):
        return False
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO)
    ways = (pss, padding.PKCS1v15())
    return any(_verifies(key, signed, body, way, hashes.SHA256()) for way in ways)


def _verifies(key: Any, signature: bytes, body: bytes, *way: Any) -> bool:
    try:
        key.verify(signature, body, *way)
    except InvalidSignature:
        return False
    return True


def _loaded(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.encode())


def _public(key: Any) -> bytes:
    der: bytes = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return der


def _key_bits(certificate: x509.Certificate) -> bytes:
    """The public key's bit string without tag, length and count of unused bits, as RFC 6960
    hashes it: the second element of SubjectPublicKeyInfo."""
    inside = _content(_public(certificate.public_key()))
    head, length = _measured(inside)
    return _content(inside[head + length :])[1:]


def _content(der: bytes) -> bytes:
    """What is in the first element of a DER text."""
    head, length = _measured(der)
    return der[head : head + length]


def _measured(der: bytes) -> tuple[int, int]:
    """Bytes of the first element's head and of its content."""
    first = der[1]
    if first < 0x80:
        return 2, first
    count = first & 0x7F
    return 2 + count, int.from_bytes(der[2 : 2 + count])
