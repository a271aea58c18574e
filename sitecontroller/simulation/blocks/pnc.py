"""Plug & Charge at a simulated station: cars that identify themselves by a contract (ISO 15118).

2.x has messages for it, 1.6 sends the same ones as DataTransfer of the vendor
`org.openchargealliance.iso15118pnc`. The cryptography between car and station is not played: what
the CSMS sees of it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from sitecontroller.ocpp.frames import CallFault
from sitecontroller.simulation.blocks import security
from sitecontroller.simulation.blocks.block import Block
from sitecontroller.simulation.settings import FLAG, Setting
from sitecontroller.simulation.uplink import Payload

if TYPE_CHECKING:
    from sitecontroller.simulation.station import SimulatedStation

VENDOR = "org.openchargealliance.iso15118pnc"
SCHEMA = "urn:iso:15118:2:2013:MsgDef"
RESPONDER = "http://ocsp.invalid/"


def contract_hashes(emaid: str) -> list[dict[str, str]]:
    """The hash data of a made-up contract certificate, the same for the same contract."""
    digest = sha256(emaid.encode()).hexdigest()
    return [
        {
            "hashAlgorithm": "SHA256",
            "issuerNameHash": digest,
            "issuerKeyHash": digest,
            "serialNumber": digest[:16],
            "responderURL": RESPONDER,
        }
    ]


async def plug_and_charge(station: SimulatedStation, evse_id: int, emaid: str) -> bool:
    """A plugged car shows its contract (C07); whether charging began."""
    control = station.controls[evse_id]
    token = {"idToken": emaid, "type": "eMAID"}
    request: Payload = {"idToken": token, "iso15118CertificateHashData": contract_hashes(emaid)}
    answer = await _ask(station, "Authorize", request)
    if answer is None or not control.is_free:
        return False
    if answer.get("idTokenInfo", {}).get("status") != "Accepted":
        return False
    if answer.get("certificateStatus", "Accepted") != "Accepted":
        return False
    station.sessions.admit(control, emaid, token_type="eMAID")
    return True


async def fetch_contract(
    station: SimulatedStation, exi: str, *, update: bool = False
) -> Payload | None:
    """A car asks for its contract certificate (M01, M02); `exi` goes through as it is."""
    request = {
        "iso15118SchemaVersion": SCHEMA,
        "action": "Update" if update else "Install",
        "exiRequest": exi,
    }
    return await _ask(station, "Get15118EVCertificate", request)


async def ask_certificate_status(station: SimulatedStation, emaid: str) -> Payload | None:
    """OCSP by way of the CSMS (M06)."""
    request = {"ocspRequestData": contract_hashes(emaid)[0]}
    return await _ask(station, "GetCertificateStatus", request)


async def _ask(station: SimulatedStation, action: str, request: Payload) -> Payload | None:
    if station.version.value != "1.6":
        return await station.uplink.ask(action, request)
    payload = {"vendorId": VENDOR, "messageId": action, "data": json.dumps(request)}
    answer = await station.uplink.ask("DataTransfer", payload)
    if answer is None or answer.get("status") != "Accepted":
        return None
    return _read(answer.get("data"))


def _read(data: object) -> Payload | None:
    try:
        read = json.loads(data) if isinstance(data, str) else data
    except ValueError:
        return None
    return read if isinstance(read, dict) else None


def _transfer(station: SimulatedStation, payload: Payload) -> Payload:
    """What the CSMS asks a 1.6 station of Plug & Charge: the 2.x answer in an envelope."""
    answerer = security.BLOCK_2X.answers.get(payload.get("messageId", ""))
    request = _read(payload.get("data", "{}"))
    if payload.get("messageId") == "TriggerMessage":
        security.ask_to_sign(station, "V2GCertificate")
        return _enveloped({"status": "Accepted"})
    if answerer is None:
        return {"status": "UnknownMessageId"}
    if request is None:
        return {"status": "Rejected"}
    try:
        return _enveloped(answerer(station, request))
    except (CallFault, KeyError, TypeError):
        return {"status": "Rejected"}


def _enveloped(answer: dict[str, Any]) -> Payload:
    return {"status": "Accepted", "data": json.dumps(answer)}


def sign_v2g(station: SimulatedStation) -> None:
    """Ask for the certificate that cars are shown."""
    station.after_answer(partial(security.ask_to_sign, station, "V2GCertificate"))


def _settings_16(station: SimulatedStation) -> Iterable[Setting]:
    yield Setting("ISO15118PnCEnabled", "true", FLAG)
    yield Setting("CentralContractValidationAllowed", "true", FLAG)
    yield Setting("ContractValidationOffline", "false", FLAG)


def _settings_2x(station: SimulatedStation) -> Iterable[Setting]:
    yield Setting("ISO15118Ctrlr.PnCEnabled", "true", FLAG)
    yield Setting("ISO15118Ctrlr.CentralContractValidationAllowed", "true", FLAG)
    yield Setting("ISO15118Ctrlr.ContractValidationOffline", "false", FLAG)
    yield Setting("ISO15118Ctrlr.V2GCertificateInstallationEnabled", "true", FLAG)
    yield Setting("ISO15118Ctrlr.ContractCertificateInstallationEnabled", "true", FLAG)
    yield Setting("ISO15118Ctrlr.SeccId", station.station_id, r".{1,255}")


BLOCK_16 = Block(transfers={VENDOR: _transfer}, settings=_settings_16)
BLOCK_2X = Block(settings=_settings_2x)
