"""Signed readings as stations send them, and what a session's come to."""

import base64
import dataclasses
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from sitecontroller.domain.metering import ReadingContext
from sitecontroller.domain.ocmf import Code
from sitecontroller.domain.signed_reading import SignedJudgement, SignedReading, SignedVerdict
from sitecontroller.signed.intake import Expected, export_xml, judge_session
from sitecontroller.signed.judge import judge_file
from sitecontroller.signed.keys import read_key
from tests.unit.signed.meters import BEGIN, END, meter, payload

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RECORD = meter().record()
KEY = meter().public("der")
WHOLE = Expected(KEY, "4711", "04AB076A345B85", Decimal(12250), has_ended=True)


def as_2x(record: bytes, **said: Any) -> str:
    value = {
        "signedMeterData": base64.b64encode(record).decode(),
        "signingMethod": "ECDSA-secp256r1-SHA256",
        "encodingMethod": "OCMF",
        "publicKey": "",
    }
    return json.dumps(value | said)


def judged(*data: str, expected: Expected = WHOLE) -> SignedJudgement:
    readings = [SignedReading("T1", NOON, ReadingContext.END, text) for text in data]
    return judge_session(readings, expected)


OCA_KEY = base64.b64encode(f"oca:base16:asn1:{KEY}".encode()).decode()
FORMS = {
    "1.6 text": RECORD.decode(),
    "1.6 hex": RECORD.hex(),
    "1.6 base64": base64.b64encode(RECORD).decode(),
    "1.6 as 2.x's type": as_2x(RECORD),
    "2.x with its key": as_2x(RECORD, publicKey=OCA_KEY),
    "2.x with its key as hex": as_2x(RECORD, publicKey=KEY),
    "2.x of another name": as_2x(RECORD, encodingMethod="Other"),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_genuine_record_is_valid_however_it_comes(form: str) -> None:
    said = judged(FORMS[form])
    assert (said.verdict, said.findings) == (SignedVerdict.VALID, ())
    assert said.energy_wh == Decimal(12250)
    assert said.readings[0].record == RECORD.decode()


def test_begin_and_end_records_are_judged_together() -> None:
    begin = meter().record(payload(BEGIN, PG="T7")).decode()
    end = meter().record(payload({**BEGIN, **END}, PG="T8")).decode()
    assert judged(begin, end).verdict is SignedVerdict.VALID
    assert {f.code for f in judged(begin).findings} == {Code.END_MISSING}
    assert judged(begin).verdict is SignedVerdict.INVALID
    running = Expected(KEY, "4711", "04AB076A345B85")
    assert judged(begin, expected=running).verdict is SignedVerdict.VALID
    assert judged(begin, expected=running).findings == ()


def test_a_begin_signed_alone_and_again_with_the_end_is_one_session() -> None:
    begin = meter().record(payload(BEGIN, PG="T7")).decode()
    middle = meter().record(payload({**BEGIN, "TX": "C"}, PG="T8")).decode()
    both = meter().record(payload(PG="T9")).decode()
    for signed in ((begin, both), (begin, middle, both)):
        said = judged(*signed)
        assert (said.verdict, said.energy_wh, said.findings) == (SignedVerdict.VALID, 12250, ())


@pytest.mark.parametrize(
    ("gateway", "shares_pages", "verdict"),
    [
        ("G-1", True, SignedVerdict.VALID),
        ("G-1", False, SignedVerdict.INVALID),
        ("4711", True, SignedVerdict.INVALID),
        ("", True, SignedVerdict.INVALID),
    ],
)
def test_pages_that_a_gateway_gave_to_another_outlet_are_no_gap(
    gateway: str, shares_pages: bool, verdict: SignedVerdict
) -> None:
    begin = meter().record(payload(BEGIN, PG="T7", GS=gateway)).decode()
    end = meter().record(payload({**BEGIN, **END}, PG="T12", GS=gateway)).decode()
    said = judged(begin, end, expected=dataclasses.replace(WHOLE, shares_pages=shares_pages))
    assert said.verdict is verdict
    assert {finding.code for finding in said.findings} == {Code.PAGE_GAP}


@pytest.mark.parametrize(
    "other",
    [
        payload(PG="T20"),
        payload(BEGIN | {"RV": 99}, PG="T8"),
        payload(BEGIN, PG="T8", MS="4712"),
    ],
)
def test_records_of_another_session_are_refused(other: bytes) -> None:
    said = judged(RECORD.decode(), meter().record(other).decode())
    assert said.verdict is SignedVerdict.INVALID
    assert said.energy_wh is None


@pytest.mark.parametrize(
    ("data", "expected", "verdict", "code"),
    [
        (
            RECORD.decode().replace("112.75", "112.76"),
            WHOLE,
            SignedVerdict.INVALID,
            Code.SIGNATURE_WRONG,
        ),
        (RECORD.decode(), Expected(), SignedVerdict.NO_KEY, Code.KEY_MISSING),
        (
            RECORD.decode(),
            Expected(meter(number=2).public()),
            SignedVerdict.INVALID,
            Code.SIGNATURE_WRONG,
        ),
        (RECORD.decode(), Expected(KEY, "4712"), SignedVerdict.INVALID, Code.METER_DIFFERS),
        (
            RECORD.decode(),
            Expected(KEY, "", "04FFFFFFFFFFFF"),
            SignedVerdict.INVALID,
            Code.TOKEN_DIFFERS,
        ),
        (
            RECORD.decode(),
            Expected(KEY, energy_wh=Decimal(13250), has_ended=True),
            SignedVerdict.INVALID,
            Code.ENERGY_DIFFERS,
        ),
        (
            as_2x(RECORD, publicKey=meter(number=2).public("der")),
            WHOLE,
            SignedVerdict.INVALID,
            Code.KEY_MISMATCH,
        ),
        (
            as_2x(b"AP;0;3;AJ2J;", encodingMethod="Alfen"),
            WHOLE,
            SignedVerdict.UNSUPPORTED,
            Code.FORMAT_UNSUPPORTED,
        ),
        (
            as_2x(b"\x00\x01", encodingMethod="EDL"),
            WHOLE,
            SignedVerdict.UNSUPPORTED,
            Code.FORMAT_UNSUPPORTED,
        ),
        (
            meter().record(SA="RSA-2048-SHA256").decode(),
            WHOLE,
            SignedVerdict.UNSUPPORTED,
            Code.ALGORITHM_UNKNOWN,
        ),
        ("{" * 5000, WHOLE, SignedVerdict.UNSUPPORTED, Code.FORMAT_UNSUPPORTED),
        ("OCMF|broken", WHOLE, SignedVerdict.INVALID, Code.NO_OCMF),
    ],
)
def test_what_is_wrong_is_said(
    data: str, expected: Expected, verdict: SignedVerdict, code: Code
) -> None:
    said = judged(data, expected=expected)
    assert said.verdict is verdict
    assert code in {finding.code for finding in said.findings}
    assert said.energy_wh is None


def test_the_key_that_a_station_names_is_told_and_not_trusted() -> None:
    said = judged(as_2x(RECORD, publicKey=OCA_KEY), expected=Expected())
    assert said.verdict is SignedVerdict.NO_KEY
    assert said.readings[0].named_key == KEY


def test_the_export_is_what_the_transparency_software_reads() -> None:
    said = judged(as_2x(RECORD))
    file = export_xml(said.readings, KEY)
    assert judge_file(file, read_key(KEY)).is_valid
    assert b'format="OCMF"' in file
    other = judged(as_2x(b"\xff\x00", encodingMethod="EDL"))
    assert base64.b64encode(b"\xff\x00") in export_xml(other.readings, "")
