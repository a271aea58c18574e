"""[load.demand] and [load.surplus] of site.toml: what they mean, faults named with the remedy."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sitecontroller.config import LoadSettings, parse_config
from sitecontroller.dlm.surplus import SurplusMode
from sitecontroller.domain.errors import ConfigurationError

WINTER_EVENING = {"months": ["Nov", "Dec"], "from": "17:00", "until": "19:30", "target_w": 9_000}


def parsed(**load: Any) -> LoadSettings:
    meters = [
        {"id": name, "model": "SDM630", "url": "tcp://10.0.0.9:502"} for name in ("grid", "bat")
    ]
    return parse_config(
        {
            "meters": meters,
            "circuits": [
                {"id": "main", "limit_a": 63, "meter": "grid"},
                {"id": "side", "limit_a": 32, "parent": "main"},
            ],
            "stations": [{"id": "CP-01", "circuit": "main", "evses": [{}]}],
            "groups": [{"id": "pv", "evses": ["CP-01"]}],
            "load": load,
        },
        base_dir=Path("site"),
    ).load


def test_without_these_tables_nothing_but_fuses_limits():
    assert parsed() == LoadSettings()


def test_a_target_is_for_quarter_hours_of_the_main_circuit():
    demand = parsed(demand={"target_w": 30_000}).demand
    assert demand is not None
    assert (demand.circuit_id, demand.period_s, demand.target_w) == ("main", 900, 30_000)


def test_the_target_of_a_season_counts_in_its_hours_on_the_sites_clock():
    demand = parsed(demand={"target_w": 30_000, "windows": [WINTER_EVENING]}).demand
    assert demand is not None
    assert demand.target_w_at(datetime(2026, 11, 3, 16, 0, tzinfo=UTC)) == 9_000
    assert demand.target_w_at(datetime(2026, 11, 3, 18, 30, tzinfo=UTC)) == 30_000
    assert demand.target_w_at(datetime(2026, 10, 3, 16, 0, tzinfo=UTC)) == 30_000


def test_of_several_targets_the_smallest_counts():
    demand = parsed(demand={"target_w": 5_000, "windows": [WINTER_EVENING]}).demand
    assert demand is not None
    assert demand.target_w_at(datetime(2026, 11, 3, 16, 0, tzinfo=UTC)) == 5_000


def test_surplus_is_for_a_group_and_may_know_a_battery():
    surplus = parsed(
        surplus={"group": "pv", "mode": "surplus+minimum", "battery_meter": "bat", "reserve_w": 100}
    ).surplus
    assert surplus is not None
    assert (surplus.group_id, surplus.circuit_id) == ("pv", "main")
    assert surplus.mode is SurplusMode.SURPLUS_AND_MINIMUM
    assert (surplus.battery_meter_id, surplus.battery_first) == ("bat", True)


@pytest.mark.parametrize(
    ("load", "key", "words"),
    [
        ({"demand": {}}, "load.demand.target_w", "is missing"),
        ({"demand": {"target_w": 1, "circuit": "no"}}, "load.demand.circuit", "no circuit"),
        ({"demand": {"target_w": 1, "circuit": "side"}}, "load.demand.circuit", "has no meter"),
        ({"demand": {"target_w": 1, "period_s": 700}}, "load.demand.period_s", "is one of 300"),
        ({"demand": {"target_w": -1}}, "load.demand.target_w", "outside"),
        ({"demand": {"target": 1}}, "load.demand.target", "misspelt"),
        (
            {"demand": {"windows": [{**WINTER_EVENING, "until": "06:00"}]}},
            "load.demand.windows[1].until",
            "two windows",
        ),
        (
            {"demand": {"windows": [{**WINTER_EVENING, "months": ["Sol"]}]}},
            "load.demand.windows[1].months",
            "does not fit",
        ),
        ({"demand": {"windows": [{}]}}, "load.demand.windows[1].target_w", "is missing"),
        ({"surplus": {}}, "load.surplus.group", "is missing"),
        ({"surplus": {"group": "no"}}, "load.surplus.group", "[[groups]]"),
        ({"surplus": {"group": "pv", "circuit": "side"}}, "load.surplus.group", "isn't below"),
        ({"surplus": {"group": "pv", "mode": "sun"}}, "load.surplus.mode", "does not fit"),
        ({"surplus": {"group": "pv", "pv_meter": "no"}}, "load.surplus.pv_meter", "no meter"),
    ],
)
def test_a_fault_is_named_with_its_key(load: dict[str, Any], key: str, words: str):
    with pytest.raises(ConfigurationError) as raised:
        parsed(**load)
    assert any(fault.field == key and words in fault.message for fault in raised.value.errors), (
        raised.value.errors
    )


GIVES = {"evse": "CP-01/1", "current_a_max": 16}
FAULTY_DISCHARGES = {
    "enabled": ({"enabled": True, "evses": [GIVES]}, None),
    "evses": ({"enabled": True}, {"target_w": 30_000}),
    "evse": ({"evses": [{**GIVES, "evse": "CP-09/1"}]}, {"target_w": 30_000}),
    "current_a_max": ({"evses": [{"evse": "CP-01/1"}]}, {"target_w": 30_000}),
    "soc_min_percent": ({"soc_min_percent": 0}, {"target_w": 30_000}),
    "export_w": ({"export_w": 5}, {"target_w": 30_000}),
}


def test_cars_give_back_only_where_it_is_switched_on():
    target = {"target_w": 30_000}
    assert parsed(demand=target, discharge={"evses": [GIVES]}).discharge is None
    both = {**GIVES, "power_w_max": 6 * 3 * 230}
    found = parsed(demand=target, discharge={"enabled": True, "evses": [both]}).discharge
    assert found is not None
    assert list(found.current_a_max.values()) == [6]
    assert found.export_w_max == 0


@pytest.mark.parametrize("field", FAULTY_DISCHARGES)
def test_a_faulty_discharge_is_named_with_its_field(field: str):
    discharge, demand = FAULTY_DISCHARGES[field]
    with pytest.raises(ConfigurationError, match=rf"load\.discharge.*{field}\b"):
        parsed(discharge=discharge, **({} if demand is None else {"demand": demand}))
