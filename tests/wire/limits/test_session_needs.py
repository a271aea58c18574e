"""Whom a session is for, from the API, the card and the car to what the charger is told."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sitecontroller.client import ControllerClient
from sitecontroller.domain.commands import CommandState
from sitecontroller.domain.errors import InvalidInput, NotFound
from sitecontroller.domain.limit_history import LimitHistoryQuery
from sitecontroller.domain.session_needs import (
    BoostSession,
    EndBoost,
    SessionNeedsQuery,
    SetChargingNeeds,
)
from sitecontroller.domain.topology import EvseKey, ServiceClass
from sitecontroller.simulation.virtual_time import VirtualLoop
from tests.wire.limits.box import Box, box_at
from tests.wire.limits.test_site_limits import EARLIER_LEASES_S, in_s, play, site_and_client
from tests.wire.site import CARDS, TestSite, instant

__all__ = ["play"]

LAXITY = {"load": {"policy": "laxity"}}
SETTLED_S = 240.0
"""Decreases, their proof, and the increases after them."""
MUCH_A, LITTLE_A = 50.0, 8.0
"""Of a fuse of 63 A for two cars that would take 63 A each."""


async def both_begin(one: Box, two: Box, card: str = CARDS[1]) -> None:
    await one.begin(CARDS[0])
    await two.begin(card)


def session(site: TestSite, station_id: str) -> str:
    transaction = site.site.services.transactions.active(EvseKey(station_id, 1))
    assert transaction is not None
    return transaction.key


def why(site: TestSite, station_id: str) -> str:
    view = site.site.services.load.limit_view(EvseKey(station_id, 1))
    assert view is not None
    return view.reason


async def car_says(box: Box, **said: Any) -> None:
    """NotifyEVChargingNeeds of an AC car."""
    ac = {"energyAmount": 40_000, "evMinCurrent": 6, "evMaxCurrent": 63, "evMaxVoltage": 400}
    needs = {"requestedEnergyTransfer": "AC_three_phase", "acChargingParameters": ac, **said}
    await box.charger.call("NotifyEVChargingNeeds", {"evseId": 1, "chargingNeeds": needs})


def test_who_leaves_soon_is_served_first_and_an_attendants_boost_stands_above(play: Any) -> None:
    async def story(site: TestSite, client: ControllerClient) -> None:
        assert (await client.site()).policy == "laxity"
        await asyncio.sleep(EARLIER_LEASES_S)
        async with box_at(site, "CP-01", car_a=63) as one, box_at(site, "CP-02", car_a=63) as two:
            await both_begin(one, two)
            leaves = SetChargingNeeds(session(site, "CP-02"), in_s(3600), 60_000.0)
            assert (await client.execute(leaves)).state is CommandState.ACCEPTED
            await asyncio.sleep(SETTLED_S)
            assert one.drawn_a < LITTLE_A
            assert two.drawn_a > MUCH_A
            assert "laxity; leaves " in why(site, "CP-02")
            first = session(site, "CP-01")
            await client.execute(BoostSession(first, in_s(600)))
            await asyncio.sleep(SETTLED_S)
            assert one.drawn_a > MUCH_A
            assert two.drawn_a < LITTLE_A
            assert "boost until " in why(site, "CP-01")
            await client.execute(EndBoost(first))
            await asyncio.sleep(SETTLED_S)
            assert two.drawn_a > MUCH_A
            await tell_history(client)

    play(story, sections=LAXITY)


async def tell_history(client: ControllerClient) -> None:
    """Page by page, newest first: what the boosted one was allowed, and why."""
    told = []
    query = LimitHistoryQuery(limit=2, evse="CP-01/1")
    while True:
        page = await client.ask(query)
        told += page.items
        if page.next is None:
            break
        query = replace(query, cursor=page.next)
    assert [change.at for change in told] == sorted((c.at for c in told), reverse=True)
    assert {(change.station_id, change.evse_id) for change in told} == {("CP-01", 1)}
    boosted = [change for change in told if "boost until " in change.reason]
    assert max(change.current_a for change in boosted) > MUCH_A
    assert told[0].current_a < LITTLE_A
    assert told[0].bound_by
    before = replace(query, cursor=None, limit=500, until=boosted[-1].at - timedelta(seconds=1))
    assert not any("boost" in c.reason for c in (await client.ask(before)).items)


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
def test_what_a_car_says_it_needs_decides_its_share(play: Any, version: str) -> None:
    async def story(site: TestSite, client: ControllerClient) -> None:
        await asyncio.sleep(EARLIER_LEASES_S)
        async with (
            box_at(site, "CP-01", version=version, car_a=63) as one,
            box_at(site, "CP-02", version=version, car_a=63) as two,
        ):
            await both_begin(one, two)
            await car_says(two, departureTime=instant(in_s(3600)))
            await asyncio.sleep(SETTLED_S)
            assert one.drawn_a < LITTLE_A
            assert two.drawn_a > MUCH_A
            needs = await client.ask(SessionNeedsQuery(session(site, "CP-02")))
            assert (needs.departure_from, needs.energy_from) == ("car", "car")
            assert needs.energy_left_wh == pytest.approx(40_000 - (two.register_wh - 1000), abs=300)
            assert needs.energy_left_wh < 39_000
            await client.execute(SetChargingNeeds(session(site, "CP-02"), None, 0.0))
            await asyncio.sleep(SETTLED_S)
            assert one.drawn_a > MUCH_A

    play(story, sections=LAXITY)


def test_a_departure_in_the_past_is_none(play: Any) -> None:
    async def story(site: TestSite, client: ControllerClient) -> None:
        async with box_at(site, "CP-01", version="2.1") as box:
            await box.begin()
            await car_says(box, departureTime=instant(in_s(-60)))
            await asyncio.sleep(5)
            needs = await client.ask(SessionNeedsQuery(session(site, "CP-01")))
            assert needs.departure_at is None
            assert needs.energy_left_wh == pytest.approx(40_000, abs=300)
            with pytest.raises(InvalidInput) as refused:
                await client.execute(SetChargingNeeds(needs.transaction_key, in_s(-1), -1.0))
            assert [e.field for e in refused.value.errors] == ["departure_at", "energy_wh"]
            with pytest.raises(InvalidInput) as refused:
                await client.execute(BoostSession(needs.transaction_key, in_s(25 * 3600)))
            assert [error.field for error in refused.value.errors] == ["until"]
            with pytest.raises(NotFound):
                await client.execute(EndBoost("nothing"))
            with pytest.raises(InvalidInput, match="names no EVSE"):
                await client.ask(LimitHistoryQuery(evse="CP-01"))

    play(story)


def test_a_card_has_its_groups_class_unless_it_has_its_own(play: Any) -> None:
    async def story(site: TestSite, client: ControllerClient) -> None:
        tokens = {token.id_token: token for token in (await client.tokens()).items}
        member = replace(tokens[CARDS[1]], parent_id_token="DIRECTORS")
        group = replace(member, id_token="DIRECTORS", parent_id_token=None)
        await client.put_token(replace(group, service_class=ServiceClass.VIP))
        await client.put_token(member)
        await asyncio.sleep(EARLIER_LEASES_S)
        async with box_at(site, "CP-02", car_a=63) as box:
            await box.begin(CARDS[1])
            await asyncio.sleep(SETTLED_S)
            assert ": vip; " in why(site, "CP-02")
            needs = await client.ask(SessionNeedsQuery(session(site, "CP-02")))
            assert (needs.service_class, needs.class_from) == (ServiceClass.VIP, "card")
            await client.put_token(replace(member, service_class=ServiceClass.FLEET))
            await asyncio.sleep(5)
            assert ": fleet; " in why(site, "CP-02")

    play(story)


def test_what_was_said_outlives_a_restart_and_ends_with_the_session(run: Any, tmp_path: Any):
    """What was delivered before it was said doesn't count, what was delivered since does."""

    async def story() -> None:
        async with (
            site_and_client(tmp_path) as (site, client),
            box_at(site, "CP-01", version="2.1") as box,
        ):
            await box.begin()
            await asyncio.sleep(400)
            key, had_wh = session(site, "CP-01"), box.register_wh - 1000
            leaves_at = in_s(7200)
            said = SetChargingNeeds(key, leaves_at, 50_000.0, ServiceClass.FLEET)
            result = await client.execute(said)
            assert result.reason is not None
            assert "laxity" in result.reason
            await client.execute(BoostSession(key, in_s(400)))
            await asyncio.sleep(200)
            has_wh = box.register_wh - 1000
        assert 0 < had_wh < has_wh
        async with site_and_client(tmp_path, planted=True) as (site, client):
            needs = await client.ask(SessionNeedsQuery(key))
            assert needs.departure_at == leaves_at
            assert needs.energy_left_wh == pytest.approx(50_000 - (has_wh - had_wh), abs=300)
            assert (needs.service_class, needs.class_from) == (ServiceClass.VIP, "boost")
            history = await client.ask(LimitHistoryQuery(evse="CP-01/1"))
            assert any("boost until" in change.reason for change in history.items)
            await asyncio.sleep(250)
            needs = await client.ask(SessionNeedsQuery(key))
            assert (needs.service_class, needs.boost_until) == (ServiceClass.FLEET, None)

    run(story(), loop_factory=VirtualLoop)
