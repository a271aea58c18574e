"""Cars that give back (V2X): the base load stays what it is, and nothing they give is room."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitecontroller.dlm.base import BaseLoad
from sitecontroller.dlm.exposure import EVIDENCE_TOLERANCE_A, Exposure
from sitecontroller.domain.authorization import AuthorizationStatus
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.topology import NOMINAL_V, Evse, PhaseMap, Supply
from sitecontroller.domain.transaction import Transaction, TransactionState
from sitecontroller.services.load.draw import GridCurrent, grid_current
from sitecontroller.services.load.evse import EvseControl, Timing
from sitecontroller.services.load.flows import flows_of

AT = datetime(2025, 6, 1, 12, 0, tzinfo=UTC)
EVSE = Evse("CP-1", 1, "main", phase_map=PhaseMap.parse("L1L2L3"), fallback_a=6.0)
TIMING = Timing(reaction_s=10.0, stale_s=60.0, evidence_s=42.0)
CAP_A = (1000.0,) * 3
SLACK_A = EVIDENCE_TOLERANCE_A + 1e-6
CURRENT = st.floats(-32.0, 32.0)
BUILDING = st.floats(40.0, 100.0)
RUNNING = Transaction(
    key="T1",
    station_id="CP-1",
    evse_id=1,
    connector_id=1,
    station_transaction_id="1",
    state=TransactionState.ACTIVE,
    authorization_status=AuthorizationStatus.ACCEPTED,
    started_at=AT,
    start_received_at=AT,
)


def reading(current_a: float | None, *, feeds_in: bool, **more: object) -> MeterReading:
    return MeterReading(AT, current_a=(current_a,) * 3, feeds_in=feeds_in, **more)  # type: ignore[arg-type]


class Bay:
    """One EVSE with a car that was told its limit long ago, behind a meter; one step is 10 s."""

    def __init__(self) -> None:
        self.control = EvseControl(EVSE, Exposure(EVSE.fallback_a), fallback_confirmed=True)
        self.base = BaseLoad()
        self.now_s = 100.0
        self.control.observe(RUNNING, online=True, plugged=True, now_s=self.now_s)

    def step(self, building_a: float, car_a: float, told: MeterReading) -> float:
        """The car's reading, then the meter's; the base load counted with."""
        self.now_s += 10
        assert self.control.measure(told, self.now_s, TIMING)
        self.now_s += 5
        flows = flows_of(self.control, self.now_s, TIMING)
        self.base.update((building_a + car_a,) * 3, flows, CAP_A, self.now_s)
        return self.estimate_a

    @property
    def estimate_a(self) -> float:
        (found, *_) = self.base.estimate_a
        assert found is not None
        return found

    @property
    def held_a(self) -> float:
        found = self.base.held_a[0]
        assert found is not None
        return found

    @property
    def exposure_a(self) -> float:
        return self.control.exposure_a(self.now_s)


@given(steps=st.lists(st.tuples(BUILDING, CURRENT), min_size=1, max_size=12))
def test_the_base_load_is_the_meter_less_the_cars_whichever_way_they_flow(
    steps: list[tuple[float, float]],
) -> None:
    bay = Bay()
    for building_a, car_a in steps:
        found_a = bay.step(building_a, car_a, reading(car_a, feeds_in=True))
        assert found_a == pytest.approx(building_a)


@given(steps=st.lists(st.tuples(BUILDING, CURRENT), min_size=1, max_size=12))
def test_what_a_car_gives_back_is_never_room(steps: list[tuple[float, float]]) -> None:
    """At any moment it may stop: building and fallback have to fit then."""
    bay = Bay()
    for building_a, car_a in steps:
        bay.step(building_a, car_a, reading(car_a, feeds_in=True))
        assert bay.exposure_a >= EVSE.fallback_a
        assert bay.held_a + bay.exposure_a >= building_a + max(car_a, EVSE.fallback_a) - SLACK_A


@given(steps=st.lists(st.tuples(BUILDING, CURRENT, st.booleans()), min_size=1, max_size=12))
def test_base_and_exposure_are_never_less_than_the_meter_whatever_a_sign_means(
    steps: list[tuple[float, float, bool]],
) -> None:
    bay = Bay()
    for building_a, car_a, mirrored in steps:
        said_a = -car_a if mirrored else car_a
        bay.step(building_a, car_a, reading(said_a, feeds_in=False))
        assert bay.exposure_a >= EVSE.fallback_a
        assert bay.held_a + bay.exposure_a >= building_a + car_a - SLACK_A


@given(building_a=BUILDING, car_a=st.floats(0.0, 32.0), mirrored=st.booleans())
def test_a_sign_that_nobody_means_moves_no_base_load(
    building_a: float, car_a: float, mirrored: bool
) -> None:
    """The car draws behind a meter that is mounted the wrong way round, or it gives back."""
    bay = Bay()
    bay.step(building_a, 0.0, reading(0.0, feeds_in=False))
    truth_a = car_a if mirrored else -car_a
    found_a = bay.step(building_a, truth_a, reading(-car_a, feeds_in=False))
    assert found_a == pytest.approx(building_a)
    assert bay.control.draw is not None
    assert bay.control.draw.most_a == pytest.approx(car_a)


def test_a_car_that_gives_back_more_than_its_limit_is_not_stopped_for_it() -> None:
    bay = Bay()
    bay.step(60.0, -32.0, reading(-32.0, feeds_in=True))
    assert bay.control.over_since_s is None
    bay.step(60.0, 32.0, reading(-32.0, feeds_in=False))
    assert bay.control.over_since_s is not None


def test_what_was_given_back_last_may_still_be_in_the_meter_when_a_session_has_ended() -> None:
    bay = Bay()
    bay.step(60.0, -20.0, reading(-20.0, feeds_in=True))
    bay.control.observe(None, online=True, plugged=True, now_s=bay.now_s)
    (flow, *_) = flows_of(bay.control, bay.now_s, TIMING)
    assert (flow.low_a, flow.high_a, flow.falling_a) == (-20.0, 0.0, 0.0)


ONE_PHASE = replace(EVSE, phase_map=PhaseMap.parse("L2"))
DC = replace(EVSE, supply=Supply.DC, efficiency=0.9)
SAID = {
    "watts on one phase": (
        ONE_PHASE,
        MeterReading(AT, power_w=-2300.0, feeds_in=True),
        GridCurrent((None, -10.0, None), (None, -10.0, None)),
    ),
    "watts on one phase, nobody means the sign": (
        ONE_PHASE,
        MeterReading(AT, power_w=-2300.0),
        GridCurrent((None, 0.0, None), (None, -10.0, None)),
    ),
    "watts on three phases, on which is not said": (
        EVSE,
        MeterReading(AT, power_w=-2300.0, feeds_in=True),
        GridCurrent((0.0,) * 3, (-10.0,) * 3),
    ),
    "no current drawn, and watts given back": (
        EVSE,
        MeterReading(AT, current_a=(0.0,) * 3, power_w=-2300.0, feeds_in=True),
        GridCurrent((0.0,) * 3, (-10.0,) * 3),
    ),
    "direct current, less the losses": (
        DC,
        MeterReading(AT, power_w=-6900.0 / 0.9, feeds_in=True),
        GridCurrent((-10.0,) * 3, (-10.0,) * 3),
    ),
    "watts of each phase": (
        EVSE,
        MeterReading(AT, power_phase_w=(-NOMINAL_V, 0.0, NOMINAL_V), feeds_in=True),
        GridCurrent((-1.0, 0.0, 1.0), (-1.0, 0.0, 1.0)),
    ),
}


@pytest.mark.parametrize("case", SAID)
def test_a_reading_says_what_is_given_back(case: str) -> None:
    evse, said, expected = SAID[case]
    found = grid_current(evse, said)
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other)
