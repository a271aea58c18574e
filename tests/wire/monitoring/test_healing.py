"""What the controller does about a faulted charger by itself, on the wire in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from sitecontroller.domain.commands import ChangeAvailability
from sitecontroller.domain.faults import Healing, HealingsQuery, HealingState, HealingStep
from sitecontroller.ports import Clock, Kept
from sitecontroller.services import healing as healing_service
from sitecontroller.simulation.virtual_time import VirtualLoop, virtual_clock
from tests.support import eventually
from tests.wire.charger import Charger
from tests.wire.monitoring.words import event, tell
from tests.wire.site import TestSite, boot16, boot201, instant, running_site, status16

Play = Callable[[TestSite, Charger], Awaitable[None]]
SOON_S = 120
LONG_S = 150
"""Longer than all steps of a treatment take."""


class SteppedClock:
    """Virtual time whose wall clock can be put forward: hours in no time."""

    def __init__(self) -> None:
        self._clock = virtual_clock()
        self._ahead = timedelta()

    def now(self) -> datetime:
        return self._clock.now() + self._ahead

    def monotonic_s(self) -> float:
        return self._clock.monotonic_s()

    def forward(self, hours: float) -> None:
        self._ahead += timedelta(hours=hours)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps are judged sooner than in the field: virtual time costs real time too."""
    monkeypatch.setattr(healing_service, "STEP_SHOWS_S", 15.0)
    monkeypatch.setattr(healing_service, "RESTART_SHOWS_S", 30.0)


@pytest.fixture
def scene(run, tmp_path):
    """`scene(play)`: one booted 1.6 charger of two EVSEs, in virtual time."""

    async def staged(play: Play, clock: Callable[[], Clock], options: dict[str, Any]) -> None:
        async with (
            running_site(tmp_path, clock=clock(), **options) as site,
            site.charger() as charger,
        ):
            await boot16(charger)
            await play(site, charger)

    def played(play: Play, clock: Callable[[], Clock] = virtual_clock, **options: Any) -> None:
        run(staged(play, clock, options), loop_factory=VirtualLoop)

    return played


async def faulted(charger: Charger, code: str, connector: int = 1, **more: str) -> None:
    await charger.call(
        "StatusNotification",
        {"connectorId": connector, "errorCode": code, "status": "Faulted", **more},
    )


async def healings(site: TestSite) -> tuple[Healing, ...]:
    page = await site.site.controller.query(HealingsQuery())
    return tuple(reversed(page.items))


async def metered(site: TestSite, charger: Charger, connector: int, current_a: float) -> None:
    sample = {"value": str(current_a), "measurand": "Current.Import", "unit": "A"}
    value = {"timestamp": now(site), "sampledValue": [sample]}
    await charger.call("MeterValues", {"connectorId": connector, "meterValue": [value]})


def steps(charger: Charger) -> list[str]:
    kinds = {"UnlockConnector", "ChangeAvailability", "Reset"}
    return [action for action, _ in charger.asked if action in kinds]


def now(site: TestSite) -> str:
    return instant(site.site.services.clock.now())


def alarm(site: TestSite, evse: int = 1) -> Any:
    return site.site.controller.alarm_view(f"station-faulted:CP-01/{evse}")


async def passed(seconds: float) -> None:
    await asyncio.sleep(seconds)


async def over(site: TestSite, number: int = 1) -> Healing:
    """The so-manieth treatment, when it has ended."""

    async def ended() -> bool:
        known = await healings(site)
        return len(known) >= number and known[number - 1].state is not HealingState.UNDER_WAY

    await eventually(ended, within_s=LONG_S)
    return (await healings(site))[number - 1]


def test_a_lock_that_failed_is_unlocked_once_more(scene):
    async def play(site, charger):
        def unlocked(_: Any) -> dict[str, Any]:
            asyncio.get_running_loop().create_task(status16(charger, 1, "Available"))
            return {"status": "Unlocked"}

        charger.answers["UnlockConnector"] = unlocked
        await faulted(charger, "ConnectorLockFailure")
        healing = await over(site)
        assert healing.state is HealingState.HEALED
        assert [each.step for each in healing.tries] == [HealingStep.UNLOCK]
        assert steps(charger) == ["UnlockConnector"]

    scene(play)


def test_what_a_toggle_does_not_heal_gets_one_restart_and_then_a_person(scene):
    async def play(site, charger):
        await faulted(charger, "InternalError")
        healing = await over(site)
        assert healing.state is HealingState.IN_VAIN
        assert steps(charger) == ["ChangeAvailability", "ChangeAvailability", "Reset"]
        kinds = [call["type"] for call in charger.asked_for("ChangeAvailability")]
        assert kinds == ["Inoperative", "Operative"]
        assert charger.asked_for("Reset") == [{"type": "Soft"}]
        assert "Already tried from here: off and on" in alarm(site).remedy
        assert "restart" in alarm(site).remedy
        await passed(LONG_S)
        assert len(steps(charger)) == 3, "a standing fault is a person's from now on"

    scene(play)


def test_nothing_dangerous_is_touched(scene):
    async def play(site, charger):
        await faulted(charger, "GroundFailure")
        await passed(LONG_S)
        assert steps(charger) == []
        assert "electrician" in alarm(site).remedy

    scene(play)


def test_no_restart_while_the_other_outlet_has_a_dangerous_fault(scene):
    async def play(site, charger):
        await faulted(charger, "GroundFailure", connector=2)
        await faulted(charger, "ReaderFailure", connector=1)
        await passed(LONG_S)
        assert steps(charger) == []

    scene(play)


def test_a_restart_waits_until_no_car_charges_at_the_station(scene):
    async def play(site, charger):
        started = await charger.call(
            "StartTransaction",
            {"connectorId": 2, "idTag": "CARD0001", "meterStart": 0, "timestamp": now(site)},
        )
        await status16(charger, 2, "Charging")
        await faulted(charger, "ReaderFailure")
        for _ in range(int(SOON_S / 5)):
            await metered(site, charger, 2, current_a=0)
            await passed(5)
        assert "Reset" not in steps(charger)
        await charger.call(
            "StopTransaction",
            {
                "transactionId": started["transactionId"],
                "meterStop": 1000,
                "timestamp": now(site),
            },
        )
        await eventually(lambda: "Reset" in steps(charger), within_s=SOON_S)

    scene(play)


def test_one_treatment_an_hour_and_three_a_day(scene):
    async def play(site, charger):
        clock = site.site.services.clock
        for hours, restarts in ((0, 1), (0.5, 1), (0.6, 2), (1.1, 3), (2, 3), (19, 3), (1, 4)):
            clock.forward(hours)
            await faulted(charger, "ReaderFailure")
            await passed(SOON_S / 2)
            assert len(steps(charger)) == restarts, f"after {hours} h more"
            await status16(charger, 1, "Available")
            await passed(SOON_S / 4)

    scene(play, clock=SteppedClock)


def test_a_fault_that_came_again_says_what_was_tried_before(scene):
    async def play(site, charger):
        await faulted(charger, "ReaderFailure")
        await over(site)
        await status16(charger, 1, "Available")
        await faulted(charger, "ReaderFailure")
        await eventually(lambda: "restart" in alarm(site).parameters.get("tried", ""), within_s=90)
        assert len(steps(charger)) == 1

    scene(play)


def test_a_fault_that_goes_by_itself_is_left_alone(scene):
    async def play(site, charger):
        await faulted(charger, "InternalError")
        await passed(10)
        await status16(charger, 1, "Available")
        await passed(LONG_S)
        assert steps(charger) == []
        assert await healings(site) == ()

    scene(play)


def test_an_outlet_that_a_person_took_out_of_service_is_not_switched_on(scene):
    async def play(site, charger):
        await status16(charger, 1, "Unavailable")
        await faulted(charger, "InternalError")
        await over(site)
        assert steps(charger) == ["Reset"]

    scene(play)


def test_an_outlet_that_load_management_took_out_of_service_is_not_switched_on(scene):
    async def play(site, charger):
        site.site.services.alarms.raise_("station-disobedient", "CP-01/1", evse="CP-01/1")
        await faulted(charger, "InternalError")
        await passed(LONG_S)
        assert steps(charger) == []

    scene(play)


def test_an_outlet_that_is_to_stay_out_of_service_is_not_switched_on(scene):
    async def play(site, charger):
        await site.site.controller.execute(ChangeAvailability("CP-01", 1, operative=False))
        await faulted(charger, "InternalError")
        await over(site)
        assert [call["type"] for call in charger.asked_for("ChangeAvailability")] == ["Inoperative"]
        assert len(charger.asked_for("Reset")) == 1

    scene(play)


def test_a_charger_that_gets_new_firmware_is_left_alone(scene):
    async def play(site, charger):
        job = Kept("firmware-job", "J1", site.site.services.clock.now(), {}, "CP-01", open=True)
        await site.site.store.commit(lambda tx: tx.put_kept(job))
        await faulted(charger, "ReaderFailure")
        await passed(SOON_S)
        assert steps(charger) == []
        await site.site.store.commit(lambda tx: tx.put_kept(replace(job, open=False)))
        await eventually(lambda: steps(charger) == ["Reset"], within_s=SOON_S)

    scene(play)


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
def test_a_2x_station_is_healed_by_what_its_events_say(run, tmp_path, version):
    async def story() -> None:
        async with (
            running_site(tmp_path, clock=virtual_clock()) as site,
            site.charger(version=version) as charger,
        ):
            await boot201(charger)
            await status201(site, charger, "Faulted")
            await tell(charger, event("TokenReader", "Problem", evse=None))
            await eventually(lambda: charger.asked_for("Reset"), within_s=SOON_S)
            assert charger.asked_for("Reset") == [{"type": "OnIdle"}]

    run(story(), loop_factory=VirtualLoop)


@pytest.mark.parametrize("others", [(), ("RCD",), ("TokenReader", "RCD")])
def test_a_2x_station_whose_trouble_is_dangerous_or_unknown_is_left_alone(run, tmp_path, others):
    async def story() -> None:
        async with (
            running_site(tmp_path, clock=virtual_clock()) as site,
            site.charger(version="2.0.1") as charger,
        ):
            await boot201(charger)
            await status201(site, charger, "Faulted")
            for number, component in enumerate(others):
                await tell(charger, event(component, "Problem", evse=None, number=number))
            await passed(LONG_S)
            assert steps(charger) == []

    run(story(), loop_factory=VirtualLoop)


async def status201(site: TestSite, charger: Charger, status: str) -> None:
    await charger.call(
        "StatusNotification",
        {"timestamp": now(site), "connectorStatus": status, "evseId": 1, "connectorId": 1},
    )


def test_a_site_may_forbid_it(scene):
    async def play(site, charger):
        await faulted(charger, "InternalError")
        await passed(LONG_S)
        assert steps(charger) == []

    scene(play, self_healing=False)


def test_each_step_stands_in_the_log(scene, caplog):
    async def play(site, charger):
        await faulted(charger, "ReaderFailure")
        await over(site)

    caplog.set_level("INFO")
    scene(play)
    lines = [r.getMessage() for r in caplog.records if "audit self-healing" in r.getMessage()]
    assert lines == [
        "audit self-healing: station=CP-01 evse=1 fault=reader step=reset outcome=accepted"
    ]


def test_the_share_of_a_station_outlives_a_restart_of_the_controller(run, tmp_path):
    async def story() -> None:
        clock = virtual_clock()
        for planted in (False, True):
            async with (
                running_site(tmp_path, clock=clock, planted=planted) as site,
                site.charger() as charger,
            ):
                await boot16(charger)
                await faulted(charger, "ReaderFailure")
                await passed(LONG_S)
                assert len(await healings(site)) == 1
                assert len(steps(charger)) == (0 if planted else 1)

    run(story(), loop_factory=VirtualLoop)


def test_an_outlet_left_out_of_service_is_put_back_when_the_station_returns(run, tmp_path):
    async def story() -> None:
        clock = virtual_clock()
        async with running_site(tmp_path, clock=clock) as site, site.charger() as charger:
            await boot16(charger)
            charger.answers["ChangeAvailability"] = lambda payload: (
                {"status": "Accepted"} if payload["type"] == "Inoperative" else None
            )
            await faulted(charger, "InternalError")
            await eventually(
                lambda: len(charger.asked_for("ChangeAvailability")) == 2, within_s=SOON_S
            )
        async with (
            running_site(tmp_path, clock=clock, planted=True) as site,
            site.charger() as charger,
        ):
            await boot16(charger)
            await eventually(
                lambda: (
                    {"connectorId": 1, "type": "Operative"}
                    in charger.asked_for("ChangeAvailability")
                ),
                within_s=SOON_S,
            )
            assert [h.state for h in await healings(site)] == [HealingState.BROKEN_OFF]

    run(story(), loop_factory=VirtualLoop)
