"""Monitors, event streams, displays and customers' data of simulated 2.x stations."""

import asyncio
from typing import Any

import pytest

from sitecontroller.domain.station import OcppVersion
from tests.simulation.csms import CARD, Bench, bench

V16, V201, V21 = OcppVersion
of_2x = pytest.mark.parametrize("version", [V201, V21])


def variable(component: str, name: str, evse: int | None = None) -> dict[str, Any]:
    place = {} if evse is None else {"evse": {"id": evse}}
    return {"component": {"name": component, **place}, "variable": {"name": name}}


POWER = variable("EVSE", "Power", 1)


async def monitor(it: Bench, kind: str, value: float, severity: int = 4, **more: Any) -> Any:
    row = {"type": kind, "value": value, "severity": severity, **POWER, **more}
    answer = await it.csms.call("SetVariableMonitoring", {"setMonitoringData": [row]})
    return answer["setMonitoringResult"][0]


def events(it: Bench) -> list[dict[str, Any]]:
    return [row for payload in it.csms.all("NotifyEvent") for row in payload["eventData"]]


@of_2x
def test_a_threshold_is_told_when_crossed_and_when_over(
    run_fast: Any, version: OcppVersion
) -> None:
    async def story() -> Any:
        async with bench(version) as it:
            result = await monitor(it, "UpperThreshold", 5000)
            await it.charge()
            await asyncio.sleep(20)
            await it.station.tap(1, CARD)
            await asyncio.sleep(20)
            return result, events(it)

    result, told = run_fast(story())
    assert result["status"] == "Accepted"
    assert [(e["trigger"], e["cleared"]) for e in told] == [("Alerting", False), ("Alerting", True)]
    assert {e["variableMonitoringId"] for e in told} == {result["id"]}
    assert float(told[0]["actualValue"]) > 5000


@of_2x
def test_deltas_and_periods_are_told(run_fast: Any, version: OcppVersion) -> None:
    async def story() -> Any:
        async with bench(version) as it:
            await monitor(it, "Periodic", 10)
            await asyncio.sleep(35)
            periodic = len(events(it))
            state = variable("EVSE", "AvailabilityState", 1)
            await monitor(it, "Delta", 1, **state)
            it.plug()
            await asyncio.sleep(3)
            delta = [e["actualValue"] for e in events(it) if e["trigger"] == "Delta"]
            return periodic, delta

    assert run_fast(story()) == (3, ["Occupied"])


@of_2x
def test_what_makes_no_sense_is_refused_by_name(run_fast: Any, version: OcppVersion) -> None:
    async def story() -> list[str]:
        async with bench(version) as it:
            said = [
                await monitor(it, "Delta", 1, **variable("Paint", "Colour")),
                await monitor(it, "Delta", 1, **variable("EVSE", "Colour", 1)),
                await monitor(it, "UpperThreshold", 1, **variable("ChargingStation", "Model")),
                await monitor(it, "UpperThreshold", 1, 12),
                await monitor(it, "UpperThreshold", 1),
                await monitor(it, "UpperThreshold", 2),
            ]
            return [row["status"] for row in said]

    assert run_fast(story()) == [
        *("UnknownComponent", "UnknownVariable", "UnsupportedMonitorType"),
        *("Rejected", "Accepted", "Duplicate"),
    ]


@of_2x
def test_monitors_are_reported_and_cleared(run_fast: Any, version: OcppVersion) -> None:
    async def story() -> Any:
        async with bench(version) as it:
            made = await monitor(it, "Delta", 100)
            criteria = {"requestId": 5, "monitoringCriteria": ["DeltaMonitoring"]}
            said = [(await it.csms.call("GetMonitoringReport", criteria))["status"]]
            report = await it.csms.hears("NotifyMonitoringReport")
            gone = await it.csms.call("ClearVariableMonitoring", {"id": [made["id"], 999]})
            said.append((await it.csms.call("GetMonitoringReport", criteria))["status"])
            statuses = [row["status"] for row in gone["clearMonitoringResult"]]
            return said, report["monitor"][0]["variableMonitoring"][0]["value"], statuses

    said, value, statuses = run_fast(story())
    assert said == ["Accepted", "EmptyResultSet"]
    assert value == 100
    assert statuses == ["Accepted", "NotFound"]


@of_2x
def test_only_what_is_important_enough_is_told(run_fast: Any, version: OcppVersion) -> None:
    async def story() -> list[str]:
        async with bench(version) as it:
            await it.csms.call("SetMonitoringLevel", {"severity": 4})
            await monitor(it, "Periodic", 5, severity=5)
            await asyncio.sleep(12)
            it.station.break_down(1, "GroundFailure", "0x17")
            await asyncio.sleep(2)
            it.station.mend(1)
            await asyncio.sleep(2)
            return [(e["actualValue"], e.get("techCode")) for e in events(it)]

    assert run_fast(story()) == [("true", "GroundFailure"), ("false", None)]


@of_2x
def test_the_base_takes_the_csms_own_monitors_away(run_fast: Any, version: OcppVersion) -> None:
    async def report(it: Bench) -> int:
        answer = await it.csms.call("GetMonitoringReport", {"requestId": 1})
        if answer["status"] == "EmptyResultSet":
            return 0
        await asyncio.sleep(1)
        return len(it.csms.all("NotifyMonitoringReport")[-1]["monitor"])

    async def story() -> list[int]:
        async with bench(version) as it:
            await monitor(it, "Periodic", 600)
            counts = [await report(it)]
            for base in ("FactoryDefault", "HardWiredOnly", "All"):
                await it.csms.call("SetMonitoringBase", {"monitoringBase": base})
                counts.append(await report(it))
            return counts

    assert run_fast(story()) == [2, 1, 0, 1]


def test_a_stream_brings_values_without_answers(run_fast: Any) -> None:
    async def story() -> Any:
        async with bench(V21) as it:
            params = {"interval": 20, "values": 4}
            made = await monitor(it, "Periodic", 2, periodicEventStream=params)
            opened = await it.csms.hears("OpenPeriodicEventStream")
            await asyncio.sleep(45)
            sent = list(it.csms.sent)
            number = opened["constantStreamData"]["id"]
            known = await it.csms.call("GetPeriodicEventStream", {})
            slower = {"id": number, "params": {"interval": 100, "values": 100}}
            await it.csms.call("AdjustPeriodicEventStream", slower)
            await asyncio.sleep(40)
            later = len(it.csms.sent) - len(sent)
            await it.csms.call("ClearVariableMonitoring", {"id": [made["id"]]})
            closed = await it.csms.hears("ClosePeriodicEventStream")
            return sent, known, later, closed["id"] == number

    sent, known, later, closed = run_fast(story())
    assert len(sent) == 5
    assert {action for action, _ in sent} == {"NotifyPeriodicEventStream"}
    assert [row["t"] for row in sent[0][1]["data"]] == [0, 2, 4, 6]
    assert known["constantStreamData"][0]["params"] == {"interval": 20, "values": 4}
    assert (later, closed) == (0, True)


@of_2x
def test_messages_on_the_display_come_and_go(run_fast: Any, version: OcppVersion) -> None:
    def message(number: int, **more: Any) -> dict[str, Any]:
        text = {"format": "UTF8", "content": f"message {number}"}
        return {"message": {"id": number, "priority": "NormalCycle", "message": text, **more}}

    async def story() -> Any:
        async with bench(version) as it:
            started = await it.charge()
            running = started["transactionInfo"]["transactionId"]
            for number, more in enumerate(
                (
                    {"priority": "AlwaysFront"},
                    {"priority": "AlwaysFront"},
                    {"transactionId": running},
                    {"endDateTime": "2025-03-03T06:01:30Z"},
                    {"transactionId": "no-such"},
                ),
                start=1,
            ):
                answer = await it.csms.call("SetDisplayMessage", message(number, **more))
            unknown = answer["status"]
            await it.csms.call("GetDisplayMessages", {"requestId": 1})
            first = (await it.csms.hears("NotifyDisplayMessages"))["messageInfo"]
            await asyncio.sleep(100)
            await it.station.tap(1, CARD)
            await asyncio.sleep(2)
            await it.csms.call("GetDisplayMessages", {"requestId": 2})
            second = await it.csms.hears("NotifyDisplayMessages", lambda p: p["requestId"] == 2)
            gone = [(await it.csms.call("ClearDisplayMessage", {"id": 2}))["status"] for _ in "ab"]
            empty = await it.csms.call("GetDisplayMessages", {"requestId": 3})
            numbers = [m["id"] for m in first], [m["id"] for m in second["messageInfo"]]
            return unknown, numbers, gone, empty["status"]

    unknown, numbers, gone, empty = run_fast(story())
    assert unknown == "UnknownTransaction"
    assert numbers == ([2, 3, 4], [2])
    assert (gone, empty) == (["Accepted", "Unknown"], "Unknown")


@of_2x
def test_what_is_known_of_a_customer_is_told_and_forgotten(
    run_fast: Any, version: OcppVersion
) -> None:
    token = {"idToken": CARD, "type": "ISO14443"}

    async def story() -> Any:
        async with bench(version) as it:
            await it.charge()
            answers = []
            for number, clear in ((1, True), (2, False)):
                request = {"requestId": number, "report": True, "clear": clear, "idToken": token}
                await it.csms.call("CustomerInformation", request)
                said = await it.csms.hears(
                    "NotifyCustomerInformation", lambda p, n=number: p["requestId"] == n
                )
                answers.append(said["data"])
            nobody = await it.csms.call(
                "CustomerInformation", {"requestId": 3, "report": True, "clear": False}
            )
            return answers, nobody["status"]

    (first, second), nobody = run_fast(story())
    assert '"cache"' in first
    assert '"cache"' not in second
    assert nobody == "Invalid"
