"""Firmware at a simulated station: fetched, checked, installed with a reboot, and then its version.

OCPP 1.6 UpdateFirmware and SignedUpdateFirmware, 2.x L01, L03 and L04. The new version is what the
file says of itself ("version = 1.2.3" near its beginning), else what its name says, else one more
than before.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sitecontroller.domain.station import OcppVersion
from sitecontroller.simulation.blocks import security
from sitecontroller.simulation.blocks.block import Answerer, accepted
from sitecontroller.simulation.control import EvseControl, Transaction
from sitecontroller.simulation.transfers import TransferFailed, download
from sitecontroller.simulation.uplink import Payload

if TYPE_CHECKING:
    from sitecontroller.simulation.station import SimulatedStation

INSTALL_S = 20.0
REBOOT_S = 15.0
RETRY_S = 30.0
RETRIES_MAX = 10
HEAD_BYTES = 4096

_SAID_VERSION = re.compile(
    rb"version\s*[=:]\s*\"?([0-9A-Za-z][0-9A-Za-z.\-_]{0,40})", re.IGNORECASE
)
_DOTTED = re.compile(r"\d{1,5}(?:\.\d{1,5})+")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One order. `request_id` None: 1.6's plain UpdateFirmware."""

    location: str
    retrieve_at: datetime
    install_at: datetime | None
    tries: int
    pause_s: float
    request_id: int | None
    signature: str = ""
    certificate: str = ""


class Update:
    """The update under way, and the last word on it."""

    def __init__(self) -> None:
        self.wanted: Wanted | None = None
        self.status = "Idle"
        self.task: asyncio.Task[None] | None = None
        self.installed = False
        """It is in flash, and the boot that follows says so."""
        self.free = asyncio.Event()
        """Set when no transaction runs."""
        self.published: dict[str, str] = {}
        """Checksums of firmware offered to neighbours, and where."""
        self.publish_status = "Idle"


def _update_16(station: SimulatedStation, payload: Payload) -> Payload:
    _begin(station, _wanted(payload, payload["location"], payload["retrieveDate"], None, None))
    return {}


def _update_signed(station: SimulatedStation, payload: Payload) -> Payload:
    """1.6 SignedUpdateFirmware and 2.x UpdateFirmware."""
    firmware = payload["firmware"]
    certificate = firmware.get("signingCertificate", "")
    if certificate and not security.is_certificate(certificate):
        security.note_event(station, "InvalidFirmwareSigningCertificate")
        return {"status": "InvalidCertificate"}
    at = firmware.get("retrieveDateTime")
    wanted = _wanted(payload, firmware["location"], at, firmware.get("installDateTime"), firmware)
    running = station.part(Update).task
    canceled = running is not None and not running.done()
    _begin(station, wanted)
    return {"status": "AcceptedCanceled" if canceled else "Accepted"}


def _wanted(
    payload: Payload, location: str, at: str, install: str | None, firmware: Payload | None
) -> Wanted:
    return Wanted(
        location,
        _instant(at),
        None if install is None else _instant(install),
        min(int(payload.get("retries", 0)), RETRIES_MAX) + 1,
        float(payload.get("retryInterval", RETRY_S)),
        payload.get("requestId"),
        (firmware or {}).get("signature", ""),
        (firmware or {}).get("signingCertificate", ""),
    )


def _begin(station: SimulatedStation, wanted: Wanted) -> None:
    update = station.part(Update)
    if update.task is not None:
        update.task.cancel()

    def begin() -> None:
        update.wanted, update.installed = wanted, False
        update.task = station.spawn(_run(station, wanted))

    station.after_answer(begin)


async def _run(station: SimulatedStation, wanted: Wanted) -> None:
    if wanted.retrieve_at > station.now() and wanted.request_id is not None:
        _tell(station, "DownloadScheduled")
    await _until(station, wanted.retrieve_at)
    body = await _fetched(station, wanted)
    if body is None:
        return
    if wanted.signature and not await _is_genuine(station, wanted, body):
        return
    if wanted.install_at is not None and wanted.install_at > station.now():
        _tell(station, "InstallScheduled")
        await _until(station, wanted.install_at)
    await _wait_for_quiet(station)
    _tell(station, "Installing")
    await asyncio.sleep(INSTALL_S)
    if not station.bend("installs", True):
        _tell(station, "InstallationFailed")
        return
    station.firmware_version = _version_of(body, wanted.location, station.firmware_version)
    station.part(Update).installed = True
    if wanted.request_id is not None:
        _tell(station, "InstallRebooting")
    await station.reboot("FirmwareUpdate", REBOOT_S)


async def _fetched(station: SimulatedStation, wanted: Wanted) -> bytes | None:
    tls = security.tls_for(station, wanted.location)
    for attempt in range(wanted.tries):
        if attempt:
            await asyncio.sleep(wanted.pause_s)
        _tell(station, "Downloading")
        try:
            body = await station.in_thread(download, wanted.location, tls=tls)
        except TransferFailed as reason:
            station.note(f"firmware not fetched: {reason}")
            continue
        _tell(station, "Downloaded")
        return body
    _tell(station, "DownloadFailed")
    return None


async def _is_genuine(station: SimulatedStation, wanted: Wanted, body: bytes) -> bool:
    genuine = await station.in_thread(
        security.is_signed, body, wanted.signature, wanted.certificate
    )
    if genuine:
        _tell(station, "SignatureVerified")
        return True
    _tell(station, "InvalidSignature")
    security.note_event(station, "InvalidFirmwareSignature")
    return False


async def _wait_for_quiet(station: SimulatedStation) -> None:
    """No transaction is cut off for it (L01.FR.06)."""
    update = station.part(Update)
    while any(control.transaction for control in station.controls.values()):
        if update.status != "InstallScheduled" and update.wanted is not None:
            if update.wanted.request_id is not None:
                _tell(station, "InstallScheduled")
            update.status = "InstallScheduled"
        update.free.clear()
        await update.free.wait()


def idle(station: SimulatedStation, control: EvseControl, transaction: Transaction) -> None:
    """A transaction has ended: look again whether the station is quiet."""
    station.part(Update).free.set()


def booted(station: SimulatedStation) -> None:
    """Tell that the new firmware runs."""
    update = station.part(Update)
    if update.installed:
        update.installed = False
        _tell(station, "Installed")
        security.note_event(station, "FirmwareUpdated")


async def _until(station: SimulatedStation, at: datetime) -> None:
    wait_s = (at - station.now()).total_seconds()
    if wait_s > 0:
        await asyncio.sleep(wait_s)


def _version_of(body: bytes, location: str, before: str) -> str:
    said = _SAID_VERSION.search(body[:HEAD_BYTES])
    if said is not None:
        return said[1].decode()
    named = _DOTTED.findall(location.rpartition("/")[2])
    if named:
        return str(named[-1])
    head, dot, last = before.rpartition(".")
    return f"{head}{dot}{int(last) + 1}" if last.isdigit() else f"{before}.1"


def _tell(station: SimulatedStation, status: str) -> None:
    update = station.part(Update)
    update.status = status
    station.note(f"firmware: {status}")
    wanted = update.wanted
    if wanted is None or wanted.request_id is None:
        station.say("FirmwareStatusNotification", {"status": status}, lasting=True)
        return
    payload = {"status": status, "requestId": wanted.request_id}
    station.say(_message(station), payload, lasting=True)


def _message(station: SimulatedStation) -> str:
    signed = "SignedFirmwareStatusNotification"
    return signed if station.version is OcppVersion.V16 else "FirmwareStatusNotification"


def trigger(station: SimulatedStation, controls: list[EvseControl]) -> bool:
    """The state under way; Idle once it has ended (L01.FR.25)."""
    update = station.part(Update)
    ended = update.status in ("Installed", "Idle")
    status = "Idle" if ended else update.status
    number = None if update.wanted is None or ended else update.wanted.request_id
    payload: Payload = {"status": status} | ({} if number is None else {"requestId": number})
    action = "FirmwareStatusNotification" if number is None else _message(station)
    station.after_answer(lambda: station.say(action, payload))
    return True


# Firmware that a station offers its neighbours (2.x L03, L04)


def _publish(station: SimulatedStation, payload: Payload) -> Payload:
    station.after_answer(lambda: station.spawn(_published(station, payload)))
    return accepted()


async def _published(station: SimulatedStation, payload: Payload) -> None:
    number, location = payload["requestId"], payload["location"]
    tls = security.tls_for(station, location)
    tries = min(int(payload.get("retries", 0)), RETRIES_MAX) + 1
    for attempt in range(tries):
        if attempt:
            await asyncio.sleep(float(payload.get("retryInterval", RETRY_S)))
        _tell_published(station, "Downloading", number)
        try:
            body = await station.in_thread(download, location, tls=tls)
        except TransferFailed:
            continue
        break
    else:
        _tell_published(station, "DownloadFailed", number)
        return
    _tell_published(station, "Downloaded", number)
    checksum = hashlib.md5(body, usedforsecurity=False).hexdigest()
    if checksum != payload["checksum"].casefold():
        _tell_published(station, "InvalidChecksum", number)
        return
    _tell_published(station, "ChecksumVerified", number)
    where = f"http://{station.station_id.casefold()}.local/firmware/{checksum}"
    station.part(Update).published[checksum] = where
    _tell_published(station, "Published", number, where)


def _unpublish(station: SimulatedStation, payload: Payload) -> Payload:
    gone = station.part(Update).published.pop(payload["checksum"].casefold(), None)
    return {"status": "NoFirmware" if gone is None else "Unpublished"}


def _tell_published(
    station: SimulatedStation, status: str, request_id: int | None, where: str | None = None
) -> None:
    station.part(Update).publish_status = status
    number = {} if request_id is None else {"requestId": request_id}
    location = {} if where is None else {"location": [where]}
    payload = {"status": status, **location, **number}
    station.say("PublishFirmwareStatusNotification", payload, lasting=True)


def trigger_published(station: SimulatedStation, controls: list[EvseControl]) -> bool:
    """The state of the publication under way."""
    update = station.part(Update)
    where = next(iter(update.published.values()), None)
    status = update.publish_status
    location = where if status == "Published" else None
    station.after_answer(lambda: _tell_published(station, status, None, location))
    return True


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


ANSWERS_16: Mapping[str, Answerer] = {
    "UpdateFirmware": _update_16,
    "SignedUpdateFirmware": _update_signed,
}
ANSWERS_2X: Mapping[str, Answerer] = {
    "UpdateFirmware": _update_signed,
    "PublishFirmware": _publish,
    "UnpublishFirmware": _unpublish,
}
