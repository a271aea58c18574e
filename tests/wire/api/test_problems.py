"""Every error is a problem document, and no answer is a fault of ours."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitecontroller.api.app import build_api
from sitecontroller.domain.errors import (
    CallRefused,
    ControllerError,
    FieldError,
    InvalidInput,
    error_classes,
)
from tests.support import run_bounded
from tests.wire.api.site import TOKEN, FakeSite, api, assert_problem, operation_of

START = "/v1/stations/CP-01/evses/1/start"


def send(run, path, site=None, method="POST", **content):
    async def request():
        async with api(site or FakeSite()) as client:
            return await client.request(method, path, **content)

    return run(request())


@pytest.mark.parametrize("code", sorted(set(error_classes()) - {"call-refused"}))
def test_an_error_of_the_controller_keeps_its_code_status_and_words(run, code):
    site = FakeSite()
    cls = error_classes()[code]
    site.answer = cls("It rains", remedy="Wait", errors=(FieldError("a.b", "wet"),))
    problem = assert_problem(send(run, START, site, json={"id_token": "A"}), cls.status, code)
    assert (problem["detail"], problem["remedy"]) == ("It rains", "Wait")
    assert problem["errors"] == [{"field": "a.b", "message": "wet"}]


def test_an_error_that_names_fields_says_at_least_to_correct_them(run):
    site = FakeSite()
    site.answer = InvalidInput("It rains", errors=(FieldError("a.b", "wet"),))
    problem = assert_problem(send(run, START, site, json={"id_token": "A"}), 422, "invalid-input")
    assert problem["remedy"] == "Correct the named fields and send it again"


def test_what_is_wrong_with_a_field_is_said_in_words_for_people(run):
    path = "/v1/stations/CP-01/reservations"
    body = {"id_token": "A", "ends_at": "2026-03-01T12:00:00", "evse": 1}
    problem = assert_problem(send(run, path, json=body), 422, "invalid-input")
    assert problem["errors"] == [
        {"field": "ends_at", "message": "'2026-03-01T12:00:00' names no time zone"},
        {"field": "evse", "message": "This request has no such field"},
    ]


def test_a_callerror_of_the_station_is_passed_on_whole(run):
    site = FakeSite()
    site.answer = CallRefused("NotImplemented", "No such thing", {"hint": 1})
    answer = send(run, "/v1/stations/CP-01/ocpp/Reset", site, json={})
    problem = assert_problem(answer, 502, "call-refused")
    assert problem["error_code"] == "NotImplemented"
    assert problem["description"] == "No such thing"
    assert problem["details"] == {"hint": 1}


def test_a_fault_of_ours_is_logged_and_tells_the_caller_nothing(run, caplog):
    site = FakeSite()
    site.answer = RuntimeError("the inner secret")
    with caplog.at_level(logging.ERROR):
        answer = send(run, START, site, json={"id_token": "A"})
    assert_problem(answer, 500, "internal")
    assert "secret" not in answer.text
    assert "the inner secret" in caplog.text


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "not-found"),
        ("GET", "/", 404, "not-found"),
        ("GET", "/v1/site/", 404, "not-found"),
        ("DELETE", "/v1/site", 405, "invalid-input"),
        ("GET", "/v1/shutdown", 405, "invalid-input"),
        ("OPTIONS", "/v1/site", 405, "invalid-input"),
        ("POST", "/v1/tokens/x", 405, "invalid-input"),
    ],
)
def test_a_wrong_path_or_method_is_a_problem(run, method, path, status, code):
    assert_problem(send(run, path, method=method), status, code)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "id_token"),
        ({"id_token": None}, "id_token"),
        ({"id_token": ""}, "id_token"),
        ({"id_token": "x" * 37}, "id_token"),
        ({"id_token": "a\x00b"}, "id_token"),
        ({"id_token": "A", "connector_id": "1"}, "connector_id"),
        ({"id_token": "A", "connector_id": 0}, "connector_id"),
        ({"id_token": "A", "conector_id": 1}, "conector_id"),
        (["A"], "body"),
    ],
)
def test_a_body_that_does_not_fit_is_told_which_field(run, body, field):
    problem = assert_problem(send(run, START, json=body), 422, "invalid-input")
    assert [fault["field"] for fault in problem["errors"]] == [field]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        b"\xff",
        b'{"id_token": NaN}',
        b'{"id_token": "\\ud800"}',
        b"[" * 100000,
        b'{"id_token": ' + b"9" * 5000 + b"}",
        b"id_token=A",
    ],
)
def test_what_is_no_json_is_refused(run, body):
    headers = {"Content-Type": "application/json"}
    answer = send(run, START, content=body, headers=headers)
    assert_problem(answer, 422, "invalid-input")


def test_json_without_its_content_type_is_refused(run):
    headers = {"Content-Type": "text/plain"}
    answer = send(run, START, content=b'{"id_token": "A"}', headers=headers)
    assert_problem(answer, 422, "invalid-input")


def test_a_bottomless_raw_payload_never_reaches_the_station(run):
    site = FakeSite()
    payload: dict = {}
    for _ in range(40):
        payload = {"a": [payload]}
    answer = send(run, "/v1/stations/CP-01/ocpp/Reset", site, json=payload)
    assert_problem(answer, 422, "invalid-input")
    assert not site.executed


def test_a_problem_names_at_most_twenty_fields(run):
    site = FakeSite()
    site.answer = InvalidInput("Much", errors=tuple(FieldError(str(n), "") for n in range(99)))
    problem = assert_problem(send(run, START, site, json={"id_token": "A"}), 422, "invalid-input")
    assert len(problem["errors"]) == 20


SITE = FakeSite()
APP = build_api(SITE, TOKEN)
"""Of all examples: its routes are looked up anew in each that is built."""
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=40)
    | st.sampled_from(["Immediate", "ISO14443", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59Z"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=12,
)
FIELDS = [
    "id_token",
    "connector_id",
    "operative",
    "type",
    "message",
    "evse_id",
    "circuit_id",
    *("name", "value", "by", "label", "parent_id_token", "blocked", "expires_at"),
    "transactions_max",
]
WRITES = [
    (method.upper(), operation_of(path))
    for path, operations in APP.openapi()["paths"].items()
    for method in operations
    if method != "get"
]


@pytest.mark.slow
@given(
    operation=st.sampled_from(WRITES),
    body=st.dictionaries(st.sampled_from(FIELDS), JSON) | JSON,
    raw=st.none() | st.binary(max_size=60),
)
def test_no_body_whatever_makes_a_fault_of_ours(operation, body, raw):
    async def request():
        method, path = operation
        async with api(SITE, app=APP) as client:
            content = {"json": body} if raw is None else {"content": raw}
            try:
                return await client.request(method, path, **content)
            except ValueError:  # httpx itself can't write NaN
                return None

    answer = run_bounded(request())
    if answer is not None and answer.status_code >= 400:
        assert answer.status_code < 500
        assert_problem(answer, answer.status_code, answer.json()["code"])


@pytest.mark.slow
@given(
    name=st.sampled_from(["stations", "circuits", "transactions", "alarms", "journal", "tokens"]),
    parameters=st.dictionaries(
        st.sampled_from(["limit", "cursor", "active", "text", "station_id"]),
        st.text(max_size=20) | st.integers(),
    ),
)
def test_no_query_whatever_makes_a_fault_of_ours(name, parameters):
    async def request():
        async with api(SITE, app=APP) as client:
            return await client.get(f"/v1/{name}", params=parameters)

    try:
        answer = run_bounded(request())
    except UnicodeEncodeError:
        return  # httpx itself can't write lone surrogates
    assert answer.status_code in (200, 422)


@pytest.mark.slow
@given(path=st.text(max_size=30))
def test_no_path_whatever_makes_a_fault_of_ours(path):
    async def request():
        encoded = "".join(f"%{byte:02X}" for byte in path.encode("utf-8", "surrogatepass"))
        async with api(SITE, app=APP) as client:
            return [
                await client.get(f"/v1/{prefix}{encoded}")
                for prefix in ("", "stations/", "transactions/", "commands/")
            ]

    for answer in run_bounded(request()):
        assert answer.status_code < 500


def test_every_error_class_can_be_told_by_its_code():
    assert all(issubclass(cls, ControllerError) for cls in error_classes().values())
