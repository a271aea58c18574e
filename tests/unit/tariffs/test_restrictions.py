"""Which price holds when: the first that matches, looked up for each dimension, in local time."""

import pytest

from tests.unit.tariffs.cases import BERLIN, Json, at, cost, element, exact, part, tariff, volumes

ENERGY = part("ENERGY", "1", None)
HOUR = part("TIME", "1", None)
MONDAY, SATURDAY, SUNDAY = "2024-01-15", "2024-01-20", "2024-01-21"


def hours_in(*periods: Json, zone: str = "UTC", **restrictions: object) -> str | None:
    """How many hours an element with these restrictions prices."""
    found = volumes(tariff(element(HOUR, **restrictions)), *periods, zone=zone)
    return found[0][2] if found else None


def kwh_in(*periods: Json, **restrictions: object) -> str | None:
    found = volumes(tariff(element(ENERGY, **restrictions)), *periods)
    return found[0][2] if found else None


def test_each_dimension_has_its_own_first_match() -> None:
    under = tariff(
        element(part("ENERGY", "9", None), min_kwh=5),
        element(HOUR, end_time="06:00"),
        element(ENERGY, part("TIME", "7", None)),
    )
    found = volumes(under, at(f"{MONDAY}T05:00:00", 120, energy_kwh="10"))
    assert found == [
        ("ENERGY", 2, "5"), ("TIME", 1, "1"), ("ENERGY", 0, "5"), ("TIME", 2, "1"),
    ]  # fmt: skip


def test_an_element_that_matches_but_has_no_price_for_a_dimension_leaves_it_to_the_next() -> None:
    under = tariff(element(part("FLAT", "1", None)), element(ENERGY))
    assert volumes(under, at(f"{MONDAY}T12:00:00", 60, energy_kwh="2")) == [
        ("ENERGY", 1, "2"), ("FLAT", 0, "1"),
    ]  # fmt: skip


def test_what_no_element_prices_costs_nothing() -> None:
    under = tariff(element(ENERGY, start_time="20:00"))
    assert exact(under, at(f"{MONDAY}T12:00:00", 60, energy_kwh="2")) == ("0", None)


@pytest.mark.parametrize(
    ("restrictions", "hours"),
    [
        ({"start_time": "08:00", "end_time": "10:00"}, "2"),
        ({"start_time": "22:00", "end_time": "06:00"}, "8"),
        ({"start_time": "22:00", "end_time": "00:00"}, "2"),
        ({"start_time": "00:00", "end_time": "00:00"}, "24"),
        ({"end_time": "00:00"}, "24"),
        ({"start_time": "22:00"}, "2"),
        ({"end_time": "06:00"}, "6"),
        ({"start_time": "08:00", "end_time": "08:00"}, None),
    ],
)
def test_a_time_of_day_begins_with_its_start_and_ends_before_its_end(
    restrictions: Json, hours: str | None
) -> None:
    assert hours_in(at(f"{MONDAY}T00:00:00", 24 * 60), **restrictions) == hours


def test_a_period_that_starts_at_the_end_of_a_time_of_day_is_not_in_it() -> None:
    noon = at(f"{MONDAY}T12:00:00", 30)
    assert hours_in(noon, end_time="12:00") is None
    assert hours_in(noon, start_time="12:00") == "0.5"


def test_a_night_that_wraps_is_of_the_day_that_it_is_at_the_moment() -> None:
    """Saturday's night is Saturday before 06:00 and after 22:00, not Sunday's morning."""
    weekend = at(f"{SATURDAY}T00:00:00", 48 * 60)
    night = {"start_time": "22:00", "end_time": "06:00", "day_of_week": ["SATURDAY"]}
    assert hours_in(weekend, **night) == "8"


def test_a_day_of_the_week_is_the_local_one() -> None:
    late = at(f"{SATURDAY}T22:30:00", 60)  # in Berlin from 23:30
    assert hours_in(late, zone=BERLIN, day_of_week=["SUNDAY"]) == "0.5"


def test_an_empty_list_of_days_restricts_nothing() -> None:
    assert hours_in(at(f"{MONDAY}T00:00:00", 60), day_of_week=[]) == "1"


@pytest.mark.parametrize(
    ("restrictions", "hours"),
    [
        ({"start_date": SATURDAY}, "48"),
        ({"end_date": SUNDAY}, "24"),
        ({"start_date": SATURDAY, "end_date": SUNDAY}, "24"),
        ({"start_date": SUNDAY, "end_date": SUNDAY}, None),
        ({"start_date": SUNDAY, "start_time": "08:00", "end_time": "10:00"}, "2"),
    ],
)
def test_dates_are_local_days_from_the_first_until_before_the_last(
    restrictions: Json, hours: str | None
) -> None:
    weekend = at(f"{SATURDAY}T00:00:00+01:00", 48 * 60)
    assert hours_in(weekend, zone=BERLIN, **restrictions) == hours


# nights in which clocks change


@pytest.mark.parametrize(
    ("night", "hours_of_night", "restrictions", "hours"),
    [
        ("2024-03-31T00:00:00+01:00", 23, {"end_time": "00:00"}, "23"),
        ("2024-03-31T00:00:00+01:00", 23, {"start_time": "01:00", "end_time": "04:00"}, "2"),
        ("2024-03-31T00:00:00+01:00", 23, {"start_time": "02:30", "end_time": "04:00"}, "1"),
        ("2024-03-31T00:00:00+01:00", 23, {"start_time": "02:00", "end_time": "02:45"}, None),
        ("2024-10-27T00:00:00+02:00", 25, {"end_time": "00:00"}, "25"),
        ("2024-10-27T00:00:00+02:00", 25, {"start_time": "01:00", "end_time": "04:00"}, "4"),
        ("2024-10-27T00:00:00+02:00", 25, {"start_time": "02:30", "end_time": "03:00"}, "1"),
        ("2024-10-27T00:00:00+02:00", 25, {"end_time": "02:30"}, "3"),
        ("2024-10-27T00:00:00+02:00", 25, {"day_of_week": ["SUNDAY"]}, "25"),
        ("2024-10-27T00:00:00+02:00", 25, {"end_date": "2024-10-28"}, "25"),
    ],
)
def test_in_the_night_of_a_clock_change_real_hours_count(
    night: str, hours_of_night: int, restrictions: Json, hours: str | None
) -> None:
    assert hours_in(at(night, hours_of_night * 60), zone=BERLIN, **restrictions) == hours


def test_the_hour_that_comes_twice_is_cut_at_each_of_its_ends() -> None:
    """02:00 to 03:00 in Berlin on 27 October: 00:00 to 02:00 UTC; cheap from 02:30 on, twice."""
    under = tariff(element(HOUR, start_time="02:30", end_time="03:00"), element(ENERGY))
    found = volumes(under, at("2024-10-27T00:10:00", 60, energy_kwh="1"), zone=BERLIN)
    assert found[0] == ("ENERGY", 1, "1")
    assert found[1] == ("TIME", 0, "0.5")


def test_a_zone_whose_offset_is_no_whole_hour_has_its_own_midnight() -> None:
    late = at("2024-01-15T18:00:00", 60)  # 23:30 in India
    assert hours_in(late, zone="Asia/Kolkata", day_of_week=["TUESDAY"]) == "0.5"


# energy and duration, from the start of the session


@pytest.mark.parametrize(
    ("restrictions", "kwh"),
    [
        ({"max_kwh": "12.345"}, "12.345"),
        ({"min_kwh": "12.345"}, "7.655"),
        ({"min_kwh": 5, "max_kwh": 7}, "2"),
        ({"min_kwh": 20}, None),
        ({"max_kwh": 0}, None),
        ({"min_kwh": 0}, "20"),
        ({"max_kwh": 1000}, "20"),
    ],
)
def test_energy_bounds_cut_a_period_at_the_exact_energy(
    restrictions: Json, kwh: str | None
) -> None:
    assert kwh_in(at(f"{MONDAY}T12:00:00", 7, energy_kwh="20"), **restrictions) == kwh


def test_a_time_price_ends_at_the_moment_at_which_the_energy_is_reached() -> None:
    charging = at(f"{MONDAY}T12:00:00", 60, energy_kwh="20")
    assert hours_in(charging, max_kwh=5) == "0.25"


def test_energy_that_was_reached_stays_reached_while_the_car_parks() -> None:
    under = tariff(element(part("PARKING_TIME", "1", None), min_kwh=20))
    periods = [
        at(f"{MONDAY}T12:00:00", 60, energy_kwh="20"),
        at(f"{MONDAY}T13:00:00", 30, "PARKING"),
    ]
    assert volumes(under, *periods) == [("PARKING_TIME", 0, "0.5")]


@pytest.mark.parametrize(
    ("restrictions", "hours"),
    [
        ({"max_duration": 900}, "0.25"),
        ({"min_duration": 900}, "0.75"),
        ({"min_duration": 900, "max_duration": 1800}, "0.25"),
        ({"min_duration": 3600}, None),
        ({"min_duration": 0}, "1"),
    ],
)
def test_durations_count_from_the_start_of_the_session(
    restrictions: Json, hours: str | None
) -> None:
    assert hours_in(at(f"{MONDAY}T12:00:00", 60), **restrictions) == hours


def test_a_reservation_before_it_is_no_part_of_a_sessions_duration_or_energy() -> None:
    periods = [at(f"{MONDAY}T11:00:00", 60, "RESERVATION"), at(f"{MONDAY}T12:00:00", 60)]
    assert hours_in(*periods, max_duration=1800) == "0.5"


def test_a_gap_between_periods_has_no_price_but_lasts() -> None:
    periods = [at(f"{MONDAY}T12:00:00", 10), at(f"{MONDAY}T12:30:00", 30)]
    assert hours_in(*periods, min_duration=1800) == "0.5"
    assert hours_in(*periods, max_duration=3600) == "0.66666666666666666667"


# current and power


def test_current_and_power_bounds_hold_from_the_least_and_before_the_most() -> None:
    hour = at(f"{MONDAY}T12:00:00", 60, current_a="32", power_kw="22")
    assert hours_in(hour, min_current=32) == "1"
    assert hours_in(hour, max_current=32) is None
    assert hours_in(hour, min_power=22, max_power=23) == "1"
    assert hours_in(hour, max_power=22) is None


def test_where_the_power_is_not_known_the_next_price_holds_and_the_bill_says_so() -> None:
    under = tariff(element(part("ENERGY", "0.20", None), max_power=16), element(ENERGY))
    found = cost(under, at(f"{MONDAY}T12:00:00", 60, energy_kwh="2"))
    assert [(line["element"], line["volume"]) for line in found["lines"]] == [(1, "2")]
    assert found["notes"] == [
        "elements[0] (ENERGY) depends on power_kw, which is unknown for some periods: it did not "
        "apply there"
    ]


def test_where_the_power_is_known_or_needless_the_bill_says_nothing() -> None:
    under = tariff(element(part("ENERGY", "0.20", None), max_power=16, end_time="06:00"))
    assert cost(under, at(f"{MONDAY}T12:00:00", 60, energy_kwh="2"))["notes"] == []


# when the tariff itself is valid


def test_a_session_that_began_outside_the_tariffs_time_is_priced_and_the_bill_says_so() -> None:
    under = tariff(element(ENERGY), start_date_time="2024-02-01T00:00:00")
    found = cost(under, at(f"{MONDAY}T12:00:00", 60, energy_kwh="2"))
    assert found["total_cost"]["excl_vat"] == "2.00"
    assert any("outside the time" in note for note in found["notes"])


def test_a_session_that_outlasts_its_tariff_keeps_it() -> None:
    under = tariff(element(ENERGY), end_date_time=f"{MONDAY}T12:30:00Z")
    found = cost(under, at(f"{MONDAY}T12:00:00", 60, energy_kwh="2"))
    assert (found["total_cost"]["excl_vat"], found["notes"]) == ("2.00", [])
