"""The device model, network profiles, Plug & Charge and grid services of simulated stations."""

import asyncio
import json
from typing import Any

import pytest

from sitecontroller.domain.station import OcppVersion
from sitecontroller.simulation.blocks import der, pnc
from tests.simulation.csms import CARD, Bench, bench
from tests.support import eventually

V16, V201, V21 = OcppVersion
of_2x = pytest.mark.parametrize("version", [V201, V21])


def variable(name: str, evse: int | None = None, **more: Any) -> dict[str, Any]:
    component, _, known = name.partition(".")
    place = {} if evse is None else {"evse": {"id": evse}}
    return {"component": {"name": component, **place}, "variable": {"name": known}, **more}


async def set_variable(it: Bench, name: str, value: str, evse: int | None = None) -> str:
    row = variable(name, evse, attributeValue=value)
    answer = await it.csms.call("SetVariables", {"setVariableData": [row]})
    return str(answer["setVariableResult"][0]["attributeStatus"])


async def reported(it: Bench, action: str, request: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a report, None of them where the answer says there are none."""
    answer = await it.csms.call(action, request)
    if answer["status"] != "Accepted":
        return []
    number = request["requestId"]
    await it.csms.hears("NotifyReport", lambda p: p["requestId"] == number and not p["tbc"])
    parts = [p for p in it.csms.all("NotifyReport") if p["requestId"] == number]
    return [row for part in parts for row in part["reportData"]]


@of_2x
def test_an_inventory_tells_every_variable_with_its_nature(
    run_fast: Any, version: OcppVersion
) -> None:
    async def story() -> Any:
        async with bench(version) as it:
            full = await reported(
                it, "GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"}
            )
            mine = await reported(
                it, "GetBaseReport", {"requestId": 2, "reportBase": "ConfigurationInventory"}
            )
            return full, mine

    full, mine = run_fast(story())
    assert len(full) > 100
    assert all(row["variableAttribute"][0]["mutability"] != "ReadOnly" for row in mine)
    power = next(
        row
        for row in full
        if (row["component"]["name"], row["variable"]["name"]) == ("EVSE", "Power")
    )
    assert power["variableCharacteristics"] == {
        "dataType": "decimal",
        "unit": "W",
        "maxLimit": 22080,
        "supportsMonitoring": True,
    }


@of_2x
def test_a_report_is_of_what_was_asked_for(run_fast: Any, version: OcppVersion) -> None:
    async def story() -> Any:
        async with bench(version, evses=2) as it:
            every = {"requestId": 1, "componentVariable": [variable("EVSE.Power")]}
            one = {"requestId": 2, "componentVariable": [variable("EVSE.Power", 2)]}
            component = {"requestId": 3, "componentVariable": [{"component": {"name": "TxCtrlr"}}]}
            nothing = {"requestId": 4, "componentVariable": [variable("EVSE.Colour")]}
            return [
                len(await reported(it, "GetReport", request))
                for request in (every, one, component, nothing)
            ]

    every, one, component, nothing = run_fast(story())
    assert (every, one, nothing) == (2, 1, 0)
    assert component >= 5


@of_2x
def test_problems_are_reported_where_there_are_some(run_fast: Any, version: OcppVersion) -> None:
    request: dict[str, Any] = {"requestId": 1, "componentCriteria": ["Problem"]}

    async def story() -> Any:
        async with bench(version) as it:
            before = await reported(it, "GetReport", request)
            it.station.break_down(1, "GroundFailure")
            return before, await reported(it, "GetReport", request | {"requestId": 2})

    before, after = run_fast(story())
    assert before == []
    assert {row["component"]["name"] for row in after} == {"ChargingStation", "EVSE"}


@of_2x
def test_what_is_written_has_its_effect(run_fast: Any, version: OcppVersion) -> None:
    async def story() -> Any:
        async with bench(version) as it:
            said = [
                await set_variable(it, "SampledDataCtrlr.TxUpdatedInterval", "10"),
                await set_variable(it, "SampledDataCtrlr.TxUpdatedMeasurands", "SoC,Voltage"),
                await set_variable(it, "AlignedDataCtrlr.Interval", "900"),
                await set_variable(it, "TxCtrlr.StopTxOnEVSideDisconnect", "false"),
                await set_variable(it, "EVSE.Power", "1", 1),
                await set_variable(it, "OCPPCommCtrlr.HeartbeatInterval", "often"),
            ]
            await it.charge()
            await asyncio.sleep(30)
            it.station.unplug(1)
            await asyncio.sleep(900)
            return said, it.csms.all("TransactionEvent")

    said, events = run_fast(story())
    assert said == ["Accepted"] * 4 + ["Rejected"] * 2
    sampled = [e for e in events if e["triggerReason"] == "MeterValuePeriodic"]
    measurands = {s["measurand"] for s in sampled[0]["meterValue"][0]["sampledValue"]}
    assert measurands == {"Voltage"}
    assert len(sampled) > 80
    assert sum(e["triggerReason"] == "MeterValueClock" for e in events) == 1
    assert not any(e["eventType"] == "Ended" for e in events)


@of_2x
def test_a_session_outlives_its_cable_where_the_settings_say_so(
    run_fast: Any, version: OcppVersion
) -> None:
    async def story() -> Any:
        async with bench(version) as it:
            await set_variable(it, "TxCtrlr.StopTxOnEVSideDisconnect", "false")
            await it.charge()
            it.station.unplug(1)
            await asyncio.sleep(5)
            without = it.outlet.current_a
            it.plug()
            await eventually(lambda: it.outlet.current_a > 5, 30)
            assert await it.station.tap(1, CARD)
            ended = await it.csms.hears("TransactionEvent", lambda p: p["eventType"] == "Ended")
            states = [
                e["transactionInfo"]["chargingState"] for e in it.csms.all("TransactionEvent")
            ]
            return without, ended["transactionInfo"]["stoppedReason"], "Idle" in states

    assert run_fast(story()) == (0, "Local", True)


@of_2x
def test_a_network_profile_is_used_after_a_reboot(run_fast: Any, version: OcppVersion) -> None:
    def network(it: Bench, **more: Any) -> dict[str, Any]:
        return {
            "ocppVersion": "OCPP20",
            "ocppTransport": "JSON",
            "ocppCsmsUrl": f"ws://localhost:{it.csms.port}/new/place",
            "messageTimeout": 30,
            "securityProfile": 1,
            "ocppInterface": "Wired0",
            **more,
        }

    async def story() -> Any:
        async with bench(version) as it:
            said = []
            for slot, more in (
                (9, {}),
                (1, {"ocppCsmsUrl": "http://localhost/"}),
                (1, {"securityProfile": 0}),
                (1, {"ocppCsmsUrl": "ws://localhost:1/dead"}),
                (2, {}),
            ):
                request = {"configurationSlot": slot, "connectionData": network(it, **more)}
                said.append((await it.csms.call("SetNetworkProfile", request))["status"])
            order = "OCPPCommCtrlr.NetworkConfigurationPriority"
            said.append(await set_variable(it, order, "1,2"))
            await it.csms.call("Reset", {"type": "Immediate"})
            await eventually(lambda: it.csms.connections == 2, 300)
            await eventually(lambda: it.station.uplink.online, 60)
            active = variable("OCPPCommCtrlr.ActiveNetworkProfile")
            known = await it.csms.call("GetVariables", {"getVariableData": [active]})
            return said, it.csms.paths[1], known["getVariableResult"][0]["attributeValue"]

    said, path, active = run_fast(story())
    assert said == ["Rejected"] * 3 + ["Accepted"] * 2 + ["RebootRequired"]
    assert (path, active) == ("/new/place/CP-1", "2")


@pytest.mark.parametrize("version", list(OcppVersion))
def test_a_car_identifies_itself_by_its_contract(run_fast: Any, version: OcppVersion) -> None:
    emaid = "DE*ABC*C12345678"

    def transfer(payload: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = {"idTokenInfo": {"status": "Accepted"}}
        if payload["messageId"] == "Get15118EVCertificate":
            answer = {"status": "Accepted", "exiResponse": "e2"}
        return {"status": "Accepted", "data": json.dumps(answer)}

    async def story() -> Any:
        async with bench(version) as it:
            it.csms.answers["DataTransfer"] = transfer
            it.csms.answers["Get15118EVCertificate"] = lambda _: {
                "status": "Accepted",
                "exiResponse": "e2",
            }
            it.plug()
            contract = await pnc.fetch_contract(it.station, "e1")
            assert await pnc.plug_and_charge(it.station, 1, emaid)
            await eventually(lambda: it.outlet.current_a > 5, 30)
            return contract, it.csms.heard

    contract, heard = run_fast(story())
    assert contract == {"status": "Accepted", "exiResponse": "e2"}
    if version is V16:
        asked = [p for a, p in heard if a == "DataTransfer"]
        assert [p["messageId"] for p in asked] == ["Get15118EVCertificate", "Authorize"]
        assert json.loads(asked[1]["data"])["idToken"]["idToken"] == emaid
    else:
        (asked,) = (p for a, p in heard if a == "Authorize")
        assert asked["idToken"] == {"idToken": emaid, "type": "eMAID"}
        started = next(p for a, p in heard if a == "TransactionEvent")
        assert started["idToken"]["type"] == "eMAID"


def test_plug_and_charge_of_16_is_asked_in_an_envelope(run_fast: Any) -> None:
    async def story() -> Any:
        async with bench(V16) as it:
            vendor = {"vendorId": "org.openchargealliance.iso15118pnc"}
            listed = {"messageId": "GetInstalledCertificateIds", "data": "{}"}
            strange = {"messageId": "MakeCoffee"}
            return [
                await it.csms.call("DataTransfer", vendor | request)
                for request in (listed, strange)
            ]

    listed, strange = run_fast(story())
    assert json.loads(listed["data"]) == {"status": "NotFound"}
    assert strange == {"status": "UnknownMessageId"}


def test_grid_controls_are_kept_superseded_and_cleared(run_fast: Any) -> None:
    def gradient(number: str, priority: int) -> dict[str, Any]:
        content = {"priority": priority, "gradient": 1.0, "softGradient": 2.0}
        kind = {"controlType": "Gradients", "isDefault": False, "gradient": content}
        return {"controlId": number, **kind}

    async def story() -> Any:
        async with bench(V21) as it:
            await it.csms.call("SetDERControl", gradient("a", 2))
            second = await it.csms.call("SetDERControl", gradient("b", 1))
            curve = {"priority": 1, "yUnit": "PctMaxW", "curveData": [{"x": 1, "y": 2}]}
            volts = {"controlId": "c", "controlType": "VoltWatt", "isDefault": True, "curve": curve}
            await it.csms.call("SetDERControl", volts)
            trip = {**volts, "controlType": "HVMustTrip"}
            unknown = (await it.csms.call("SetDERControl", trip))["status"]
            await it.csms.call("GetDERControl", {"requestId": 1})
            await eventually(lambda: len(it.csms.all("ReportDERControl")) == 3, 10)
            cleared = {"isDefault": False}
            gone = [(await it.csms.call("ClearDERControl", cleared))["status"] for _ in "ab"]
            der.grid_fault(it.station, over=False)
            await it.csms.hears("NotifyDERAlarm")
            return second, unknown, gone

    second, unknown, gone = run_fast(story())
    assert second == {"status": "Accepted", "supersededIds": ["a"]}
    assert unknown == "NotSupported"
    assert gone == ["Accepted", "NotFound"]
