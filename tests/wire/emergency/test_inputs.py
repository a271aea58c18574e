"""Contacts from the wire to the car: a real Modbus TCP module, real OCPP sockets."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sitecontroller.client import ControllerClient
from sitecontroller.domain.commands import CommandState
from sitecontroller.domain.digital_input import InputsQuery
from sitecontroller.domain.emergency import EmergencyQuery, ReleaseEmergency, TriggerEmergency
from sitecontroller.domain.errors import Conflict
from sitecontroller.domain.limit_source import (
    LimitSource,
    SetSiteLimit,
    SiteLimitsQuery,
    WithdrawSiteLimit,
)
from sitecontroller.services.load import sources
from sitecontroller.simulation.virtual_time import VirtualLoop
from tests.support import eventually
from tests.wire.emergency.plant import (
    EARLIER_LEASES_S,
    ContactModule,
    config_of,
    contact_module,
    running,
    wallbox_at,
)
from tests.wire.site import TestSite

Story = Callable[[TestSite, ControllerClient, ContactModule], Awaitable[None]]
RELEASE = ReleaseEmergency("Ada Lovelace", "the button was hit by a trolley")
WITHIN_S = 5.0
A_LOOK_S = 2.5
LOST_S = 10.0
DIMMING = {
    "id": "fre",
    "name": "ripple control",
    "kind": "dimming",
    "register": "coil/3",
    "limit_a": 16,
    "poll_s": 1.5,
}


def button(**more: Any) -> dict[str, Any]:
    return {"id": "button", "kind": "emergency", "register": "discrete/2", **more}


@pytest.fixture
def play(run: Any, tmp_path: Path) -> Callable[..., None]:
    """`play(story, inputs)` runs `await story(site, client, module)` in virtual time; the main
    meter, if there is one, is at `meter_url`."""

    async def played(story: Story, inputs: tuple[dict[str, Any], ...], more: Any) -> None:
        async with contact_module() as module:
            wired = tuple({"url": module.url, **each} for each in inputs)
            async with running(config_of(tmp_path, inputs=wired, **more)) as (site, client):
                await story(site, client, module)

    return lambda story, *inputs, **more: run(
        played(story, inputs or (button(),), more), loop_factory=VirtualLoop
    )


def alarms(site: TestSite) -> set[str]:
    return {alarm.code for alarm in site.site.services.alarms.open() if alarm.active}


def test_an_open_contact_stops_a_charging_car_within_5_s(play: Any):
    async def story(site: TestSite, client: ControllerClient, module: ContactModule) -> None:
        await asyncio.sleep(EARLIER_LEASES_S)
        async with wallbox_at(site, car_a=40) as wallbox:
            await wallbox.box.begin()
            await asyncio.sleep(30)
            assert wallbox.drawn_a > 6
            module.closed[2] = False
            await eventually(lambda: wallbox.is_stopped, WITHIN_S)
            assert (await client.ask(EmergencyQuery())).triggered_by == "contact button"

    play(story)


@pytest.mark.parametrize("register", ["coil/2", "discrete/2", "holding/0.2", "input/0.2"])
def test_a_contact_may_be_any_kind_of_register(play: Any, register: str):
    async def story(site: TestSite, client: ControllerClient, module: ContactModule) -> None:
        await asyncio.sleep(A_LOOK_S)
        assert (await client.ask(InputsQuery())).items[0].closed is True
        module.closed[2] = False
        await asyncio.sleep(A_LOOK_S)
        assert (await client.ask(InputsQuery())).items[0].closed is False

    play(story, button(register=register))


def test_it_works_with_a_dead_meter(play: Any):
    async def story(site: TestSite, client: ControllerClient, module: ContactModule) -> None:
        async with wallbox_at(site, car_a=40) as wallbox:
            await wallbox.box.begin()
            await asyncio.sleep(30)
            module.closed[2] = False
            await eventually(lambda: wallbox.is_stopped, WITHIN_S)

    play(story, meter_url="tcp://127.0.0.1:9")


def test_a_stop_is_released_only_when_the_contact_is_closed_again(play: Any):
    async def story(site: TestSite, client: ControllerClient, module: ContactModule) -> None:
        async with wallbox_at(site) as wallbox:
            await asyncio.sleep(A_LOOK_S)
            module.closed[2] = False
            await eventually(lambda: not any(wallbox.operative.values()), WITHIN_S)
            with pytest.raises(Conflict, match="contact button is still triggered"):
                await client.execute(RELEASE)
            module.closed[2] = True
            await asyncio.sleep(A_LOOK_S)
            assert (await client.ask(EmergencyQuery())).active
            assert (await client.execute(RELEASE)).state is CommandState.EFFECTIVE
            await eventually(lambda: all(wallbox.operative.values()), WITHIN_S)
            assert "emergency-stop" not in alarms(site)
            module.closed[2] = False
            await eventually(lambda: not any(wallbox.operative.values()), WITHIN_S)

    play(story)


def test_one_odd_sample_stops_nobody(play: Any):
    async def story(site: TestSite, client: ControllerClient, module: ContactModule) -> None:
        await asyncio.sleep(A_LOOK_S)
        inputs = site.site.services.blocks.inputs
        assert not inputs.sampled("button", closed=False)
        assert inputs.sampled("button", closed=True)
        await asyncio.sleep(A_LOOK_S)
        assert not (await client.ask(EmergencyQuery())).active

    play(story)


def test_a_module_that_falls_silent_is_an_alarm_and_comes_back_by_itself(play: Any):
    async def story(site: TestSite, client: ControllerClient, module: ContactModule) -> None:
        await asyncio.sleep(A_LOOK_S)
        await module.stop()
        await asyncio.sleep(LOST_S + A_LOOK_S)
        assert "input-lost" in alarms(site)
        view = (await client.ask(InputsQuery())).items[0]
        assert (view.closed, view.acts) == (None, None)
        assert not (await client.ask(EmergencyQuery())).active
        await client.execute(TriggerEmergency("Ada Lovelace"))
        with pytest.raises(Conflict, match="contact button can't be read"):
            await client.execute(RELEASE)
        await module.start()
        await asyncio.sleep(A_LOOK_S)
        assert "input-lost" not in alarms(site)
        await client.execute(RELEASE)

    play(story)


def test_where_the_site_says_so_a_silent_module_stops_it(play: Any):
    async def story(site: TestSite, client: ControllerClient, module: ContactModule) -> None:
        async with wallbox_at(site) as wallbox:
            await asyncio.sleep(A_LOOK_S)
            await module.stop()
            await asyncio.sleep(2)
            assert all(wallbox.operative.values())
            await eventually(lambda: not any(wallbox.operative.values()), 5 + WITHIN_S)

    play(story, button(when_lost="trigger", lost_s=5))


def test_a_dimming_contact_limits_for_as_long_as_it_is_closed(play: Any):
    async def story(site: TestSite, client: ControllerClient, module: ContactModule) -> None:
        module.closed[3] = False
        await asyncio.sleep(A_LOOK_S)
        assert (await client.ask(SiteLimitsQuery())).items == ()
        module.closed[3] = True
        for after_s in (A_LOOK_S, 1200):
            await asyncio.sleep(after_s)
            (view,) = (await client.ask(SiteLimitsQuery())).items
            assert view.limit.source is LimitSource.GRID_OPERATOR
            assert view.limit.current_a == (16, 16, 16)
            assert view.limit.reason == "dimming contact ripple control"
        module.closed[3] = False
        await asyncio.sleep(A_LOOK_S)
        assert (await client.ask(SiteLimitsQuery())).items == ()

    play(story, DIMMING)


def test_people_neither_change_nor_crowd_out_what_a_dimming_contact_says(
    play: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sources, "LIMITS_MAX", 1)
    wider = SetSiteLimit("input-fre", LimitSource.ATTENDANT, current_a=(60, 60, 60), set_by="Bo")

    async def story(site: TestSite, client: ControllerClient, module: ContactModule) -> None:
        module.closed[3] = False
        await client.execute(replace(wider, limit_id="lunch"))
        with pytest.raises(Conflict, match="people can't change"):
            await client.execute(wider)
        module.closed[3] = True
        await asyncio.sleep(A_LOOK_S)
        for command in (wider, WithdrawSiteLimit("input-fre")):
            with pytest.raises(Conflict, match="people can't change") as refused:
                await client.execute(command)
            assert "[[inputs]]" in refused.value.remedy
        limits = (await client.ask(SiteLimitsQuery())).items
        assert {view.limit.current_a[0] for view in limits} == {16, 60}

    play(story, DIMMING)
