"""Whom a session is for: classes, boosts, departures and guarantees, from the claim to the car."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from sitecontroller.config import LoadSettings
from sitecontroller.dlm.advice import Ceiling
from sitecontroller.domain.authorization import AuthorizationStatus
from sitecontroller.domain.topology import ServiceClass
from sitecontroller.domain.transaction import Transaction, TransactionState
from sitecontroller.services.load.claim import Claim
from tests.unit.load.site import Site, car, evse, key, main_circuit, play, topology

NARROW_A = 12.0
"""Room for one car's minimum."""
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def site_of(limit_a: float, *evses: object, policy: str = "equal share") -> Site:
    """Two EVSEs behind one fuse; the margin is 1 A, 0.5 A is kept against ripple."""
    circuit = main_circuit(limit_a, worst_base_a=0.0, margin_a=1.0)
    wanted = evses or (evse(1), evse(2))
    return Site(topology(circuit, evses=list(wanted)), settings=LoadSettings(policy=policy))  # type: ignore[arg-type]


async def one_by_one(site: Site, seconds: float = 120) -> None:
    await site.settle()
    for number in (1, 2):
        site.charge(key(number), car())
        await site.advance(seconds)


def claim(site: Site, number: int, **said: object) -> None:
    transaction = site.active(key(number))
    assert transaction is not None
    site.load.claim(key(number), Claim(transaction.key, **said))  # type: ignore[arg-type]


def why(site: Site, number: int) -> str:
    view = site.load.limit_view(key(number))
    assert view is not None
    return view.reason


def test_a_vip_charges_before_who_came_first_and_its_reason_says_so() -> None:
    async def story() -> None:
        site = site_of(NARROW_A, evse(1), evse(2, service_class=ServiceClass.VIP))
        async with site:
            await one_by_one(site)
            assert (site.told_a(1), site.told_a(2)) == (0, pytest.approx(10.7))
            assert why(site, 2) == "10.7 A: vip; Main, L1"

    play(story())


def test_what_is_said_of_a_session_stands_before_its_evse() -> None:
    async def story() -> None:
        site = site_of(NARROW_A, evse(1), evse(2, service_class=ServiceClass.VIP))
        async with site:
            await site.settle()
            for number in (1, 2):
                site.charge(key(number), car())
            claim(site, 2, service_class=ServiceClass.NORMAL)
            await site.advance(120)
            assert (site.told_a(1), site.told_a(2)) == (pytest.approx(10.7), 0)

    play(story())


def test_a_boost_is_first_until_its_end_and_no_longer() -> None:
    async def story() -> None:
        site = site_of(NARROW_A, evse(1), evse(2, service_class=ServiceClass.FLEET))
        async with site:
            await one_by_one(site)
            assert site.told_a(1) == 0
            ends_s = site.now_s + 1200
            claim(site, 1, boost_ends_s=ends_s, boost_words="boost until 18:00")
            await site.advance(120)
            assert site.told_a(2) == 0
            assert why(site, 1) == "10.7 A: boost until 18:00; Main, L1"
            await site.advance(1200)
            assert site.told_a(1) == 0
            assert why(site, 2) == "10.7 A: fleet; Main, L1"

    play(story())


def test_a_plan_puts_no_boost_off() -> None:
    async def story() -> None:
        site = site_of(40.0)
        async with site:
            await one_by_one(site, 60)
            now_s = site.now_s
            cheap = {key(n): (Ceiling(now_s, now_s + 900, 6.0, "a plan"),) for n in (1, 2)}
            leaves_s = {key(n): now_s + 36_000 for n in (1, 2)}
            site.load._cycle.advice.replace(now_s, cheap, leaves_s)
            claim(site, 1, boost_ends_s=now_s + 600, boost_words="boost until 18:00")
            await site.advance(120)
            assert site.told_a(1) > 30
            assert site.told_a(2) == 6

    play(story())


def test_a_claim_ends_with_its_session() -> None:
    async def story() -> None:
        site = site_of(NARROW_A)
        async with site:
            await one_by_one(site)
            claim(site, 1, service_class=ServiceClass.VIP)
            await site.advance(5)
            site.leave(key(1))
            site.charge(key(1), car())
            await site.advance(30)
            assert "vip" not in why(site, 1)

    play(story())


def test_by_laxity_who_leaves_soon_charges_and_its_reason_says_when() -> None:
    async def story() -> None:
        site = site_of(40.0, policy="laxity")
        async with site:
            await one_by_one(site)
            soon_s = site.now_s + 1800
            claim(site, 2, departs_s=soon_s, departs_words="leaves 18:00", served_wh=20_000.0)
            claim(site, 1, departs_s=soon_s + 36_000, departs_words="leaves 4:00", served_wh=9e3)
            await site.advance(120)
            assert site.told_a(2) == 32
            assert 6 <= site.told_a(1) < 7
            assert why(site, 1).endswith("laxity; leaves 4:00; Main, L1")

    play(story())


def test_by_first_come_the_first_takes_what_it_can() -> None:
    async def story() -> None:
        site = site_of(40.0, policy="first come")
        async with site:
            await one_by_one(site)
            assert (site.told_a(1), site.told_a(2)) == (32, pytest.approx(6.5, abs=0.6))
            assert "first come; Main" in why(site, 2)

    play(story())


def test_a_guaranteed_current_is_there_whoever_else_charges() -> None:
    async def story() -> None:
        vip = evse(1, service_class=ServiceClass.VIP)
        site = site_of(24.0, vip, evse(2, guaranteed_a=14.0))
        async with site:
            await one_by_one(site, 180)
            assert site.told_a(2) == pytest.approx(14.0)
            assert why(site, 2) == "14 A: 14 A guaranteed; Main, L1"
            assert site.told_a(1) == pytest.approx(8.7)

    play(story())


def test_a_departure_in_the_past_is_none() -> None:
    left = Claim("T", departs_s=100.0)
    assert left.departs_in_s(40.0) == 60
    assert left.departs_in_s(100.0) is None


def test_a_need_counts_down_with_what_was_delivered() -> None:
    session = Transaction(
        "T", "CP-01", 1, 1, "1", TransactionState.ACTIVE, AuthorizationStatus.ACCEPTED, NOON, NOON,
        meter_start_wh=1000.0,
    )  # fmt: skip
    wanted = Claim("T", served_wh=12_000.0)
    assert wanted.need_wh(session) == 12_000
    later = replace(session, meter_last_wh=6000.0, meter_last_at=NOON + timedelta(hours=1))
    assert wanted.need_wh(later) == 7_000
    assert wanted.need_wh(replace(later, meter_last_wh=99_000.0)) == 0
    assert Claim("T").need_wh(later) is None
