"""Files of a 1.6 station: diagnostics, logs, firmware, plain and signed.

The security extension's messages are used where the station has them, the core's where it hasn't:
which are there, its settings show, or its answer to the first try does.
"""

from datetime import datetime
from typing import Any

from sitecontroller.domain.errors import CallRefused, Unsupported
from sitecontroller.domain.files import (
    AskTransferSchemes,
    LogStatus,
    LogStatusReported,
    LogType,
    RequestLog,
)
from sitecontroller.domain.firmware import FirmwareStatus, FirmwareStatusReported, UpdateFirmware
from sitecontroller.ocpp.block import Answer, Block
from sitecontroller.ocpp.transfer_words import (
    ACCEPTED,
    NOT_THERE,
    firmware_payload,
    log_payload,
    schemes_in,
    word,
)
from sitecontroller.ocpp.values import integer, text
from sitecontroller.ports import CallAnswer

PROTOCOLS = "SupportedFileTransferProtocols"
OF_THE_EXTENSION = (PROTOCOLS, "SecurityProfile", "AdditionalRootCertificateCheck", "CpoName")
"""Settings that only stations with the security extension have."""

_DIAGNOSTICS = {
    "idle": LogStatus.IDLE,
    "uploaded": LogStatus.UPLOADED,
    "uploadfailed": LogStatus.UPLOAD_FAILURE,
    "uploading": LogStatus.UPLOADING,
}


# what a station says


async def _diagnostics_status(dialect: Any, payload: Answer, received_at: datetime) -> Answer:
    status = _DIAGNOSTICS.get((text(payload.get("status")) or "").casefold())
    if status is not None:
        report = LogStatusReported(dialect.station_id, None, status, received_at)
        await dialect.services.blocks.files.log_status(report)
    return {}


async def _log_status(dialect: Any, payload: Answer, received_at: datetime) -> Answer:
    status = word(LogStatus, payload.get("status"))
    if status is not None:
        request_id = integer(payload.get("requestId"))
        report = LogStatusReported(dialect.station_id, request_id, status, received_at)
        await dialect.services.blocks.files.log_status(report)
    return {}


async def _firmware_status(dialect: Any, payload: Answer, received_at: datetime) -> Answer:
    """Both messages: only the signed one tells a request id."""
    status = word(FirmwareStatus, payload.get("status"))
    if status is not None:
        request_id = integer(payload.get("requestId"))
        report = FirmwareStatusReported(dialect.station_id, request_id, status, received_at)
        await dialect.services.blocks.files.firmware_status(report)
    return {}


# what it is asked


async def _ask_schemes(dialect: Any, request: AskTransferSchemes) -> CallAnswer:
    known = dialect.found_settings or await dialect.read_settings((PROTOCOLS,))
    setting = known.get(PROTOCOLS)
    said = None if setting is None else setting.value
    return CallAnswer(True, "Accepted", {"schemes": schemes_in(said)})


async def _request_log(dialect: Any, request: RequestLog) -> CallAnswer:
    if request.log_type is LogType.DATA_COLLECTOR:
        raise _unsupported(dialect, "data collector logs", "Ask for the diagnostics log")
    diagnostics = request.log_type is LogType.DIAGNOSTICS
    extended = any(name in dialect.found_settings for name in OF_THE_EXTENSION)
    ways = [_get_log, _get_diagnostics] if extended else [_get_diagnostics, _get_log]
    for way in ways if diagnostics else [_get_log]:
        try:
            answer: CallAnswer = await way(dialect, request)
        except CallRefused as refusal:
            if refusal.error_code not in NOT_THERE:
                raise
        else:
            return answer
    remedy = "Fetch it at the charger" if diagnostics else "Ask for the diagnostics log"
    raise _unsupported(dialect, f"{request.log_type.value}s to give away", remedy)


async def _get_log(dialect: Any, request: RequestLog) -> CallAnswer:
    answer = await dialect.say("GetLog", log_payload(dialect, request), accepted=ACCEPTED)
    name = text(answer.body.get("filename"))
    return CallAnswer(answer.accepted, answer.status, {**answer.body, "file_name": name})


async def _get_diagnostics(dialect: Any, request: RequestLog) -> CallAnswer:
    """The answer has no status. Without a file's name it means "nothing to send", or nothing at
    all: some stations upload all the same, so the job waits."""
    payload: Answer = {
        "location": request.url,
        "retries": request.retries,
        "retryInterval": request.retry_interval_s,
    }
    if request.oldest_at is not None:
        payload["startTime"] = dialect.stamp(request.oldest_at)
    if request.latest_at is not None:
        payload["stopTime"] = dialect.stamp(request.latest_at)
    answer = await dialect.say("GetDiagnostics", payload)
    name = text(answer.body.get("fileName"))
    return CallAnswer(True, "Accepted", {**answer.body, "file_name": name})


async def _update_firmware(dialect: Any, request: UpdateFirmware) -> CallAnswer:
    """Signed where the image is signed and the station can check it."""
    if request.signature is not None and request.signing_certificate is not None:
        try:
            payload = firmware_payload(dialect, request)
            answer = await dialect.say("SignedUpdateFirmware", payload, accepted=ACCEPTED)
        except CallRefused as refusal:
            if refusal.error_code not in NOT_THERE:
                raise
        else:
            body = {**answer.body, "signed": True}
            return CallAnswer(answer.accepted, answer.status, body)
    if request.require_signature:
        raise _unsupported(dialect, "signed firmware", "Install it without require_signature")
    if request.install_at is not None:
        raise _unsupported(
            dialect, "a time of installation", "Give retrieve_at: it installs after the download"
        )
    payload = {
        "location": request.url,
        "retrieveDate": firmware_payload(dialect, request)["firmware"]["retrieveDateTime"],
        "retries": request.retries,
        "retryInterval": request.retry_interval_s,
    }
    answer = await dialect.say("UpdateFirmware", payload)
    return CallAnswer(True, "Accepted", {**answer.body, "signed": False})


def _unsupported(dialect: Any, what: str, remedy: str) -> Unsupported:
    return Unsupported(
        f"{dialect.station_id} (OCPP {dialect.version}) has no {what}", remedy=remedy
    )


BLOCK = Block(
    inbound={
        "DiagnosticsStatusNotification": _diagnostics_status,
        "FirmwareStatusNotification": _firmware_status,
        "LogStatusNotification": _log_status,
        "SignedFirmwareStatusNotification": _firmware_status,
    },
    requests={
        AskTransferSchemes: _ask_schemes,
        RequestLog: _request_log,
        UpdateFirmware: _update_firmware,
    },
)
