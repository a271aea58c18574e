"""Security of stations: events, certificates, profiles, passwords, and contracts of cars.

The parts stand in modules of their own; here they are put together, asked and kept going.
"""

import asyncio
import logging
from collections.abc import Mapping

from sitecontroller.domain.certificates import (
    DeleteCertificate,
    ForgetRoot,
    InstallCertificate,
    InstalledCertificatesQuery,
    ListCertificates,
    RenewCertificate,
    RevokeCertificates,
    TrustedRootsQuery,
    TrustRoot,
)
from sitecontroller.domain.commands import Command
from sitecontroller.domain.errors import OperatingError
from sitecontroller.domain.queries import Query
from sitecontroller.domain.security import (
    OWN_ENDS_SOON,
    AllowUnsecured,
    LowerSecurityProfile,
    OwnCertificateView,
    RaiseSecurityProfile,
    RotatePassword,
    SecurityEventsQuery,
    SecurityJobsQuery,
    SiteSecurityQuery,
    SiteSecurityView,
    StationSecurityQuery,
    StationSecurityView,
)
from sitecontroller.services.certificates import Certificates
from sitecontroller.services.contracts import NoContractAuthority
from sitecontroller.services.desk import Answerer, Desk, Handler
from sitecontroller.services.plug_and_charge import PlugAndCharge
from sitecontroller.services.security_jobs import SecurityJobs
from sitecontroller.services.security_log import SecurityLog
from sitecontroller.services.stations import StationState

log = logging.getLogger(__name__)

LOOK_EVERY_S = 5.0
KEEP_EVERY_S = 3600.0
TRY_AGAIN_S = 60.0


class Security:
    """The block's service."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._trust = desk.trust
        self.log = SecurityLog(desk)
        self.certificates = Certificates(desk, desk.trust, self.log, NoContractAuthority())
        self.jobs = SecurityJobs(desk, self.certificates, self.log)
        self.plug_and_charge = PlugAndCharge(desk, desk.trust, self.certificates)
        self._keep_at_s = 0.0
        self.handlers: Mapping[type[Command], Handler] = {
            InstallCertificate: self.certificates.install,
            DeleteCertificate: self.certificates.delete,
            ListCertificates: self.certificates.read,
            RenewCertificate: self.certificates.renew,
            RevokeCertificates: self.certificates.revoke,
            TrustRoot: self.plug_and_charge.trust_root,
            ForgetRoot: self.plug_and_charge.forget_root,
            AllowUnsecured: self.jobs.allow_unsecured,
            LowerSecurityProfile: self.jobs.lower,
            RotatePassword: self.jobs.rotate,
            RaiseSecurityProfile: self.jobs.raise_profile,
        }
        self.answerers: Mapping[type[Query], Answerer] = {
            SecurityEventsQuery: self.log.page,
            SecurityJobsQuery: self.jobs.jobs,
            TrustedRootsQuery: self.plug_and_charge.roots,
            InstalledCertificatesQuery: self.certificates.installed,
            StationSecurityQuery: self._station,
            SiteSecurityQuery: self._site,
        }

    async def load(self) -> None:
        """Take up what the database knows, and follow log-ins from now on."""
        guard = self._desk.stations.guard
        guard.note = self.log.note
        guard.on_login = self.jobs.logged_in
        guard.on_refused = self.jobs.login_refused
        await self.jobs.load()
        await self.plug_and_charge.load()

    async def run(self) -> None:
        """For ever: exceptions end, certificates are made and renewed."""
        while True:
            await self.jobs.end_exceptions()
            await self.jobs.end_overdue()
            if self._desk.clock.monotonic_s() >= self._keep_at_s:
                await self._keep_certificates()
            await asyncio.sleep(LOOK_EVERY_S)

    async def _keep_certificates(self) -> None:
        authority, alarms = self._trust.authority, self._desk.alarms
        wait_s = KEEP_EVERY_S
        if authority is not None:
            try:
                await authority.keep()
                alarms.clear("certificates-unusable", "certificates")
            except (OperatingError, OSError) as error:
                wait_s = TRY_AGAIN_S
                reason = error.detail if isinstance(error, OperatingError) else str(error)
                alarms.raise_("certificates-unusable", "certificates", reason=reason)
            self._watch_own(authority.own_certificates())
            await self.certificates.renew_due()
        self._keep_at_s = self._desk.clock.monotonic_s() + wait_s

    def _watch_own(self, own: tuple[OwnCertificateView, ...]) -> None:
        now = self._desk.clock.now()
        for certificate in own:
            if certificate.not_after - now < OWN_ENDS_SOON:
                date = certificate.not_after.strftime("%Y-%m-%d")
                self._desk.alarms.raise_(
                    "certificate-expiring", certificate.name, name=certificate.subject, date=date
                )
            else:
                self._desk.alarms.clear("certificate-expiring", certificate.name)

    async def _station(self, query: StationSecurityQuery) -> StationSecurityView:
        self._desk.known(query.station_id)
        state = self._desk.stations.state(query.station_id)
        assert state is not None, "a known station has a state"
        return self._view(state)

    async def _site(self, query: SiteSecurityQuery) -> SiteSecurityView:
        authority = self._trust.authority
        return SiteSecurityView(
            self.jobs.secure_url(None),
            self._desk.config.ocpp.security.profile_min,
            tuple(self._view(state) for state in self._desk.stations.states()),
            () if authority is None else authority.own_certificates(),
        )

    def _view(self, state: StationState) -> StationSecurityView:
        guard, station_id = self._desk.stations.guard, state.station.station_id
        security = guard.security(station_id)
        now = guard.profile_now(station_id) if state.link is not None else None
        return StationSecurityView(
            station_id=station_id,
            profile=security.profile,
            profile_min=guard.profile_min(station_id),
            profile_now=None if now is None else int(now),
            profile_since=security.profile_since,
            password_set=state.record.password_hash is not None,
            password_since=security.password_since,
            password_pending=bool(security.next_password_hashes),
            unsecured_until=security.unsecured_until,
            unsecured_reason=security.unsecured_reason,
            certificates=security.certificates,
        )
