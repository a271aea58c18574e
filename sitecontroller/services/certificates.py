"""Certificates of stations: what they have installed, what they want signed, and what was revoked.

A station's own certificate is signed here and now by the site's authority (A02, A03); it is bound
to the station before the station hears of it, so that it may be used at once. A certificate for
vehicles is signed by headquarters' hierarchy, and refused at once without contact.
"""

import asyncio
import dataclasses
import logging
from collections import deque
from collections.abc import Mapping
from datetime import datetime

from sitecontroller.domain.certificates import (
    AskForSigning,
    CertificateUse,
    DeleteCertificate,
    HandSigned,
    InstallCertificate,
    InstalledCertificate,
    InstalledCertificates,
    InstalledCertificatesQuery,
    ListCertificates,
    ReadInstalled,
    RemoveInstalled,
    RenewCertificate,
    RevokeCertificates,
    SigningRequested,
    SigningUse,
    StoreRoot,
)
from sitecontroller.domain.commands import CommandResult, CommandState
from sitecontroller.domain.errors import (
    FieldError,
    InvalidInput,
    NotFound,
    OperatingError,
)
from sitecontroller.domain.events import CommandFinished
from sitecontroller.domain.ids import fold
from sitecontroller.domain.security import ENDS_SOON, BoundCertificate
from sitecontroller.ports import StationLink
from sitecontroller.services.contracts import ContractAuthority
from sitecontroller.services.desk import Desk, result_of
from sitecontroller.services.guard import bound
from sitecontroller.services.security_log import SecurityLog
from sitecontroller.services.shelf import Shelf
from sitecontroller.services.trust import Authority, Trust
from sitecontroller.wire import from_json

log = logging.getLogger(__name__)

SIGNED_WITHIN_S = 120.0
"""From our asking until a station has taken its new certificate; small boxes make keys slowly."""
SIGNINGS_PER_MINUTE = 6
RENEWED_AT = 2 / 3
ASKED_EVERY_S = 86_400.0
"""A station that failed to renew is asked again the next day (A02, error handling)."""
ROOT_CHARACTERS_MAX = 5500


class Certificates:
    """One owner of who asks for what and of what comes of it."""

    def __init__(
        self, desk: Desk, trust: Trust, security_log: SecurityLog, contracts: ContractAuthority
    ) -> None:
        self._desk = desk
        self._trust = trust
        self._log = security_log
        self.contracts = contracts
        self._shelf = Shelf(desk.store, "installed-certificates", InstalledCertificates)
        self._recent: dict[str, deque[float]] = {}
        self._waiting: dict[str, list[asyncio.Future[bool]]] = {}
        self._asked_s: dict[str, float] = {}

    # what stations say

    async def signing_requested(self, link: StationLink, request: SigningRequested) -> str | None:
        """A SignCertificate. None: `hand_over` follows. Else why not."""
        if self._too_often(request.station_id):
            return "asked too often; wait a minute"
        try:
            if request.use.for_vehicles:
                self.contracts.check_ready()
            else:
                self._authority().sign(request.csr, self._names(link.station_id))
        except (InvalidInput, OperatingError) as error:
            self._rejected(request.station_id, error.detail)
            return error.detail
        return None

    async def hand_over(self, link: StationLink, request: SigningRequested, named: bool) -> None:
        """Sign what was accepted and bring it to the station; `named`: it said what it is for."""
        station_id, taken = request.station_id, False
        try:
            chain, made = await self._signed(request)
            answer = await link.ask(HandSigned(chain, request.use, request.request_id, named))
            taken = answer.accepted
            if taken:
                await self._taken(station_id, made)
                self._desk.alarms.clear("certificate-rejected", station_id)
                log.info("%s: took its new certificate use=%s", station_id, request.use)
            else:
                self._rejected(station_id, f"the charger says {answer.status or 'nothing'}")
        except (InvalidInput, OperatingError) as error:
            self._rejected(station_id, error.detail)
        finally:
            for future in self._waiting.pop(fold(station_id), []):
                if not future.done():
                    future.set_result(taken)

    async def _signed(self, request: SigningRequested) -> tuple[str, BoundCertificate | None]:
        if request.use.for_vehicles:
            return await self.contracts.sign(request), None
        signed = self._authority().sign(request.csr, self._names(request.station_id))
        guard, now = self._desk.stations.guard, self._desk.clock.now()
        made = bound(signed.certificate, now, taken=False)
        await guard.keep(guard.security(request.station_id).with_certificate(made))
        return signed.chain, made

    async def _taken(self, station_id: str, made: BoundCertificate | None) -> None:
        """It is the one in use from now on; before, the last one was (A02.FR.08)."""
        security = self._desk.stations.guard.security(station_id)
        known = None if made is None else security.bound(made.fingerprint)
        if known is not None and not known.taken:
            taken = dataclasses.replace(known, taken=True)
            await self._desk.stations.guard.keep_if_possible(security.with_certificate(taken))

    def _names(self, station_id: str) -> frozenset[str]:
        """What a certificate of this station may be called: its serial number or its id, unless
        that is what another station is called."""
        own: set[str] = set()
        others: set[str] = set()
        for state in self._desk.stations.states():
            boot = state.record.boot
            serial_number = None if boot is None else boot.serial_number
            names = {state.station.station_id, serial_number or state.station.station_id}
            if fold(state.station.station_id) == fold(station_id):
                own |= names
            else:
                others |= {fold(name) for name in names}
        return frozenset(name for name in own if fold(name) not in others)

    def _too_often(self, station_id: str) -> bool:
        now_s = self._desk.clock.monotonic_s()
        recent = self._recent.setdefault(fold(station_id), deque(maxlen=SIGNINGS_PER_MINUTE))
        if len(recent) == SIGNINGS_PER_MINUTE and now_s - recent[0] < 60:
            return True
        recent.append(now_s)
        return False

    def _rejected(self, station_id: str, reason: str) -> None:
        self._log.note(station_id, "CertificateRejected", reason)
        self._desk.alarms.raise_(
            "certificate-rejected", station_id, station=station_id, reason=reason
        )

    def _authority(self) -> Authority:
        if self._trust.authority is None:
            raise OperatingError(
                "this site has no certificates of its own",
                remedy="Write tls = true under [ocpp.security] in site.toml and restart",
            )
        return self._trust.authority

    # what people ask for

    async def install(self, command: InstallCertificate, command_id: str) -> CommandResult:
        """Put roots on a station: one that is given, or our own (EC and RSA; one is enough)."""
        if not command.use.is_root:
            raise InvalidInput(
                f"{command.use.value} is no root",
                errors=(FieldError("use", "is one that ends in RootCertificate"),),
            )
        if command.pem is None and command.use is not CertificateUse.CSMS_ROOT:
            raise InvalidInput(
                "this site has a CSMS root of its own only",
                errors=(FieldError("pem", "holds the root certificate in PEM form"),),
            )
        if command.pem is None:
            return await self.install_own(command.station_id, command_id)
        pem = self._checked_root(command.pem)
        link = self._desk.link(command.station_id)
        return result_of(command_id, await link.ask(StoreRoot(command.use, pem)))

    async def install_own(self, station_id: str, command_id: str) -> CommandResult:
        """A station that takes one root only (AdditionalRootCertificateCheck) refuses the second:
        the first will do."""
        link = self._desk.link(station_id)
        answers = [
            await link.ask(StoreRoot(CertificateUse.CSMS_ROOT, root))
            for root in self._authority().roots()
        ]
        taken = [answer for answer in answers if answer.accepted]
        return result_of(command_id, (taken or answers)[0])

    def _checked_root(self, pem: str) -> str:
        if len(pem) > ROOT_CHARACTERS_MAX:
            raise InvalidInput(
                "the certificate is too long for OCPP",
                errors=(FieldError("pem", f"has at most {ROOT_CHARACTERS_MAX} characters"),),
            )
        try:
            return self._trust.reader.root(pem).pem
        except InvalidInput as error:
            raise InvalidInput(
                f"this can't be installed: {error.detail}",
                remedy="Paste the whole root certificate, from BEGIN to END",
                errors=(FieldError("pem", error.detail),),
            ) from None

    async def delete(self, command: DeleteCertificate, command_id: str) -> CommandResult:
        """Delete one by the hash under which the station lists it."""
        link = self._desk.link(command.station_id)
        known = await self._shelf.get(fold(command.station_id))
        listed = () if known is None else known.certificates
        use = next((c.use for c in listed if c.hash.key == command.hash.key), None)
        answer = await link.ask(RemoveInstalled(command.hash, use))
        if answer.accepted and known is not None:
            left = tuple(c for c in listed if c.hash.key != command.hash.key)
            await self._keep(dataclasses.replace(known, certificates=left))
        return result_of(command_id, answer)

    async def read(self, command: ListCertificates, command_id: str) -> CommandResult:
        """Ask a station what it has; kept for later questions."""
        answer = await self._desk.link(command.station_id).ask(ReadInstalled(command.uses))
        listed = answer.body.get("certificates", [])
        certificates = tuple(from_json(InstalledCertificate, row) for row in listed)
        told = InstalledCertificates(
            command.station_id, self._desk.clock.now(), command.uses, certificates
        )
        await self._keep(told)
        return result_of(command_id, answer, show=True)

    async def installed(self, query: InstalledCertificatesQuery) -> InstalledCertificates:
        """What a station last told. Raises NotFound."""
        self._desk.known(query.station_id)
        known = await self._shelf.get(fold(query.station_id))
        if known is None:
            raise NotFound(
                f"{query.station_id} has not been asked for its certificates yet",
                remedy=f"POST /v1/stations/{query.station_id}/certificates/list asks it",
            )
        return known

    async def renew(self, command: RenewCertificate, command_id: str) -> CommandResult:
        """Make a station ask for a new certificate; followed until it took it."""
        link = self._desk.link(command.station_id)
        if command.use.for_vehicles or command.combined:
            self.contracts.check_ready()
        else:
            self._authority().roots()
        taken = self.expect_signing(command.station_id)
        answer = await link.ask(AskForSigning(command.use, command.combined))
        if not answer.accepted:
            taken.cancel()
            return result_of(command_id, answer)
        self._desk.background.spawn(
            self._follow(command_id, taken), f"certificate of {command.station_id}", patient=True
        )
        return result_of(command_id, answer)

    def expect_signing(self, station_id: str) -> asyncio.Future[bool]:
        """Done when the station took (or refused) the next certificate that we make for it."""
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        waiting = [f for f in self._waiting.get(fold(station_id), []) if not f.done()]
        self._waiting[fold(station_id)] = [*waiting, future]
        return future

    async def _follow(self, command_id: str, taken: asyncio.Future[bool]) -> None:
        try:
            async with asyncio.timeout(SIGNED_WITHIN_S):
                effective = await taken
            reason = None if effective else "the charger did not take its new certificate"
        except TimeoutError:
            effective, reason = False, f"no new certificate within {SIGNED_WITHIN_S:.0f} s"
        state = CommandState.EFFECTIVE if effective else CommandState.INEFFECTIVE
        self._desk.publisher.publish(CommandFinished(CommandResult(command_id, state, reason)))

    async def revoke(self, command: RevokeCertificates, command_id: str) -> CommandResult:
        """Refuse all of a station's certificates and end its connection."""
        if not command.reason.strip():
            raise InvalidInput(
                "say why", errors=(FieldError("reason", "is a few words for the list of events"),)
            )
        self._desk.known(command.station_id)
        guard = self._desk.stations.guard
        security = guard.security(command.station_id)
        now = self._desk.clock.now()
        revoked = tuple(
            c if c.revoked else dataclasses.replace(c, revoked_at=now)
            for c in security.certificates
        )
        await guard.keep(dataclasses.replace(security, certificates=revoked))
        self._log.note(command.station_id, "CertificatesRevoked", command.reason)
        state = self._desk.stations.state(command.station_id)
        if state is not None and state.link is not None:
            await state.link.close("its certificates were revoked")
        return CommandResult(command_id, CommandState.EFFECTIVE)

    async def _keep(self, told: InstalledCertificates) -> None:
        await self._shelf.put(fold(told.station_id), told, told.at, told.station_id)

    # time

    async def renew_due(self) -> None:
        """Stations whose certificate has lived for two thirds of its life renew it (A02); called
        every hour. One that ends within 30 days without being renewed is an alarm."""
        now, guard = self._desk.clock.now(), self._desk.stations.guard
        for state in self._desk.stations.states():
            station_id = state.station.station_id
            newest = guard.security(station_id).certificate
            if newest is None:
                continue
            if newest.not_after - now < ENDS_SOON:
                date = newest.not_after.strftime("%Y-%m-%d")
                self._desk.alarms.raise_(
                    "certificate-expiring", station_id, name=station_id, date=date
                )
            else:
                self._desk.alarms.clear("certificate-expiring", station_id)
            due = newest.issued_at + (newest.not_after - newest.issued_at) * RENEWED_AT
            if now >= due and newest.issued_here:
                await self._ask_to_renew(station_id)

    async def _ask_to_renew(self, station_id: str) -> None:
        link, now_s = self._desk.stations.link(station_id), self._desk.clock.monotonic_s()
        asked_s = self._asked_s.get(station_id)
        if link is None or (asked_s is not None and now_s - asked_s < ASKED_EVERY_S):
            return
        self._asked_s[station_id] = now_s
        try:
            await link.ask(AskForSigning(SigningUse.STATION))
        except OperatingError as error:
            log.warning("%s: can't be asked to renew: %s", station_id, error.detail)

    def revoked(self) -> Mapping[str, datetime]:
        """When which serial number was revoked, for OCSP."""
        guard = self._desk.stations.guard
        return {
            certificate.serial_number: certificate.revoked_at
            for state in self._desk.stations.states()
            for certificate in guard.security(state.station.station_id).certificates
            if certificate.revoked_at is not None
        }
