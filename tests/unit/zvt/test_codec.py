"""Bytes of ZVT: what is written is read back, and nothing that comes in ends in a crash."""

import binascii
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitecontroller.payments.zvt import apdu, fields, framing, tlv
from sitecontroller.payments.zvt.apdu import Apdu, ApduBuffer, ZvtError
from sitecontroller.payments.zvt.fields import Field
from sitecontroller.payments.zvt.framing import Block, BlockReader, Signal
from sitecontroller.payments.zvt.tlv import Tlv

APDUS = st.builds(Apdu, st.integers(0, 0xFFFF), st.binary(max_size=700))
TAGS = st.sampled_from([0x01, 0x07, 0x09, 0x24, 0x25, 0x41, 0x1F16, 0x1F2B, 0x9F5A, 0xE4])
TLVS = st.lists(st.builds(Tlv, TAGS, st.binary(max_size=300)), max_size=6)


@st.composite
def written_fields(draw: st.DrawFn) -> Field:
    bitmap = draw(st.sampled_from(sorted(fields.BITMAPS)))
    size = fields.fixed_size(bitmap)
    value = st.binary(max_size=99) if size is None else st.binary(min_size=size, max_size=size)
    return Field(bitmap, draw(value))


def test_an_authorisation_has_the_bytes_of_the_specification() -> None:
    """PA00P015 chapter 5.1: 1.00 EUR, payment type 44."""
    data = fields.encode(
        [
            Field(fields.AMOUNT, fields.to_bcd(100, 6)),
            Field(fields.CURRENCY, fields.to_bcd(978, 2)),
            Field(fields.STATUS_BYTE, b"\x44"),
        ]
    )
    assert Apdu(0x0601, data).encode().hex() == "06010c040000000001004909781944"


def test_254_bytes_have_a_short_length_and_255_a_long_one() -> None:
    assert Apdu(0x06D3, bytes(254)).encode()[:4].hex() == "06d3fe00"
    assert Apdu(0x06D3, bytes(255)).encode()[:5].hex() == "06d3ffff00"


def test_a_name_says_its_length_in_digits() -> None:
    assert Field(fields.CARD_NAME, b"girocard\0").encode().hex() == "8bf0f96769726f6361726400"
    assert Field(fields.TEXT, bytes(12)).encode()[:4].hex() == "3cf0f1f2"


@given(APDUS)
def test_an_apdu_is_read_as_it_was_written(message: Apdu) -> None:
    assert apdu.decode(message.encode()) == message


@given(st.lists(APDUS, max_size=5), st.integers(1, 50))
def test_apdus_are_found_however_the_stream_is_cut(messages: list[Apdu], piece: int) -> None:
    stream = b"".join(message.encode() for message in messages)
    buffer = ApduBuffer()
    pieces = [stream[at : at + piece] for at in range(0, len(stream), piece)]
    found = [message for part in pieces for message in buffer.feed(part)]
    assert found == messages
    assert not buffer.is_partial


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_but_our_own_error(data: bytes) -> None:
    found = fields.decode(data)
    assert fields.encode(found.items) is not None
    list(tlv.find_all(data, 0x07))
    ApduBuffer().feed(data)
    BlockReader().feed(data)
    for read in (apdu.decode, tlv.decode_all):
        with contextlib.suppress(ZvtError):
            read(data)


@given(st.lists(written_fields(), max_size=8))
def test_fields_are_read_as_they_were_written(written: list[Field]) -> None:
    found = fields.decode(fields.encode(written))
    assert (list(found.items), found.rest) == (written, b"")


@given(st.lists(written_fields(), max_size=4), st.binary(max_size=20))
def test_an_unknown_bitmap_costs_nothing_that_came_before_and_what_follows_is_kept(
    written: list[Field], following: bytes
) -> None:
    found = fields.decode(fields.encode(written) + b"\x5f" + following)
    assert (list(found.items), found.rest) == (written, b"\x5f" + following)


@given(TLVS)
def test_data_objects_are_read_as_they_were_written(written: list[Tlv]) -> None:
    assert list(tlv.decode_all(tlv.encode_all(written))) == written


def test_text_lines_are_found_inside_containers() -> None:
    lines = tlv.container(0x25, [Tlv(0x09, b"\x40"), Tlv(0x07, b"Summe"), Tlv(0x07, b"5,00")])
    assert list(tlv.find_all(lines.encode(), 0x07)) == [b"Summe", b"5,00"]


def test_containers_in_containers_are_read_no_deeper_than_the_bound() -> None:
    nested = Tlv(0x07, b"deep").encode()
    for _ in range(200):
        nested = Tlv(0x24, nested).encode()
    assert list(tlv.find_all(nested, 0x07)) == []


@given(st.integers(0, 10**12 - 1))
def test_an_amount_is_read_as_it_was_written(amount: int) -> None:
    assert fields.from_bcd(fields.to_bcd(amount, 6)) == amount


def test_digits_that_are_none_are_no_number() -> None:
    assert fields.from_bcd(b"\x12\xf4") is None
    with pytest.raises(ZvtError, match="doesn't fit"):
        fields.to_bcd(100, 1)


@given(st.binary(max_size=300))
def test_the_checksum_is_crc_kermit(data: bytes) -> None:
    """Beside another library's: CRC-CCITT of the bits turned round."""

    def turned(number: int, bits: int) -> int:
        return int(f"{number:0{bits}b}"[::-1], 2)

    theirs = binascii.crc_hqx(bytes(turned(byte, 8) for byte in data), 0)
    assert framing.checksum(data) == turned(theirs, 16)


def test_a_block_doubles_dle_and_counts_it_once() -> None:
    assert framing.checksum(b"123456789") == 0x2189
    block = framing.encode(b"\x06\x10\x00")
    assert block[:-2].hex() == "100206101000" + "1003"
    assert block[-2:] == framing.checksum(b"\x06\x10\x00\x03").to_bytes(2, "little")


@given(st.lists(st.binary(max_size=80), max_size=4), st.integers(1, 30))
def test_blocks_are_found_however_the_line_cuts_them(written: list[bytes], piece: int) -> None:
    stream = b"".join(framing.encode(each) + framing.ACK for each in written)
    reader = BlockReader()
    found = [
        each for at in range(0, len(stream), piece) for each in reader.feed(stream[at : at + piece])
    ]
    assert found == [each for data in written for each in (Block(data), Signal.ACK)]


@given(st.binary(min_size=1, max_size=60), st.integers(min_value=0), st.integers(1, 255))
def test_a_byte_that_a_line_turned_is_never_taken_for_a_message(
    data: bytes, where: int, change: int
) -> None:
    block = bytearray(framing.encode(data))
    block[where % len(block)] ^= change
    assert all(not isinstance(each, Block) for each in BlockReader().feed(bytes(block)))
