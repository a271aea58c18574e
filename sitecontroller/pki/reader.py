"""`services.trust.CertificateReader` over the functions of this package."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from sitecontroller.domain.certificates import CertificateHash, CertificateState, HashAlgorithm
from sitecontroller.domain.errors import InvalidInput
from sitecontroller.pki import certificates, chains, ocsp
from sitecontroller.pki.keys import UNREADABLE, checked_public_key
from sitecontroller.services.trust import (
    ChainState,
    ContractFacts,
    RootFacts,
    StatusFacts,
    StatusWish,
)

URLS_MAX = 3
_STATES = {
    chains.ChainVerdict.VALID: ChainState.VALID,
    chains.ChainVerdict.EXPIRED: ChainState.EXPIRED,
    chains.ChainVerdict.UNTRUSTED: ChainState.UNTRUSTED,
    chains.ChainVerdict.BAD_SIGNATURE: ChainState.BAD_SIGNATURE,
}


class Reader:
    """Keeps nothing but a few roots already read."""

    def root(self, pem: str) -> RootFacts:
        """A root certificate."""
        found = chains.read_root(pem)
        return RootFacts(
            certificates.fingerprint(found),
            found.subject.rfc4514_string()[:200],
            found.not_valid_after_utc,
            certificates.pem(found),
        )

    def contract(self, pem: str, roots: Sequence[str], at: datetime) -> ContractFacts:
        """A contract's chain, leaf first."""
        chain = chains.read_certificates(pem)
        checked = chains.check_chain(chain, [_root(root) for root in roots], at)
        return ContractFacts(
            _STATES[checked.verdict],
            certificates.common_name(chain[0].subject),
            tuple(
                StatusWish(
                    chains.certificate_hash(certificate, issuer, HashAlgorithm.SHA256),
                    _responders(certificate),
                    certificates.pem(issuer),
                )
                for certificate, issuer in checked.links
            ),
        )

    def issued_by(self, asked: CertificateHash, roots: Sequence[str]) -> bool:
        """Whether one of the roots issued what the hash names."""
        wanted = asked.issuer
        return any(
            ":".join(chains.issuer_hashes(_root(root), asked.hash_algorithm)) == wanted
            for root in roots
        )

    def question(self, asked: CertificateHash) -> bytes:
        """An OCSP request."""
        return ocsp.question(asked)

    def answer(
        self, der: bytes, asked: CertificateHash, at: datetime, known: Sequence[str]
    ) -> StatusFacts:
        """An OCSP answer."""
        issuers = [chains.read_certificates(pem, 1)[0] for pem in known]
        found = ocsp.read_answer(der, asked, at, issuers)
        return StatusFacts(found.state, found.next_update, found.proven)

    def revocations(
        self, der: bytes, asked: CertificateHash, at: datetime, roots: Sequence[str]
    ) -> StatusFacts:
        """A CRL; one that no trusted root signed proves nothing."""
        try:
            crl = x509.load_der_x509_crl(der)
            revoked = crl.get_revoked_certificate_by_serial_number(int(asked.serial_number, 16))
            next_update = crl.next_update_utc or at + ocsp.OWN_ANSWER_LIFE
            proven = any(
                _is_issuer(root, asked)
                and root.subject == crl.issuer
                and crl.is_signature_valid(checked_public_key(root.public_key()))
                for root in map(_root, roots)
            )
        except UNREADABLE:
            raise InvalidInput("the list of revocations can't be read") from None
        if not crl.last_update_utc - ocsp.CLOCK_SLACK <= at <= next_update:
            raise InvalidInput("the list of revocations is out of date")
        state = CertificateState.GOOD if revoked is None else CertificateState.REVOKED
        return StatusFacts(state, min(next_update, at + ocsp.OWN_ANSWER_LIFE), proven)


@lru_cache(maxsize=64)
def _root(pem: str) -> x509.Certificate:
    return chains.read_root(pem)


def _is_issuer(root: x509.Certificate, asked: CertificateHash) -> bool:
    return ":".join(chains.issuer_hashes(root, asked.hash_algorithm)) == asked.issuer


def _responders(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess)
    except x509.ExtensionNotFound:
        return ()
    found = [
        str(description.access_location.value)
        for description in access.value
        if description.access_method == AuthorityInformationAccessOID.OCSP
        and isinstance(description.access_location, x509.UniformResourceIdentifier)
    ]
    return tuple(found[:URLS_MAX])
