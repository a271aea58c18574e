"""What of a frame is secret, by name and by value; card numbers and all else stay."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitecontroller.storage import redaction
from sitecontroller.storage.redaction import REDACTED, Redaction

SECRET = "c4n4ry-c4n4ry-c4n4ry"

SECRET_FRAMES: list[Any] = [
    [2, "1", "ChangeConfiguration", {"key": "AuthorizationKey", "value": SECRET}],
    [2, "1", "ChangeConfiguration", {"key": "authorizationkey", "value": SECRET}],
    [3, "1", {"configurationKey": [{"key": "Vendor.Password", "value": SECRET}]}],
    [
        *(2, "1", "SetVariables"),
        {
            "setVariableData": [
                {
                    "attributeValue": SECRET,
                    "component": {"name": "SecurityCtrlr"},
                    "variable": {"name": "BasicAuthPassword"},
                }
            ]
        },
    ],
    [
        *(2, "1", "NotifyReport"),
        {
            "reportData": [
                {
                    "component": {"name": "SecurityCtrlr"},
                    "variable": {"name": "BasicAuthPassword"},
                    "variableAttribute": [{"value": SECRET, "mutability": "WriteOnly"}],
                }
            ]
        },
    ],
    [2, "1", "SetNetworkProfile", {"connectionData": {"apn": {"apnPassword": SECRET}}}],
    [2, "1", "X", {"vpn": {"server": "s", "user": "u", "key": SECRET, "password": SECRET}}],
    [2, "1", "X", {"basicAuthPassword": SECRET, "security_key": SECRET}],
    [2, "1", "X", {"Authorization": f"Basic {SECRET}"}],
    [2, "1", "GetDiagnostics", {"location": f"ftp://user:{SECRET}@host/logs"}],
    [2, "1", "DataTransfer", {"data": f'{{"password": "{SECRET}"}}'}],
    [2, "1", "X", {"pem": f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----"}],
]


@pytest.mark.parametrize("frame", SECRET_FRAMES, ids=lambda frame: json.dumps(frame)[7:60])
def test_a_secret_is_taken_out_of_a_frame(frame: Any) -> None:
    assert SECRET not in Redaction().redacted(json.dumps(frame))


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Basic {SECRET}",
        f"authorization: bearer {SECRET}",
        f'[2,"1","ChangeConfiguration",{{"key":"AuthorizationKey","value":"{SECRET}"',
        f"password={SECRET}&x=1",
    ],
)
def test_a_secret_is_taken_out_of_what_is_no_json(text: str) -> None:
    assert SECRET not in Redaction().redacted(text)


@pytest.mark.parametrize(
    "text",
    [
        '[2,"1","Authorize",{"idTag":"04A1B2C3D4E5F6"}]',
        '[2, "1",  "StatusNotification", {"vendorId": "Basic Charger", "info": "secret door"}]',
        '[2,"1","ChangeConfiguration",{"key":"HeartbeatInterval","value":"300"}]',
        '[3,"1",{"status":"Accepted","password":null,"secret":""}]',
        '[2,"1","GetDiagnostics",{"location":"ftp://host:21/logs"}]',
        "not json at all",
        "",
    ],
)
def test_a_frame_without_a_secret_stays_byte_for_byte(text: str) -> None:
    assert Redaction().redacted(text) == text


def test_a_secret_once_seen_is_taken_out_wherever_it_turns_up() -> None:
    redaction = Redaction()
    redaction.redacted(json.dumps(SECRET_FRAMES[0]))
    assert redaction.redacted(f"x {SECRET} y") == f"x {REDACTED} y"


def test_a_short_secret_does_not_take_out_words() -> None:
    redaction = Redaction()
    assert "Charger" not in redaction.redacted('{"password":"Charger"}')
    assert redaction.redacted("a Charger") == "a Charger"


def test_what_is_remembered_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sitecontroller.storage.redaction.KNOWN_MAX", 2)
    redaction = Redaction()
    secrets = [f"secret-number-{n}" for n in range(3)]
    for secret in secrets:
        redaction.learn(secret)
    assert redaction.redacted(" ".join(secrets)) == f"{secrets[0]} {REDACTED} {REDACTED}"


@pytest.mark.parametrize(
    "text",
    [
        '{"password":' * 900 + "1" + "}" * 900,
        "[" * 1000 + '"password"' + "]" * 1000,
        "password" * 30_000,
        "secret" + " " * 200_000,
        "://" * 80_000 + "@",
        "-----BEGIN PRIVATE KEY-----" * 9_000,
        "a" * 250_000 + "password",
        "authorization" + "\"'\\" * 80_000,
    ],
    ids=["deep", "deep list", "words", "blanks", "urls", "keys", "long word", "quotes"],
)
def test_a_malicious_frame_costs_no_more_than_its_length(text: str) -> None:
    began = time.process_time()
    Redaction().redacted(text)
    assert time.process_time() - began < 5, "linear takes some ms, quadratic a minute"


@given(st.from_regex(redaction._SUSPICIOUS))
def test_the_quick_look_overlooks_nothing_suspicious(text: str) -> None:
    assert any(hint in text.casefold() for hint in redaction._HINTS)
