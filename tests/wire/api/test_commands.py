"""One route a command, and what its answer says."""

import pytest

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
from sitecontroller.domain.errors import StationOffline
from tests.wire.api.site import AT, TX, FakeSite, api, assert_problem

STATION = "/v1/stations/CP-01"
COMMANDS = [
    ("POST", f"{STATION}/evses/2/start", {"id_token": "A"}, StartTransaction("CP-01", 2, "A")),
    ("POST", f"/v1/transactions/{TX}/stop", None, StopTransaction(TX)),
    ("POST", f"{STATION}/evses/2/unlock", None, UnlockConnector("CP-01", 2)),
    ("POST", f"{STATION}/evses/2/unlock", {"connector_id": 3}, UnlockConnector("CP-01", 2, 3)),
    (
        "POST",
        f"{STATION}/evses/2/availability",
        {"operative": False},
        ChangeAvailability("CP-01", 2, operative=False),
    ),
    (
        "POST",
        f"{STATION}/availability",
        {"operative": True},
        ChangeAvailability("CP-01", None, operative=True),
    ),
    ("POST", f"{STATION}/reset", None, ResetStation("CP-01")),
    (
        "POST",
        f"{STATION}/reset",
        {"type": "Immediate"},
        ResetStation("CP-01", ResetType.IMMEDIATE),
    ),
    (
        "POST",
        f"{STATION}/trigger",
        {"message": "Heartbeat", "evse_id": None},
        TriggerMessage("CP-01", "Heartbeat"),
    ),
    ("POST", f"{STATION}/accept", None, AcceptStation("CP-01")),
    ("POST", f"{STATION}/accept", {"circuit_id": "main"}, AcceptStation("CP-01", "main")),
    ("POST", f"{STATION}/reject", None, RejectStation("CP-01")),
    ("GET", f"{STATION}/variables?name=A&name=B.C", None, GetVariables("CP-01", ("A", "B.C"))),
    ("GET", f"{STATION}/variables", None, GetVariables("CP-01")),
    ("PUT", f"{STATION}/variables", {"name": "A", "value": ""}, SetVariable("CP-01", "A", "")),
    (
        "POST",
        "/v1/alarms/station-faulted%20CP-01%2F1/acknowledge",
        {"by": "Ann"},
        AcknowledgeAlarm("station-faulted CP-01/1", "Ann"),
    ),
    (
        "POST",
        f"{STATION}/ocpp/DataTransfer",
        {"vendorId": "x"},
        CallStation("CP-01", "DataTransfer", {"vendorId": "x"}),
    ),
]


def send(run, site, method, path, body=None, key=None):
    async def request():
        headers = {} if key is None else {"Idempotency-Key": key}
        async with api(site) as client:
            return await client.request(method, path, json=body, headers=headers)

    return run(request())


@pytest.mark.parametrize(("method", "path", "body", "command"), COMMANDS)
def test_a_route_is_a_command(run, method, path, body, command):
    site = FakeSite()
    site.answer = CommandResult("C1", CommandState.ACCEPTED, answer={})
    answer = send(run, site, method, path, body)
    assert answer.status_code == 200, answer.text
    assert site.executed == [(command, None)]
    assert answer.headers["command-id"] == "C1"


@pytest.mark.parametrize(
    ("state", "status"),
    [(state, 202 if state is CommandState.SENT else 200) for state in CommandState],
)
def test_a_result_is_told_by_its_state(run, state, status):
    site = FakeSite()
    site.answer = CommandResult("C1", state, "because")
    answer = send(run, site, "POST", f"{STATION}/reset")
    assert answer.status_code == status
    assert answer.json() == {
        "command_id": "C1",
        "state": state.value,
        "reason": "because",
        "answer": None,
    }


def test_an_offline_station_is_a_conflict(run):
    site = FakeSite()
    site.answer = StationOffline("CP-01 is offline")
    assert_problem(send(run, site, "POST", f"{STATION}/reset"), 409, "station-offline")


def test_the_same_idempotency_key_acts_once(run):
    site = FakeSite()
    body = {"id_token": "A"}
    answers = [
        send(run, site, "POST", f"{STATION}/evses/1/start", body, key="k-1").json()
        for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert site.executed == [(StartTransaction("CP-01", 1, "A"), "k-1")]


@pytest.mark.parametrize("key", ["", "x" * 129, "two words"])
def test_an_idempotency_key_is_1_to_128_visible_characters(run, key):
    site = FakeSite()
    answer = send(run, site, "POST", f"{STATION}/reset", key=key)
    problem = assert_problem(answer, 422, "invalid-input")
    assert problem["errors"][0]["field"] == "Idempotency-Key"
    assert not site.executed


def test_a_commands_outcome_is_found_by_its_id(run):
    site = FakeSite()
    site.results["k"] = CommandResult("C7", CommandState.EFFECTIVE)
    assert send(run, site, "GET", "/v1/commands/C7").json()["state"] == "effective"


def test_an_unknown_command_is_not_found(run):
    assert_problem(send(run, FakeSite(), "GET", "/v1/commands/C8"), 404, "not-found")


def test_a_raw_call_gives_the_raw_answer(run):
    site = FakeSite()
    raw = {"status": "Rejected", "customData": {"vendorId": "x", "n": 2**70, "s": "\ud800"}}
    site.answer = CommandResult("C1", CommandState.REJECTED, answer=raw)
    answer = send(run, site, "POST", f"{STATION}/ocpp/Reset", {"type": "Soft"})
    assert answer.json() == raw
    assert answer.headers["command-state"] == "rejected"


def test_a_raw_call_without_an_answer_yet_is_sent(run):
    site = FakeSite()
    site.answer = CommandResult("C1", CommandState.SENT)
    answer = send(run, site, "POST", f"{STATION}/ocpp/Reset", {})
    assert (answer.status_code, answer.json()["state"]) == (202, "sent")


def test_a_raw_call_that_came_to_nothing_is_a_conflict(run):
    site = FakeSite()
    site.answer = CommandResult("C1", CommandState.FAILED, "no such action")
    answer = send(run, site, "POST", f"{STATION}/ocpp/Reset", {})
    assert assert_problem(answer, 409, "conflict")["detail"] == "no such action"


@pytest.mark.parametrize("action", ["Re%20set", "Reset%00", "%2E%2E", "R" * 65])
def test_an_action_is_a_word(run, action):
    site = FakeSite()
    assert_problem(send(run, site, "POST", f"{STATION}/ocpp/{action}", {}), 422, "invalid-input")
    assert not site.executed


def test_an_evse_number_counts_from_1(run):
    for number in ("0", "-1", "1.5", "1000", "9" * 5000):
        answer = send(run, FakeSite(), "POST", f"{STATION}/evses/{number}/unlock")
        assert_problem(answer, 422, "invalid-input")


def test_shutdown_asks_the_controller_to_stop(run):
    site = FakeSite()
    answer = send(run, site, "POST", "/v1/shutdown")
    assert (answer.status_code, answer.json()) == (202, {"state": "stopping"})
    assert site.stopping


def test_a_token_is_kept_as_given_with_its_end_in_utc(run):
    site = FakeSite()
    body = {"type": "eMAID", "label": "Bob", "expires_at": "2026-03-01T13:00:00.123+01:00"}
    answer = send(run, site, "PUT", "/v1/tokens/a%2Fb%20%3F%23", body)
    record = TokenRecord("a/b ?#", IdTokenType.E_MAID, label="Bob", expires_at=AT)
    assert site.tokens["a/b ?#"] == record
    assert answer.json()["expires_at"] == "2026-03-01T12:00:00.123Z"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("expires_at", "2026-03-01T13:00:00"),
        ("expires_at", 1767225600),
        ("expires_at", "0001-01-01T00:00:00+23:59"),
        ("type", "Paper"),
        ("transactions_max", 0),
        ("blocked", "no"),
    ],
)
def test_a_token_that_can_not_be_is_refused(run, field, value):
    site = FakeSite()
    problem = assert_problem(
        send(run, site, "PUT", "/v1/tokens/X", {field: value}), 422, "invalid-input"
    )
    assert [fault["field"] for fault in problem["errors"]] == [field]
    assert "X" not in site.tokens


def test_a_forgotten_token_is_gone(run):
    site = FakeSite()
    assert send(run, site, "DELETE", "/v1/tokens/04A1B2C3").status_code == 204
    assert_problem(send(run, site, "DELETE", "/v1/tokens/04A1B2C3"), 404, "not-found")


def test_tokens_are_listed_whole(run):
    page = send(run, FakeSite(), "GET", "/v1/tokens").json()
    assert [token["id_token"] for token in page["items"]] == ["04A1B2C3"]
