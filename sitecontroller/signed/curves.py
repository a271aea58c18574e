"""The curves that OCMF meters sign on (OCMF 1.4 tables 22 and 23, and secp521r1, which some use).

Each is known to two libraries: `cryptography` (OpenSSL) and `ecdsa` (pure Python), of which the
second alone has secp192k1.
"""

from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec
from ecdsa import curves, ellipticcurve

_SECP192K1_P = 2**192 - 2**32 - 2**12 - 2**8 - 2**7 - 2**6 - 2**3 - 1
_SECP192K1_N = 0xFFFFFFFF_FFFFFFFF_FFFFFFFE_26F2FC17_0F69466A_74DEFD8D
_SECP192K1_GX = 0xDB4FF10E_C057E9AE_26B07D02_80B7F434_1DA5D1B1_EAE06C7D
_SECP192K1_GY = 0x9B2F2F6D_9C5628A7_844163D0_15BE8634_4082AA88_D95E2F9D


@dataclass(frozen=True, slots=True)
class SignatureCurve:
    """One curve. `size` is the length of a coordinate in bytes, `oid` the DER of its identifier.

    `openssl` is None where OpenSSL's builds lack it.
    """

    name: str
    size: int
    oid: bytes
    pure: curves.Curve
    openssl: Callable[[], ec.EllipticCurve] | None


def _secp192k1() -> curves.Curve:
    """SEC 2 (version 2.0), section 2.2.1; `ecdsa` has no table entry for it."""
    field = ellipticcurve.CurveFp(_SECP192K1_P, 0, 3, 1)
    base = ellipticcurve.PointJacobi(
        field, _SECP192K1_GX, _SECP192K1_GY, 1, _SECP192K1_N, generator=True
    )
    return curves.Curve("SECP192k1", field, base, (1, 3, 132, 0, 31))


CURVES = (
    SignatureCurve("secp192k1", 24, bytes.fromhex("06052b8104001f"), _secp192k1(), None),
    SignatureCurve(
        "secp192r1", 24, bytes.fromhex("06082a8648ce3d030101"), curves.NIST192p, ec.SECP192R1
    ),
    SignatureCurve(
        "secp256k1", 32, bytes.fromhex("06052b8104000a"), curves.SECP256k1, ec.SECP256K1
    ),
    SignatureCurve(
        "secp256r1", 32, bytes.fromhex("06082a8648ce3d030107"), curves.NIST256p, ec.SECP256R1
    ),
    SignatureCurve("secp384r1", 48, bytes.fromhex("06052b81040022"), curves.NIST384p, ec.SECP384R1),
    SignatureCurve("secp521r1", 66, bytes.fromhex("06052b81040023"), curves.NIST521p, ec.SECP521R1),
    SignatureCurve(
        "brainpool256r1",
        32,
        bytes.fromhex("06092b2403030208010107"),
        curves.BRAINPOOLP256r1,
        ec.BrainpoolP256R1,
    ),
    SignatureCurve(
        "brainpool384r1",
        48,
        bytes.fromhex("06092b240303020801010b"),
        curves.BRAINPOOLP384r1,
        ec.BrainpoolP384R1,
    ),
    SignatureCurve(
        "brainpool512r1",
        64,
        bytes.fromhex("06092b240303020801010d"),
        curves.BRAINPOOLP512r1,
        ec.BrainpoolP512R1,
    ),
)
_SYNONYMS = {
    "p-256": "secp256r1",
    "prime256v1": "secp256r1",
    "p-384": "secp384r1",
    "prime384v1": "secp384r1",
    "prime192v1": "secp192r1",
}
_BY_NAME = {curve.name: curve for curve in CURVES}


def curve_named(name: str) -> SignatureCurve | None:
    """By its name in OCMF or a synonym; brainpoolP256r1 and brainpool256r1 are the same."""
    plain = name.casefold().replace("brainpoolp", "brainpool")
    return _BY_NAME.get(_SYNONYMS.get(plain, plain))
