"""The fault catalogue: every code of the specification has words, and nothing dangerous heals."""

import re
from datetime import UTC, datetime

import pytest
from ocpp.v16.enums import ChargePointErrorCode

from sitecontroller.domain.alarm import AlarmPriority
from sitecontroller.domain.faults import FaultSigns, Mending
from sitecontroller.domain.station import ConnectorStatus, StationBooted, StatusReported
from sitecontroller.services.fault_catalogue import (
    NO_CODE,
    UNKNOWN,
    catalogue,
    fault_reported,
    fault_shown,
    read_rows,
)

AT = datetime(2026, 1, 1, tzinfo=UTC)
DANGER = re.compile(
    r"residual|contactor|live|water|moisture|cut|torn|hot\b|insulation|voltage at the plug|"
    r"overcurrent|breaker|emergency|leans|hit|protection",
    re.IGNORECASE,
)
"""Words of faults that a person has to look at before anything is switched on again."""


def booted(vendor: str, model: str = "") -> StationBooted:
    return StationBooted("CP-01", vendor, model, None, None, None, AT)


def reported(vendor: str = "Test", *, status=ConnectorStatus.FAULTED, **said: str):
    report = StatusReported("CP-01", 1, 1, status, AT, **said)
    return fault_reported(report, booted(vendor))


@pytest.mark.parametrize("code", [c.value for c in ChargePointErrorCode if c.value != "NoError"])
def test_every_error_code_of_1_6_has_words(code):
    found = reported(error_code=code)
    assert found.fault.name not in (NO_CODE, UNKNOWN)
    assert code not in found.fault.words
    assert found.code == code


@pytest.mark.parametrize("row", catalogue(), ids=lambda row: row.fault.name)
def test_a_row_is_fit_to_be_read_by_an_attendant(row):
    fault = row.fault
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", fault.name)
    assert len(fault.words) <= 90, "the tile has no more room"
    assert not re.search(r"[a-z][A-Z]", fault.words), "an enum's name is no word"
    assert not fault.words.endswith(".")
    assert len(row.source) >= 10


@pytest.mark.parametrize(
    "row", [row for row in catalogue() if row.fault.heal], ids=lambda row: row.fault.name
)
def test_nothing_dangerous_is_healed_by_itself(row):
    assert not DANGER.search(row.fault.words)


def as_signs(row) -> FaultSigns:
    """What a station would say to fit a row: its patterns with their stars filled."""
    said = {name: patterns[0].replace("*", "x") for name, patterns in row.patterns.items()}
    return FaultSigns(**said)


@pytest.mark.parametrize(
    "row", [row for row in catalogue() if row.patterns], ids=lambda row: row.fault.name
)
def test_no_row_is_hidden_behind_an_earlier_one(row):
    assert fault_shown(as_signs(row)).fault is row.fault


SAID = [
    ("Test", {"error_code": "GroundFailure"}, "ground-fault"),
    ("Test", {"error_code": "groundFailure "}, "ground-fault"),
    ("Test", {"error_code": "OtherError", "vendor_error_code": "CX017"}, "chargex-contactor"),
    (
        "Test",
        {
            "error_code": "OtherError",
            "vendor_error_code": "F004,F777,F010",
            "vendor_id": "com.evgo.mrec",
        },
        "evgo-cut-cable",
    ),
    ("Test", {"error_code": "OtherError", "vendor_error_code": "F010"}, "other"),
    (
        "MENNEKES",
        {"error_code": "GroundFailure", "info": "Residual current detected via sensor"},
        "bender-residual-current",
    ),
    (
        "Zaptec",
        {"error_code": "InternalError", "info": "FPGA watchdog triggered"},
        "zaptec-watchdog",
    ),
    ("Other", {"error_code": "InternalError", "info": "FPGA watchdog triggered"}, "internal"),
    ("Alfen BV", {"error_code": "GroundFailure", "vendor_error_code": "101"}, "alfen-101"),
    ("KEBA AG", {"error_code": "InternalError", "vendor_error_code": "0xc001"}, "keba-contactor"),
    ("Test", {"error_code": "Mode3Error"}, "car-communication"),
    ("Test", {"error_code": "NoError"}, NO_CODE),
    ("Test", {}, NO_CODE),
    ("Test", {"error_code": "Frobnicated"}, UNKNOWN),
]


@pytest.mark.parametrize(("vendor", "said", "name"), SAID)
def test_what_a_station_says_finds_its_row(vendor, said, name):
    assert reported(vendor, **said).fault.name == name


def test_an_unknown_code_is_shown_as_it_is_with_a_remedy():
    found = reported(error_code="Frobnicated", vendor_error_code="E-77")
    assert "Frobnicated · E-77" in found.words
    assert found.fault.remedy
    assert found.fault.priority is AlarmPriority.HIGH


def test_what_only_the_maker_can_explain_names_his_code():
    assert "E-77" in reported(error_code="OtherError", vendor_error_code="E-77").words


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"error_code": "NoError"},
        {"error_code": "NoError", "info": "firmware 1.2.3"},
        {"error_code": "NoError", "vendor_error_code": "AMINA_INFO", "info": "all is well"},
        {"info": "Residual current situation resolved"},
    ],
)
def test_small_talk_of_a_healthy_station_is_no_fault(said):
    assert reported(status=ConnectorStatus.AVAILABLE, **said) is None


def test_a_warning_while_charging_is_told_without_being_a_standstill():
    found = reported(status=ConnectorStatus.OCCUPIED, error_code="HighTemperature")
    assert found.fault.name == "high-temperature"
    assert found.fault.mending is Mending.HERE


WHOLE = {
    "name": "x",
    "code": "X",
    "words": "w",
    "remedy": "r",
    "mending": "here",
    "priority": "low",
    "source": "s",
}


@pytest.mark.parametrize(
    "broken",
    [
        {**WHOLE, "source": ""},
        {**WHOLE, "colour": "red"},
        {key: value for key, value in WHOLE.items() if key != "code"},
    ],
)
def test_a_row_that_is_not_whole_is_refused(broken):
    with pytest.raises(AssertionError):
        read_rows([broken])
    with pytest.raises(AssertionError):
        read_rows([WHOLE, WHOLE])
