"""S2: the sum of fallbacks and the worst base load fits every circuit and phase."""

from dataclasses import replace

import pytest

from sitecontroller.dlm.fallbacks import prove_fallbacks
from sitecontroller.dlm.limits import Limit, smallest
from sitecontroller.domain.errors import ConfigurationError
from sitecontroller.domain.topology import ChargingStation, Circuit, Evse, PhaseMap, Topology


def site(fallback_a: float, *, worst_base_a: float = 40.0, phases: str = "L1L2L3") -> Topology:
    circuits = {
        "main": Circuit("main", "Main", None, (63.0,) * 3, 1.26, None, (worst_base_a,) * 3),
        "a": Circuit("a", "Feeder A", "main", (20.0,) * 3, 1.0),
    }
    stations = {
        f"CP-{n}": ChargingStation(
            f"CP-{n}",
            (Evse(f"CP-{n}", 1, "a", fallback_a=fallback_a, phase_map=PhaseMap.parse(phases)),),
        )
        for n in range(4)
    }
    return Topology(circuits, stations, {})


def test_the_proof_has_a_line_per_circuit_and_phase() -> None:
    lines = prove_fallbacks(site(0.0))
    assert len(lines) == 6
    assert lines[0] == "Main L1: fallbacks 0 A of 0 EVSEs + worst base load 40 A = 40 A ≤ 63 A"


def test_too_many_fallbacks_are_refused_with_the_numbers() -> None:
    with pytest.raises(ConfigurationError) as refusal:
        prove_fallbacks(site(6.0))
    first = refusal.value.errors[0]
    assert first.field == "circuits[main]"
    assert "24 A of 4 EVSEs + worst base load 40 A = 64 A, above its 63 A" in first.message
    assert {error.field for error in refusal.value.errors} == {"circuits[main]", "circuits[a]"}


def test_single_phase_fallbacks_count_on_their_phase_only() -> None:
    topology = site(6.0, worst_base_a=10.0, phases="L2")
    with pytest.raises(ConfigurationError) as refusal:
        prove_fallbacks(topology)
    assert [error.message[:11] for error in refusal.value.errors] == ["Feeder A L2"]


def test_base_loads_of_feeders_add_up_on_the_way_up() -> None:
    topology = site(0.0, worst_base_a=0.0)
    circuits = {
        **topology.circuits,
        "a": replace(topology.circuits["a"], worst_base_a=(15.0,) * 3),
        "b": Circuit("b", "Feeder B", "main", (70.0,) * 3, 1.0, None, (50.0,) * 3),
    }
    with pytest.raises(ConfigurationError, match=r"Main L1.*65 A, above its 63 A"):
        prove_fallbacks(replace(topology, circuits=circuits))


def test_the_smallest_limit_in_force_wins() -> None:
    limits = [Limit(16, "Feeder B, L2", "b"), Limit(6, "grid operator", "grid", ends_s=100)]
    assert smallest(limits, 99) == limits[1]
    assert smallest(limits, 100) == limits[0]
    assert smallest([], 0) is None
