"""What may be billed on signed readings beyond their signatures."""

from decimal import Decimal
from typing import Any

import pytest

from sitecontroller.domain.ocmf import Code, Record, parse_record
from sitecontroller.domain.ocmf_rules import (
    check_energy,
    check_meter,
    check_session,
    check_sessions,
    check_token,
    sessions_of,
    statement,
)
from tests.unit.signed.meters import BEGIN, END, payload

Said = dict[str, Any]
MIDDLE: Said = {**BEGIN, "TX": "C", "TM": "2026-03-01T12:30:00,000+0100 S", "RV": 106.0}
FULL_END: Said = {**BEGIN, **END}


def record(*readings: Said, **head: Any) -> Record:
    return parse_record(b"OCMF|" + payload(*readings, **head) + b'|{"SD":"00"}')


def refusals(*records: Record) -> set[Code]:
    return {f.code for f in check_sessions(sessions_of(records)) if f.refuses}


def notes(*records: Record) -> set[Code]:
    return {f.code for f in check_sessions(sessions_of(records)) if not f.refuses}


PAIR = (record(BEGIN, PG="T7"), record(FULL_END, PG="T8"))


def test_a_record_with_begin_and_end_is_a_session() -> None:
    assert refusals(record()) == set()
    assert statement([record()]).energy_wh == Decimal("12250")


def test_a_begin_and_an_end_record_are_a_session_whatever_their_order() -> None:
    for records in (PAIR, PAIR[::-1], (*PAIR, *PAIR)):
        sessions = sessions_of(records)
        assert sessions == [PAIR]
        assert statement(sessions[0]).energy_wh == Decimal("12250")
        assert refusals(*records) == set()


def test_records_in_between_belong_to_the_session() -> None:
    records = (PAIR[0], record(MIDDLE, PG="T8"), record(FULL_END, PG="T9"))
    assert len(sessions_of(records)) == 1
    assert refusals(*records) == set()


def test_a_record_missing_in_between_is_noticed() -> None:
    assert refusals(PAIR[0], record(FULL_END, PG="T9")) == {Code.PAGE_GAP}


def test_pages_between_two_whole_sessions_belong_to_others() -> None:
    later = [r | {"TM": f"2026-03-02T1{n}:00:00,000+0100 S"} for n, r in enumerate((BEGIN, END))]
    records = (record(PG="T7"), record(*later, PG="T20"))
    assert len(sessions_of(records)) == 2
    assert refusals(*records) == set()


def test_two_different_records_of_one_page_are_noticed() -> None:
    assert refusals(record(PG="T7"), record(PG="T7", ID="other")) == {Code.PAGE_TWICE}


def test_begin_and_end_of_different_meters_are_no_session() -> None:
    other = record(FULL_END, PG="T8", MS="4712")
    assert refusals(PAIR[0], other) == {Code.METER_DIFFERS}
    assert refusals(PAIR[0], record(FULL_END, PG="T8", GS="G-2")) == {Code.METER_DIFFERS}


def test_an_end_that_comes_before_the_begin_is_no_session() -> None:
    early_end = record(FULL_END, PG="T7")
    assert Code.BEGIN_MISSING in refusals(early_end, record(BEGIN, PG="T8"))


@pytest.mark.parametrize(
    ("alone", "missing"), [(PAIR[0], Code.END_MISSING), (PAIR[1], Code.BEGIN_MISSING)]
)
def test_half_a_session_is_genuine_and_has_no_energy(alone: Record, missing: Code) -> None:
    assert refusals(alone) == set()
    assert missing in notes(alone)
    assert statement([alone]).energy_wh is None


REFUSED = [
    ([BEGIN, END | {"RV": 100.4}], Code.REGISTER_FELL),
    ([BEGIN, MIDDLE | {"RV": 113}, END], Code.REGISTER_FELL),
    ([BEGIN, END | {"TM": "2026-03-01T11:59:59,000+0100 S"}], Code.TIME_FELL),
    ([BEGIN, END | {"TM": "yesterday"}], Code.TIME_UNREADABLE),
    ([BEGIN, END | {"TM": "2026-03-01T13:00:00,000+0100"}], Code.TIME_STATUS),
    ([BEGIN | {"TM": "2026-03-01T12:00:00,000+0100 R"}, END], Code.TIME_STATUS),
    ([BEGIN, END | {"ST": "M"}], Code.METER_STATUS),
    ([BEGIN, MIDDLE | {"ST": "T"}, END | {"ST": "G"}], Code.METER_STATUS),
    ([BEGIN | {"ST": ""}, END], Code.METER_STATUS),
    ([BEGIN, END | {"EF": "E"}], Code.ENERGY_ERROR),
    ([BEGIN, END | {"EF": "tE"}], Code.ENERGY_ERROR),
    ([BEGIN, MIDDLE | {"TX": "X"}, END], Code.EXCEPTION),
    ([BEGIN, BEGIN, END], Code.BEGIN_TWICE),
    ([BEGIN, END, END | {"TX": "L"}], Code.END_TWICE),
    ([BEGIN, END | {"RU": "km"}], Code.REGISTER_UNREADABLE),
    ([BEGIN, END | {"RV": "much"}], Code.REGISTER_UNREADABLE),
    ([r | {"RI": "1-0:2.8.0"} for r in (BEGIN, END)], Code.REGISTER_UNREADABLE),
]


@pytest.mark.parametrize(("readings", "code"), REFUSED)
def test_readings_that_may_not_be_billed_are_refused(readings: list[Said], code: Code) -> None:
    assert code in refusals(record(*readings))


@pytest.mark.parametrize("level", ["MISMATCH", "INVALID", "OUTDATED", "UNKNOWN"])
def test_a_failed_assignment_is_refused(level: str) -> None:
    assert refusals(record(IL=level)) == {Code.TOKEN_ASSIGNMENT}


def test_a_record_without_page_is_refused() -> None:
    assert refusals(record(PG="")) == {Code.PAGE_MISSING}


@pytest.mark.parametrize(
    ("readings", "head", "code"),
    [
        ([BEGIN, END | {"EF": "t"}], {}, Code.TIME_ERROR),
        ([BEGIN | {"TM": "2026-03-01T12:00:00,000+0100 I"}, END], {}, Code.TIME_STATUS),
        ([BEGIN, END | {"TX": "P"}], {}, Code.ENDED_BY),
        ([BEGIN, END], {"IS": False}, Code.TOKEN_ASSIGNMENT),
        ([BEGIN, END], {"MS": "", "GS": ""}, Code.METER_UNNAMED),
    ],
)
def test_what_is_only_worth_knowing_refuses_nothing(
    readings: list[Said], head: Said, code: Code
) -> None:
    said = record(*readings, **head)
    assert refusals(said) == set()
    assert code in notes(said)


def test_export_and_time_beside_the_import_register_dont_count() -> None:
    beside = [{"RV": 1.0, "RI": "1-0:2.8.0"}, {"RV": 19, "RI": "01-00:00.08.06.FF", "RU": "sec"}]
    back = {"RI": "1-0:1.8.0", "RU": "kWh"}
    said = record(BEGIN, *beside, END | back, *beside)
    assert refusals(said) == set()
    assert statement([said]).energy_wh == Decimal("12250")


def test_energy_at_the_car_counts_before_energy_at_the_meter() -> None:
    at_car = [r | {"RI": "01-00:B3.08.00*FF", "RV": v} for r, v in ((BEGIN, 0), (END, 12.1))]
    said = record(BEGIN, END, *at_car)
    assert refusals(said) == set()
    assert statement([said]).energy_wh == Decimal("12100")


def test_the_specifications_own_example_is_a_session() -> None:
    """OCMF 1.4, "Example File": three registers, losses of the cable taken off."""
    times = ("2018-07-24T13:22:04,000+0200 S", "2018-07-24T13:26:04,000+0200 S")
    registers = {
        "01-0B:01.08.00*FF": (2935.6, 2965.1),
        "01-0B:B1.08.00*FF": (2905.6, 2934.6),
        "01-0B:B3.08.00*FF": (0.0, 29.0),
    }
    readings = [
        {**BEGIN, "TM": at, "TX": reason, "RV": value, "RI": register, "RT": "DC"}
        for register, values in registers.items()
        for at, reason, value in zip(times, "BE", values, strict=True)
    ]
    said = record(*readings, PG="T12345", MS="BQ27400330016", TT="Tarif 1")
    assert refusals(said) == set()
    assert statement([said]).energy_wh == 29_000


def test_the_meter_is_the_one_that_was_pinned() -> None:
    assert check_meter([record()], "4711") == check_meter([record()], "") == []
    assert check_meter([record()], "4712")[0].code is Code.METER_DIFFERS


@pytest.mark.parametrize("token", ["04ab076a345b85", "04AB076A345B85", None])
def test_the_sessions_own_card_is_recognised(token: str | None) -> None:
    assert check_token([record()], token) == []


def test_a_card_named_within_a_longer_text_is_recognised() -> None:
    said = record(IT="UNDEFINED", ID="contract-id: rfid:12345678abcdef")
    assert check_token([said], "12345678ABCDEF") == []


def test_another_card_is_refused_and_an_id_of_the_stations_own_is_a_note() -> None:
    assert check_token([record()], "04FFFFFFFFFFFF")[0].refuses
    assert not check_token([record(IT="LOCAL_1", ID="17")], "04FFFFFFFFFFFF")[0].refuses


@pytest.mark.parametrize(
    ("billed_wh", "fits"), [("12250", True), ("12300", True), ("12420", False), ("0", False)]
)
def test_the_billed_energy_is_the_signed_but_for_its_last_digit(billed_wh: str, fits: bool) -> None:
    """Registers here have one and two decimals of a kWh."""
    assert (check_energy(statement([record()]), Decimal(billed_wh)) == []) is fits


def test_sessions_records_are_about_one_card() -> None:
    assert refusals(PAIR[0], record(FULL_END, PG="T8", ID="04FFFFFFFFFFFF")) == {Code.TOKEN_DIFFERS}


def test_grave_findings_come_first() -> None:
    findings = check_session([record(BEGIN, END | {"EF": "tE"})])
    assert [finding.refuses for finding in findings] == sorted(
        (finding.refuses for finding in findings), reverse=True
    )
    assert findings[0].refuses
