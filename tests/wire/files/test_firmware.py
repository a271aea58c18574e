"""Firmware of one station, end to end: sent, fetched, installed, and proven by its version."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sitecontroller.domain.commands import CommandState
from sitecontroller.domain.errors import Conflict, InvalidInput, NotFound, Unsupported
from sitecontroller.domain.firmware import (
    FirmwareImage,
    FirmwareImagesQuery,
    FirmwareJobsQuery,
    RemoveFirmware,
    SignFirmware,
)
from tests.contract.fakes import HandClock
from tests.support import eventually
from tests.wire.charger import CallError, Charger
from tests.wire.files.signing import signed_by_the_maker
from tests.wire.files.station import (
    FIRMWARE,
    NEW,
    OLD,
    add_image,
    asked_url,
    at_site,
    controller_of,
    fetch,
    firmware_job,
    firmware_job_in,
    firmware_status,
    install,
    reboot,
)
from tests.wire.site import TestSite, running_site

VERSIONS = ["1.6", "2.0.1", "2.1"]


async def sign(site: TestSite, image: FirmwareImage, *, ec: bool = False) -> tuple[str, str]:
    """Give an image its maker's signature; (signature, certificate)."""
    signature, certificate = signed_by_the_maker(FIRMWARE, ec=ec)
    result = await controller_of(site).execute(SignFirmware(image.key, signature, certificate))
    assert result.state is CommandState.EFFECTIVE
    return signature, certificate


def open_alarms(site: TestSite) -> list[str]:
    """Codes of the alarms that stand."""
    return [alarm.code for alarm in site.site.services.alarms.open() if alarm.active]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("signed", [False, True])
def test_q57_firmware_is_fetched_installed_and_proven_by_the_version(
    run: Callable[..., Any], tmp_path: Path, version: str, signed: bool
) -> None:
    """Proves: TC_L_01_CSMS"""

    async def scenario() -> None:
        async with running_site(tmp_path) as site, at_site(site, version) as charger:
            image = await add_image(site)
            sums = await sign(site, image) if signed else None
            result, key = await install(site, image)
            assert result.state is CommandState.ACCEPTED
            url, request_id = asked_url(charger)
            assert url.endswith(f"/fw-{NEW}.bin")
            if sums is not None:
                action = "SignedUpdateFirmware" if version == "1.6" else "UpdateFirmware"
                asked = charger.asked_for(action)[0]["firmware"]
                assert (asked["signature"], asked["signingCertificate"]) == sums
            says = {"request_id": request_id, "signed": version == "1.6" and signed}
            await firmware_status(charger, "Downloading", **says)
            assert (await firmware_job(site, key)).state == "downloading"
            assert await fetch(url) == FIRMWARE
            await firmware_status(charger, "Downloaded", **says)
            if signed:
                await firmware_status(charger, "SignatureVerified", **says)
            assert (await firmware_job(site, key)).state == "downloaded"
            await firmware_status(charger, "Installing", **says)
            assert (await firmware_job(site, key)).state == "installing"
            if version != "1.6" or signed:
                await firmware_status(charger, "InstallRebooting", **says)
            await reboot(site, charger, NEW)
            await firmware_status(charger, "Installed", **says)
            job = await firmware_job_in(site, key, "installed")
            assert (job.version_before, job.version_after) == (OLD, NEW)
            assert job.result == "Installed: 1.0.0 before, 1.1.0 now."
            assert job.signed is signed
            assert job.sayings[-1].word == "Installed"

    run(scenario())


@pytest.mark.parametrize("schedule", ["install_at", "retrieve_at"])
def test_firmware_waits_for_its_time(
    run: Callable[..., Any], tmp_path: Path, schedule: str
) -> None:
    """Proves: TC_L_02_CSMS, TC_L_03_CSMS"""

    async def scenario() -> None:
        clock = HandClock()
        async with (
            running_site(tmp_path, clock=clock) as site,
            at_site(site, "2.0.1") as charger,
        ):
            image = await add_image(site)
            at = clock.now() + timedelta(hours=30)
            await sign_at(site, image, clock)
            _, key = await install(site, image, **{schedule: at})
            asked = charger.asked_for("UpdateFirmware")[0]["firmware"]
            field = {"install_at": "installDateTime", "retrieve_at": "retrieveDateTime"}[schedule]
            assert asked[field] == at.strftime("%Y-%m-%dT%H:%M:%S.000Z")
            url, request_id = asked_url(charger)
            early = schedule == "retrieve_at"
            if early:
                await firmware_status(charger, "DownloadScheduled", request_id=request_id)
            else:
                await fetch(url)
                await firmware_status(
                    charger, "Downloading", "Downloaded", "SignatureVerified", "InstallScheduled",
                    request_id=request_id,
                )  # fmt: skip
            clock.passed_s += 29 * 3600
            await site.site.services.blocks.files.check()
            waiting = "requested" if early else "downloaded"
            assert (await firmware_job(site, key)).state == waiting
            rest = ("Downloading", "Downloaded", "SignatureVerified") if early else ()
            await firmware_status(
                charger, *rest, "Installing", "InstallRebooting", request_id=request_id
            )
            await reboot(site, charger, NEW)
            await firmware_status(charger, "Installed", request_id=request_id)
            await firmware_job_in(site, key, "installed")

    run(scenario())


async def sign_at(site: TestSite, image: FirmwareImage, clock: HandClock) -> None:
    """Sign with a certificate that is valid by the test's clock."""
    signature, certificate = signed_by_the_maker(FIRMWARE, now=clock.now())
    await controller_of(site).execute(SignFirmware(image.key, signature, certificate))


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("RevokedCertificate", "the charger says that the signing certificate is revoked"),
        ("InvalidCertificate", "the charger does not trust the signing certificate"),
        ("Rejected", "the charger refused; it may be busy with another update"),
    ],
)
def test_a_refused_update_says_why(
    run: Callable[..., Any], tmp_path: Path, status: str, reason: str
) -> None:
    """Proves: TC_L_04_CSMS, TC_L_05_CSMS"""

    async def scenario() -> None:
        async with running_site(tmp_path) as site, at_site(site, "2.0.1") as charger:
            charger.answers["UpdateFirmware"] = lambda _: {"status": status}
            image = await add_image(site)
            await sign(site, image)
            result, key = await install(site, image)
            assert (result.state, result.reason) == (CommandState.REJECTED, status)
            event = {"type": "InvalidFirmwareSigningCertificate", "timestamp": now_text()}
            assert await charger.call("SecurityEventNotification", event) == {}
            job = await firmware_job(site, key)
            assert (job.state, job.result) == ("failed", f"Failed: {reason}.")
            assert "firmware-failed" in open_alarms(site)

    run(scenario())


FAILURES = {
    "InvalidSignature": ("Downloading", "Downloaded", "InvalidSignature"),
    "InstallVerificationFailed": (
        "Downloading", "Downloaded", "SignatureVerified", "Installing", "InstallVerificationFailed",
    ),
    "InstallationFailed": (
        "Downloading", "Downloaded", "SignatureVerified", "Installing", "InstallRebooting", "boot",
        "InstallationFailed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_ends_the_job_in_plain_words(
    run: Callable[..., Any], tmp_path: Path, failure: str
) -> None:
    """Proves: TC_L_06_CSMS, TC_L_08_CSMS, TC_L_09_CSMS"""

    async def scenario() -> None:
        async with running_site(tmp_path) as site, at_site(site, "2.0.1") as charger:
            image = await add_image(site)
            await sign(site, image)
            _, key = await install(site, image)
            url, request_id = asked_url(charger)
            await fetch(url)
            for status in FAILURES[failure]:
                if status == "boot":
                    await reboot(site, charger, OLD)
                else:
                    await firmware_status(charger, status, request_id=request_id)
            if failure == "InvalidSignature":
                event = {"type": "InvalidFirmwareSignature", "timestamp": now_text()}
                assert await charger.call("SecurityEventNotification", event) == {}
            job = await firmware_job(site, key)
            assert job.state == "failed"
            assert job.result.startswith("Failed: the charger")
            assert "firmware-failed" in open_alarms(site)

    run(scenario())


def test_a_download_that_fails_is_tried_another_way_and_then_given_up(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    """Proves: TC_L_07_CSMS"""

    async def scenario() -> None:
        async with running_site(tmp_path) as site, at_site(site, "2.0.1") as charger:
            image = await add_image(site)
            _, key = await install(site, image)
            _, first_id = asked_url(charger)
            await firmware_status(charger, "Downloading", "DownloadFailed", request_id=first_id)
            await eventually(lambda: asked_url(charger)[0].startswith("ftp://"))
            assert await fetch(asked_url(charger)[0]) == FIRMWARE
            second_id = asked_url(charger)[1]
            assert second_id != first_id
            await firmware_status(charger, "Downloading", "DownloadFailed", request_id=second_id)
            job = await firmware_job_in(site, key, "failed")
            assert job.result == "Failed: the charger could not download the file."

    run(scenario())


def test_a_failed_download_is_answered_before_the_station_is_asked_for_its_ways(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    """As with logs: a station may answer nothing while it waits for its own answer."""

    async def scenario() -> None:
        async with running_site(tmp_path) as site, at_site(site, "2.0.1") as charger:
            await install(site, await add_image(site))
            before = len(charger.asked_for("GetVariables"))
            charger.answers["GetVariables"] = lambda _: None
            await firmware_status(charger, "DownloadFailed", request_id=asked_url(charger)[1])
            await eventually(lambda: len(charger.asked_for("GetVariables")) > before)

    run(scenario())


def test_a_second_update_takes_the_place_of_the_first(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    """Proves: TC_L_10_CSMS"""

    async def scenario() -> None:
        async with running_site(tmp_path) as site, at_site(site, "2.0.1") as charger:
            image = await add_image(site)
            await sign(site, image)
            _, first = await install(site, image)
            first_id = asked_url(charger)[1]
            await firmware_status(charger, "Downloading", request_id=first_id)
            charger.answers["UpdateFirmware"] = lambda _: {"status": "AcceptedCanceled"}
            result, second = await install(site, image)
            assert result.state is CommandState.ACCEPTED
            second_id = asked_url(charger)[1]
            assert (await firmware_job(site, first)).state == "cancelled"
            await firmware_status(charger, "DownloadFailed", request_id=first_id)
            assert (await firmware_job(site, first)).state == "cancelled"
            await firmware_status(
                charger, "Downloading", "Downloaded", "SignatureVerified", "Installing",
                "InstallRebooting", request_id=second_id,
            )  # fmt: skip
            await reboot(site, charger, NEW)
            await firmware_status(charger, "Installed", request_id=second_id)
            await firmware_job_in(site, second, "installed")
            assert (await firmware_job(site, first)).state == "cancelled"

    run(scenario())


def test_on_16_too_a_second_update_takes_the_place_of_the_first(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with running_site(tmp_path) as site, at_site(site, "1.6") as charger:
            image = await add_image(site)
            _, first = await install(site, image)
            await firmware_status(charger, "Downloading")
            _, second = await install(site, image)
            assert (await firmware_job(site, first)).state == "cancelled"
            await firmware_status(charger, "Downloading")
            assert (await firmware_job(site, second)).state == "downloading"

    run(scenario())


def test_a_station_that_never_comes_back_ends_its_job(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    async def scenario() -> None:
        clock = HandClock()
        async with running_site(tmp_path, clock=clock, call_timeout_s=1) as site:
            async with at_site(site, "2.0.1") as charger:
                charger.answers["UpdateFirmware"] = lambda _: None
                image = await add_image(site)
                _, key = await install(site, image)
                with pytest.raises(InvalidInput):
                    await install(site, image, retrieve_at=clock.now() + timedelta(days=31))
                soon = clock.now() + timedelta(hours=1)
                later = soon + timedelta(hours=1)
                with pytest.raises(InvalidInput, match="before it is downloaded"):
                    await install(site, image, retrieve_at=later, install_at=soon)
            clock.passed_s += 8 * 86400
            await site.site.services.blocks.files.check()
            job = await firmware_job(site, key)
            assert job.result == "Failed: the charger was not to be had for 7 days."

    run(scenario())


def test_an_update_that_can_t_be_called_back_goes_on(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    """Proves: TC_L_11_CSMS"""

    async def scenario() -> None:
        async with running_site(tmp_path) as site, at_site(site, "2.0.1") as charger:
            image = await add_image(site)
            await sign(site, image)
            _, first = await install(site, image)
            first_id = asked_url(charger)[1]
            await firmware_status(
                charger, "Downloading", "Downloaded", "SignatureVerified", "Installing",
                request_id=first_id,
            )  # fmt: skip
            charger.answers["UpdateFirmware"] = lambda _: {"status": "Rejected"}
            result, second = await install(site, image)
            assert result.state is CommandState.REJECTED
            assert (await firmware_job(site, second)).state == "failed"
            await firmware_status(charger, "InstallRebooting", request_id=first_id)
            await reboot(site, charger, NEW)
            await firmware_status(charger, "Installed", request_id=first_id)
            await firmware_job_in(site, first, "installed")

    run(scenario())


def test_an_update_during_a_session_waits_for_its_end(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    """Proves: TC_L_13_CSMS"""

    async def scenario() -> None:
        clock = HandClock()
        async with (
            running_site(tmp_path, clock=clock) as site,
            at_site(site, "2.0.1") as charger,
        ):
            await transaction(charger, "Started", clock)
            image = await add_image(site)
            await sign_at(site, image, clock)
            result, key = await install(site, image)
            assert result.state is CommandState.ACCEPTED
            assert "signingCertificate" in charger.asked_for("UpdateFirmware")[0]["firmware"]
            request_id = asked_url(charger)[1]
            await firmware_status(charger, "DownloadScheduled", request_id=request_id)
            clock.passed_s += 5 * 3600
            await site.site.services.blocks.files.check()
            assert (await firmware_job(site, key)).state == "requested"
            await transaction(charger, "Ended", clock)
            await firmware_status(
                charger, "Downloading", "Downloaded", "SignatureVerified", "Installing",
                "InstallRebooting", request_id=request_id,
            )  # fmt: skip
            await reboot(site, charger, NEW)
            await firmware_status(charger, "Installed", request_id=request_id)
            await firmware_job_in(site, key, "installed")

    run(scenario())


@pytest.mark.parametrize("version", VERSIONS)
def test_q57_missing_statuses_are_made_up_for_by_what_is_seen(
    run: Callable[..., Any], tmp_path: Path, version: str
) -> None:
    async def scenario() -> None:
        async with running_site(tmp_path) as site, at_site(site, version) as charger:
            _, key = await install(site, await add_image(site))
            await fetch(asked_url(charger)[0])
            await firmware_job_in(site, key, "downloaded")
            await reboot(site, charger, NEW)
            job = await firmware_job_in(site, key, "installed")
            assert job.sayings == ()
            assert (job.version_before, job.version_after) == (OLD, NEW)

    run(scenario())


@pytest.mark.parametrize("version", VERSIONS)
def test_q57_installed_without_another_version_is_not_believed(
    run: Callable[..., Any], tmp_path: Path, version: str
) -> None:
    async def scenario() -> None:
        clock = HandClock()
        async with (
            running_site(tmp_path, clock=clock) as site,
            at_site(site, version) as charger,
        ):
            _, key = await install(site, await add_image(site))
            await firmware_status(charger, "Installed", request_id=asked_url(charger)[1])
            assert (await firmware_job(site, key)).state == "checking"
            clock.passed_s += 61
            await site.site.services.blocks.files.check()
            triggered = charger.asked_for("TriggerMessage")
            assert {"requestedMessage": "BootNotification"} in triggered
            clock.passed_s += 900
            await site.site.services.blocks.files.check()
            job = await firmware_job(site, key)
            assert job.state == "unproven"
            assert "not tell" in job.result or OLD in job.result
            assert "firmware-failed" in open_alarms(site)
            await reboot(site, charger, NEW)
            await firmware_job_in(site, key, "installed")
            assert "firmware-failed" not in open_alarms(site)

    run(scenario())


def test_q57_installed_and_then_restarted_with_the_old_version_is_shown_as_such(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with running_site(tmp_path) as site, at_site(site, "2.0.1") as charger:
            _, key = await install(site, await add_image(site))
            await firmware_status(charger, "Installed", request_id=asked_url(charger)[1])
            await reboot(site, charger, OLD)
            job = await firmware_job_in(site, key, "unproven")
            assert job.result == "Not proven: it says it is installed, but it still shows 1.0.0."

    run(scenario())


@pytest.mark.parametrize("version", VERSIONS)
def test_q57_a_job_outlives_our_restart_and_the_station_s(
    run: Callable[..., Any], tmp_path: Path, version: str
) -> None:
    async def scenario() -> None:
        async with running_site(tmp_path) as site, at_site(site, version) as charger:
            _, key = await install(site, await add_image(site))
            url, request_id = asked_url(charger)
            await firmware_status(charger, "Downloading", request_id=request_id)
        async with running_site(tmp_path, planted=True) as site:
            assert (await firmware_job(site, key)).state == "downloading"
            assert await fetch(url) == FIRMWARE
            await firmware_job_in(site, key, "downloaded")
            async with at_site(site, version, OLD) as charger:
                await firmware_status(charger, "Installing", request_id=request_id)
        async with running_site(tmp_path, planted=True) as site:
            assert (await firmware_job(site, key)).state == "installing"
            async with at_site(site, version, NEW):
                job = await firmware_job_in(site, key, "installed")
                assert (job.version_before, job.version_after) == (OLD, NEW)

    run(scenario())


def test_q57_silence_ends_a_job_and_a_late_success_mends_it(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    async def scenario() -> None:
        clock = HandClock()
        async with (
            running_site(tmp_path, clock=clock) as site,
            at_site(site, "2.0.1") as charger,
        ):
            files = site.site.services.blocks.files
            _, key = await install(site, await add_image(site))
            await firmware_status(charger, "Installing", request_id=asked_url(charger)[1])
            clock.passed_s += 1801
            await files.check()
            asked = charger.asked_for("TriggerMessage")
            assert {"requestedMessage": "FirmwareStatusNotification"} in asked
            assert (await firmware_job(site, key)).state == "installing"
            clock.passed_s += 1800
            await files.check()
            job = await firmware_job(site, key)
            assert job.state == "failed"
            assert "not heard of again" in job.result
            await reboot(site, charger, NEW)
            await firmware_job_in(site, key, "installed")

    run(scenario())


def test_a_request_without_an_answer_is_sent_again(run: Callable[..., Any], tmp_path: Path) -> None:
    async def scenario() -> None:
        clock = HandClock()
        async with (
            running_site(tmp_path, clock=clock, call_timeout_s=1) as site,
            at_site(site, "2.0.1") as charger,
        ):
            files = site.site.services.blocks.files
            charger.answers["UpdateFirmware"] = lambda _: None
            result, key = await install(site, await add_image(site))
            assert result.state is CommandState.SENT
            assert (await firmware_job(site, key)).state == "waiting"
            del charger.answers["UpdateFirmware"]
            await files.check()
            assert len(charger.asked_for("UpdateFirmware")) == 1
            clock.passed_s += 61
            await files.check()
            await eventually(lambda: len(charger.asked_for("UpdateFirmware")) == 2)
            first, second = charger.asked_for("UpdateFirmware")
            assert first["requestId"] == second["requestId"]
            await firmware_job_in(site, key, "requested")

    run(scenario())


def test_a_station_of_16_without_the_extension_gets_signed_firmware_unsigned_unless_refused(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    async def scenario() -> None:
        def lacks(_: Any) -> Any:
            raise CallError("NotImplemented", "")

        async with running_site(tmp_path) as site, at_site(site, "1.6") as charger:
            charger.answers["SignedUpdateFirmware"] = lacks
            image = await add_image(site)
            with pytest.raises(Unsupported, match="is not signed"):
                await install(site, image, require_signature=True)
            assert (await site.site.controller.query(FirmwareJobsQuery())).items == ()
            await sign(site, image)
            with pytest.raises(Unsupported):
                await install(site, image, require_signature=True)
            assert charger.asked_for("UpdateFirmware") == []
            _, key = await install(site, image)
            assert (await firmware_job(site, key)).signed is False
            await fetch(asked_url(charger)[0])
            await reboot(site, charger, NEW)
            await firmware_job_in(site, key, "installed")
            later = datetime.now(UTC) + timedelta(days=1)
            with pytest.raises(Unsupported):
                await install(site, image, install_at=later)

    run(scenario())


@pytest.mark.parametrize("ec", [False, True])
def test_a_wrong_signature_is_found_before_any_station_has_it(
    run: Callable[..., Any], tmp_path: Path, ec: bool
) -> None:
    async def scenario() -> None:
        async with running_site(tmp_path) as site:
            image = await add_image(site)
            good, certificate = signed_by_the_maker(FIRMWARE, ec=ec)
            other, _ = signed_by_the_maker(FIRMWARE + b"!", ec=ec)
            expired = signed_by_the_maker(FIRMWARE, ec=ec, now=datetime(2001, 1, 1, tzinfo=UTC))
            for signature, signer in (
                (other, certificate),
                ("no base64 !", certificate),
                (base64.b64encode(b"x" * 40).decode(), certificate),
                (good, "-----BEGIN CERTIFICATE-----\nxxxx\n-----END CERTIFICATE-----"),
                (good, "x" * 6000),
                expired,
            ):
                with pytest.raises(InvalidInput) as refusal:
                    await controller_of(site).execute(SignFirmware(image.key, signature, signer))
                assert refusal.value.errors[0].field in ("signature", "signing_certificate")
            images = (await controller_of(site).query(FirmwareImagesQuery())).items
            assert images[0].signature is None
            await controller_of(site).execute(SignFirmware(image.key, good, certificate))
            images = (await controller_of(site).query(FirmwareImagesQuery())).items
            assert images[0].signature == good

    run(scenario())


def test_firmware_from_elsewhere_needs_a_place_in_site_toml(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    async def scenario() -> None:
        files = {"firmware_urls": ["https://firmware.example.org/chargers/"]}
        async with (
            running_site(tmp_path, files=files) as site,
            at_site(site, "2.0.1") as charger,
        ):
            for url in (
                "http://169.254.169.254/latest/meta-data",
                "https://firmware.example.org/other/fw.bin",
                "https://firmware.example.org/chargers/../other/fw.bin",
                "https://firmware.example.org/chargers/%2e%2e/other/fw.bin",
                "https://firmware.example.org@evil.example/chargers/fw.bin",
                "https://firmware.example.org:8443/chargers/fw.bin",
                "http://firmware.example.org/chargers/fw.bin",
                "file:///etc/passwd",
                "https://firmware.example.org/chargers/fw.bin\r\nHost: x",
                "",
            ):
                with pytest.raises(InvalidInput):
                    await install(site, url=url)
            assert charger.asked_for("UpdateFirmware") == []
            url = "https://firmware.example.org/chargers/fw.bin"
            _, key = await install(site, url=url, version=NEW)
            assert asked_url(charger)[0] == url
            await reboot(site, charger, NEW)
            await firmware_job_in(site, key, "installed")
            with pytest.raises(InvalidInput):
                await install(site)

    run(scenario())


def test_an_image_in_use_stays_and_others_go(run: Callable[..., Any], tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_site(tmp_path) as site, at_site(site, "2.0.1") as charger:
            image = await add_image(site)
            with pytest.raises(Conflict):
                await add_image(site)
            with pytest.raises(InvalidInput):
                await add_image(site, b"", version="9")
            _, key = await install(site, image)
            with pytest.raises(Conflict):
                await controller_of(site).execute(RemoveFirmware(image.key))
            await reboot(site, charger, NEW)
            await firmware_job_in(site, key, "installed")
            await controller_of(site).execute(RemoveFirmware(image.key))
            assert (await controller_of(site).query(FirmwareImagesQuery())).items == ()
            with pytest.raises(NotFound):
                await install(site, image)
            kept = tmp_path / "state" / "files" / "kept"
            assert list(kept.iterdir()) == []

    run(scenario())


def now_text() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def transaction(charger: Charger, kind: str, clock: HandClock) -> None:
    """A 2.x transaction begins or ends."""
    payload: dict[str, Any] = {
        "eventType": kind,
        "timestamp": clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        "triggerReason": "Authorized" if kind == "Started" else "EVDeparted",
        "seqNo": 0 if kind == "Started" else 1,
        "transactionInfo": {"transactionId": "tx-1"},
        "evse": {"id": 1, "connectorId": 1},
        "idToken": {"idToken": "CARD0001", "type": "ISO14443"},
    }
    await charger.call("TransactionEvent", payload)
