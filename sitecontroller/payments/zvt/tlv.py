"""The TLV container of ZVT (bitmap 06): BER tags of one to three bytes, lengths of one to three.

Containers inside containers are read to `DEPTH_MAX`; what doesn't parse raises ZvtError.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sitecontroller.payments.zvt.apdu import ZvtError

DEPTH_MAX = 8
_TAG_BYTES_MAX = 3
_CONSTRUCTED = 0x20
_MORE_TAG = 0x1F
_LENGTH_MAX = 65_535


@dataclass(frozen=True, slots=True)
class Tlv:
    """One data object. `tag` is its bytes as a number: 0x24, 0x1F16."""

    tag: int
    value: bytes = b""

    @property
    def is_constructed(self) -> bool:
        """Whether its value is data objects."""
        return bool(_tag_bytes(self.tag)[0] & _CONSTRUCTED)

    def encode(self) -> bytes:
        """Tag, length, value."""
        return _tag_bytes(self.tag) + encode_length(len(self.value)) + self.value


def container(tag: int, objects: Iterable[Tlv]) -> Tlv:
    """A constructed data object."""
    return Tlv(tag, encode_all(objects))


def encode_all(objects: Iterable[Tlv]) -> bytes:
    """One after the other."""
    return b"".join(each.encode() for each in objects)


def decode_all(data: bytes) -> tuple[Tlv, ...]:
    """All data objects of a container. Raises ZvtError."""
    objects: list[Tlv] = []
    at = 0
    while at < len(data):
        tag, at = _read_tag(data, at)
        size, at = read_length(data, at)
        if at + size > len(data):
            raise ZvtError(f"tag {tag:X} ends before its length")
        objects.append(Tlv(tag, data[at : at + size]))
        at += size
    return tuple(objects)


def find_all(data: bytes, tag: int, depth: int = DEPTH_MAX) -> Iterator[bytes]:
    """Values of a tag anywhere in a container; what doesn't parse holds none."""
    try:
        objects = decode_all(data)
    except ZvtError:
        return
    for each in objects:
        if each.tag == tag:
            yield each.value
        elif each.is_constructed and depth > 1:
            yield from find_all(each.value, tag, depth - 1)


def encode_length(size: int) -> bytes:
    """A length field. Raises ZvtError above 65535."""
    if size < 0x80:
        return bytes((size,))
    if size <= 0xFF:
        return bytes((0x81, size))
    if size > _LENGTH_MAX:
        raise ZvtError(f"{size} bytes don't fit a data object")
    return b"\x82" + size.to_bytes(2, "big")


def read_length(data: bytes, at: int) -> tuple[int, int]:
    """The length that stands at `at`, and where the value begins. Raises ZvtError."""
    if at >= len(data):
        raise ZvtError("a data object has no length")
    first = data[at]
    if first < 0x80:
        return first, at + 1
    count = first & 0x7F
    if count not in (1, 2) or at + 1 + count > len(data):
        raise ZvtError(f"a length begins with {first:02X}")
    return int.from_bytes(data[at + 1 : at + 1 + count], "big"), at + 1 + count


def _read_tag(data: bytes, at: int) -> tuple[int, int]:
    end = at + 1
    if data[at] & _MORE_TAG == _MORE_TAG:
        while True:
            if end >= len(data) or end - at >= _TAG_BYTES_MAX:
                raise ZvtError("a tag doesn't end")
            end += 1
            if not data[end - 1] & 0x80:
                break
    return int.from_bytes(data[at:end], "big"), end


def _tag_bytes(tag: int) -> bytes:
    return tag.to_bytes(max(1, (tag.bit_length() + 7) // 8), "big")
