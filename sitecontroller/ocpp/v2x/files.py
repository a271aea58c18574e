"""Files of a 2.x station: logs, firmware, published firmware (blocks L, N)."""

from datetime import datetime
from typing import Any

from sitecontroller.domain.errors import Unsupported
from sitecontroller.domain.files import (
    AskTransferSchemes,
    LogStatus,
    LogStatusReported,
    LogType,
    RequestLog,
)
from sitecontroller.domain.firmware import (
    FirmwareStatus,
    FirmwareStatusReported,
    PublishStatusReported,
    RequestPublishing,
    RequestUnpublishing,
    UpdateFirmware,
)
from sitecontroller.domain.station import OcppVersion
from sitecontroller.ocpp.block import Answer, Block
from sitecontroller.ocpp.transfer_words import (
    ACCEPTED,
    firmware_payload,
    log_payload,
    schemes_in,
    word,
)
from sitecontroller.ocpp.values import integer, text
from sitecontroller.ports import CallAnswer

PROTOCOLS = "OCPPCommCtrlr.FileTransferProtocols"
LOCATIONS_MAX = 20
PUBLISH_WORDS = frozenset(
    {
        "Idle", "DownloadScheduled", "Downloading", "Downloaded", "Published", "DownloadFailed",
        "DownloadPaused", "InvalidChecksum", "ChecksumVerified", "PublishFailed",
    }
)  # fmt: skip


# what a station says


async def _log_status(dialect: Any, payload: Answer, received_at: datetime) -> Answer:
    status = word(LogStatus, payload.get("status"))
    if status is not None:
        request_id = integer(payload.get("requestId"))
        report = LogStatusReported(dialect.station_id, request_id, status, received_at)
        await dialect.services.blocks.files.log_status(report)
    return {}


async def _firmware_status(dialect: Any, payload: Answer, received_at: datetime) -> Answer:
    status = word(FirmwareStatus, payload.get("status"))
    if status is not None:
        request_id = integer(payload.get("requestId"))
        report = FirmwareStatusReported(dialect.station_id, request_id, status, received_at)
        await dialect.services.blocks.files.firmware_status(report)
    return {}


async def _publish_status(dialect: Any, payload: Answer, received_at: datetime) -> Answer:
    said = text(payload.get("status"))
    if said in PUBLISH_WORDS:
        raw = payload.get("location")
        places = [text(place) for place in raw[:LOCATIONS_MAX]] if isinstance(raw, list) else []
        report = PublishStatusReported(
            dialect.station_id,
            integer(payload.get("requestId")),
            said,
            tuple(place for place in places if place),
            received_at,
        )
        await dialect.services.blocks.files.publish_status(report)
    return {}


# what it is asked


async def _ask_schemes(dialect: Any, request: AskTransferSchemes) -> CallAnswer:
    setting = next(iter((await dialect.read_settings((PROTOCOLS,))).values()), None)
    said = None if setting is None else setting.value
    return CallAnswer(True, "Accepted", {"schemes": schemes_in(said)})


async def _request_log(dialect: Any, request: RequestLog) -> CallAnswer:
    if request.log_type is LogType.DATA_COLLECTOR and dialect.version is not OcppVersion.V21:
        raise Unsupported(
            f"{dialect.station_id} (OCPP {dialect.version}) has no data collector log",
            remedy="Ask for the diagnostics log",
        )
    answer = await dialect.say("GetLog", log_payload(dialect, request), accepted=ACCEPTED)
    name = text(answer.body.get("filename"))
    return CallAnswer(answer.accepted, answer.status, {**answer.body, "file_name": name})


async def _update_firmware(dialect: Any, request: UpdateFirmware) -> CallAnswer:
    payload = firmware_payload(dialect, request)
    signed = "signature" in payload["firmware"]
    if request.require_signature and not signed:
        raise Unsupported(
            "this firmware is not signed", remedy="Add its signature and certificate first"
        )
    answer = await dialect.say("UpdateFirmware", payload, accepted=ACCEPTED)
    return CallAnswer(answer.accepted, answer.status, {**answer.body, "signed": signed})


async def _publish(dialect: Any, request: RequestPublishing) -> CallAnswer:
    payload = {
        "requestId": request.request_id,
        "location": request.url,
        "checksum": request.checksum,
        "retries": 2,
        "retryInterval": 60,
    }
    answer: CallAnswer = await dialect.say("PublishFirmware", payload)
    return answer


async def _unpublish(dialect: Any, request: RequestUnpublishing) -> CallAnswer:
    answer: CallAnswer = await dialect.say(
        "UnpublishFirmware", {"checksum": request.checksum}, accepted=("Unpublished",)
    )
    return answer


BLOCK = Block(
    inbound={
        "FirmwareStatusNotification": _firmware_status,
        "LogStatusNotification": _log_status,
        "PublishFirmwareStatusNotification": _publish_status,
    },
    requests={
        AskTransferSchemes: _ask_schemes,
        RequestLog: _request_log,
        UpdateFirmware: _update_firmware,
        RequestPublishing: _publish,
        RequestUnpublishing: _unpublish,
    },
)
