"""Checks what a station wants signed (a PKCS 10 request): its form, key, signature and name.

What comes in is a stranger's text: bounded before it is parsed, its key before it is used.
"""

import re
from dataclasses import dataclass

from cryptography import x509

from sitecontroller.domain.errors import InvalidInput
from sitecontroller.pki.certificates import NAME_CHARACTERS_MAX, common_name
from sitecontroller.pki.keys import UNREADABLE, PublicKey, checked_public_key

REQUEST_CHARACTERS_MAX = 16_000
_PEM = re.compile(
    r"-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----([A-Za-z0-9+/=\s]+)"
    r"-----END (?:NEW )?CERTIFICATE REQUEST-----"
)
_HASHES = ("sha256", "sha384", "sha512")


@dataclass(frozen=True, slots=True)
class SigningRequest:
    """What is left of a request that may be signed."""

    common_name: str
    public_key: PublicKey


def read_request(text: str) -> x509.CertificateSigningRequest:
    """A request in PEM; stations leave its line ends out or write them as two characters.

    Raises InvalidInput."""
    found = _PEM.search(text.replace("\\r", "").replace("\\n", "\n")[:REQUEST_CHARACTERS_MAX])
    if found is None:
        raise InvalidInput("it is no certificate request in PEM form")
    body = "".join(found[1].split())
    lines = [body[i : i + 64] for i in range(0, len(body), 64)]
    pem = "\n".join(
        ("-----BEGIN CERTIFICATE REQUEST-----", *lines, "-----END CERTIFICATE REQUEST-----", "")
    )
    try:
        return x509.load_pem_x509_csr(pem.encode("ascii"))
    except UNREADABLE:
        raise InvalidInput("it is no certificate request that can be read") from None


def check_request(text: str, names: frozenset[str]) -> SigningRequest:
    """A request whose common name is one of `names`, exactly. InvalidInput says what is wrong."""
    request = read_request(text)
    try:
        key = checked_public_key(request.public_key())
        algorithm = request.signature_hash_algorithm
        if algorithm is None or algorithm.name not in _HASHES:
            raise InvalidInput("it is signed with an old hash", remedy="Use SHA-256")
        if not request.is_signature_valid:
            raise InvalidInput("its signature is not that of its key")
        name = common_name(request.subject)
    except UNREADABLE:
        raise InvalidInput("its key or subject can't be read") from None
    if not 0 < len(name) <= NAME_CHARACTERS_MAX:
        raise InvalidInput("it names nobody (common name)")
    if name not in names:
        wanted = " or ".join(sorted(names)) or "nothing: the station told no serial number"
        raise InvalidInput(f"it is for '{name}', but this station is {wanted}")
    return SigningRequest(name, key)
