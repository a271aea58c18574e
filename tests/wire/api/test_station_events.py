"""Faults, monitors, customers and displays through the API: it arrives as sent, and comes back."""

from datetime import UTC, datetime
from typing import Any

import pytest

from sitecontroller.domain.alarm import AlarmPriority
from sitecontroller.domain.authorization import IdTokenType
from sitecontroller.domain.commands import CommandResult, CommandState
from sitecontroller.domain.customer import CustomerCertificate, CustomerInformation, HashAlgorithm
from sitecontroller.domain.display import (
    ClearDisplayMessage,
    DisplayMessage,
    DisplayMessagesQuery,
    DisplayOutcome,
    DisplayState,
    GetDisplayMessages,
    MessageFormat,
    MessagePriority,
    MessageState,
    MessageText,
    SetDisplayMessage,
    WantedMessage,
)
from sitecontroller.domain.faults import (
    Healing,
    HealingsQuery,
    HealingState,
    HealingStep,
    HealingTry,
)
from sitecontroller.domain.monitoring import (
    ClearVariableMonitoring,
    EventTrigger,
    GetMonitoringReport,
    Monitor,
    MonitoringBase,
    MonitoringCriterion,
    MonitorOrigin,
    MonitorsQuery,
    MonitorType,
    SetMonitoringBase,
    SetMonitoringLevel,
    SetVariableMonitoring,
    StationEvent,
    StationEventsQuery,
    StationMonitors,
    priority_of,
)
from sitecontroller.domain.views import Page
from sitecontroller.routes import COMMANDS, QUERIES, filled
from sitecontroller.wire import from_json
from tests.wire.api.site import FakeSite, api

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
TEXT = MessageText("Hällo", MessageFormat.UTF8, "de")
MONITOR = Monitor("EVSE[1/2].Power@x", MonitorType.DELTA, 1.5, 8, only_in_transactions=True)
CERTIFICATE = CustomerCertificate(HashAlgorithm.SHA384, "aa", "bb", "01")
SAID: list[Any] = [
    SetVariableMonitoring("CP-01", (MONITOR, MONITOR)),
    ClearVariableMonitoring("CP-01", (1, 2)),
    GetMonitoringReport("CP-01"),
    GetMonitoringReport("CP-01", (MonitoringCriterion.DELTA,), ("EVSE[1]",)),
    SetMonitoringBase("CP-01", MonitoringBase.FACTORY_DEFAULT),
    SetMonitoringLevel("CP-01", 4),
    CustomerInformation("CP-01", "why", certificate=CERTIFICATE, clear=True, by="Ann"),
    CustomerInformation("CP-01", "why", "CARD", IdTokenType.CENTRAL, report=False, clear=True),
    SetDisplayMessage(TEXT),
    SetDisplayMessage(
        TEXT, MessagePriority.IN_FRONT, "CP-01", MessageState.IDLE, AT, AT, "T1", (TEXT,), 7
    ),
    ClearDisplayMessage(7),
    ClearDisplayMessage(7, "CP-01"),
    GetDisplayMessages("CP-01", (1,), MessagePriority.IN_FRONT, MessageState.IDLE),
]


@pytest.mark.parametrize("command", SAID, ids=lambda command: type(command).__name__)
def test_a_command_arrives_as_it_was_sent(run: Any, command: Any) -> None:
    site = FakeSite()
    site.answer = CommandResult("C1", CommandState.ACCEPTED)
    route = COMMANDS[type(command)]
    path, body = filled(route.path, command)

    async def request() -> Any:
        async with api(site) as client:
            return await client.request(route.method, path, json=body or None)

    answer = run(request())
    assert answer.status_code == 200, answer.text
    assert site.executed == [(command, None)]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("monitors", {"monitors": [{"variable": "a.b", "type": "Sideways", "value": 1}]}),
        ("monitors", {"monitors": "all"}),
        ("monitors/clear", {"monitor_ids": ["one"]}),
        ("customer-information", {"id_token": "CARD"}),
    ],
)
def test_what_is_no_such_command_is_refused(run: Any, path: str, body: Any) -> None:
    async def request() -> Any:
        async with api(FakeSite()) as client:
            return await client.post(f"/v1/stations/CP-01/{path}", json=body)

    assert run(request()).status_code == 422


HEALING = Healing(
    "H1",
    "CP-01",
    1,
    "reader",
    "ReaderFailure",
    AT,
    HealingState.IN_VAIN,
    (HealingTry(HealingStep.RESET, AT, "refused: Rejected"),),
    AT,
)
EVENT = StationEvent(
    "K",
    "CP-01",
    7,
    AT,
    AT,
    EventTrigger.ALERTING,
    "RCD[1].Tripped",
    "true",
    cleared=False,
    severity=2,
    origin=MonitorOrigin.HARD_WIRED_NOTIFICATION,
    words="residual current",
)
MESSAGE = WantedMessage(
    DisplayMessage(7, TEXT, MessagePriority.ALWAYS_FRONT, ends_at=AT),
    AT,
    None,
    outcomes=(DisplayOutcome("CP-01", DisplayState.NOT_SUPPORTED, "why", AT),),
)
ASKED: list[Any] = [
    (HealingsQuery(50, None, "CP-01"), Page((HEALING,), None)),
    (StationEventsQuery(50, None, "CP-01"), Page((EVENT,), "next")),
    (MonitorsQuery("CP-01"), StationMonitors("CP-01", AT, (MONITOR,))),
    (DisplayMessagesQuery(50, None), Page((MESSAGE,), None)),
]


@pytest.mark.parametrize(("query", "view"), ASKED, ids=lambda each: type(each).__name__)
def test_an_answer_comes_back_whole(run: Any, query: Any, view: Any) -> None:
    class Site(FakeSite):
        async def query(self, asked: Any) -> Any:
            assert asked == query
            return view

    route = QUERIES[type(query)]
    path, parameters = filled(route.path, query)
    given = {name: value for name, value in parameters.items() if value is not None}

    async def request() -> Any:
        async with api(Site()) as client:
            return await client.get(path, params=given)

    answer = run(request())
    assert answer.status_code == 200, answer.text
    assert from_json(route.answer, answer.json()) == view


def test_each_severity_of_ocpp_has_its_priority() -> None:
    high, medium, low = AlarmPriority.HIGH, AlarmPriority.MEDIUM, AlarmPriority.LOW
    told = [priority_of(severity) for severity in range(10)]
    assert told == [high, high, high, high, medium, medium, low, None, None, None]
