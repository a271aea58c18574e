"""Only the answer to what was asked passes; what is not complete yet is waited for."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from sitecontroller.modbus.frames import Request, Verdict, judge_rtu, judge_tcp
from tests.wire.modbus.fakes import with_crc

ASK = Request(unit_id=5, function=4, start=0, count=2)
PDU = bytes([5, 4, 4, 0x43, 0x66, 0x33, 0x33])
RTU = with_crc(PDU)
TCP = struct.pack(">HHH", 77, 0, len(PDU)) + PDU


@given(st.binary(max_size=20).filter(lambda noise: 5 not in noise))
def test_an_answer_behind_noise_is_found(noise: bytes) -> None:
    assert judge_rtu(noise + RTU, ASK).frame == RTU


@given(st.integers(0, len(RTU) - 1), st.integers(1, 255))
def test_a_damaged_answer_is_none(place: int, change: int) -> None:
    damaged = bytearray(RTU)
    damaged[place] ^= change
    assert judge_rtu(bytes(damaged), ASK) == Verdict()


@given(st.integers(0, len(RTU) - 1))
def test_a_part_of_an_rtu_answer_is_waited_for(length: int) -> None:
    assert judge_rtu(RTU[:length], ASK) == Verdict()


@given(st.integers(0, len(TCP) - 1))
def test_a_part_of_a_tcp_answer_is_waited_for(length: int) -> None:
    assert judge_tcp(TCP[:length], ASK, 77) == Verdict()


@given(st.binary(max_size=300))
def test_noise_never_passes_for_an_answer_on_tcp(noise: bytes) -> None:
    verdict = judge_tcp(b"\x00\x01\x00\x00" + noise, ASK, 77)
    assert verdict.frame == b""


def test_the_neighbours_answer_is_a_stranger() -> None:
    other = with_crc(bytes([6, 4, 4, 0, 0, 0, 0]))
    assert judge_rtu(other, ASK).stranger == "unit 6 answered instead of 5"
    assert judge_rtu(other + RTU, ASK).frame == RTU


def test_another_transaction_ends_the_request_at_once() -> None:
    assert judge_tcp(TCP, ASK, 78).fault == "transaction 77 was answered instead of 78"


def test_a_web_server_does_not_speak_modbus() -> None:
    verdict = judge_tcp(b"HTTP/1.1 400 Bad Request\r\n", ASK, 77)
    assert verdict.fault == "what answers does not speak Modbus TCP"


def test_an_exception_of_the_asked_unit_is_an_answer() -> None:
    exception = with_crc(bytes([5, 0x84, 2]))
    assert judge_rtu(exception, ASK).frame == exception
