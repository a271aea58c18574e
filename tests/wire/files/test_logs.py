"""Logs and diagnostics, end to end: asked for over OCPP, brought by HTTP or FTP, kept for us."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sitecontroller.domain.commands import CommandState
from sitecontroller.domain.errors import InvalidInput, NotFound, StationOffline, Unsupported
from sitecontroller.domain.files import GetLog, LogJobsQuery, LogType, TransferScheme
from tests.contract.fakes import HandClock
from tests.support import eventually
from tests.wire.charger import CallError
from tests.wire.files.station import (
    LOG,
    ask_for_log,
    asked_url,
    at_site,
    bring,
    controller_of,
    depot_files,
    log_job,
    log_job_in,
    log_status,
    tells_protocols,
)
from tests.wire.site import running_site

VERSIONS = ["1.6", "2.0.1", "2.1"]


async def content_of(site: Any, key: str) -> bytes:
    """The file of a log job, as people download it."""
    _, pieces = await controller_of(site).log_file(key)
    return b"".join([piece async for piece in pieces])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("scheme", "post"), [("http", False), ("http", True), ("ftp", False)])
def test_q56_a_log_comes_by_http_and_ftp(
    run: Callable[..., Any], tmp_path: Path, version: str, scheme: str, post: bool
) -> None:
    """Proves: TC_N_25_CSMS"""

    async def scenario() -> None:
        async with running_site(tmp_path) as site, at_site(site, version) as charger:
            result, key = await ask_for_log(site, scheme=TransferScheme(scheme))
            assert result.state is CommandState.ACCEPTED
            url, request_id = asked_url(charger)
            assert url.startswith(f"{scheme}://")
            await log_status(charger, "Uploading", request_id)
            assert (await log_job(site, key)).state == "uploading"
            await bring(url, post=post)
            await log_status(charger, "Uploaded", request_id)
            job = await log_job_in(site, key, "uploaded")
            assert (job.file_name, job.size_bytes, job.scheme) == ("diag.log", len(LOG), scheme)
            assert [saying.word for saying in job.sayings] == ["Uploading", "Uploaded"]
            assert await content_of(site, key) == LOG
            if version != "1.6":
                assert charger.asked_for("GetLog")[0]["logType"] == "DiagnosticsLog"

    run(scenario())


def test_a_security_log_is_asked_for_by_its_type(run: Callable[..., Any], tmp_path: Path) -> None:
    """Proves: TC_N_35_CSMS, TC_079_CSMS"""

    async def scenario() -> None:
        async with running_site(tmp_path) as site:
            for version, kind in (("1.6", "SecurityLog"), ("2.0.1", "SecurityLog"),
                                  ("2.1", "DataCollectorLog")):  # fmt: skip
                async with at_site(site, version) as charger:
                    _, key = await ask_for_log(site, log_type=LogType(kind))
                    assert charger.asked_for("GetLog")[-1]["logType"] == kind
                    url, request_id = asked_url(charger)
                    await log_status(charger, "Uploading", request_id)
                    await bring(url)
                    await log_status(charger, "Uploaded", request_id)
                    await log_job_in(site, key, "uploaded")

    run(scenario())


def test_a_refused_log_is_a_refusal(run: Callable[..., Any], tmp_path: Path) -> None:
    """Proves: TC_N_34_CSMS"""

    async def scenario() -> None:
        async with running_site(tmp_path) as site, at_site(site, "2.0.1") as charger:
            charger.answers["GetLog"] = lambda _: {"status": "Rejected"}
            result, key = await ask_for_log(site)
            assert (result.state, result.reason) == (CommandState.REJECTED, "Rejected")
            job = await log_job(site, key)
            assert (job.state, job.reason) == ("failed", "the charger said Rejected")

    run(scenario())


def test_a_second_request_takes_the_place_of_the_first(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    """Proves: TC_N_36_CSMS"""

    async def scenario() -> None:
        async with running_site(tmp_path) as site, at_site(site, "2.0.1") as charger:
            _, first = await ask_for_log(site)
            _, first_id = asked_url(charger)
            await log_status(charger, "Uploading", first_id)
            charger.answers["GetLog"] = lambda _: {"status": "AcceptedCanceled"}
            _, second = await ask_for_log(site)
            url, second_id = asked_url(charger)
            assert second_id != first_id
            assert (await log_job(site, first)).state == "cancelled"
            await log_status(charger, "AcceptedCanceled", first_id)
            await log_status(charger, "Uploading", second_id)
            await bring(url)
            await log_status(charger, "Uploaded", second_id)
            await log_job_in(site, second, "uploaded")
            assert (await log_job(site, first)).state == "cancelled"

    run(scenario())


def test_q56_a_thousand_repetitions_are_one_row_with_a_count(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with running_site(tmp_path) as site, at_site(site, "1.6") as charger:
            await ask_for_log(site)
            commits = 0
            put = site.site.store.commit

            async def counted(*args: Any, **kwargs: Any) -> Any:
                nonlocal commits
                commits += 1
                return await put(*args, **kwargs)

            site.site.store.commit = counted  # type: ignore[method-assign]
            for _ in range(1000):
                await log_status(charger, "Uploading")
            assert commits <= 10
            await site.site.services.blocks.files.check()
            stored = await controller_of(site).query(LogJobsQuery())
            assert [(s.word, s.count) for s in stored.items[0].sayings] == [("Uploading", 1000)]

    run(scenario())


def test_q56_the_file_ends_the_job_without_a_word(run: Callable[..., Any], tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_site(tmp_path) as site, at_site(site, "2.0.1") as charger:
            _, key = await ask_for_log(site)
            await bring(asked_url(charger)[0])
            job = await log_job_in(site, key, "uploaded")
            assert job.sayings == ()

    run(scenario())


@pytest.mark.parametrize("version", VERSIONS)
def test_q56_a_way_that_fails_is_followed_by_the_next_and_remembered(
    run: Callable[..., Any], tmp_path: Path, version: str
) -> None:
    async def scenario() -> None:
        async with running_site(tmp_path) as site, at_site(site, version) as charger:
            _, key = await ask_for_log(site)
            url, request_id = asked_url(charger)
            assert url.startswith("http://")
            failed = "UploadFailed" if request_id is None else "UploadFailure"
            await log_status(charger, failed, request_id)
            await eventually(lambda: asked_url(charger)[0].startswith("ftp://"))
            await bring(asked_url(charger)[0])
            assert (await log_job_in(site, key, "uploaded")).scheme == "ftp"
            await ask_for_log(site)
            assert asked_url(charger)[0].startswith("ftp://"), "it remembers what worked"

    run(scenario())


@pytest.mark.parametrize("version", VERSIONS)
def test_a_failed_upload_is_answered_before_the_station_is_asked_for_its_ways(
    run: Callable[..., Any], tmp_path: Path, version: str
) -> None:
    """A station that answers nothing while it waits for its own answer would wait 30 s, and its
    transactions with it. Found by generated frames."""

    async def scenario() -> None:
        async with running_site(tmp_path) as site, at_site(site, version) as charger:
            await ask_for_log(site)
            _, request_id = asked_url(charger)
            ask = "GetConfiguration" if version == "1.6" else "GetVariables"
            before = len(charger.asked_for(ask))
            charger.answers[ask] = lambda _: None
            failed = "UploadFailed" if request_id is None else "UploadFailure"
            await log_status(charger, failed, request_id)
            await eventually(lambda: len(charger.asked_for(ask)) > before)

    run(scenario())


@pytest.mark.parametrize("version", VERSIONS)
def test_q56_the_station_is_taken_at_its_word_about_its_ways(
    run: Callable[..., Any], tmp_path: Path, version: str
) -> None:
    async def scenario() -> None:
        async with running_site(tmp_path) as site, site.charger("CP-01", version) as charger:
            tells_protocols(charger, "FTP")
            await charger.call(*_boot(version))
            await eventually(lambda: site.site.services.stations.link("CP-01") is not None)
            await ask_for_log(site)
            assert asked_url(charger)[0].startswith("ftp://")

    run(scenario())


def test_when_all_ways_failed_the_job_says_why(run: Callable[..., Any], tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_site(tmp_path) as site, at_site(site, "2.0.1") as charger:
            _, key = await ask_for_log(site)
            await log_status(charger, "PermissionDenied", asked_url(charger)[1])
            await eventually(lambda: asked_url(charger)[0].startswith("ftp://"))
            await log_status(charger, "UploadFailure", asked_url(charger)[1])
            job = await log_job_in(site, key, "failed")
            assert job.reason == "the charger could not upload its file"

    run(scenario())


def test_a_station_of_16_without_the_extension_is_asked_for_diagnostics(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    async def scenario() -> None:
        def lacks(_: Any) -> Any:
            raise CallError("NotImplemented", "")

        async with running_site(tmp_path) as site, at_site(site, "1.6") as charger:
            charger.answers["GetLog"] = lacks
            charger.answers["GetDiagnostics"] = lambda _: {"fileName": "d.zip"}
            result, _ = await ask_for_log(site)
            assert result.answer is not None
            assert result.answer["file_name"] == "d.zip"
            with pytest.raises(Unsupported):
                await ask_for_log(site, log_type=LogType.SECURITY)
            await ask_for_log(site)
            assert len(charger.asked_for("GetDiagnostics")) == 2

    run(scenario())


def test_a_station_of_16_that_only_knows_the_extension_gives_its_log(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    async def scenario() -> None:
        def lacks(_: Any) -> Any:
            raise CallError("NotSupported", "")

        async with running_site(tmp_path) as site, at_site(site, "1.6") as charger:
            charger.answers["GetDiagnostics"] = lacks
            _, key = await ask_for_log(site)
            url, request_id = asked_url(charger)
            assert request_id is not None
            await log_status(charger, "Uploading", request_id)
            await bring(url)
            await log_job_in(site, key, "uploaded")

    run(scenario())


def test_q57_a_log_job_outlives_a_restart(run: Callable[..., Any], tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_site(tmp_path) as site, at_site(site, "2.0.1") as charger:
            _, key = await ask_for_log(site)
            url, _ = asked_url(charger)
        async with running_site(tmp_path, planted=True) as site:
            assert (await log_job(site, key)).state == "requested"
            await bring(url)
            await log_job_in(site, key, "uploaded")
            assert await content_of(site, key) == LOG

    run(scenario())


def test_silence_and_empty_promises_end_a_job(run: Callable[..., Any], tmp_path: Path) -> None:
    async def scenario() -> None:
        clock = HandClock()
        async with (
            running_site(tmp_path, clock=clock) as site,
            at_site(site, "2.0.1") as charger,
        ):
            files = site.site.services.blocks.files
            _, silent = await ask_for_log(site, scheme=TransferScheme.HTTP)
            clock.passed_s += 1799
            await files.check()
            assert (await log_job(site, silent)).state == "requested"
            clock.passed_s += 2
            await files.check()
            job = await log_job(site, silent)
            assert (job.state, job.reason) == ("failed", "nothing came within 30 minutes")

            _, promised = await ask_for_log(site, scheme=TransferScheme.HTTP)
            await log_status(charger, "Uploaded", asked_url(charger)[1])
            await files.check()
            assert (await log_job(site, promised)).state == "requested"
            clock.passed_s += 61
            await files.check()
            job = await log_job(site, promised)
            assert job.reason == "the charger says it has uploaded, but nothing came"

    run(scenario())


def test_old_logs_go_and_young_ones_stay(run: Callable[..., Any], tmp_path: Path) -> None:
    async def scenario() -> None:
        clock = HandClock()
        async with (
            running_site(tmp_path, clock=clock) as site,
            at_site(site, "2.0.1") as charger,
        ):
            keys = []
            for _ in range(2):
                _, key = await ask_for_log(site)
                await bring(asked_url(charger)[0])
                await log_job_in(site, key, "uploaded")
                keys.append(key)
                clock.passed_s += 80 * 86400
            await site.site.services.blocks.files.tidy()
            left = await controller_of(site).query(LogJobsQuery())
            assert [job.key for job in left.items] == [keys[1]]
            assert depot_files(tmp_path) == [f"log-{keys[1]}"]
            with pytest.raises(NotFound):
                await controller_of(site).log_file(keys[0])

    run(scenario())


def test_wrong_wishes_are_named(run: Callable[..., Any], tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_site(tmp_path, files={"ftp": False}) as site:
            with pytest.raises(StationOffline):
                await controller_of(site).execute(GetLog("CP-01"))
            with pytest.raises(NotFound):
                await controller_of(site).execute(GetLog("CP-99"))
            async with at_site(site, "2.0.1"):
                with pytest.raises(InvalidInput) as refusal:
                    await ask_for_log(site, scheme=TransferScheme.FTP)
                assert refusal.value.errors[0].field == "scheme"
                with pytest.raises(Unsupported):
                    await ask_for_log(site, log_type=LogType.DATA_COLLECTOR)

    run(scenario())


def test_strange_words_about_uploads_change_nothing(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with running_site(tmp_path) as site, at_site(site, "2.0.1") as charger:
            _, key = await ask_for_log(site)
            for payload in (
                {"status": "Teapot"}, {"status": "Uploaded; DROP TABLE"}, {"status": "x" * 4000},
                {"status": "Idle"}, {"status": "Uploading", "requestId": "x" * 400},
            ):  # fmt: skip
                await charger.call("LogStatusNotification", payload)
            await bring(asked_url(charger)[0])
            await log_job_in(site, key, "uploaded")

    run(scenario())


def _boot(version: str) -> tuple[str, dict[str, Any]]:
    if version == "1.6":
        return "BootNotification", {"chargePointVendor": "T", "chargePointModel": "W"}
    station = {"vendorName": "T", "model": "W"}
    return "BootNotification", {"reason": "PowerUp", "chargingStation": station}
