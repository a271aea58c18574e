"""Blocks of ZVT on a serial line (PA00P016 chapter 3): DLE STX … DLE ETX CRC, ACK and NAK.

Pure bytes. The CRC is over the APDU without doubled DLEs, and ETX; its low byte comes first.
"""

from dataclasses import dataclass
from enum import Enum, auto

from sitecontroller.payments.zvt.apdu import DATA_BYTES_MAX

ACK, NAK = b"\x06", b"\x15"
_DLE, _STX, _ETX = 0x10, 0x02, 0x03
_POLYNOMIAL = 0x8408
"""x¹⁶ + x¹² + x⁵ + 1, low bit first, from 0: what terminals do. The specification's words (XModem)
name another order."""
BLOCK_BYTES_MAX = DATA_BYTES_MAX + 5


class Signal(Enum):
    """What a line says that isn't a block."""

    ACK = auto()
    NAK = auto()
    BROKEN = auto()
    """A block whose CRC is wrong, that is too long or has a lone DLE."""


@dataclass(frozen=True, slots=True)
class Block:
    """The bytes of an APDU."""

    apdu: bytes


def encode(apdu: bytes) -> bytes:
    """The block of an APDU."""
    escaped = apdu.replace(bytes((_DLE,)), bytes((_DLE, _DLE)))
    crc = checksum(apdu + bytes((_ETX,))).to_bytes(2, "little")
    return bytes((_DLE, _STX)) + escaped + bytes((_DLE, _ETX)) + crc


def checksum(data: bytes) -> int:
    """CRC-16 of the bytes (CRC-16/KERMIT)."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ _POLYNOMIAL if crc & 1 else crc >> 1
    return crc


class _At(Enum):
    IDLE = auto()
    OPENING = auto()
    INSIDE = auto()
    ESCAPED = auto()
    CRC = auto()


class BlockReader:
    """Finds blocks and signals in a byte stream cut anywhere; noise between blocks is skipped."""

    def __init__(self) -> None:
        self._at = _At.IDLE
        self._apdu = bytearray()
        self._crc = bytearray()

    @property
    def is_partial(self) -> bool:
        """Whether a block has begun that isn't whole."""
        return self._at is not _At.IDLE

    def reset(self) -> None:
        """Give up a block that doesn't go on."""
        self._at = _At.IDLE
        self._apdu.clear()
        self._crc.clear()

    def feed(self, data: bytes) -> list[Block | Signal]:
        """What is whole now."""
        return [found for byte in data if (found := self._take(byte)) is not None]

    def _take(self, byte: int) -> Block | Signal | None:
        match self._at:
            case _At.IDLE:
                return self._between(byte)
            case _At.OPENING:
                self._at = _At.INSIDE if byte == _STX else _At.IDLE
            case _At.INSIDE:
                return self._inside(byte)
            case _At.ESCAPED:
                return self._after_dle(byte)
            case _At.CRC:
                self._crc.append(byte)
                if len(self._crc) == 2:
                    return self._judged()
        return None

    def _between(self, byte: int) -> Signal | None:
        if byte == _DLE:
            self._at = _At.OPENING
        return {ACK[0]: Signal.ACK, NAK[0]: Signal.NAK}.get(byte)

    def _inside(self, byte: int) -> Signal | None:
        if byte == _DLE:
            self._at = _At.ESCAPED
            return None
        return self._append(byte)

    def _after_dle(self, byte: int) -> Signal | None:
        if byte == _ETX:
            self._at = _At.CRC
            return None
        if byte != _DLE:
            self.reset()
            return Signal.BROKEN
        self._at = _At.INSIDE
        return self._append(byte)

    def _append(self, byte: int) -> Signal | None:
        if len(self._apdu) >= BLOCK_BYTES_MAX:
            self.reset()
            return Signal.BROKEN
        self._apdu.append(byte)
        return None

    def _judged(self) -> Block | Signal:
        apdu, told = bytes(self._apdu), int.from_bytes(self._crc, "little")
        self.reset()
        return Block(apdu) if checksum(apdu + bytes((_ETX,))) == told else Signal.BROKEN
