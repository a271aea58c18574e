"""How stations prove who they are: security profiles, log-ins, and what was noted of security.

Profiles are those of OCPP (1.6 security white paper 2.1, 2.0.1 A00): 1 password, 2 password over
TLS, 3 certificate over TLS; 0 is none of them and only ever an exception with an end.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum

from sitecontroller.domain.commands import Command, StationRequest
from sitecontroller.domain.queries import Query

TLS_CIPHERS = "ECDHE+AESGCM:AES128-GCM-SHA256:AES256-GCM-SHA384"
"""The four suites of A00.FR.318 and their like with forward secrecy, as OpenSSL writes them; TLS
1.3 has its own."""
ENDS_SOON = timedelta(days=30)
"""A station's certificate that ends within it is told of; it is renewed long before."""
OWN_ENDS_SOON = timedelta(days=20)
"""The same of our own, the shortest of which is renewed 30 days before it ends."""
NEXT_PASSWORDS_MAX = 3
CERTIFICATES_MAX = 5
"""Of one station that hold and are remembered."""


class SecurityProfile(IntEnum):
    """OCPP 2.0.1 A00, table "security profiles"; 0: no proof at all."""

    UNSECURED = 0
    PASSWORD = 1
    TLS_PASSWORD = 2
    TLS_CERTIFICATE = 3


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """A certificate that a station showed and whose chain the TLS handshake has verified."""

    fingerprint: str
    """SHA-256 over its DER form, hex."""
    serial_number: str
    common_name: str
    not_after: datetime
    issued_here: bool
    """Signed by this site's own authority."""


@dataclass(frozen=True, slots=True)
class Login:
    """What a station shows when it connects; secrets stay out of logs."""

    station_id: str
    address: str = ""
    password: bytes | None = field(default=None, repr=False)
    secured: bool = False
    """Over TLS."""
    certificate: PeerCertificate | None = None


@dataclass(frozen=True, slots=True)
class BoundCertificate:
    """A certificate that is one station's own."""

    fingerprint: str
    serial_number: str
    common_name: str
    not_after: datetime
    issued_at: datetime
    issued_here: bool = True
    revoked_at: datetime | None = None
    taken: bool = True
    """The station said that it took it, or has shown it; until then it goes on with the last."""

    @property
    def revoked(self) -> bool:
        """Whether it is refused."""
        return self.revoked_at is not None


@dataclass(frozen=True, slots=True)
class StationSecurity:
    """What is kept of a station's proofs. `profile`: the highest it ever logged in with; a lower
    one is never let in again (A05.FR.07)."""

    station_id: str
    profile: int = 0
    profile_since: datetime | None = None
    next_password_hashes: tuple[str, ...] = field(default=(), repr=False)
    """Of passwords on their way, oldest first: they and the old one hold until one was shown."""
    password_since: datetime | None = None
    unsecured_until: datetime | None = None
    unsecured_reason: str = ""
    certificates: tuple[BoundCertificate, ...] = ()

    def bound(self, fingerprint: str) -> BoundCertificate | None:
        """The station's own certificate of that fingerprint."""
        return next((c for c in self.certificates if c.fingerprint == fingerprint), None)

    def with_certificate(self, certificate: BoundCertificate) -> "StationSecurity":
        """One more. Those that it never took go first, then the oldest; a revoked one is kept
        until it has ended, so that it is refused as long as it could be shown."""
        others = [c for c in self.certificates if c.fingerprint != certificate.fingerprint]
        revoked = [c for c in others if c.revoked and c.not_after > certificate.issued_at]
        held = sorted((c for c in others if not c.revoked), key=lambda c: (c.taken, c.issued_at))
        kept = (*revoked, *held[-(CERTIFICATES_MAX - 1) :], certificate)
        return replace(self, certificates=kept)

    def unsecured(self, at: datetime) -> bool:
        """Whether the exception for no proof at all holds now."""
        return self.unsecured_until is not None and at < self.unsecured_until

    @property
    def certificate(self) -> BoundCertificate | None:
        """The newest one that holds and that the station has."""
        valid = [c for c in self.certificates if c.taken and not c.revoked]
        return max(valid, key=lambda c: c.issued_at) if valid else None


class Refusal(StrEnum):
    """Why a log-in was refused: for the log and the list of events, never for the other end."""

    UNKNOWN = "the station is unknown"
    NO_PROOF = "it showed no password"
    WRONG_PASSWORD = "the password is wrong"
    PROFILE_TOO_LOW = "it came with a lower security profile than it has to"
    WRONG_CERTIFICATE = "its certificate belongs to another station"
    REVOKED_CERTIFICATE = "its certificate was revoked"


class EventSource(StrEnum):
    """Who noted a security event."""

    STATION = "station"
    CONTROLLER = "controller"


@dataclass(frozen=True, slots=True)
class SecurityEvent:
    """Something that matters for security. The same thing again soon after is counted, not kept
    anew: `at` is the first time, `last_at` the last."""

    event_id: str
    at: datetime
    last_at: datetime
    type: str
    """OCPP's word (appendix 1, "security events"), the station's own, or one of ours."""
    source: EventSource
    station_id: str | None = None
    info: str = ""
    critical: bool = False
    count: int = 1


class SecurityStep(StrEnum):
    """Where the way to a higher profile has got to."""

    ROOT = "root"
    CERTIFICATE = "certificate"
    SWITCH = "switch"
    RECONNECT = "reconnect"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class SecurityJob:
    """A station on its way to a higher profile; `said` tells people what happened so far."""

    job_id: str
    station_id: str
    profile: int
    step: SecurityStep
    started_at: datetime
    changed_at: datetime
    said: tuple[str, ...] = ()

    @property
    def open(self) -> bool:
        """Whether something is still to come."""
        return self.step not in (SecurityStep.DONE, SecurityStep.FAILED)


# what people ask for


@dataclass(frozen=True, slots=True)
class AllowUnsecured(Command):
    """Let a station in without any proof until then, at most 7 days: an exception, shown and
    audited. An instant that is over ends it."""

    station_id: str
    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class LowerSecurityProfile(Command):
    """Let a station come with a lower profile again, as after its electronics were replaced.

    OCPP leaves this to people (A00.FR.005); no station can bring it about.
    """

    station_id: str
    profile: int
    reason: str


@dataclass(frozen=True, slots=True)
class RotatePassword(Command):
    """Give a station a new password (A01); effective when it has logged in with it."""

    station_id: str


@dataclass(frozen=True, slots=True)
class RaiseSecurityProfile(Command):
    """Bring a station to profile 2 or 3 (A05), step by step; effective when it logged in with it.

    Whatever fails, the station keeps the profile that it has. `url` None: this controller's own.
    """

    station_id: str
    profile: int
    url: str | None = None
    interface: str = "Wired0"
    """By which a 2.x station is connected."""


@dataclass(frozen=True, slots=True)
class SwitchProfile(StationRequest):
    """Make a station use a higher profile from now on. The answer's status is RebootRequired
    where it does so only after a restart."""

    profile: int
    url: str
    interface: str = "Wired0"


@dataclass(frozen=True, slots=True)
class SetOwnerName(StationRequest):
    """Tell a station whose name to write into what it wants signed (CpoName, OrganizationName)."""

    name: str


@dataclass(frozen=True, slots=True)
class StationEventReported:
    """A SecurityEventNotification."""

    station_id: str
    type: str
    at: datetime
    info: str = ""


@dataclass(frozen=True, slots=True)
class SecurityEventsQuery(Query):
    """Security events; `station_id` None: of all stations and of the controller."""

    limit: int = 50
    cursor: str | None = None
    station_id: str | None = None


@dataclass(frozen=True, slots=True)
class SecurityJobsQuery(Query):
    """Ways to a higher profile, also those that have ended."""

    limit: int = 50
    cursor: str | None = None
    station_id: str | None = None


@dataclass(frozen=True, slots=True)
class StationSecurityQuery(Query):
    """How one station proves who it is."""

    station_id: str


@dataclass(frozen=True, slots=True)
class SiteSecurityQuery(Query):
    """How all stations prove who they are, and the site's own certificates."""


@dataclass(frozen=True, slots=True)
class StationSecurityView:
    """How a station proves who it is. `profile_now`: of the open connection; None: offline."""

    station_id: str
    profile: int
    profile_min: int
    profile_now: int | None
    profile_since: datetime | None
    password_set: bool
    password_since: datetime | None
    password_pending: bool
    unsecured_until: datetime | None
    unsecured_reason: str
    certificates: tuple[BoundCertificate, ...]


@dataclass(frozen=True, slots=True)
class OwnCertificateView:
    """One of the site's own certificates; `pem` for roots alone, to be entered in a charger."""

    name: str
    subject: str
    not_after: datetime
    fingerprint: str
    pem: str | None = None


@dataclass(frozen=True, slots=True)
class SiteSecurityView:
    """The site's security at a glance. `secure_url` None: no TLS (yet)."""

    secure_url: str | None
    profile_min: int
    stations: tuple[StationSecurityView, ...]
    certificates: tuple[OwnCertificateView, ...]
