"""Whether a record's signature is that of a public key: two libraries have to say so.

The signature is taken in one encoding alone: DER as it must be, in hex or base64 without a
character more. What an outsider adds or writes otherwise is refused, though the two numbers of the
signature stayed the same. (That r, n - s fits wherever r, s does is a property of ECDSA; nobody
can tell by which of them the meter signed.)
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from ecdsa import BadSignatureError, VerifyingKey

from sitecontroller.domain.ocmf import DER_MIME_TYPE, Code, OcmfFault, Record, SignatureSection
from sitecontroller.signed.curves import SignatureCurve, curve_named
from sitecontroller.signed.keys import KeyFault, MeterKey, read_key

SIGNATURE_CHARACTERS_MAX = 600

_HASHES: dict[str, tuple[Callable[[], hashes.HashAlgorithm], str]] = {
    "SHA256": (hashes.SHA256, "sha256"),
    "SHA384": (hashes.SHA384, "sha384"),
    "SHA512": (hashes.SHA512, "sha512"),
}
_ALGORITHM = re.compile(r"ECDSA-([A-Za-z0-9-]{1,30})-(SHA256|SHA384|SHA512)", re.ASCII)
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+", re.ASCII)
_FIXED_24 = re.compile(rb"\x30\x34\x02\x18(.{24})\x02\x18(.{24})", re.DOTALL)


def check_signature(record: Record, key: MeterKey) -> None:
    """Returns if the record's payload is signed by this key; OcmfFault says why it isn't."""
    curve, hash_name = _algorithm(record.signature.algorithm)
    r, s = _numbers(record, curve)
    try:
        point = key.on(curve)
        if record.embedded_key and not read_key(record.embedded_key).is_same(key):
            raise KeyFault("The record carries another public key than the one given.")
    except KeyFault as fault:
        raise OcmfFault(Code.KEY_MISMATCH, str(fault)) from None
    said = {_by_ecdsa(record.payload, r, s, point, curve, hash_name)}
    if curve.openssl is not None:
        said.add(_by_openssl(record.payload, r, s, point, curve.openssl(), hash_name))
    if said == {True, False}:
        raise OcmfFault(
            Code.CHECKS_DISAGREE,
            "Two independent checks of the signature disagree; a fault of this program, "
            "so the record isn't trusted.",
        )
    if said != {True}:
        raise OcmfFault(
            Code.SIGNATURE_WRONG,
            "The signature doesn't fit: the record was changed after the meter signed it, "
            "or another meter signed it.",
        )


def _algorithm(name: str) -> tuple[SignatureCurve, str]:
    found = _ALGORITHM.fullmatch(name)
    curve = curve_named(found[1]) if found else None
    if found is None or curve is None:
        raise OcmfFault(
            Code.ALGORITHM_UNKNOWN, f"The signature algorithm {name[:60]!r} isn't one of OCMF."
        )
    return curve, found[2]


def _numbers(record: Record, curve: SignatureCurve) -> tuple[int, int]:
    """r and s of the signature, from the one way there is to write them in DER."""
    encoded = _decoded(record.signature)
    try:
        r, s = decode_dss_signature(encoded)
        if encode_dss_signature(r, s) == encoded:
            return r, s
    except ValueError:
        pass
    if record.gateway.startswith("eBZ") and curve.size == 24:
        # eBZ LD3 (V207) writes r and s as 24 unsigned bytes each: no DER wherever the first bit
        # is set or the first byte is 0. Bound to this maker; it may go with the last such meter.
        found = _FIXED_24.fullmatch(encoded)
        if found:
            return int.from_bytes(found[1]), int.from_bytes(found[2])
    raise OcmfFault(
        Code.SIGNATURE_UNREADABLE,
        "The signature (SD) is no proper DER: it has been changed, or bytes were added to it.",
    )


def _decoded(section: SignatureSection) -> bytes:
    if section.mime_type != DER_MIME_TYPE:
        raise OcmfFault(
            Code.ALGORITHM_UNKNOWN, f"The signature's form {section.mime_type[:60]!r} is unknown."
        )
    if len(section.data) > SIGNATURE_CHARACTERS_MAX:
        raise OcmfFault(Code.SIGNATURE_UNREADABLE, "The signature (SD) is too long to be one.")
    if section.encoding == "hex":
        if _HEX.fullmatch(section.data):
            return bytes.fromhex(section.data)
        raise OcmfFault(Code.SIGNATURE_UNREADABLE, "The signature (SD) isn't plain hex.")
    if section.encoding == "base64":
        return _from_base64(section.data)
    raise OcmfFault(
        Code.ALGORITHM_UNKNOWN, f"The signature's encoding {section.encoding[:60]!r} is unknown."
    )


def _from_base64(text: str) -> bytes:
    """The bytes of a text that says nothing beside them (RFC 4648 section 3.5)."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        decoded = b""
    if not decoded or base64.b64encode(decoded).decode() != text:
        raise OcmfFault(Code.SIGNATURE_UNREADABLE, "The signature (SD) isn't plain base64.")
    return decoded


def _by_openssl(
    payload: bytes, r: int, s: int, point: bytes, curve: ec.EllipticCurve, hash_name: str
) -> bool:
    key = ec.EllipticCurvePublicKey.from_encoded_point(curve, point)
    try:
        key.verify(encode_dss_signature(r, s), payload, ec.ECDSA(_HASHES[hash_name][0]()))
    except InvalidSignature:
        return False
    return True


def _by_ecdsa(
    payload: bytes, r: int, s: int, point: bytes, curve: SignatureCurve, hash_name: str
) -> bool:
    key = VerifyingKey.from_string(point, curve=curve.pure)
    digest = hashlib.new(_HASHES[hash_name][1], payload).digest()
    try:
        key.verify_digest(
            b"", digest, sigdecode=lambda signature, order: (r, s), allow_truncate=True
        )
    except BadSignatureError:
        return False
    return True
