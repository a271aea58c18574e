"""APDUs of ZVT (PA00P016 chapter 5): two control bytes, a length, data. Pure bytes, no I/O.

What isn't an APDU raises ZvtError and nothing else; nothing is longer than `DATA_BYTES_MAX`.
"""

from dataclasses import dataclass

DATA_BYTES_MAX = 65_535
_SHORT_MAX = 0xFE
_EXTENDED = 0xFF
_HEAD_BYTES = 3
_EXTENDED_HEAD_BYTES = 5


class ZvtError(Exception):
    """Bytes that ZVT doesn't allow, in words."""


@dataclass(frozen=True, slots=True)
class Apdu:
    """One message. `control` is CLASS and INSTR, or CCRC and APRC of an answer: 0x0601, 0x8000."""

    control: int
    data: bytes = b""

    def __post_init__(self) -> None:
        if not 0 <= self.control <= 0xFFFF:
            raise ZvtError(f"control field {self.control:X} has more than two bytes")
        if len(self.data) > DATA_BYTES_MAX:
            raise ZvtError(f"{len(self.data)} bytes don't fit an APDU")

    @property
    def is_answer(self) -> bool:
        """Whether it acknowledges a command: 80-00 or 84-xx."""
        return self.control >> 8 in (0x80, 0x84)

    @property
    def refusal(self) -> int | None:
        """The error of a negative answer; None: positive (84-00 is), or no answer."""
        code = self.control & 0xFF
        return code if self.control >> 8 == 0x84 and code else None

    def encode(self) -> bytes:
        """The bytes on a TCP line."""
        size = len(self.data)
        head = self.control.to_bytes(2, "big")
        if size <= _SHORT_MAX:
            return head + bytes((size,)) + self.data
        return head + bytes((_EXTENDED,)) + size.to_bytes(2, "little") + self.data

    def __str__(self) -> str:
        return f"{self.control >> 8:02X} {self.control & 0xFF:02X}"


OK = Apdu(0x8000)


def decode(data: bytes) -> Apdu:
    """Exactly one APDU. Raises ZvtError."""
    apdu, used = _first(data)
    if apdu is None:
        raise ZvtError("an APDU ends before its length")
    if used != len(data):
        raise ZvtError(f"{len(data) - used} bytes follow an APDU")
    return apdu


class ApduBuffer:
    """Puts APDUs together from a byte stream cut anywhere."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    @property
    def is_partial(self) -> bool:
        """Whether an APDU has begun that isn't whole."""
        return bool(self._bytes)

    def feed(self, data: bytes) -> list[Apdu]:
        """The APDUs that are whole now."""
        self._bytes += data
        whole: list[Apdu] = []
        while True:
            apdu, used = _first(bytes(self._bytes))
            if apdu is None:
                return whole
            whole.append(apdu)
            del self._bytes[:used]


def _first(data: bytes) -> tuple[Apdu | None, int]:
    """The first APDU and the bytes it takes; None: not whole yet."""
    if len(data) < _HEAD_BYTES:
        return None, 0
    start, size = _HEAD_BYTES, data[2]
    if size == _EXTENDED:
        if len(data) < _EXTENDED_HEAD_BYTES:
            return None, 0
        start, size = _EXTENDED_HEAD_BYTES, int.from_bytes(data[3:5], "little")
    if len(data) < start + size:
        return None, 0
    return Apdu(int.from_bytes(data[:2], "big"), data[start : start + size]), start + size
