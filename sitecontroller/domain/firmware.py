"""Firmware: images, one job for each station that gets one, and roll-outs over many stations.

A job counts as installed when the station has shown another version than before. One that says
"Installed" and comes back with the old version is shown as such: `UNPROVEN`.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sitecontroller.domain.commands import Command, StationRequest
from sitecontroller.domain.files import Saying, TransferScheme
from sitecontroller.domain.queries import Query


class FirmwareStatus(StrEnum):
    """OCPP FirmwareStatusEnumType."""

    DOWNLOADED = "Downloaded"
    DOWNLOAD_FAILED = "DownloadFailed"
    DOWNLOADING = "Downloading"
    DOWNLOAD_SCHEDULED = "DownloadScheduled"
    DOWNLOAD_PAUSED = "DownloadPaused"
    IDLE = "Idle"
    INSTALLATION_FAILED = "InstallationFailed"
    INSTALLING = "Installing"
    INSTALLED = "Installed"
    INSTALL_REBOOTING = "InstallRebooting"
    INSTALL_SCHEDULED = "InstallScheduled"
    INSTALL_VERIFICATION_FAILED = "InstallVerificationFailed"
    INVALID_SIGNATURE = "InvalidSignature"
    SIGNATURE_VERIFIED = "SignatureVerified"


class FirmwareJobState(StrEnum):
    """How far one station's update got. `CHECKING`: it said "Installed"; its version must show."""

    WAITING = "waiting"
    REQUESTED = "requested"
    DOWNLOADING = "downloading"
    DOWNLOADED = "downloaded"
    INSTALLING = "installing"
    CHECKING = "checking"
    INSTALLED = "installed"
    UNPROVEN = "unproven"
    FAILED = "failed"
    CANCELLED = "cancelled"


_S = FirmwareJobState

FIRMWARE_UNDER_WAY = (
    _S.WAITING, _S.REQUESTED, _S.DOWNLOADING, _S.DOWNLOADED, _S.INSTALLING, _S.CHECKING,
)  # fmt: skip
"""In the order in which a job passes through them; what a station says never takes it back,
but for a download that begins again."""

STATE_OF: dict[FirmwareStatus, FirmwareJobState] = {
    FirmwareStatus.DOWNLOAD_SCHEDULED: _S.REQUESTED,
    FirmwareStatus.DOWNLOADING: _S.DOWNLOADING,
    FirmwareStatus.DOWNLOAD_PAUSED: _S.DOWNLOADING,
    FirmwareStatus.DOWNLOADED: _S.DOWNLOADED,
    FirmwareStatus.SIGNATURE_VERIFIED: _S.DOWNLOADED,
    FirmwareStatus.INSTALL_SCHEDULED: _S.DOWNLOADED,
    FirmwareStatus.INSTALLING: _S.INSTALLING,
    FirmwareStatus.INSTALL_REBOOTING: _S.INSTALLING,
    FirmwareStatus.INSTALLED: _S.CHECKING,
    FirmwareStatus.DOWNLOAD_FAILED: _S.FAILED,
    FirmwareStatus.INVALID_SIGNATURE: _S.FAILED,
    FirmwareStatus.INSTALLATION_FAILED: _S.FAILED,
    FirmwareStatus.INSTALL_VERIFICATION_FAILED: _S.FAILED,
}
"""Idle says nothing of a job."""

FIRMWARE_FAILURES: dict[str, str] = {
    "DownloadFailed": "the charger could not download the file",
    "InvalidSignature": "the charger found the signature wrong",
    "InstallationFailed": "the charger could not install the file",
    "InstallVerificationFailed": "the charger found the installed file damaged or not meant for it",
    "InvalidCertificate": "the charger does not trust the signing certificate",
    "RevokedCertificate": "the charger says that the signing certificate is revoked",
    "Rejected": "the charger refused; it may be busy with another update",
}


@dataclass(frozen=True, slots=True)
class FirmwareImage:
    """A file of the library. `vendor`, `model`: what it is for, `*` and `?` allowed.

    `md5` is for local controllers alone (OCPP 2.0.1 L03.FR.02).
    """

    key: str
    vendor: str
    model: str
    version: str
    file_name: str
    size_bytes: int
    sha256: str
    md5: str
    added_at: datetime
    notes: str = ""
    signature: str | None = None
    """Base64, as OCPP carries it; checked against the file when it was added."""
    signing_certificate: str | None = None
    """PEM."""


@dataclass(frozen=True, slots=True)
class ImageTerms:
    """What is told of an image when its file is uploaded."""

    vendor: str
    model: str
    version: str
    file_name: str
    notes: str = ""


@dataclass(frozen=True, slots=True)
class FirmwareJob:
    """One station's update. `token` opens the door to the file: never shown."""

    key: str
    station_id: str
    state: FirmwareJobState
    request_id: int
    token: str
    scheme: TransferScheme
    created_at: datetime
    image_key: str | None = None
    url: str | None = None
    """Of a file elsewhere, where site.toml allows it."""
    version_wanted: str | None = None
    version_before: str | None = None
    version_after: str | None = None
    """What the station booted with since."""
    rollout_key: str | None = None
    retrieve_at: datetime | None = None
    install_at: datetime | None = None
    signed: bool = False
    require_signature: bool = False
    sends: int = 0
    """How often it was sent without an answer."""
    tried: tuple[TransferScheme, ...] = ()
    fetched: bool = False
    """The station has had the whole file from us."""
    rebooted: bool = False
    sayings: tuple[Saying, ...] = ()
    finished_at: datetime | None = None
    timed_out: bool = False
    reason: str | None = None

    @property
    def under_way(self) -> bool:
        """Whether something is still expected of it."""
        return self.state in FIRMWARE_UNDER_WAY

    @property
    def succeeded(self) -> bool:
        """Whether the station has shown the new version."""
        return self.state is FirmwareJobState.INSTALLED


@dataclass(frozen=True, slots=True)
class FirmwareJobView:
    """One station's update as people see it; `result` is a sentence."""

    key: str
    station_id: str
    state: FirmwareJobState
    result: str
    created_at: datetime
    finished_at: datetime | None
    image_key: str | None
    url: str | None
    scheme: TransferScheme
    signed: bool
    version_wanted: str | None
    version_before: str | None
    version_after: str | None
    rollout_key: str | None
    retrieve_at: datetime | None
    install_at: datetime | None
    sent_bytes: int
    sayings: tuple[Saying, ...]


@dataclass(frozen=True, slots=True)
class PublishedFirmware:
    """An image that a local controller was told to hand on (OCPP 2.x L03)."""

    key: str
    station_id: str
    image_key: str
    checksum: str
    request_id: int
    token: str
    created_at: datetime
    state: str
    """PublishFirmwareStatusEnumType as last heard, or Requested, Unpublished."""
    locations: tuple[str, ...] = ()
    sayings: tuple[Saying, ...] = ()


@dataclass(frozen=True, slots=True)
class PublishedFirmwareView:
    """The same as people see it."""

    key: str
    station_id: str
    image_key: str
    created_at: datetime
    state: str
    locations: tuple[str, ...]
    sayings: tuple[Saying, ...]


@dataclass(frozen=True, slots=True)
class InstallFirmware(Command):
    """Have one station install an image of the library, or a file that site.toml allows.

    The answer names the job. The station waits by itself for its sessions to end.
    """

    station_id: str
    image_key: str | None = None
    url: str | None = None
    version: str | None = None
    """What the file at `url` will show as, if known."""
    retrieve_at: datetime | None = None
    install_at: datetime | None = None
    require_signature: bool = False
    """Rather fail than send a signed image to a station that can't check signatures."""


@dataclass(frozen=True, slots=True)
class SignFirmware(Command):
    """Add the maker's signature (base64) and signing certificate (PEM); both are checked."""

    image_key: str
    signature: str
    signing_certificate: str


@dataclass(frozen=True, slots=True)
class RemoveFirmware(Command):
    """Take an image out of the library; not while it is being installed."""

    image_key: str


@dataclass(frozen=True, slots=True)
class PublishFirmware(Command):
    """Have a local controller fetch an image and hand it on to the stations behind it."""

    station_id: str
    image_key: str


@dataclass(frozen=True, slots=True)
class UnpublishFirmware(Command):
    """Have a local controller stop handing an image on."""

    station_id: str
    image_key: str


@dataclass(frozen=True, slots=True)
class FirmwareImagesQuery(Query):
    """The library, newest first."""

    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class FirmwareJobsQuery(Query):
    """Updates of single stations, newest first."""

    limit: int = 50
    cursor: str | None = None
    station_id: str | None = None


@dataclass(frozen=True, slots=True)
class FirmwareJobQuery(Query):
    """One update."""

    job_key: str


@dataclass(frozen=True, slots=True)
class PublishedFirmwareQuery(Query):
    """What local controllers hand on, newest first."""

    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class UpdateFirmware(StationRequest):
    """OCPP 2.x UpdateFirmware (L01, L02); 1.6 UpdateFirmware or SignedUpdateFirmware.

    `body["signed"]` of the answer says whether the signature went with it.
    """

    request_id: int
    url: str
    retrieve_at: datetime
    install_at: datetime | None = None
    signature: str | None = None
    signing_certificate: str | None = None
    require_signature: bool = False
    retries: int = 2
    retry_interval_s: int = 60


@dataclass(frozen=True, slots=True)
class RequestPublishing(StationRequest):
    """OCPP 2.x PublishFirmware (L03); `checksum` is the file's MD5."""

    request_id: int
    url: str
    checksum: str


@dataclass(frozen=True, slots=True)
class RequestUnpublishing(StationRequest):
    """OCPP 2.x UnpublishFirmware (L04)."""

    checksum: str


@dataclass(frozen=True, slots=True)
class FirmwareStatusReported:
    """What a station says of an update; `request_id` None from those that don't tell."""

    station_id: str
    request_id: int | None
    status: FirmwareStatus
    received_at: datetime


@dataclass(frozen=True, slots=True)
class PublishStatusReported:
    """What a local controller says of publishing; `word` is PublishFirmwareStatusEnumType."""

    station_id: str
    request_id: int | None
    word: str
    locations: tuple[str, ...]
    received_at: datetime


def is_version(told: str | None, other: str | None) -> bool:
    """Whether two ways to write a version mean the same; unknown ones never do."""
    return told is not None and other is not None and _plain(told) == _plain(other)


def _plain(version: str) -> str:
    return version.strip().casefold().removeprefix("v")


def after_status(job: FirmwareJob, status: FirmwareStatus) -> FirmwareJobState:
    """Where a job stands after a status that is no failure. A late or repeated one takes nothing
    back; a download may begin again."""
    state = STATE_OF.get(status, job.state)
    if state not in FIRMWARE_UNDER_WAY or job.state not in FIRMWARE_UNDER_WAY:
        return job.state
    begins_again = (
        state is FirmwareJobState.DOWNLOADING and job.state is FirmwareJobState.DOWNLOADED
    )
    at, now = FIRMWARE_UNDER_WAY.index(state), FIRMWARE_UNDER_WAY.index(job.state)
    return state if at > now or begins_again else job.state


def result_of(job: FirmwareJob) -> str:
    """What came of an update, as a sentence."""
    before, after = job.version_before or "an unknown version", job.version_after
    wanted = f"{job.version_wanted} " if job.version_wanted else ""
    state = job.state
    if state is FirmwareJobState.INSTALLED:
        if job.version_wanted and after and not is_version(after, job.version_wanted):
            return (
                f"Installed: {before} before, {after} now; the file was said to be {wanted[:-1]}."
            )
        return f"Installed: {before} before, {after} now."
    if state is FirmwareJobState.UNPROVEN:
        return f"Not proven: {job.reason}."
    if state is FirmwareJobState.FAILED:
        return f"Failed: {job.reason}."
    if state is FirmwareJobState.CANCELLED:
        return f"Cancelled: {job.reason}."
    return {
        FirmwareJobState.WAITING: f"Waiting: {job.reason or 'it has not been asked yet'}.",
        FirmwareJobState.REQUESTED: f"Asked to install {wanted}; it has not begun to download.",
        FirmwareJobState.DOWNLOADING: f"Downloading {wanted}now.",
        FirmwareJobState.DOWNLOADED: "Downloaded; it installs when it is free.",
        FirmwareJobState.INSTALLING: "Installing now; it may restart.",
        FirmwareJobState.CHECKING: f"Said to be installed; it has to show more than {before} now.",
    }[state]


def job_view(job: FirmwareJob, sent_bytes: int) -> FirmwareJobView:
    """An update as people see it."""
    return FirmwareJobView(
        key=job.key,
        station_id=job.station_id,
        state=job.state,
        result=result_of(job),
        created_at=job.created_at,
        finished_at=job.finished_at,
        image_key=job.image_key,
        url=job.url,
        scheme=job.scheme,
        signed=job.signed,
        version_wanted=job.version_wanted,
        version_before=job.version_before,
        version_after=job.version_after,
        rollout_key=job.rollout_key,
        retrieve_at=job.retrieve_at,
        install_at=job.install_at,
        sent_bytes=sent_bytes,
        sayings=job.sayings,
    )


def shows_new(job: FirmwareJob, version: str | None) -> bool:
    """Another version than before; or, where that wasn't known, the wanted one."""
    if job.version_before is None:
        return is_version(version, job.version_wanted)
    return version is not None and not is_version(version, job.version_before)


def unproven(job: FirmwareJob) -> str:
    """Why "Installed" is not believed."""
    if job.version_after is None:
        return "it says it is installed, but it does not tell its version"
    return f"it says it is installed, but it still shows {job.version_after}"
