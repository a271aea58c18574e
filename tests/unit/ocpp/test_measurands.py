"""Meter values of stations as readings: units, phases, contexts, defaults."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitecontroller.domain.metering import MeterReading, ReadingContext, TimeQuality
from sitecontroller.domain.topology import Evse, LimitUnit, PhaseMap, Supply
from sitecontroller.ocpp.measurands import RegisterCheck, read_meter_values, with_meant_signs

RECEIVED = datetime(2025, 6, 1, 12, 0, tzinfo=UTC)
STAMP = "2025-06-01T11:59:59Z"


def evse(phases: str = "L1L2L3", supply: Supply = Supply.AC) -> Evse:
    return Evse("CP-1", 1, "main", phase_map=PhaseMap.parse(phases), supply=supply)


def read(*sampled: dict[str, Any], on: Evse | None = None, **options: Any) -> list[MeterReading]:
    values = [{"timestamp": STAMP, "sampledValue": list(sampled)}]
    return read_meter_values(values, on or evse(), RECEIVED, missing_zone=UTC, **options)


def one(*sampled: dict[str, Any], on: Evse | None = None) -> MeterReading:
    (reading,) = read(*sampled, on=on)
    return reading


def test_q38_a_bare_value_is_the_import_register_in_wh() -> None:
    reading = one({"value": "1234"})
    assert reading.energy_import_wh == 1234
    assert reading.context is ReadingContext.PERIODIC


@pytest.mark.parametrize(
    ("sampled", "field", "value"),
    [
        ({"value": "12.5", "unit": "kWh"}, "energy_import_wh", 12_500),
        ({"value": "12500", "unit": "Wh"}, "energy_import_wh", 12_500),
        ({"value": " 12500 ", "unit": " wh "}, "energy_import_wh", 12_500),
        ({"value": 12.5, "unitOfMeasure": {"unit": "kWh"}}, "energy_import_wh", 12_500),
        (
            {"value": 125, "unitOfMeasure": {"unit": "Wh", "multiplier": 2}},
            "energy_import_wh",
            12500,
        ),
        ({"value": 7, "unitOfMeasure": {"multiplier": 3}}, "energy_import_wh", 7000),
        ({"value": "12,5", "unit": "kWh"}, "energy_import_wh", 12_500),
        ({"value": "7.4", "measurand": "Power.Active.Import", "unit": "kW"}, "power_w", 7400),
        ({"value": "7400", "measurand": "power.active.import", "unit": "W"}, "power_w", 7400),
        ({"value": "7400", "measurand": "Power.Active.Import"}, "power_w", 7400),
        (
            {"value": "50", "measurand": "Energy.Active.Export.Register"},
            "energy_export_wh",
            50,
        ),
        ({"value": "49.98", "measurand": "Frequency"}, "frequency_hz", 49.98),
        (
            {"value": "80", "measurand": "SoC", "unit": "Percent", "location": "EV"},
            "soc_percent",
            80,
        ),
        ({"value": "32", "measurand": "Current.Offered", "unit": "A"}, "current_offered_a", 32),
    ],
)
def test_q38_values_come_in_canonical_units(
    sampled: dict[str, Any], field: str, value: float
) -> None:
    assert getattr(one(sampled), field) == pytest.approx(value)


@pytest.mark.parametrize("phase", ["L1", "L1-N", "l1-n", " L1 "])
@pytest.mark.parametrize(("value", "unit"), [("16", "A"), ("16000", "mA"), ("16", None)])
def test_q38_currents_are_amperes_on_their_phase(phase: str, value: str, unit: str | None) -> None:
    sampled = {"value": value, "measurand": "Current.Import", "phase": phase, "unit": unit}
    assert one(sampled).current_a == (16, None, None)


@pytest.mark.parametrize("value", ["", "   ", "NaN", "inf", "1e99", "n/a", None, True, {}])
def test_q38_an_empty_or_unreadable_value_is_no_zero(value: object) -> None:
    assert read({"value": value, "measurand": "Power.Active.Import"}) == []


BEYOND = [
    ("Energy.Active.Import.Register", 1e12, {"unit": "MWh", "multiplier": 12}),
    ("Energy.Active.Import.Register", 1.1e9, {"unit": "kWh"}),
    ("Energy.Active.Export.Register", 1.1e12, {"unit": "Wh"}),
    ("Power.Active.Import", 1.1e5, {"unit": "kW"}),
    ("Power.Active.Import", -1.1e8, {"unit": "W"}),
    ("Current.Import", 1.1e5, {"unit": "A"}),
    ("Current.Offered", 1.1e5, {"unit": "A"}),
    ("Voltage", 1.1e6, {"unit": "V"}),
    ("Frequency", 1001, {"unit": "Hertz"}),
    ("Frequency", -1, {"unit": "Hertz"}),
    ("SoC", 100.5, {"unit": "Percent"}),
    ("SoC", -1, {"unit": "Percent"}),
    ("Voltage", 1e308, {"unit": "kV", "multiplier": 12}),
    ("Voltage", 230, {"unit": "V", "multiplier": 13}),
]


@pytest.mark.parametrize(("measurand", "value", "unit"), BEYOND)
def test_no_value_beyond_what_is_physical_passes_the_edge(
    measurand: str, value: float, unit: dict[str, Any]
) -> None:
    counted: list[str] = []
    sampled = {"value": value, "measurand": measurand, "unitOfMeasure": unit, "phase": "L1"}
    if measurand in ("SoC", "Frequency") or measurand.startswith("Energy"):
        del sampled["phase"]
    assert read(sampled, out_of_bounds=counted.append) == []
    assert counted == [measurand]


@pytest.mark.parametrize(
    ("sampled", "field", "value"),
    [
        ({"value": 1e12}, "energy_import_wh", 1e12),
        ({"value": 1e5, "measurand": "Power.Active.Import", "unit": "kW"}, "power_w", 1e8),
        ({"value": 100, "measurand": "SoC"}, "soc_percent", 100),
        ({"value": 0, "measurand": "SoC"}, "soc_percent", 0),
        ({"value": 1e6, "unitOfMeasure": {"multiplier": -12}}, "energy_import_wh", 1e-6),
    ],
)
def test_the_largest_physical_value_passes(
    sampled: dict[str, Any], field: str, value: float
) -> None:
    assert getattr(one(sampled), field) == pytest.approx(value)


def test_a_sum_of_phases_is_bounded_too() -> None:
    counted: list[str] = []
    phases = [
        {"value": "9e7", "measurand": "Power.Active.Import", "phase": f"L{n}"} for n in (1, 2, 3)
    ]
    (reading,) = read(*phases, out_of_bounds=counted.append)
    assert reading.power_w is None
    assert reading.power_phase_w == (9e7, 9e7, 9e7)
    assert counted == ["Power.Active.Import"]


def test_readings_stand_on_the_sites_phases() -> None:
    sampled = [
        {"value": str(amps), "measurand": "Current.Import", "phase": f"L{n}"}
        for n, amps in enumerate((10, 11, 12), start=1)
    ]
    assert one(*sampled, on=evse("L2L3L1")).current_a == (12, 10, 11)


@pytest.mark.parametrize(
    "sampled",
    [
        [{"value": "15", "measurand": "Current.Import"}],
        [{"value": "15", "measurand": "Current.Import", "phase": "L1"}],
        [{"value": "15", "measurand": "Current.Import", "phase": "L2"}],
        [
            {"value": "0", "measurand": "Current.Import", "phase": "L1"},
            {"value": "15", "measurand": "Current.Import", "phase": "L2"},
        ],
    ],
)
def test_a_single_phase_evse_has_one_conductor_whatever_it_calls_it(
    sampled: list[dict[str, Any]],
) -> None:
    assert one(*sampled, on=evse("L2")).current_a == (None, 15, None)


def test_a_current_without_a_phase_is_the_most_that_any_phase_carries() -> None:
    reading = one({"value": "15", "measurand": "Current.Import"}, {"value": "5"})
    assert reading.current_a == (15, 15, 15)


@pytest.mark.parametrize(
    ("power_w", "current_a"),
    [
        ("4600", (6, 6, 6)),  # MicroOcpp cuts 6.66 A to 6
        ("1380", (None, 6, None)),  # one phase, or the sum of three
        (None, (None, 6, None)),
    ],
)
def test_an_outlet_told_in_watts_is_on_all_phases_only_if_its_power_says_so(
    power_w: str | None, current_a: tuple[float | None, ...]
) -> None:
    outlet = replace(evse("L2L3L1"), limit_unit=LimitUnit.W)
    power = [] if power_w is None else [{"value": power_w, "measurand": "Power.Active.Import"}]
    reading = one({"value": "6", "measurand": "Current.Import"}, *power, on=outlet)
    assert reading.current_a == current_a


def test_a_power_by_phases_is_summed_when_all_are_there() -> None:
    phases = [
        {"value": "1000", "measurand": "Power.Active.Import", "phase": f"L{n}-N"} for n in (1, 2, 3)
    ]
    assert one(*phases).power_w == 3000
    assert one(*phases[:2]).power_w is None


def test_currents_of_a_dc_outlet_are_not_the_grids() -> None:
    reading = one(
        {"value": "120", "measurand": "Current.Import"},
        {"value": "400", "measurand": "Voltage"},
        {"value": "48000", "measurand": "Power.Active.Import"},
        on=evse(supply=Supply.DC),
    )
    assert reading.power_w == 48_000
    assert reading.current_a == reading.voltage_v == (None, None, None)


def test_line_to_line_voltages_are_not_taken_for_phases() -> None:
    reading = one({"value": "400", "measurand": "Voltage", "phase": "L1-L2"}, {"value": "1"})
    assert reading.voltage_v == (None, None, None)


def test_q39_contexts_never_mix() -> None:
    begin, periodic = read(
        {"value": "100", "context": "Transaction.Begin"},
        {"value": "150", "context": "Sample.Periodic"},
        {"value": "7000", "measurand": "Power.Active.Import"},
    )
    assert (begin.context, begin.energy_import_wh) == (ReadingContext.BEGIN, 100)
    assert begin.power_w is None
    assert (periodic.energy_import_wh, periodic.power_w) == (150, 7000)


def test_q39_an_unknown_context_is_no_periodic_sample() -> None:
    assert one({"value": "1", "context": "Sample.Sometimes"}).context is ReadingContext.OTHER


def test_q39_the_outlet_counts_before_the_inlet() -> None:
    inlet = {"value": "9000", "location": "Inlet"}
    outlet = {"value": "8000", "location": "Outlet"}
    assert one(inlet, outlet).energy_import_wh == 8000
    assert one(outlet, inlet).energy_import_wh == 8000
    assert one(inlet).energy_import_wh == 9000


def test_q39_what_the_car_measures_is_not_what_the_outlet_gives() -> None:
    assert (
        read({"value": "16", "measurand": "Current.Import", "phase": "L1", "location": "EV"}) == []
    )


def test_other_measurands_are_left_out() -> None:
    assert (
        read({"value": "31", "measurand": "Temperature"}, {"value": "1", "measurand": "RPM"}) == []
    )


def test_signed_data_is_kept_verbatim() -> None:
    text = "OCMF|{}|{} "
    reading = one({"value": text, "format": "SignedData", "context": "Transaction.End"})
    assert (reading.signed_data, reading.energy_import_wh) == (text, None)
    signed = {
        "signedMeterData": "AA==",
        "signingMethod": "",
        "encodingMethod": "OCMF",
        "publicKey": "",
    }
    reading = one({"value": 5, "signedMeterValue": signed})
    assert json.loads(reading.signed_data or "") == signed
    assert reading.energy_import_wh == 5


def test_q42_a_reading_with_a_bad_stamp_has_the_time_of_its_arrival() -> None:
    values = [{"timestamp": "1970-01-01T00:00:00Z", "sampledValue": [{"value": "1"}]}]
    (reading,) = read_meter_values(values, evse(), RECEIVED, missing_zone=UTC)
    assert (reading.at, reading.time_quality) == (RECEIVED, TimeQuality.RECEIVED)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "timestamp",
                    "sampledValue",
                    "value",
                    "measurand",
                    "phase",
                    "unit",
                    "unitOfMeasure",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)


@given(JSON)
def test_q22_no_payload_breaks_the_reader(values: Any) -> None:
    wrapped = [{"timestamp": STAMP, "sampledValue": values}]
    assert isinstance(read_meter_values(values, evse(), RECEIVED, missing_zone=UTC), list)
    assert isinstance(read_meter_values(wrapped, None, RECEIVED, missing_zone=UTC), list)


@given(
    st.lists(
        st.floats(min_value=0, max_value=80).map(lambda a: round(a, 1)), min_size=3, max_size=3
    ),
    st.permutations([0, 1, 2]),
)
def test_no_ampere_is_lost_by_phase_rotation(amps: list[float], order: list[int]) -> None:
    sampled = [
        {"value": str(a), "measurand": "Current.Import", "phase": f"L{n}"}
        for n, a in enumerate(amps, start=1)
    ]
    on = Evse("CP-1", 1, "main", phase_map=PhaseMap(tuple(order)))
    assert sorted(a for a in one(*sampled, on=on).current_a if a is not None) == sorted(amps)


def registers(factor: float, minutes: int = 60) -> set[int | None]:
    """What the check says of an hour at 11 kW whose register counts `factor` × Wh."""
    check = RegisterCheck()
    return {
        check.suspect_factor(
            MeterReading(
                RECEIVED + timedelta(minutes=n),
                power_w=11_000,
                energy_import_wh=int(11_000 / 60 * n * factor),
            )
        )
        for n in range(minutes)
    }


@pytest.mark.parametrize(("factor", "suspected"), [(1, set()), (0.001, {1000}), (1000, {-1000})])
def test_q40_a_register_in_the_wrong_unit_is_found(factor: float, suspected: set[int]) -> None:
    assert registers(factor) - {None} == suspected


def test_q40_a_gap_in_the_readings_is_not_held_against_the_register() -> None:
    check = RegisterCheck()
    for n in range(50):
        reading = MeterReading(
            RECEIVED + timedelta(hours=n), power_w=11_000, energy_import_wh=float(n)
        )
        assert check.suspect_factor(reading) is None


def test_what_is_exported_is_taken_from_what_is_imported() -> None:
    """V2X: a station tells both directions, or only the one in use."""
    reading = one(
        {"value": "0", "measurand": "Current.Import", "phase": "L1"},
        {"value": "10", "measurand": "Current.Export", "phase": "L1"},
        {"value": "7", "measurand": "Current.Export", "phase": "L2"},
        {"value": "3", "measurand": "Current.Import", "phase": "L3"},
        {"value": "0", "measurand": "Current.Export", "phase": "L3"},
        {"value": "3.2", "measurand": "Power.Active.Export", "unit": "kW"},
    )
    assert reading.current_a == (-10.0, -7.0, 3.0)
    assert reading.power_w == -3200
    assert reading.feeds_in


def test_nothing_exported_says_nothing_of_what_is_imported() -> None:
    reading = one(
        {"value": "0", "measurand": "Power.Active.Export"}, {"value": "50", "measurand": "SoC"}
    )
    assert reading.power_w is None
    assert not reading.feeds_in


def test_a_minus_sign_is_meant_only_by_those_who_may_feed_in() -> None:
    """Of others it is as likely a meter that is mounted the wrong way round."""
    negative = one({"value": "-9", "measurand": "Current.Import", "phase": "L1"})
    positive = one({"value": "9", "measurand": "Current.Import", "phase": "L1"})
    assert not negative.feeds_in
    assert with_meant_signs(negative).feeds_in
    assert not with_meant_signs(positive).feeds_in
