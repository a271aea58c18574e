"""Revocation by OCSP (RFC 6960): answers for our own certificates, and those of others read.

An answer that came over the network is believed when its signature leads to the issuer that the
certificate's hash names: by the issuer's own key, or by a responder that the issuer certified.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from sitecontroller.domain.certificates import CertificateHash, CertificateState
from sitecontroller.domain.errors import InvalidInput
from sitecontroller.pki.certificates import Issuer
from sitecontroller.pki.chains import hash_class, key_hash
from sitecontroller.pki.keys import UNREADABLE, checked_public_key

OWN_ANSWER_LIFE = timedelta(days=7)
"""Stations ask again each week (M06.FR.10)."""
CLOCK_SLACK = timedelta(minutes=5)

_STATES = {
    ocsp.OCSPCertStatus.GOOD: CertificateState.GOOD,
    ocsp.OCSPCertStatus.REVOKED: CertificateState.REVOKED,
    ocsp.OCSPCertStatus.UNKNOWN: CertificateState.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class StatusAnswer:
    """What an OCSP answer says of one certificate. `proven`: its signature was verified."""

    state: CertificateState
    next_update: datetime
    proven: bool


def own_answer(
    asked: CertificateHash, issuer: Issuer, now: datetime, revoked_at: datetime | None
) -> bytes:
    """An answer of our authority for one of its certificates, DER."""
    status = ocsp.OCSPCertStatus.GOOD if revoked_at is None else ocsp.OCSPCertStatus.REVOKED
    builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
        issuer_name_hash=bytes.fromhex(asked.issuer_name_hash),
        issuer_key_hash=bytes.fromhex(asked.issuer_key_hash),
        serial_number=int(asked.serial_number, 16),
        algorithm=hash_class(asked.hash_algorithm),
        cert_status=status,
        this_update=now - CLOCK_SLACK,
        next_update=now + OWN_ANSWER_LIFE,
        revocation_time=revoked_at,
        revocation_reason=None if revoked_at is None else x509.ReasonFlags.unspecified,
    )
    answer = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, issuer.certificate).sign(
        issuer.key, hashes.SHA256()
    )
    return answer.public_bytes(Encoding.DER)


def question(asked: CertificateHash) -> bytes:
    """What a responder is sent, DER. Raises InvalidInput when the hash can't be one."""
    try:
        return (
            ocsp.OCSPRequestBuilder()
            .add_certificate_by_hash(
                bytes.fromhex(asked.issuer_name_hash),
                bytes.fromhex(asked.issuer_key_hash),
                int(asked.serial_number, 16),
                hash_class(asked.hash_algorithm),
            )
            .build()
            .public_bytes(Encoding.DER)
        )
    except UNREADABLE:
        raise InvalidInput("the certificate's hash can't be read") from None


def read_answer(
    der: bytes, asked: CertificateHash, now: datetime, known: Sequence[x509.Certificate] = ()
) -> StatusAnswer:
    """What an answer says of the certificate asked for; `known` may hold its issuer.

    Raises InvalidInput when it is no answer, is about another certificate, or is out of date.
    """
    try:
        response = ocsp.load_der_ocsp_response(der)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise InvalidInput(f"the responder says {response.response_status.name.lower()}")
        single = next((one for one in response.responses if _is_about(one, asked)), None)
        if single is None:
            raise InvalidInput("the answer is about another certificate")
        next_update = single.next_update_utc or now + OWN_ANSWER_LIFE
        if not single.this_update_utc - CLOCK_SLACK <= now <= next_update:
            raise InvalidInput("the answer is out of date")
        state = _STATES[single.certificate_status]
        proven = _is_proven(response, asked, now, known)
    except UNREADABLE:
        raise InvalidInput("the answer can't be read") from None
    return StatusAnswer(state, min(next_update, now + OWN_ANSWER_LIFE), proven)


def _is_about(single: ocsp.OCSPSingleResponse, asked: CertificateHash) -> bool:
    return (
        single.serial_number == int(asked.serial_number, 16)
        and single.issuer_key_hash.hex() == asked.issuer_key_hash.casefold()
        and single.issuer_name_hash.hex() == asked.issuer_name_hash.casefold()
    )


def _is_proven(
    response: ocsp.OCSPResponse,
    asked: CertificateHash,
    now: datetime,
    known: Sequence[x509.Certificate],
) -> bool:
    shown = tuple(response.certificates)[:5]
    issuers = [c for c in (*known, *shown) if _is_issuer(c, asked)]
    responders = [c for c in shown if any(_may_respond(c, issuer, now) for issuer in issuers)]
    return any(_signed(response, certificate) for certificate in (*issuers, *responders))


def _is_issuer(certificate: x509.Certificate, asked: CertificateHash) -> bool:
    return key_hash(certificate, asked.hash_algorithm) == asked.issuer_key_hash.casefold()


def _may_respond(certificate: x509.Certificate, issuer: x509.Certificate, now: datetime) -> bool:
    """RFC 6960, 4.2.2.2: certified by the issuer itself, for this purpose, and valid now."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        checked_public_key(issuer.public_key())
        certificate.verify_directly_issued_by(issuer)
    except (*UNREADABLE, x509.ExtensionNotFound, InvalidSignature, InvalidInput):
        return False
    valid = certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
    return valid and ExtendedKeyUsageOID.OCSP_SIGNING in usage


def _signed(response: ocsp.OCSPResponse, certificate: x509.Certificate) -> bool:
    algorithm = response.signature_hash_algorithm
    try:
        key = checked_public_key(certificate.public_key())
        if algorithm is None:
            return False
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(
                response.signature, response.tbs_response_bytes, padding.PKCS1v15(), algorithm
            )
        else:
            key.verify(response.signature, response.tbs_response_bytes, ec.ECDSA(algorithm))
    except (*UNREADABLE, InvalidSignature, InvalidInput):
        return False
    return True
