"""Private keys of ours, and which public keys of others are taken.

Plain functions around `cryptography`. Making an RSA key takes a tenth of a second and more: callers
do it off the loop.
"""

from enum import StrEnum

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from sitecontroller.domain.errors import InvalidInput

RSA_BITS_MIN = 2048
RSA_BITS_MAX = 4096
RSA_EXPONENT_MAX = 2**32
"""A larger one makes each check of a signature as dear as signing."""
RSA_AUTHORITY_BITS = 3072
RSA_SERVER_BITS = 2048
"""Renewed every few weeks, and twice as fast in each handshake as 3072 (A00.FR.502)."""
CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)

UNREADABLE = (
    ValueError,
    TypeError,
    OverflowError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What the library raises on bytes that are no certificate, request or key."""

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


class KeyKind(StrEnum):
    """The two kinds that stations speak (A00.FR.318)."""

    EC = "ec"
    RSA = "rsa"


def new_key(kind: KeyKind, rsa_bits: int = RSA_AUTHORITY_BITS) -> PrivateKey:
    """A new key: P-256, or RSA of that many bits."""
    if kind is KeyKind.EC:
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=rsa_bits)


def new_key_pem(kind: KeyKind, rsa_bits: int = RSA_AUTHORITY_BITS) -> str:
    """The same as text, for the workshop."""
    return key_pem(new_key(kind, rsa_bits))


def key_pem(key: PrivateKey) -> str:
    """PKCS 8, not encrypted: the file's mode guards it."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode("ascii")


def read_key(pem: str) -> PrivateKey:
    """A key of ours. ValueError when it is none."""
    # Without its check of the primes, which takes 80 ms for each RSA key on the loop: the files are
    # ours, and a key that doesn't fit its certificate is found out anyway.
    key = serialization.load_pem_private_key(
        pem.encode("ascii"), password=None, unsafe_skip_rsa_key_validation=True
    )
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise ValueError("neither an EC nor an RSA key")
    return key


def kind_of(key: object) -> KeyKind | None:
    """Which of the two; None: neither."""
    if isinstance(key, ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey):
        return KeyKind.EC
    if isinstance(key, rsa.RSAPublicKey | rsa.RSAPrivateKey):
        return KeyKind.RSA
    return None


def checked_public_key(key: object) -> PublicKey:
    """A public key that may be signed or relied on (A00.FR.501 to 504). InvalidInput says why not.

    Called before any signature is verified with it: the size bounds the work.
    """
    if isinstance(key, ec.EllipticCurvePublicKey):
        if not isinstance(key.curve, CURVES):
            raise InvalidInput(
                f"its curve {key.curve.name} is not taken", remedy="Use P-256, P-384 or P-521"
            )
        return key
    if isinstance(key, rsa.RSAPublicKey):
        if not RSA_BITS_MIN <= key.key_size <= RSA_BITS_MAX:
            raise InvalidInput(
                f"its RSA key has {key.key_size} bits",
                remedy=f"Use {RSA_BITS_MIN} to {RSA_BITS_MAX} bits",
            )
        if key.public_numbers().e > RSA_EXPONENT_MAX:
            raise InvalidInput("its RSA exponent is too large", remedy="Use 65537")
        return key
    raise InvalidInput("its key is neither EC nor RSA", remedy="Use P-256 or RSA of 3072 bits")
