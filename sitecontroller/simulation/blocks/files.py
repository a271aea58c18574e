"""Logs that a simulated station sends: diagnostics and security log, each with its status told.

OCPP 1.6 GetDiagnostics and the security extension's GetLog, 2.x N01. Firmware stands in
`firmware`; together they are the block of files.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sitecontroller.domain.station import OcppVersion
from sitecontroller.simulation.blocks import firmware, security
from sitecontroller.simulation.blocks.block import Block
from sitecontroller.simulation.control import EvseControl
from sitecontroller.simulation.transfers import TransferDenied, TransferFailed, upload
from sitecontroller.simulation.uplink import Payload

if TYPE_CHECKING:
    from sitecontroller.simulation.station import SimulatedStation

RETRY_S = 30.0
RETRIES_MAX = 10


class LogUpload:
    """The one upload that may run, and the last word on it."""

    def __init__(self) -> None:
        self.status = "Idle"
        self.request_id: int | None = None
        self.diagnostics = False
        """Asked for by 1.6's GetDiagnostics, which has a message of its own."""
        self.task: asyncio.Task[None] | None = None


def _get_log(station: SimulatedStation, payload: Payload) -> Payload:
    job = station.part(LogUpload)
    running = job.task is not None and not job.task.done()
    if running and station.version is not OcppVersion.V16:
        _tell(station, "AcceptedCanceled")
    wanted = payload["log"]
    name = _start(
        station,
        wanted["remoteLocation"],
        payload,
        security_log=payload["logType"] == "SecurityLog",
        oldest=wanted.get("oldestTimestamp"),
        latest=wanted.get("latestTimestamp"),
    )
    job.request_id, job.diagnostics = payload["requestId"], False
    return {"status": "AcceptedCanceled" if running else "Accepted", "filename": name}


def _get_diagnostics(station: SimulatedStation, payload: Payload) -> Payload:
    name = _start(
        station,
        payload["location"],
        payload,
        security_log=False,
        oldest=payload.get("startTime"),
        latest=payload.get("stopTime"),
    )
    station.part(LogUpload).diagnostics = True
    return {"fileName": name}


def _start(
    station: SimulatedStation,
    location: str,
    payload: Payload,
    *,
    security_log: bool,
    oldest: str | None,
    latest: str | None,
) -> str:
    job = station.part(LogUpload)
    if job.task is not None:
        job.task.cancel()
    kind = "security" if security_log else "diagnostics"
    name = f"{station.station_id}-{kind}-{station.now():%Y%m%dT%H%M%S}.log"
    lines = station.part(security.Events).lines if security_log else station.diary
    chosen = [line for line in lines if _within(line, oldest, latest)]
    body = ("\n".join(chosen) + "\n").encode()
    tries = min(int(payload.get("retries", 0)), RETRIES_MAX) + 1
    pause_s = float(payload.get("retryInterval", RETRY_S))

    def begin() -> None:
        job.task = station.spawn(_send(station, location, name, body, tries, pause_s))

    station.after_answer(begin)
    return name


def _within(line: str, oldest: str | None, latest: str | None) -> bool:
    """Each line begins with its instant."""
    at = _instant(line.partition(" ")[0])
    from_at, to_at = _instant(oldest), _instant(latest)
    if at is None:
        return True
    return (from_at is None or at >= from_at) and (to_at is None or at <= to_at)


def _instant(text: str | None) -> datetime | None:
    try:
        at = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


async def _send(
    station: SimulatedStation, location: str, name: str, body: bytes, tries: int, pause_s: float
) -> None:
    tls = security.tls_for(station, location)
    by_post = station.bend("by_post", False)
    for attempt in range(tries):
        if attempt:
            await asyncio.sleep(pause_s)
        _tell(station, "Uploading")
        try:
            await station.in_thread(upload, location, name, body, by_post=by_post, tls=tls)
        except TransferDenied as reason:
            station.note(f"{name} not sent: {reason}")
            _tell(station, "PermissionDenied")
            return
        except TransferFailed as reason:
            station.note(f"{name} not sent: {reason}")
            continue
        station.note(f"{name} sent")
        _tell(station, "Uploaded")
        return
    _tell(station, "UploadFailure")


_DIAGNOSTICS_WORDS = {"UploadFailure": "UploadFailed", "PermissionDenied": "UploadFailed"}


def _tell(station: SimulatedStation, status: str) -> None:
    job = station.part(LogUpload)
    job.status = status
    if job.diagnostics:
        word = _DIAGNOSTICS_WORDS.get(status, status)
        station.say("DiagnosticsStatusNotification", {"status": word})
        return
    number = {} if job.request_id is None else {"requestId": job.request_id}
    station.say("LogStatusNotification", {"status": status, **number})


def _trigger_log(station: SimulatedStation, controls: list[EvseControl]) -> bool:
    """Idle where nothing is under way (N01.FR.12): an upload that has ended is one."""
    job = station.part(LogUpload)
    busy = job.status == "Uploading" and not job.diagnostics
    number = {"requestId": job.request_id} if busy and job.request_id is not None else {}
    payload = {"status": "Uploading" if busy else "Idle", **number}
    station.after_answer(lambda: station.say("LogStatusNotification", payload))
    return True


def _trigger_diagnostics(station: SimulatedStation, controls: list[EvseControl]) -> bool:
    job = station.part(LogUpload)
    busy = job.status == "Uploading" and job.diagnostics
    payload = {"status": "Uploading" if busy else "Idle"}
    station.after_answer(lambda: station.say("DiagnosticsStatusNotification", payload))
    return True


BLOCK_16 = Block(
    answers={
        "GetDiagnostics": _get_diagnostics,
        "GetLog": _get_log,
        **firmware.ANSWERS_16,
    },
    triggers={
        "DiagnosticsStatusNotification": _trigger_diagnostics,
        "LogStatusNotification": _trigger_log,
        "FirmwareStatusNotification": firmware.trigger,
    },
    hooks={"booted": firmware.booted, "ended": firmware.idle},
)
BLOCK_2X = Block(
    answers={"GetLog": _get_log, **firmware.ANSWERS_2X},
    triggers={
        "LogStatusNotification": _trigger_log,
        "FirmwareStatusNotification": firmware.trigger,
        "PublishFirmwareStatusNotification": firmware.trigger_published,
    },
    hooks={"booted": firmware.booted, "ended": firmware.idle},
)
