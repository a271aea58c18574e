"""The physics: energy is neither made nor lost, cars behave as cars do, one seed is one course."""

import pytest

from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.topology import (
    NOMINAL_V,
    ChargingStation,
    Circuit,
    Evse,
    EvseKey,
    LimitUnit,
    PhaseMap,
    Supply,
    Topology,
)
from sitecontroller.simulation.cars import Car, CarModel
from sitecontroller.simulation.plant import BuildingLoadDescription, Outlet, Plant
from sitecontroller.wire import parse_instant

AT = parse_instant("2025-03-03T06:00:00Z")
DT_S = 0.5


def car(
    phases: int = 3,
    current_a: float = 16.0,
    soc: float = 0.5,
    latency_s: float = 1.0,
    **more: float,
) -> Car:
    return Car(CarModel("test", 50_000, phases, current_a, latency_s=latency_s, **more), soc)


def topology(*evses: Evse) -> Topology:
    circuits = (
        Circuit("main", "Main", None, (63.0, 63.0, 63.0), 1.26),
        Circuit("feeder", "Feeder", "main", (40.0, 40.0, 40.0), 1.0),
    )
    stations = [ChargingStation(evse.station_id, (evse,)) for evse in evses]
    return Topology({c.circuit_id: c for c in circuits}, {s.station_id: s for s in stations}, {})


def plant(*evses: Evse, loads: tuple[BuildingLoadDescription, ...] = (), seed: int = 1) -> Plant:
    return Plant(topology(*evses), loads, seed)


def evse(number: int, phases: str = "L1L2L3", **more: object) -> Evse:
    return Evse(f"CP-{number}", 1, "feeder", phase_map=PhaseMap.parse(phases), **more)  # type: ignore[arg-type]


def charging(it: Plant, key: str, plugged: Car, offered_a: float = 32.0) -> Outlet:
    outlet = it.outlets[EvseKey.parse(key)]
    outlet.plug(plugged)
    outlet.closed, outlet.offered_a = True, offered_a
    return outlet


def run_for(it: Plant, seconds: float) -> None:
    for _ in range(round(seconds / DT_S)):
        it.step(DT_S)


def test_what_the_cars_get_and_the_building_uses_is_what_the_meter_counts() -> None:
    load = BuildingLoadDescription("main", 5, 20)
    dc = evse(3, supply=Supply.DC, limit_unit=LimitUnit.W, efficiency=0.92)
    it = plant(evse(1, "L2L3L1"), evse(2, "L3"), dc, loads=(load,))
    outlets = [
        charging(it, "CP-1/1", car(2)),
        charging(it, "CP-2/1", car(1, 32.0)),
        charging(it, "CP-3/1", car(3, 150.0, current_a_min=1.0)),
    ]
    socs = [outlet.car.soc for outlet in outlets if outlet.car]
    registers_wh = [outlet.energy_wh for outlet in outlets]
    building_wh = 0.0
    for _ in range(3600):
        it.step(DT_S)
        amperes = it.loads[0].current_a
        building_wh += sum(v * a for v, a in zip(it.voltage_v, amperes, strict=True)) * DT_S / 3600
    outlet_wh = [
        outlet.energy_wh - began for outlet, began in zip(outlets, registers_wh, strict=True)
    ]
    stored_wh = [
        (outlet.car.soc - began) * 50_000
        for outlet, began in zip(outlets, socs, strict=True)
        if outlet.car
    ]
    grid_wh = outlet_wh[0] + outlet_wh[1] + outlet_wh[2] / 0.92
    assert min(outlet_wh) > 1000
    assert stored_wh == pytest.approx(outlet_wh)
    assert it.circuits["feeder"].energy_wh == pytest.approx(grid_wh)
    assert it.circuits["main"].energy_wh == pytest.approx(grid_wh + building_wh)


@pytest.mark.parametrize(
    ("phases", "car_phases", "expected"),
    [
        ("L1L2L3", 3, (16, 16, 16)),
        ("L1L2L3", 1, (16, 0, 0)),
        ("L2L3L1", 1, (0, 16, 0)),
        ("L3L1L2", 2, (16, 0, 16)),
        ("L3", 3, (0, 0, 16)),
    ],
)
def test_a_car_loads_the_phases_its_terminals_are_wired_to(
    phases: str, car_phases: int, expected: tuple[float, ...]
) -> None:
    it = plant(evse(1, phases))
    charging(it, "CP-1/1", car(car_phases))
    run_for(it, 30)
    assert it.circuits["main"].current_a == pytest.approx(expected)
    assert it.circuits["feeder"].current_a == pytest.approx(expected)


def test_a_car_follows_a_new_limit_after_its_delay() -> None:
    it = plant(evse(1))
    outlet = charging(it, "CP-1/1", car(latency_s=4.0))
    run_for(it, 30)
    outlet.offered_a = 8.0
    run_for(it, 3.5)
    assert outlet.current_a == pytest.approx(16)
    run_for(it, 1.5)
    assert outlet.current_a == pytest.approx(8)


def test_a_car_ramps_up_instead_of_jumping() -> None:
    it = plant(evse(1))
    outlet = charging(it, "CP-1/1", car(latency_s=0.5))
    run_for(it, 2)
    assert 0 < outlet.current_a < 16


def test_a_car_pauses_below_six_amperes() -> None:
    it = plant(evse(1))
    outlet = charging(it, "CP-1/1", car(), offered_a=5.9)
    run_for(it, 30)
    assert outlet.current_a == 0


def test_a_car_may_take_less_than_offered() -> None:
    it = plant(evse(1))
    outlet = charging(it, "CP-1/1", car(current_a=32.0, share=0.9), offered_a=20.0)
    run_for(it, 30)
    assert outlet.current_a == pytest.approx(18)


def test_a_car_tapers_and_is_full_in_the_end() -> None:
    it = plant(evse(1))
    outlet = charging(it, "CP-1/1", car(soc=0.94))
    run_for(it, 60)
    early_a = outlet.current_a
    run_for(it, 900)
    late_a = outlet.current_a
    run_for(it, 7200)
    assert 16 > early_a > late_a > 0
    assert outlet.car is not None
    assert (outlet.car.is_full, outlet.current_a, outlet.wanted_a) == (True, 0, 0)


def test_an_open_contactor_ends_the_current_at_once() -> None:
    it = plant(evse(1))
    outlet = charging(it, "CP-1/1", car())
    run_for(it, 30)
    outlet.closed = False
    it.step(DT_S)
    assert it.circuits["main"].current_a == (0, 0, 0)


def test_the_building_steps_differently_on_each_phase_and_stays_in_its_range() -> None:
    it = plant(evse(1), loads=(BuildingLoadDescription("main", 8, 24),))
    seen = []
    for _ in range(7200):
        it.step(1)
        seen.append(it.loads[0].current_a)
    assert all(8 - 0.3 <= a <= 24 for currents in seen for a in currents)
    for phase in range(3):
        assert max(c[phase] for c in seen) - min(c[phase] for c in seen) > 6
    assert len({tuple(round(a) for a in currents) for currents in seen}) > 20


def test_a_step_of_the_building_is_remembered_on_every_circuit_above() -> None:
    it = plant(evse(1), loads=(BuildingLoadDescription("feeder", 8, 24, every_s=(20, 20)),))
    run_for(it, 19)
    assert it.circuits["main"].last_change_s < 0
    run_for(it, 300)
    assert it.circuits["main"].last_change_s > 0
    assert it.circuits["main"].last_step_s == it.circuits["feeder"].last_step_s


def test_a_meter_shows_power_as_volts_times_amperes() -> None:
    it = plant(evse(1, "L2"))
    charging(it, "CP-1/1", car(1))
    run_for(it, 30)
    reading = it.reading("main", AT)
    assert isinstance(reading, MeterReading)
    assert reading.power_phase_w[1] == pytest.approx(16 * it.voltage_v[1])
    assert reading.power_w == pytest.approx(16 * NOMINAL_V, rel=0.01)


def course(seed: int) -> list[tuple[float, ...]]:
    it = plant(evse(1), loads=(BuildingLoadDescription("main", 8, 24),), seed=seed)
    charging(it, "CP-1/1", car())
    seen = []
    for _ in range(600):
        it.step(1)
        seen.append((*it.circuits["main"].current_a, it.outlets[EvseKey("CP-1", 1)].energy_wh))
    return seen


def test_one_seed_is_one_course() -> None:
    assert course(1) == course(1)
    assert course(1) != course(2)
