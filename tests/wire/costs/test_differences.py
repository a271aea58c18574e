"""What stations show and take, held against the bill: corrections, payments doubled or wrong."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from sitecontroller.domain.costs import SettlementsQuery, UseCurrentTariff
from sitecontroller.domain.errors import Conflict
from sitecontroller.domain.tariff import TariffTerms
from tests.support import eventually
from tests.wire.charger import Charger
from tests.wire.costs.test_costs import enabled, shows, told
from tests.wire.site import TestSite, boot16, boot201, instant, running_site
from tests.wire.transactions.scenes import at, meter, start, stop
from tests.wire.transactions.test_transactions_201 import event


@pytest.fixture
def scene(run, tmp_path):
    """`scene(play, version)` runs `await play(site, charger)` with one that shows prices."""

    async def staged(play, version, options):
        async with (
            running_site(tmp_path, **options) as site,
            site.charger(version=version) as charger,
        ):
            charger.answers |= {"GetConfiguration": shows, "GetVariables": enabled}
            await (boot16 if version == "1.6" else boot201)(charger)
            if version == "1.6":
                await eventually(lambda: charger.asked_for("ChangeConfiguration"))
                await asyncio.sleep(2)
            await play(site, charger)

    return lambda play, version="2.1", **options: run(staged(play, version, options))


def paid(amount: Any, **more: Any) -> dict[str, Any]:
    """A payment that a station's terminal took."""
    return {
        "pspRef": "PSP-7",
        "status": "Settled",
        "settlementAmount": amount,
        "settlementTime": instant(),
        "transactionId": "tx-1",
        **more,
    }


async def session(charger: Charger, kwh: float = 10) -> None:
    """One of 0.50 EUR/kWh and 1.00 EUR."""
    await charger.call("TransactionEvent", event("Started", 0, 1000))
    await charger.call("TransactionEvent", event("Ended", 1, 1000 + kwh * 1000))


def alarms(site: TestSite) -> set[str]:
    return {alarm.code for alarm in site.site.services.alarms.open() if alarm.active}


async def kept(site: TestSite) -> list[Decimal]:
    page = await site.site.controller.query(SettlementsQuery())
    return sorted(item.amount.amount for item in page.items)


def test_a_final_cost_that_late_readings_correct_is_told_again(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        number = (await charger.call("StartTransaction", start(0, minutes=0)))["transactionId"]
        ending = stop(number, None, minutes=20)
        await charger.call("StopTransaction", ending)
        await charger.call("MeterValues", meter(5_000, number, minutes=20))
        await eventually(lambda: told(charger, "FinalCost"))
        await charger.call("MeterValues", meter(6_000, number, minutes=20))
        row = await site.row()
        assert row.price is not None
        due = float(row.price.total.amount)
        await eventually(lambda: told(charger, "FinalCost")[-1]["cost"] == due)

    scene(play, "1.6")


def test_no_cost_is_shown_that_nobody_would_be_billed(scene):
    """A start told of another register (Q40) makes the whole life of the meter no running cost."""

    async def play(site: TestSite, charger: Charger) -> None:
        number = (await charger.call("StartTransaction", start(0, minutes=0)))["transactionId"]
        await charger.call("MeterValues", meter(9_000_000, number, minutes=1))
        await asyncio.sleep(0.5)
        assert all(cost["cost"] < 10 for cost in told(charger, "RunningCost"))

    scene(play, "1.6")


def test_an_end_told_again_gets_the_total_of_its_own_session(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        await session(charger)
        await charger.call("TransactionEvent", event("Started", 0, 11_000, minutes=30))
        again = event("Ended", 1, 11_000)
        assert (await charger.call("TransactionEvent", again))["totalCost"] == 6.0
        await charger.call("TransactionEvent", event("Ended", 1, 12_000, minutes=40))
        assert (await charger.call("TransactionEvent", again))["totalCost"] == 6.0

    scene(play)


def test_a_payment_told_twice_is_one(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        await session(charger)
        for _ in range(2):
            await charger.call("NotifySettlement", paid(6.0))
        assert await kept(site) == [Decimal("6.0")]
        assert not {"settlement-failed", "settlement-differs"} & alarms(site)

    scene(play)


def test_a_payment_told_twice_stays_with_its_session_though_the_id_is_used_again(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        payment = paid(6.0, settlementTime=at(20))
        await session(charger)
        await charger.call("NotifySettlement", payment)
        await charger.call("TransactionEvent", event("Started", 0, 11_000, minutes=30))
        await charger.call("NotifySettlement", payment)
        await charger.call("TransactionEvent", event("Ended", 1, 12_000, minutes=40))
        await asyncio.sleep(0.2)
        page = await site.site.controller.query(SettlementsQuery())
        first, _ = await site.rows()
        assert [item.transaction_key for item in page.items] == [first.key]
        assert "settlement-differs" not in alarms(site)

    scene(play)


def test_a_payment_told_with_two_amounts_is_kept_with_both_and_told_of(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        await session(charger)
        for amount in (6.0, 60.0, 6.0):
            await charger.call("NotifySettlement", paid(amount))
        assert await kept(site) == [Decimal("6.0"), Decimal("60.0")]
        assert "settlement-differs" in alarms(site)

    scene(play)


def test_two_payments_without_a_reference_are_two(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        for number in (1, 2):
            said = paid(number, pspRef=" ", transactionId=f"tx-{number}")
            await charger.call("NotifySettlement", said)
        assert await kept(site) == [1, 2]

    scene(play)


@pytest.mark.parametrize("first", ["session", "payment"])
@pytest.mark.parametrize(("amount", "differs"), [(6.0, False), (60.0, True), (-6.0, True)])
def test_a_payment_that_is_not_the_sessions_price_is_told_to_a_person(
    scene, first, amount, differs
):
    async def play(site: TestSite, charger: Charger) -> None:
        if first == "session":
            await session(charger)
        await charger.call("NotifySettlement", paid(amount))
        if first == "payment":
            await session(charger)
        row = await site.row()

        async def linked() -> bool:
            page = await site.site.controller.query(SettlementsQuery())
            return [item.transaction_key for item in page.items] == [row.key]

        await eventually(linked)
        await asyncio.sleep(0.2)
        assert ("settlement-differs" in alarms(site)) is differs

    scene(play)


def test_a_payment_for_no_session_is_told_to_a_person(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        await charger.call("NotifySettlement", paid(5.0, transactionId="never-seen"))
        assert "settlement-differs" in alarms(site)

    scene(play)


def test_a_payment_that_was_called_off_for_want_of_a_session_alarms_nobody(scene):
    """2.1 PaymentStatusEnumType: Canceled says that nothing was to be paid."""

    async def play(site: TestSite, charger: Charger) -> None:
        await charger.call("NotifySettlement", paid(0, status="Canceled", transactionId="no"))
        assert not {"settlement-failed", "settlement-differs"} & alarms(site)

    scene(play)


def test_a_payment_that_failed_and_then_came_is_right_again(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        await session(charger)
        await charger.call("NotifySettlement", paid(6.0, status="Failed"))
        assert "settlement-failed" in alarms(site)
        await charger.call("NotifySettlement", paid(6.0))
        assert "settlement-failed" not in alarms(site)

    scene(play)


def test_a_new_price_reaches_stations_that_price_sessions_themselves(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        await eventually(lambda: charger.asked_for("SetDefaultTariff"))
        await site.site.controller.add_tariff(TariffTerms("Dearer", Decimal("0.60")))
        await eventually(
            lambda: charger.asked_for("SetDefaultTariff")[-1]["tariff"]["tariffId"] == "standard-2"
        )

    scene(play)


def test_a_session_without_a_price_is_shown_none(scene):
    async def play(site: TestSite, charger: Charger) -> None:
        await charger.call("TransactionEvent", event("Started", 0, 1000))
        await site.site.controller.add_tariff(TariffTerms("Too late", Decimal("0.60")))
        with pytest.raises(Conflict):
            await site.site.controller.execute(UseCurrentTariff((await site.row()).key))
        assert charger.asked_for("ChangeTransactionTariff") == []

    scene(play, tariff=None)


@pytest.mark.parametrize(("own", "differs"), [(6.0, False), (6.01, False), (5.04, True)])
def test_a_station_that_counts_another_cost_than_the_bill_is_told_of(scene, own, differs):
    async def play(site: TestSite, charger: Charger) -> None:
        await charger.call("TransactionEvent", event("Started", 0, 1000))
        total = {"exclTax": 5.04, "inclTax": own}
        details = {"totalCost": {"currency": "EUR", "typeOfCost": "NormalCost", "total": total}}
        details["totalUsage"] = {"energy": 10.0, "chargingTime": 600, "idleTime": 0}
        ending = event("Ended", 1, 11_000, costDetails=details)
        assert (await charger.call("TransactionEvent", ending))["totalCost"] == 6.0
        assert ("station-cost-differs" in alarms(site)) is differs

    scene(play)
