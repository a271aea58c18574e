"""Receipts over a real database: numbers without gaps, copies marked, corrections told."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from sitecontroller.config import parse_config
from sitecontroller.domain.authorization import AuthorizationStatus
from sitecontroller.domain.errors import Conflict, NoTariff, NotFound
from sitecontroller.domain.events import TransactionChanged
from sitecontroller.domain.rating import rate
from sitecontroller.domain.tariff import PriceComponent, Tariff, TariffDimension
from sitecontroller.domain.transaction import Transaction, TransactionState
from sitecontroller.publisher import Publisher
from sitecontroller.services.alarms import AlarmService
from sitecontroller.services.background import Background
from sitecontroller.services.billing import BillingService
from sitecontroller.storage.store import Store
from tests.contract.fakes import HandClock
from tests.support import eventually

NEW_YEARS_EVE = datetime(2025, 12, 31, 22, 30, tzinfo=UTC)
TARIFF = Tariff(
    "standard",
    1,
    "Standard",
    "EUR",
    (PriceComponent(TariffDimension.ENERGY, Decimal("0.50"), Decimal(19)),),
    NEW_YEARS_EVE,
)
DIFFERS = "receipt-differs:T1"


def ended(key="T1", energy_wh=10_000):
    """An ended session of so much energy, priced."""
    return Transaction(
        key=key,
        station_id="CP-01",
        evse_id=1,
        connector_id=1,
        station_transaction_id=key,
        state=TransactionState.ENDED,
        authorization_status=AuthorizationStatus.ACCEPTED,
        started_at=NEW_YEARS_EVE,
        start_received_at=NEW_YEARS_EVE,
        ended_at=NEW_YEARS_EVE,
        meter_start_wh=0.0,
        meter_stop_wh=float(energy_wh),
        tariff=TARIFF,
        price=rate(TARIFF, Decimal(energy_wh)),
    )


def running(key):
    return replace(ended(key), state=TransactionState.ACTIVE, ended_at=None, price=None)


def unpriced(key):
    return replace(ended(key), tariff=None, price=None)


class Office:
    """The billing service and what it is asked for."""

    def __init__(self, store, clock, alarms, publisher, background, directory):
        self.store, self.clock, self.alarms, self.publisher = store, clock, alarms, publisher
        config = parse_config(
            {"site": {"id": "P1"}, "circuits": [{"id": "main", "limit_a": 63}]},
            base_dir=directory,
        )
        self._billing = BillingService(
            config, store, clock, self, lambda *paper: paper, alarms, publisher, background
        )

    async def run(self, render, *paper):
        """A workshop in this process."""
        return render(*paper)

    async def keep(self, *transactions):
        for transaction in transactions:
            await self.store.commit(lambda tx, row=transaction: tx.add_transaction(row))

    async def correct(self, transaction):
        await self.store.commit(lambda tx: tx.update_transaction(transaction))
        self.publisher.publish(TransactionChanged(transaction))

    async def receipt(self, key="T1"):
        """(document, whether it is marked as a copy)."""
        document, language, is_copy = await self._billing.receipt_pdf(key, "en")
        assert language == "en"
        return document, is_copy

    async def outbox(self):
        return await self.store.read(
            lambda tx: tx.connection.execute(
                "SELECT count(*) FROM outbox WHERE kind = 'ReceiptIssued'"
            ).fetchone()[0]
        )


@pytest.fixture
def scene(run, tmp_path):
    """`scene(play)` runs `await play(office)`."""

    async def staged(play):
        clock, publisher, background = HandClock(), Publisher(), Background()
        clock.now = lambda: NEW_YEARS_EVE
        store = await Store.open(tmp_path / "site.db", clock)
        alarms = AlarmService(store, clock, publisher, background)
        try:
            await play(Office(store, clock, alarms, publisher, background, tmp_path))
        finally:
            await background.close(within_s=5)
            await store.close()

    return lambda play: run(staged(play))


def test_a_second_print_is_the_same_receipt_marked_as_a_copy(scene):
    async def play(office):
        await office.keep(ended())
        first, is_copy = await office.receipt()
        assert not is_copy
        assert await office.receipt() == (first, True)
        assert await office.outbox() == 1

    scene(play)


def test_numbers_have_no_gaps_whatever_is_refused_in_between(scene):
    async def play(office):
        await office.keep(ended("T1"), running("T2"), unpriced("T3"), ended("T4"), ended("T5"))
        numbers = []
        for key in ("T1", "T2", "T3", "T4", "T6", "T1", "T5"):
            try:
                document, is_copy = await office.receipt(key)
            except (Conflict, NoTariff, NotFound):
                continue
            if not is_copy:
                numbers.append(document.number)
        assert numbers == [f"P1-K1-2025-{number:06d}" for number in (1, 2, 3)]

    scene(play)


def test_two_clicks_at_once_take_one_number(scene):
    async def play(office):
        await office.keep(ended())
        papers = await asyncio.gather(office.receipt(), office.receipt())
        assert sorted(is_copy for _, is_copy in papers) == [False, True]
        assert len({document.number for document, _ in papers}) == 1

    scene(play)


def test_numbers_begin_anew_with_the_sites_own_year(scene):
    async def play(office):
        await office.keep(ended("T1"), ended("T2"))
        assert (await office.receipt("T1"))[0].number == "P1-K1-2025-000001"
        office.clock.now = lambda: NEW_YEARS_EVE.replace(hour=23)
        assert (await office.receipt("T2"))[0].number == "P1-K1-2026-000001"

    scene(play)


@pytest.mark.parametrize(
    ("transaction", "refusal"), [(running("T1"), Conflict), (unpriced("T1"), NoTariff)]
)
def test_a_running_session_or_one_without_a_price_gets_no_receipt(scene, transaction, refusal):
    async def play(office):
        await office.keep(transaction)
        with pytest.raises(refusal) as caught:
            await office.receipt()
        assert caught.value.remedy
        assert await office.outbox() == 0

    scene(play)


def test_an_unknown_session_is_not_found(scene):
    async def play(office):
        with pytest.raises(NotFound):
            await office.receipt()

    scene(play)


def test_a_correction_after_the_receipt_is_told_and_changes_no_paper(scene):
    async def play(office):
        await office.keep(ended())
        issued, _ = await office.receipt()
        await office.correct(replace(ended(energy_wh=12_000), version=2))
        alarm = await eventually(lambda: office.alarms.get(DIFFERS))
        assert alarm.parameters == {
            "number": "P1-K1-2025-000001",
            "evse": "CP-01/1",
            "printed": "5.00 EUR",
            "price": "6.00 EUR",
        }
        assert await office.receipt() == (issued, True)

    scene(play)


def test_a_copy_of_a_receipt_that_no_longer_fits_says_so_again(scene):
    async def play(office):
        await office.keep(ended())
        await office.receipt()
        await office.correct(replace(ended(energy_wh=12_000), version=2))
        await eventually(lambda: office.alarms.get(DIFFERS))
        await office.alarms.acknowledge(DIFFERS, "Keller")
        assert office.alarms.open() == ()
        await office.receipt()
        assert office.alarms.get(DIFFERS) is not None

    scene(play)


def test_a_correction_that_keeps_the_price_is_no_alarm(scene):
    async def play(office):
        await office.keep(ended())
        await office.receipt()
        await office.correct(replace(ended(), stop_reason="Local", version=2))
        await office.receipt()
        assert office.alarms.open() == ()

    scene(play)
