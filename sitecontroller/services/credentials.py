"""Station passwords: made by us, kept as HMAC-SHA256 under the site's pepper, compared in
constant time. Never stored or logged in clear.
"""

import hashlib
import hmac
import secrets

from sitecontroller.domain.station import OcppVersion

PASSWORD_VARIABLE = {
    OcppVersion.V16: "AuthorizationKey",
    OcppVersion.V201: "SecurityCtrlr.BasicAuthPassword",
    OcppVersion.V21: "SecurityCtrlr.BasicAuthPassword",
}


def new_password() -> str:
    """160 random bits as 40 hexadecimal characters (OCPP security profile 1: 16 to 40)."""
    return secrets.token_hex(20)


def password_hash(pepper: bytes, password: bytes) -> str:
    """What is kept of a password."""
    return hmac.new(pepper, password, hashlib.sha256).hexdigest()


def password_matches(pepper: bytes, kept: str | None, password: bytes) -> bool:
    """Whether a password is the kept one, as it came or decoded from hexadecimal.

    Some stations send the bytes that the hexadecimal text of the key stands for, and some the
    text; both are the same key (Q07). Takes the same time whether or not `kept` is None.
    """
    candidates = [password, password.hex().encode(), password.hex().upper().encode()]
    expected = kept if kept is not None else "0" * 64
    matches = [
        hmac.compare_digest(password_hash(pepper, candidate), expected) for candidate in candidates
    ]
    return any(matches) and kept is not None
