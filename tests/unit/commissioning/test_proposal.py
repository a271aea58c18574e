"""Which EVSEs keep a fallback on a site whose fuses can't bear one for each."""

from collections import Counter
from itertools import pairwise

import pytest

from sitecontroller.dlm.fallback_plan import propose_fallbacks
from sitecontroller.domain.errors import ConfigurationError
from sitecontroller.domain.topology import ChargingStation, Circuit, Evse, PhaseMap, Topology


def site(limit_a: float = 63.0, base_a: float = 20.0, each: int = 8, phases: str = "L1L2L3"):
    """Two feeders of 63 A with `each` EVSEs, all with a fallback of 6 A, behind one fuse."""
    circuits = {
        "main": Circuit("main", "Main", None, (limit_a,) * 3, 1.0, worst_base_a=(base_a,) * 3),
        "north": Circuit("north", "North", "main", (63.0,) * 3, 1.0),
        "south": Circuit("south", "South", "main", (63.0,) * 3, 1.0),
    }
    stations = {}
    for number in range(2 * each):
        station_id = f"CP-{number + 1:02d}"
        circuit = "north" if number < each else "south"
        evse = Evse(station_id, 1, circuit, phase_map=PhaseMap.parse(phases), fallback_a=6.0)
        stations[station_id] = ChargingStation(station_id, (evse,))
    return Topology(circuits, stations, {})


def kept(proposal) -> list[str]:
    return [each.station_id for each in proposal.evses if each.proposed_a > 0]


def test_as_many_keep_one_as_fit_and_the_proof_says_so():
    proposal = propose_fallbacks(site())
    assert len(kept(proposal)) == 7  # 43 A left for 6 A each
    assert "Main L1: fallbacks 42 A of 7 EVSEs + worst base load 20 A = 62 A ≤ 63 A" in (
        proposal.proof
    )
    assert len(proposal.write) == 9
    assert "fallback_a = 0   # was 6" in proposal.write[0]


def test_feeders_share_what_there_is():
    proposal = propose_fallbacks(site())
    halves = Counter(int(station_id[-2:]) <= 8 for station_id in kept(proposal))
    assert sorted(halves.values()) == [3, 4]


def test_they_lie_spread_not_side_by_side():
    north = [int(s[-2:]) for s in kept(propose_fallbacks(site(limit_a=50.0))) if s <= "CP-08"]
    assert len(north) == 3
    assert all(later - earlier > 2 for earlier, later in pairwise(north))


def test_what_fits_for_all_is_given_to_all():
    proposal = propose_fallbacks(site(limit_a=200.0))
    assert len(kept(proposal)) == 16
    assert proposal.write == ()


def test_where_the_building_alone_breaks_the_fuse_nothing_is_proposed():
    with pytest.raises(ConfigurationError):
        propose_fallbacks(site(limit_a=15.0))
