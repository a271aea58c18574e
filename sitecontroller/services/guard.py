"""Who may log in, and how: each station's security profile pinned, exceptions, and certificates.

Decides without waiting; what a decision changes (a higher pin, a certificate seen for the first
time) is stored before the station is let in. Nothing a station does lowers what it must show
(A05.FR.07). Why somebody was refused is told to people and to nobody else.
"""

import dataclasses
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sitecontroller.domain.errors import StoreUnavailable
from sitecontroller.domain.ids import fold
from sitecontroller.domain.security import (
    NEXT_PASSWORDS_MAX,
    BoundCertificate,
    Login,
    PeerCertificate,
    Refusal,
    SecurityProfile,
    StationSecurity,
)
from sitecontroller.ports import Clock, Store
from sitecontroller.services.credentials import password_hash, password_matches
from sitecontroller.services.shelf import Shelf

log = logging.getLogger(__name__)

STRANGERS_MAX = 50

Note = Callable[[str | None, str, str], None]
"""(station id or None, what, details): something for the list of security events."""


@dataclass(frozen=True, slots=True)
class KnownProofs:
    """What the site expects of one station. `known`: site.toml has it."""

    known: bool
    password_hash: str | None = None
    serial_number: str | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a log-in came to: the profile shown, or why not."""

    profile: SecurityProfile | None
    refusal: Refusal | None = None
    next_password_hash: str | None = None
    """The password on its way that it was shown for."""

    @property
    def accepted(self) -> bool:
        """Whether it may come in."""
        return self.refusal is None


class Guard:
    """Keeps a `StationSecurity` for each station; part of the station service."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        pepper: bytes,
        profile_min: int = 0,
        profile_min_of: Mapping[str, int] | None = None,
    ) -> None:
        self._clock = clock
        self._pepper = pepper
        self._profile_min = profile_min
        self._profile_min_of = {fold(k): v for k, v in (profile_min_of or {}).items()}
        self._shelf = Shelf(store, "station-security", StationSecurity)
        self._stations: dict[str, StationSecurity] = {}
        self._owners: dict[str, str] = {}
        """Station by the fingerprint of its certificate."""
        self._profiles_now: dict[str, SecurityProfile] = {}
        self._strangers: dict[str, PeerCertificate] = {}
        """Certificates of those that wait to be accepted."""
        self.note: Note = lambda station_id, what, details: None
        self.on_login: Callable[[str, SecurityProfile], None] = lambda station_id, profile: None
        self.on_refused: Callable[[str, Refusal], None] = lambda station_id, reason: None

    async def load(self) -> None:
        """Take up what was stored."""
        for security in await self._shelf.all():
            self._hold(security)

    # what others ask

    def security(self, station_id: str) -> StationSecurity:
        """What is kept of a station; of one never seen: nothing is required yet."""
        return self._stations.get(fold(station_id)) or StationSecurity(station_id)

    def profile_min(self, station_id: str) -> int:
        """The least a station must show now: its pin, site.toml's minimum, or an exception."""
        security = self.security(station_id)
        if security.unsecured(self._clock.now()):
            return 0
        return max(security.profile, self.configured_min(station_id))

    def configured_min(self, station_id: str) -> int:
        """What site.toml asks of a station at least."""
        return max(self._profile_min, self._profile_min_of.get(fold(station_id), 0))

    def profile_now(self, station_id: str) -> SecurityProfile | None:
        """What it showed when it last logged in, since the controller started."""
        return self._profiles_now.get(fold(station_id))

    def needs_no_password(self, station_id: str) -> bool:
        """Whether a station takes part without one: by an exception, or by its certificate."""
        security = self.security(station_id)
        return security.unsecured(self._clock.now()) or security.certificate is not None

    def owner(self, fingerprint: str) -> str | None:
        """Whose certificate that is."""
        return self._owners.get(fingerprint)

    def hashed(self, password: str) -> str:
        """What is kept of a password."""
        return password_hash(self._pepper, password.encode())

    # a log-in

    def judge(self, login: Login, proofs: KnownProofs) -> Judgement:
        """Decide; the same work whether the station is known or not."""
        security = self.security(login.station_id)
        password = login.password or b""
        by_password = password_matches(self._pepper, proofs.password_hash, password)
        pending = security.next_password_hashes
        slots = (*pending, *[None] * NEXT_PASSWORDS_MAX)[:NEXT_PASSWORDS_MAX]
        matching = [kept for kept in slots if password_matches(self._pepper, kept, password)]
        by_next = matching[-1] if matching else None
        misfit = self._misfit(login.certificate, security, proofs)
        by_certificate = login.certificate is not None and misfit is None and login.secured
        profile = _shown(login, by_password or by_next is not None, by_certificate)
        if not proofs.known:
            return Judgement(None, Refusal.UNKNOWN)
        if profile is None and security.unsecured(self._clock.now()):
            profile = SecurityProfile.UNSECURED
        if profile is None:
            return Judgement(None, misfit or _why(login))
        if profile < self.profile_min(login.station_id):
            return Judgement(profile, Refusal.PROFILE_TOO_LOW)
        return Judgement(profile, None, None if by_password else by_next)

    async def let_in(self, login: Login, judgement: Judgement) -> None:
        """Keep what an accepted log-in changes, and tell who follows log-ins."""
        profile, now = judgement.profile, self._clock.now()
        if profile is None:
            return
        before = self.security(login.station_id)
        after = before
        if profile > before.profile:
            after = dataclasses.replace(after, profile=int(profile), profile_since=now)
            log.info("%s: security profile %d from now on", login.station_id, profile)
        shown = login.certificate
        by_certificate = profile is SecurityProfile.TLS_CERTIFICATE
        if by_certificate and shown is not None:
            known = before.bound(shown.fingerprint)
            if known is None or not known.taken:
                issued_at = now if known is None else known.issued_at
                after = after.with_certificate(bound(shown, issued_at))
        shown_hash = judgement.next_password_hash
        if shown_hash is not None:
            # What was told later may still be taken up: a station answers before it changes.
            later = before.next_password_hashes
            later = later[later.index(shown_hash) + 1 :]
            after = dataclasses.replace(after, next_password_hashes=later, password_since=now)
        if after != before:
            await self.keep_if_possible(after)
        self._profiles_now[fold(login.station_id)] = profile
        self.on_login(login.station_id, profile)

    def may_wait(self, login: Login) -> bool:
        """Whether a station without a password may knock to be accepted: not when it once showed
        more than now."""
        shown = SecurityProfile.TLS_CERTIFICATE if login.certificate and login.secured else 0
        if shown < self.security(login.station_id).profile:
            return False
        key = fold(login.station_id)
        self._strangers.pop(key, None)
        if login.certificate is not None and login.secured:
            self._strangers[key] = login.certificate
            while len(self._strangers) > STRANGERS_MAX:
                del self._strangers[next(iter(self._strangers))]
        return True

    async def accepted(self, station_id: str) -> None:
        """A person accepted a station: what it showed when it knocked is its own from now on."""
        shown = self._strangers.pop(fold(station_id), None)
        security = self.security(station_id)
        if shown is not None and self.owner(shown.fingerprint) in (None, station_id):
            await self.keep(security.with_certificate(bound(shown, self._clock.now())))

    def turned_away(self, login: Login, judgement: Judgement) -> None:
        """A log-in was refused."""
        reason = judgement.refusal or Refusal.UNKNOWN
        known = None if reason is Refusal.UNKNOWN else login.station_id
        what = _EVENTS.get(reason, "LoginRefused")
        # The address alone: a stranger's text as an id would be a stranger's text in the list.
        self.note(known, what, f"{reason.value}; from {login.address}")
        self.on_refused(login.station_id, reason)

    # what people and jobs change

    async def keep(self, security: StationSecurity) -> None:
        """Store, then hold. Raises StoreUnavailable."""
        await self._shelf.put(
            fold(security.station_id), security, self._clock.now(), security.station_id
        )
        self._hold(security)

    async def keep_if_possible(self, security: StationSecurity) -> None:
        """Hold, and store unless the database is out of use: a station is not kept out for it."""
        self._hold(security)
        try:
            await self.keep(security)
        except StoreUnavailable as error:
            log.error("%s: its security was not stored: %s", security.station_id, error)

    def _hold(self, security: StationSecurity) -> None:
        self._stations[fold(security.station_id)] = security
        for certificate in security.certificates:
            self._owners[certificate.fingerprint] = security.station_id

    def _misfit(
        self, shown: PeerCertificate | None, security: StationSecurity, proofs: KnownProofs
    ) -> Refusal | None:
        """Why a certificate is not this station's; None: it is, or there is none (A00.FR.405).

        One that was issued to or seen from a station is that station's for ever, so that nobody
        who tells a serial number of others gets further than their own log-in.
        """
        if shown is None:
            return None
        own = security.bound(shown.fingerprint)
        if own is not None:
            return Refusal.REVOKED_CERTIFICATE if own.revoked else None
        names = {proofs.serial_number, security.station_id if shown.issued_here else None}
        owner = self._owners.get(shown.fingerprint)
        others = owner is not None and fold(owner) != fold(security.station_id)
        if others or shown.common_name not in names - {None, ""}:
            return Refusal.WRONG_CERTIFICATE
        return None


_EVENTS = {
    Refusal.PROFILE_TOO_LOW: "ProfileDowngradeRefused",
    Refusal.WRONG_CERTIFICATE: "InvalidChargingStationCertificate",
    Refusal.REVOKED_CERTIFICATE: "InvalidChargingStationCertificate",
}


def by_password(judgement: Judgement) -> bool:
    """Whether it was a password that proved it."""
    return judgement.profile in (SecurityProfile.PASSWORD, SecurityProfile.TLS_PASSWORD)


def bound(shown: PeerCertificate, at: datetime, *, taken: bool = True) -> BoundCertificate:
    """A certificate as one station's own."""
    return BoundCertificate(
        shown.fingerprint,
        shown.serial_number,
        shown.common_name,
        shown.not_after,
        at,
        shown.issued_here,
        taken=taken,
    )


def _shown(login: Login, by_password: bool, by_certificate: bool) -> SecurityProfile | None:
    if by_certificate:
        return SecurityProfile.TLS_CERTIFICATE
    if not by_password:
        return None
    return SecurityProfile.TLS_PASSWORD if login.secured else SecurityProfile.PASSWORD


def _why(login: Login) -> Refusal:
    return Refusal.WRONG_PASSWORD if login.password else Refusal.NO_PROOF
