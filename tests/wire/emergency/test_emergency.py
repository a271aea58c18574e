"""S10 from the button to the car: sessions, limits and chargers over real OCPP sockets."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from sitecontroller.client import ControllerClient
from sitecontroller.domain.authorization import AuthorizationStatus, IdToken
from sitecontroller.domain.commands import (
    ChangeAvailability,
    CommandState,
    StartTransaction,
)
from sitecontroller.domain.emergency import EmergencyQuery, ReleaseEmergency, TriggerEmergency
from sitecontroller.domain.errors import Conflict, InvalidInput
from sitecontroller.simulation.virtual_time import VirtualLoop
from tests.support import eventually
from tests.wire.emergency.plant import EARLIER_LEASES_S, config_of, running, wallbox_at
from tests.wire.site import CARDS, TestSite

Story = Callable[[TestSite, ControllerClient], Awaitable[None]]
STOP = TriggerEmergency("Ada Lovelace", "smoke in the garage")
RELEASE = ReleaseEmergency("Ada Lovelace", "it was a cigarette")
WITHIN_S = 5.0


@pytest.fixture
def play(run: Any, tmp_path: Path) -> Callable[[Story], None]:
    """`play(story)` runs `await story(site, client)` in virtual time, on a site without a meter."""

    async def played(story: Story) -> None:
        async with running(config_of(tmp_path)) as (site, client):
            await story(site, client)

    return lambda story: run(played(story), loop_factory=VirtualLoop)


@pytest.mark.parametrize("version", ["1.6", "2.1"])
def test_a_person_stops_everything_and_a_person_lets_it_go_on(play: Any, version: str):
    async def story(site: TestSite, client: ControllerClient) -> None:
        await asyncio.sleep(EARLIER_LEASES_S)
        async with (
            wallbox_at(site, "CP-01", version, car_a=40) as one,
            wallbox_at(site, "CP-02", "1.6", car_a=40) as other,
        ):
            await one.box.begin()
            await other.box.begin(CARDS[1])
            await asyncio.sleep(60)
            assert one.drawn_a > 6 < other.drawn_a
            result = await client.execute(STOP)
            assert result.state is CommandState.ACCEPTED
            await eventually(lambda: one.is_stopped and other.is_stopped, WITHIN_S)
            await asyncio.sleep(1)
            view = await client.ask(EmergencyQuery())
            assert (view.active, view.triggered_by) == (True, "Ada Lovelace")
            assert set(view.stopped) == {"CP-01", "CP-02"}
            assert (await client.site()).emergency == "emergency stop by Ada Lovelace"
            await asyncio.sleep(600)
            assert one.is_stopped
            assert other.is_stopped
            assert (await client.execute(RELEASE)).state is CommandState.EFFECTIVE
            await eventually(lambda: all(one.operative.values()), WITHIN_S)
            assert one.told == [(None, False), (None, True)]
            assert not (await client.ask(EmergencyQuery())).active
            assert (await client.site()).emergency is None
        assert "EmergencyTriggered" in await site.outbox_kinds()
        assert "EmergencyReleased" in await site.outbox_kinds()

    play(story)


def test_nothing_starts_while_the_site_is_stopped(play: Any):
    async def story(site: TestSite, client: ControllerClient) -> None:
        async with wallbox_at(site) as wallbox:
            await client.execute(STOP)
            authorization = site.site.services.authorization
            answer = await authorization.authorize("CP-01", IdToken(CARDS[0]))
            assert answer.status is AuthorizationStatus.NOT_AT_THIS_TIME
            with pytest.raises(Conflict, match="stopped by Ada Lovelace"):
                await client.execute(StartTransaction("CP-01", 1, CARDS[0]))
            with pytest.raises(Conflict, match="stopped by Ada Lovelace"):
                await client.execute(ChangeAvailability("CP-01", None, operative=True))
            await asyncio.sleep(5)
            await wallbox.box.begin()
            await eventually(lambda: wallbox.is_stopped, WITHIN_S)
            assert (await site.row()).authorization_status is AuthorizationStatus.NOT_AT_THIS_TIME
            await client.execute(RELEASE)
            answer = await authorization.authorize("CP-01", IdToken(CARDS[1]))
            assert answer.accepted

    play(story)


def test_a_charger_that_comes_later_is_told_and_one_away_is_named(play: Any):
    async def story(site: TestSite, client: ControllerClient) -> None:
        await client.execute(STOP)
        view = await client.ask(EmergencyQuery())
        assert set(view.offline) == {"CP-01", "CP-02"}
        async with wallbox_at(site, car_a=40) as wallbox:
            await wallbox.box.begin()
            await eventually(lambda: wallbox.is_stopped, WITHIN_S)
        await client.execute(RELEASE)
        async with wallbox_at(site) as wallbox:
            asked_for = wallbox.box.charger.asked_for
            await eventually(lambda: asked_for("ChangeAvailability"), WITHIN_S)
            assert asked_for("ChangeAvailability") == [{"connectorId": 0, "type": "Operative"}]

    play(story)


def test_what_was_out_of_service_before_stays_so_after_the_release(play: Any):
    async def story(site: TestSite, client: ControllerClient) -> None:
        async with wallbox_at(site, car_a=40) as wallbox:
            await client.execute(ChangeAvailability("CP-01", 2, operative=False, by="Bo"))
            await asyncio.sleep(5)
            await wallbox.box.begin()
            await asyncio.sleep(5)
            await client.execute(STOP)
            await eventually(lambda: wallbox.is_stopped, WITHIN_S)
            await client.execute(RELEASE)
            await asyncio.sleep(120)
            assert wallbox.operative == {1: True, 2: False}
            assert (None, True) not in wallbox.told

    play(story)


@pytest.mark.parametrize("outlet", [None, 2])
def test_what_people_take_out_during_the_stop_stays_out(play: Any, outlet: int | None):
    async def story(site: TestSite, client: ControllerClient) -> None:
        async with wallbox_at(site) as wallbox:
            await client.execute(STOP)
            await asyncio.sleep(1)
            await client.execute(ChangeAvailability("CP-01", outlet, operative=False, by="Bo"))
            await client.execute(RELEASE)
            await asyncio.sleep(120)
            assert wallbox.operative == {1: outlet is not None, 2: False}
            assert (outlet, True) not in wallbox.told

    play(story)


def test_a_charger_that_chews_on_something_else_is_stopped_in_time(play: Any):
    async def story(site: TestSite, client: ControllerClient) -> None:
        async with wallbox_at(site, car_a=40) as wallbox:
            await wallbox.box.begin()
            charger = wallbox.box.charger
            charger.answers["GetConfiguration"] = lambda _: None
            site_link = site.site.services.stations.link("CP-01")
            assert site_link is not None
            slow = asyncio.create_task(site_link.get_variables(("AnySetting",)))
            waiting = [asyncio.create_task(site_link.trigger("Heartbeat", None)) for _ in range(10)]
            await asyncio.sleep(0.1)
            await client.execute(STOP)
            await eventually(lambda: wallbox.is_stopped, WITHIN_S)
            for task in (slow, *waiting):
                task.cancel()
            await asyncio.gather(slow, *waiting, return_exceptions=True)

    play(story)


def test_a_car_whose_session_cannot_be_ended_is_held_at_0_a(play: Any):
    async def story(site: TestSite, client: ControllerClient) -> None:
        await asyncio.sleep(EARLIER_LEASES_S)
        async with wallbox_at(site, car_a=40) as wallbox:
            await wallbox.box.begin()
            await asyncio.sleep(60)
            assert wallbox.drawn_a > 6
            wallbox.box.charger.answers["RemoteStopTransaction"] = lambda _: {"status": "Rejected"}
            await client.execute(STOP)
            await eventually(lambda: wallbox.drawn_a == 0, WITHIN_S)
            assert wallbox.box.limits[-1] == 0
            assert not wallbox.box.ended
            await asyncio.sleep(600)
            assert wallbox.drawn_a == 0

    play(story)


def test_a_charger_that_refuses_is_told_again_and_named(play: Any):
    async def story(site: TestSite, client: ControllerClient) -> None:
        async with wallbox_at(site) as wallbox:
            honest = wallbox.box.charger.answers["ChangeAvailability"]
            wallbox.box.charger.answers["ChangeAvailability"] = lambda _: {"status": "Rejected"}
            await client.execute(STOP)
            await asyncio.sleep(1)
            assert (await client.ask(EmergencyQuery())).waiting == ("CP-01",)
            wallbox.box.charger.answers["ChangeAvailability"] = honest
            await eventually(lambda: not any(wallbox.operative.values()), WITHIN_S)

    play(story)


def test_a_stop_survives_a_restart_and_is_released_after_it(run: Any, tmp_path: Path):
    async def story() -> None:
        config = config_of(tmp_path)
        async with running(config) as (site, client), wallbox_at(site):
            await client.execute(STOP)
        async with running(config, planted=True) as (site, client):
            view = await client.ask(EmergencyQuery())
            assert (view.active, view.triggered_by) == (True, "Ada Lovelace")
            with pytest.raises(Conflict):
                await client.execute(StartTransaction("CP-01", 1, CARDS[0]))
            async with wallbox_at(site, car_a=40) as wallbox:
                await wallbox.box.begin()
                await eventually(lambda: wallbox.is_stopped, WITHIN_S)
                await client.execute(RELEASE)
                await eventually(lambda: all(wallbox.operative.values()), WITHIN_S)
        async with running(config, planted=True) as (_, client):
            assert not (await client.ask(EmergencyQuery())).active

    run(story(), loop_factory=VirtualLoop)


def test_who_releases_has_a_name_and_a_reason(play: Any):
    async def story(site: TestSite, client: ControllerClient) -> None:
        with pytest.raises(Conflict):
            await client.execute(RELEASE)
        await client.execute(STOP)
        for nobody in (ReleaseEmergency(" ", "all well"), ReleaseEmergency("Ada", "")):
            with pytest.raises(InvalidInput):
                await client.execute(nobody)
        assert (await client.ask(EmergencyQuery())).active
        assert any(a.code == "emergency-stop" for a in site.site.services.alarms.open())

    play(story)
