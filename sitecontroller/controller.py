"""All that the API and HQ's sync see of the controller: live views, a subscription, commands and
queries.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

from sitecontroller.domain.authorization import TokenRecord
from sitecontroller.domain.commands import Command, CommandResult, CommandsQuery
from sitecontroller.domain.errors import NotFound
from sitecontroller.domain.events import TokensChanged
from sitecontroller.domain.files import LogJob
from sitecontroller.domain.firmware import FirmwareImage, ImageTerms
from sitecontroller.domain.queries import (
    AlarmsQuery,
    JournalQuery,
    Query,
    TokensQuery,
    TransactionsQuery,
)
from sitecontroller.domain.tariff import Tariff, TariffTerms
from sitecontroller.domain.transaction import Transaction
from sitecontroller.domain.views import (
    AlarmView,
    CircuitView,
    JournalEntry,
    LiveIds,
    MeterView,
    Page,
    PhaseSample,
    SiteView,
    StationView,
    TransactionView,
)
from sitecontroller.ports import Journal, Store, UnitOfWork
from sitecontroller.publisher import Publisher, Subscriber
from sitecontroller.services.actions import ActionService
from sitecontroller.services.alarms import alarm_view
from sitecontroller.services.billing import BillingService
from sitecontroller.services.desk import Answerer
from sitecontroller.services.files import Files
from sitecontroller.services.load.service import LoadService
from sitecontroller.services.picture import Picture
from sitecontroller.services.tariffs import TariffService

VIEWS_AT_ONCE = 50
"""Transactions of a page that are worded in one turn of the loop: 1 ms."""


class Controller:
    """The face of a running site controller."""

    def __init__(
        self,
        picture: Picture,
        actions: ActionService,
        billing: BillingService,
        tariffs: TariffService,
        load: LoadService,
        store: Store,
        journal: Journal,
        publisher: Publisher,
        on_shutdown: Callable[[], None],
        answerers: Mapping[type[Query], Answerer] | None = None,
        files: Files | None = None,
        record_pdf: Callable[[], Awaitable[bytes]] | None = None,
        signed_xml: Callable[[str], Awaitable[bytes]] | None = None,
    ) -> None:
        self._picture = picture
        self._actions = actions
        self._billing = billing
        self._tariffs = tariffs
        self._load = load
        self._store = store
        self._journal = journal
        self._publisher = publisher
        self._on_shutdown = on_shutdown
        self._files = files
        self._record_pdf = record_pdf
        self._signed_xml = signed_xml
        self._answerers: Mapping[type[Query], Answerer] = {
            JournalQuery: self._frames,
            TransactionsQuery: self._transactions,
            AlarmsQuery: self._alarms,
            TokensQuery: self._tokens,
            CommandsQuery: actions.log.page,
            **(answerers or {}),
        }

    # the live picture

    def ids(self) -> LiveIds:
        """Of everything live. All of its views at once would hold the loop for too long (20 ms
        with 500 stations): ask for some, let the loop turn, go on."""
        return self._picture.ids()

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Hear every event; the returned function ends it."""
        return self._publisher.subscribe(subscriber)

    def site_view(self) -> SiteView:
        """The site as a whole."""
        return self._picture.site()

    def station_view(self, station_id: str) -> StationView | None:
        """One station."""
        return self._picture.station(station_id)

    def circuit_view(self, circuit_id: str) -> CircuitView | None:
        """One circuit."""
        return self._picture.circuit(circuit_id)

    def meter_view(self, meter_id: str) -> MeterView | None:
        """One site meter."""
        return self._picture.meter(meter_id)

    def alarm_view(self, key: str) -> AlarmView | None:
        """One open alarm."""
        return self._picture.alarm(key)

    def transaction_view(self, key: str) -> TransactionView | None:
        """A running or recently ended transaction."""
        return self._picture.running_transaction(key)

    def phase_history(self) -> tuple[PhaseSample, ...]:
        """The main circuit's current per phase over the last hour, oldest first."""
        return self._load.phase_history()

    # commands and queries

    async def execute(
        self, command: Command, *, idempotency_key: str | None = None
    ) -> CommandResult:
        """Carry out a command."""
        return await self._actions.execute(command, idempotency_key)

    def command_result(self, command_id: str) -> CommandResult | None:
        """What became of a command."""
        return self._actions.result(command_id)

    async def query(self, query: Query) -> Any:
        """A view, or a page of them, newest first."""
        return await self._answerers[type(query)](query)

    async def _frames(self, query: JournalQuery) -> Page[JournalEntry]:
        return await self._journal.page(
            query.limit,
            query.cursor,
            station_id=query.station_id,
            action=query.action,
            text=query.text,
        )

    async def _transactions(self, query: TransactionsQuery) -> Page[TransactionView]:
        transactions = await self._store.read(_transactions, query)
        return Page(await self._views(transactions.items), transactions.next)

    async def _alarms(self, query: AlarmsQuery) -> Page[AlarmView]:
        alarms = await self._store.read(lambda tx: tx.alarm_page(query.limit, query.cursor))
        return Page(tuple(alarm_view(alarm) for alarm in alarms.items), alarms.next)

    async def _tokens(self, query: TokensQuery) -> Page[TokenRecord]:
        return await self._store.read(lambda tx: tx.token_page(query.limit, query.cursor))

    async def _views(self, transactions: Sequence[Transaction]) -> tuple[TransactionView, ...]:
        views = []
        for number, transaction in enumerate(transactions, start=1):
            views.append(self._picture.transaction(transaction))
            if number % VIEWS_AT_ONCE == 0:
                await asyncio.sleep(0)
        return tuple(views)

    async def find_transaction(self, key: str) -> TransactionView | None:
        """Any transaction, old ones too."""
        shown = self._picture.running_transaction(key)
        if shown is not None:
            return shown
        transaction = await self._store.read(lambda tx: tx.transaction(key))
        return None if transaction is None else self._picture.transaction(transaction)

    async def receipt_pdf(self, transaction_key: str, language: str = "en") -> bytes:
        """The receipt of an ended transaction; a second call makes a marked copy."""
        return await self._billing.receipt_pdf(transaction_key, language)

    async def numbered_receipt_pdf(self, number: str, language: str = "en") -> bytes:
        """A receipt or counter-receipt by its number. Raises NotFound."""
        return await self._billing.numbered_pdf(number, language)

    async def signed_xml(self, transaction_key: str) -> bytes:
        """A session's signed readings as the transparency software reads them. Raises NotFound."""
        assert self._signed_xml is not None
        return await self._signed_xml(transaction_key)

    async def commissioning_pdf(self) -> bytes:
        """The record of commissioning as of now."""
        assert self._record_pdf is not None
        return await self._record_pdf()

    async def current_tariff(self) -> Tariff:
        """The tariff in force. Raises NotFound."""
        return await self._tariffs.current()

    async def add_tariff(self, terms: TariffTerms) -> Tariff:
        """A new version, valid from now on; running sessions keep theirs."""
        return await self._tariffs.set(terms)

    @property
    def tariff_office(self) -> TariffService:
        """Tariffs with their versions, and which sessions are under which."""
        return self._tariffs

    async def put_token(self, token: TokenRecord) -> None:
        """Add or replace a card."""
        await self._store.commit(lambda tx: tx.put_token(token))
        self._publisher.publish(TokensChanged(token.id_token))

    async def delete_token(self, id_token: str) -> None:
        """Take a card out. Raises NotFound."""
        if not await self._store.commit(lambda tx: tx.delete_token(id_token)):
            raise NotFound(f"no card '{id_token}'", remedy="GET /v1/tokens lists them")
        self._publisher.publish(TokensChanged(id_token))

    # files

    async def add_firmware(self, terms: ImageTerms, chunks: AsyncIterator[bytes]) -> FirmwareImage:
        """Take a firmware image into the library. Raises InvalidInput, Conflict."""
        assert self._files is not None
        return await self._files.add_image(terms, chunks)

    async def firmware_file(self, key: str) -> tuple[FirmwareImage, AsyncIterator[bytes]]:
        """An image and its bytes. Raises NotFound."""
        assert self._files is not None
        return await self._files.image_file(key)

    async def log_file(self, key: str) -> tuple[LogJob, AsyncIterator[bytes]]:
        """A station's log and its bytes. Raises NotFound."""
        assert self._files is not None
        return await self._files.log_file(key)

    def request_shutdown(self) -> None:
        """Stop cleanly, soon: the answer to this request still goes out."""
        self._on_shutdown()


def _transactions(tx: UnitOfWork, query: TransactionsQuery) -> Page[Transaction]:
    return tx.transaction_page(query.limit, query.cursor, active=query.active)
