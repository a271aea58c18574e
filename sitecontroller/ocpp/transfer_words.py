"""Words about files that the versions share: the security extension of 1.6 took them from 2.x."""

import re
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

from sitecontroller.domain.files import RequestLog, TransferScheme
from sitecontroller.domain.firmware import UpdateFirmware
from sitecontroller.ocpp.block import Answer
from sitecontroller.ocpp.values import text

ACCEPTED = ("Accepted", "AcceptedCanceled")
NOT_THERE = ("NotImplemented", "NotSupported")
"""Error codes by which a station says that it lacks a message."""

Word = TypeVar("Word", bound=StrEnum)


def word(kind: type[Word], said: object) -> Word | None:
    """One of an enumeration's words, in any case; None for others."""
    found = (text(said) or "").casefold()
    return next((member for member in kind if member.value.casefold() == found), None)


def schemes_in(said: object) -> list[str]:
    """The transfer schemes in a list such as "FTP,HTTP"; those we don't know are left out."""
    names = re.split(r"[^a-z]+", (text(said) or "").casefold())
    return [name for name in names if name in set(TransferScheme)]


def station_time(dialect: Any, at: datetime) -> str:
    """An instant as the station's own clock has it: "now" must not lie ahead of it for hours."""
    stamp: str = dialect.stamp(at + timedelta(seconds=dialect.clock_offset_s or 0))
    return stamp


def log_payload(dialect: Any, request: RequestLog) -> Answer:
    """GetLog."""
    where: Answer = {"remoteLocation": request.url}
    if request.oldest_at is not None:
        where["oldestTimestamp"] = dialect.stamp(request.oldest_at)
    if request.latest_at is not None:
        where["latestTimestamp"] = dialect.stamp(request.latest_at)
    return {
        "logType": request.log_type.value,
        "requestId": request.request_id,
        "retries": request.retries,
        "retryInterval": request.retry_interval_s,
        "log": where,
    }


def firmware_payload(dialect: Any, request: UpdateFirmware) -> Answer:
    """2.x UpdateFirmware, 1.6 SignedUpdateFirmware."""
    firmware: Answer = {
        "location": request.url,
        "retrieveDateTime": station_time(dialect, request.retrieve_at),
    }
    if request.install_at is not None:
        firmware["installDateTime"] = station_time(dialect, request.install_at)
    if request.signature is not None and request.signing_certificate is not None:
        firmware["signingCertificate"] = request.signing_certificate
        firmware["signature"] = request.signature
    return {
        "requestId": request.request_id,
        "retries": request.retries,
        "retryInterval": request.retry_interval_s,
        "firmware": firmware,
    }
