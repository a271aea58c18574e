"""site.toml is checked whole: every fault is named by its key, with the remedy."""

from pathlib import Path

import pytest

from sitecontroller.config import SiteConfig, load_config, parse_config
from sitecontroller.domain.errors import ConfigurationError
from sitecontroller.domain.topology import EvseKey

GOOD = {
    "meters": [{"id": "grid", "model": "eastron-sdm630", "url": "tcp://10.0.0.2:502"}],
    "circuits": [
        {"id": "main", "limit_a": 63, "meter": "grid"},
        {"id": "feeder", "parent": "main", "limit_a": [32, 32, 25]},
    ],
    "stations": [{"id": "CP-01", "circuit": "feeder", "evses": [{"phases": "L2L3L1"}]}],
}


def parsed(**changes: object) -> SiteConfig:
    return parse_config({**GOOD, **changes}, base_dir=Path("site"))


def test_a_small_site_reads_as_its_electrician_wrote_it():
    config = parsed()
    evse = config.topology.evse(EvseKey("CP-01", 1))
    assert evse is not None
    assert str(evse.phase_map) == "L2L3L1"
    assert config.topology.circuits["feeder"].limit_a == (32, 32, 25)
    assert config.topology.circuits["main"].margin_a == pytest.approx(1.26)
    assert [c.circuit_id for c in config.topology.path("feeder")] == ["feeder", "main"]


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"circuit": []}, "circuit"),
        ({"circuits": [{"id": "a", "limit_a": 63}, {"id": "b", "limit_a": 63}]}, "circuits"),
        ({"circuits": [{"id": "main", "limit_a": "63"}]}, "circuits[main].limit_a"),
        ({"circuits": [{"id": "main", "limit_a": 63, "meter": "x"}]}, "circuits[main].meter"),
        ({"circuits": [{"id": "main", "limit": 63}]}, "circuits[main].limit"),
        ({"stations": [{"id": "CP 01", "circuit": "main", "evses": [{}]}]}, "stations[CP 01].id"),
        ({"stations": [{"id": "A", "circuit": "x", "evses": [{}]}]}, "stations[A].circuit"),
        ({"stations": [{"id": "A", "circuit": "main"}]}, "stations[A].evses"),
        (
            {"stations": [{"id": "A", "circuit": "main", "evses": [{"fallback_a": 3}]}]},
            "stations[A].evses[1].fallback_a",
        ),
        (
            {"stations": [{"id": "A", "circuit": "main", "evses": [{"phases": "L1L1"}]}]},
            "stations[A].evses[1].phases",
        ),
        (
            {
                "stations": [
                    {"id": "A", "circuit": "main", "evses": [{"supply": "DC", "limit_unit": "A"}]}
                ]
            },
            "stations[A].evses[1].limit_unit",
        ),
        ({"ocpp": {"port": 99999}}, "ocpp.port"),
        ({"api": {"host": "0.0.0.0"}}, "api.host"),
        ({"site": {"time_zone": "Mars/Olympus"}}, "site.time_zone"),
    ],
)
def test_a_fault_names_its_key(changes, key):
    with pytest.raises(ConfigurationError) as caught:
        parsed(**changes)
    assert key in [fault.field for fault in caught.value.errors]
    assert key in caught.value.detail
    assert caught.value.remedy


def test_all_faults_are_told_at_once():
    with pytest.raises(ConfigurationError) as caught:
        parsed(ocpp={"port": -1}, api={"port": "x"})
    assert {fault.field for fault in caught.value.errors} == {"ocpp.port", "api.port"}


def test_two_stations_that_differ_in_case_only_are_refused():
    station = {"circuit": "main", "evses": [{}]}
    with pytest.raises(ConfigurationError, match="used twice"):
        parsed(stations=[{"id": "cp-01", **station}, {"id": "CP-01", **station}])


def test_a_missing_file_says_how_to_make_one(tmp_path):
    with pytest.raises(ConfigurationError) as caught:
        load_config(tmp_path / "site.toml")
    assert "init" in caught.value.remedy


def test_a_broken_file_names_the_line(tmp_path):
    (tmp_path / "site.toml").write_text("[site\nid = 1")
    with pytest.raises(ConfigurationError, match="line 1"):
        load_config(tmp_path / "site.toml")
