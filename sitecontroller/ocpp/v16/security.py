"""Security of a 1.6 station, by the security extension: events, certificates, profiles.

What concerns vehicles goes over Plug & Charge's DataTransfer (`pnc`). The extension's trigger is
used where the core's can't ask for a message, or asks for another one.
"""

from datetime import datetime
from typing import Any

from sitecontroller.domain.certificates import (
    AskForSigning,
    CertificateUse,
    HandSigned,
    InstalledCertificate,
    ReadInstalled,
    RemoveInstalled,
    StoreRoot,
)
from sitecontroller.domain.errors import CallRefused, Unsupported
from sitecontroller.domain.security import SetOwnerName, SwitchProfile
from sitecontroller.ocpp.block import Answer, Block
from sitecontroller.ocpp.certificate_words import (
    LISTED_MAX,
    certificate_hash,
    hand_signed_payload,
    hash_payload,
    installed_certificates,
    listed,
    security_event,
    sign_certificate,
)
from sitecontroller.ocpp.commands import Priority
from sitecontroller.ocpp.transfer_words import NOT_THERE
from sitecontroller.ocpp.v16 import pnc
from sitecontroller.ocpp.values import rows
from sitecontroller.ports import CallAnswer

ROOTS = {
    CertificateUse.CSMS_ROOT: "CentralSystemRootCertificate",
    CertificateUse.MANUFACTURER_ROOT: "ManufacturerRootCertificate",
}
"""By the extension; all others by Plug & Charge."""

EXTENDED_TRIGGERS = {
    "SignChargingStationCertificate": "SignChargePointCertificate",
    "LogStatusNotification": "LogStatusNotification",
}
"""What the extension's trigger asks for; the core's has no or another message for it."""
PNC_ENABLED = "ISO15118PnCEnabled"


async def extended_trigger(dialect: Any, message: str, priority: Priority) -> CallAnswer | None:
    """ExtendedTriggerMessage; None: the station doesn't know it, the core's will have to do."""
    payload = {"requestedMessage": EXTENDED_TRIGGERS[message]}
    try:
        answer: CallAnswer = await dialect.say("ExtendedTriggerMessage", payload, priority=priority)
    except CallRefused as refusal:
        if refusal.error_code not in NOT_THERE:
            raise
        return None
    return None if answer.status == "NotImplemented" else answer


async def _sign_certificate(dialect: Any, payload: Answer, received_at: datetime) -> Answer:
    """The extension's answer has a status and nothing else."""
    answer = await sign_certificate(dialect, payload, received_at)
    return {"status": answer["status"]}


async def _store_root(dialect: Any, request: StoreRoot) -> CallAnswer:
    name = ROOTS.get(request.use)
    payload: Answer = {"certificateType": name, "certificate": request.pem}
    if name is None:
        payload["certificateType"] = request.use.value
        return await pnc.say(dialect, "InstallCertificate", payload)
    answer: CallAnswer = await dialect.say("InstallCertificate", payload)
    return answer


async def _remove(dialect: Any, request: RemoveInstalled) -> CallAnswer:
    payload = {"certificateHashData": hash_payload(request.hash)}
    if request.use is not None and request.use not in ROOTS:
        return await pnc.say(dialect, "DeleteCertificate", payload)
    answer: CallAnswer = await dialect.say("DeleteCertificate", payload)
    return answer


async def _read(dialect: Any, request: ReadInstalled) -> CallAnswer:
    """One question for each kind: 1.6 has no "all"."""
    found: list[InstalledCertificate] = []
    statuses = []
    for use in [use for use in ROOTS if use in (request.uses or ROOTS)]:
        answer = await dialect.say(
            "GetInstalledCertificateIds",
            {"certificateType": ROOTS[use]},
            accepted=("Accepted", "NotFound"),
        )
        statuses.append(answer.status)
        hashes = map(certificate_hash, rows(answer.body.get("certificateHashData"), LISTED_MAX))
        found += [InstalledCertificate(use, named) for named in hashes if named is not None]
    others = [use for use in request.uses if use not in ROOTS]
    if others or (not request.uses and PNC_ENABLED in dialect.found_settings):
        payload: Answer = {"certificateType": [use.value for use in others]} if others else {}
        inner = await pnc.say(
            dialect, "GetInstalledCertificateIds", payload, accepted=("Accepted", "NotFound")
        )
        statuses.append(inner.status)
        more = installed_certificates(inner.body.get("certificateHashDataChain"))
        found += [certificate for certificate in more if certificate not in found]
    known = [status for status in statuses if status in ("Accepted", "NotFound")]
    return listed("Accepted" if found else (known or statuses or [""])[0], tuple(found))


async def _hand_signed(dialect: Any, request: HandSigned) -> CallAnswer:
    if request.use.for_vehicles:
        return await pnc.say(dialect, "CertificateSigned", hand_signed_payload(dialect, request))
    answer: CallAnswer = await dialect.say("CertificateSigned", {"certificateChain": request.chain})
    return answer


async def _ask_for_signing(dialect: Any, request: AskForSigning) -> CallAnswer:
    if request.combined or request.use.for_vehicles:
        message = "SignCombinedCertificate" if request.combined else "SignV2GCertificate"
        return await pnc.say(dialect, "TriggerMessage", {"requestedMessage": message})
    return await trigger_signing(dialect)


async def trigger_signing(dialect: Any) -> CallAnswer:
    """There is no core message for it."""
    answer = await extended_trigger(dialect, "SignChargingStationCertificate", Priority.ATTENDANT)
    if answer is None:
        raise Unsupported(
            f"{dialect.station_id} has no security extension",
            remedy="Look for a newer firmware, or leave it at security profile 1 or 2",
        )
    return answer


async def _switch_profile(dialect: Any, request: SwitchProfile) -> CallAnswer:
    """The station keeps its address: it reconnects there by TLS, without a restart (A05)."""
    answer: CallAnswer = await dialect.say(
        "ChangeConfiguration",
        {"key": "SecurityProfile", "value": str(request.profile)},
        accepted=("Accepted", "RebootRequired"),
    )
    return answer


async def _set_owner_name(dialect: Any, request: SetOwnerName) -> CallAnswer:
    answer: CallAnswer = await dialect.say(
        "ChangeConfiguration", {"key": "CpoName", "value": request.name}
    )
    return answer


BLOCK = Block(
    inbound={
        "SecurityEventNotification": security_event,
        "SignCertificate": _sign_certificate,
    },
    requests={
        StoreRoot: _store_root,
        RemoveInstalled: _remove,
        ReadInstalled: _read,
        HandSigned: _hand_signed,
        AskForSigning: _ask_for_signing,
        SwitchProfile: _switch_profile,
        SetOwnerName: _set_owner_name,
    },
    transfers={pnc.VENDOR: pnc.take},
)
