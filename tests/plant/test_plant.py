"""Fifty scenarios with every change, and four wrong controllers that the judge must see.

`make soak` plays ten thousand, longer ones: `python -m tests.plant`.
"""

from dataclasses import replace

import pytest

from sitecontroller.domain.topology import ChargingStation, Circuit, Evse, EvseKey, Meter, Topology
from sitecontroller.simulation.cars import CarModel
from sitecontroller.simulation.plant import BuildingLoadDescription
from tests.plant.controls import Break, believes_accepted, everybody_gets, never_falls_back
from tests.plant.report import faults, table, totals
from tests.plant.runs import play_scenario, run
from tests.plant.scenario import Mishap, Scenario, StationTraits, Visit, scenario

MINUTES = 6
SEEDS_EACH = 5
SEED = 2


@pytest.mark.slow
@pytest.mark.parametrize("first", range(20_000, 20_050, SEEDS_EACH))
def test_what_flows_is_within_the_limits_and_the_allowances(first: int) -> None:
    rows = [run(seed, MINUTES, twin=False) for seed in range(first, first + SEEDS_EACH)]
    failed = {row["seed"]: faults(row) for row in rows if faults(row)}
    assert not failed, failed


def test_a_seed_is_the_same_scenario_and_the_same_run_for_ever() -> None:
    assert scenario(7) == scenario(7)
    assert run(7, MINUTES, twin=False) == run(7, MINUTES, twin=False)


def test_a_car_that_began_before_its_charger_took_its_fallback_may_still_follow_what_it_had() -> (
    None
):
    assert run(880_452, None, twin=False)["beyond_as"] == 0


def test_a_step_does_not_hide_behind_a_car_that_has_not_begun() -> None:
    assert run(910_403, None, twin=False)["beyond_as"] == 0


def crowded(*mishaps: Mishap, seed: int = SEED) -> Scenario:
    """Three cars that could take 32 A each below a fuse of 50 A, the last one quicker than the
    others, and a building that steps."""
    keys = [EvseKey(f"CP-{number}", 1) for number in range(1, 4)]
    site = Topology(
        circuits={"main": Circuit("main", "Main", None, (50.0,) * 3, 1.0, "m", (16.0,) * 3)},
        stations={
            key.station_id: ChargingStation(
                key.station_id, (Evse(key.station_id, 1, "main", fallback_a=0.0),)
            )
            for key in keys
        },
        meters={"m": Meter("m", "m", "SDM630", "tcp://127.0.0.1:1")},
    )
    slow, quick = CarModel("car", 60_000.0, 3, 32.0, 5.0), CarModel("car", 60_000.0, 3, 32.0, 0.5)
    *others, last = keys
    return Scenario(
        seed=seed,
        topology=site,
        loads=(BuildingLoadDescription("main", 0.0, 16.0, 14.0, (150.0, 220.0)),),
        stations={
            **dict.fromkeys(site.stations, StationTraits(latency_s=3.0)),
            last.station_id: StationTraits(latency_s=0.2),
        },
        averages_s={"m": 1},
        visits=(
            *(Visit(key, 0.0, 3600.0, slow, 0.2) for key in others),
            Visit(last, 90.0, 3600.0, quick, 0.2),
        ),
        mishaps=mishaps,
        sample_interval_s=10.0,
        lease_s=120,
        minutes=12,
    )


KILLED = Mishap("killed", "", 240.0, 1e9)


@pytest.mark.parametrize("mishaps", [(), (KILLED,)], ids=["calm", "killed"])
def test_a_crowded_site_passes(mishaps: tuple[Mishap, ...]) -> None:
    assert faults(play_scenario(crowded(*mishaps))) == []


@pytest.mark.parametrize(("seed", "from_s"), [(4, 120.0), (5, 174.0), (5, 186.0), (7, 150.0)])
def test_a_frozen_meter_hides_a_step_no_longer_than_its_allowance(seed: int, from_s: float) -> None:
    """The building steps just before, or while, the registers stand still."""
    frozen = Mishap("frozen", "m", from_s, 420.0)
    assert faults(play_scenario(crowded(frozen, seed=seed))) == []


@pytest.mark.parametrize(
    ("wrong", "mishaps", "words"),
    [
        (everybody_gets(0.0), (), "used to"),
        (everybody_gets(6.0), (), "used to"),
        (believes_accepted, (), "beyond every allowance"),
        (never_falls_back, (KILLED,), "beyond every allowance"),
    ],
    ids=["nothing for all", "the minimum for all", "believes Accepted", "never falls back"],
)
def test_a_wrong_controller_fails(
    monkeypatch: pytest.MonkeyPatch, wrong: Break, mishaps: tuple[Mishap, ...], words: str
) -> None:
    wrong(monkeypatch)
    found = faults(play_scenario(crowded(*mishaps)))
    assert any(words in fault for fault in found), found


def test_the_same_site_with_nothing_going_wrong_delivers_at_least_as_much() -> None:
    made = replace(crowded(), sample_interval_s=60.0)
    slow, best = play_scenario(made), play_scenario(made.spared())
    assert slow["energy_wh"] >= 0.85 * best["energy_wh"]


def test_the_report_adds_runs_up() -> None:
    rows = [run(seed, MINUTES, twin=True) for seed in (1, 2)]
    total = totals(rows)
    assert total["runs"] == 2
    assert total["beyond_as"] == sum(row["beyond_as"] for row in rows)
    assert table(total).startswith("2 runs")
