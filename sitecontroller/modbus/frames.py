"""Is this the answer to what we asked? Decided on the bytes, before anything is decoded.

Meters and gateways send late answers, answers of their neighbours, echoes and noise. Only a frame
with the asked unit, function and number of registers (or that unit's exception) passes. Pure.
"""

import struct
from dataclasses import dataclass

from pymodbus.framer import FramerRTU

_EXCEPTION = 0x80
_MBAP = struct.Struct(">HHHBB")
_ADU_LENGTH_MAX = 254
"""Unit and PDU behind an MBAP header (Modbus messaging on TCP/IP 1.0b, 3.1.3)."""


@dataclass(frozen=True, slots=True)
class Request:
    """Read `count` from `start`; `function` 1 coils, 2 discrete inputs, 3 holding, 4 input
    registers."""

    unit_id: int
    function: int
    start: int
    count: int

    @property
    def answer_bytes(self) -> int:
        """The byte count its answer must carry."""
        return (self.count + 7) // 8 if self.of_bits else 2 * self.count

    @property
    def of_bits(self) -> bool:
        """Whether it asks for single bits."""
        return self.function in (1, 2)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a receive buffer holds.

    `frame` is the answer, empty while it is not complete. `fault` ends the request at once; a
    `stranger` was something else: waiting goes on, and it is the reason if nothing better comes.
    """

    frame: bytes = b""
    fault: str | None = None
    stranger: str | None = None


def judge_tcp(buffer: bytes, request: Request, transaction_id: int) -> Verdict:
    """The verdict on what came on a Modbus TCP connection."""
    if len(buffer) < _MBAP.size:
        return Verdict()
    transaction, protocol, length, unit, function = _MBAP.unpack_from(buffer)
    if protocol != 0 or not 3 <= length <= _ADU_LENGTH_MAX:
        return Verdict(fault="what answers does not speak Modbus TCP")
    if transaction != transaction_id:
        return Verdict(fault=f"transaction {transaction} was answered instead of {transaction_id}")
    if unit != request.unit_id:
        return Verdict(fault=f"unit {unit} answered instead of {request.unit_id}")
    if function not in (request.function, request.function | _EXCEPTION):
        return Verdict(fault=f"function {function} was answered instead of {request.function}")
    if len(buffer) < 6 + length:
        return Verdict()
    frame = buffer[: 6 + length]
    if function == request.function and (
        frame[8] != request.answer_bytes or length != 3 + request.answer_bytes
    ):
        return Verdict(fault=f"{frame[8]} bytes came instead of {request.answer_bytes}")
    return Verdict(frame)


def judge_rtu(buffer: bytes, request: Request) -> Verdict:
    """The verdict on what came on an RTU line: the answer may stand behind echo or noise."""
    stranger = None
    for start in range(len(buffer) - 4):
        unit, function = buffer[start], buffer[start + 1]
        if function == request.function:
            end = start + 5 + buffer[start + 2]
        elif function == request.function | _EXCEPTION:
            end = start + 5
        else:
            continue
        frame = buffer[start:end]
        if len(frame) < end - start or not _crc_fits(frame):
            continue
        if unit != request.unit_id:
            stranger = f"unit {unit} answered instead of {request.unit_id}"
        elif function == request.function and frame[2] != request.answer_bytes:
            stranger = f"{frame[2]} bytes came instead of {request.answer_bytes}"
        else:
            return Verdict(frame)
    return Verdict(stranger=stranger)


def _crc_fits(frame: bytes) -> bool:
    return FramerRTU.check_CRC(frame[:-2], int.from_bytes(frame[-2:], "big"))
