"""Values and states in the attendants' words."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from sitecontroller.domain.live import SnapshotFrame
from sitecontroller.domain.money import Money
from sitecontroller.domain.views import EvseActivity, LimitView
from tests.ui import site
from tests.ui.fake_client import FakeClock
from ui.i18n import texts
from ui.presenters import alarms, frame, power, sessions, station, tiles, units, words
from ui.presenters.settings import read_settings
from ui.presenters.words import Shape, Tone
from ui.state import Link, Picture


def picture_of(stations: int = 12) -> Picture:
    picture = Picture(FakeClock())
    picture.apply(SnapshotFrame(1, site.NOW, site.a_site(stations)))
    picture.set_link(Link.LIVE)
    return picture


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (units.power(7391.0), "7.4 kW"),
        (units.power(212_400.0), "212 kW"),
        (units.power(0.0), "0.0 kW"),
        (units.power(-21_000.0), "−21.0 kW"),
        (units.power(-3.0), "0.0 kW"),
        (units.power(None), "–"),
        (units.limit(16.0), "16 A"),
        (units.limit(10.96), "11 A"),
        (units.limit(8.4), "8.4 A"),
        (units.percent(97.4), "97 %"),
        (units.rating((63.0, 63.0, 63.0)), "3 × 63 A"),
        (units.per_phase((31.2, None, 28.0)), "L1 31 A · L3 28 A"),
        (units.per_phase((None, None, None)), "–"),
        (units.money(Money(Decimal("5.485"), "EUR")), "5.49 €"),
        (units.money(Money(Decimal(5), "CHF")), "5.00 CHF"),
        (units.money(None), "–"),
        (units.span(42), "42 s"),
        (units.span(185), "3 min"),
        (units.span(7500), "2 h 05 min"),
        (units.span(200_000), "2 d 7 h"),
        (units.age(site.NOW - timedelta(seconds=4), site.NOW), "4 s old"),
        (units.clock_time(site.NOW, site.ZONE), "14:07"),
        (units.moment(site.NOW - timedelta(days=2), site.ZONE, site.NOW), "15 Mar 14:07"),
        (units.clock_time(site.NOW, "Nowhere/None"), "13:07"),
    ],
)
def test_a_value_is_written_with_its_unit(shown: str, expected: str) -> None:
    assert plain(shown) == expected


def test_numbers_follow_the_language() -> None:
    texts.install(None, decimal_point=",")
    try:
        assert plain(units.energy(11_420.0, 2)) == "11,42 kWh"
    finally:
        texts.install(None)


def test_states_differ_by_shape_and_word_not_by_colour_alone() -> None:
    states = [words.activity(activity) for activity in EvseActivity]
    assert len({state.word for state in states}) == len(states)
    loud = [state for state in states if state.tone in (Tone.HIGH, Tone.MEDIUM)]
    assert {state.shape for state in loud} == {Shape.TRIANGLE, Shape.DIAMOND}


def test_normal_states_have_no_alarm_colour() -> None:
    normal = set(EvseActivity) - {EvseActivity.OFFLINE, EvseActivity.FAULTED}
    assert not [a for a in normal if words.activity(a).tone in (Tone.HIGH, Tone.MEDIUM)]


def test_a_charging_tile_says_its_limit_and_why() -> None:
    tile = tiles.groups(picture_of())[0].tiles[0]
    assert plain(tile.note) == "11 A: Feeder A, L2"
    assert tile.tick == pytest.approx(11 / 16)


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("11 A: Feeder B, L2", "11 A: Feeder B, L2"),
        ("Feeder B, L2", "11 A: Feeder B, L2"),
        ("", "11 A"),
    ],
)
def test_the_amperes_of_a_limit_are_said_once(reason: str, expected: str) -> None:
    evse = picture_of().stations["CP-01"].evses[0]
    evse = replace(evse, limit=LimitView(11.0, reason, "feeder-1", 11.0))
    assert plain(tiles.limit_text(evse)) == expected


def test_an_outlet_at_its_own_maximum_says_charger_not_station() -> None:
    evse = picture_of().stations["CP-01"].evses[0]
    evse = replace(evse, limit=LimitView(16.0, "the station's maximum", "station", 16.0))
    assert plain(tiles.limit_text(evse)) == "16 A: charger's maximum"


def test_an_offline_tile_says_since_when_and_what_it_counts() -> None:
    tile = next(t for g in tiles.groups(picture_of()) for t in g.tiles if t.state.word == "Offline")
    assert plain(tile.note) == "since 13:51, counted at 32 A"


def test_the_diagram_runs_from_the_grid_to_the_feeders() -> None:
    nodes = power.nodes(picture_of())
    assert [node.title for node in nodes] == ["Grid", "Main fuse", "Building", "Feeder A",
                                              "Feeder B"]  # fmt: skip
    assert plain(nodes[0].note) == "measured 1 s ago"
    assert plain(nodes[1].detail) == "3 × 63 A"


def test_a_phase_over_its_fuse_is_loud() -> None:
    picture = picture_of()
    picture.circuits["main"] = replace(picture.circuits["main"], current_a=(64.2, 40.0, 41.0))
    fuse = power.nodes(picture)[1]
    assert fuse.tone is Tone.HIGH
    assert fuse.note == "over the fuse: L1"
    assert [bar.over for bar in fuse.bars] == [True, False, False]


def test_an_unmetered_feeder_has_the_power_of_its_cars() -> None:
    picture = picture_of()
    feeder = picture.circuits["feeder-1"]
    picture.circuits["feeder-1"] = replace(feeder, power_w=None)
    shown = power.nodes(picture)
    assert shown[3].value == units.power(feeder.power_w)
    assert shown[2].value != units.UNKNOWN


def test_an_unknown_car_leaves_the_feeder_unknown() -> None:
    picture = picture_of()
    picture.circuits["feeder-1"] = replace(picture.circuits["feeder-1"], power_w=None)
    station_ = picture.stations["CP-01"]
    silent = replace(station_.evses[0], power_w=None)
    picture.stations["CP-01"] = replace(station_, evses=(silent,))
    assert power.nodes(picture)[3].value == units.UNKNOWN


def test_a_stale_meter_shows_its_age_and_no_fresh_value() -> None:
    picture = picture_of()
    main = picture.circuits["main"]
    picture.circuits["main"] = replace(
        main, stale=True, measured_at=site.NOW - timedelta(seconds=48), fail_safe="meter silent"
    )
    grid, fuse = power.nodes(picture)[:2]
    assert grid.stale
    assert plain(grid.note) == "measured 48 s ago"
    assert (fuse.note, fuse.tone) == ("meter silent", Tone.MEDIUM)


@pytest.mark.parametrize(("circuit_id", "place"), [("main", 1), ("feeder-1", 3)])
def test_a_site_limit_is_named_where_it_holds(circuit_id: str, place: int) -> None:
    picture, words = picture_of(), "20 A: site limit 'tariff' until 18:00"
    circuit = replace(picture.circuits[circuit_id], limited_by=words)
    picture.circuits[circuit_id] = circuit
    assert power.nodes(picture)[place].note == words
    chain = station.limit_chain(picture.stations["CP-01"].evses[0], picture)
    assert [link.name for link in chain if link.detail == words] == [circuit.name]


def test_the_chain_names_the_limit_that_binds() -> None:
    picture = picture_of()
    chain = station.limit_chain(picture.stations["CP-01"].evses[0], picture)
    assert [link.name for link in chain if link.binds] == ["Feeder A"]
    assert [link.name for link in chain] == ["Charger and cable", "Feeder A", "Main fuse"]


@pytest.mark.parametrize("bound_by", ["car", "pause", "fallback", "meter", "group-7"])
def test_the_chain_always_has_one_binding_limit(bound_by: str) -> None:
    picture = picture_of()
    evse = replace(picture.stations["CP-01"].evses[0], limit=LimitView(6.0, "why", bound_by, 6.0))
    binding = [link for link in station.limit_chain(evse, picture) if link.binds]
    assert [link.detail for link in binding] == ["why"]


def test_the_banner_shows_the_most_urgent_alarm_with_what_to_do() -> None:
    banner = frame.banner(picture_of())
    assert banner.text == "CP-07/1 reports a fault: Ground failure"
    assert banner.remedy.startswith("Send the car to another bay")


def test_acknowledged_alarms_leave_the_banner_but_not_the_counts() -> None:
    picture = picture_of()
    picture.alarms = {
        key: replace(alarm, acknowledged_at=site.NOW) for key, alarm in picture.alarms.items()
    }
    banner = frame.banner(picture)
    assert banner.key is None
    assert sum(count for _, count in banner.counts) == 3


def test_an_alarm_names_charger_and_bay() -> None:
    assert alarms.where("CP-07/1", picture_of()) == "CP-07 · P2-07"
    assert alarms.where("feeder-1", picture_of()) == "Feeder A"
    assert alarms.where("grid", picture_of()) == "Grid meter"


def test_a_session_explains_how_its_figures_came_to_be() -> None:
    picture = picture_of()
    odd = next(view for view in picture.transactions.values() if view.flags)
    assert sessions.notes(odd)[0] == "Closed by us: the charger never reported the end"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"configurationKey": [{"key": "A", "value": "1"}, {"key": "B"}]}, "A = 1\nB = "),
        (
            {"getVariableResult": [{"component": {"name": "C"}, "variable": {"name": "V"},
                                    "attributeStatus": "Accepted", "attributeValue": "7"}]},
            "C.V = 7",
        ),
        ({"configurationKey": "nonsense"}, ""),
        (None, ""),
    ],
)  # fmt: skip
def test_settings_are_read_from_any_version(
    answer: dict[str, object] | None, expected: str
) -> None:
    assert read_settings(answer) == expected
