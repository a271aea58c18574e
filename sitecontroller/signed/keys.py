"""Public keys of meters, in the forms that they are printed and sent in.

Makers give the bare point (x and y, with or without the leading 04, or compressed) or the DER of a
SubjectPublicKeyInfo, as hex or base64, some in groups of four. A bare point doesn't say its curve:
the record that it shall verify does.
"""

import base64
import binascii
import contextlib
from dataclasses import dataclass

from ecdsa import VerifyingKey
from ecdsa.errors import MalformedPointError

from sitecontroller.signed.curves import CURVES, SignatureCurve

KEY_CHARACTERS_MAX = 2048

_EC_PUBLIC_KEY = bytes.fromhex("06072a8648ce3d0201")
_SEPARATORS = str.maketrans("", "", " \t\r\n:")
_PEM_LINE = "-----"


class KeyFault(ValueError):
    """This is no public key, or none for that curve; the text is a sentence for people."""


@dataclass(frozen=True, slots=True)
class MeterKey:
    """A public key. `curve` is None for a bare point; `point` is as it was encoded, `encoded` the
    whole of what was given."""

    point: bytes
    curve: SignatureCurve | None
    encoded: bytes

    def on(self, curve: SignatureCurve) -> bytes:
        """The point on this curve, uncompressed (04, x, y). KeyFault if it isn't there."""
        if self.curve is not None and self.curve is not curve:
            raise KeyFault(
                f"The public key is of the curve {self.curve.name}, the record is signed on "
                f"{curve.name}."
            )
        return _uncompressed(self.point, curve)

    def is_same(self, other: "MeterKey") -> bool:
        """Whether both are one point, however they are written."""
        for curve in CURVES:
            try:
                if self.on(curve) == other.on(curve):
                    return True
            except KeyFault:
                continue
        return False


def read_key(text: str) -> MeterKey:
    """A key as hex or base64. KeyFault if it is none on any curve that meters sign on."""
    if len(text) > KEY_CHARACTERS_MAX:
        raise KeyFault("This is too long for a public key.")
    for decoded in _decoded(text):
        key = _read_key(decoded)
        if key is not None:
            return key
    raise KeyFault(
        "This is no public key: give the point (04…, compressed, or x and y) or the "
        "SubjectPublicKeyInfo (30…) as hex."
    )


def _decoded(text: str) -> list[bytes]:
    """What the text may mean: hex first, for a text of hex digits is valid base64 too."""
    lines = [line for line in text.splitlines() if not line.startswith(_PEM_LINE)]
    plain = "".join(lines).translate(_SEPARATORS)
    plain = plain[2:] if plain[:2] in ("0x", "0X") else plain
    found = []
    with contextlib.suppress(ValueError):
        found.append(binascii.unhexlify(plain))
    with contextlib.suppress(ValueError):
        found.append(base64.b64decode(plain, validate=True))
    return found


def _read_key(encoded: bytes) -> MeterKey | None:
    for curve in CURVES:
        point = _point_of_info(encoded, curve)
        if point is not None:
            return MeterKey(point, curve, encoded) if _is_on(point, curve) else None
    key = MeterKey(encoded, None, encoded)
    return key if any(_is_on(encoded, curve) for curve in CURVES) else None


def _point_of_info(encoded: bytes, curve: SignatureCurve) -> bytes | None:
    """The point of a SubjectPublicKeyInfo of this curve (RFC 5480); None if it is none.

    DER leaves one way to write everything before the point, so that is compared, not parsed.
    """
    algorithm = _der(0x30, _EC_PUBLIC_KEY + curve.oid)
    for length in (2 * curve.size + 1, curve.size + 1):
        point = encoded[-length:]
        if encoded == _der(0x30, algorithm + _der(0x03, b"\x00" + point)):
            return point
    return None


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    head = bytes([length]) if length < 0x80 else bytes([0x81, length])
    return bytes([tag]) + head + content


def _is_on(point: bytes, curve: SignatureCurve) -> bool:
    try:
        _uncompressed(point, curve)
    except KeyFault:
        return False
    return True


def _uncompressed(point: bytes, curve: SignatureCurve) -> bytes:
    forms = {2 * curve.size: b"", 2 * curve.size + 1: b"\x04", curve.size + 1: b"\x02\x03"}
    leads = forms.get(len(point))
    if leads is None or (leads and point[0] not in leads):
        raise KeyFault(f"The public key hasn't the form of a point on {curve.name}.")
    try:
        key = VerifyingKey.from_string(point, curve=curve.pure)
    except (MalformedPointError, ValueError):
        raise KeyFault(f"The public key is no point on {curve.name}.") from None
    return bytes(key.to_string("uncompressed"))
