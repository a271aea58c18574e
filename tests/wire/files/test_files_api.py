"""Firmware and logs through the API, with the client that console and command line use."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import ClientDisconnect

from sitecontroller.api.app import build_api
from sitecontroller.client import ControllerClient
from sitecontroller.domain.errors import InvalidInput, NotFound
from sitecontroller.domain.files import GetLog, LogJobQuery, LogJobsQuery, TransferScheme
from sitecontroller.domain.firmware import (
    FirmwareImagesQuery,
    FirmwareJobQuery,
    FirmwareJobsQuery,
    ImageTerms,
    InstallFirmware,
    PublishedFirmwareQuery,
    RemoveFirmware,
    SignFirmware,
)
from sitecontroller.domain.rollout import (
    AbortRollout,
    RolloutQuery,
    RolloutsQuery,
    StartRollout,
)
from tests.support import eventually
from tests.wire.files.signing import signed_by_the_maker
from tests.wire.files.station import LOG, NEW, asked_url, at_site, bring, fetch, log_status
from tests.wire.site import TestSite, running_site

TOKEN = "a-machine-token-of-32-characters"
BIG = bytes(range(256)) * 4096 * 3
TERMS = ImageTerms("Test", "Wallbox", NEW, "fw.bin", "Fixes the clock")


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    """A file as it is read."""
    for start in range(0, len(content), 100_000):
        yield content[start : start + 100_000]


async def breaks_off() -> AsyncIterator[bytes]:
    """A file whose sender vanishes."""
    yield b"the beginning"
    raise ClientDisconnect


@asynccontextmanager
async def client_of(site: TestSite) -> AsyncIterator[ControllerClient]:
    """A client of the site's API."""
    app = build_api(site.site.controller, TOKEN, clock=site.site.services.clock)
    client = ControllerClient("http://127.0.0.1", TOKEN, transport=httpx.ASGITransport(app))
    try:
        yield client
    finally:
        await client.close()


def test_an_image_goes_in_and_to_a_station_and_out_again(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with (
            running_site(tmp_path) as site,
            client_of(site) as client,
            at_site(site, "2.0.1") as charger,
        ):
            image = await client.add_firmware(TERMS, pieces(BIG))
            assert (image.size_bytes, image.version, image.notes) == (len(BIG), NEW, TERMS.notes)
            assert await client.firmware_content(image.key) == BIG
            assert (await client.ask(FirmwareImagesQuery())).items == (image,)
            signature, certificate = signed_by_the_maker(BIG)
            await client.execute(SignFirmware(image.key, signature, certificate))
            result = await client.execute(InstallFirmware("CP-01", image.key))
            assert result.answer is not None
            job = await client.ask(FirmwareJobQuery(result.answer["job"]))
            assert (job.state, job.signed) == ("requested", True)
            assert job == (await client.ask(FirmwareJobsQuery())).items[0]
            assert await fetch(asked_url(charger)[0]) == BIG
            assert (await client.ask(PublishedFirmwareQuery())).items == ()

    run(scenario())


def test_a_log_is_asked_for_and_downloaded(run: Callable[..., Any], tmp_path: Path) -> None:
    async def scenario() -> None:
        async with (
            running_site(tmp_path) as site,
            client_of(site) as client,
            at_site(site, "2.0.1") as charger,
        ):
            result = await client.execute(GetLog("CP-01"))
            assert result.answer is not None
            key = result.answer["job"]
            with pytest.raises(NotFound):
                await client.log_content(key)
            await log_status(charger, "Uploading", asked_url(charger)[1])
            await bring(asked_url(charger)[0], "<b>diag</b>.html", LOG)

            async def uploaded() -> bool:
                return (await client.ask(LogJobQuery(key))).state == "uploaded"

            await eventually(uploaded)
            assert await client.log_content(key) == LOG
            page = await client.ask(LogJobsQuery(station_id="CP-01"))
            assert [job.key for job in page.items] == [key]
            assert (await client.ask(LogJobsQuery(station_id="CP-02"))).items == ()
            raw = httpx.AsyncClient(
                transport=httpx.ASGITransport(
                    build_api(site.site.controller, TOKEN, clock=site.site.services.clock)
                ),
                headers={"Authorization": f"Bearer {TOKEN}"},
            )
            answer = await raw.get(f"http://127.0.0.1/v1/log-jobs/{key}/content")
            assert answer.headers["content-type"] == "application/octet-stream"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["content-disposition"].startswith("attachment; ")
            assert "<" not in answer.headers["content-disposition"]
            await raw.aclose()
            shown = (await client.ask(LogJobQuery(key))).__class__.__slots__
            assert "token" not in shown

    run(scenario())


def test_a_rollout_is_started_watched_and_aborted(run: Callable[..., Any], tmp_path: Path) -> None:
    async def scenario() -> None:
        async with (
            running_site(tmp_path) as site,
            client_of(site) as client,
            at_site(site, "2.0.1"),
        ):
            image = await client.add_firmware(TERMS, pieces(BIG))
            result = await client.execute(StartRollout(image.key, concurrency=1))
            assert result.answer is not None
            key = result.answer["rollout"]
            view = await client.ask(RolloutQuery(key))
            assert (view.state, view.total, view.stage) == ("running", 1, 1)
            await client.execute(AbortRollout(key))
            assert (await client.ask(RolloutsQuery())).items[0].state == "aborted"

    run(scenario())


def test_what_is_wrong_with_an_upload_is_named(run: Callable[..., Any], tmp_path: Path) -> None:
    async def scenario() -> None:
        files = {"firmware_mb_max": 2, "quota_mb": 10}
        async with running_site(tmp_path, files=files) as site, client_of(site) as client:
            for terms, field in (
                (ImageTerms("", "m", "1", "f"), "vendor"),
                (ImageTerms("v", "x" * 51, "1", "f"), "model"),
                (ImageTerms("v", "m", "\u202e1", "f"), "version"),
            ):
                with pytest.raises(InvalidInput) as refusal:
                    await client.add_firmware(terms, pieces(b"x"))
                assert refusal.value.errors[0].field == field
            for content in (b"", BIG):
                with pytest.raises(InvalidInput):
                    await client.add_firmware(TERMS, pieces(content))
            with pytest.raises(ClientDisconnect):
                await site.site.controller.add_firmware(TERMS, breaks_off())
            with pytest.raises(NotFound):
                await client.execute(RemoveFirmware("nothing"))
            assert (await client.ask(FirmwareImagesQuery())).items == ()
            assert list((tmp_path / "state" / "files" / "kept").iterdir()) == []
            assert list((tmp_path / "state" / "files" / "incoming").iterdir()) == []

    run(scenario())


def test_a_time_without_a_zone_is_refused(run: Callable[..., Any], tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_site(tmp_path) as site, at_site(site, "2.0.1"):
            noon = datetime(2026, 3, 1, 12)  # noqa: DTZ001
            later = datetime.now(UTC)
            execute = site.site.controller.execute
            for command in (
                InstallFirmware("CP-01", "x", retrieve_at=noon),
                GetLog("CP-01", oldest_at=noon),
                GetLog("CP-01", oldest_at=later, latest_at=later - timedelta(hours=1)),
            ):
                with pytest.raises(InvalidInput):
                    await execute(command)

    run(scenario())


def test_tokens_of_doors_are_not_in_the_journal(run: Callable[..., Any], tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_site(tmp_path) as site, at_site(site, "2.0.1") as charger:
            for scheme in (TransferScheme.HTTP, TransferScheme.FTP):
                await site.site.controller.execute(GetLog("CP-01", scheme=scheme))
                url = asked_url(charger)[0]
                token = url.split("/once/")[1].strip("/")
                page = await eventually(lambda: _frames(site))
                texts = [entry.text for entry in page.items]
                assert any("/once/" in text for text in texts)
                assert not [text for text in texts if token in text]

    async def _frames(site: TestSite) -> Any:
        page = await site.site.journal.page(50, None, action="GetLog")
        return page if page.items else None

    run(scenario())
