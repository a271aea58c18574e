"""From a plan's watts to what the cycle follows, and the words beside."""

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

from sitecontroller.config import PlanningSettings
from sitecontroller.dlm import CircuitState, Demand, Snapshot
from sitecontroller.domain.topology import EvseKey
from sitecontroller.planning import Plan, plan
from sitecontroller.services.planning.ceilings import ceilings_of
from sitecontroller.services.planning.outlook import Outlook, are_new, look_ahead, wishes_of
from sitecontroller.services.planning.prices import Price
from tests.unit.planning_service.site import at

NOW = at("20:00")
BERLIN = ZoneInfo("Europe/Berlin")
HOUR_S = 3600.0
INTERVALS = 16
FULL_W = 32 * 3 * 230.0


def car(number: int, need_wh: float = 10_000.0, leaves_h: float = 3.75, **more: object) -> Demand:
    demand = Demand(
        EvseKey(f"CP-{number:02}", 1),
        "main",
        departs_in_s=leaves_h * HOUR_S,
        energy_need_wh=need_wh,
        plugged_s=NOW.timestamp(),
    )
    return replace(demand, **more)


def outlook(*cars: Demand, prices: list[float], **settings: object) -> Outlook:
    circuit = CircuitState("main", "Main", None, (60.0,) * 3, (0.0,) * 3)
    found = look_ahead(
        Snapshot((circuit,), cars),
        NOW,
        replace(PlanningSettings(enabled=True), **settings),
        [Price(price, True) for price in prices],  # type: ignore[arg-type]
        lambda _, __, count: [None] * count,
        0.0,
        {},
    )
    assert found is not None
    return found


def ceilings(found: Outlook, made: Plan) -> dict[str, list[tuple[float, str]]]:
    advised = ceilings_of(found, made, NOW, 1000.0, BERLIN)
    return {
        key.station_id: [(each.current_a, each.reason) for each in row]
        for key, row in advised.items()
    }


def given(found: Outlook, *power_w: list[float]) -> Plan:
    """A plan of these powers."""
    made = plan(found.problem, time_limit_s=5.0)
    charges = zip(made.charges, power_w, strict=True)
    rows = (replace(charge, power_w=(*w, *[0.0] * (INTERVALS - len(w)))) for charge, w in charges)
    return replace(made, charges=tuple(rows))


def test_a_car_waits_for_the_cheap_hour_and_the_words_name_it() -> None:
    found = outlook(car(1), prices=[0.4] * 8 + [0.1] * 8)
    rows = ceilings(found, plan(found.problem, time_limit_s=5.0))
    assert rows == {"CP-01": [(0.0, "plan, cheaper after 22:00")] * 3}


def test_watts_become_amperes_on_the_phases_in_use_rounded_down() -> None:
    found = outlook(car(1, phases=(0,)), car(2), prices=[0.2] * INTERVALS)
    rows = ceilings(found, given(found, [2000.0], [6250.0]))
    assert rows["CP-01"][0] == (8.6, "plan")
    assert rows["CP-02"][0] == (9.0, "plan")


def test_a_car_that_may_have_all_it_takes_gets_no_ceiling() -> None:
    found = outlook(car(1), prices=[0.2] * INTERVALS)
    assert ceilings(found, given(found, [FULL_W] * 3)) == {"CP-01": []}


def test_of_cars_that_share_crumbs_who_has_least_time_charges_and_the_others_wait() -> None:
    cars = car(1, leaves_h=3.75), car(2, leaves_h=2.0), car(3, leaves_h=3.0)
    found = outlook(*cars, prices=[0.2] * INTERVALS)
    rows = ceilings(found, given(found, [1400.0], [1400.0], [1400.0]))
    assert [rows[f"CP-0{number}"][0][0] for number in (1, 2, 3)] == [0.0, 6.0, 0.0]


def test_a_plan_asks_for_a_car_to_be_ready_early_unless_it_has_no_time_for_that() -> None:
    calm, tight = car(1), car(2, need_wh=2 * FULL_W, leaves_h=2.25)
    stays = outlook(calm, tight, prices=[0.2] * INTERVALS).problem.stays
    assert [stay.departs_at for stay in stays] == [
        NOW + timedelta(hours=3),
        NOW + timedelta(hours=2),
    ]


def test_who_is_held_by_a_person_sleeps_or_has_enough_is_not_planned_for() -> None:
    cars = (
        car(1, paused_by="Ann"),
        car(2, wants=False),
        car(3, need_wh=0.0),
        car(4, steerable=False),
    )
    assert outlook(*cars, prices=[0.2] * INTERVALS).problem.stays == ()


def test_a_demand_charge_leaves_nobody_short() -> None:
    found = outlook(car(1, 30_000.0), prices=[0.2] * INTERVALS, demand_charge_per_kw=10_000.0)
    made = plan(found.problem, time_limit_s=5.0)
    assert made.charges[0].unmet_wh < 1


def test_a_departure_that_is_said_moved_or_taken_back_is_news_and_charging_is_none() -> None:
    before = wishes_of(Snapshot((), (car(1),)), NOW)
    later = NOW + timedelta(minutes=10)
    ten_min = 600.0
    same = car(1, 9000.0, departs_in_s=3.75 * HOUR_S - ten_min)
    assert not are_new(before, wishes_of(Snapshot((), (same,)), later))
    for changed in (
        replace(same, departs_in_s=2 * HOUR_S),
        replace(same, departs_in_s=None),
        replace(same, energy_need_wh=20_000.0),
        replace(same, key=EvseKey("CP-02", 1)),
    ):
        assert are_new(before, wishes_of(Snapshot((), (changed,)), later))
