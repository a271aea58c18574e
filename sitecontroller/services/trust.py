"""What the services need of cryptography, as protocols; `sitecontroller.pki` implements them.

Three seams: the site's own authority, a reader of other people's certificates, and the way out to
those who tell of revocations. Everything but the last answers at once: a millisecond at most.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from sitecontroller.domain.certificates import CertificateHash, CertificateState
from sitecontroller.domain.security import OwnCertificateView, PeerCertificate


@dataclass(frozen=True, slots=True)
class SignedCertificate:
    """A station's new certificate with what stands between it and the root, in PEM."""

    chain: str
    certificate: PeerCertificate


@dataclass(frozen=True, slots=True)
class RootFacts:
    """A root certificate as read; `pem` is our own spelling of it."""

    fingerprint: str
    subject: str
    not_after: datetime
    pem: str


class ChainState(StrEnum):
    """What a contract's chain is worth before revocation is asked for."""

    VALID = "valid"
    EXPIRED = "expired"
    UNTRUSTED = "untrusted"
    BAD_SIGNATURE = "bad signature"


@dataclass(frozen=True, slots=True)
class StatusWish:
    """A certificate whose revocation is asked for, and where it may be."""

    hash: CertificateHash
    urls: tuple[str, ...] = ()
    issuer: str = ""
    """In PEM, where it is known."""


@dataclass(frozen=True, slots=True)
class ContractFacts:
    """A contract's chain, read: whose it is, and whose revocation matters, leaf first."""

    state: ChainState
    common_name: str = ""
    wishes: tuple[StatusWish, ...] = ()


@dataclass(frozen=True, slots=True)
class StatusFacts:
    """What an OCSP answer or a CRL says. `proven`: the issuer signed it."""

    state: CertificateState
    next_update: datetime
    proven: bool


class Authority(Protocol):
    """The site's own authority. Before it is `ready`, everything else raises OperatingError."""

    @property
    def ready(self) -> bool: ...
    async def keep(self) -> None:
        """Make it, or renew what is due. Raises OperatingError, OSError."""

    def own_certificates(self) -> tuple[OwnCertificateView, ...]: ...
    def roots(self) -> tuple[str, ...]:
        """In PEM, the one that most stations know first."""

    def sign(self, csr: str, names: frozenset[str]) -> SignedCertificate:
        """A certificate for a station of one of these names. Raises InvalidInput: why not."""

    def status(self, asked: CertificateHash, revoked: Mapping[str, datetime]) -> bytes | None:
        """An OCSP answer, DER, for one of our own; `revoked` by serial number. None: not ours."""


class CertificateReader(Protocol):
    """Reads what others made. Texts and bytes are strangers': InvalidInput says what is wrong."""

    def root(self, pem: str) -> RootFacts: ...
    def contract(self, pem: str, roots: Sequence[str], at: datetime) -> ContractFacts: ...
    def issued_by(self, asked: CertificateHash, roots: Sequence[str]) -> bool:
        """Whether one of the roots issued what the hash names."""

    def question(self, asked: CertificateHash) -> bytes:
        """An OCSP request, DER."""

    def answer(
        self, der: bytes, asked: CertificateHash, at: datetime, known: Sequence[str]
    ) -> StatusFacts:
        """An OCSP answer about that certificate, whose issuer may be among the known."""

    def revocations(
        self, der: bytes, asked: CertificateHash, at: datetime, roots: Sequence[str]
    ) -> StatusFacts:
        """A CRL, as far as it concerns that certificate."""


class RevocationSources(Protocol):
    """Asks those who tell of revocations; only where the site allows it. Raises OperatingError at
    once where it doesn't, after 3 s at the latest where nobody answers."""

    async def ocsp(self, url: str, question: bytes) -> bytes: ...
    async def crl(self, url: str) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Trust:
    """The three in one bundle. `authority` None: this site has no TLS."""

    authority: Authority | None
    reader: CertificateReader
    sources: RevocationSources
