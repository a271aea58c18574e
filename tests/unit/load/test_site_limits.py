"""Site limits and groups in a closed loop: down at once, up later, never above the fuse."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random

import pytest

from sitecontroller.domain.limit_source import LimitSource, SiteLimit
from sitecontroller.domain.topology import (
    PHASES,
    UNKNOWN_PHASES,
    Circuit,
    Group,
    PerPhase,
    Topology,
)
from sitecontroller.services.load.limits import StandingLimit
from tests.unit.load.site import Site, car, evse, key, main_circuit, play, topology

CARS = 4
MEMBERS = (1, 3)
"""Of the group: one on each feeder."""
A_CYCLE_S = 1.5
OVER_S_MAX = 12.0
WORDS = "site limit 'grid operator' until 18:00"


def car_park(fallback_a: float = 0.0, group_limit_a: float | None = None) -> Topology:
    """Main 3 × 63 A, two feeders with two EVSEs each, a group with one of each feeder."""
    site = topology(
        main_circuit(worst_base_a=20.0),
        Circuit("a", "Feeder A", "main", (40.0,) * 3, 1.0),
        Circuit("b", "Feeder B", "main", (40.0,) * 3, 1.0),
        evses=[
            evse(number, "a" if number <= 2 else "b", fallback_a=fallback_a)
            for number in range(1, CARS + 1)
        ],
        meters=("main",),
    )
    own_a = None if group_limit_a is None else (group_limit_a,) * 3
    group = Group("g", "Dimmable", tuple(key(number) for number in MEMBERS), own_a)
    return replace(site, groups={"g": group})


@dataclass
class Limited:
    """A site with all its cars, and the site limits that stand; the newest of an id counts."""

    site: Site
    standing: dict[str, StandingLimit] = field(default_factory=dict)
    over_since_s: dict[tuple[str, int], float] = field(default_factory=dict)
    """Where more flows than is allowed although cars charge."""

    def limit(
        self,
        current_a: float | PerPhase | None,
        *,
        at: str = "main",
        lasts_s: float = 3600.0,
        limit_id: str = "x",
        power_w: float | None = None,
    ) -> None:
        now, group = self.site.clock.now(), at == "g"
        per_phase = (current_a,) * 3 if isinstance(current_a, float | int) else current_a
        until = now + timedelta(seconds=lasts_s)
        limit = SiteLimit(
            limit_id,
            LimitSource.GRID_OPERATOR,
            "test",
            now,
            until,
            None if group else at,
            at if group else None,
            per_phase or UNKNOWN_PHASES,
            power_w,
        )
        self.standing[limit_id] = StandingLimit(limit, WORDS, self.site.now_s + lasts_s)
        self.site.load.limit_site(self.standing.values())

    def note(self, place: tuple[str, int], *, over: bool) -> None:
        """More than is allowed may flow for as long as a step of the base load may take."""
        if not over:
            self.over_since_s.pop(place, None)
            return
        since_s = self.over_since_s.setdefault(place, self.site.now_s)
        assert self.site.now_s - since_s <= OVER_S_MAX, place

    def told_a(self, *numbers: int) -> float:
        return sum(self.site.told_a(number) for number in numbers or range(1, CARS + 1))

    def reason(self, number: int) -> str:
        view = self.site.load.limit_view(key(number))
        assert view is not None
        return view.reason


async def full(park: Topology) -> Limited:
    """Everybody charges, settled."""
    site = Site(park)
    site.base_a = {"main": (8.0, 8.0, 8.0)}
    site.start()
    await site.settle()
    await site.advance(30)
    for number in range(1, CARS + 1):
        site.charge(key(number), car())
    await site.advance(180)
    return Limited(site)


def test_a_site_limit_comes_down_at_once_and_lets_go_when_it_is_over() -> None:
    async def story() -> None:
        limited = await full(car_park())
        site = limited.site
        before_a = limited.told_a()
        assert before_a > 45
        limited.limit(40.0, lasts_s=120)
        await site.advance(A_CYCLE_S)
        assert limited.told_a() <= 40 - 8 - 1.26
        assert limited.told_a() > 27, "what may be used is used"
        assert f"{WORDS} at Main" in limited.reason(1)
        view = site.load.circuit_view("main")
        assert view.limited_by == f"40 A: {WORDS}"
        assert view.cap_a[0] == pytest.approx(40 - 1.26)
        assert view.limit_a[0] == 63
        await site.advance(10)
        assert max(site.total_a("main")) <= 40
        await site.advance(100)
        assert max(site.total_a("main")) <= 40
        await site.advance(120)
        assert limited.told_a() == pytest.approx(before_a, abs=1.5)
        assert site.load.circuit_view("main").limited_by is None
        assert "site limit" not in limited.reason(1)
        await site.kill()

    play(story())


def test_a_site_limit_above_the_fuse_changes_nothing() -> None:
    async def story() -> None:
        limited = await full(car_park())
        before_a = limited.told_a()
        limited.limit(500.0)
        await limited.site.advance(120)
        assert limited.told_a() == pytest.approx(before_a, abs=0.5)
        assert limited.site.load.circuit_view("main").limited_by is None
        assert limited.site.judge.verdict().excess_as == 0
        await limited.site.kill()

    play(story())


def test_a_groups_limit_counts_its_evses_alone_and_leaves_the_others_theirs() -> None:
    async def story() -> None:
        limited = await full(car_park())
        limited.limit(13.0, at="g")
        await limited.site.advance(A_CYCLE_S)
        assert limited.told_a(*MEMBERS) <= 13
        await limited.site.advance(120)
        assert 12 < limited.told_a(*MEMBERS) <= 13
        assert limited.told_a() > 45, "the others took over what the group may not"
        assert f"{WORDS} at Dimmable" in limited.reason(1)
        assert "site limit" not in limited.reason(2)
        await limited.site.kill()

    play(story())


def test_a_group_keeps_its_own_limit_to_the_last_tenth_of_an_ampere() -> None:
    async def story() -> None:
        limited = await full(car_park(group_limit_a=13.0))
        assert 12 < limited.told_a(*MEMBERS) <= 13
        assert "Dimmable, L" in limited.reason(1)
        limited.limit(12.7, at="g")
        await limited.site.advance(A_CYCLE_S)
        assert limited.told_a(*MEMBERS) <= 12.7
        await limited.site.kill()

    play(story())


def test_watts_are_kept_whatever_the_cars_do_with_their_phases() -> None:
    async def story() -> None:
        limited = await full(car_park())
        limited.limit(None, at="g", power_w=11_000)
        await limited.site.advance(30)
        drawn_w = sum(limited.site.drawn_a(number) * 3 * 253 for number in MEMBERS)
        assert 9_000 < drawn_w <= 11_000
        await limited.site.kill()

    play(story())


def test_a_site_limit_below_the_fallbacks_brings_online_chargers_below_them() -> None:
    async def story() -> None:
        limited = await full(car_park(fallback_a=6.0))
        limited.limit(15.0)
        await limited.site.advance(A_CYCLE_S)
        assert limited.told_a() <= 15 - 8 - 1.26
        await limited.site.advance(10)
        assert max(limited.site.total_a("main")) <= 15
        await limited.site.kill()

    play(story())


def test_a_silent_meter_does_not_lift_a_site_limit() -> None:
    """S4 gives everybody the fallback; a limit that comes then is kept all the same."""

    async def story() -> None:
        limited = await full(car_park(fallback_a=6.0))
        limited.site.meters_alive["main"] = False
        await limited.site.advance(90)
        assert limited.site.load.fail_safe is not None
        assert limited.told_a() == 24, "everybody has the fallback"
        limited.limit(0.0, at="b")
        await limited.site.advance(A_CYCLE_S)
        assert limited.told_a(1, 2) == 12, "those without a limit keep theirs"
        assert limited.told_a(3, 4) == 0
        await limited.site.kill()

    play(story())


def test_a_start_waits_until_its_group_has_room_for_its_fallback() -> None:
    async def story() -> None:
        site = Site(car_park(fallback_a=6.0, group_limit_a=13.0))
        async with site:
            await site.settle()
            await site.advance(30)
            site.charge(key(3), car())
            await site.advance(120)
            assert site.told_a(3) == 13
            site.plug(key(1), car())
            waiting = asyncio.ensure_future(site.load.make_room("CP-01", 1))
            await site.advance(A_CYCLE_S)
            assert not waiting.done(), "that the other has made room must be proven first"
            await site.advance(20)
            assert await waiting
            assert site.exposure_a(1) + site.exposure_a(3) <= 13

    play(story())


@pytest.mark.parametrize("at", ["main", "g"])
def test_a_card_is_not_kept_waiting_for_room_that_a_site_limit_cannot_give(at: str) -> None:
    async def story() -> None:
        site = Site(car_park(fallback_a=6.0))
        async with site:
            await site.settle()
            Limited(site).limit(5.0, at=at)
            await site.advance(A_CYCLE_S)
            site.plug(key(1), car())
            began_s = site.now_s
            assert not await site.load.make_room("CP-01", 1)
            assert site.now_s == began_s

    play(story())


def test_phases_may_differ_by_what_the_grid_code_allows() -> None:
    async def story(imbalance_a: float | None) -> float:
        main = replace(main_circuit(), imbalance_a=imbalance_a)
        site = Site(topology(main, evses=[evse(1, phases="L1"), evse(2)]))
        async with site:
            await site.settle()
            await site.advance(30)
            site.charge(key(1), car())
            await site.advance(120)
            return site.told_a(1)

    assert play(story(None)) == 32
    assert play(story(20.0)) <= 20


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whatever_limits_come_and_go_nobody_is_told_more_than_they_leave(seed: int) -> None:
    """Per cycle base load + what everybody is told is within the smallest limit of each place, and
    12 s after a step so is what truly flows."""

    async def story() -> int:
        limited = await full(car_park())
        site, rng = limited.site, Random(seed)
        changed_s, bound = site.now_s, 0

        def look() -> None:
            nonlocal bound
            bound += _check(limited, settled=site.now_s - changed_s > A_CYCLE_S)

        for _ in range(40):
            limited.limit(
                *_random_limit(rng),
                at=rng.choice(("main", "a", "b", "g")),
                limit_id=rng.choice("xyz"),
                lasts_s=rng.choice((7.0, 25.0, 60.0)),
            )
            changed_s = site.now_s
            limited.over_since_s.clear()
            site.step_base("main", (rng.uniform(2, 20),) * 3)
            await site.advance(rng.choice((2, 10, 30)), look)
        assert site.judge.verdict().excess_as == 0
        await site.kill()
        return bound

    assert play(story()) > 100, "limits were there to be kept"


def _random_limit(rng: Random) -> tuple[PerPhase]:
    one, two, three = (rng.choice((None, round(rng.uniform(0, 70), 1))) for _ in PHASES)
    return ((one, two, three),)


def _check(limited: Limited, *, settled: bool) -> int:
    """How many places a site limit bound."""
    site, bound = limited.site, 0
    for circuit_id, numbers in (("main", (1, 2, 3, 4)), ("a", (1, 2)), ("b", (3, 4))):
        view, told_a = site.load.circuit_view(circuit_id), limited.told_a(*numbers)
        bound += view.limited_by is not None
        charging = sum(site.drawn_a(number) for number in numbers) > 0.5
        for phase in PHASES:
            base_a, cap_a = view.base_a[phase], view.cap_a[phase]
            assert base_a is not None
            assert cap_a is not None
            assert told_a <= max(0.0, cap_a - base_a) + 0.05, (circuit_id, site.now_s)
            allowed_a = cap_a + site.topology.circuits[circuit_id].margin_a
            over = charging and site.total_a(circuit_id)[phase] > allowed_a + 0.05
            limited.note((circuit_id, phase), over=over)
    here = [s for s in limited.standing.values() if s.limit.group_id == "g"]
    recent = any(abs(site.now_s - (s.ends_s or 0.0)) <= A_CYCLE_S for s in here)
    if settled and not recent:
        in_force = [s for s in here if s.ends_s is not None and site.now_s < s.ends_s]
        allowed = [a for s in in_force for a in s.limit.allowed_a(3) if a is not None]
        assert limited.told_a(*MEMBERS) <= min(allowed, default=1000.0) + 0.05, site.now_s
    return bound
