"""Logs and firmware of simulated stations, with real servers at the other end."""

import asyncio
import base64
import hashlib
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from sitecontroller.domain.station import OcppVersion
from tests.simulation.blocks.papers import certificate, pem
from tests.simulation.blocks.servers import ftp_server, web_server
from tests.simulation.csms import CARD, Bench, bench
from tests.support import eventually

V16, V201, V21 = OcppVersion
every_version = pytest.mark.parametrize("version", list(OcppVersion))
LONG_AGO = "2025-03-03T05:00:00Z"
IMAGE = b"#!firmware\nversion = 2.7.1\n" + b"\x00" * 5000


def log_statuses(it: Bench) -> list[str]:
    return [p["status"] for p in it.csms.all("LogStatusNotification")]


def firmware_statuses(it: Bench) -> list[str]:
    names = ("FirmwareStatusNotification", "SignedFirmwareStatusNotification")
    return [payload["status"] for action, payload in it.csms.heard if action in names]


async def get_log(it: Bench, location: str, kind: str = "DiagnosticsLog", **more: Any) -> Any:
    log = {"remoteLocation": location}
    return await it.csms.call("GetLog", {"log": log, "logType": kind, "requestId": 3, **more})


async def update(it: Bench, location: str, **firmware: Any) -> str:
    if it.csms.version is V16 and not firmware:
        plain = {"location": location, "retrieveDate": LONG_AGO, "retries": 1}
        await it.csms.call("UpdateFirmware", plain)
        return "Accepted"
    action = "SignedUpdateFirmware" if it.csms.version is V16 else "UpdateFirmware"
    body = {"location": location, "retrieveDateTime": LONG_AGO, **firmware}
    answer = await it.csms.call(action, {"requestId": 4, "firmware": body, "retries": 1})
    return str(answer["status"])


@every_version
def test_a_log_goes_by_http_under_the_name_that_was_promised(
    run_fast: Any, version: OcppVersion
) -> None:
    async def story() -> Any:
        with web_server() as web:
            async with bench(version) as it:
                answer = await get_log(it, web.url("/logs/"))
                await eventually(lambda: "Uploaded" in log_statuses(it), 60)
                return answer, web.taken, it.csms.all("LogStatusNotification")

    answer, taken, told = run_fast(story())
    ((method, path, body),) = taken
    assert (method, path) == ("PUT", f"/logs/{answer['filename']}")
    assert b"CP-1 booted" in body
    assert [(t["status"], t["requestId"]) for t in told] == [("Uploading", 3), ("Uploaded", 3)]


@every_version
def test_a_security_log_goes_by_ftp(run_fast: Any, version: OcppVersion, tmp_path: Path) -> None:
    async def story() -> Any:
        with ftp_server(tmp_path / "files") as url:
            async with bench(version) as it:
                answer = await get_log(it, f"{url}/", "SecurityLog")
                await eventually(lambda: "Uploaded" in log_statuses(it), 60)
                return answer["filename"]

    name = run_fast(story())
    assert "StartupOfTheDevice" in (tmp_path / "files" / name).read_text()


def test_diagnostics_of_16_have_a_message_of_their_own(run_fast: Any) -> None:
    async def story() -> Any:
        with web_server() as web:
            async with bench(V16) as it:
                request = {"location": web.url("/diag.zip"), "startTime": "2025-03-03T06:59:00Z"}
                answer = await it.csms.call("GetDiagnostics", request)
                told = it.csms
                await it.csms.hears(
                    "DiagnosticsStatusNotification", lambda p: p["status"] == "Uploaded"
                )
                return answer, web.taken, told.all("LogStatusNotification")

    answer, taken, others = run_fast(story())
    assert answer["fileName"].endswith(".log")
    assert (taken[0][1], taken[0][2], others) == ("/diag.zip", b"\n", [])


@every_version
def test_an_upload_is_tried_again_and_given_up(run_fast: Any, version: OcppVersion) -> None:
    async def story() -> Any:
        with web_server() as web:
            async with bench(version) as it:
                web.refusals = [500]
                await get_log(it, web.url("/a/"), retries=2, retryInterval=5)
                await eventually(lambda: "Uploaded" in log_statuses(it), 60)
                first = log_statuses(it)
                web.refusals = [403]
                await get_log(it, web.url("/a/"), retries=2)
                await eventually(lambda: "PermissionDenied" in log_statuses(it), 60)
                web.refusals = [500, 500]
                await get_log(it, web.url("/a/"), retries=1, retryInterval=1)
                await eventually(lambda: "UploadFailure" in log_statuses(it), 60)
                return first

    assert run_fast(story()) == ["Uploading", "Uploading", "Uploaded"]


@every_version
def test_firmware_is_fetched_installed_and_told_after_the_reboot(
    run_fast: Any, version: OcppVersion
) -> None:
    async def story() -> Any:
        with web_server() as web:
            web.files["/fw.bin"] = IMAGE
            async with bench(version) as it:
                web.refusals = [503]
                await update(it, web.url("/fw.bin"))
                await eventually(lambda: "Installed" in firmware_statuses(it), 300)
                return firmware_statuses(it), it.csms.all("BootNotification")

    statuses, boots = run_fast(story())
    rebooting = [] if version is V16 else ["InstallRebooting"]
    assert statuses == [
        *("Downloading", "Downloading", "Downloaded", "Installing"),
        *(*rebooting, "Installed"),
    ]
    plates = [boot if version is V16 else boot["chargingStation"] for boot in boots]
    assert [plate["firmwareVersion"] for plate in plates] == ["1.0.0", "2.7.1"]
    if version is not V16:
        assert boots[1]["reason"] == "FirmwareUpdate"


@every_version
def test_firmware_waits_for_the_end_of_a_session(run_fast: Any, version: OcppVersion) -> None:
    async def story() -> Any:
        with web_server() as web:
            web.files["/station-3.1.4.bin"] = b"no version inside"
            async with bench(version) as it:
                await it.charge()
                await update(it, web.url("/station-3.1.4.bin"))
                await asyncio.sleep(120)
                before = firmware_statuses(it)
                charging = it.outlet.current_a
                await it.station.tap(1, CARD)
                await eventually(lambda: "Installed" in firmware_statuses(it), 300)
                return before, charging, it.station.firmware_version

    before, charging, known = run_fast(story())
    assert "Installing" not in before
    assert charging > 5
    assert known == "3.1.4"


@every_version
def test_what_is_not_there_fails_and_changes_nothing(run_fast: Any, version: OcppVersion) -> None:
    async def story() -> Any:
        with web_server() as web:
            async with bench(version) as it:
                await update(it, web.url("/nothing.bin"))
                await eventually(lambda: "DownloadFailed" in firmware_statuses(it), 120)
                return it.station.firmware_version, len(it.csms.all("BootNotification"))

    assert run_fast(story()) == ("1.0.0", 1)


@every_version
@pytest.mark.parametrize("genuine", [True, False])
def test_a_signature_is_checked(run_fast: Any, version: OcppVersion, genuine: bool) -> None:
    key, paper = certificate("Maker")
    signed = key.sign(IMAGE if genuine else b"other", ec.ECDSA(hashes.SHA256()))
    firmware = {
        "signingCertificate": pem(paper),
        "signature": base64.b64encode(signed).decode(),
    }

    async def story() -> Any:
        with web_server() as web:
            web.files["/fw.bin"] = IMAGE
            async with bench(version) as it:
                assert await update(it, web.url("/fw.bin"), **firmware) == "Accepted"
                last = "Installed" if genuine else "InvalidSignature"
                await eventually(lambda: last in firmware_statuses(it), 300)
                events = [p["type"] for p in it.csms.all("SecurityEventNotification")]
                return firmware_statuses(it), events, it.station.firmware_version

    statuses, events, known = run_fast(story())
    assert ("SignatureVerified" in statuses) is genuine
    assert known == ("2.7.1" if genuine else "1.0.0")
    assert ("FirmwareUpdated" if genuine else "InvalidFirmwareSignature") in events


@every_version
def test_a_paper_that_is_none_is_refused_at_once(run_fast: Any, version: OcppVersion) -> None:
    async def story() -> str:
        async with bench(version) as it:
            firmware = {"signingCertificate": "paper", "signature": "ink"}
            return await update(it, "http://127.0.0.1:1/", **firmware)

    assert run_fast(story()) == "InvalidCertificate"


@pytest.mark.parametrize("version", [V201, V21])
def test_firmware_is_offered_to_neighbours_when_its_checksum_fits(
    run_fast: Any, version: OcppVersion
) -> None:
    checksum = hashlib.md5(IMAGE).hexdigest()

    async def publish(it: Bench, location: str, known: str) -> list[str]:
        request = {"location": location, "checksum": known, "requestId": 9}
        await it.csms.call("PublishFirmware", request)
        ends = ("Published", "InvalidChecksum", "DownloadFailed")
        action = "PublishFirmwareStatusNotification"
        before = len(it.csms.all(action))
        await eventually(lambda: any(p["status"] in ends for p in it.csms.all(action)[before:]), 60)
        return [p["status"] for p in it.csms.all(action)[before:]]

    async def story() -> Any:
        with web_server() as web:
            web.files["/fw.bin"] = IMAGE
            async with bench(version) as it:
                wrong = await publish(it, web.url("/fw.bin"), "0" * 32)
                right = await publish(it, web.url("/fw.bin"), checksum)
                gone = await it.csms.call("UnpublishFirmware", {"checksum": checksum})
                again = await it.csms.call("UnpublishFirmware", {"checksum": checksum})
                return wrong[-1], right, gone["status"], again["status"]

    wrong, right, gone, again = run_fast(story())
    assert wrong == "InvalidChecksum"
    assert right == ["Downloading", "Downloaded", "ChecksumVerified", "Published"]
    assert (gone, again) == ("Unpublished", "NoFirmware")
