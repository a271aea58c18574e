"""DER controls, frequency signals and battery swaps of 2.1 stations (blocks Q, R and S)."""

import asyncio
from typing import Any

import pytest

from sitecontroller.domain.authorization import IdTokenType, TokenRecord
from sitecontroller.domain.commands import CommandState
from sitecontroller.domain.errors import Conflict, InvalidInput, Unsupported
from sitecontroller.domain.grid import (
    ClearDerControls,
    DerControlsQuery,
    DerControlType,
    DerEventKind,
    DerEventsQuery,
    ReadDerControls,
    SendAfrrSignal,
    SetDerControl,
)
from sitecontroller.domain.swap import BatterySwapsQuery, RequestBatterySwap
from sitecontroller.services import swaps
from tests.support import eventually
from tests.wire.ocpp21.scene import CARD, STATION, Scene
from tests.wire.site import instant

CURVE = {
    "priority": 1, "yUnit": "PctMaxW",
    "curveData": [{"x": 100, "y": 100}, {"x": 110, "y": 0}],
}  # fmt: skip
DROOP = {
    "priority": 0, "overFreq": 50.2, "underFreq": 49.8, "overDroop": 5, "underDroop": 5,
    "responseTime": 2,
}  # fmt: skip
SETTINGS = {
    DerControlType.VOLT_WATT: ("curve", CURVE),
    DerControlType.HV_MUST_TRIP: ("curve", CURVE),
    DerControlType.FREQ_DROOP: ("freqDroop", DROOP),
    DerControlType.FIXED_PF_ABSORB:
        ("fixedPFAbsorb", {"priority": 0, "displacement": 0.9, "excitation": True}),
    DerControlType.FIXED_PF_INJECT:
        ("fixedPFInject", {"priority": 0, "displacement": 0.9, "excitation": True}),
    DerControlType.FIXED_VAR: ("fixedVar", {"priority": 0, "setpoint": 10, "unit": "PctMaxVar"}),
    DerControlType.GRADIENTS: ("gradient", {"priority": 0, "gradient": 10, "softGradient": 5}),
    DerControlType.LIMIT_MAX_DISCHARGE:
        ("limitMaxDischarge", {"priority": 0, "pctMaxDischargePower": 50}),
    DerControlType.ENTER_SERVICE:
        ("enterService",
         {"priority": 0, "highVoltage": 250, "lowVoltage": 210, "highFreq": 50.1, "lowFreq": 49.9}),
}  # fmt: skip


def test_a_control_of_each_shape_is_set(scene21):
    async def play(scene: Scene) -> None:
        for kind, (member, settings) in SETTINGS.items():
            result = await scene.do(SetDerControl(STATION, kind, settings, control_id="C1"))
            assert result.state is CommandState.ACCEPTED
            assert result.answer["supersededIds"] == ["C0"]
            assert scene.charger.asked_for("SetDERControl")[-1] == {
                "isDefault": True, "controlId": "C1", "controlType": kind.value, member: settings
            }  # fmt: skip

    answer = {"status": "Accepted", "supersededIds": ["C0"]}
    scene21(play, answers={"SetDERControl": lambda _: answer})


def test_a_control_with_wrong_settings_never_leaves(scene21):
    async def play(scene: Scene) -> None:
        kind = DerControlType.FREQ_DROOP
        for settings, control_id in (({}, "C"), ({"priority": 0}, "C"), (DROOP, "C" * 37)):
            with pytest.raises(InvalidInput):
                await scene.do(SetDerControl(STATION, kind, settings, control_id=control_id))
        assert scene.charger.asked_for("SetDERControl") == []
        result = await scene.do(SetDerControl(STATION, kind, DROOP))
        (sent,) = scene.charger.asked_for("SetDERControl")
        assert sent["controlId"] == result.answer["control_id"]

    scene21(play)


@pytest.mark.parametrize("status", ["NotSupported", "NotFound", "Rejected"])
def test_a_station_says_why_it_does_not_take_a_control(scene21, status):
    async def play(scene: Scene) -> None:
        for command in (
            SetDerControl(STATION, DerControlType.FREQ_DROOP, DROOP),
            ClearDerControls(STATION, is_default=True),
        ):
            result = await scene.do(command)
            assert (result.state, result.reason) == (CommandState.REJECTED, status)

    answers = dict.fromkeys(("SetDERControl", "ClearDERControl"), lambda _: {"status": status})
    scene21(play, answers=answers)


async def read(scene: Scene, command: ReadDerControls, *parts: dict[str, Any]) -> Any:
    before = len(scene.charger.asked_for("GetDERControl"))
    asking = asyncio.ensure_future(scene.do(command))
    asked = await eventually(lambda: scene.charger.asked_for("GetDERControl")[before:])
    for number, part in enumerate(parts, start=1):
        report = {"requestId": asked[0]["requestId"], "tbc": number < len(parts), **part}
        assert await scene.charger.call("ReportDERControl", report) == {}
    return await asking


def test_the_controls_a_station_holds_are_read_back(scene21):
    async def play(scene: Scene) -> None:
        assert (await scene.ask(DerControlsQuery(STATION))).read_at is None
        flags = {"isDefault": True, "isSuperseded": False}
        curves = [{"id": "A", "curveType": "VoltWatt", "curve": CURVE, **flags}]
        droops = [{"id": "B", "freqDroop": DROOP, "isDefault": False, "isSuperseded": True}]
        gradients = [{"id": "G", "gradient": SETTINGS[DerControlType.GRADIENTS][1]}]
        result = await read(
            scene,
            ReadDerControls(STATION),
            {"curve": curves},
            {"freqDroop": droops, "gradient": gradients},
        )
        assert result.state is CommandState.EFFECTIVE
        view = await scene.ask(DerControlsQuery(STATION))
        rows = {
            c.control_id: (c.control_type, c.is_default, c.is_superseded) for c in view.controls
        }
        assert rows == {
            "A": ("VoltWatt", True, False),
            "B": ("FreqDroop", False, True),
            "G": ("Gradients", None, None),
        }
        assert view.complete
        assert view.controls[0].settings == CURVE
        one = ReadDerControls(STATION, False, DerControlType.FREQ_DROOP, "B")
        changed = [{**droops[0], "isSuperseded": False}]
        await read(scene, one, {"freqDroop": changed})
        asked = scene.charger.asked_for("GetDERControl")[-1]
        assert (asked["isDefault"], asked["controlType"], asked["controlId"]) == (
            False, "FreqDroop", "B",
        )  # fmt: skip
        view = await scene.ask(DerControlsQuery(STATION))
        assert {c.control_id for c in view.controls} == {"A", "B", "G"}
        assert not next(c for c in view.controls if c.control_id == "B").is_superseded

    scene21(play)


def test_a_station_without_controls_says_so(scene21):
    async def play(scene: Scene) -> None:
        result = await scene.do(ReadDerControls(STATION))
        assert (result.state, result.answer["controls"]) == (CommandState.EFFECTIVE, [])

    scene21(play, answers={"GetDERControl": lambda _: {"status": "NotFound"}})


def test_controls_are_taken_out(scene21):
    async def play(scene: Scene) -> None:
        kind = DerControlType.VOLT_WATT
        await scene.do(ClearDerControls(STATION, is_default=False, control_type=kind))
        await scene.do(ClearDerControls(STATION, is_default=True, control_id="A"))
        assert scene.charger.asked_for("ClearDERControl") == [
            {"isDefault": False, "controlType": "VoltWatt"},
            {"isDefault": True, "controlId": "A"},
        ]

    scene21(play)


def test_a_der_alarm_is_told_in_plain_words_until_it_ends(scene21):
    async def play(scene: Scene) -> None:
        alarm = {
            "controlType": "VoltWatt", "gridEventFault": "OverVoltage", "timestamp": instant(),
        }  # fmt: skip
        assert await scene.charger.call("NotifyDERAlarm", alarm) == {}
        shown = scene.alarm("grid-deviation")
        assert shown is not None
        assert shown.text == (
            "CP-01 changes its power because of the grid: "
            "the grid's voltage is too high (VoltWatt acts)"
        )
        await scene.charger.call(
            "NotifyDERAlarm",
            {**alarm, "controlType": "FreqDroop", "gridEventFault": "OverFrequency"},
        )
        shown = scene.alarm("grid-deviation")
        assert shown is not None
        assert "the grid's frequency is too high" in shown.text
        await scene.charger.call("NotifyDERAlarm", {**alarm, "alarmEnded": True})
        assert scene.alarm("grid-deviation") is None
        begun = {"controlId": "A", "started": True, "timestamp": instant(), "supersededIds": ["B"]}
        assert await scene.charger.call("NotifyDERStartStop", begun) == {}
        await scene.charger.call("NotifyDERStartStop", {**begun, "started": False})
        rows = (await scene.ask(DerEventsQuery(STATION))).items
        assert [each.kind for each in reversed(rows)] == [
            DerEventKind.ALARM, DerEventKind.ALARM, DerEventKind.ALARM_ENDED,
            DerEventKind.STARTED, DerEventKind.STOPPED,
        ]  # fmt: skip
        assert rows[0].superseded_ids == ("B",)

    scene21(play)


def test_a_frequency_signal_is_handed_on(scene21):
    async def play(scene: Scene) -> None:
        assert (await scene.do(SendAfrrSignal(STATION, -42))).state is CommandState.ACCEPTED
        (sent,) = scene.charger.asked_for("AFRRSignal")
        assert sent["signal"] == -42
        assert sent["timestamp"].endswith("Z")
        with pytest.raises(InvalidInput):
            await scene.do(SendAfrrSignal(STATION, 2**40))

    scene21(play)


def test_a_2_0_1_station_has_none_of_it(scene201):
    async def play(scene: Scene) -> None:
        for command in (
            SendAfrrSignal(STATION, 1),
            ReadDerControls(STATION),
            RequestBatterySwap(STATION, "CARD0001"),
        ):
            with pytest.raises(Unsupported):
                await scene.do(command)

    scene201(play)


# battery swaps


def battery(event: str, request_id: int) -> dict[str, Any]:
    return {
        "eventType": event, "requestId": request_id, "idToken": CARD,
        "batteryData": [
            {"evseId": 2, "serialNumber": "B-1", "soC": 12.5, "soH": 97, "vendorInfo": "x",
             "productionDate": "2024-01-01T00:00:00Z"}
        ],
    }  # fmt: skip


def test_a_battery_swap_is_begun_for_a_known_card_and_told_to_its_end(scene21):
    async def play(scene: Scene) -> None:
        asking = asyncio.ensure_future(scene.do(RequestBatterySwap(STATION, "card0001")))
        (asked,) = await eventually(lambda: scene.charger.asked_for("RequestBatterySwap"))
        assert asked["idToken"] == CARD
        for event in ("BatteryIn", "BatteryOut", "BatteryOutTimeout"):
            answer = await scene.charger.call("BatterySwap", battery(event, asked["requestId"]))
            assert answer == {}
        assert (await asking).state is CommandState.EFFECTIVE
        rows = (await scene.ask(BatterySwapsQuery(STATION))).items
        assert {each.event for each in rows} == {"BatteryIn", "BatteryOut", "BatteryOutTimeout"}
        (one,) = rows[0].batteries
        assert (one.evse_id, one.serial_number, one.soc_percent) == (2, "B-1", 12.5)

    scene21(play)


def test_a_swap_is_not_begun_for_a_card_that_may_not(scene21):
    async def play(scene: Scene) -> None:
        blocked = TokenRecord("CARD0009", IdTokenType.ISO14443, blocked=True)
        await scene.site.site.controller.put_token(blocked)
        for card in ("STRANGER", "CARD0009"):
            with pytest.raises(Conflict):
                await scene.do(RequestBatterySwap(STATION, card))
        assert scene.charger.asked_for("RequestBatterySwap") == []

    scene21(play)


def test_a_swap_that_cannot_be_or_never_begins_is_said_so(scene21, monkeypatch):
    monkeypatch.setattr(swaps, "BATTERY_WITHIN_S", 0.1)

    async def play(scene: Scene) -> None:
        swap = RequestBatterySwap(STATION, "CARD0001")
        assert (await scene.do(swap)).state is CommandState.INEFFECTIVE
        refused = {"status": "Rejected", "statusInfo": {"reasonCode": "NoBatteryAvailable"}}
        scene.charger.answers["RequestBatterySwap"] = lambda _: refused
        result = await scene.do(swap)
        assert (result.state, result.reason) == (CommandState.REJECTED, "NoBatteryAvailable")

    scene21(play)
