"""What a 1.6 charger reports as a fault, as an attendant reads it."""

from typing import Any

import pytest

from sitecontroller.domain.alarm import AlarmPriority
from tests.wire.charger import Charger
from tests.wire.monitoring.words import alarms
from tests.wire.site import TestSite, boot16, running_site


@pytest.fixture
def scene(run, tmp_path):
    """`scene(play, vendor)`: a booted 1.6 charger of that maker."""

    async def staged(play, vendor):
        async with running_site(tmp_path, self_healing=False) as site, site.charger() as charger:
            await boot16(charger)
            boot = {"chargePointVendor": vendor, "chargePointModel": "Box"}
            await charger.call("BootNotification", boot)
            await play(site, charger)

    return lambda play, vendor="Test": run(staged(play, vendor))


async def report(charger: Charger, code: str, status: str = "Faulted", **more: str) -> None:
    payload = {"connectorId": 1, "errorCode": code, "status": status, **more}
    await charger.call("StatusNotification", payload)


def evse(site: TestSite) -> Any:
    return site.site.controller.station_view("CP-01").evses[0]


def alarm(site: TestSite) -> Any:
    return site.site.controller.alarm_view("station-faulted:CP-01/1")


def test_an_attendant_reads_words_and_a_remedy_and_the_code_is_kept(scene):
    async def play(site, charger):
        await report(charger, "GroundFailure")
        told = alarm(site)
        assert told.text == (
            "CP-01/1 reports a fault: residual current: the protection of persons has tripped"
        )
        assert "electrician" in told.remedy
        assert told.priority is AlarmPriority.HIGH
        assert told.parameters["said"] == "GroundFailure"
        assert told.parameters["mending"] == "visit"
        assert evse(site).error == "residual current: the protection of persons has tripped"

    scene(play)


def test_a_makers_code_is_read_by_his_rows(scene):
    async def play(site, charger):
        await report(charger, "OtherError", vendorErrorCode="102")
        assert "power switch" in alarm(site).text
        assert alarm(site).parameters["said"] == "OtherError · 102"

    scene(play, "Alfen BV")


def test_the_same_number_of_another_maker_is_shown_as_it_is(scene):
    async def play(site, charger):
        await report(charger, "OtherError", vendorErrorCode="102")
        assert "OtherError · 102" in alarm(site).text
        assert "call service and name the code" in alarm(site).remedy

    scene(play)


def test_a_fault_that_turns_into_another_is_told_anew_and_ends_with_it(scene):
    async def play(site, charger):
        await report(charger, "HighTemperature")
        assert alarm(site).priority is AlarmPriority.MEDIUM
        await report(charger, "PowerSwitchFailure")
        assert alarm(site).priority is AlarmPriority.HIGH
        assert len(alarms(site, "station-faulted")) == 1
        await report(charger, "NoError", "Available")
        assert alarms(site, "station-faulted") == []
        assert evse(site).error is None

    scene(play)


def test_a_warning_while_charging_stands_on_the_tile_without_an_alarm(scene):
    async def play(site, charger):
        await report(charger, "WeakSignal", "Charging")
        assert evse(site).error == "its radio connection is weak"
        assert alarms(site, "station-faulted") == []

    scene(play)


@pytest.mark.parametrize(
    "said",
    [
        {"vendorErrorCode": "{code}{value}%s{0}"},
        {"info": "x" * 50, "vendorErrorCode": "," * 50},
        {"vendorErrorCode": "[*?]" * 12},
    ],
)
def test_odd_codes_break_nothing(scene, said):
    async def play(site, charger):
        await report(charger, "OtherError", **said)
        assert alarm(site).text

    scene(play)
