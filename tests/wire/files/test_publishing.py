"""Firmware handed on by a local controller (OCPP 2.x L03, L04)."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sitecontroller.domain.commands import CommandState
from sitecontroller.domain.errors import NotFound, Unsupported
from sitecontroller.domain.firmware import (
    PublishedFirmwareQuery,
    PublishedFirmwareView,
    PublishFirmware,
    UnpublishFirmware,
)
from tests.wire.charger import Charger
from tests.wire.files.station import FIRMWARE, add_image, at_site, controller_of, fetch
from tests.wire.site import TestSite, running_site

PLACES = ["http://10.0.0.2/fw.bin", "ftp://10.0.0.2/fw.bin"]


async def publish(site: TestSite, charger: Charger) -> tuple[str, dict[str, Any]]:
    """The image's key, and what the local controller was asked."""
    image = await add_image(site)
    result = await controller_of(site).execute(PublishFirmware("CP-01", image.key))
    assert result.state is CommandState.ACCEPTED
    return image.key, charger.asked_for("PublishFirmware")[-1]


async def says(charger: Charger, request_id: int, *words: str) -> None:
    """PublishFirmwareStatusNotifications, each answered."""
    for word in words:
        payload: dict[str, Any] = {"status": word, "requestId": request_id}
        payload |= {"location": PLACES} if word == "Published" else {}
        assert await charger.call("PublishFirmwareStatusNotification", payload) == {}


async def row(site: TestSite) -> PublishedFirmwareView:
    """The only row."""
    page = await controller_of(site).query(PublishedFirmwareQuery())
    assert len(page.items) == 1
    view: PublishedFirmwareView = page.items[0]
    return view


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
def test_a_local_controller_fetches_an_image_and_names_its_places(
    run: Callable[..., Any], tmp_path: Path, version: str
) -> None:
    """Proves: TC_L_17_CSMS, TC_L_21_CSMS"""

    async def scenario() -> None:
        async with running_site(tmp_path) as site, at_site(site, version) as charger:
            key, asked = await publish(site, charger)
            assert asked["checksum"] == hashlib.md5(FIRMWARE).hexdigest()
            assert await fetch(asked["location"]) == FIRMWARE
            await says(
                charger, asked["requestId"], "Downloading", "Downloaded", "ChecksumVerified",
                "Published",
            )  # fmt: skip
            view = await row(site)
            assert (view.state, view.locations) == ("Published", tuple(PLACES))
            charger.answers["UnpublishFirmware"] = lambda _: {"status": "Unpublished"}
            result = await controller_of(site).execute(UnpublishFirmware("CP-01", key))
            assert result.state is CommandState.EFFECTIVE
            sums = [payload["checksum"] for payload in charger.asked_for("UnpublishFirmware")]
            assert sums == [asked["checksum"]]
            assert (await row(site)).state == "Unpublished"

    run(scenario())


@pytest.mark.parametrize(
    "words",
    [
        ("Downloading", "DownloadFailed"),
        ("Downloading", "Downloaded", "InvalidChecksum"),
        ("Downloading", "Downloaded", "ChecksumVerified", "PublishFailed"),
    ],
)
def test_what_can_t_be_published_is_shown(
    run: Callable[..., Any], tmp_path: Path, words: tuple[str, ...]
) -> None:
    """Proves: TC_L_19_CSMS, TC_L_20_CSMS, TC_L_24_CSMS"""

    async def scenario() -> None:
        async with running_site(tmp_path) as site, at_site(site, "2.0.1") as charger:
            _, asked = await publish(site, charger)
            await says(charger, asked["requestId"], *words)
            view = await row(site)
            assert view.state == words[-1]
            assert tuple(saying.word for saying in view.sayings) == words

    run(scenario())


@pytest.mark.parametrize(
    ("status", "state"), [("NoFirmware", "Unpublished"), ("DownloadOngoing", "Requested")]
)
def test_unpublishing_takes_what_the_local_controller_answers(
    run: Callable[..., Any], tmp_path: Path, status: str, state: str
) -> None:
    """Proves: TC_L_22_CSMS, TC_L_23_CSMS"""

    async def scenario() -> None:
        async with running_site(tmp_path) as site, at_site(site, "2.0.1") as charger:
            key, _ = await publish(site, charger)
            charger.answers["UnpublishFirmware"] = lambda _: {"status": status}
            result = await controller_of(site).execute(UnpublishFirmware("CP-01", key))
            assert (result.state, result.reason) == (CommandState.REJECTED, status)
            assert (await row(site)).state == state
            with pytest.raises(NotFound):
                await controller_of(site).execute(UnpublishFirmware("CP-01", "nothing"))

    run(scenario())


def test_a_station_of_16_is_no_local_controller(run: Callable[..., Any], tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_site(tmp_path) as site, at_site(site, "1.6"):
            image = await add_image(site)
            with pytest.raises(Unsupported):
                await controller_of(site).execute(PublishFirmware("CP-01", image.key))
            assert (await row(site)).state == "Rejected"

    run(scenario())


def test_published_firmware_can_be_fetched_after_our_restart(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with running_site(tmp_path) as site, at_site(site, "2.0.1") as charger:
            _, asked = await publish(site, charger)
        async with running_site(tmp_path, planted=True) as site:
            assert await fetch(asked["location"]) == FIRMWARE

    run(scenario())
