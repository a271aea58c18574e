"""Security of a simulated station: certificates, security events, profiles and TLS.

OCPP 1.6's security extension (all eleven messages), 2.x blocks A and M. A profile is raised, never
lowered (A05.FR.07).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import tempfile
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sitecontroller.domain.station import OcppVersion
from sitecontroller.simulation.blocks.block import Block, accepted, refused
from sitecontroller.simulation.certificates import (
    PrivateKey,
    belongs_to,
    certificates_in,
    hash_data,
    is_certificate,
    is_signed,
    key_pem,
    new_key,
    request_for,
)
from sitecontroller.simulation.control import EvseControl
from sitecontroller.simulation.settings import Setting
from sitecontroller.simulation.uplink import Payload
from sitecontroller.simulation.variables2x import PASSWORD

if TYPE_CHECKING:
    from sitecontroller.simulation.station import SimulatedStation

__all__ = ["BLOCK_2X", "BLOCK_16", "is_certificate", "is_signed", "tls_context", "tls_for"]

LINES_KEPT = 500
CERTIFICATES_MAX = 20
ATTEMPTS_MAX = 3
"""Connections tried with a raised profile before the one that worked is used again."""
CSMS_ROOTS = ("CentralSystemRootCertificate", "CSMSRootCertificate")
STATION_CERTIFICATE = "ChargingStationCertificate"


class Events:
    """The security log."""

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=LINES_KEPT)


class Certificates:
    """What is installed: (type, PEM) in the order it came, and the station's own."""

    def __init__(self) -> None:
        self.installed: list[tuple[str, str]] = []
        self.own: dict[str, tuple[str, PrivateKey]] = {}
        """Chain and key by the kind of certificate."""
        self.asked: dict[str, PrivateKey] = {}
        """Keys whose certificate was asked for."""


# Events


def note_event(station: SimulatedStation, kind: str, info: str = "") -> None:
    """A security event: written down, and told where the CSMS has to know (A04)."""
    station.part(Events).lines.append(f"{station.stamp()} {station.station_id} {kind} {info}")
    payload = {"type": kind, "timestamp": station.stamp()}
    if info:
        payload["techInfo"] = info[:255]
    station.say("SecurityEventNotification", payload, lasting=True)


def _booted(station: SimulatedStation) -> None:
    kinds = {"RemoteReset": "ResetOrReboot", "ScheduledReset": "ResetOrReboot"}
    note_event(station, kinds.get(station.boot_reason, "StartupOfTheDevice"))


# Certificates of others


def _install(station: SimulatedStation, payload: Payload) -> Payload:
    kept = station.part(Certificates)
    text = payload["certificate"]
    if not is_certificate(text):
        note_event(station, "InvalidCsmsCertificate")
        return {"status": "Rejected"}
    if len(kept.installed) >= CERTIFICATES_MAX:
        return {"status": "Failed"}
    entry = (payload["certificateType"], certificates_in(text)[0])
    if entry not in kept.installed:
        kept.installed.append(entry)
    return accepted()


def _delete(station: SimulatedStation, payload: Payload) -> Payload:
    kept = station.part(Certificates)
    wanted = payload["certificateHashData"]
    for entry in kept.installed:
        if _same(hash_data(entry[1]), wanted):
            kept.installed.remove(entry)
            return accepted()
    if any(_same(_own_hash(chain), wanted) for chain, _ in kept.own.values()):
        return {"status": "Failed"}  # never its own (M04.FR.06)
    return {"status": "NotFound"}


def _own_hash(chain: str) -> dict[str, str]:
    leaf, *above = certificates_in(chain)
    return hash_data(leaf, above[0] if above else None)


def _same(known: dict[str, str], wanted: dict[str, Any]) -> bool:
    fields = ("issuerNameHash", "issuerKeyHash", "serialNumber")
    if wanted["hashAlgorithm"] != known["hashAlgorithm"]:
        return False
    return all(
        str(wanted[name]).casefold().lstrip("0") == known[name].lstrip("0") for name in fields
    )


def _list_16(station: SimulatedStation, payload: Payload) -> Payload:
    found = [
        hash_data(pem)
        for kind, pem in station.part(Certificates).installed
        if kind == payload["certificateType"]
    ]
    return {"status": "Accepted", "certificateHashData": found} if found else {"status": "NotFound"}


def _list_2x(station: SimulatedStation, payload: Payload) -> Payload:
    kinds = payload.get("certificateType")
    kept = station.part(Certificates)
    found = [
        {"certificateType": kind, "certificateHashData": hash_data(pem)}
        for kind, pem in kept.installed
        if kinds is None or kind in kinds
    ]
    chain = kept.own.get("V2GCertificate")
    if chain is not None and (kinds is None or "V2GCertificateChain" in kinds):
        pems = certificates_in(chain[0])
        issuers = [*pems[1:], None]
        leaf, *above = [hash_data(*pair) for pair in zip(pems, issuers, strict=True)]
        entry: dict[str, Any] = {
            "certificateType": "V2GCertificateChain",
            "certificateHashData": leaf,
        }
        if above:
            entry["childCertificateHashData"] = above[:4]
        found.append(entry)
    if not found:
        return {"status": "NotFound"}
    return {"status": "Accepted", "certificateHashDataChain": found}


# Its own certificate


def ask_to_sign(station: SimulatedStation, kind: str = STATION_CERTIFICATE) -> bool:
    """Make a key and ask for its certificate."""
    kept = station.part(Certificates)

    async def sign() -> None:
        key = await station.in_thread(new_key)
        kept.asked[kind] = key
        name = station.description.serial_number or station.station_id
        if kind != STATION_CERTIFICATE:
            name = f"{station.station_id}-V2G"
        csr = await station.in_thread(request_for, key, name, _organization(station))
        payload: Payload = {"csr": csr}
        if station.version is not OcppVersion.V16:
            payload["certificateType"] = kind
        await station.uplink.ask("SignCertificate", payload)

    station.after_answer(lambda: station.spawn(sign()))
    return True


def _organization(station: SimulatedStation) -> str:
    key = "CpoName" if station.version is OcppVersion.V16 else "SecurityCtrlr.OrganizationName"
    return station.settings.text(key)


def _signed(station: SimulatedStation, payload: Payload) -> Payload:
    kept = station.part(Certificates)
    kind = payload.get("certificateType", STATION_CERTIFICATE)
    chain = certificates_in(payload["certificateChain"])
    key = kept.asked.get(kind)
    if key is None or not chain or not is_certificate(chain[0]) or not belongs_to(chain[0], key):
        note_event(station, "InvalidChargingStationCertificate")
        return accepted(False)
    kept.own[kind] = ("\n".join(chain) + "\n", key)
    del kept.asked[kind]
    if kind == STATION_CERTIFICATE and station.security_profile == 3:
        station.after_answer(lambda: station.spawn(station.uplink.hang_up()))
    return accepted()


def _trigger_sign(station: SimulatedStation, controls: list[EvseControl]) -> bool:
    return ask_to_sign(station)


def _trigger_sign_v2g(station: SimulatedStation, controls: list[EvseControl]) -> bool:
    return ask_to_sign(station, "V2GCertificate")


# Profiles and TLS


class Raised:
    """A profile set from afar; `before` is what worked until a connection with the new one does."""

    def __init__(self) -> None:
        self.before: int | None = None
        self.secured = False


def raise_profile(station: SimulatedStation, profile: int) -> None:
    """Use another security profile from the next connection on."""
    raised = station.part(Raised)
    if raised.before is None:
        raised.before = station.security_profile
    station.security_profile = profile
    note_event(station, "ReconfigurationOfSecurityParameters", f"profile {profile}")
    station.after_answer(lambda: station.spawn(_reconnect(station)))


def endpoint(station: SimulatedStation, url: str) -> str:
    """The address for a raised profile: TLS at the same place from 2 on; and as it was before when
    that doesn't connect (A05.FR.08)."""
    raised = station.part(Raised)
    if raised.before is not None and station.uplink.failures >= ATTEMPTS_MAX:
        station.note(f"profile {station.security_profile} does not connect: as before")
        station.security_profile, raised.before = raised.before, None
        station.settings.put("SecurityProfile", str(station.security_profile))
    new = raised.before is not None or raised.secured
    if new and station.security_profile >= 2 and url.startswith("ws:"):
        return f"wss:{url.removeprefix('ws:')}"
    return url


def connected(station: SimulatedStation) -> None:
    """What was raised has proven itself."""
    raised = station.part(Raised)
    if raised.before is not None:
        raised.before, raised.secured = None, True


async def _reconnect(station: SimulatedStation) -> None:
    await asyncio.sleep(1.0)
    await station.uplink.hang_up()


def trusted(station: SimulatedStation) -> ssl.SSLContext:
    """Trusts who signed the CSMS: the certificates given at the factory and those installed."""
    context = ssl.create_default_context()
    plate = station.description
    if plate.ca_file is not None:
        context.load_verify_locations(plate.ca_file)
    roots = [pem for kind, pem in station.part(Certificates).installed if kind in CSMS_ROOTS]
    if roots:
        context.load_verify_locations(cadata="\n".join(roots))
    return context


def tls_for(station: SimulatedStation, location: str) -> ssl.SSLContext | None:
    """What a file transfer to that address needs."""
    return trusted(station) if location.startswith(("https:", "ftps:")) else None


def tls_context(station: SimulatedStation) -> ssl.SSLContext:
    """For wss; with profile 3 it shows the station's certificate."""
    context = trusted(station)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    plate = station.description
    own = station.part(Certificates).own.get(STATION_CERTIFICATE)
    if own is not None:
        chain, key = own
        with _file(chain.encode()) as certificate_file, _file(key_pem(key)) as key_file:
            context.load_cert_chain(certificate_file, key_file)
    elif plate.certificate_file is not None:
        context.load_cert_chain(plate.certificate_file, plate.key_file)
    return context


@contextlib.contextmanager
def _file(content: bytes) -> Any:
    """Python takes certificates from files only."""
    descriptor, name = tempfile.mkstemp()
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        yield name
    finally:
        os.unlink(name)


def _settings_16(station: SimulatedStation) -> Iterable[Setting]:
    profile = str(station.description.security_profile)
    yield Setting("AuthorizationKey", "", r".{16,40}", readable=False)
    # Written only upwards: the pattern is what A05.FR.07 allows.
    yield Setting("SecurityProfile", profile, f"[{profile}-3]")
    yield Setting("CpoName", "Demo", r".{0,500}")
    yield Setting("AdditionalRootCertificateCheck", "false", writable=False)
    yield Setting("CertificateSignedMaxChainSize", "10000", writable=False)
    yield Setting("CertificateStoreMaxLength", str(CERTIFICATES_MAX), writable=False)
    yield Setting("CertSigningWaitMinimum", "30", r"\d{1,7}")
    yield Setting("CertSigningRepeatTimes", "3", r"\d{1,7}")


def _settings_2x(station: SimulatedStation) -> Iterable[Setting]:
    def count() -> str:
        return str(len(station.part(Certificates).installed))

    def profile() -> str:
        return str(station.security_profile)

    yield Setting(PASSWORD, "", r".{16,40}", readable=False, data_type="string")
    yield Setting("SecurityCtrlr.Identity", station.station_id, writable=False)
    yield Setting("SecurityCtrlr.OrganizationName", "Demo", r".{1,500}")
    yield Setting("SecurityCtrlr.SecurityProfile", "", r"\d", writable=False, live=profile)
    yield Setting("SecurityCtrlr.CertificateEntries", "", r"\d+", writable=False, live=count)
    yield Setting("SecurityCtrlr.AdditionalRootCertificateCheck", "false", writable=False)
    yield Setting("SecurityCtrlr.MaxCertificateChainSize", "10000", r"\d+", writable=False)
    yield Setting("SecurityCtrlr.CertSigningWaitMinimum", "30", r"\d{1,7}")
    yield Setting("SecurityCtrlr.CertSigningRepeatTimes", "3", r"\d{1,7}")


def _signed_2x(station: SimulatedStation, payload: Payload) -> Payload:
    answer = _signed(station, payload)
    return answer if answer["status"] == "Accepted" else refused("not for a key of mine")


BLOCK_16 = Block(
    answers={
        "InstallCertificate": _install,
        "DeleteCertificate": _delete,
        "GetInstalledCertificateIds": _list_16,
        "CertificateSigned": _signed,
    },
    triggers={"SignChargePointCertificate": _trigger_sign},
    hooks={"booted": _booted},
    settings=_settings_16,
)
BLOCK_2X = Block(
    answers={
        "InstallCertificate": _install,
        "DeleteCertificate": _delete,
        "GetInstalledCertificateIds": _list_2x,
        "CertificateSigned": _signed_2x,
    },
    triggers={
        "SignChargingStationCertificate": _trigger_sign,
        "SignV2GCertificate": _trigger_sign_v2g,
        "SignV2G20Certificate": _trigger_sign_v2g,
        "SignCombinedCertificate": _trigger_sign,
    },
    hooks={"booted": _booted},
    settings=_settings_2x,
)
