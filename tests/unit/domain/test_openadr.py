"""OpenADR 3 events become limits with their times; the forms are those of its Definition."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sitecontroller.domain.limit_signal import SaidLimit, SenselessSignal
from sitecontroller.domain.lpc import LimitValue
from sitecontroller.domain.openadr import Terms, limits_of, programmes_to_ask

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
TERMS = Terms(frozenset(), LimitValue(4200.0), "kW", "SITE/dso")
MINUTE = timedelta(minutes=1)


def at(minutes: float) -> str:
    return (NOW + minutes * MINUTE).isoformat()


def interval(value: Any = 30, kind: str = "IMPORT_CAPACITY_LIMIT", **period: Any) -> dict[str, Any]:
    own = {"intervalPeriod": period} if period else {}
    return {"id": 0, "payloads": [{"type": kind, "values": [value]}], **own}


def event(*intervals: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "id": "E1",
        "programID": "P1",
        "objectType": "EVENT",
        "intervalPeriod": {"start": at(-1), "duration": "PT10M"},
        "intervals": list(intervals) or [interval()],
        **fields,
    }


def spans(*events: Any, terms: Terms = TERMS, now: datetime = NOW) -> list[tuple[float, Any, Any]]:
    """kW, begin and end in minutes from `NOW`; None: no end."""
    return [
        (
            (limit.power_w or 0) / 1000,
            None if limit.starts_at is None else (limit.starts_at - NOW) / MINUTE,
            None if limit.ends_at is None else (limit.ends_at - NOW) / MINUTE,
        )
        for limit in limits_of(list(events), {}, terms, now)
    ]


def test_an_event_limits_for_its_interval() -> None:
    assert spans(event()) == [(30, -1, 9)]


def test_intervals_follow_each_other_unless_they_have_times_of_their_own() -> None:
    three = event(
        interval(30), interval(20, duration="PT5M"), interval(10, start=at(60), duration="PT1H")
    )
    assert spans(three) == [(30, -1, 9), (20, 9, 14), (10, 60, 120)]


def test_what_is_over_or_far_ahead_is_not_told() -> None:
    over = event(intervalPeriod={"start": at(-20), "duration": "PT10M"})
    far = event(intervalPeriod={"start": at(60 * 72), "duration": "PT10M"})
    assert spans(over, far) == []


@pytest.mark.parametrize("start", ["0001-01-01", "0001-01-01T00:00:00", "0001-01-01T00:00:00Z"])
def test_now_for_ever_holds_until_the_event_is_gone(start: str) -> None:
    endless = {"start": start, "duration": "P9999Y"}
    assert spans(event(intervalPeriod=endless)) == [(30, 0, None)]
    made = {"start": start, "duration": "PT10M"}
    assert spans(event(intervalPeriod=made, createdDateTime=at(-4))) == [(30, -4, 6)]


def test_an_event_that_was_called_off_limits_nothing() -> None:
    assert spans(event(intervalPeriod={"start": "0001-01-01", "duration": "PT0S"})) == []


def test_an_event_without_a_duration_holds() -> None:
    assert spans(event(intervalPeriod={"start": at(-5)})) == [(30, -5, None)]


def test_the_duration_of_an_event_cuts_it_off_or_repeats_it() -> None:
    assert spans(event(duration="PT4M")) == [(30, -1, 3)]
    twice = event(interval(30), interval(20), duration="PT40M")
    assert spans(twice) == [(30, -1, 9), (20, 9, 19), (30, 19, 29), (20, 29, 39)]
    daily = event(intervalPeriod={"start": at(-60 * 240), "duration": "PT24H"}, duration="P9999Y")
    assert (30, 0, 60 * 24) in spans(daily)


def test_a_random_start_is_within_its_bounds_and_each_site_keeps_its_own() -> None:
    period = {"start": at(0), "duration": "PT10M", "randomizeStart": "PT5M"}
    starts = set()
    for site in range(50):
        terms = Terms(frozenset(), None, "kW", f"SITE-{site}")
        ((_, start, end),) = spans(event(intervalPeriod=period), terms=terms)
        assert -5 <= start <= 5
        assert end - start == pytest.approx(10)
        assert spans(event(intervalPeriod=period), terms=terms)[0][1] == start
        starts.add(start)
    assert len(starts) > 40
    assert min(starts) < -2 < 2 < max(starts)


@pytest.mark.parametrize(
    ("targets", "counts"),
    [
        (None, True),
        ([], True),
        (["site-1"], True),
        (["other"], False),
        ([{"type": "VEN_NAME", "values": ["site-1"]}], True),
        ([{"type": "VEN_NAME", "values": ["other"]}], False),
    ],
)
def test_an_event_counts_for_those_it_names(targets: Any, counts: bool) -> None:
    terms = Terms(frozenset({"site-1"}), None, "kW", "")
    assert bool(spans(event(targets=targets), terms=terms)) is counts


def test_units_are_the_events_the_programmes_or_the_sites() -> None:
    described = {"payloadType": "IMPORT_CAPACITY_LIMIT", "units": "W"}
    assert spans(event(interval(9000), payloadDescriptors=[described])) == [(9, -1, 9)]
    units = {"P1": {"IMPORT_CAPACITY_LIMIT": "A"}}
    (limit,) = limits_of([event(interval(32))], units, TERMS, NOW)
    assert (limit.power_w, limit.current_a) == (None, 32)
    assert programmes_to_ask([event(), event(payloadDescriptors=[described])]) == {"P1"}
    assert programmes_to_ask([event(interval(0.2, "PRICE"))]) == set()


def test_prices_and_exports_limit_nothing_and_alerts_dim() -> None:
    assert spans(event(interval(0.2, "PRICE")), event(interval(5, "EXPORT_CAPACITY_LIMIT"))) == []
    assert spans(event(interval("", "ALERT_GRID_EMERGENCY"))) == [(4.2, -1, 9)]
    assert spans(event(interval(1, "SIMPLE"))) == [(4.2, -1, 9)]
    assert spans(event(interval(0, "SIMPLE"))) == []
    no_switch = Terms(frozenset(), None, "kW", "")
    assert spans(event(interval(3, "SIMPLE")), terms=no_switch) == []


@pytest.mark.parametrize(
    "wrong",
    [
        event(interval(-1)),
        event(interval("30")),
        event(interval(float("nan"))),
        event(interval(1e9)),
        event(interval(True)),
        event(interval(None)),
        event({"payloads": [{"type": "IMPORT_CAPACITY_LIMIT", "values": []}]}),
        event({"payloads": None}),
        event(intervals=None),
        event(intervals=7),
        event(intervalPeriod={"start": "soon", "duration": "PT1H"}),
        event(intervalPeriod={"start": at(0), "duration": "1 h"}),
        event(intervalPeriod={"start": 5}),
        event(intervalPeriod="P1D"),
        event(duration=5),
        event(targets=7),
        event(targets=[{"values": 7}]),
        event(payloadDescriptors=[{"payloadType": "IMPORT_CAPACITY_LIMIT", "units": "KELVIN"}]),
        "event",
        None,
    ],
)
def test_an_event_of_another_shape_makes_the_answer_senseless(wrong: Any) -> None:
    with pytest.raises(SenselessSignal):
        limits_of([event(), wrong], {}, TERMS, NOW)


def test_overlapping_events_are_all_told() -> None:
    assert limits_of([event(interval(30)), event(interval(20), priority=9)], {}, TERMS, NOW) == (
        SaidLimit(30_000.0, None, NOW - MINUTE, NOW + 9 * MINUTE),
        SaidLimit(20_000.0, None, NOW - MINUTE, NOW + 9 * MINUTE),
    )
