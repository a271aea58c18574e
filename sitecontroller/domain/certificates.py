"""Certificates on stations and the roots that the site trusts, in OCPP 2.x words (A, M)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sitecontroller.domain.commands import Command, StationRequest
from sitecontroller.domain.queries import Query


class CertificateUse(StrEnum):
    """What an installed certificate is for (2.1 GetCertificateIdUseEnumType)."""

    CSMS_ROOT = "CSMSRootCertificate"
    MANUFACTURER_ROOT = "ManufacturerRootCertificate"
    V2G_ROOT = "V2GRootCertificate"
    CONTRACT_ROOT = "MORootCertificate"
    VEHICLE_ROOT = "OEMRootCertificate"
    V2G_CHAIN = "V2GCertificateChain"

    @property
    def is_root(self) -> bool:
        """Whether it can be installed."""
        return self is not CertificateUse.V2G_CHAIN


class SigningUse(StrEnum):
    """What a certificate that a station asks for is for (2.1 CertificateSigningUseEnumType)."""

    STATION = "ChargingStationCertificate"
    V2G = "V2GCertificate"
    V2G_20 = "V2G20Certificate"

    @property
    def for_vehicles(self) -> bool:
        """Signed by the V2G hierarchy, not by the site."""
        return self is not SigningUse.STATION


class HashAlgorithm(StrEnum):
    """OCPP HashAlgorithmEnumType."""

    SHA256 = "SHA256"
    SHA384 = "SHA384"
    SHA512 = "SHA512"


class CertificateState(StrEnum):
    """What is known of a certificate's revocation (2.1 CertificateStatusEnumType)."""

    GOOD = "Good"
    REVOKED = "Revoked"
    UNKNOWN = "Unknown"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class CertificateHash:
    """Names a certificate without showing it (RFC 6960 CertID); hex, the serial number without
    leading zeros."""

    hash_algorithm: HashAlgorithm
    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str

    @property
    def key(self) -> str:
        """The same for every spelling of the same certificate."""
        serial_number = self.serial_number.casefold().lstrip("0") or "0"
        return f"{self.hash_algorithm}:{self.issuer}:{serial_number}"

    @property
    def issuer(self) -> str:
        """The same for all certificates of one issuer."""
        return f"{self.issuer_name_hash.casefold()}:{self.issuer_key_hash.casefold()}"


@dataclass(frozen=True, slots=True)
class InstalledCertificate:
    """A certificate that a station says it has; `children` below it, as of a V2G chain."""

    use: CertificateUse
    hash: CertificateHash
    children: tuple[CertificateHash, ...] = ()


@dataclass(frozen=True, slots=True)
class InstalledCertificates:
    """What a station last told of its certificates."""

    station_id: str
    at: datetime
    uses: tuple[CertificateUse, ...]
    """What it was asked for; none: all."""
    certificates: tuple[InstalledCertificate, ...]


@dataclass(frozen=True, slots=True)
class SigningRequested:
    """A SignCertificate: a station wants its public key signed."""

    station_id: str
    csr: str
    use: SigningUse = SigningUse.STATION
    request_id: int | None = None
    root: CertificateHash | None = None


# said to a station


@dataclass(frozen=True, slots=True)
class StoreRoot(StationRequest):
    """Install a root certificate (M05)."""

    use: CertificateUse
    pem: str


@dataclass(frozen=True, slots=True)
class RemoveInstalled(StationRequest):
    """Delete a certificate (M04)."""

    hash: CertificateHash
    use: CertificateUse | None = None


@dataclass(frozen=True, slots=True)
class ReadInstalled(StationRequest):
    """List certificates (M03); no uses: all. The answer's body is `{"certificates": […]}` with
    InstalledCertificate as JSON values."""

    uses: tuple[CertificateUse, ...] = ()


@dataclass(frozen=True, slots=True)
class HandSigned(StationRequest):
    """Bring a station the certificate that it asked for (A02)."""

    chain: str
    use: SigningUse
    request_id: int | None = None
    asked_with_use: bool = True
    """The request named its use, so the answer does too (A02.FR.14)."""


@dataclass(frozen=True, slots=True)
class AskForSigning(StationRequest):
    """Make a station send a SignCertificate with a new key (A02); `combined`: one certificate for
    us and for vehicles."""

    use: SigningUse
    combined: bool = False


# what people ask for


@dataclass(frozen=True, slots=True)
class InstallCertificate(Command):
    """Install a root on a station (M05); without `pem`: those of this site's own authority."""

    station_id: str
    use: CertificateUse = CertificateUse.CSMS_ROOT
    pem: str | None = None


@dataclass(frozen=True, slots=True)
class DeleteCertificate(Command):
    """Delete a certificate from a station, by the hash under which it listed it (M04.FR.07)."""

    station_id: str
    hash: CertificateHash


@dataclass(frozen=True, slots=True)
class ListCertificates(Command):
    """Ask a station for its certificates (M03); the result's answer holds them."""

    station_id: str
    uses: tuple[CertificateUse, ...] = ()


@dataclass(frozen=True, slots=True)
class RenewCertificate(Command):
    """Make a station renew a certificate of its own with a new key (A02); effective when it took
    the new one. V2G certificates need headquarters."""

    station_id: str
    use: SigningUse = SigningUse.STATION
    combined: bool = False


@dataclass(frozen=True, slots=True)
class RevokeCertificates(Command):
    """Refuse a station's certificates from now on and end its connection."""

    station_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class TrustRoot(Command):
    """Trust a root for what drivers' cars show (contract or V2G root)."""

    use: CertificateUse
    pem: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class ForgetRoot(Command):
    """Trust a root no longer; `fingerprint` as listed."""

    fingerprint: str


@dataclass(frozen=True, slots=True)
class TrustedRoot:
    """A root that the site trusts for contract certificates."""

    fingerprint: str
    use: CertificateUse
    name: str
    subject: str
    not_after: datetime
    added_at: datetime
    pem: str


@dataclass(frozen=True, slots=True)
class TrustedRootsQuery(Query):
    """The roots trusted for contract certificates."""

    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class InstalledCertificatesQuery(Query):
    """What a station last told of its certificates."""

    station_id: str
