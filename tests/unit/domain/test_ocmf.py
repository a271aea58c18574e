"""An OCMF record is read as it stands, and what can't be one is refused with a sentence."""

import contextlib
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitecontroller.domain.ocmf import (
    Code,
    OcmfFault,
    Page,
    parse_record,
    parse_register,
    parse_time,
)
from tests.unit.signed.meters import BEGIN, END, PUBLIC, payload

SIGNATURE = b'|{"SD":"3006020101020101"}'


def fault(data: bytes) -> Code:
    with pytest.raises(OcmfFault) as refused:
        parse_record(data)
    return refused.value.finding.code


def record(*readings: dict[str, object], **head: object) -> bytes:
    return b"OCMF|" + payload(*readings, **head) + SIGNATURE


def test_a_record_says_who_measured_for_whom_and_what() -> None:
    read = parse_record(record())
    assert (read.serial, read.gateway_serial, read.page) == ("4711", "G-1", Page("T", 7))
    assert (read.token, read.token_type, read.assignment_level) == (
        "04AB076A345B85",
        "ISO14443",
        "VERIFIED",
    )
    assert [reading.reason for reading in read.readings] == ["B", "E"]
    assert [reading.energy_wh for reading in read.readings] == [100_500, 112_750]


def test_a_reading_inherits_what_it_leaves_out_from_the_one_before() -> None:
    first, last = parse_record(record(BEGIN, END)).readings
    assert (last.unit, last.status, last.current_type) == ("kWh", "G", "AC")
    assert last.register == first.register
    assert last.at == datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_the_payload_is_kept_byte_for_byte() -> None:
    signed = b'{ "PG" : "T1",\r\n "RD" : [ { "RV" : 1.500 } ] , "GI":"\xc3\xa4\\u00e4" }'
    assert parse_record(b"OCMF|" + signed + SIGNATURE + b"\n").payload == signed


def test_a_value_keeps_the_digits_that_the_meter_wrote() -> None:
    read = parse_record(b'OCMF|{"RD":[{"RV":2935.600},{"RV":"    9.0380"}]}' + SIGNATURE)
    assert [str(reading.value) for reading in read.readings] == ["2935.600", "9.0380"]


@pytest.mark.parametrize("known", PUBLIC, ids=[known["name"] for known in PUBLIC])
def test_records_of_real_meters_can_be_read(known: dict[str, str]) -> None:
    read = parse_record(known["record"].encode())
    assert read.page is not None
    assert read.readings[0].at is not None
    assert read.readings[0].energy_wh is not None


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", Code.NO_OCMF),
        (b"ocmf|{}|{}", Code.NO_OCMF),
        (b"XOCMF|{}|{}", Code.NO_OCMF),
        (b"OCMF|{}", Code.NO_OCMF),
        (b'OCMF|{"RD":[]}|{"SD":"00"}|', Code.NO_OCMF),
        (b'OCMF|{"RD":[]}|{"SD":"00"}|aa|bb', Code.NO_OCMF),
        (b"OCMF|" + b" " * 70_000, Code.NO_OCMF),
        (b"OCMF|[]" + SIGNATURE, Code.PAYLOAD_UNREADABLE),
        (b"OCMF|{" + SIGNATURE, Code.PAYLOAD_UNREADABLE),
        (b"OCMF|{}" + SIGNATURE, Code.PAYLOAD_UNREADABLE),
        (b'OCMF|{"RD":[]} x' + SIGNATURE, Code.PAYLOAD_UNREADABLE),
        (b'OCMF|{"RD":[1]}' + SIGNATURE, Code.PAYLOAD_UNREADABLE),
        (b'OCMF|{"RD":[],"RD":[]}' + SIGNATURE, Code.PAYLOAD_UNREADABLE),
        (b'OCMF|{"RD":[{"RV":NaN}]}' + SIGNATURE, Code.PAYLOAD_UNREADABLE),
        (b'OCMF|{"RD":[{"RV":1e999999999}]}' + SIGNATURE, Code.PAYLOAD_UNREADABLE),
        (b'OCMF|{"RD":[{"RV":' + b"1" * 5000 + b"}]}" + SIGNATURE, Code.PAYLOAD_UNREADABLE),
        (b'OCMF|{"RD":' + b"[" * 30_000 + SIGNATURE, Code.PAYLOAD_UNREADABLE),
        (b'OCMF|{"RD":[],"GI":"\xff"}' + SIGNATURE, Code.PAYLOAD_UNREADABLE),
        (b'OCMF|{"RD":[' + b",".join([b"{}"] * 501) + b"]}" + SIGNATURE, Code.PAYLOAD_UNREADABLE),
        (b'OCMF|{"RD":[]}|{}', Code.SIGNATURE_UNREADABLE),
        (b'OCMF|{"RD":[]}|{"SD":""}', Code.SIGNATURE_UNREADABLE),
        (b'OCMF|{"RD":[]}|{"SD":7}', Code.SIGNATURE_UNREADABLE),
        (b'OCMF|{"RD":[]}|{"SD":"00","SD":"01"}', Code.SIGNATURE_UNREADABLE),
        (b'OCMF|{"RD":[]}|{"SD":"00"} x', Code.SIGNATURE_UNREADABLE),
        (b'OCMF|{"RD":[]}|"00"', Code.SIGNATURE_UNREADABLE),
    ],
)
def test_what_is_no_record_is_refused(data: bytes, code: Code) -> None:
    assert fault(data) is code


@given(st.binary(max_size=200), st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(first: bytes, second: bytes) -> None:
    for data in (first, b"OCMF|" + first + b"|" + second, b"OCMF|" + first + SIGNATURE):
        with contextlib.suppress(OcmfFault):
            assert parse_record(data).payload in data


@pytest.mark.parametrize("page", ["", "7", "X7", "T", "T07", "T-1", "T1.5", "t7", "T7 7", "T٧"])
def test_a_page_of_another_form_is_none(page: str) -> None:
    assert parse_record(record(PG=page)).page is None


@pytest.mark.parametrize(
    ("text", "at", "status"),
    [
        ("2018-07-24T13:22:04,000+0200 S", datetime(2018, 7, 24, 11, 22, 4, tzinfo=UTC), "S"),
        ("2018-07-24T13:22:04+0200 R", datetime(2018, 7, 24, 11, 22, 4, tzinfo=UTC), "R"),
        ("2018-07-24T11:22:04.500Z I", datetime(2018, 7, 24, 11, 22, 4, 500_000, UTC), "I"),
        ("2018-07-24T11:22:04,000+0000", datetime(2018, 7, 24, 11, 22, 4, tzinfo=UTC), ""),
        ("2018-13-24T11:22:04,000+0000 S", None, ""),
        ("2018-07-24 11:22 S", None, ""),
        ("", None, ""),
    ],
)
def test_a_time_is_read_with_its_status(text: str, at: datetime | None, status: str) -> None:
    assert parse_time(text) == (at, status)


@pytest.mark.parametrize(
    ("text", "quantity", "is_energy"),
    [
        ("1-0:1.8.0", 0x01, True),
        ("01-0B:01.08.00*FF", 0x01, True),
        ("01-00:B3.08.00*FF", 0xB3, True),
        ("1-b:1.8.e", 0x01, True),
        ("1-0:98.8.0.FF", 0x98, True),
        ("1-b:1.9.0", 0x01, False),
        ("01-00:00.08.06.FF", 0x00, True),
        ("gibberish", 0, False),
    ],
)
def test_an_obis_code_is_read(text: str, quantity: int, is_energy: bool) -> None:
    register = parse_register(text)
    assert register is not None
    assert (register.quantity, register.is_energy) == (quantity, is_energy)


def test_without_an_obis_code_there_is_no_register() -> None:
    assert parse_register("") is None


def test_watt_hours_and_kilowatt_hours_are_the_same_energy() -> None:
    in_wh = parse_record(record(BEGIN | {"RV": 1500, "RU": "Wh"})).readings[0]
    in_kwh = parse_record(record(BEGIN | {"RV": 1.5})).readings[0]
    assert in_wh.energy_wh == in_kwh.energy_wh == Decimal(1500)
