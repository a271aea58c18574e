"""What a station writes into its opening handshake, read leniently: who it is and what it speaks.

Pure functions over the request target, the sub-protocols and the Authorization header. Stations
get all three wrong in many ways; each way here was seen in the field (criteria Q01 to Q07).
"""

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from sitecontroller.domain.ids import fold
from sitecontroller.domain.station import OcppVersion

HEAD_BYTES_MAX = 16 * 1024
"""Of request line and headers together."""

MISSING_SUBPROTOCOL = "names no OCPP version in its handshake; OCPP 1.6 is assumed"

_HEAD = re.compile(
    rb"[A-Za-z]+ [!-~]+ HTTP/1\.[0-9]\r\n(?:[-!#$%&'*+.^_`|~0-9a-zA-Z]+:[\t -~\x80-\xff]*\r\n)*\r\n"
)
_REQUEST_LINE = re.compile(rb"[A-Za-z]+ [!-~]+ HTTP/1\.[0-9]\r\n")
_NO_ID = re.compile(r"ocpp(?:-?j|\d+)?|ws|ocpp[-_ ]?\d.*|v?\d\.\d(?:\.\d)?j?", re.IGNORECASE)
"""Path segments that are an address of the server, not a station."""
_SUBPROTOCOL = re.compile(r"ocpp[-_ ]?v?(\d\.\d(?:\.\d)?)j?", re.IGNORECASE)
_SEPARATORS = re.compile(r"[,;\s]+")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Basic auth: user name and password as bytes, because passwords may be binary."""

    user: str
    password: bytes


@dataclass(frozen=True, slots=True)
class Agreement:
    """The version a connection will speak; `answer` is the sub-protocol in the station's own
    spelling, None when it named none."""

    version: OcppVersion
    answer: str | None


def fault_of_head(head: bytes) -> str | None:
    """Why these bytes are no HTTP request; None: they are one.

    A blank inside the request target is the usual fault (Q06); the library drops such a
    connection without a word.
    """
    if _HEAD.fullmatch(head) is not None:
        return None
    if _REQUEST_LINE.match(head) is None:
        return "the request line is not 'GET /path HTTP/1.1'; a blank in the path is written %20"
    return "a header line is not 'Name: value'"


def station_id_of(target: str) -> str | None:
    """The station a request target names, its last segment; None: it names none (Q01)."""
    path = urlsplit(target).path if "://" in target else target.partition("?")[0].partition("#")[0]
    segments = [unquote(segment).strip() for segment in path.split("/")]
    named = [segment for segment in segments if segment]
    if not named or _NO_ID.fullmatch(named[-1]) is not None:
        return None
    return named[-1]


def offered(values: Iterable[str]) -> tuple[str, ...]:
    """The sub-protocols of all headers of that name, in the station's order and spelling."""
    return tuple(token for value in values for token in _SEPARATORS.split(value) if token)


def agree(
    protocols: tuple[str, ...], *, pin: str | None, without_protocol: bool
) -> Agreement | None:
    """The newest version both speak, or the pinned one; None: there is no such version (Q04).

    `without_protocol`: a station that names no sub-protocol is taken to speak 1.6 (Q03).
    """
    if not protocols:
        version = OcppVersion.V16
        taken = without_protocol and pin in (None, version.value)
        return Agreement(version, None) if taken else None
    best: Agreement | None = None
    for protocol in protocols:
        match = _SUBPROTOCOL.fullmatch(protocol)
        if match is None or match[1] not in _VERSIONS or pin not in (None, match[1]):
            continue
        if best is None or _VERSIONS.index(match[1]) > _VERSIONS.index(best.version.value):
            best = Agreement(OcppVersion(match[1]), protocol)
    return best


_VERSIONS = [version.value for version in OcppVersion]
"""Oldest first."""


def credentials_of(values: Iterable[str]) -> Credentials | None:
    """Basic auth from the Authorization headers; None: there is none that can be read (Q07)."""
    for value in values:
        scheme, _, token = value.strip().partition(" ")
        if scheme.casefold() != "basic":
            continue
        try:
            plain = base64.b64decode(token.strip() + "==")
        except (binascii.Error, ValueError):
            return None
        user, colon, password = plain.partition(b":")
        return Credentials(user.decode(errors="replace"), password) if colon else None
    return None


def password_for(
    credentials: Credentials | None, station_id: str, other_names: Iterable[str]
) -> bytes | None:
    """The password, if it was given for this station (Q07: its id or an alias, any case)."""
    if credentials is None:
        return None
    names = {fold(station_id), *(fold(name) for name in other_names)}
    return credentials.password if fold(credentials.user) in names else None
