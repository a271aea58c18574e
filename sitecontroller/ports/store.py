"""The seams to what is kept: rows, in one commit, and the journal of frames."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from sitecontroller.domain.alarm import Alarm
from sitecontroller.domain.authorization import TokenHolder, TokenRecord
from sitecontroller.domain.limit_history import LimitChange
from sitecontroller.domain.metering import MeterReading, QuarterHour
from sitecontroller.domain.payment import OperationKind, Payment
from sitecontroller.domain.signed_reading import SignedReading
from sitecontroller.domain.station import StationBooted
from sitecontroller.domain.tariff import Tariff
from sitecontroller.domain.till import DrawerEntry, EntryKind, Shift
from sitecontroller.domain.topology import EvseKey
from sitecontroller.domain.transaction import Transaction, TransactionReport
from sitecontroller.domain.views import JournalEntry, Page

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class StationRecord:
    """What the database knows of a station between connections."""

    station_id: str
    boot: StationBooted | None = None
    password_hash: str | None = None
    """HMAC-SHA256 with the site's pepper, hex; None: none set."""
    accepted: bool = True
    connector_status: dict[str, str] | None = None
    """ConnectorStatus as last reported, by "evse/connector"."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt as issued: immutable. `number` is gap-free per till.

    `cancels`: the number of the one that it takes back as a counter-receipt; `shift_key`: the
    shift in which it was issued, None where none was open.
    """

    number: str
    transaction_key: str
    issued_at: datetime
    body: dict[str, Any]
    cancels: str | None = None
    shift_key: str | None = None


@dataclass(frozen=True, slots=True)
class KeptReport:
    """A report that was kept; without a key it is an orphan."""

    row_id: int
    transaction_key: str | None


@dataclass(frozen=True, slots=True)
class Kept:
    """A row of what stations are looked after with; `body` is JSON, its type is its kind's.

    `key` is unique in its kind. `open`: something is still to be done about it.
    """

    kind: str
    key: str
    at: datetime
    body: Any
    station_id: str | None = None
    open: bool = False


class UnitOfWork(Protocol):
    """Rows as domain values, stored or undone together. Synchronous: the database's thread."""

    # transactions
    def add_transaction(self, transaction: Transaction) -> None: ...
    def update_transaction(self, transaction: Transaction) -> None:
        """Replace the row; `version` is the stored one, or one more when a fact is told of it."""

    def transaction(self, key: str) -> Transaction | None: ...
    def open_transactions(
        self, station_id: str | None = None, evse_id: int | None = None
    ) -> Sequence[Transaction]:
        """Active ones, oldest first."""

    def transactions_by_station_id(
        self, station_id: str, station_transaction_id: str
    ) -> Sequence[Transaction]:
        """Those that had this id at this station, newest first; not those of a long past."""

    def transactions_begun_at(
        self, station_id: str, evse_id: int | None, at: datetime
    ) -> Sequence[Transaction]:
        """Started at this very instant, newest first, any state."""

    def last_transaction(
        self, station_id: str, evse_id: int, since: datetime
    ) -> Transaction | None:
        """The one that started last, at or after `since`, any state."""

    def next_station_transaction_id(self) -> int:
        """For 1.6: unique per site, 1 … 2^31−1, never given twice, not even after a restore."""

    def add_report(self, transaction_key: str | None, report: TransactionReport) -> bool:
        """Keep what a station said, verbatim in meaning. False: the same report is kept already.

        `transaction_key` None keeps an orphan.
        """

    def kept_report(self, report: TransactionReport) -> KeptReport | None:
        """The row of the very same report, if it was kept before."""

    def orphan_reports(
        self, station_id: str, since: datetime
    ) -> Sequence[tuple[int, TransactionReport]]:
        """(row id, report) kept without a transaction, oldest first; of very many the newest."""

    def adopt_report(self, row_id: int, transaction_key: str) -> None: ...
    def add_reading(self, transaction_key: str, reading: MeterReading) -> None:
        """What it was signed with is kept for good, the same text once."""

    def readings(self, transaction_key: str, first_only: int = ...) -> Sequence[MeterReading]:
        """Oldest first, of the `first_only` that came first."""

    def signed_readings(self, transaction_key: str) -> Sequence[SignedReading]:
        """In the order in which they came."""

    def transaction_page(
        self, limit: int, cursor: str | None, *, active: bool | None = None
    ) -> Page[Transaction]: ...

    # tokens and tariffs
    def token(self, id_token: str) -> TokenRecord | None:
        """Compared caseless and trimmed."""

    def put_token(self, token: TokenRecord) -> None: ...
    def delete_token(self, id_token: str) -> bool: ...
    def token_page(self, limit: int, cursor: str | None) -> Page[TokenRecord]: ...
    def tokens_of(self, holder: TokenHolder, limit: int) -> Sequence[TokenRecord]:
        """Oldest first."""

    def blocked_and_seen(self, since: datetime, limit: int) -> Sequence[TokenRecord]:
        """Blocked tokens that charged, or tried to, since then; the last one first."""

    def whitelisted_tokens(self, at: datetime, limit: int) -> Sequence[TokenRecord]:
        """Valid ones that stations may always accept by themselves, oldest first."""

    def recent_cards(self, station_id: str, since: datetime, limit: int) -> Sequence[str]:
        """Folded numbers of cards that began transactions there since then, the last one first."""

    def active_count(self, id_token: str) -> int:
        """Open transactions on this token, anywhere on the site."""

    def tariff_at(self, at: datetime, tariff_id: str | None = None) -> Tariff | None:
        """The version that became valid last; `tariff_id` None: of any tariff."""

    def tariffs(self) -> Sequence[Tariff]:
        """All versions of all, the last to become valid first."""

    def add_tariff(self, tariff: Tariff) -> None: ...

    # stations
    def station(self, station_id: str) -> StationRecord | None: ...
    def put_station(self, station: StationRecord) -> None: ...
    def stations(self) -> Sequence[StationRecord]: ...

    # what stations are looked after with (`services.shelf` gives it types)
    def put_kept(self, row: Kept) -> None:
        """Add it, or replace the one of the same kind and key."""

    def kept(self, kind: str, key: str) -> Kept | None: ...
    def drop_kept(self, kind: str, key: str) -> bool: ...
    def all_kept(
        self, kind: str, station_id: str | None = None, *, open_only: bool = False
    ) -> Sequence[Kept]:
        """Newest first, at most 10,000."""

    def kept_page(
        self, kind: str, limit: int, cursor: str | None, station_id: str | None = None
    ) -> Page[Kept]: ...
    def drop_kept_before(self, kind: str, before: datetime) -> int:
        """Forget closed ones that are older; how many."""

    def trim_kept(self, kind: str, most: int) -> int:
        """Forget the oldest closed ones beyond `most`; how many."""

    # what circuits carried, for forecasts
    def put_quarter(self, circuit_id: str, row: QuarterHour, keep_quarters: int) -> None:
        """Add it, or replace that quarter hour's; forget those older by more than so many."""

    def base_quarters(self, circuit_id: str, since: int) -> Sequence[tuple[int, int]]:
        """(number of the quarter hour, W of all that isn't EVSEs), where it is known on all
        phases, oldest first."""

    def peak_w(self, circuit_id: str, since: int) -> int | None:
        """The greatest average of a quarter hour from that one on, all phases together."""

    # the history of limits
    def add_limit_changes(self, changes: Iterable[LimitChange]) -> None:
        """Oldest first."""

    def limit_page(
        self,
        limit: int,
        cursor: str | None,
        evse: EvseKey | None,
        since: datetime | None,
        until: datetime | None,
    ) -> Page[LimitChange]:
        """Newest first; of one EVSE or of all."""

    def drop_limit_changes(self, before: datetime, most: int) -> int:
        """Forget those of before an instant and what is more than `most`; how many went."""

    # alarms, receipts, settings, outbox
    def put_alarm(self, alarm: Alarm) -> None: ...
    def open_alarms(self) -> Sequence[Alarm]:
        """Active or not yet acknowledged."""

    def alarm_page(self, limit: int, cursor: str | None) -> Page[Alarm]: ...
    def next_receipt_number(self, till: str, year: int) -> int:
        """1, 2, 3 … without gaps: taken only if the unit of work commits."""

    def add_receipt(self, receipt: Receipt) -> None: ...
    def receipt(self, transaction_key: str) -> Receipt | None:
        """The last one issued for a transaction; never a counter-receipt."""

    def last_counter_receipt(self, transaction_key: str) -> Receipt | None: ...
    def receipt_numbered(self, number: str) -> Receipt | None:
        """One by its number, a counter-receipt too."""

    def receipts_of_shift(self, shift_key: str) -> Sequence[Receipt]:
        """In the order of their numbers."""

    def next_z_number(self, till: str) -> int:
        """1, 2, 3 … without gaps: taken only if the unit of work commits."""

    # payments and the till
    def put_payment(
        self, payment: Payment, shift_key: str | None, draft: dict[str, Any] | None
    ) -> None:
        """Add it, or replace it and its operations; `shift_key` is of those that are new to us or
        have just ended. `draft`: the receipt to come."""

    def payment(self, key: str) -> Payment | None: ...
    def payment_draft(self, key: str) -> dict[str, Any] | None: ...
    def payments_of(self, transaction_key: str) -> Sequence[Payment]:
        """Oldest first."""

    def unfinished_payments(self) -> Sequence[Payment]:
        """Those with an operation that isn't over, oldest first."""

    def payment_page(self, limit: int, cursor: str | None) -> Page[Payment]:
        """Newest first."""

    def operation_sums(self, shift_key: str) -> Sequence[tuple[str, OperationKind, int]]:
        """(provider, kind, minor units) of what was approved in a shift."""

    def add_drawer_entry(self, entry: DrawerEntry) -> None:
        """Raises Conflict when its key is taken: cash moves once."""

    def drawer_entry(self, key: str) -> DrawerEntry | None: ...
    def drawer_sums(self, shift_key: str) -> dict[EntryKind, int]:
        """Minor units by kind."""

    def put_shift(self, shift: Shift) -> None: ...
    def shift(self, key: str) -> Shift | None: ...
    def open_shift(self, till: str) -> Shift | None: ...
    def shift_page(self, limit: int, cursor: str | None) -> Page[Shift]:
        """Newest first."""

    def setting(self, name: str) -> Any: ...
    def put_setting(self, name: str, value: Any) -> None:
        """Learned facts and small state, as JSON."""

    def remembered(self, key: str) -> Any:
        """The outcome kept under an idempotency key, or None."""

    def remember(self, key: str, outcome: Any, at: datetime) -> None: ...
    def add_outbox(
        self,
        aggregate_type: str,
        aggregate_id: str,
        aggregate_version: int,
        kind: str,
        payload: Any,
        occurred_at: datetime,
    ) -> None:
        """A fact for HQ, in the same commit as the row it tells of; `seq` is gap-free."""


class Store(Protocol):
    """The database: one writer thread that groups commits, and a read-only connection."""

    async def commit(
        self, fn: Callable[Concatenate[UnitOfWork, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run `fn(tx, …)`; returns after the fsynced commit. It may be run twice: all that it does
        is done to its unit of work.

        An exception of `fn` undoes its unit alone and is raised here; StoreUnavailable when the
        commit failed.
        """

    async def read(
        self, fn: Callable[Concatenate[UnitOfWork, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R: ...


class Journal(Protocol):
    """The ring of OCPP frames. `record` returns at once; losing its last second is allowed."""

    def record(
        self,
        station_id: str,
        direction: str,
        kind: str,
        text: str,
        *,
        action: str | None = None,
        message_id: str | None = None,
        latency_ms: float | None = None,
    ) -> None: ...
    async def page(
        self,
        limit: int,
        cursor: str | None,
        *,
        station_id: str | None = None,
        action: str | None = None,
        text: str | None = None,
    ) -> Page[JournalEntry]: ...
