"""Tariffs over a real database: a new price is a new version, and the alarm for none has an end."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from sitecontroller.domain.authorization import AuthorizationStatus
from sitecontroller.domain.errors import InvalidInput, NotFound
from sitecontroller.domain.events import TransactionChanged
from sitecontroller.domain.tariff import TariffDimension, TariffTerms
from sitecontroller.domain.transaction import Transaction, TransactionState
from sitecontroller.publisher import Publisher
from sitecontroller.services.alarms import AlarmService
from sitecontroller.services.background import Background
from sitecontroller.services.tariffs import TariffService
from sitecontroller.storage.store import Store
from tests.contract.fakes import START, HandClock

TERMS = TariffTerms("Standard", Decimal("0.49"), Decimal("0"), Decimal("19"))


class Office:
    def __init__(self, store, clock, publisher, alarms):
        self.store, self.clock, self.publisher, self.alarms = store, clock, publisher, alarms
        self.tariffs = TariffService(store, clock, publisher, alarms, "EUR")


@pytest.fixture
def scene(run, tmp_path):
    """`scene(play)` runs `await play(office)`."""

    async def staged(play):
        clock, publisher, background = HandClock(), Publisher(), Background()
        store = await Store.open(tmp_path / "site.db", clock)
        alarms = AlarmService(store, clock, publisher, background)
        try:
            await play(Office(store, clock, publisher, alarms))
        finally:
            await background.close(within_s=5)
            await store.close()

    return lambda play: run(staged(play))


def test_without_a_tariff_the_remedy_names_the_command(scene):
    async def play(office):
        with pytest.raises(NotFound) as caught:
            await office.tariffs.current()
        assert "sitecontroller tariff set --kwh" in caught.value.remedy

    scene(play)


def test_a_new_price_is_a_new_version_from_now_on(scene):
    async def play(office):
        first = await office.tariffs.set(TERMS)
        office.clock.passed_s += 60
        second = await office.tariffs.set(replace(TERMS, price_per_kwh=Decimal("0.59")))
        assert (first.version, second.version) == (1, 2)
        assert second.valid_from == START + timedelta(seconds=60)
        assert await office.tariffs.current() == second
        before = await office.store.read(lambda tx: tx.tariff_at(START))
        assert before == first

    scene(play)


def test_two_prices_at_the_same_instant_are_two_versions_and_the_later_holds(scene):
    async def play(office):
        await office.tariffs.set(TERMS)
        second = await office.tariffs.set(replace(TERMS, price_per_kwh=Decimal("0.59")))
        assert await office.tariffs.current() == second

    scene(play)


def test_a_price_set_while_the_clock_is_behind_still_replaces_the_last_one(scene):
    async def play(office):
        await office.tariffs.set(TERMS)
        office.clock.passed_s = -3600
        second = await office.tariffs.set(replace(TERMS, price_per_kwh=Decimal("0.59")))
        assert second.version == 2
        office.clock.passed_s = 60
        assert await office.tariffs.current() == second

    scene(play)


def test_a_session_fee_is_a_component_and_none_is_none(scene):
    async def play(office):
        with_fee = await office.tariffs.set(replace(TERMS, session_fee=Decimal("1.50")))
        dimensions = [component.dimension for component in with_fee.components]
        assert dimensions == [TariffDimension.ENERGY, TariffDimension.FLAT]
        without = await office.tariffs.set(TERMS)
        assert [c.dimension for c in without.components] == [TariffDimension.ENERGY]

    scene(play)


def test_another_currency_than_the_sites_is_refused(scene):
    async def play(office):
        with pytest.raises(InvalidInput) as caught:
            await office.tariffs.set(replace(TERMS, currency="CHF"))
        assert caught.value.errors[0].field == "currency"
        assert (await office.tariffs.set(replace(TERMS, currency="EUR"))).currency == "EUR"

    scene(play)


def test_setting_a_price_ends_the_alarm_for_none(scene):
    async def play(office):
        office.alarms.raise_("no-tariff", "site")
        await office.tariffs.set(TERMS)
        assert [alarm.active for alarm in office.alarms.open()] == [False]

    scene(play)


@pytest.mark.parametrize("is_priced", [True, False])
def test_only_a_session_with_a_tariff_ends_the_alarm_for_none(scene, is_priced):
    async def play(office):
        tariff = await office.tariffs.set(TERMS)
        office.alarms.raise_("no-tariff", "site")
        transaction = Transaction(
            key="T1",
            station_id="CP-01",
            evse_id=1,
            connector_id=1,
            station_transaction_id="1",
            state=TransactionState.ACTIVE,
            authorization_status=AuthorizationStatus.ACCEPTED,
            started_at=START,
            start_received_at=START,
            tariff=tariff if is_priced else None,
        )
        office.publisher.publish(TransactionChanged(transaction, began=True))
        assert [alarm.active for alarm in office.alarms.open()] == [not is_priced]

    scene(play)


def test_a_site_that_has_a_price_starts_without_the_alarm(scene):
    async def play(office):
        await office.tariffs.set(TERMS)
        office.alarms.raise_("no-tariff", "site")
        await office.tariffs.load()
        assert [alarm.active for alarm in office.alarms.open()] == [False]

    scene(play)


def test_every_price_is_a_fact_for_headquarters(scene):
    async def play(office):
        await office.tariffs.set(TERMS)
        kinds = await office.store.read(
            lambda tx: [
                kind for (kind,) in tx.connection.execute("SELECT kind FROM outbox ORDER BY seq")
            ]
        )
        assert "TariffAdded" in kinds

    scene(play)
