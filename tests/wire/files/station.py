"""A charger in the test's hand that really fetches and brings files, by HTTP and by FTP."""

import asyncio
import ftplib
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from sitecontroller.controller import Controller
from sitecontroller.domain.commands import CommandResult
from sitecontroller.domain.files import GetLog, LogJobQuery, LogJobView
from sitecontroller.domain.firmware import (
    FirmwareImage,
    FirmwareJobQuery,
    FirmwareJobView,
    ImageTerms,
    InstallFirmware,
)
from tests.support import eventually
from tests.wire.charger import Charger
from tests.wire.site import TestSite

OLD, NEW = "1.0.0", "1.1.0"
FIRMWARE = b"\x7fELF" + bytes(range(256)) * 300
LOG = b"2026-03-01T12:00:00Z all is well\n" * 500


async def boot(charger: Charger, firmware: str | None = OLD, *, reason: str = "PowerUp") -> None:
    """It says what it is; the answer is "Accepted"."""
    if charger.version == "1.6":
        payload: dict[str, Any] = {"chargePointVendor": "Test", "chargePointModel": "Wallbox"}
        payload |= {"firmwareVersion": firmware} if firmware else {}
    else:
        station = {"vendorName": "Test", "model": "Wallbox"}
        station |= {"firmwareVersion": firmware} if firmware else {}
        payload = {"reason": reason, "chargingStation": station}
    assert (await charger.call("BootNotification", payload))["status"] == "Accepted"


async def reboot(site: TestSite, charger: Charger, firmware: str | None) -> None:
    """It restarts on the same line, as far as we can tell; we have taken note."""
    await boot(charger, firmware, reason="FirmwareUpdate")


async def log_status(charger: Charger, status: str, request_id: int | None = None) -> None:
    """A LogStatusNotification; 1.6 without an id: DiagnosticsStatusNotification."""
    if charger.version == "1.6" and request_id is None:
        await charger.call("DiagnosticsStatusNotification", {"status": status})
        return
    payload = {"status": status} | ({} if request_id is None else {"requestId": request_id})
    await charger.call("LogStatusNotification", payload)


async def firmware_status(
    charger: Charger, *statuses: str, request_id: int | None = None, signed: bool = False
) -> None:
    """One after the other, each of them answered."""
    action = "SignedFirmwareStatusNotification" if signed else "FirmwareStatusNotification"
    for status in statuses:
        payload = {"status": status} | ({} if request_id is None else {"requestId": request_id})
        assert await charger.call(action, payload) == {}


def tells_protocols(charger: Charger, protocols: str) -> None:
    """From now on it says which ways of transfer it has."""

    def variables(payload: dict[str, Any]) -> dict[str, Any]:
        found = []
        for asked in payload["getVariableData"]:
            known = asked["variable"]["name"] == "FileTransferProtocols"
            value = {"attributeStatus": "Accepted", "attributeValue": protocols}
            found.append({**asked, **(value if known else {"attributeStatus": "UnknownVariable"})})
        return {"getVariableResult": found}

    charger.answers["GetVariables"] = variables
    key = {"key": "SupportedFileTransferProtocols", "readonly": True, "value": protocols}
    charger.answers["GetConfiguration"] = lambda _: {"configurationKey": [key], "unknownKey": []}


async def bring(
    url: str, name: str = "diag.log", content: bytes = LOG, *, post: bool = False
) -> None:
    """Upload a file to where a job says."""
    if url.startswith("ftp://"):
        await asyncio.to_thread(_store, url, name, content)
        return
    async with httpx.AsyncClient() as client:
        if post:
            answer = await client.post(url, files={"file": (name, content)})
        else:
            answer = await client.put(url.rstrip("/") + f"/{name}", content=content)
        assert answer.status_code == 200, answer.status_code


async def fetch(url: str) -> bytes:
    """Download a file from where a job says."""
    if url.startswith("ftp://"):
        return await asyncio.to_thread(_retrieve, url)
    async with httpx.AsyncClient() as client:
        answer = await client.get(url)
        assert answer.status_code == 200, answer.status_code
        return answer.content


def _client(url: str) -> ftplib.FTP:
    parts = urlsplit(url)
    client = ftplib.FTP()
    client.connect(parts.hostname or "", parts.port or 21, timeout=10)
    client.login(parts.username or "", parts.password or "")
    return client


def _store(url: str, name: str, content: bytes) -> None:
    with _client(url) as client:
        client.cwd(urlsplit(url).path)
        client.storbinary(f"STOR {name}", io.BytesIO(content))


def _retrieve(url: str) -> bytes:
    found = io.BytesIO()
    with _client(url) as client:
        client.retrbinary(f"RETR {urlsplit(url).path}", found.write)
    return found.getvalue()


def controller_of(site: TestSite) -> Controller:
    """The face of a test's site."""
    return site.site.controller


async def ask_for_log(site: TestSite, **wishes: Any) -> tuple[CommandResult, str]:
    """Execute GetLog; the result and the job's key."""
    result = await controller_of(site).execute(GetLog("CP-01", **wishes))
    assert result.answer is not None
    return result, result.answer["job"]


async def log_job(site: TestSite, key: str) -> LogJobView:
    """A log job as people see it."""
    view: LogJobView = await controller_of(site).query(LogJobQuery(key))
    return view


async def log_job_in(site: TestSite, key: str, state: str) -> LogJobView:
    """The same once it has come to a state."""

    async def there() -> LogJobView | None:
        view = await log_job(site, key)
        assert view.state == state, view
        return view

    found: LogJobView = await eventually(there)
    return found


async def add_image(
    site: TestSite, content: bytes = FIRMWARE, *, version: str = NEW, model: str = "Wallbox"
) -> FirmwareImage:
    """An image in the library."""

    async def chunks() -> AsyncIterator[bytes]:
        yield content

    terms = ImageTerms("Test", model, version, f"fw-{version}.bin")
    return await controller_of(site).add_firmware(terms, chunks())


async def install(
    site: TestSite, image: FirmwareImage | None = None, **wishes: Any
) -> tuple[CommandResult, str]:
    """Execute InstallFirmware; the result and the job's key."""
    key = None if image is None else image.key
    station_id = wishes.pop("station_id", "CP-01")
    result = await controller_of(site).execute(InstallFirmware(station_id, key, **wishes))
    assert result.answer is not None
    return result, result.answer["job"]


async def firmware_job(site: TestSite, key: str) -> FirmwareJobView:
    """An update as people see it."""
    view: FirmwareJobView = await controller_of(site).query(FirmwareJobQuery(key))
    return view


async def firmware_job_in(site: TestSite, key: str, state: str) -> FirmwareJobView:
    """The same once it has come to a state."""

    async def there() -> FirmwareJobView | None:
        view = await firmware_job(site, key)
        assert view.state == state, view
        return view

    found: FirmwareJobView = await eventually(there)
    return found


def asked_url(charger: Charger) -> tuple[str, int | None]:
    """Where the last request for a log or an update pointed, and its id."""
    for action, payload in reversed(charger.asked):
        if action == "GetLog":
            return payload["log"]["remoteLocation"], payload["requestId"]
        if action in ("UpdateFirmware", "SignedUpdateFirmware") and "firmware" in payload:
            return payload["firmware"]["location"], payload["requestId"]
        if action in ("GetDiagnostics", "UpdateFirmware"):
            return payload["location"], None
    raise AssertionError("it was asked for no file")


@asynccontextmanager
async def at_site(
    site: TestSite, version: str, firmware: str | None = OLD, station_id: str = "CP-01"
) -> AsyncIterator[Charger]:
    """A charger that has booted and may be asked."""
    async with site.charger(station_id, version) as charger:
        await boot(charger, firmware)
        await eventually(lambda: site.site.services.stations.link(station_id) is not None)
        yield charger


def depot_files(folder: Path) -> list[str]:
    """What lies in the site's depot."""
    return sorted(file.name for file in (folder / "state" / "files" / "kept").iterdir())
