"""Certificates of a 2.x station and of cars at it (blocks A and M); 2.1 asks for chains at once."""

from datetime import UTC, datetime
from typing import Any

from sitecontroller.domain.certificates import (
    AskForSigning,
    CertificateUse,
    HandSigned,
    ReadInstalled,
    RemoveInstalled,
    SigningUse,
    StoreRoot,
)
from sitecontroller.domain.errors import Unsupported
from sitecontroller.domain.plug_and_charge import RevocationSource, StatusRequest
from sitecontroller.domain.station import OcppVersion
from sitecontroller.ocpp.block import Answer, Block
from sitecontroller.ocpp.certificate_words import (
    CHAIN_MAX,
    URL_CHARACTERS_MAX,
    certificate_hash,
    certificate_status,
    hand_signed_payload,
    hash_payload,
    installed_certificates,
    listed,
    sign_certificate,
    vehicle_certificate,
)
from sitecontroller.ocpp.frames import CallFault
from sitecontroller.ocpp.transfer_words import word
from sitecontroller.ocpp.values import rows, text
from sitecontroller.ports import CallAnswer

URLS_MAX = 5
_TRIGGERS = {
    SigningUse.STATION: "SignChargingStationCertificate",
    SigningUse.V2G: "SignV2GCertificate",
    SigningUse.V2G_20: "SignV2G20Certificate",
}
_SINCE_21 = (CertificateUse.VEHICLE_ROOT, SigningUse.V2G_20)


def _check_version(dialect: Any, *uses: object) -> None:
    if dialect.version is OcppVersion.V201 and any(use in _SINCE_21 for use in uses):
        raise Unsupported(
            f"{dialect.station_id} speaks OCPP 2.0.1, which has no such certificate",
            remedy="It came with OCPP 2.1",
        )


async def _store_root(dialect: Any, request: StoreRoot) -> CallAnswer:
    _check_version(dialect, request.use)
    answer: CallAnswer = await dialect.say(
        "InstallCertificate",
        {"certificateType": request.use.value, "certificate": request.pem},
    )
    return answer


async def _remove(dialect: Any, request: RemoveInstalled) -> CallAnswer:
    payload = {"certificateHashData": hash_payload(request.hash)}
    answer: CallAnswer = await dialect.say("DeleteCertificate", payload)
    return answer


async def _read(dialect: Any, request: ReadInstalled) -> CallAnswer:
    _check_version(dialect, *request.uses)
    payload: Answer = {}
    if request.uses:
        payload["certificateType"] = [use.value for use in request.uses]
    answer = await dialect.say(
        "GetInstalledCertificateIds", payload, accepted=("Accepted", "NotFound")
    )
    found = installed_certificates(answer.body.get("certificateHashDataChain"))
    return listed(answer.status, found)


async def _hand_signed(dialect: Any, request: HandSigned) -> CallAnswer:
    answer: CallAnswer = await dialect.say(
        "CertificateSigned", hand_signed_payload(dialect, request)
    )
    return answer


async def _ask_for_signing(dialect: Any, request: AskForSigning) -> CallAnswer:
    _check_version(dialect, request.use)
    message = "SignCombinedCertificate" if request.combined else _TRIGGERS[request.use]
    answer: CallAnswer = await dialect.trigger(message, None)
    return answer


async def _chain_status(dialect: Any, payload: Answer, received_at: datetime) -> Answer:
    """2.1 M07: each certificate by OCSP or CRL; what can't be asked is Failed."""
    requests = []
    for row in rows(payload.get("certificateStatusRequests"), CHAIN_MAX):
        named = certificate_hash(row.get("certificateHashData"))
        source = word(RevocationSource, row.get("source"))
        urls = row.get("urls")
        if named is not None and source is not None:
            listed_urls = urls[:URLS_MAX] if isinstance(urls, list) else []
            said = [text(url, URL_CHARACTERS_MAX) for url in listed_urls]
            requests.append(StatusRequest(named, source, tuple(url for url in said if url)))
    if not requests:
        raise CallFault("PropertyConstraintViolation", "it names no certificate")
    told = await dialect.services.blocks.security.plug_and_charge.statuses(tuple(requests))
    return {
        "certificateStatus": [
            {
                "certificateHashData": hash_payload(one.hash),
                "source": one.source.value,
                "status": one.state.value,
                "nextUpdate": dialect.stamp(one.next_update.astimezone(UTC)),
            }
            for one in told
        ]
    }


BLOCK = Block(
    inbound={
        "SignCertificate": sign_certificate,
        "Get15118EVCertificate": vehicle_certificate,
        "GetCertificateStatus": certificate_status,
    },
    requests={
        StoreRoot: _store_root,
        RemoveInstalled: _remove,
        ReadInstalled: _read,
        HandSigned: _hand_signed,
        AskForSigning: _ask_for_signing,
    },
)
BLOCK_21 = Block(inbound={"GetCertificateChainStatus": _chain_status})
