"""[[groups]] of site.toml: EVSEs limited together, faults named with the remedy."""

from pathlib import Path
from typing import Any

import pytest

from sitecontroller.config import SiteConfig, parse_config
from sitecontroller.dlm.fallbacks import prove_fallbacks
from sitecontroller.domain.errors import ConfigurationError
from sitecontroller.domain.topology import HIGHEST_V, EvseKey


def parsed(*groups: dict[str, Any], fallback_a: float = 0.0, **circuit: Any) -> SiteConfig:
    evses = [{"fallback_a": fallback_a}, {"phases": "L2"}]
    return parse_config(
        {
            "circuits": [{"id": "main", "limit_a": 63, **circuit}],
            "stations": [
                {"id": name, "circuit": "main", "evses": evses} for name in ("CP-01", "CP-02")
            ],
            "groups": list(groups),
        },
        base_dir=Path("site"),
    )


def test_a_group_names_stations_or_single_outlets() -> None:
    topology = parsed({"id": "g", "evses": ["CP-01", "CP-02/2"]}).topology
    assert topology.groups["g"].members == (
        EvseKey("CP-01", 1),
        EvseKey("CP-01", 2),
        EvseKey("CP-02", 2),
    )
    assert topology.group_limit_a("g") is None


def test_watts_are_spread_over_the_phases_its_outlets_have_at_the_highest_voltage() -> None:
    three = parsed({"id": "g", "evses": ["CP-01"], "limit_w": 11_000}).topology
    one = parsed({"id": "g", "evses": ["CP-01/2", "CP-02/2"], "limit_w": 4_200}).topology
    assert three.group_limit_a("g") == pytest.approx((11_000 / HIGHEST_V / 3,) * 3)
    assert one.group_limit_a("g") == pytest.approx((4_200 / HIGHEST_V,) * 3)


def test_of_amperes_and_watts_the_smaller_counts() -> None:
    group = {"id": "g", "evses": ["CP-01"], "limit_w": 11_000, "limit_a": [10, 32, 32]}
    assert parsed(group).topology.group_limit_a("g") == pytest.approx(
        (10, 14.493, 14.493), abs=1e-3
    )


@pytest.mark.parametrize(
    ("group", "key", "words"),
    [
        ({"id": "g"}, "groups[g].evses", "is missing"),
        (
            {"id": "g", "evses": ["CP-09"]},
            "groups[g].evses",
            "no charger or outlet is called CP-09",
        ),
        ({"id": "g", "evses": ["CP-01/3"]}, "groups[g].evses", 'or "ID/1" for its outlet 1'),
        ({"id": "main", "evses": ["CP-01"]}, "groups[main].id", "another group or of a circuit"),
        ({"id": "g", "evses": ["CP-01"], "limit": 5}, "groups[g].limit", "misspelt"),
        ({"id": "g", "evses": ["CP-01"], "limit_a": 0}, "groups[g].limit_a", "from 1 to 6300"),
    ],
)
def test_a_fault_names_its_key_and_what_to_do(group: dict[str, Any], key: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        parsed(group)
    assert [error.field for error in refusal.value.errors] == [key]
    assert words in refusal.value.errors[0].message


def test_the_fallbacks_of_a_group_must_fit_its_own_limit() -> None:
    group = {"id": "g", "name": "Module", "evses": ["CP-01", "CP-02"], "limit_a": 10}
    with pytest.raises(ConfigurationError, match="Module L1: fallbacks 12 A of 2 EVSEs") as refusal:
        prove_fallbacks(parsed(group, fallback_a=6).topology)
    assert {error.field for error in refusal.value.errors} == {"groups[g]"}
    proof = prove_fallbacks(parsed({**group, "limit_a": 12}, fallback_a=6).topology)
    assert "Module L1: fallbacks 12 A of 2 EVSEs + worst base load 0 A = 12 A ≤ 12 A" in proof


def test_a_circuit_may_say_how_far_its_phases_may_differ() -> None:
    assert parsed(imbalance_a=20).topology.circuits["main"].imbalance_a == 20
    assert parsed().topology.circuits["main"].imbalance_a is None
