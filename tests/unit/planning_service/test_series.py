"""What is kept of a circuit's quarter hour, and what the building's part of it is."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.topology import EvseKey, Supply
from sitecontroller.services.planning.series import IDLE, CircuitSeries
from tests.unit.load.site import evse

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
NUMBER = int(NOON.timestamp()) // 900


def meter(*current_a: float | None, **more: Any) -> MeterReading:
    return MeterReading(NOON, current_a=current_a, **more)  # type: ignore[arg-type]


def filled(readings: Any, said: Any = IDLE, minutes: int = 15, evses: Any = None) -> list[Any]:
    """A quarter hour of a reading a second; `readings` by second."""
    series = CircuitSeries([evse(1)] if evses is None else evses)
    for second in range(minutes * 60):
        at = NOON + timedelta(seconds=second)
        series.note(readings(second), at, float(second), lambda key: said)
    series.turn(NOON + timedelta(minutes=15))
    return series.take()


def test_a_quarter_hour_has_its_mean_its_maximum_and_what_evses_took() -> None:
    car = MeterReading(NOON, current_a=(10.0, 10.0, None))
    (row,) = filled(lambda second: meter(20.0, 10.0, 30.0 if second < 450 else 10.0), car)
    assert row.number == NUMBER
    assert row.mean_w == (4600, 2300, 4600)
    assert row.max_w == (4600, 2300, 6900)
    assert row.evses_w == (2300, 2300, 0)


def test_the_meters_own_power_and_voltage_count_before_the_nominal() -> None:
    (row,) = filled(
        lambda _: meter(
            10.0, 10.0, 10.0, voltage_v=(240.0, None, 230.0), power_phase_w=(None, None, -500.0)
        )
    )
    assert row.mean_w == (2400, 2300, -500)


def test_where_a_meter_knows_the_sum_alone_each_phase_has_a_third() -> None:
    (row,) = filled(lambda _: meter(None, None, None, power_w=9000.0))
    assert row.mean_w == (3000, 3000, 3000)


def test_a_quarter_hour_of_which_too_little_was_seen_is_a_gap() -> None:
    assert filled(lambda _: meter(1.0, 1.0, 1.0), minutes=9) == []
    assert len(filled(lambda _: meter(1.0, 1.0, 1.0), minutes=10)) == 1


def test_while_a_session_says_nothing_the_evses_part_is_unknown() -> None:
    (row,) = filled(lambda _: meter(20.0, 20.0, 20.0), said=None)
    assert row.evses_w == (None, None, None)


def test_a_dc_charger_counts_with_its_losses() -> None:
    dc = evse(1, supply=Supply.DC, efficiency=0.9)
    said = MeterReading(NOON, power_w=20_700.0)
    (row,) = filled(lambda _: meter(50.0, 50.0, 50.0), said, evses=[dc])
    assert [round(w or 0) for w in row.evses_w] == [7667, 7667, 7667]
    assert dc.key == EvseKey("CP-01", 1)
