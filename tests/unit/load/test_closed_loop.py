"""Half an hour of a full car park: within its limits, and used. Judged by what truly flows."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from sitecontroller.dlm import Allocations, Snapshot, allocate
from sitecontroller.domain.topology import PHASES, Circuit, Topology
from sitecontroller.services.load import cycle as load_module
from sitecontroller.simulation.cars import Car
from sitecontroller.simulation.judge import Verdict
from sitecontroller.simulation.plant import BuildingLoadDescription
from tests.unit.load.site import (
    HEAR_S,
    Behaviour,
    Site,
    car,
    evse,
    key,
    main_circuit,
    play,
    topology,
)

STATIONS = 12
MINUTES = 30
ROTATIONS = ("L1L2L3", "L2L3L1", "L3L1L2", "L1", "L2", "L3")


def car_park(fallback_a: float = 6.0) -> Topology:
    """Main 3 × 63 A, one feeder with a meter and one without; two EVSEs have a fallback."""
    return topology(
        main_circuit(),
        Circuit("a", "Feeder A", "main", (40.0,) * 3, 1.0, "fa", (5.0,) * 3),
        Circuit("b", "Feeder B", "main", (40.0,) * 3, 1.0),
        evses=[
            evse(
                number,
                "a" if number <= 6 else "b",
                phases=ROTATIONS[number % 6],
                fallback_a=fallback_a if number in (6, 12) else 0.0,
                step_a=1.0 if number % 4 == 0 else 0.1,
            )
            for number in range(1, STATIONS + 1)
        ],
        meters=("main", "fa"),
    )


def busy_site(seed: int, *, sample_interval_s: float = 10.0) -> Site:
    rng = Random(seed)
    park = car_park()
    return Site(
        park,
        behaviour={
            station_id: Behaviour(
                latency_s=rng.uniform(0.2, 3.0), sample_interval_s=sample_interval_s
            )
            for station_id in park.stations
        },
        loads=(
            BuildingLoadDescription("main", 2, 28),
            BuildingLoadDescription("a", 0, 5, step_a_max=4),
        ),
        seed=seed,
        sample_interval_s=sample_interval_s,
    )


async def half_an_hour(
    seed: int,
    *,
    minutes: int = MINUTES,
    sample_interval_s: float = 10.0,
    look: Callable[[Site], None] = lambda site: None,
    end: Callable[[Site], None] = lambda site: None,
) -> Verdict:
    site = busy_site(seed, sample_interval_s=sample_interval_s)
    rng = Random(seed)
    loop = asyncio.get_running_loop()
    async with site:
        site.connect()
        await site.advance(HEAR_S)
        for _ in range(minutes * 6):
            await site.advance(10, lambda: look(site))
            for number in range(1, STATIONS + 1):
                outlet = site.plant.outlets[key(number)]
                if outlet.car is None and rng.random() < 0.1:
                    model = car(
                        rng.choice((16, 20, 32)),
                        phase_count=rng.choice((1, outlet.evse.phase_count)),
                        latency_s=rng.uniform(0.5, 5),
                        share=rng.uniform(0.93, 1),
                    )
                    battery_wh = rng.uniform(4_000, 12_000)
                    site.plug(key(number), replace(model, battery_wh=battery_wh), 0.3)
                    loop.call_later(rng.uniform(10, 20), begin_if_there, site, number)
                elif outlet.car is not None and leaves(outlet.car, rng):
                    site.leave(key(number))
        end(site)
    return site.judge.verdict()


def leaves(car: Car, rng: Random) -> bool:
    return rng.random() < (0.05 if car.is_full else 0.01)


def begin_if_there(site: Site, number: int) -> None:
    if site.plant.outlets[key(number)].car is not None:
        site.begin(key(number))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_full_car_park_stays_within_its_limits_and_uses_them(seed: int) -> None:
    """And the exposure bounds what every station would let flow (S1): at every instant, between a
    command and its answer too."""
    breaches: list[str] = []

    def look(site: Site) -> None:
        for evse_key, transaction in site.running.items():
            view = site.load.limit_view(evse_key)
            allowed_a = site.plant.outlets[evse_key].offered_a
            if view and view.exposure_a < allowed_a - 0.06 and transaction.key in known:
                breaches.append(f"{site.now_s:.1f}: {evse_key} {allowed_a} > {view.exposure_a}")
        known.update(transaction.key for transaction in site.running.values())

    known: set[str] = set()
    verdict = play(half_an_hour(seed, look=look))
    assert verdict.passed, str(verdict)
    assert verdict.counted_s > 600
    assert known
    assert not breaches, breaches[:3]


def everybody(current_a: float) -> Callable[[Snapshot], Allocations]:
    """An allocator that gives each the same, whatever there is."""

    def decide(snapshot: Snapshot) -> Allocations:
        right = allocate(snapshot)
        return Allocations(
            "negative control",
            {k: a._replace(current_a=min(a.current_a, current_a)) for k, a in right.by_key.items()},
        )

    return decide


@pytest.mark.parametrize("current_a", [0.0, 6.0])
def test_nothing_or_the_minimum_for_all_is_no_load_management(
    monkeypatch: pytest.MonkeyPatch, current_a: float
) -> None:
    monkeypatch.setattr(load_module, "allocate", everybody(current_a))
    verdict = play(half_an_hour(1, minutes=15))
    assert verdict.excess_as == 0
    assert not verdict.passed


def test_without_regard_to_exposure_limits_are_exceeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge can see an excess: here room is given away before it is free."""
    monkeypatch.setattr(load_module, "allocate", generous)
    assert not play(half_an_hour(2)).passed


def generous(snapshot: Snapshot) -> Allocations:
    circuits = tuple(
        replace(c, base_a=(0.0, 0.0, 0.0), cap_a=(100.0, 100.0, 100.0)) for c in snapshot.circuits
    )
    object.__setattr__(snapshot, "circuits", circuits)
    return allocate(snapshot)


def test_no_command_of_ours_overdraws_a_circuit() -> None:
    """S1 with a still building: base load + exposure never exceeds limit − margin."""
    worst = play(still_building())
    assert worst <= 0.05


async def still_building() -> float:
    site = Site(car_park(fallback_a=0.0))
    site.base_a = {"main": (12.0, 20.0, 9.0), "a": (1.0, 2.0, 3.0)}
    worst = float("-inf")

    def look() -> None:
        nonlocal worst
        for circuit_id in site.topology.circuits:
            view = site.load.circuit_view(circuit_id)
            for phase in PHASES:
                base, exposure, cap = view.base_a[phase], view.exposure_a[phase], view.cap_a[phase]
                if base is not None and exposure is not None and cap is not None:
                    worst = max(worst, base + exposure - cap)

    async with site:
        await site.settle()
        await site.advance(30)
        for number in range(1, STATIONS + 1):
            outlet = site.plant.outlets[key(number)]
            site.plug(key(number), car(phase_count=outlet.evse.phase_count))
            await site.advance(15, look)
            site.begin(key(number))
            await site.advance(25, look)
        await site.advance(120, look)
        assert site.judge.verdict().excess_as == 0
    return worst


def test_a_site_of_slow_stations_delivers_nearly_as_much() -> None:
    """Readings every 60 s: at least 85 % of what the same site delivers at 1 s."""

    def delivered_wh(sample_interval_s: float) -> float:
        registers: list[float] = []

        def note(site: Site) -> None:
            registers.append(sum(outlet.energy_wh for outlet in site.plant.outlets.values()))

        run = half_an_hour(5, minutes=18, sample_interval_s=sample_interval_s, look=note, end=note)
        verdict = play(run)
        assert verdict.excess_as == 0, str(verdict)
        return registers[-1] - registers[0]

    assert delivered_wh(60) >= 0.85 * delivered_wh(1)


def test_limits_come_to_rest() -> None:
    """With a rippling but otherwise still building and steady cars nothing is told to and fro."""
    assert play(calm_site()) <= 2


async def calm_site() -> int:
    site = busy_site(1)
    site.plant.loads.clear()
    async with site:
        await site.settle()
        for number in range(1, STATIONS + 1):
            site.charge(key(number), car(phase_count=1))
        rng = Random(1)
        changes = 0
        for second in range(900):
            site.base_a["main"] = tuple(15 + rng.uniform(-0.2, 0.2) for _ in PHASES)
            before = [site.told_a(number) for number in range(1, STATIONS + 1)]
            await site.advance(1)
            after = [site.told_a(number) for number in range(1, STATIONS + 1)]
            if second > 300:
                changes += sum(a != b for a, b in zip(before, after, strict=True))
    return changes // STATIONS
