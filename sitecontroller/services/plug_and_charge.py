"""Plug & Charge as far as a site answers it by itself: chains to trusted roots, revocation from a
cache or from listed responders, and the site's policy for contracts that nobody here knows.

Fails fast: a driver waits. An unknown contract that the policy lets charge gets a token of its own
for a day, and its session is stopped when it has cost what the policy allows.
"""

import asyncio
import base64
import dataclasses
import logging
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from sitecontroller.domain.authorization import IdTokenType, TokenHolder, TokenRecord, Whitelist
from sitecontroller.domain.certificates import (
    CertificateHash,
    CertificateState,
    CertificateUse,
    ForgetRoot,
    TrustedRoot,
    TrustedRootsQuery,
    TrustRoot,
)
from sitecontroller.domain.commands import CommandResult, CommandState
from sitecontroller.domain.errors import FieldError, InvalidInput, NotFound, OperatingError
from sitecontroller.domain.events import Event, TokensChanged, TransactionChanged
from sitecontroller.domain.ids import fold
from sitecontroller.domain.plug_and_charge import (
    ContractShown,
    ContractStatus,
    ContractVerdict,
    RevocationSource,
    StatusRequest,
    StatusTold,
    same_contract,
)
from sitecontroller.domain.transaction import Transaction
from sitecontroller.domain.views import Page
from sitecontroller.ports import UnitOfWork
from sitecontroller.services.certificates import Certificates
from sitecontroller.services.desk import Desk
from sitecontroller.services.shelf import Shelf
from sitecontroller.services.trust import ChainState, StatusFacts, StatusWish, Trust

log = logging.getLogger(__name__)

ROOTS_MAX = 50
CACHED_MAX = 500
GUESTS_MAX = 1000
GUEST_FOR = timedelta(hours=24)
GUEST_LABEL = "Plug & Charge, contract unknown here"
FAILED_FOR = timedelta(minutes=1)
CONTRACT_USES = (CertificateUse.CONTRACT_ROOT, CertificateUse.V2G_ROOT)


@dataclass(frozen=True, slots=True)
class CachedStatus:
    """An OCSP answer as it came, base64, and what it says."""

    key: str
    answer: str
    state: CertificateState
    next_update: datetime
    proven: bool


class PlugAndCharge:
    """Judges contracts' chains; `authorization` then judges the contract like a card."""

    def __init__(
        self,
        desk: Desk,
        trust: Trust,
        certificates: Certificates,
    ) -> None:
        self._desk = desk
        self._trust = trust
        self._certificates = certificates
        self._settings = desk.config.plug_and_charge
        self._roots_shelf = Shelf(desk.store, "trusted-root", TrustedRoot)
        self._cache_shelf = Shelf(desk.store, "certificate-status", CachedStatus)
        self._roots: dict[str, TrustedRoot] = {}
        self._cache: OrderedDict[str, CachedStatus] = OrderedDict()
        self._stopped: OrderedDict[str, None] = OrderedDict()
        """Keys of sessions that were told to stop at their limit."""
        desk.publisher.subscribe(self._on_event, TransactionChanged)

    async def load(self) -> None:
        """Take up trusted roots and cached answers."""
        self._roots = {root.fingerprint: root for root in await self._roots_shelf.all()}
        for cached in reversed(await self._cache_shelf.all()):
            self._cache[cached.key] = cached

    # what stations ask

    async def check(self, shown: ContractShown) -> ContractVerdict:
        """What a contract's chain is worth; one that is valid but unknown here is let charge or
        not by the site's policy."""
        verdict = await self._checked(shown)
        if verdict.valid and self._settings.unknown_contracts == "accept":
            await self._desk.store.commit(_let_in_guest, shown.emaid, self._desk.clock.now())
            self._desk.publisher.publish(TokensChanged(shown.emaid))
        if not verdict.valid:
            log.warning("contract %s…: %s %s", shown.emaid[:5], verdict.status, verdict.reason)
        return verdict

    async def _checked(self, shown: ContractShown) -> ContractVerdict:
        wishes = self._by_chain(shown) if shown.chain is not None else self._by_hashes(shown)
        if isinstance(wishes, ContractVerdict):
            return wishes
        states = await asyncio.gather(*(self._state(wish) for wish in wishes))
        if CertificateState.REVOKED in states:
            return ContractVerdict(ContractStatus.REVOKED)
        if self._settings.revocation == "strict" and set(states) != {CertificateState.GOOD}:
            return ContractVerdict(
                ContractStatus.CHAIN_ERROR, "nobody proves that it is not revoked"
            )
        return ContractVerdict(ContractStatus.ACCEPTED)

    def _by_chain(self, shown: ContractShown) -> tuple[StatusWish, ...] | ContractVerdict:
        now = self._desk.clock.now()
        try:
            facts = self._trust.reader.contract(shown.chain or "", self._pems, now)
        except InvalidInput as error:
            return ContractVerdict(ContractStatus.CHAIN_ERROR, error.detail)
        if facts.state is ChainState.EXPIRED:
            return ContractVerdict(ContractStatus.EXPIRED)
        if facts.state is not ChainState.VALID:
            return ContractVerdict(ContractStatus.CHAIN_ERROR, facts.state.value)
        if not same_contract(shown.emaid, facts.common_name):
            return ContractVerdict(ContractStatus.CHAIN_ERROR, "it is another contract's")
        responders = {hashed.hash.serial_number: hashed.url for hashed in shown.hashes}
        return tuple(
            dataclasses.replace(
                wish, urls=(*wish.urls, *_one(responders.get(wish.hash.serial_number)))
            )
            for wish in facts.wishes
        )

    def _by_hashes(self, shown: ContractShown) -> tuple[StatusWish, ...] | ContractVerdict:
        """The station has checked the chain against a root that it has; we see that it is ours."""
        if not shown.hashes:
            return ContractVerdict(ContractStatus.CHAIN_ERROR, "no chain was shown")
        if not self._trust.reader.issued_by(shown.hashes[-1].hash, self._pems):
            return ContractVerdict(ContractStatus.CHAIN_ERROR, "its root is not trusted here")
        return tuple(StatusWish(hashed.hash, _one(hashed.url)) for hashed in shown.hashes)

    async def ocsp(self, asked: CertificateHash, url: str) -> str:
        """An OCSP answer, base64 (M06). Raises OperatingError when there is none."""
        authority = self._trust.authority
        if authority is not None and authority.ready:
            own = authority.status(asked, self._certificates.revoked())
            if own is not None:
                return base64.b64encode(own).decode("ascii")
        cached = self._cached(asked)
        if cached is not None and cached.answer:
            return cached.answer
        return (await self._fetched(StatusWish(asked), url)).answer

    async def statuses(self, requests: tuple[StatusRequest, ...]) -> tuple[StatusTold, ...]:
        """Revocation of several certificates (2.1 M07), asked at once."""
        return tuple(await asyncio.gather(*(self._told(request) for request in requests)))

    async def _told(self, request: StatusRequest) -> StatusTold:
        now = self._desk.clock.now()
        try:
            if request.source is RevocationSource.CRL:
                facts = await self._by_list(request)
                state, until = facts.state, facts.next_update
            else:
                found = await self._status(StatusWish(request.hash, request.urls))
                state, until = found.state, found.next_update
        except OperatingError:
            state, until = CertificateState.FAILED, now + FAILED_FOR
        return StatusTold(request.hash, request.source, state, until)

    async def _by_list(self, request: StatusRequest) -> StatusFacts:
        reader, now = self._trust.reader, self._desk.clock.now()
        for url in request.urls:
            try:
                found = await self._trust.sources.crl(url)
                facts = reader.revocations(found, request.hash, now, self._pems)
            except (OperatingError, InvalidInput) as error:
                log.info("revocations: %s", error.detail)
                continue
            if facts.proven:
                return facts
        raise OperatingError("no list of revocations that a trusted root signed")

    # revocation

    async def _state(self, wish: StatusWish) -> CertificateState:
        try:
            found = await self._status(wish)
        except OperatingError:
            return CertificateState.UNKNOWN
        return found.state if found.proven else CertificateState.UNKNOWN

    async def _status(self, wish: StatusWish) -> CachedStatus:
        cached = self._cached(wish.hash)
        if cached is not None:
            return cached
        problem = OperatingError("nobody is named who tells of its revocation")
        for url in wish.urls:
            try:
                return await self._fetched(wish, url)
            except OperatingError as error:
                problem = error
        raise problem

    def _cached(self, asked: CertificateHash) -> CachedStatus | None:
        found = self._cache.get(asked.key)
        return found if found is not None and self._desk.clock.now() < found.next_update else None

    async def _fetched(self, wish: StatusWish, url: str) -> CachedStatus:
        reader, asked = self._trust.reader, wish.hash
        try:
            der = await self._trust.sources.ocsp(url, reader.question(asked))
            known = (*_one(wish.issuer), *self._pems)
            said = reader.answer(der, asked, self._desk.clock.now(), known)
        except InvalidInput as error:
            raise OperatingError(error.detail) from None
        cached = CachedStatus(
            asked.key,
            base64.b64encode(der).decode("ascii"),
            said.state,
            said.next_update,
            said.proven,
        )
        if said.proven:
            # Only what its issuer signed may speak for others who ask later.
            self._cache[cached.key] = cached
            await self._cache_shelf.put(cached.key, cached, self._desk.clock.now())
            while len(self._cache) > CACHED_MAX:
                gone, _ = self._cache.popitem(last=False)
                await self._cache_shelf.drop(gone)
        return cached

    @property
    def _pems(self) -> tuple[str, ...]:
        return tuple(root.pem for root in self._roots.values())

    # what people do

    async def trust_root(self, command: TrustRoot, command_id: str) -> CommandResult:
        """Trust a contract or V2G root."""
        if command.use not in CONTRACT_USES:
            allowed = " or ".join(use.value for use in CONTRACT_USES)
            raise InvalidInput(
                "the site trusts roots of contracts only", errors=(FieldError("use", allowed),)
            )
        if len(self._roots) >= ROOTS_MAX:
            raise InvalidInput(
                f"{ROOTS_MAX} roots are trusted already", remedy="Forget one that is not needed"
            )
        try:
            facts = self._trust.reader.root(command.pem)
        except InvalidInput as error:
            raise InvalidInput(
                f"this can't be trusted: {error.detail}",
                remedy="Paste the whole root certificate, from BEGIN to END",
                errors=(FieldError("pem", error.detail),),
            ) from None
        now = self._desk.clock.now()
        root = TrustedRoot(
            facts.fingerprint,
            command.use,
            command.name.strip()[:80],
            facts.subject,
            facts.not_after,
            now,
            facts.pem,
        )
        await self._roots_shelf.put(root.fingerprint, root, now)
        self._roots[root.fingerprint] = root
        log.warning("audit: root trusted for contracts: %s", root.subject)
        return CommandResult(
            command_id, CommandState.EFFECTIVE, None, {"fingerprint": root.fingerprint}
        )

    async def forget_root(self, command: ForgetRoot, command_id: str) -> CommandResult:
        """Trust a root no longer. Raises NotFound."""
        if command.fingerprint not in self._roots:
            raise NotFound("no such root", remedy="GET /v1/plug-and-charge/roots lists them")
        await self._roots_shelf.drop(command.fingerprint)
        gone = self._roots.pop(command.fingerprint)
        log.warning("audit: root no longer trusted for contracts: %s", gone.subject)
        return CommandResult(command_id, CommandState.EFFECTIVE)

    async def roots(self, query: TrustedRootsQuery) -> Page[TrustedRoot]:
        """Newest first."""
        return await self._roots_shelf.page(query.limit, query.cursor)

    # the limit of guests

    def _on_event(self, event: Event) -> None:
        if not isinstance(event, TransactionChanged) or not event.transaction.active:
            return
        if self._settings.unknown_contracts == "accept" and self._settings.unknown_limit > 0:
            transaction = event.transaction
            token = transaction.id_token
            if (
                token is not None
                and token.type is IdTokenType.E_MAID
                and self._is_spent(transaction)
            ):
                self._desk.background.spawn(
                    self._stop_if_guest(transaction), f"limit of {transaction.key}", patient=True
                )

    def _is_spent(self, transaction: Transaction) -> bool:
        if transaction.key in self._stopped or transaction.tariff is None:
            return False
        price = self._desk.prices.of(transaction)
        return price is not None and price.total.amount >= self._settings.unknown_limit

    async def _stop_if_guest(self, transaction: Transaction) -> None:
        emaid = "" if transaction.id_token is None else transaction.id_token.id_token
        token = await self._desk.store.read(lambda tx: tx.token(emaid))
        if token is None or token.label != GUEST_LABEL or transaction.key in self._stopped:
            return
        self._stopped[transaction.key] = None
        while len(self._stopped) > GUESTS_MAX:
            self._stopped.popitem(last=False)
        log.warning("%s: session %s reached the limit", transaction.station_id, transaction.key)
        try:
            link = self._desk.link(transaction.station_id)
            await link.stop(transaction.station_transaction_id)
        except OperatingError as error:
            log.warning("%s: not stopped at its limit: %s", transaction.station_id, error.detail)
            self._stopped.pop(transaction.key, None)


def _one(url: str | None) -> tuple[str, ...]:
    return (url,) if url else ()


def _let_in_guest(tx: UnitOfWork, emaid: str, now: datetime) -> None:
    """A token for a contract that nobody here knows; a known or blocked one is left as it is."""
    known = tx.token(emaid)
    if known is not None and known.label != GUEST_LABEL:
        return
    tx.put_token(
        TokenRecord(
            id_token=emaid,
            type=IdTokenType.E_MAID,
            label=GUEST_LABEL,
            expires_at=now + GUEST_FOR,
            holder=TokenHolder.GUEST,
            whitelist=Whitelist.NEVER,
        )
    )
    guests = tx.setting("contract-guests") or []
    guests = [*[guest for guest in guests if guest != fold(emaid)], fold(emaid)]
    for gone in guests[:-GUESTS_MAX]:
        stale = tx.token(gone)
        if stale is not None and stale.label == GUEST_LABEL:
            tx.delete_token(gone)
    tx.put_setting("contract-guests", guests[-GUESTS_MAX:])
