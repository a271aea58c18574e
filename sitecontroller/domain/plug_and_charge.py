"""Contracts that cars show (ISO 15118): what came, what it is worth, in OCPP 2.x words (C07)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sitecontroller.domain.authorization import AuthorizationStatus
from sitecontroller.domain.certificates import CertificateHash, CertificateState


class ContractStatus(StrEnum):
    """2.0.1 AuthorizeCertificateStatusEnumType, as far as a site decides it."""

    ACCEPTED = "Accepted"
    EXPIRED = "CertificateExpired"
    REVOKED = "CertificateRevoked"
    CHAIN_ERROR = "CertChainError"
    CANCELLED = "ContractCancelled"


@dataclass(frozen=True, slots=True)
class HashedCertificate:
    """A certificate of a chain as a station names it, and who tells of its revocation."""

    hash: CertificateHash
    url: str = ""


@dataclass(frozen=True, slots=True)
class ContractShown:
    """What a station sends of a car's contract: its whole chain where it can't check it itself,
    else hashes of the chain, leaf first."""

    emaid: str
    chain: str | None = None
    hashes: tuple[HashedCertificate, ...] = ()


@dataclass(frozen=True, slots=True)
class ContractVerdict:
    """What a chain is worth; the contract itself is judged like a card."""

    status: ContractStatus
    reason: str = ""

    @property
    def valid(self) -> bool:
        """Whether the chain may be believed."""
        return self.status is ContractStatus.ACCEPTED

    @property
    def token_status(self) -> AuthorizationStatus:
        """What is said of the token when the chain is not valid (C07.FR.15 to 17)."""
        if self.status is ContractStatus.EXPIRED:
            return AuthorizationStatus.EXPIRED
        return AuthorizationStatus.INVALID


def contract_status(status: AuthorizationStatus) -> ContractStatus:
    """Of a valid chain, after its token was judged (C07.FR.13, 14)."""
    cancelled = (
        AuthorizationStatus.BLOCKED,
        AuthorizationStatus.EXPIRED,
        AuthorizationStatus.INVALID,
        AuthorizationStatus.UNKNOWN,
    )
    return ContractStatus.CANCELLED if status in cancelled else ContractStatus.ACCEPTED


class RevocationSource(StrEnum):
    """2.1 CertificateStatusSourceEnumType."""

    OCSP = "OCSP"
    CRL = "CRL"


@dataclass(frozen=True, slots=True)
class StatusRequest:
    """One certificate that a station asks about (2.1 M07)."""

    hash: CertificateHash
    source: RevocationSource
    urls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StatusTold:
    """The answer."""

    hash: CertificateHash
    source: RevocationSource
    state: CertificateState
    next_update: datetime


def same_contract(emaid: str, common_name: str) -> bool:
    """Whether a certificate is that of an eMAID: hyphens and case aside, its check digit (the 15th
    character) may be missing from either (ISO 15118-2, annex H)."""
    left, right = (_bare(text) for text in (emaid, common_name))
    shorter = min(len(left), len(right))
    return shorter >= 14 and left[:shorter] == right[:shorter] and abs(len(left) - len(right)) <= 1


def _bare(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())
