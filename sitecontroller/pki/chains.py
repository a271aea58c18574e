"""Reads other people's certificates and chains: what drivers' cars show, and roots to trust.

Path validation after RFC 5280, section 6, as far as contract certificates of ISO 15118 use it:
signatures, validity, authority flags, path length, bounded depth. Revocation is asked elsewhere.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sitecontroller.domain.certificates import CertificateHash, HashAlgorithm
from sitecontroller.domain.errors import InvalidInput
from sitecontroller.pki.keys import UNREADABLE, checked_public_key

E = TypeVar("E", bound=x509.ExtensionType)

CHAIN_MAX = 5
CHAIN_CHARACTERS_MAX = 16_384
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")
_KNOWN_CRITICAL = (x509.BasicConstraints, x509.KeyUsage, x509.ExtendedKeyUsage)
_ALGORITHMS: dict[HashAlgorithm, type[hashes.HashAlgorithm]] = {
    HashAlgorithm.SHA256: hashes.SHA256,
    HashAlgorithm.SHA384: hashes.SHA384,
    HashAlgorithm.SHA512: hashes.SHA512,
}


class ChainVerdict(StrEnum):
    """What a chain is worth, without revocation."""

    VALID = "valid"
    EXPIRED = "expired"
    UNTRUSTED = "untrusted"
    """No trusted root above it, or a link that doesn't hold."""
    BAD_SIGNATURE = "bad signature"


@dataclass(frozen=True, slots=True)
class CheckedChain:
    """A verdict, and the chain from leaf to below the root, each with who issued it."""

    verdict: ChainVerdict
    links: tuple[tuple[x509.Certificate, x509.Certificate], ...] = ()


def read_certificates(text: str, at_most: int = CHAIN_MAX) -> tuple[x509.Certificate, ...]:
    """The certificates of a PEM text, in its order. Raises InvalidInput."""
    if len(text) > CHAIN_CHARACTERS_MAX:
        raise InvalidInput("the certificate is too long")
    bodies = _PEM.findall(text.replace("\\r", "").replace("\\n", "\n"))
    if not 0 < len(bodies) <= at_most:
        raise InvalidInput(
            "no certificate in PEM form" if not bodies else f"more than {at_most} certificates"
        )
    return tuple(_read("".join(body.split())) for body in bodies)


def read_root(text: str) -> x509.Certificate:
    """One certificate that may be a root: it signs itself and is an authority. InvalidInput."""
    (found,) = read_certificates(text, 1)
    _checked_key(found)
    if not _is_authority(found):
        raise InvalidInput("it is no certificate of an authority")
    try:
        found.verify_directly_issued_by(found)
    except (*UNREADABLE, InvalidSignature):
        raise InvalidInput("it is no root: it isn't signed by itself") from None
    return found


def check_chain(
    chain: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], at: datetime
) -> CheckedChain:
    """The chain, leaf first, up to one of the roots (which may stand at its end)."""
    fingerprints = {root.fingerprint(hashes.SHA256()) for root in roots}
    below = [c for c in chain if c.fingerprint(hashes.SHA256()) not in fingerprints][:CHAIN_MAX]
    if not below or any(_has_unknown_rules(certificate) for certificate in below):
        return CheckedChain(ChainVerdict.UNTRUSTED)
    links = []
    for depth, certificate in enumerate(below):
        above = below[depth + 1 : depth + 2] or [
            root for root in roots if root.subject == certificate.issuer
        ]
        issuer = next((c for c in above if _may_issue(c, certificate, depth)), None)
        if issuer is None:
            return CheckedChain(ChainVerdict.UNTRUSTED)
        if not _signed_by(certificate, issuer):
            return CheckedChain(ChainVerdict.BAD_SIGNATURE)
        links.append((certificate, issuer))
    whole = (*below, links[-1][1])
    if any(not c.not_valid_before_utc <= at <= c.not_valid_after_utc for c in whole):
        return CheckedChain(ChainVerdict.EXPIRED, tuple(links))
    return CheckedChain(ChainVerdict.VALID, tuple(links))


def certificate_hash(
    certificate: x509.Certificate, issuer: x509.Certificate, algorithm: HashAlgorithm
) -> CertificateHash:
    """How OCPP names a certificate (RFC 6960, CertID)."""
    name, key = issuer_hashes(issuer, algorithm)
    return CertificateHash(algorithm, name, key, f"{certificate.serial_number:X}")


def issuer_hashes(issuer: x509.Certificate, algorithm: HashAlgorithm) -> tuple[str, str]:
    """Of an issuer's name and key, hex."""
    kind = _ALGORITHMS[algorithm]
    return _digest(kind, issuer.subject.public_bytes()), key_hash(issuer, algorithm)


def key_hash(certificate: x509.Certificate, algorithm: HashAlgorithm) -> str:
    """Of a public key's bits, hex."""
    # SubjectKeyIdentifier hashes the same bits but with SHA-1; the bits themselves are the end of
    # the key's DER form, whose BIT STRING has no unused bits.
    der = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return _digest(_ALGORITHMS[algorithm], _bits_of(der))


def hash_class(algorithm: HashAlgorithm) -> hashes.HashAlgorithm:
    """The same in the library's words."""
    return _ALGORITHMS[algorithm]()


def _read(body: str) -> x509.Certificate:
    lines = "\n".join(body[i : i + 64] for i in range(0, len(body), 64))
    pem = f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"
    try:
        found = x509.load_pem_x509_certificate(pem.encode("ascii"))
        _read_whole(found)
    except UNREADABLE:
        raise InvalidInput("the certificate can't be read") from None
    return found


def _read_whole(certificate: x509.Certificate) -> tuple[object, ...]:
    """The library parses its fields when they are asked for: what raises does so here."""
    return (
        certificate.subject.public_bytes(),
        certificate.issuer.public_bytes(),
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
        certificate.signature_hash_algorithm,
        certificate.extensions,
        certificate.public_key(),
    )


def _checked_key(certificate: x509.Certificate) -> None:
    try:
        checked_public_key(certificate.public_key())
    except UNREADABLE:
        raise InvalidInput("its key can't be read") from None


def _is_authority(certificate: x509.Certificate) -> bool:
    constraints = _extension(certificate, x509.BasicConstraints)
    usage = _extension(certificate, x509.KeyUsage)
    return constraints is not None and constraints.ca and (usage is None or usage.key_cert_sign)


def _may_issue(issuer: x509.Certificate, certificate: x509.Certificate, depth: int) -> bool:
    """`depth`: how many authorities stand between `issuer` and the leaf."""
    if issuer.subject != certificate.issuer or not _is_authority(issuer):
        return False
    constraints = _extension(issuer, x509.BasicConstraints)
    path_length = None if constraints is None else constraints.path_length
    return path_length is None or depth <= path_length


def _signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        _checked_key(issuer)
        certificate.verify_directly_issued_by(issuer)
    except (*UNREADABLE, InvalidSignature, InvalidInput):
        return False
    return True


def _has_unknown_rules(certificate: x509.Certificate) -> bool:
    return any(
        extension.critical and not isinstance(extension.value, _KNOWN_CRITICAL)
        for extension in certificate.extensions
    )


def _extension(certificate: x509.Certificate, kind: type[E]) -> E | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _digest(kind: type[hashes.HashAlgorithm], content: bytes) -> str:
    digest = hashes.Hash(kind())
    digest.update(content)
    return digest.finalize().hex()


def _bits_of(der: bytes) -> bytes:
    """What the BIT STRING of a SubjectPublicKeyInfo holds: SEQUENCE { SEQUENCE, BIT STRING }."""
    _, start, _ = _element(der, 0)
    _, _, end = _element(der, start)
    _, content, end = _element(der, end)
    return der[content + 1 : end]


def _element(der: bytes, at: int) -> tuple[int, int, int]:
    """(tag, where its content starts, where it ends)."""
    length, start = der[at + 1], at + 2
    if length & 0x80:
        count = length & 0x7F
        length = int.from_bytes(der[start : start + count], "big")
        start += count
    return der[at], start, start + length
