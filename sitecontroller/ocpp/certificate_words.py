"""Words about certificates that the versions share: hashes, chains, contracts, and answers.

1.6 took them from 2.x, in its security extension and in Plug & Charge over DataTransfer.
"""

import asyncio
import re
from datetime import datetime
from typing import Any

from sitecontroller.domain.certificates import (
    CertificateHash,
    CertificateUse,
    HandSigned,
    HashAlgorithm,
    InstalledCertificate,
    SigningRequested,
    SigningUse,
)
from sitecontroller.domain.errors import OperatingError
from sitecontroller.domain.plug_and_charge import ContractShown, HashedCertificate, contract_status
from sitecontroller.domain.security import StationEventReported
from sitecontroller.ocpp.block import Answer
from sitecontroller.ocpp.transfer_words import word
from sitecontroller.ocpp.values import id_token, integer, rows, table, text
from sitecontroller.ports import CallAnswer
from sitecontroller.services.contracts import VehicleRequest
from sitecontroller.wire import to_json

CSR_CHARACTERS_MAX = 16_000
CHAIN_CHARACTERS_MAX = 16_000
EXI_CHARACTERS_MAX = 16_000
CHAIN_MAX = 4
LISTED_MAX = 100
URL_CHARACTERS_MAX = 2000
CAR_WAITS_S = 4.5
"""ISO 15118-2 gives a certificate message 5 s."""
_HEX = re.compile(r"[0-9A-Fa-f]{1,128}")


def long_text(value: object, at_most: int) -> str | None:
    """A text with its line ends, such as PEM; None: there is none, or too much of it."""
    if not isinstance(value, str) or not 0 < len(value) <= at_most:
        return None
    return value if all(c.isprintable() or c in "\r\n\t" for c in value) else None


def certificate_hash(value: object) -> CertificateHash | None:
    """A CertificateHashDataType in the station's own spelling; None: it can't be one."""
    said = table(value)
    algorithm = word(HashAlgorithm, said.get("hashAlgorithm"))
    parts = [text(said.get(name)) for name in ("issuerNameHash", "issuerKeyHash", "serialNumber")]
    if algorithm is None or not all(part and _HEX.fullmatch(part) for part in parts):
        return None
    name, key, serial_number = (part or "" for part in parts)
    return CertificateHash(algorithm, name, key, serial_number[:40])


def hash_payload(value: CertificateHash) -> Answer:
    """The same as it is sent: as the station spelt it (M04.FR.07)."""
    return {
        "hashAlgorithm": value.hash_algorithm.value,
        "issuerNameHash": value.issuer_name_hash,
        "issuerKeyHash": value.issuer_key_hash,
        "serialNumber": value.serial_number,
    }


def hashed_certificates(value: object) -> tuple[HashedCertificate, ...]:
    """An `iso15118CertificateHashData`, leaf first; empty when one of them can't be read."""
    found = []
    for row in rows(value, CHAIN_MAX):
        named = certificate_hash(row)
        if named is None:
            return ()
        url = text(row.get("responderURL"), URL_CHARACTERS_MAX) or ""
        found.append(HashedCertificate(named, url))
    return tuple(found)


def installed_certificates(chain: object) -> tuple[InstalledCertificate, ...]:
    """A `certificateHashDataChain`; what can't be read is left out."""
    found = []
    for row in rows(chain, LISTED_MAX):
        use = word(CertificateUse, row.get("certificateType"))
        own = certificate_hash(row.get("certificateHashData"))
        children = [
            certificate_hash(child)
            for child in rows(row.get("childCertificateHashData"), CHAIN_MAX)
        ]
        if use is not None and own is not None:
            kept = tuple(child for child in children if child is not None)
            found.append(InstalledCertificate(use, own, kept))
    return tuple(found)


def listed(status: str, found: tuple[InstalledCertificate, ...]) -> CallAnswer:
    """The answer to ReadInstalled; "NotFound" is an answer too: there are none."""
    known = status in ("Accepted", "NotFound")
    return CallAnswer(known, status, {"certificates": to_json(found)})


# what a station says


async def security_event(dialect: Any, payload: Answer, received_at: datetime) -> Answer:
    """SecurityEventNotification: kept before it is answered (A04)."""
    await dialect.services.blocks.security.log.reported(
        StationEventReported(
            dialect.station_id,
            text(payload.get("type"), 50) or "Unknown",
            dialect.time_of(payload.get("timestamp"), received_at).at,
            text(payload.get("techInfo")) or "",
        )
    )
    return {}


async def sign_certificate(dialect: Any, payload: Answer, received_at: datetime) -> Answer:
    """SignCertificate: the answer at once, the certificate right after it (A02, A03)."""
    csr = long_text(payload.get("csr"), CSR_CHARACTERS_MAX)
    said = word(SigningUse, payload.get("certificateType"))
    if csr is None:
        return refused("InvalidCSR", "there is no request in it")
    request = SigningRequested(
        dialect.station_id,
        csr,
        said or SigningUse.STATION,
        integer(payload.get("requestId")),
        certificate_hash(payload.get("hashRootCertificate")),
    )
    certificates = dialect.services.blocks.security.certificates
    reason = await certificates.signing_requested(dialect, request)
    if reason is not None:
        return refused("InvalidCSR", reason)
    dialect.after_reply(
        lambda: dialect.background.spawn(
            certificates.hand_over(dialect, request, said is not None),
            f"{dialect.station_id} certificate",
        )
    )
    return {"status": "Accepted"}


async def vehicle_certificate(dialect: Any, payload: Answer, received_at: datetime) -> Answer:
    """Get15118EVCertificate: passed on, or refused at once (M01, M02)."""
    request = VehicleRequest(
        dialect.station_id,
        text(payload.get("iso15118SchemaVersion"), 100) or "",
        text(payload.get("action"), 20) or "",
        long_text(payload.get("exiRequest"), EXI_CHARACTERS_MAX) or "",
        integer(payload.get("maximumContractCertificateChains")),
        tuple(
            emaid
            for emaid in map(text, list(payload.get("prioritizedEMAIDs") or [])[:8])
            if emaid is not None
        )
        if isinstance(payload.get("prioritizedEMAIDs"), list)
        else (),
    )
    contracts = dialect.services.blocks.security.certificates.contracts
    try:
        contracts.check_ready()
        async with asyncio.timeout(CAR_WAITS_S):
            told = await contracts.vehicle(request)
    except OperatingError as error:
        return {**failed("NotEnabled", error.detail), "exiResponse": ""}
    except TimeoutError:
        return {**failed("InternalError", "headquarters didn't answer in time"), "exiResponse": ""}
    answer: Answer = {
        "status": "Accepted" if told.accepted else "Failed",
        "exiResponse": told.exi_response,
    }
    if told.remaining is not None and request.contracts_max is not None:
        answer["remainingContracts"] = told.remaining
    return answer


async def certificate_status(dialect: Any, payload: Answer, received_at: datetime) -> Answer:
    """GetCertificateStatus: an OCSP answer from our own authority, the cache or a listed
    responder, else Failed at once (M06)."""
    said = table(payload.get("ocspRequestData"))
    asked = certificate_hash(said)
    if asked is None:
        return failed("InvalidCertificate", "the certificate's hash can't be read")
    url = text(said.get("responderURL"), URL_CHARACTERS_MAX) or ""
    try:
        answer = await dialect.services.blocks.security.plug_and_charge.ocsp(asked, url)
    except OperatingError as error:
        return failed("NotEnabled", error.detail)
    return {"status": "Accepted", "ocspResult": answer}


def contract_shown(payload: Answer) -> ContractShown | None:
    """The contract that an Authorize shows; None: it shows none. The token is an object in 2.x
    and a plain text in 1.6."""
    chain = long_text(payload.get("certificate"), CHAIN_CHARACTERS_MAX)
    hashes = payload.get("iso15118CertificateHashData")
    if payload.get("certificate") is None and hashes is None:
        return None
    said = payload.get("idToken")
    token = id_token(said.get("idToken") if isinstance(said, dict) else said)
    emaid = "" if token is None else token.id_token
    given = "" if payload.get("certificate") is not None else None
    return ContractShown(emaid, chain if chain is not None else given, hashed_certificates(hashes))


async def contract_answer(dialect: Any, shown: ContractShown, token: Any) -> tuple[Any, str]:
    """(the token's verdict or status, certificateStatus) for a contract (C07.FR.13 to 17)."""
    verdict = await dialect.services.blocks.security.plug_and_charge.check(shown)
    if not verdict.valid:
        return verdict.token_status, verdict.status.value
    judged = await dialect.services.authorization.authorize(dialect.station_id, token)
    return judged, contract_status(judged.status).value


def hand_signed_payload(dialect: Any, request: HandSigned) -> Answer:
    """CertificateSigned of 2.x (A02.FR.14, 2.1 A02.FR.25)."""
    payload: Answer = {"certificateChain": request.chain}
    if request.asked_with_use:
        payload["certificateType"] = request.use.value
    if request.request_id is not None and dialect.version == "2.1":
        payload["requestId"] = request.request_id
    return payload


def refused(code: str, words: str) -> Answer:
    """A refusal with its reason, for the station's log."""
    return {"status": "Rejected", **_reason(code, words)}


def failed(code: str, words: str) -> Answer:
    """A failure with its reason."""
    return {"status": "Failed", **_reason(code, words)}


def _reason(code: str, words: str) -> Answer:
    return {"statusInfo": {"reasonCode": code, "additionalInfo": words[:500]}}
