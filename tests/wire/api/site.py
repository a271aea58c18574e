"""A small site behind the API: views in dictionaries, commands answered as a test says."""

import contextlib
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx

from sitecontroller.api.app import ApiApp, build_api
from sitecontroller.domain.alarm import AlarmPriority
from sitecontroller.domain.authorization import IdTokenType, TokenRecord
from sitecontroller.domain.commands import Command, CommandResult, CommandState
from sitecontroller.domain.errors import Conflict, NotFound
from sitecontroller.domain.events import Event
from sitecontroller.domain.money import Money
from sitecontroller.domain.queries import (
    AlarmsQuery,
    JournalQuery,
    Query,
    TokensQuery,
    TransactionsQuery,
)
from sitecontroller.domain.tariff import Tariff, TariffTerms, tariff_of
from sitecontroller.domain.views import (
    AlarmView,
    CircuitView,
    EvseActivity,
    EvseView,
    JournalEntry,
    LimitView,
    LiveIds,
    MeterView,
    Page,
    PhaseSample,
    SiteView,
    Snapshot,
    StationView,
    TransactionView,
)

TOKEN = "a-machine-token-of-32-characters"
AT = datetime(2026, 3, 1, 12, 0, 0, 123000, tzinfo=UTC)
URL = "http://127.0.0.1"
TX = "01JNAAAAAAAAAAAAAAAAAAAAAA"
PDF = b"%PDF-1.4 a receipt"


class StandingClock:
    """Time that passes by `step_s` whenever somebody looks."""

    def __init__(self, step_s: float = 0.0) -> None:
        self._step_s = step_s
        self._monotonic_s = 0.0

    def now(self) -> datetime:
        return AT

    def monotonic_s(self) -> float:
        self._monotonic_s += self._step_s
        return self._monotonic_s


class FakeSite:
    """Fits `api.seam.SiteController`."""

    def __init__(self, stations: int = 2) -> None:
        names = [f"CP-{number:02d}" for number in range(1, stations + 1)]
        self.site = site_view()
        self.stations = {name: station_view(name) for name in names}
        self.circuits = {"main": circuit_view("main")}
        self.meters = {"m1": meter_view("m1")}
        self.transactions = {TX: transaction_view(TX)}
        self.alarms = {"station-faulted CP-01/1": alarm_view("station-faulted CP-01/1")}
        self.tokens = {"04A1B2C3": TokenRecord("04A1B2C3", IdTokenType.ISO14443, label="Ann")}
        self.subscribers: list[Callable[[Event], None]] = []
        self.executed: list[tuple[Command, str | None]] = []
        self.queries: list[Query] = []
        self.results: dict[str, CommandResult] = {}
        self.answer: CommandResult | Exception = CommandResult("C1", CommandState.ACCEPTED)
        self.stopping = False
        self.tariff: Tariff | None = None

    def ids(self) -> LiveIds:
        return LiveIds(
            tuple(self.stations),
            tuple(self.circuits),
            tuple(self.meters),
            tuple(self.transactions),
            tuple(self.alarms),
        )

    def snapshot(self) -> Snapshot:
        """What a client should be sent; the API itself asks for one view after the other."""
        return Snapshot(
            self.site,
            dict(self.stations),
            dict(self.circuits),
            dict(self.meters),
            dict(self.transactions),
            dict(self.alarms),
        )

    def site_view(self) -> SiteView:
        return self.site

    def station_view(self, station_id: str) -> StationView | None:
        return self.stations.get(station_id)

    def circuit_view(self, circuit_id: str) -> CircuitView | None:
        return self.circuits.get(circuit_id)

    def meter_view(self, meter_id: str) -> MeterView | None:
        return self.meters.get(meter_id)

    def alarm_view(self, key: str) -> AlarmView | None:
        return self.alarms.get(key)

    def transaction_view(self, key: str) -> TransactionView | None:
        return self.transactions.get(key)

    def subscribe(self, subscriber: Callable[[Event], None]) -> Callable[[], None]:
        self.subscribers.append(subscriber)
        return lambda: self.subscribers.remove(subscriber)

    def publish(self, event: Event) -> None:
        for subscriber in tuple(self.subscribers):
            subscriber(event)

    async def execute(
        self, command: Command, *, idempotency_key: str | None = None
    ) -> CommandResult:
        if idempotency_key in self.results:
            return self.results[idempotency_key]
        self.executed.append((command, idempotency_key))
        if isinstance(self.answer, Exception):
            raise self.answer
        if idempotency_key is not None:
            self.results[idempotency_key] = self.answer
        return self.answer

    def command_result(self, command_id: str) -> CommandResult | None:
        return next((r for r in self.results.values() if r.command_id == command_id), None)

    async def query(self, query: Query) -> Page[Any]:
        self.queries.append(query)
        match query:
            case TransactionsQuery():
                return Page(tuple(self.transactions.values()), "older")
            case AlarmsQuery():
                return Page(tuple(self.alarms.values()), None)
            case TokensQuery():
                return Page(tuple(self.tokens.values()), None)
            case JournalQuery():
                return Page((journal_entry(),), None)

    async def find_transaction(self, key: str) -> TransactionView | None:
        return transaction_view(key, state="ended") if key == "OLD" else None

    async def commissioning_pdf(self) -> bytes:
        return PDF + b"record"

    async def signed_xml(self, transaction_key: str) -> bytes:
        return b"<values/>"

    async def receipt_pdf(self, transaction_key: str, language: str) -> bytes:
        if transaction_key not in self.transactions:
            raise NotFound("No transaction has this key")
        if language not in ("en", "de"):
            raise Conflict("No receipt in this language")
        return PDF + language.encode()

    async def current_tariff(self) -> Tariff:
        if self.tariff is None:
            raise NotFound("no tariff is valid", remedy="Set a price")
        return self.tariff

    async def add_tariff(self, terms: TariffTerms) -> Tariff:
        self.tariff = tariff_of(terms, terms.currency or "EUR", AT)
        return self.tariff

    async def put_token(self, token: TokenRecord) -> None:
        self.tokens[token.id_token] = token

    async def delete_token(self, id_token: str) -> None:
        if self.tokens.pop(id_token, None) is None:
            raise NotFound("No such token", remedy="/v1/tokens lists them")

    def phase_history(self) -> tuple[PhaseSample, ...]:
        return tuple(
            PhaseSample(AT + timedelta(seconds=n), (10.0, None, 12.5), 60.0) for n in range(3)
        )

    def request_shutdown(self) -> None:
        self.stopping = True

    def rename(self, station_id: str, name: str) -> None:
        self.stations[station_id] = replace(self.stations[station_id], name=name)


@contextlib.asynccontextmanager
async def api(
    site: FakeSite, token: str | None = TOKEN, *, app: ApiApp | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """The API in-process, with the machine token unless told; `app`: one that is built already."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    transport = httpx.ASGITransport(app=app or build_api(site, TOKEN))
    async with httpx.AsyncClient(transport=transport, base_url=URL, headers=headers) as client:
        yield client


def assert_problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Whether an answer is a problem document of that status and code; the document."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["status"] == status
    assert problem["code"] == code
    assert {"type", "title", "detail", "remedy", "errors"} <= set(problem)
    return problem


def operation_of(path: str) -> str:
    """A path of the description with example values."""
    examples = {
        "station_id": "CP-01",
        "evse_id": "1",
        "key": TX,
        "transaction_key": TX,
        "alarm_key": "a",
        "id_token": "04A1B2C3",
        "action": "Reset",
        "command_id": "C1",
    }
    return re.sub(r"\{(\w+)\}", lambda found: examples.get(found[1], "X1"), path)


def evse_view(station_id: str, evse_id: int) -> EvseView:
    return EvseView(
        evse_id=evse_id,
        bay=f"P{evse_id}",
        evse_code=f"DE*ABC*E{station_id}*{evse_id}",
        activity=EvseActivity.CHARGING,
        connector_status="Occupied",
        supply="AC",
        phases="L1L2L3",
        circuit_id="main",
        current_a_max=32.0,
        power_w_max=22080.0,
        current_a=(15.9, 16.0, None),
        voltage_v=(230.1, 229.8, 231.0),
        power_w=10980.5,
        soc_percent=None,
        measured_at=AT,
        stale=False,
        limit=LimitView(16.0, "16 A: Main, L2", "main", 16.0),
        transaction_key=TX,
        energy_wh=4210.5,
        price=Money(Decimal("1.90"), "EUR"),
        error=None,
    )


def station_view(station_id: str) -> StationView:
    return StationView(
        station_id=station_id,
        name=f"Charger {station_id}",
        online=True,
        since=AT,
        version="1.6",
        vendor="Maker",
        model="Box",
        firmware_version="1.2.3",
        serial_number=None,
        last_seen_at=AT,
        warnings=("clock off by 3 s",),
        evses=(evse_view(station_id, 1), evse_view(station_id, 2)),
    )


def circuit_view(circuit_id: str) -> CircuitView:
    return CircuitView(
        circuit_id=circuit_id,
        name="Main fuse",
        parent_id=None,
        limit_a=(63.0, 63.0, 63.0),
        cap_a=(60.0, 60.0, 60.0),
        current_a=(41.0, 40.0, 39.5),
        base_a=(10.0, 9.0, None),
        exposure_a=(50.0, 50.0, 50.0),
        headroom_a=(19.0, 20.0, 20.5),
        power_w=27000.0,
        measured_at=AT,
        stale=False,
        fail_safe=None,
    )


def meter_view(meter_id: str) -> MeterView:
    return MeterView(
        meter_id=meter_id,
        name="Grid meter",
        model="sdm630",
        url="tcp://127.0.0.1:502",
        online=True,
        current_a=(41.0, 40.0, 39.5),
        voltage_v=(230.0, 230.0, 230.0),
        power_phase_w=(9000.0, 9000.0, 9000.0),
        power_w=27000.0,
        energy_import_wh=123456.0,
        frequency_hz=50.0,
        measured_at=AT,
        stale=False,
        error=None,
    )


def transaction_view(key: str, state: str = "active") -> TransactionView:
    return TransactionView(
        key=key,
        station_id="CP-01",
        evse_id=1,
        bay="P1",
        station_transaction_id="42",
        state=state,
        id_token="…B2C3",
        authorization_status="Accepted",
        started_at=AT,
        ended_at=None,
        duration_s=600.0,
        energy_wh=4210.5,
        power_w=10980.5,
        meter_start_wh=1000.0,
        meter_stop_wh=None,
        stop_reason=None,
        charging_state="Charging",
        tariff="Flat",
        price=Money(Decimal("1.90"), "EUR"),
        flags=("offline",),
    )


def alarm_view(key: str) -> AlarmView:
    return AlarmView(
        key=key,
        code="station-faulted",
        priority=AlarmPriority.HIGH,
        subject="CP-01/1",
        text="CP-01/1 reports a fault: GroundFailure",
        remedy="Send the car to another bay",
        parameters={"evse": "CP-01/1", "error": "GroundFailure"},
        raised_at=AT,
        cleared_at=None,
        acknowledged_at=None,
        acknowledged_by=None,
        count=1,
    )


def journal_entry() -> JournalEntry:
    return JournalEntry(7, AT, "CP-01", "in", "Heartbeat", "m1", "call", '[2,"m1"]', None)


def site_view() -> SiteView:
    return SiteView(
        site_id="site",
        name="Car park",
        at=AT,
        started_at=AT,
        version="0.1.0",
        currency="EUR",
        time_zone="Europe/Berlin",
        demo=False,
        ocpp_url="ws://127.0.0.1:9000/ocpp",
        charging=1,
        free=3,
        faulted=0,
        offline=0,
        power_w=27000.0,
        load_percent=68.3,
        energy_wh=4210.5,
        cycle_late_ms=None,
        fail_safe=None,
        commissioning_until=None,
        new_stations=(),
    )
