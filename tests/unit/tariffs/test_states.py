"""What a car does decides what time costs: charging, parking, paused by the site, reserved."""

from dataclasses import replace
from typing import Any

import pytest

from sitecontroller.domain.errors import InvalidInput
from sitecontroller.domain.ocpi.reader import tariff_from_ocpi
from sitecontroller.domain.ocpi.session import usage_from_json
from sitecontroller.domain.rating import Price, rate
from sitecontroller.domain.tariff import PausedTime
from tests.unit.tariffs.cases import Json, at, cost, element, exact, part, session, tariff, volumes

DAY = "2024-01-15"
TIMES = element(part("TIME", "3", None), part("PARKING_TIME", "5", None, 300))
ALL = tariff(element(part("ENERGY", "1", None)), TIMES)


def hour(clock: int, state: str = "CHARGING", **fields: Any) -> Json:
    return at(f"{DAY}T{clock:02d}:00:00", 60, state, **fields)


def priced(periods: list[Json], **terms: Any) -> Price:
    """Under `ALL` with terms that OCPI has no word for."""
    return rate(replace(tariff_from_ocpi(ALL), **terms), usage_from_json(session(*periods)))


def lines(price: Price) -> list[tuple[str, str]]:
    return [(line.dimension, f"{float(line.volume):g}") for line in price.lines]


def test_charging_time_is_priced_while_charging_and_parking_time_while_parking() -> None:
    assert volumes(ALL, hour(12), hour(13, "PARKING")) == [
        ("TIME", 1, "1"), ("PARKING_TIME", 1, "1"),
    ]  # fmt: skip


def test_a_car_that_the_site_pauses_pays_for_no_time() -> None:
    assert volumes(ALL, hour(12), hour(13, "PAUSED")) == [("TIME", 1, "1")]


def test_energy_that_flows_while_paused_or_parking_is_priced() -> None:
    periods = [hour(12, "PAUSED", energy_kwh="1"), hour(13, "PARKING", energy_kwh="2")]
    assert ("ENERGY", 0, "3") in volumes(ALL, *periods)


@pytest.mark.parametrize("dimension", ["TIME", "PARKING_TIME"])
def test_a_tariff_may_say_that_paused_time_costs(dimension: str) -> None:
    price = priced([hour(12, "PAUSED")], paused=PausedTime(dimension))
    assert lines(price) == [(dimension, "1")]


def test_once_parking_was_priced_charging_time_is_never_rounded_up() -> None:
    under = tariff(element(part("TIME", "3", None, 600), part("PARKING_TIME", "5", None, 300)))
    periods = [
        at(f"{DAY}T12:00:00", 61), at(f"{DAY}T13:01:00", 1, "PARKING"), at(f"{DAY}T13:02:00", 1),
    ]  # fmt: skip
    found = {line["dimension"]: line["step_surplus"] for line in cost(under, *periods)["lines"]}
    assert found == {"TIME": "0", "PARKING_TIME": "0.06666666666666666667"}


def test_parking_that_costs_nothing_leaves_the_step_to_charging_time() -> None:
    under = tariff(element(part("TIME", "3", None, 600)))
    assert exact(under, at(f"{DAY}T12:00:00", 61), hour(14, "PARKING")) == ("3.5", None)


# idle grace


def test_parking_is_free_for_the_grace_after_charging_ended() -> None:
    price = priced([hour(12), hour(13, "PARKING")], idle_grace_s=900)
    assert lines(price) == [("TIME", "1"), ("PARKING_TIME", "0.75")]


def test_the_grace_is_not_used_up_by_time_in_which_the_site_pauses() -> None:
    price = priced([hour(12), hour(13, "PAUSED"), hour(14, "PARKING")], idle_grace_s=1800)
    assert lines(price) == [("TIME", "1"), ("PARKING_TIME", "0.5")]


def test_parking_in_parts_has_one_grace_and_another_after_charging_again() -> None:
    parking = [at(f"{DAY}T13:00:00", 10, "PARKING"), at(f"{DAY}T13:10:00", 10, "PARKING")]
    assert lines(priced([hour(12), *parking], idle_grace_s=900)) == [
        ("TIME", "1"), ("PARKING_TIME", "0.0833333"),
    ]  # fmt: skip
    again = [hour(12), parking[0], at(f"{DAY}T13:10:00", 50), at(f"{DAY}T14:00:00", 15, "PARKING")]
    assert lines(priced(again, idle_grace_s=900)) == [("TIME", "1.83333")]


# reservations


RESERVING = tariff(
    element(part("FLAT", "2", None), part("TIME", "6", None, 600), reservation="RESERVATION"),
    element(part("FLAT", "1", None), part("TIME", "3", None, 600)),
)
EXPIRING = tariff(
    element(part("TIME", "6", None), reservation="RESERVATION"),
    element(part("TIME", "9", None), part("FLAT", "4", None), reservation="RESERVATION_EXPIRES"),
)


def test_a_session_is_never_priced_by_reservation_elements_nor_the_other_way_round() -> None:
    periods = [hour(11, "RESERVATION"), hour(12)]
    assert volumes(RESERVING, *periods) == [
        ("TIME", 0, "1"), ("FLAT", 0, "1"), ("TIME", 1, "1"), ("FLAT", 1, "1"),
    ]  # fmt: skip


def test_reserved_time_is_rounded_up_by_itself() -> None:
    periods = [at(f"{DAY}T11:55:00", 5, "RESERVATION"), at(f"{DAY}T12:00:00", 25)]
    found = [(line["reservation"], line["step_surplus"]) for line in
             cost(RESERVING, *periods)["lines"] if line["dimension"] == "TIME"]  # fmt: skip
    assert found == [(True, "0.08333333333333333333"), (False, "0.08333333333333333333")]


def test_an_expired_reservation_has_its_own_time_price_wherever_it_stands_in_the_list() -> None:
    assert volumes(EXPIRING, hour(11, "RESERVATION"), expired=True) == [
        ("TIME", 1, "1"), ("FLAT", 1, "1"),
    ]  # fmt: skip
    assert volumes(EXPIRING, hour(11, "RESERVATION")) == [("TIME", 0, "1")]


def test_a_reservation_can_not_expire_and_be_followed_by_a_session() -> None:
    with pytest.raises(InvalidInput, match="reservation_expired is true, but a session followed"):
        cost(EXPIRING, hour(11, "RESERVATION"), hour(12), expired=True)


def test_energy_in_a_reservation_is_not_billed_and_the_bill_says_so() -> None:
    found = cost(ALL, hour(11, "RESERVATION", energy_kwh="1"), hour(12))
    assert [line["dimension"] for line in found["lines"]] == ["TIME"]
    assert any("energy in a reservation" in note for note in found["notes"])


# rounded volumes of a partner


def test_a_partners_hours_are_priced_instead_of_end_less_start() -> None:
    assert exact(tariff(TIMES), at(f"{DAY}T12:00:00", 5, volume_hours="0.0834")) == (
        "0.25083333333333333333", None,
    )  # fmt: skip


def test_a_partners_hours_are_spread_evenly_where_a_price_changes() -> None:
    under = tariff(element(part("TIME", "1", None, 0), end_time="12:03"), TIMES)
    found = volumes(under, at(f"{DAY}T12:00:00", 10, volume_hours="0.2"))
    assert [volume for _, _, volume in found] == ["0.06", "0.14"]
