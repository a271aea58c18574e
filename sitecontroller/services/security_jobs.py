"""What people change of a station's proofs: a new password, a higher profile, exceptions.

Each way is one that a station can't be lost on: a password is kept before the station hears of it,
the old profile holds until the station has logged in with the new one, and an exception ends by
itself. Everything here is audited.
"""

import asyncio
import dataclasses
import logging
from collections.abc import Callable
from datetime import timedelta

from sitecontroller.domain.certificates import AskForSigning, SigningUse
from sitecontroller.domain.commands import CommandResult, CommandState, ResetType
from sitecontroller.domain.errors import (
    CallRefused,
    CallTimeout,
    Conflict,
    ConnectionLost,
    ControllerError,
    FieldError,
    InvalidInput,
    OperatingError,
    Unsupported,
)
from sitecontroller.domain.events import CommandFinished
from sitecontroller.domain.ids import fold, new_ulid
from sitecontroller.domain.security import (
    ENDS_SOON,
    NEXT_PASSWORDS_MAX,
    AllowUnsecured,
    LowerSecurityProfile,
    RaiseSecurityProfile,
    Refusal,
    RotatePassword,
    SecurityJob,
    SecurityJobsQuery,
    SecurityProfile,
    SecurityStep,
    SetOwnerName,
    SwitchProfile,
)
from sitecontroller.domain.views import Page
from sitecontroller.ports import StationLink
from sitecontroller.services.certificates import SIGNED_WITHIN_S, Certificates
from sitecontroller.services.credentials import PASSWORD_VARIABLE, new_password
from sitecontroller.services.desk import Desk, result_of
from sitecontroller.services.security_log import SecurityLog
from sitecontroller.services.shelf import Shelf

log = logging.getLogger(__name__)

EXCEPTION_MAX = timedelta(days=7)
REASON_CHARACTERS_MAX = 200
SHOWN_WITHIN_S = 120.0
"""From a station's "Accepted" until it has logged in with its new password."""
DROPPED_AFTER_S = 20.0
"""A station that doesn't reconnect by itself with its new password is made to."""
CAME_BACK_LOWER_MAX = 3
"""Log-ins with the old profile after the switch: it tried the new one and fell back (A05.FR.08)."""
REFUSED_MAX = 10
"""Log-ins refused after the switch: it comes with what it may not come with."""
AWAY_MAX = timedelta(minutes=15)
"""Without a log-in of any kind after the switch; a restart takes less."""
SWITCHED_WITHIN = timedelta(hours=24)
"""A station restarts when no car charges."""
JOBS_MAX = 500
SAID_MAX = 20


class SecurityJobs:
    """One owner of what is under way at stations."""

    def __init__(self, desk: Desk, certificates: Certificates, security_log: SecurityLog) -> None:
        self._desk = desk
        self._certificates = certificates
        self._log = security_log
        self._guard = desk.stations.guard
        self._shelf = Shelf(desk.store, "security-job", SecurityJob)
        self._jobs: dict[str, SecurityJob] = {}
        """Open ones by folded station id."""
        self._commands: dict[str, str] = {}
        """The command that began a job, by the job's id."""
        self._lower: dict[str, int] = {}
        """How often a station came back with its old profile, by the job's id."""
        self._refused: dict[str, int] = {}
        """How often it was turned away since the switch, by the job's id."""
        self._loaded_at = desk.clock.now()
        self._shown: dict[str, asyncio.Future[None]] = {}
        self.secure_url: Callable[[str | None], str | None] = lambda address: None
        """How a station at that address reaches this controller over TLS."""

    async def load(self) -> None:
        """Take up what was under way: a station that has been told to switch may still come."""
        for job in await self._shelf.all(open_only=True):
            self._jobs[fold(job.station_id)] = job
            if job.step is not SecurityStep.RECONNECT:
                await self._end(job, "the controller restarted; begin again", failed=True)
        for state in self._desk.stations.states():
            self._show_exception(state.station.station_id)

    # exceptions

    async def allow_unsecured(self, command: AllowUnsecured, command_id: str) -> CommandResult:
        """Profile 0, with an end (A00: it is none of the profiles, so it is never a state)."""
        self._desk.known(command.station_id)
        _check_reason(command.reason)
        now = self._desk.clock.now()
        if command.until > now + EXCEPTION_MAX:
            raise InvalidInput(
                f"an exception lasts {EXCEPTION_MAX.days} days at most",
                errors=(
                    FieldError("until", f"is before {now + EXCEPTION_MAX:%Y-%m-%d %H:%M} UTC"),
                ),
            )
        ends = command.until <= now
        security = dataclasses.replace(
            self._guard.security(command.station_id),
            unsecured_until=None if ends else command.until,
            unsecured_reason="" if ends else command.reason.strip(),
        )
        await self._guard.keep(security)
        what = "UnsecuredEnded" if ends else "UnsecuredAllowed"
        self._audit(command.station_id, what, command.reason)
        self._show_exception(command.station_id)
        if ends:
            await self._drop_unsecured(command.station_id)
        return CommandResult(command_id, CommandState.EFFECTIVE)

    async def lower(self, command: LowerSecurityProfile, command_id: str) -> CommandResult:
        """What only people may do (A00.FR.005)."""
        self._desk.known(command.station_id)
        _check_reason(command.reason)
        security = self._guard.security(command.station_id)
        if not 1 <= command.profile < security.profile:
            raise InvalidInput(
                f"{command.station_id} has profile {security.profile}",
                errors=(FieldError("profile", "is 1 or 2, and lower than the station's"),),
            )
        now = self._desk.clock.now()
        await self._guard.keep(
            dataclasses.replace(security, profile=command.profile, profile_since=now)
        )
        self._audit(command.station_id, "ProfileLowered", command.reason)
        return CommandResult(command_id, CommandState.EFFECTIVE)

    async def end_exceptions(self) -> None:
        """Called now and then: those that are over let nobody stay."""
        now = self._desk.clock.now()
        for state in self._desk.stations.states():
            station_id = state.station.station_id
            until = self._guard.security(station_id).unsecured_until
            if until is not None and until <= now:
                self._show_exception(station_id)
                await self._drop_unsecured(station_id)

    async def _drop_unsecured(self, station_id: str) -> None:
        state = self._desk.stations.state(station_id)
        unsecured = self._guard.profile_now(station_id) is SecurityProfile.UNSECURED
        if state is not None and state.link is not None and unsecured:
            await state.link.close("the exception from its security profile is over")

    def _show_exception(self, station_id: str) -> None:
        security = self._guard.security(station_id)
        if security.unsecured_until is None or not security.unsecured(self._desk.clock.now()):
            self._desk.alarms.clear("unsecured-station", station_id)
            return
        self._desk.alarms.raise_(
            "unsecured-station",
            station_id,
            station=station_id,
            until=security.unsecured_until.strftime("%Y-%m-%d %H:%M UTC"),
            reason=security.unsecured_reason,
        )

    # passwords

    async def rotate(self, command: RotatePassword, command_id: str) -> CommandResult:
        """A01. Until the new password was shown, both hold: an answer that was lost locks nobody
        out, and a station that answers before it changes can still come back."""
        link = self._desk.link(command.station_id)
        password = new_password()
        kept = self._guard.hashed(password)
        await self._propose(command.station_id, kept)
        shown = self._expect_login(command.station_id)
        try:
            answer = await link.set_variable(PASSWORD_VARIABLE[link.version], password)
        except (CallRefused, Unsupported):
            await self._withdraw(command.station_id, kept)
            raise
        if not answer.accepted:
            await self._withdraw(command.station_id, kept)
            return result_of(command_id, answer)
        self._audit(command.station_id, "PasswordChanged", f"the charger says {answer.status}")
        self._desk.background.spawn(
            self._follow_password(command_id, link, kept, shown),
            f"password of {command.station_id}",
            patient=True,
        )
        return result_of(command_id, answer)

    async def _propose(self, station_id: str, kept: str) -> None:
        security = self._guard.security(station_id)
        pending = (*security.next_password_hashes, kept)[-NEXT_PASSWORDS_MAX:]
        await self._guard.keep(dataclasses.replace(security, next_password_hashes=pending))

    async def _withdraw(self, station_id: str, kept: str) -> None:
        """The station refused it, so that it can't come with it."""
        security = self._guard.security(station_id)
        pending = tuple(p for p in security.next_password_hashes if p != kept)
        await self._guard.keep_if_possible(
            dataclasses.replace(security, next_password_hashes=pending)
        )

    async def _follow_password(
        self, command_id: str, link: StationLink, kept: str, shown: asyncio.Future[None]
    ) -> None:
        station_id = link.station_id
        try:
            async with asyncio.timeout(DROPPED_AFTER_S):
                await shown
        except TimeoutError:
            await link.close("its password has changed")
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + SHOWN_WITHIN_S
        while loop.time() < ends_s and self._is_pending(station_id, kept):
            with_next = self._expect_login(station_id)
            try:
                async with asyncio.timeout_at(ends_s):
                    await with_next
            except TimeoutError:
                break
        if self._is_pending(station_id, kept):
            state, reason = CommandState.INEFFECTIVE, _NOT_SHOWN
        else:
            state, reason = CommandState.EFFECTIVE, None
        self._desk.publisher.publish(CommandFinished(CommandResult(command_id, state, reason)))

    def _is_pending(self, station_id: str, kept: str) -> bool:
        return kept in self._guard.security(station_id).next_password_hashes

    def _expect_login(self, station_id: str) -> asyncio.Future[None]:
        key = fold(station_id)
        known = self._shown.get(key)
        if known is None or known.done():
            known = asyncio.get_running_loop().create_future()
            self._shown[key] = known
        return known

    # a higher profile

    async def raise_profile(self, command: RaiseSecurityProfile, command_id: str) -> CommandResult:
        """A05, as a job that people can follow. Raises Conflict, InvalidInput, StationOffline."""
        station_id = command.station_id
        link = self._desk.link(station_id)
        if command.profile not in (2, 3):
            raise InvalidInput(
                "profiles 2 and 3 can be reached from here",
                errors=(FieldError("profile", "is 2 or 3"),),
            )
        known = self._guard.security(station_id).profile
        if known >= command.profile:
            raise Conflict(f"{station_id} has profile {known} already", remedy="Nothing to do")
        if fold(station_id) in self._jobs:
            raise Conflict(
                f"{station_id} is on its way already", remedy="GET /v1/security/jobs shows how far"
            )
        url = command.url or self._url_for(station_id)
        now = self._desk.clock.now()
        job = SecurityJob(new_ulid(now), station_id, command.profile, SecurityStep.ROOT, now, now)
        self._commands[job.job_id] = command_id
        await self._keep(job)
        self._audit(station_id, "ProfileRaiseBegun", f"to profile {command.profile}")
        self._desk.background.spawn(
            self._go(job, link, url, command.interface), f"security of {station_id}", patient=True
        )
        return CommandResult(
            command_id,
            CommandState.ACCEPTED,
            "Begun; the charger restarts once no car charges",
            {"job_id": job.job_id},
        )

    def _url_for(self, station_id: str) -> str:
        state = self._desk.stations.state(station_id)
        url = self.secure_url(None if state is None else state.address)
        if url is None:
            raise Conflict(
                "this controller doesn't speak TLS (yet)",
                remedy="Write tls = true under [ocpp.security] in site.toml; after a first start "
                "its certificates take a few seconds",
            )
        return url

    async def _go(self, job: SecurityJob, link: StationLink, url: str, interface: str) -> None:
        """Step by step; whatever fails ends the job and leaves the station as it is."""
        try:
            answer = await self._certificates.install_own(job.station_id, job.job_id)
            if answer.state is not CommandState.ACCEPTED:
                raise OperatingError(f"it did not take the site's root: {answer.reason}")
            job = await self._say(job, SecurityStep.ROOT, "it has the site's root certificate")
            if job.profile == SecurityProfile.TLS_CERTIFICATE:
                await self._certify(job, link)
                job = await self._say(
                    job, SecurityStep.CERTIFICATE, "it has a certificate of its own"
                )
            # Watched from now on: it may come back before its answer is here.
            job = await self._say(job, SecurityStep.RECONNECT, f"it is told to use {url}")
            await self._switch(job, link, url, interface)
        except (CallTimeout, ConnectionLost) as error:
            if job.step is SecurityStep.RECONNECT:
                # It may have switched before its answer got out: how it comes back next tells.
                self._lower[job.job_id] = CAME_BACK_LOWER_MAX - 1
                log.info("%s: told to switch, no answer: %s", job.station_id, error.detail)
            else:
                await self._give_up(job, error)
        except (InvalidInput, OperatingError) as error:
            await self._give_up(job, error)

    async def _give_up(self, job: SecurityJob, error: ControllerError) -> None:
        current = self._jobs.get(fold(job.station_id))
        if current is not None and current.job_id == job.job_id:
            await self._end(current, error.detail, failed=True)

    async def _switch(self, job: SecurityJob, link: StationLink, url: str, interface: str) -> None:
        switched = await link.ask(SwitchProfile(job.profile, url, interface))
        if not switched.accepted:
            raise OperatingError(f"it does not switch: {switched.status}")
        if switched.status == "RebootRequired":
            reset = await link.reset(ResetType.ON_IDLE)
            if not reset.accepted:
                raise OperatingError(f"it does not restart: {reset.status}")

    async def _certify(self, job: SecurityJob, link: StationLink) -> None:
        """A certificate of its own, unless it has one that still lasts."""
        known = self._guard.security(job.station_id).certificate
        if known is not None and known.not_after - self._desk.clock.now() > ENDS_SOON:
            return
        try:
            await link.ask(SetOwnerName(self._desk.config.organization))
        except OperatingError as error:
            log.info("%s: owner's name not set: %s", job.station_id, error.detail)
        taken = self._certificates.expect_signing(job.station_id)
        answer = await link.ask(AskForSigning(SigningUse.STATION))
        if not answer.accepted:
            raise OperatingError(f"it asks for no certificate: {answer.status}")
        try:
            async with asyncio.timeout(SIGNED_WITHIN_S):
                was_taken = await taken
        except TimeoutError:
            raise OperatingError(
                f"it asked for no certificate within {SIGNED_WITHIN_S:.0f} s"
            ) from None
        if not was_taken:
            raise OperatingError("it did not take its certificate")

    def logged_in(self, station_id: str, profile: SecurityProfile) -> None:
        """A station is back; called for every log-in, returns at once."""
        shown = self._shown.pop(fold(station_id), None)
        if shown is not None and not shown.done():
            shown.set_result(None)
        job = self._jobs.get(fold(station_id))
        if job is None or job.step is not SecurityStep.RECONNECT:
            return
        if profile >= job.profile:
            said, failed = f"it logged in with profile {profile}", False
        else:
            self._lower[job.job_id] = self._lower.get(job.job_id, 0) + 1
            if self._lower[job.job_id] < CAME_BACK_LOWER_MAX:
                return
            said, failed = f"it keeps coming back with profile {profile}: {_SEE}", True
        self._desk.background.spawn(
            self._end(job, said, failed=failed), f"security of {station_id}"
        )

    def login_refused(self, station_id: str, reason: Refusal) -> None:
        """Somebody with this name was turned away; returns at once."""
        job = self._jobs.get(fold(station_id))
        if job is None or job.step is not SecurityStep.RECONNECT:
            return
        self._refused[job.job_id] = self._refused.get(job.job_id, 0) + 1
        if self._refused[job.job_id] == REFUSED_MAX:
            words = f"{REFUSED_MAX} log-ins were refused since: {reason.value}; {_AT_CHARGER}"
            self._desk.background.spawn(
                self._end(job, words, failed=True), f"security of {station_id}"
            )

    async def end_overdue(self) -> None:
        """Called now and then."""
        now = self._desk.clock.now()
        for job in tuple(self._jobs.values()):
            if job.step is not SecurityStep.RECONNECT:
                continue
            if now - job.changed_at > SWITCHED_WITHIN:
                await self._end(job, f"it did not switch within a day: {_SEE}", failed=True)
            elif self._away_for(job) > AWAY_MAX:
                minutes = AWAY_MAX // timedelta(minutes=1)
                words = f"it has been away for {minutes} min: {_SEE}; {_AT_CHARGER}"
                await self._end(job, words, failed=True)

    def _away_for(self, job: SecurityJob) -> timedelta:
        """How long a station has been offline since it was told, seen by this controller."""
        state, now = self._desk.stations.state(job.station_id), self._desk.clock.now()
        if state is None or state.link is not None:
            return timedelta()
        since = max(job.changed_at, self._loaded_at)
        return now - (since if state.last_seen_at is None else max(since, state.last_seen_at))

    async def jobs(self, query: SecurityJobsQuery) -> Page[SecurityJob]:
        """Newest first."""
        return await self._shelf.page(query.limit, query.cursor, query.station_id)

    async def _say(self, job: SecurityJob, step: SecurityStep, words: str) -> SecurityJob:
        job = dataclasses.replace(
            job,
            step=step,
            changed_at=self._desk.clock.now(),
            said=(*job.said, words[:REASON_CHARACTERS_MAX])[-SAID_MAX:],
        )
        await self._keep(job)
        return job

    async def _end(self, job: SecurityJob, words: str, *, failed: bool) -> None:
        if self._jobs.get(fold(job.station_id)) is not job:
            return
        step = SecurityStep.FAILED if failed else SecurityStep.DONE
        await self._say(job, step, words)
        await self._shelf.trim(JOBS_MAX)
        self._lower.pop(job.job_id, None)
        self._refused.pop(job.job_id, None)
        what = "ProfileRaiseFailed" if failed else "ProfileRaised"
        self._audit(job.station_id, what, words)
        command_id = self._commands.pop(job.job_id, None)
        if command_id is not None:
            state = CommandState.INEFFECTIVE if failed else CommandState.EFFECTIVE
            result = CommandResult(command_id, state, words if failed else None)
            self._desk.publisher.publish(CommandFinished(result))

    async def _keep(self, job: SecurityJob) -> None:
        if job.open:
            self._jobs[fold(job.station_id)] = job
        else:
            self._jobs.pop(fold(job.station_id), None)
        await self._shelf.put(job.job_id, job, job.started_at, job.station_id, open=job.open)

    def _audit(self, station_id: str, what: str, details: str) -> None:
        log.warning("audit %s: %s %s", station_id, what, details)
        self._log.note(station_id, what, details)


_SEE = "see the security events for why it could not connect by TLS"
_AT_CHARGER = "if it does not come back, set its address and profile at the charger"
_NOT_SHOWN = (
    "the charger has not logged in with its new password yet; both hold, restart it if it stays so"
)


def _check_reason(reason: str) -> None:
    if not 3 <= len(reason.strip()) <= REASON_CHARACTERS_MAX:
        raise InvalidInput(
            "say why, for those who look at it later",
            errors=(FieldError("reason", f"has 3 to {REASON_CHARACTERS_MAX} characters"),),
        )
