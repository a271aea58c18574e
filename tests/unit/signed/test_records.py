"""Records as they come in files: plain, several, as hex or base64, in the XML."""

import base64

import pytest

from sitecontroller.domain.ocmf import Code, OcmfFault
from sitecontroller.signed.records import SignedText, read_records, to_xml
from tests.unit.signed.meters import BEGIN, END, meter, payload

RECORD = meter().record()
OTHER = meter().record(payload({**BEGIN, **END}, PG="T8"))


def data_of(file: bytes) -> list[bytes]:
    return [record.data for record in read_records(file)]


@pytest.mark.parametrize(
    "file",
    [
        RECORD,
        RECORD + b"\n",
        RECORD + b"\r\n\r\n",
        b"\xef\xbb\xbf" + RECORD,
        b"  " + RECORD,
        RECORD.hex().encode(),
        RECORD.hex().upper().encode() + b"\n",
        base64.b64encode(RECORD),
        base64.encodebytes(RECORD),
    ],
)
def test_one_record_is_found_however_it_is_packed(file: bytes) -> None:
    assert data_of(file) == [RECORD]


@pytest.mark.parametrize(
    "file",
    [
        RECORD + b"\n" + OTHER,
        RECORD + b"\r\n\r\n" + OTHER + b"\r\n",
        RECORD.hex().encode() + b"\n" + OTHER.hex().encode() + b"\n",
    ],
)
def test_several_records_are_found_one_after_the_other(file: bytes) -> None:
    assert data_of(file) == [RECORD, OTHER]


def test_a_record_may_span_lines() -> None:
    spanning = RECORD.replace(b",", b",\n\t")
    assert data_of(spanning + b"\n" + OTHER) == [spanning, OTHER]


@pytest.mark.parametrize(
    "file",
    [
        b"",
        b" \n",
        b"hello",
        b"x" + RECORD,
        b"see below:\n" + RECORD,
        b"<values>",
        b"<values/>",
        b"<values><value/></values>",
        b"<values><value><signedData format='OCMF'> </signedData></value></values>",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]><values><value><signedData>&b;</signedData>"
        b"</value></values>",
        b"<a>" * 100_000,
        b"00" * 5_000_000,
        bytes(range(256)),
    ],
)
def test_a_file_without_records_says_so(file: bytes) -> None:
    with pytest.raises(OcmfFault) as refused:
        read_records(file)
    assert refused.value.finding.code is Code.NO_OCMF


def test_the_transparency_softwares_xml_gives_its_records_and_keys() -> None:
    key = meter().public("der")
    one = SignedText(RECORD, name="Transaction.Begin")
    two = SignedText(b"\x00\xff", format="ALFEN", name="Transaction.End")
    file = to_xml([(one, key), (two, "")])
    read = read_records(file)
    assert read[0] == SignedText(RECORD, "OCMF", key, "Transaction.Begin")
    assert base64.b64encode(b"\x00\xff") in file
    assert read[1].format == "ALFEN"


def test_words_of_a_station_that_xml_cannot_hold_do_not_spoil_the_export() -> None:
    odd = SignedText(RECORD, format="\ufffe\x00A", name="\x1b<b>")
    (read,) = read_records(to_xml([(odd, "30\x0059")]))
    assert (read.data, read.format, read.name) == (RECORD, "\ufffd\ufffdA", "\ufffd<b>")


@pytest.mark.parametrize("encoding", ["", "plain", "hex", "base64"])
def test_xml_may_hold_a_record_in_any_encoding(encoding: str) -> None:
    text = {"hex": RECORD.hex(), "base64": base64.b64encode(RECORD).decode()}.get(
        encoding, RECORD.decode()
    )
    attribute = f' encoding="{encoding}"' if encoding else ""
    file = f"<values><value><signedData{attribute}>\n{text}\n</signedData></value></values>"
    assert data_of(file.encode()) == [RECORD]


def test_what_is_exported_is_byte_for_byte_what_came() -> None:
    awkward = meter().record(payload(GI='<&>"ä"\t', GV="a\\u0000b"))
    spanning = awkward.replace(b",", b",\n")
    for record in (awkward, spanning, awkward.replace(b",", b",\r\n")):
        assert data_of(to_xml([(SignedText(record), "")])) == [record]
