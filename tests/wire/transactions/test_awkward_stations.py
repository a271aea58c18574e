"""What stations do to a bill: glitches, lost ids, stuck clocks, resent bundles. Nobody pays twice,
nobody pays for another, no kWh is lost, and what is guessed can still be corrected."""

import pytest

from sitecontroller.domain.transaction import Transaction, TransactionFlag
from tests.wire.charger import Charger
from tests.wire.site import TestSite, boot16, running_site
from tests.wire.transactions.scenes import (
    NEVER_SET,
    OTHER_CARD,
    at,
    euros,
    meter,
    start,
    stop,
)

Flag = TransactionFlag


@pytest.fixture
def scene(run, tmp_path):
    """`scene(play)` runs `await play(site, charger)` with one booted 1.6 charger of two EVSEs."""

    async def staged(play):
        async with running_site(tmp_path) as site, site.charger() as charger:
            await boot16(charger)
            await play(site, charger)

    return lambda play: run(staged(play))


async def begun(charger: Charger, *args, **kwargs) -> int:
    return int((await charger.call("StartTransaction", start(*args, **kwargs)))["transactionId"])


async def billed(site: TestSite) -> list[object]:
    return [row.price.total.amount if row.price else None for row in await site.rows()]


def reviewed(site: TestSite, row: Transaction) -> bool:
    return site.site.controller.alarm_view(f"transaction-review:{row.key}") is not None


def test_q31_one_odd_reading_does_not_bill_the_life_of_the_meter(scene):
    async def play(site, charger):
        number = await begun(charger, 1_000_000)
        for minutes, wh in ((5, 1_001_000), (6, 0), (7, 1_002_000)):
            await charger.call("MeterValues", meter(wh, number, minutes=minutes))
        await charger.call("StopTransaction", stop(number, 1_003_000))
        row = await site.row()
        assert row.energy_wh == 3000
        assert await billed(site) == [euros(3)]
        assert reviewed(site, row)

    scene(play)


def test_q31_readings_that_come_after_the_stop_mend_a_register_that_began_anew(scene):
    async def play(site, charger):
        number = await begun(charger, 100_000)
        await charger.call("StopTransaction", stop(number, 2_500))
        assert await billed(site) == [None]
        await charger.call("MeterValues", meter(104_000, number, minutes=5))
        await charger.call("MeterValues", meter(500, number, minutes=10))
        assert (await site.row()).energy_wh == 6_000
        assert await billed(site) == [euros(6)]

    scene(play)


def test_q31_a_stop_without_a_register_or_readings_waits_for_a_person(scene):
    async def play(site, charger):
        number = await begun(charger)
        await charger.call("StopTransaction", stop(number, None))
        row = await site.row()
        assert row.energy_wh is None
        assert await billed(site) == [None]
        assert reviewed(site, row)

    scene(play)


def test_energy_that_no_outlet_can_deliver_is_not_billed_unseen(scene):
    async def play(site, charger):
        number = await begun(charger)
        await charger.call("StopTransaction", stop(number, 900_000))
        row = await site.row()
        assert row.meter_stop_wh == 900_000
        assert await billed(site) == [None]
        assert reviewed(site, row)

    scene(play)


def test_q28_a_stop_without_id_and_card_ends_nobody_on_a_station_of_two(scene):
    async def play(site, charger):
        number = await begun(charger)
        await charger.call("StopTransaction", stop(-1, 50_000))
        assert (await site.row()).active
        await charger.call("StopTransaction", stop(number, 11_000))
        assert await billed(site) == [euros(10)]

    scene(play)


def test_q28_the_exact_stop_corrects_one_that_was_guessed(scene):
    async def play(site, charger):
        number = await begun(charger)
        await charger.call("StopTransaction", stop(-1, 21_000, card="CARD0001", minutes=10))
        assert Flag.STOP_GUESSED in (await site.row()).flags
        await charger.call("StopTransaction", stop(number, 11_000))
        row = await site.row()
        assert row.energy_wh == 10_000
        assert Flag.STOP_GUESSED not in row.flags
        assert Flag.STOP_CORRECTED in row.flags

    scene(play)


def test_q30_an_orphaned_stop_does_not_end_the_next_drivers_session(scene):
    async def play(site, charger):
        await charger.call("StopTransaction", stop(-1, 11_000, card="CARD0001", minutes=0))
        number = await begun(charger, 11_000, minutes=3)
        assert (await site.row()).active
        await charger.call("StopTransaction", stop(number, 21_000, minutes=30))
        assert await billed(site) == [euros(10)]

    scene(play)


def test_q33_a_doubled_stop_with_a_clock_never_set_leaves_the_next_session_alone(scene):
    async def play(site, charger):
        doubled = stop(0, 11_000, card="CARD0001", timestamp=NEVER_SET)
        await begun(charger)
        await charger.call("StopTransaction", doubled)
        number = await begun(charger, 11_000, minutes=25)
        await charger.call("StopTransaction", doubled)
        await charger.call("StopTransaction", stop(number, 21_000, minutes=50))
        assert await billed(site) == [euros(10), euros(10)]

    scene(play)


@pytest.mark.parametrize("timestamp", [NEVER_SET, None], ids=["clock never set", "good clock"])
@pytest.mark.parametrize("meter_start", [1000, None], ids=["register", "no register"])
def test_q25_a_start_resent_at_any_time_is_never_a_second_session(scene, timestamp, meter_start):
    async def play(site, charger):
        again = start(meter_start, timestamp=timestamp)
        number = int((await charger.call("StartTransaction", again))["transactionId"])
        await charger.call("StartTransaction", again)
        await charger.call("MeterValues", meter(2_000, number))
        await charger.call("StartTransaction", again)
        await charger.call("StopTransaction", stop(number))
        resent = await charger.call("StartTransaction", again)
        assert resent["transactionId"] == number
        assert len(await site.rows()) == 1

    scene(play)


def test_q25_a_start_from_weeks_ago_is_one_session_however_often_it_comes(scene):
    async def play(site, charger):
        old = start(minutes=-60 * 24 * 40)
        number = int((await charger.call("StartTransaction", old))["transactionId"])
        assert (await charger.call("StartTransaction", old))["transactionId"] == number
        await charger.call("StopTransaction", stop(number, minutes=-60 * 24 * 40 + 20))
        assert (await charger.call("StartTransaction", old))["transactionId"] == number
        assert await billed(site) == [euros(10)]

    scene(play)


def test_q25_the_same_card_with_a_stuck_clock_may_come_again(scene):
    async def play(site, charger):
        stuck = start(timestamp=NEVER_SET)
        first = int((await charger.call("StartTransaction", stuck))["transactionId"])
        await charger.call("StopTransaction", stop(first, 1000, timestamp=NEVER_SET))
        second = int((await charger.call("StartTransaction", stuck))["transactionId"])
        assert second != first
        await charger.call("StopTransaction", stop(second, 3000))
        assert [row.energy_wh for row in await site.rows()] == [0, 2000]

    scene(play)


def test_q35_values_of_an_earlier_session_do_not_join_the_running_one(scene):
    async def play(site, charger):
        number = await begun(charger, 10_000, minutes=30)
        await charger.call("MeterValues", meter(2_000, 555_555, minutes=1))
        assert (await site.row()).meter_last_wh is None
        await charger.call("StopTransaction", stop(number, 15_000, minutes=50))
        assert await billed(site) == [euros(5)]

    scene(play)


@pytest.mark.parametrize("stamp", [at(19), NEVER_SET], ids=["in time", "clock never set"])
def test_q35_values_without_an_id_after_the_stop_complete_the_session(scene, stamp):
    async def play(site, charger):
        number = await begun(charger)
        await charger.call("StopTransaction", stop(number, None))
        values = meter(6_000)
        values["meterValue"][0]["timestamp"] = stamp
        await charger.call("MeterValues", values)
        assert (await site.row()).energy_wh == 5_000
        assert await billed(site) == [euros(5)]

    scene(play)


def test_q35_values_of_a_session_we_closed_ourselves_are_still_taken(scene):
    async def play(site, charger):
        number = await begun(charger)
        await charger.call("MeterValues", meter(2_000, number))
        await begun(charger, 9_000, OTHER_CARD, minutes=30)
        await charger.call("MeterValues", meter(8_000, number, minutes=28))
        closed = (await site.rows())[0]
        assert Flag.MISSING_STOP in closed.flags
        assert closed.energy_wh == 7_000

    scene(play)


def test_q37_a_refused_card_that_only_sends_its_stop_is_seen_by_a_person(scene):
    async def play(site, charger):
        number = await begun(charger, card="STRANGER")
        await charger.call("StopTransaction", stop(number))
        row = await site.row()
        assert row.energy_wh == 10_000
        assert reviewed(site, row)

    scene(play)


def test_a_station_that_makes_up_sessions_is_bounded(scene):
    async def play(site, charger):
        for number in range(60):
            await charger.call(
                "StartTransaction", start(number, f"MADEUP{number}", connector=number % 20 + 1)
            )
        running = site.site.services.transactions.running()
        assert len(running) <= 50

    scene(play)
