"""Every seam of the controller: what services need from the outside, as protocols.

Real implementations live in the edges; tests use small real ones. Time is one of them: nothing in
the controller asks the machine's clock.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from sitecontroller.domain.alarm import Alarm
from sitecontroller.domain.authorization import TokenHolder, TokenRecord
from sitecontroller.domain.commands import ResetType, StationRequest
from sitecontroller.domain.files import TransferScheme
from sitecontroller.domain.limit_history import LimitChange
from sitecontroller.domain.limit_signal import Said
from sitecontroller.domain.metering import MeterReading, QuarterHour
from sitecontroller.domain.station import OcppVersion, StationBooted
from sitecontroller.domain.tariff import Tariff
from sitecontroller.domain.topology import EvseKey
from sitecontroller.domain.transaction import Transaction, TransactionReport
from sitecontroller.domain.views import JournalEntry, Page

P = ParamSpec("P")
R = TypeVar("R")


class Clock(Protocol):
    """Wall time for what is written down, monotonic time for everything that runs out."""

    def now(self) -> datetime: ...
    def monotonic_s(self) -> float: ...


@dataclass(frozen=True, slots=True)
class CallAnswer:
    """A station's answer to a command: accepted or not, its own word for it, and the raw body."""

    accepted: bool
    status: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ChargingLimit:
    """A limit for one EVSE on its way to the station.

    `lease_s` None: until replaced. With a lease the station returns to its fallback by itself
    `lease_s` after `station_start_at` (station clock); `transaction_id` is the station's own. `way`
    is the only one in which a lease test tells it, one of `lease_ways`; None: the one in use.
    """

    evse_id: int
    current_a: float
    phase_count: int
    lease_s: int | None = None
    fallback_a: float = 0.0
    transaction_id: str | None = None
    way: str | None = None


@dataclass(frozen=True, slots=True)
class ScheduledLimit:
    """What a composite schedule says an EVSE may draw now; None where it does not say. `proven`:
    schedules of this model and firmware were true in the limit test."""

    current_a: float | None
    duration_s: int | None
    body: dict[str, Any]
    proven: bool = False


class StationLink(Protocol):
    """What we can say to one connected station, in the domain's words, whatever its version.

    Every method sends one CALL (or a fixed short sequence) and raises StationOffline,
    ConnectionLost, CallTimeout or CallRefused when there is no ordinary answer. A refusal by the
    station ("Rejected") is an answer. `generation` tells this connection from earlier ones.
    """

    @property
    def station_id(self) -> str: ...
    @property
    def version(self) -> OcppVersion: ...
    @property
    def generation(self) -> int: ...
    @property
    def clock_offset_s(self) -> float | None:
        """Station clock less ours; None until measured."""

    async def start(
        self, evse_id: int, connector_id: int, id_token: str, remote_start_id: int
    ) -> CallAnswer: ...
    async def stop(self, station_transaction_id: str, *, urgent: bool = False) -> CallAnswer:
        """`urgent`: an emergency stop, before everything else that waits."""

    async def unlock(self, evse_id: int, connector_id: int) -> CallAnswer: ...
    async def reset(self, reset_type: ResetType) -> CallAnswer: ...
    async def change_availability(
        self,
        evse_id: int | None,
        *,
        operative: bool,
        connector_id: int | None = None,
        urgent: bool = False,
    ) -> CallAnswer:
        """The whole station, an EVSE, or (2.x) one of its connectors; `urgent` as in `stop`."""

    async def trigger(self, message: str, evse_id: int | None) -> CallAnswer: ...
    async def get_variables(self, names: tuple[str, ...]) -> CallAnswer: ...
    async def set_variable(self, name: str, value: str) -> CallAnswer: ...
    def is_limit(self, name: str) -> bool:
        """Whether it is told its limits in this setting of the maker's (Q44)."""

    async def set_fallback(self, evse_id: int, current_a: float, phase_count: int) -> CallAnswer:
        """A permanent TxDefaultProfile, stack level 0."""

    async def set_station_maximum(self, current_a: float) -> CallAnswer:
        """ChargePointMaxProfile / ChargingStationMaxProfile: what the box can do, permanent."""

    @property
    def holds_leases(self) -> bool:
        """Whether a limit, told in the way in use now, ends by itself in the station."""

    async def lease_ways(self) -> tuple[str, ...]:
        """The ways of telling a limit that could end by itself, by name, best first."""

    async def learn_limits(self) -> None:
        """What commissioning found out about its model and firmware counts from now on."""

    def may_raise(self, evse_id: int) -> bool:
        """False: it has just said that it takes no higher limit for a while (2.1, K01.FR.57)."""

    async def set_limit(self, limit: ChargingLimit) -> CallAnswer:
        """Safety priority; a newer limit for the same EVSE replaces one still waiting (Q50).

        Where the station refuses one way of telling it, the others are tried (Q44).

        The replaced call raises `LimitSuperseded`.
        """

    async def clear_limit(self, evse_id: int) -> CallAnswer:
        """Take the lease back: the fallback holds at once."""

    def limit_obeyed(self, evse_id: int) -> None:
        """The last limit was seen to hold: the way it was told in works (Q44)."""

    def limit_disobeyed(self, evse_id: int) -> None:
        """It was taken and not obeyed: the next one is told in another way (Q44)."""

    async def composite_limit(self, evse_id: int) -> ScheduledLimit: ...
    async def ask_for_missing(self, station_transaction_id: str) -> None:
        """Ask the station for what it still holds of a transaction (Q34); 1.6 can't be asked."""

    async def ask(self, request: StationRequest) -> CallAnswer:
        """A request of one of the blocks (files, lists, security, …). Raises Unsupported too."""

    def supports(self, kind: type[StationRequest]) -> bool:
        """Whether `ask` can say requests of this kind to this station, as far as is known."""

    async def call(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """A technician's raw call; the raw answer."""

    async def close(self, reason: str) -> None:
        """End the connection (1001)."""


class LimitSuperseded(Exception):
    """A newer limit took this one's place before it was sent."""


class RegisterValue(Protocol):
    """A value in a Modbus device."""

    async def read(self) -> float | None:
        """A fresh one; None: the device says "none". Raises MeterTimeout, MeterFault."""

    def close(self) -> None:
        """Close its line; a later read opens it again."""


class SignalListener(Protocol):
    """Who hears what sources of limits say: the service that watches them."""

    def told(self, source_id: str, said: Said, *, heartbeat: bool = True) -> None:
        """All that limits now and later; nothing: unlimited. `heartbeat`: this is one too."""

    def recalled(self, source_id: str, said: Said) -> None:
        """What it said once, nobody knows when."""

    def alive(self, source_id: str) -> None:
        """A heartbeat that says nothing else."""

    def failed(self, source_id: str, why: str) -> None:
        """Not reached, or not understood."""

    def lost(self, source_id: str, why: str) -> None:
        """Known to be gone."""


class SiteMeter(Protocol):
    """One meter that can be read; readings come on site phases, canonical units."""

    @property
    def meter_id(self) -> str: ...
    async def read(self) -> MeterReading:
        """A fresh sample. Raises MeterTimeout or MeterFault."""


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
    """A receipt as issued: immutable. `number` is gap-free per till."""

    number: str
    transaction_key: str
    issued_at: datetime
    body: dict[str, Any]


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
    """Rows as domain values, inside one savepoint. Synchronous: runs in the database's thread."""

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
        """All that ever had this id at this station, newest first."""

    def recent_transactions(
        self, station_id: str, evse_id: int | None, since: datetime
    ) -> Sequence[Transaction]:
        """Started at or after `since`, newest first, any state."""

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
        """(row id, report) kept without a transaction, oldest first."""

    def adopt_report(self, row_id: int, transaction_key: str) -> None: ...
    def add_reading(self, transaction_key: str, reading: MeterReading) -> None: ...
    def readings(self, transaction_key: str, first_only: int = ...) -> Sequence[MeterReading]:
        """Oldest first, of the `first_only` that came first."""

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

    def tariff_at(self, at: datetime) -> Tariff | None:
        """The version in force."""

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
    def receipt(self, transaction_key: str) -> Receipt | None: ...
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
        """Run `fn(tx, …)` in its own savepoint; returns after the fsynced commit.

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


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as it lies with us: its size and sums, in hex."""

    name: str
    size_bytes: int
    sha256: str
    md5: str


@dataclass(frozen=True, slots=True)
class FileArrived:
    """A station brought a whole file; `file_name` is its own name for it, cleaned."""

    token: str
    file: StoredFile
    file_name: str
    scheme: TransferScheme


@dataclass(frozen=True, slots=True)
class FileFetched:
    """A station has had the last byte of a file."""

    token: str
    scheme: TransferScheme


FileEvent = FileArrived | FileFetched


class FileServer(Protocol):
    """Files of and for stations, and the doors on the LAN through which those who know a token
    fetch and bring them. Names and tokens are ours; nothing here waits for the disk on the loop.
    """

    @property
    def schemes(self) -> tuple[TransferScheme, ...]:
        """The ways that are open, preferred first."""

    def tell(self, listener: Callable[[FileEvent], None]) -> None:
        """Who hears of files that came and went, on the loop."""

    def offer(self, token: str, name: str, file_name: str) -> None:
        """Whoever knows the token may fetch a file, as often as it likes, until withdrawn."""

    def expect(self, token: str, name: str, size_max_bytes: int) -> None:
        """Whoever knows the token may bring one file, once; it is kept under `name`."""

    def withdraw(self, token: str) -> None:
        """The token opens nothing any more."""

    def url(self, token: str, scheme: TransferScheme, file_name: str, towards: str | None) -> str:
        """What a station at the address `towards` is told; without a name it ends in a slash."""

    def moved_bytes(self, token: str) -> int:
        """How much went over so far; 0 when nothing is known of it."""

    async def keep(
        self, name: str, chunks: AsyncIterator[bytes], size_max_bytes: int
    ) -> StoredFile:
        """Take a file in from our own side. Raises InvalidInput (too large), OperatingError."""

    def read(self, name: str) -> AsyncIterator[bytes]:
        """A file's bytes. Raises NotFound at the first step."""

    def path(self, name: str) -> Path:
        """Where it lies, for the workshop."""

    async def remove(self, name: str) -> None:
        """Forget a file; none of that name is no fault."""

    async def names(self) -> frozenset[str]:
        """Of all files kept."""

    async def renew(self) -> None:
        """Show a renewed certificate from now on, where there is one."""

    @property
    def fill(self) -> float:
        """How much of the quota is used, 0 to 1."""


class Workshop(Protocol):
    """Long work off the loop: one process pool. `fn` must be importable, arguments picklable."""

    async def run(self, fn: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R: ...
