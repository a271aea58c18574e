"""OCPP 1.6's cases of firmware and diagnostics, as its compliance tool numbers and plays them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sitecontroller.domain.commands import CallStation, CommandState
from tests.support import eventually
from tests.wire.charger import Charger
from tests.wire.files.signing import signed_by_the_maker
from tests.wire.files.station import (
    FIRMWARE,
    LOG,
    NEW,
    OLD,
    add_image,
    ask_for_log,
    asked_url,
    at_site,
    bring,
    controller_of,
    fetch,
    firmware_job_in,
    firmware_status,
    install,
    log_job_in,
    log_status,
    reboot,
)
from tests.wire.files.test_firmware import open_alarms, sign
from tests.wire.site import instant, running_site, status16


async def all_show(charger: Charger, status: str) -> None:
    """The station reports itself and its two connectors."""
    for connector in (0, 1, 2):
        await status16(charger, connector, status)


async def security_event(charger: Charger, kind: str) -> None:
    """It is answered."""
    event = {"type": kind, "timestamp": instant()}
    assert await charger.call("SecurityEventNotification", event) == {}


@pytest.mark.parametrize(
    ("last", "shows", "state"),
    [("Installed", NEW, "installed"), ("InstallationFailed", OLD, "failed")],
)
def test_an_update_takes_the_connectors_out_restarts_and_ends_well_or_not(
    run: Callable[..., Any], tmp_path: Path, last: str, shows: str, state: str
) -> None:
    """Proves: TC_044_1_CSMS, TC_044_3_CSMS."""

    async def scenario() -> None:
        async with running_site(tmp_path) as site, at_site(site, "1.6") as charger:
            _, key = await install(site, await add_image(site))
            (asked,) = charger.asked_for("UpdateFirmware")
            await firmware_status(charger, "Downloading")
            assert await fetch(asked["location"]) == FIRMWARE
            await firmware_status(charger, "Downloaded")
            await all_show(charger, "Unavailable")
            await firmware_status(charger, "Installing")
            await firmware_job_in(site, key, "installing")
            await reboot(site, charger, shows)
            await all_show(charger, "Available")
            await firmware_status(charger, last)
            await firmware_job_in(site, key, state)
            assert ("firmware-failed" in open_alarms(site)) is (state == "failed")

    run(scenario())


def test_a_download_that_fails_by_every_way_ends_the_update(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    """Proves: TC_044_2_CSMS."""

    async def scenario() -> None:
        async with running_site(tmp_path) as site, at_site(site, "1.6") as charger:
            _, key = await install(site, await add_image(site))
            for scheme in ("http://", "ftp://"):
                await eventually(lambda way=scheme: asked_url(charger)[0].startswith(way))
                await firmware_status(charger, "Downloading", "DownloadFailed")
            job = await firmware_job_in(site, key, "failed")
            assert job.result == "Failed: the charger could not download the file."
            assert "firmware-failed" in open_alarms(site)

    run(scenario())


def test_diagnostics_are_brought_to_where_they_were_asked_for(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    """Proves: TC_045_1_CSMS."""

    async def scenario() -> None:
        async with running_site(tmp_path) as site, at_site(site, "1.6") as charger:
            charger.answers["GetDiagnostics"] = lambda _: {"fileName": "diag.log"}
            _, key = await ask_for_log(site)
            (asked,) = charger.asked_for("GetDiagnostics")
            await log_status(charger, "Uploading")
            await log_job_in(site, key, "uploading")
            await bring(asked["location"])
            await log_status(charger, "Uploaded")
            assert (await log_job_in(site, key, "uploaded")).size_bytes == len(LOG)

    run(scenario())


def test_signed_firmware_is_verified_installed_and_told_as_a_security_event(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    """Proves: TC_080_CSMS."""

    async def scenario() -> None:
        async with running_site(tmp_path) as site, at_site(site, "1.6") as charger:
            image = await add_image(site)
            sums = await sign(site, image)
            _, key = await install(site, image)
            (asked,) = charger.asked_for("SignedUpdateFirmware")
            firmware, says = asked["firmware"], {"request_id": asked["requestId"], "signed": True}
            assert (firmware["signature"], firmware["signingCertificate"]) == sums
            await firmware_status(charger, "Downloading", **says)
            assert await fetch(firmware["location"]) == FIRMWARE
            await firmware_status(charger, "Downloaded", "SignatureVerified", **says)
            await all_show(charger, "Unavailable")
            await firmware_status(charger, "Installing", "InstallRebooting", **says)
            await reboot(site, charger, NEW)
            await security_event(charger, "FirmwareUpdated")
            await all_show(charger, "Available")
            await firmware_status(charger, "Installed", **says)
            assert (await firmware_job_in(site, key, "installed")).signed

    run(scenario())


def test_a_signature_that_the_station_finds_invalid_ends_the_update(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    """As far as we can tell the signature is right: a wrong one is never kept with an image."""

    async def scenario() -> None:
        async with running_site(tmp_path) as site, at_site(site, "1.6") as charger:
            image = await add_image(site)
            await sign(site, image)
            _, key = await install(site, image)
            await says_invalid_signature(charger)
            await firmware_job_in(site, key, "failed")
            assert "firmware-failed" in open_alarms(site)

    run(scenario())


def test_firmware_with_a_wrong_signature_is_sent_by_a_technician_alone_and_refused(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    """No image of the library can have it, so the raw call goes out.

    Proves: TC_081_CSMS.
    """

    async def scenario() -> None:
        async with running_site(tmp_path) as site, at_site(site, "1.6") as charger:
            wrong, certificate = signed_by_the_maker(FIRMWARE + b"!")
            firmware = {
                "location": "https://firmware.example.org/fw.bin",
                "retrieveDateTime": instant(),
                "signature": wrong,
                "signingCertificate": certificate,
            }
            payload = {"requestId": 81, "firmware": firmware}
            result = await controller_of(site).execute(
                CallStation("CP-01", "SignedUpdateFirmware", payload)
            )
            assert (result.state, result.answer) == (CommandState.ACCEPTED, {"status": "Accepted"})
            assert charger.asked_for("SignedUpdateFirmware") == [payload]
            await says_invalid_signature(charger)

    run(scenario())


async def says_invalid_signature(charger: Charger) -> None:
    """The station fetches what it was last told of, and finds the signature wrong."""
    (asked,) = charger.asked_for("SignedUpdateFirmware")
    words = ("Downloading", "Downloaded", "InvalidSignature")
    await firmware_status(charger, *words, request_id=asked["requestId"], signed=True)
    await security_event(charger, "InvalidFirmwareSignature")
