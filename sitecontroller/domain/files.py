"""Files that stations send us: logs and diagnostics, asked for as jobs that outlive a restart.

A job is done when its file has arrived, whatever the station says of it or doesn't. What it says is
kept as runs of one word, so that a thousand "Uploading" are one row with a count.
"""

import dataclasses
import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from urllib.parse import urlsplit

from sitecontroller.domain.commands import Command, StationRequest
from sitecontroller.domain.queries import Query

SAYINGS_MAX = 24
"""Of one job; a station that goes round in circles pushes out the oldest."""
FILE_NAME_CHARACTERS_MAX = 100

_NOT_IN_NAMES = re.compile(r'[/\\:*?"<>|%]')
_DEVICE_NAMES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


class TransferScheme(StrEnum):
    """How a file gets to or from a station; the names of OCPP's FileTransferProtocols."""

    HTTP = "http"
    HTTPS = "https"
    FTP = "ftp"
    FTPS = "ftps"


class LogType(StrEnum):
    """OCPP LogEnumType; DataCollectorLog came with 2.1."""

    DIAGNOSTICS = "DiagnosticsLog"
    SECURITY = "SecurityLog"
    DATA_COLLECTOR = "DataCollectorLog"


class LogStatus(StrEnum):
    """OCPP UploadLogStatusEnumType."""

    BAD_MESSAGE = "BadMessage"
    IDLE = "Idle"
    NOT_SUPPORTED = "NotSupportedOperation"
    PERMISSION_DENIED = "PermissionDenied"
    UPLOADED = "Uploaded"
    UPLOAD_FAILURE = "UploadFailure"
    UPLOADING = "Uploading"
    ACCEPTED_CANCELED = "AcceptedCanceled"


class LogJobState(StrEnum):
    """How far the fetching of a log got."""

    REQUESTED = "requested"
    UPLOADING = "uploading"
    UPLOADED = "uploaded"
    FAILED = "failed"
    CANCELLED = "cancelled"


LOGS_UNDER_WAY = (LogJobState.REQUESTED, LogJobState.UPLOADING)

LOG_FAILURES: dict[LogStatus, str] = {
    LogStatus.BAD_MESSAGE: "the charger did not understand the request",
    LogStatus.NOT_SUPPORTED: "the charger can't upload this way",
    LogStatus.PERMISSION_DENIED: "the charger says that it was not let in",
    LogStatus.UPLOAD_FAILURE: "the charger could not upload its file",
}


@dataclass(frozen=True, slots=True)
class Saying:
    """One word a station said `count` times without another in between."""

    word: str
    count: int
    first_at: datetime
    last_at: datetime


def heard(sayings: tuple[Saying, ...], word: str, at: datetime) -> tuple[Saying, ...]:
    """What a station has said, with one word more."""
    if sayings and sayings[-1].word == word:
        last = sayings[-1]
        return (*sayings[:-1], dataclasses.replace(last, count=last.count + 1, last_at=at))
    return (*sayings, Saying(word, 1, at, at))[-SAYINGS_MAX:]


@dataclass(frozen=True, slots=True)
class LogJob:
    """A log asked for from one station. `token` opens the door to its upload: never shown."""

    key: str
    station_id: str
    log_type: LogType
    state: LogJobState
    request_id: int
    token: str
    scheme: TransferScheme
    created_at: datetime
    tried: tuple[TransferScheme, ...] = ()
    """Ways that failed; the next try takes another."""
    oldest_at: datetime | None = None
    latest_at: datetime | None = None
    sayings: tuple[Saying, ...] = ()
    finished_at: datetime | None = None
    file_name: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    reason: str | None = None
    """Why it failed, in plain words."""

    @property
    def under_way(self) -> bool:
        """Whether its file may still come."""
        return self.state in LOGS_UNDER_WAY


@dataclass(frozen=True, slots=True)
class LogJobView:
    """A log job as people see it; its file is at `/v1/log-jobs/{key}/content` once uploaded."""

    key: str
    station_id: str
    log_type: LogType
    state: LogJobState
    scheme: TransferScheme
    created_at: datetime
    finished_at: datetime | None
    sayings: tuple[Saying, ...]
    received_bytes: int
    file_name: str | None
    size_bytes: int | None
    sha256: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class GetLog(Command):
    """Ask a station for a log; the answer names the job. `scheme` None: what it is known to take.

    A 1.6 station without the security extension has diagnostics only.
    """

    station_id: str
    log_type: LogType = LogType.DIAGNOSTICS
    oldest_at: datetime | None = None
    latest_at: datetime | None = None
    scheme: TransferScheme | None = None


@dataclass(frozen=True, slots=True)
class LogJobsQuery(Query):
    """Logs asked for, newest first."""

    limit: int = 50
    cursor: str | None = None
    station_id: str | None = None


@dataclass(frozen=True, slots=True)
class LogJobQuery(Query):
    """One log job."""

    job_key: str


@dataclass(frozen=True, slots=True)
class RequestLog(StationRequest):
    """OCPP 2.x GetLog (N01); 1.6 GetLog or GetDiagnostics."""

    log_type: LogType
    request_id: int
    url: str
    oldest_at: datetime | None = None
    latest_at: datetime | None = None
    retries: int = 1
    retry_interval_s: int = 30


@dataclass(frozen=True, slots=True)
class AskTransferSchemes(StationRequest):
    """Which ways of file transfer a station says it has: `body["schemes"]`, a list of names."""


@dataclass(frozen=True, slots=True)
class LogStatusReported:
    """What a station says of an upload; `request_id` None from those that don't tell."""

    station_id: str
    request_id: int | None
    status: LogStatus
    received_at: datetime


def clean_name(text: object, otherwise: str = "file") -> str:
    """A file's name as it may be shown and kept, out of whatever a station called it.

    Only the last part of a path; no control, direction or path characters, no leading dot, no
    name that a system keeps for a device.
    """
    last = re.split(r"[/\\]", str(text or ""))[-1]
    visible = "".join(c for c in last if unicodedata.category(c)[0] not in "CZ" or c == " ")
    name = _NOT_IN_NAMES.sub("_", visible).strip(" .")[:FILE_NAME_CHARACTERS_MAX]
    name = name.strip(" .")
    return otherwise if not name or _DEVICE_NAMES.fullmatch(name) else name


def is_allowed_url(url: str, allowed: tuple[str, ...]) -> bool:
    """Whether a firmware's URL lies below one of the allowed ones: same scheme, host and port, and
    a path under theirs, with nothing in it that climbs or hides (SSRF)."""
    asked = _parts(url)
    return asked is not None and any(_is_below(asked, _parts(base)) for base in allowed)


def _parts(url: str) -> tuple[str, str, int | None, str] | None:
    if any(c.isspace() or ord(c) < 33 or c in '\\"<>' for c in url) or len(url) > 512:
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in set(TransferScheme) or not parts.hostname or "@" in parts.netloc:
        return None
    if parts.fragment or ".." in parts.path or "%2e" in parts.path.lower():
        return None
    return parts.scheme, parts.hostname, port, parts.path or "/"


def _is_below(
    asked: tuple[str, str, int | None, str], base: tuple[str, str, int | None, str] | None
) -> bool:
    if base is None or asked[:3] != base[:3]:
        return False
    folder = base[3] if base[3].endswith("/") else base[3] + "/"
    return asked[3] == base[3] or asked[3].startswith(folder)


def host_in_url(host: str) -> str:
    """A host as URLs write it: IPv6 addresses in brackets."""
    try:
        return f"[{host}]" if ipaddress.ip_address(host).version == 6 else host
    except ValueError:
        return host
