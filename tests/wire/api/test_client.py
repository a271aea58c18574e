"""The client says each question in the API's words and reads the answers back whole."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator

import httpx
import pytest

from sitecontroller.api.app import build_api
from sitecontroller.client import ControllerClient
from sitecontroller.domain.authorization import IdTokenType, TokenRecord
from sitecontroller.domain.commands import (
    AcceptStation,
    AcknowledgeAlarm,
    CallStation,
    ChangeAvailability,
    CommandResult,
    CommandState,
    GetVariables,
    RejectStation,
    ResetStation,
    ResetType,
    SetVariable,
    StartTransaction,
    StopTransaction,
    TriggerMessage,
    UnlockConnector,
)
from sitecontroller.domain.errors import (
    CallRefused,
    CallTimeout,
    Conflict,
    ControllerError,
    ControllerUnreachable,
    FieldError,
    InvalidInput,
    NotFound,
    Unauthorized,
    error_classes,
)
from sitecontroller.domain.events import CommandFinished, StationChanged
from sitecontroller.domain.live import ChangesFrame, EventFrame, SnapshotFrame
from sitecontroller.domain.queries import JournalQuery, TransactionsQuery
from sitecontroller.domain.views import Page
from tests.wire.api.site import AT, PDF, TOKEN, TX, URL, FakeSite, journal_entry
from tests.wire.api.test_server import served

NASTY = "../a b?c=d&e#f%2Fä"
STATION = "A*B_C=D:E+F|G@H.I-J"
COMMANDS = [
    StartTransaction(STATION, 2, "04 A/?", 1),
    StopTransaction(TX),
    UnlockConnector(STATION, 2, 3),
    ResetStation(STATION, ResetType.IMMEDIATE),
    ChangeAvailability(STATION, 2, operative=False),
    ChangeAvailability("..", None, operative=True),
    TriggerMessage(STATION, "Heartbeat"),
    TriggerMessage(STATION, "StatusNotification", 2),
    GetVariables(STATION),
    GetVariables(STATION, ("A", "B.C&d=e")),
    SetVariable(STATION, "A", "ä\n"),
    CallStation(STATION, "DataTransfer", {"vendorId": "x", "data": [1, None, "ä"]}),
    AcceptStation(STATION),
    AcceptStation(".", "main"),
    RejectStation(STATION),
    AcknowledgeAlarm(f"station-faulted {NASTY}", "Ann"),
]


@contextlib.asynccontextmanager
async def client_of(site: FakeSite, token: str = TOKEN) -> AsyncIterator[ControllerClient]:
    transport = httpx.ASGITransport(app=build_api(site, TOKEN))
    client = ControllerClient(URL, token, transport=transport)
    try:
        yield client
    finally:
        await client.close()


def asked(run, site, question, token=TOKEN):
    """What `question(client)` comes to."""

    async def ask():
        async with client_of(site, token) as client:
            return await question(client)

    return run(ask())


def test_the_site_comes_back_whole(run):
    site = FakeSite()
    assert asked(run, site, lambda client: client.site()) == site.site


def test_health_is_answered_without_a_token(run):
    health = asked(run, FakeSite(), lambda client: client.health(), token="none")
    assert health["status"] == "ok"


@pytest.mark.parametrize("name", ["stations", "circuits", "meters"])
def test_live_lists_come_back_whole(run, name):
    site = FakeSite()
    views = asked(run, site, lambda client: getattr(client, name)())
    assert views == tuple(getattr(site, name).values())


def test_more_stations_than_a_page_holds_all_come(run):
    site = FakeSite(stations=501)
    assert len(asked(run, site, lambda client: client.stations())) == 501


def test_pages_come_back_whole_with_their_cursor(run):
    site = FakeSite()
    page = asked(run, site, lambda client: client.transactions(7, "x", active=False))
    assert page == Page(tuple(site.transactions.values()), "older")
    assert site.queries == [TransactionsQuery(7, "x", False)]


def test_the_journal_is_asked_in_its_own_words(run):
    site = FakeSite()
    page = asked(run, site, lambda client: client.journal(5, station_id="CP-01", text=NASTY))
    assert page.items == (journal_entry(),)
    assert site.queries == [JournalQuery(5, None, "CP-01", None, NASTY)]


def test_alarms_phase_history_and_receipt_come_back(run):
    site = FakeSite()

    async def ask(client):
        alarms = (await client.alarms()).items
        return alarms, await client.phase_history(), await client.receipt_pdf(TX)

    assert asked(run, site, ask) == (tuple(site.alarms.values()), site.phase_history(), PDF + b"en")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: type(command).__name__)
def test_a_command_arrives_as_it_was_given(run, command):
    site = FakeSite()
    site.answer = CommandResult("C1", CommandState.REJECTED, None, {"status": "Rejected"})
    assert asked(run, site, lambda client: client.execute(command)) == site.answer
    assert [arrived for arrived, _ in site.executed] == [command]


def test_each_command_has_a_key_of_its_own_unless_given_one(run):
    site = FakeSite()

    async def ask(client):
        await client.execute(StopTransaction(TX))
        await client.execute(StopTransaction(TX))
        await client.execute(StopTransaction(TX), idempotency_key="mine")

    asked(run, site, ask)
    first, second, third = (key for _, key in site.executed)
    assert first != second
    assert third == "mine"


def test_a_token_travels_there_and_back(run):
    site = FakeSite()
    tokens = [
        TokenRecord("a/../b ?#%", IdTokenType.LOCAL, "Ann", "PARENT", True, AT, None),
        TokenRecord(".", IdTokenType.E_MAID),
    ]

    async def ask(client):
        for token in tokens:
            await client.put_token(token)
        await client.delete_token("04A1B2C3")
        return (await client.tokens()).items

    assert list(asked(run, site, ask)) == tokens


@pytest.mark.parametrize("code", sorted(set(error_classes()) - {"call-refused"}))
def test_the_controllers_error_is_raised_again(run, code):
    site = FakeSite()
    cls = error_classes()[code]
    site.answer = cls("It rains", remedy="Wait", errors=(FieldError("a", "wet"),))
    with pytest.raises(ControllerError) as caught:
        asked(run, site, lambda client: client.execute(StopTransaction(TX)))
    error = caught.value
    assert type(error) is cls
    assert (error.detail, error.remedy) == ("It rains", "Wait")
    assert error.errors == (FieldError("a", "wet"),)


def test_a_callerror_comes_back_whole(run):
    site = FakeSite()
    site.answer = CallRefused("NotSupported", "No", {"a": 1})
    with pytest.raises(CallRefused) as caught:
        asked(run, site, lambda client: client.call_station("CP-01", "Reset", {}))
    error = caught.value
    assert (error.error_code, error.description, error.details) == ("NotSupported", "No", {"a": 1})


def test_a_raw_call_gives_the_raw_answer(run):
    site = FakeSite()
    site.answer = CommandResult("C1", CommandState.ACCEPTED, answer={"status": "Accepted"})
    answer = asked(run, site, lambda client: client.call_station("CP-01", "Reset", {}))
    assert answer == {"status": "Accepted"}


def test_a_raw_call_without_an_answer_in_time_says_so(run):
    site = FakeSite()
    site.answer = CommandResult("C9", CommandState.SENT)
    with pytest.raises(CallTimeout) as caught:
        asked(run, site, lambda client: client.call_station("CP-01", "Reset", {}))
    assert "C9" in caught.value.remedy


def test_what_is_wrong_with_a_command_is_named(run):
    with pytest.raises(InvalidInput) as caught:
        asked(run, FakeSite(), lambda client: client.execute(StartTransaction("CP-01", 1, "")))
    assert [fault.field for fault in caught.value.errors] == ["id_token"]


def test_a_wrong_token_is_unauthorized(run):
    with pytest.raises(Unauthorized):
        asked(run, FakeSite(), lambda client: client.site(), token="wrong")


@pytest.mark.parametrize(
    ("question", "error"),
    [
        (lambda client: client.transaction("NONE"), NotFound),
        (lambda client: client.command_result("NONE"), NotFound),
        (lambda client: client.receipt_pdf(TX, "xx"), Conflict),
    ],
)
def test_what_can_not_be_had_is_told_apart(run, question, error):
    with pytest.raises(error):
        asked(run, FakeSite(), question)


def test_shutdown_reaches_the_controller(run):
    site = FakeSite()
    asked(run, site, lambda client: client.shutdown())
    assert site.stopping


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'"text"', b"null"])
@pytest.mark.parametrize("status", [200, 500])
def test_what_is_no_controller_is_unreachable(run, status, body):
    async def ask():
        answer = httpx.MockTransport(lambda _request: httpx.Response(status, content=body))
        client = ControllerClient(URL, TOKEN, transport=answer)
        try:
            await client.site()
        finally:
            await client.close()

    with pytest.raises(ControllerUnreachable):
        run(ask())


def test_a_controller_that_is_not_there_is_unreachable_on_both_ways(run):
    async def ask():
        async with served(FakeSite()) as (server, url):
            client = ControllerClient(url, TOKEN)
            await server.stop()
            with pytest.raises(ControllerUnreachable):
                await client.site()
            with pytest.raises(ControllerUnreachable):
                await anext(client.live())
            await client.close()

    run(ask())


def test_nasty_names_travel_over_a_real_port_as_they_are(run):
    site = FakeSite()

    async def ask():
        async with served(site) as (_, url):
            client = ControllerClient(url, TOKEN)
            await client.put_token(TokenRecord(NASTY, IdTokenType.LOCAL))
            await client.execute(ResetStation(".."))
            await client.execute(AcknowledgeAlarm(NASTY, "Ann"))
            await client.close()

    run(ask())
    assert NASTY in site.tokens
    assert [command for command, _ in site.executed] == [
        ResetStation(".."),
        AcknowledgeAlarm(NASTY, "Ann"),
    ]


def test_the_live_feed_comes_as_domain_values(run):
    site = FakeSite()

    async def listen():
        async with served(site) as (_, url):
            client = ControllerClient(url, TOKEN)
            async with contextlib.aclosing(client.live()) as frames, asyncio.timeout(10):
                first = await anext(frames)
                site.rename("CP-01", "North")
                site.publish(StationChanged("CP-01"))
                site.publish(CommandFinished(CommandResult("C1", CommandState.EFFECTIVE)))
                result = [first, await anext(frames), await anext(frames)]
            await client.close()
            return result

    before = site.snapshot()
    first, change, event = run(listen())
    assert isinstance(first, SnapshotFrame)
    assert first.snapshot == before
    assert isinstance(change, ChangesFrame)
    assert change.stations == {"CP-01": site.stations["CP-01"]}
    assert change.site == site.site
    assert isinstance(event, EventFrame)
    assert event.payload["result"]["command_id"] == "C1"


def test_a_live_feed_that_ends_is_unreachable(run):
    async def listen():
        async with served(FakeSite()) as (server, url):
            client = ControllerClient(url, TOKEN)
            frames = client.live()
            await anext(frames)
            await server.stop()
            with pytest.raises(ControllerUnreachable):
                await anext(frames)
            await client.close()

    run(listen())


def test_a_live_feed_with_a_wrong_token_is_unauthorized(run):
    async def listen():
        async with served(FakeSite()) as (_, url):
            client = ControllerClient(url, "wrong")
            with pytest.raises(Unauthorized):
                await anext(client.live())
            await client.close()

    run(listen())


def leave_behind(state_dir, **changes):
    facts = {"pid": os.getpid(), "api_url": URL, "ocpp_url": "ws://x", **changes}
    (state_dir / "controller.json").write_text(json.dumps(facts))
    (state_dir / "api-token").write_text(f"{TOKEN}\n")


def test_a_controller_is_found_by_its_state_directory(run, tmp_path):
    async def ask():
        async with served(FakeSite()) as (_, url):
            leave_behind(tmp_path, api_url=url)
            client = ControllerClient.from_state_dir(tmp_path)
            try:
                return await client.site()
            finally:
                await client.close()

    assert run(ask()) == FakeSite().site


def test_an_empty_state_directory_has_no_controller(tmp_path):
    with pytest.raises(ControllerUnreachable) as caught:
        ControllerClient.from_state_dir(tmp_path)
    assert "sitecontroller run" in caught.value.remedy


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"pid": "x", "api_url": "y"}', '"a"'])
def test_an_unreadable_controller_json_is_no_controller(tmp_path, text):
    leave_behind(tmp_path)
    (tmp_path / "controller.json").write_text(text)
    with pytest.raises(ControllerUnreachable):
        ControllerClient.from_state_dir(tmp_path)


def test_a_dead_controllers_directory_is_told_from_a_live_ones(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    leave_behind(tmp_path, pid=ended.pid)
    with pytest.raises(ControllerUnreachable, match="has ended"):
        ControllerClient.from_state_dir(tmp_path)


def test_a_new_field_of_a_newer_controller_does_no_harm(run):
    async def ask():
        def answer(_request: httpx.Request) -> httpx.Response:
            result = {"command_id": "C1", "state": "accepted", "colour": "blue"}
            return httpx.Response(200, json=result)

        client = ControllerClient(URL, TOKEN, transport=httpx.MockTransport(answer))
        try:
            return await client.execute(StopTransaction(TX))
        finally:
            await client.close()

    assert run(ask()) == CommandResult("C1", CommandState.ACCEPTED)
