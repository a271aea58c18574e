"""The judge lets honest sharing pass and fails each easy way out."""

from collections.abc import Callable

import pytest

from sitecontroller.domain.topology import (
    PHASES,
    ChargingStation,
    Circuit,
    Evse,
    EvseKey,
    PhaseMap,
    Topology,
)
from sitecontroller.simulation.cars import Car, CarModel
from sitecontroller.simulation.judge import Judge, Verdict
from sitecontroller.simulation.plant import BuildingLoadDescription, Plant

Policy = Callable[[Plant], None]
CARS = 4
ROTATIONS = ("L1L2L3", "L2L3L1", "L3L1L2", "L1L2L3")
LOAD = BuildingLoadDescription("main", 8, 24)


def small_site(*, load: BuildingLoadDescription | None = LOAD, battery_wh: float = 60_000) -> Plant:
    main = Circuit("main", "Main", None, (63.0, 63.0, 63.0), 1.26)
    feeder = Circuit("feeder", "Feeder", "main", (50.0, 50.0, 50.0), 1.0)
    evses = [
        Evse(f"CP-{n}", 1, "feeder", phase_map=PhaseMap.parse(ROTATIONS[n])) for n in range(CARS)
    ]
    stations = {e.station_id: ChargingStation(e.station_id, (e,)) for e in evses}
    topology = Topology({"main": main, "feeder": feeder}, stations, {})
    plant = Plant(topology, () if load is None else (load,), seed=3)
    for outlet in plant.outlets.values():
        outlet.plug(Car(CarModel("test", battery_wh, 3, 32.0, latency_s=1.0), 0.3))
        outlet.closed = True
    return plant


def judged(plant: Plant, policy: Policy, minutes: int = 30) -> Verdict:
    judge = Judge(plant)
    for _ in range(minutes * 60):
        policy(plant)
        for _ in range(2):
            plant.step(0.5)
        judge.observe()
    return judge.verdict()


def share_evenly(plant: Plant) -> None:
    """What is free below every limit − margin, by what truly flows, the same for each car."""
    free_a = min(
        circuit.circuit.limit_a[phase] - circuit.circuit.margin_a - base_a[phase]
        for circuit, base_a in (
            (plant.circuits["main"], plant.loads[0].current_a),
            (plant.circuits["feeder"], (0.0, 0.0, 0.0)),
        )
        for phase in PHASES
    )
    for outlet in plant.outlets.values():
        outlet.offered_a = free_a / CARS


def offer(current_a: float) -> Policy:
    def policy(plant: Plant) -> None:
        for outlet in plant.outlets.values():
            outlet.offered_a = current_a

    return policy


def test_sharing_what_is_free_passes() -> None:
    verdict = judged(small_site(), share_evenly)
    assert verdict.passed, verdict
    assert verdict.counted_s > 600


@pytest.mark.parametrize("current_a", [6.0, 0.0], ids=["the minimum for all", "0 for all"])
def test_an_idle_fuse_fails(current_a: float) -> None:
    verdict = judged(small_site(), offer(current_a))
    assert verdict.excess_as == 0
    assert verdict.use is not None
    assert verdict.use < 0.9
    assert not verdict.passed


def test_all_for_everybody_fails_on_excess() -> None:
    verdict = judged(small_site(), offer(32.0), minutes=2)
    assert verdict.excess_as > 1000
    assert not verdict.passed


def test_excess_is_counted_in_ampere_seconds() -> None:
    plant = small_site(load=None)
    judged(plant, offer(12.5), minutes=1)
    at_the_limit = judged(plant, offer(12.5), minutes=1)
    judged(plant, offer(13.0), minutes=1)
    two_amperes_over = judged(plant, offer(13.0), minutes=1)
    assert at_the_limit.excess_as == pytest.approx(0)
    assert two_amperes_over.excess_as == pytest.approx(3 * 2 * 60)


def test_excess_right_after_a_step_of_the_building_is_allowed_for_twelve_seconds() -> None:
    plant = small_site(
        load=BuildingLoadDescription("main", 1, 40, step_a_max=30, every_s=(100, 100))
    )
    judge = Judge(plant)
    while plant.circuits["main"].last_change_s < 0:
        share_evenly(plant)
        plant.step(1)
        judge.observe()
    calm = judge.verdict()
    for outlet in plant.outlets.values():
        outlet.offered_a = 32.0
    for _ in range(12):
        plant.step(1)
        judge.observe()
    within = judge.verdict()
    plant.step(1)
    judge.observe()
    after = judge.verdict()
    main_risen = [t > 0 for t in plant.circuits["main"].last_step_s]
    assert any(main_risen)
    assert within.allowed_as > calm.allowed_as
    assert after.excess_as > within.excess_as


def test_full_cars_excuse_an_idle_fuse() -> None:
    plant = small_site(load=None)
    for outlet in plant.outlets.values():
        assert outlet.car is not None
        outlet.car.soc = 1.0
    verdict = judged(plant, offer(6.0), minutes=5)
    assert verdict.use is None
    assert verdict.passed


def test_a_car_without_a_transaction_is_not_hungry() -> None:
    plant = small_site(load=None)
    for outlet in plant.outlets.values():
        outlet.closed = False
    assert judged(plant, offer(32.0), minutes=3).use is None


def test_only_circuits_above_a_hungry_car_count() -> None:
    """A full feeder elsewhere doesn't excuse a car that is starved on an empty one."""
    circuits = [Circuit("main", "Main", None, (200.0,) * 3, 4.0)]
    circuits += [Circuit(name, name, "main", (32.0,) * 3, 1.0) for name in ("full", "empty")]
    evses = [Evse("CP-0", 1, "full"), Evse("CP-1", 1, "empty")]
    plant = Plant(
        Topology(
            {c.circuit_id: c for c in circuits},
            {e.station_id: ChargingStation(e.station_id, (e,)) for e in evses},
            {},
        ),
        (),
        seed=1,
    )
    for key, current_a in (("CP-0/1", 31.0), ("CP-1/1", 32.0)):
        outlet = plant.outlets[EvseKey.parse(key)]
        outlet.plug(Car(CarModel("test", 60_000, 3, current_a, latency_s=1.0), 0.3))
        outlet.closed = True
    plant.outlets[EvseKey("CP-0", 1)].offered_a = 32.0
    plant.outlets[EvseKey("CP-1", 1)].offered_a = 6.0
    verdict = judged(plant, lambda _: None, minutes=3)
    assert verdict.use == pytest.approx(37 / 196, abs=0.02)


def test_the_verdict_is_one_line_with_both_figures() -> None:
    line = str(judged(small_site(), share_evenly, minutes=5))
    assert "\n" not in line
    assert "A·s above a limit" in line
    assert "% of limit − margin" in line
