"""Roll-outs: one, then a tenth, then all; only idle stations; stopping by themselves."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sitecontroller.domain.commands import CommandState
from sitecontroller.domain.errors import Conflict, InvalidInput, NotFound
from sitecontroller.domain.rollout import (
    AbortRollout,
    PauseRollout,
    ResumeRollout,
    RolloutQuery,
    RolloutsQuery,
    RolloutView,
    StartRollout,
)
from tests.contract.fakes import HandClock
from tests.support import eventually
from tests.wire.charger import Charger
from tests.wire.files.station import (
    NEW,
    OLD,
    add_image,
    asked_url,
    at_site,
    controller_of,
    fetch,
    firmware_status,
    reboot,
)
from tests.wire.files.test_firmware import open_alarms, transaction
from tests.wire.site import TestSite, running_site

TWENTY = tuple(f"CP-{number:02d}" for number in range(1, 21))


@asynccontextmanager
async def fleet(
    site: TestSite, station_ids: tuple[str, ...], version: str = "2.0.1"
) -> AsyncIterator[dict[str, Charger]]:
    """Many chargers at once."""
    async with AsyncExitStack() as stack:
        yield {
            station_id: await stack.enter_async_context(at_site(site, version, OLD, station_id))
            for station_id in station_ids
        }


async def start(site: TestSite, **wishes: Any) -> str:
    """A roll-out of a new image; its key."""
    image = await add_image(site)
    result = await controller_of(site).execute(StartRollout(image.key, **wishes))
    assert result.state is CommandState.ACCEPTED
    assert result.answer is not None
    key: str = result.answer["rollout"]
    return key


async def rollout(site: TestSite, key: str) -> RolloutView:
    """How it stands."""
    view: RolloutView = await controller_of(site).query(RolloutQuery(key))
    return view


async def turn(site: TestSite) -> None:
    """What happens every few seconds."""
    await site.site.services.blocks.files.check()


def asked(chargers: dict[str, Charger]) -> list[str]:
    """Who was asked to update so far."""
    return [name for name, charger in chargers.items() if charger.asked_for("UpdateFirmware")]


async def succeed(site: TestSite, charger: Charger) -> None:
    """It fetches, installs and comes back with the new version."""
    await fetch(asked_url(charger)[0])
    await firmware_status(charger, "Installing", request_id=asked_url(charger)[1])
    await reboot(site, charger, NEW)


async def fail(charger: Charger) -> None:
    """Its installation fails."""
    await firmware_status(charger, "InstallationFailed", request_id=asked_url(charger)[1])


async def ended(site: TestSite, key: str, installed: int, failed: int = 0) -> RolloutView:
    """The roll-out once so many have ended."""

    async def there() -> RolloutView:
        view = await rollout(site, key)
        assert (view.installed, view.failed) == (installed, failed), view
        return view

    found: RolloutView = await eventually(there)
    return found


def test_q57_a_rollout_goes_from_one_to_a_tenth_to_all(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with (
            running_site(tmp_path, stations=TWENTY) as site,
            fleet(site, TWENTY) as chargers,
        ):
            key = await start(site, concurrency=5)
            await eventually(lambda: asked(chargers) == ["CP-01"])
            await turn(site)
            assert asked(chargers) == ["CP-01"], "the first alone"
            view = await rollout(site, key)
            assert (view.stage, view.stage_stations, view.total) == (1, 1, 20)
            await succeed(site, chargers["CP-01"])
            await ended(site, key, 1)
            await turn(site)
            await eventually(lambda: asked(chargers) == ["CP-01", "CP-02"])
            await turn(site)
            assert asked(chargers) == ["CP-01", "CP-02"], "a tenth of 20 is 2"
            assert (await rollout(site, key)).stage == 2
            await succeed(site, chargers["CP-02"])
            await ended(site, key, 2)
            await turn(site)
            await eventually(lambda: len(asked(chargers)) == 7)
            await turn(site)
            assert len(asked(chargers)) == 7, "then all, five at a time"
            done = 2
            while done < 20:
                for name in asked(chargers)[done:]:
                    await succeed(site, chargers[name])
                    done += 1
                await ended(site, key, done)
                await turn(site)
                due = min(20, done + 5)
                await eventually(lambda due=due: len(asked(chargers)) == due)
            view = await rollout(site, key)
            assert (view.state, view.installed) == ("done", 20)
            assert {station.note for station in view.stations} == {
                "Installed: 1.0.0 before, 1.1.0 now."
            }

    run(scenario(), timeout_s=50)


def test_a_failure_of_the_first_stops_it_and_a_person_resumes_it(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with (
            running_site(tmp_path, stations=TWENTY) as site,
            fleet(site, TWENTY[:4]) as chargers,
        ):
            key = await start(site, station_ids=TWENTY[:4])
            await eventually(lambda: asked(chargers) == ["CP-01"])
            await fail(chargers["CP-01"])
            await ended(site, key, 0, 1)
            await turn(site)
            view = await rollout(site, key)
            assert view.state == "stopped"
            assert view.reason is not None
            assert "last CP-01: Failed: the charger could not install the file." in view.reason
            assert "rollout-stopped" in open_alarms(site)
            await turn(site)
            assert asked(chargers) == ["CP-01"]
            await controller_of(site).execute(ResumeRollout(key))
            assert "rollout-stopped" not in open_alarms(site)
            await turn(site)
            assert (await rollout(site, key)).state == "running"
            await eventually(lambda: len(asked(chargers)) > 1)

    run(scenario())


def test_later_more_than_a_tenth_of_failures_stops_it(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with (
            running_site(tmp_path, stations=TWENTY) as site,
            fleet(site, TWENTY) as chargers,
        ):
            key = await start(site, concurrency=20)
            for number in (1, 2):
                await eventually(lambda count=number: len(asked(chargers)) == count)
                await succeed(site, chargers[asked(chargers)[number - 1]])
                await ended(site, key, number)
                await turn(site)
            await eventually(lambda: len(asked(chargers)) == 20)
            for name in TWENTY[2:11]:
                await succeed(site, chargers[name])
            await ended(site, key, 11)
            await fail(chargers["CP-12"])
            await ended(site, key, 11, 1)
            await turn(site)
            assert (await rollout(site, key)).state == "running", "1 of 12 is below a tenth"
            await fail(chargers["CP-13"])
            await ended(site, key, 11, 2)
            await turn(site)
            assert (await rollout(site, key)).state == "stopped", "2 of 13 is above"

    run(scenario(), timeout_s=50)


def test_a_station_in_use_or_away_is_passed_over(run: Callable[..., Any], tmp_path: Path) -> None:
    async def scenario() -> None:
        clock = HandClock()
        three = TWENTY[:3]
        async with (
            running_site(tmp_path, clock=clock, stations=three) as site,
            fleet(site, three[:2]) as chargers,
        ):
            async with at_site(site, "2.0.1", OLD, "CP-03"):
                pass
            await eventually(lambda: site.site.services.stations.link("CP-03") is None)
            await transaction(chargers["CP-01"], "Started", clock)
            key = await start(site)
            await eventually(lambda: asked(chargers) == ["CP-02"])
            notes = {s.station_id: s.note for s in (await rollout(site, key)).stations}
            assert notes["CP-01"] == "Waiting: a session is running."
            assert notes["CP-03"] == "Waiting: it is offline."
            await succeed(site, chargers["CP-02"])
            await ended(site, key, 1)
            await turn(site)
            assert asked(chargers) == ["CP-02"]
            await transaction(chargers["CP-01"], "Ended", clock)
            await turn(site)
            await eventually(lambda: asked(chargers) == ["CP-01", "CP-02"])

    run(scenario())


def test_a_session_that_begins_at_the_last_moment_is_not_disturbed(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    async def scenario() -> None:
        clock = HandClock()
        async with (
            running_site(tmp_path, clock=clock) as site,
            fleet(site, ("CP-01",)) as chargers,
        ):
            charger = chargers["CP-01"]
            files = site.site.services.blocks.files
            transfers = files._transfers
            honest = transfers.schemes_for

            async def slowly(*args: Any) -> Any:
                schemes = await honest(*args)
                await transaction(charger, "Started", clock)
                return schemes

            transfers.schemes_for = slowly
            key = await start(site, station_ids=("CP-01",))
            await eventually(lambda: site.site.services.transactions.running())
            transfers.schemes_for = honest

            async def waits() -> bool:
                station = (await rollout(site, key)).stations[0]
                return station.note == "Waiting: a session is running."

            await eventually(waits)
            await turn(site)
            assert asked(chargers) == []
            await transaction(charger, "Ended", clock)
            await turn(site)
            await eventually(lambda: asked(chargers) == ["CP-01"])

    run(scenario())


def test_pause_resume_abort_and_the_time_of_day(run: Callable[..., Any], tmp_path: Path) -> None:
    async def scenario() -> None:
        clock = HandClock()  # 12:00 UTC: 14:00 in Berlin
        async with (
            running_site(tmp_path, clock=clock, stations=TWENTY[:4]) as site,
            fleet(site, TWENTY[:4]) as chargers,
        ):
            execute = controller_of(site).execute
            key = await start(site, window_start="22:00", window_end="05:00")
            await turn(site)
            assert asked(chargers) == [], "not by day"
            clock.passed_s += timedelta(hours=9).total_seconds()
            await execute(PauseRollout(key))
            await turn(site)
            assert asked(chargers) == [], "paused"
            with pytest.raises(Conflict):
                await execute(PauseRollout(key))
            await execute(ResumeRollout(key))
            await turn(site)
            await eventually(lambda: len(asked(chargers)) == 1)
            result = await execute(AbortRollout(key))
            assert result.reason == "1 chargers are under way and go on"
            await succeed(site, chargers[asked(chargers)[0]])
            await turn(site)
            view = await ended(site, key, 1)
            assert view.state == "aborted"
            assert len(asked(chargers)) == 1
            with pytest.raises(Conflict):
                await execute(ResumeRollout(key))
            with pytest.raises(NotFound):
                await execute(AbortRollout("01J00000000000000000000000"))

    run(scenario())


def test_q57_a_rollout_goes_on_after_our_restart(run: Callable[..., Any], tmp_path: Path) -> None:
    async def scenario() -> None:
        stations = TWENTY[:3]
        async with (
            running_site(tmp_path, stations=stations) as site,
            fleet(site, stations) as chargers,
        ):
            key = await start(site)
            await eventually(lambda: asked(chargers) == ["CP-01"])
            await succeed(site, chargers["CP-01"])
            await ended(site, key, 1)
        async with running_site(tmp_path, stations=stations, planted=True) as site:
            view = await rollout(site, key)
            assert (view.state, view.installed, view.total) == ("running", 1, 3)
            async with fleet(site, ("CP-02",)) as chargers:
                await turn(site)
                await eventually(lambda: asked(chargers) == ["CP-02"])
                await succeed(site, chargers["CP-02"])
                await ended(site, key, 2)
            assert (await controller_of(site).query(RolloutsQuery())).items[0].installed == 2

    run(scenario())


def test_only_stations_of_the_model_without_the_version_are_meant(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with running_site(tmp_path, stations=TWENTY[:4]) as site:
            execute = controller_of(site).execute
            async with (
                at_site(site, "2.0.1", OLD, "CP-01"),
                at_site(site, "1.6", f"v{NEW}", "CP-02"),
                at_site(site, "2.0.1", "0.9.1", "CP-03"),
            ):
                image = await add_image(site, model="wall*")
                other = await add_image(site, model="Other")
                result = await execute(StartRollout(image.key, firmware="1.*"))
                assert result.answer is not None
                assert result.answer["stations"] == ["CP-01"]
                with pytest.raises(Conflict):
                    await execute(StartRollout(image.key))
                with pytest.raises(Conflict):
                    await execute(StartRollout(other.key))
                with pytest.raises(NotFound):
                    await execute(StartRollout("01J00000000000000000000000"))
                for field, wish in (
                    ("station_ids", {"station_ids": ("CP-99",)}),
                    ("concurrency", {"concurrency": 0}),
                    ("window_start", {"window_start": "22:00"}),
                    ("window_end", {"window_start": "22:00", "window_end": "25:00"}),
                ):
                    with pytest.raises(InvalidInput) as refusal:
                        await execute(StartRollout(other.key, **wish))
                    assert refusal.value.errors[0].field == field

    run(scenario())
