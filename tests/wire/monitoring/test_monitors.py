"""Variable monitors on the wire: set, reported, cleared; and those every able charger gets."""

import asyncio
from typing import Any

import pytest

from sitecontroller.domain.commands import CommandState
from sitecontroller.domain.errors import CallTimeout, InvalidInput, Unsupported
from sitecontroller.domain.monitoring import (
    ClearVariableMonitoring,
    GetMonitoringReport,
    Monitor,
    MonitoringBase,
    MonitoringCriterion,
    MonitorsQuery,
    MonitorType,
    SetMonitoringBase,
    SetMonitoringLevel,
    SetVariableMonitoring,
    StationMonitors,
)
from sitecontroller.ocpp.v2x import gathering
from sitecontroller.simulation.virtual_time import VirtualLoop, virtual_clock
from tests.support import eventually
from tests.wire.charger import Charger
from tests.wire.monitoring.words import (
    alarms,
    event,
    later,
    monitor_row,
    set_by,
    tell,
    told_variables,
)
from tests.wire.site import TestSite, boot16, boot201, instant, running_site

ON_AVAILABILITY = Monitor("EVSE[1].AvailabilityState", MonitorType.DELTA, 1, severity=8)
ON_STATION = Monitor("ChargingStation.AvailabilityState", MonitorType.DELTA, 1, severity=8)
EVSE_STATE = {
    "component": {"name": "EVSE", "evse": {"id": 1}},
    "variable": {"name": "AvailabilityState"},
}
STATION_STATE = {
    "component": {"name": "ChargingStation"},
    "variable": {"name": "AvailabilityState"},
}


async def execute(site: TestSite, command: Any) -> Any:
    return await site.site.controller.execute(command)


async def known(site: TestSite) -> StationMonitors:
    found: StationMonitors = await site.site.controller.query(MonitorsQuery("CP-01"))
    return found


def reporting(charger: Charger, *parts: list[dict[str, Any]], status: str = "Accepted") -> None:
    """Answer GetMonitoringReport, then send the parts."""

    def answer(payload: dict[str, Any]) -> dict[str, Any]:
        if status == "Accepted":
            later(send(payload["requestId"]))
        return {"status": status}

    async def send(request_id: int) -> None:
        for number, monitors in enumerate(parts):
            await charger.call(
                "NotifyMonitoringReport",
                {
                    "requestId": request_id,
                    "seqNo": number,
                    "tbc": number + 1 < len(parts),
                    "generatedAt": instant(),
                    "monitor": monitors,
                },
            )

    charger.answers["GetMonitoringReport"] = answer


# setting


def test_a_monitor_is_set_and_known_by_the_number_the_station_gives_it(scene):
    """Proves: TC_N_08_CSMS."""

    async def play(site, charger):
        charger.answers["SetVariableMonitoring"] = set_by()
        result = await execute(site, SetVariableMonitoring("CP-01", (ON_AVAILABILITY,)))
        assert result.state is CommandState.ACCEPTED
        assert result.answer["outcomes"][0]["monitor_id"] == 100
        (asked,) = charger.asked_for("SetVariableMonitoring")
        assert asked == {
            "setMonitoringData": [{"value": 1, "type": "Delta", "severity": 8, **EVSE_STATE}]
        }
        assert [m.monitor_id for m in (await known(site)).monitors] == [100]

    scene(play)


def test_several_monitors_go_in_one_message(scene):
    async def play(site, charger):
        charger.answers["SetVariableMonitoring"] = set_by()
        await execute(site, SetVariableMonitoring("CP-01", (ON_AVAILABILITY, ON_STATION)))
        (asked,) = charger.asked_for("SetVariableMonitoring")
        places = [(row["component"], row["variable"]) for row in asked["setMonitoringData"]]
        assert places == [
            (EVSE_STATE["component"], EVSE_STATE["variable"]),
            (STATION_STATE["component"], STATION_STATE["variable"]),
        ]
        assert [row["severity"] for row in asked["setMonitoringData"]] == [8, 8]

    scene(play)


def test_never_more_monitors_in_a_message_than_the_station_takes(scene):
    async def play(site, charger):
        charger.answers["SetVariableMonitoring"] = set_by()
        charger.answers["GetVariables"] = told_variables(
            MonitoringCtrlr_ItemsPerMessage__SetVariableMonitoring="2"
        )
        await execute(site, SetVariableMonitoring("CP-01", (ON_AVAILABILITY,) * 5))
        sizes = [
            len(call["setMonitoringData"]) for call in charger.asked_for("SetVariableMonitoring")
        ]
        assert sizes == [2, 2, 1]

    scene(play)


def test_what_the_station_refuses_is_told_for_each_monitor(scene):
    async def play(site, charger):
        charger.answers["SetVariableMonitoring"] = set_by(lambda index: 7 if index == 0 else None)
        result = await execute(site, SetVariableMonitoring("CP-01", (ON_AVAILABILITY, ON_STATION)))
        assert result.state is CommandState.ACCEPTED
        statuses = [outcome["status"] for outcome in result.answer["outcomes"]]
        assert statuses == ["Accepted", "UnknownVariable"]
        charger.answers["SetVariableMonitoring"] = set_by(lambda index: None)
        result = await execute(site, SetVariableMonitoring("CP-01", (ON_STATION,)))
        assert (result.state, result.reason) == (CommandState.REJECTED, "UnknownVariable")

    scene(play)


def test_what_only_2_1_has_is_not_said_to_2_0_1(scene, version):
    async def play(site, charger):
        charger.answers["SetVariableMonitoring"] = set_by()
        target = Monitor("EVSE[1].Power", MonitorType.TARGET_DELTA, 500)
        result = await execute(site, SetVariableMonitoring("CP-01", (target,)))
        asked = charger.asked_for("SetVariableMonitoring")
        if version == "2.1":
            assert asked[0]["setMonitoringData"][0]["type"] == "TargetDelta"
        else:
            assert asked == []
            assert result.reason == "UnsupportedMonitorType"

    scene(play)


@pytest.mark.parametrize(
    ("monitors", "field"),
    [
        ((), "monitors"),
        ((Monitor("EVSE.Power", MonitorType.DELTA, -1),), "monitors[0].value"),
        ((Monitor("EVSE.Power", MonitorType.DELTA, 1, severity=10),), "monitors[0].severity"),
        ((Monitor("EVSE.Power", MonitorType.PERIODIC, 0),), "monitors[0].value"),
        ((Monitor("Power", MonitorType.DELTA, 1),), "name"),
    ],
)
def test_a_monitor_that_makes_no_sense_is_refused_by_its_field(scene, monitors, field):
    async def play(site, charger):
        with pytest.raises(InvalidInput) as refusal:
            await execute(site, SetVariableMonitoring("CP-01", monitors))
        assert [error.field for error in refusal.value.errors] == [field]
        assert refusal.value.remedy
        assert charger.asked_for("SetVariableMonitoring") == []

    scene(play)


# clearing


def clearing(status: str) -> Any:
    return lambda payload: {
        "clearMonitoringResult": [{"id": number, "status": status} for number in payload["id"]]
    }


def test_never_more_numbers_in_a_message_than_the_station_takes(scene):
    """Proves: TC_N_18_CSMS."""

    async def play(site, charger):
        charger.answers["ClearVariableMonitoring"] = clearing("NotFound")
        charger.answers["GetVariables"] = told_variables(
            MonitoringCtrlr_ItemsPerMessage__ClearVariableMonitoring="3"
        )
        await execute(site, ClearVariableMonitoring("CP-01", tuple(range(1, 9))))
        sent = [call["id"] for call in charger.asked_for("ClearVariableMonitoring")]
        assert sent == [[1, 2, 3], [4, 5, 6], [7, 8]]

    scene(play)


def test_a_monitor_that_can_not_be_cleared_is_told(scene):
    """Proves: TC_N_44_CSMS."""

    async def play(site, charger):
        charger.answers["ClearVariableMonitoring"] = clearing("Rejected")
        result = await execute(site, ClearVariableMonitoring("CP-01", (1,)))
        assert (result.state, result.reason) == (CommandState.REJECTED, "Rejected")

    scene(play)


def test_with_a_monitor_its_alarm_is_over(scene):
    """N07.FR.12: the station will not say so."""

    async def play(site, charger):
        charger.answers["SetVariableMonitoring"] = set_by()
        charger.answers["ClearVariableMonitoring"] = clearing("Accepted")
        on_power = Monitor("EVSE[1].Power", MonitorType.UPPER_THRESHOLD, 5, severity=4)
        await execute(site, SetVariableMonitoring("CP-01", (on_power, on_power)))
        for number in (100, 101):
            said = event("EVSE", "Power", "9", number=number, variableMonitoringId=number)
            await tell(charger, {**said, "eventNotificationType": "CustomMonitor"})
        assert len(alarms(site)) == 2
        await execute(site, ClearVariableMonitoring("CP-01", (101,)))
        assert [alarm.subject for alarm in alarms(site)] == ["CP-01/EVSE[1].Power#100"]
        assert [m.monitor_id for m in (await known(site)).monitors] == [100]

    scene(play)


# reports


def test_all_monitors_are_asked_for_and_gathered_from_their_parts(scene):
    """Proves: TC_N_47_CSMS."""

    async def play(site, charger):
        reporting(charger, [monitor_row(1), monitor_row(2)], [monitor_row(3)])
        result = await execute(site, GetMonitoringReport("CP-01"))
        (asked,) = charger.asked_for("GetMonitoringReport")
        assert asked.keys() == {"requestId"}
        assert result.answer["complete"] is True
        assert [m["monitor_id"] for m in result.answer["monitors"]] == [1, 2, 3]
        shown = await known(site)
        assert [m.severity for m in shown.monitors] == [8, 8, 8]
        assert shown.reported_at is not None

    scene(play)


def test_a_report_may_be_limited_to_a_kind_of_monitor(scene):
    """Proves: TC_N_01_CSMS."""

    async def play(site, charger):
        reporting(charger, status="EmptyResultSet")
        delta = GetMonitoringReport("CP-01", (MonitoringCriterion.DELTA,))
        result = await execute(site, delta)
        assert (result.state, result.answer["monitors"]) == (CommandState.ACCEPTED, [])
        reporting(charger, [monitor_row(5, type="UpperThreshold")])
        await execute(site, GetMonitoringReport("CP-01", (MonitoringCriterion.THRESHOLD,)))
        sent = [call["monitoringCriteria"] for call in charger.asked_for("GetMonitoringReport")]
        assert sent == [["DeltaMonitoring"], ["ThresholdMonitoring"]]
        assert [m.type for m in (await known(site)).monitors] == [MonitorType.UPPER_THRESHOLD]

    scene(play)


def test_a_report_may_be_limited_to_a_variable(scene):
    """Proves: TC_N_02_CSMS."""

    async def play(site, charger):
        reporting(charger, status="EmptyResultSet")
        await execute(site, GetMonitoringReport("CP-01", variables=("ChargingStation.Power",)))
        reporting(charger, [monitor_row(5)])
        await execute(site, GetMonitoringReport("CP-01", variables=("EVSE[1].AvailabilityState",)))
        sent = [call["componentVariable"] for call in charger.asked_for("GetMonitoringReport")]
        assert sent == [
            [{"component": {"name": "ChargingStation"}, "variable": {"name": "Power"}}],
            [EVSE_STATE],
        ]
        assert [m.variable for m in (await known(site)).monitors] == ["EVSE[1].AvailabilityState"]

    scene(play)


def test_a_report_may_be_limited_to_a_kind_and_variables(scene):
    """Proves: TC_N_03_CSMS, TC_N_60_CSMS."""

    async def play(site, charger):
        both = ("ChargingStation.AvailabilityState", "EVSE[1].AvailabilityState")
        reporting(charger, status="EmptyResultSet")
        threshold = (MonitoringCriterion.THRESHOLD,)
        await execute(site, GetMonitoringReport("CP-01", threshold, both))
        reporting(charger, [monitor_row(5)])
        await execute(site, GetMonitoringReport("CP-01", (MonitoringCriterion.DELTA,), both))
        for asked, kind in zip(
            charger.asked_for("GetMonitoringReport"),
            ("ThresholdMonitoring", "DeltaMonitoring"),
            strict=True,
        ):
            assert asked["monitoringCriteria"] == [kind]
            assert asked["componentVariable"] == [STATION_STATE, EVSE_STATE]
        assert len((await known(site)).monitors) == 1

    scene(play)


def test_a_refused_report_is_a_refusal(scene):
    async def play(site, charger):
        reporting(charger, status="NotSupported")
        result = await execute(site, GetMonitoringReport("CP-01"))
        assert (result.state, result.reason) == (CommandState.REJECTED, "NotSupported")

    scene(play)


def test_parts_in_any_order_and_twice_make_one_report(scene):
    async def play(site, charger):
        def answer(payload):
            later(send(payload["requestId"]))
            return {"status": "Accepted"}

        async def send(request_id):
            for number, more in ((1, True), (2, False), (1, True), (0, True), (99, True)):
                await charger.call(
                    "NotifyMonitoringReport",
                    {
                        "requestId": request_id if number != 99 else request_id + 1,
                        "seqNo": number,
                        "tbc": more,
                        "generatedAt": instant(),
                        "monitor": [monitor_row(number)],
                    },
                )

        charger.answers["GetMonitoringReport"] = answer
        result = await execute(site, GetMonitoringReport("CP-01"))
        assert [m["monitor_id"] for m in result.answer["monitors"]] == [0, 1, 2]

    scene(play)


def test_a_report_that_never_comes_is_a_time_out_and_a_cut_one_is_said_to_be_so(scene, monkeypatch):
    monkeypatch.setattr(gathering, "FIRST_PART_S", 0.1)
    monkeypatch.setattr(gathering, "NEXT_PART_S", 0.1)

    async def play(site, charger):
        charger.answers["GetMonitoringReport"] = lambda _: {"status": "Accepted"}
        with pytest.raises(CallTimeout):
            await execute(site, GetMonitoringReport("CP-01"))

        def answer(payload):
            part = {
                "requestId": payload["requestId"],
                "seqNo": 0,
                "tbc": True,
                "generatedAt": instant(),
                "monitor": [monitor_row(1)],
            }
            later(charger.call("NotifyMonitoringReport", part))
            return {"status": "Accepted"}

        charger.answers["GetMonitoringReport"] = answer
        result = await execute(site, GetMonitoringReport("CP-01"))
        assert result.answer["complete"] is False

    scene(play)


def test_a_report_nobody_asked_for_is_acknowledged(scene):
    async def play(site, charger):
        answer = await charger.call(
            "NotifyMonitoringReport",
            {"requestId": 5, "seqNo": 0, "generatedAt": instant(), "monitor": [monitor_row(1)]},
        )
        assert answer == {}
        assert (await known(site)).monitors == ()

    scene(play)


# base and level


def test_the_base_of_the_monitors_can_be_chosen(scene):
    """Proves: TC_N_05_CSMS."""

    async def play(site, charger):
        for base in (
            MonitoringBase.ALL,
            MonitoringBase.FACTORY_DEFAULT,
            MonitoringBase.HARD_WIRED_ONLY,
        ):
            result = await execute(site, SetMonitoringBase("CP-01", base))
            assert result.state is CommandState.ACCEPTED
        sent = [call["monitoringBase"] for call in charger.asked_for("SetMonitoringBase")]
        assert sent == ["All", "FactoryDefault", "HardWiredOnly"]

    scene(play)


def test_going_back_to_the_makers_monitors_forgets_ours(scene):
    async def play(site, charger):
        charger.answers["SetVariableMonitoring"] = set_by()
        await execute(site, SetVariableMonitoring("CP-01", (ON_AVAILABILITY,)))
        await execute(site, SetMonitoringBase("CP-01", MonitoringBase.ALL))
        assert len((await known(site)).monitors) == 1
        await execute(site, SetMonitoringBase("CP-01", MonitoringBase.FACTORY_DEFAULT))
        assert (await known(site)).monitors == ()

    scene(play)


@pytest.mark.parametrize("status", ["Accepted", "Rejected"])
def test_the_level_of_the_events_can_be_chosen(scene, status):
    """Proves: TC_N_16_CSMS, TC_N_17_CSMS."""

    async def play(site, charger):
        charger.answers["SetMonitoringLevel"] = lambda _: {"status": status}
        result = await execute(site, SetMonitoringLevel("CP-01", 4))
        assert result.state is CommandState(status.lower())
        assert charger.asked_for("SetMonitoringLevel") == [{"severity": 4}]
        with pytest.raises(InvalidInput):
            await execute(site, SetMonitoringLevel("CP-01", 10))

    scene(play)


def test_a_1_6_station_has_no_monitors(run, tmp_path):
    async def story():
        async with running_site(tmp_path) as site, site.charger() as charger:
            await boot16(charger)
            with pytest.raises(Unsupported):
                await execute(site, SetMonitoringLevel("CP-01", 4))

    run(story())


# ours, after a boot

ABLE = told_variables(
    MonitoringCtrlr_Available="true",
    MonitoringCtrlr_ItemsPerMessage__SetVariableMonitoring="10",
    SampledDataCtrlr_TxUpdatedInterval="10",
)


class Boots:
    """A charger that boots again and again at one site, in virtual time."""

    def __init__(self, run, tmp_path):
        self._run, self._tmp_path = run, tmp_path

    def play(self, *rounds, station_ids=("CP-01",), **answers):
        async def story():
            async with running_site(self._tmp_path, clock=virtual_clock()) as site:
                for station_id in station_ids:
                    for each in rounds:
                        async with site.charger(station_id, version="2.0.1") as charger:
                            charger.answers.update(answers)
                            reporting(charger, [monitor_row(1)])
                            await boot201(charger)
                            await asyncio.sleep(60)
                            await each(site, charger)

        self._run(story(), loop_factory=VirtualLoop)


@pytest.fixture
def boots(run, tmp_path):
    return Boots(run, tmp_path)


def set_variables(charger: Charger) -> list[str]:
    return [
        f"{row['component']['name']}.{row['variable']['name']}"
        for call in charger.asked_for("SetVariableMonitoring")
        for row in call["setMonitoringData"]
    ]


def test_an_able_station_is_given_a_few_monitors_once(boots):
    async def first(site, charger):
        assert sorted(set(set_variables(charger))) == [
            "ChargingStation.Problem",
            "ChargingStation.Temperature",
            "EVSE.Problem",
            "EVSE.Temperature",
        ]
        assert len(charger.asked_for("GetMonitoringReport")) == 1

    async def second(site, charger):
        assert set_variables(charger) == []
        assert len(charger.asked_for("GetMonitoringReport")) == 1, "numbers may have changed"

    boots.play(first, second, GetVariables=ABLE, SetVariableMonitoring=set_by())


def test_what_one_of_a_model_refused_is_not_asked_of_the_next(boots):
    sent = []

    async def note(site, charger):
        sent.append(set_variables(charger))

    def only_problems(payload):
        accept = [row["variable"]["name"] == "Problem" for row in payload["setMonitoringData"]]
        return set_by(lambda index: index + 1 if accept[index] else None)(payload)

    boots.play(
        note,
        station_ids=("CP-01", "CP-02"),
        GetVariables=ABLE,
        SetVariableMonitoring=only_problems,
    )
    assert len(sent[0]) == 6
    assert set(sent[1]) == {"ChargingStation.Problem", "EVSE.Problem"}


def test_a_station_without_monitoring_is_not_asked_at_all(boots):
    async def first(site, charger):
        monitoring = ("SetVariableMonitoring", "GetMonitoringReport")
        assert [action for action, _ in charger.asked if action in monitoring] == []

    boots.play(first, GetVariables=told_variables(SampledDataCtrlr_TxUpdatedInterval="10"))


def test_an_alarm_of_a_monitor_that_is_gone_after_a_restart_is_over(boots):
    async def first(site, charger):
        said = event("EVSE", "Power", "9", variableMonitoringId=77, cleared=False)
        await tell(charger, {**said, "eventNotificationType": "CustomMonitor"})
        assert len(alarms(site)) == 1

    async def second(site, charger):
        await eventually(lambda: alarms(site) == [])

    boots.play(first, second, GetVariables=ABLE, SetVariableMonitoring=set_by())
