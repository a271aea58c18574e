"""A simulated station answers every message that a CSMS of its version can send."""

from typing import Any

import pytest

from sitecontroller.domain.station import OcppVersion
from sitecontroller.ocpp import frames
from tests.simulation.blocks.requests import REQUESTS, SAID_BY_STATIONS
from tests.simulation.csms import bench
from tests.support import eventually

V16, V201, V21 = OcppVersion


@pytest.mark.parametrize("version", list(OcppVersion))
def test_the_requests_are_all_that_a_csms_sends(version: OcppVersion) -> None:
    assert set(REQUESTS[version]) == frames.actions(version) - SAID_BY_STATIONS


@pytest.mark.parametrize(
    ("version", "action"),
    [(version, action) for version in OcppVersion for action in REQUESTS[version]],
)
def test_every_request_gets_an_answer_that_fits(
    run_fast: Any, version: OcppVersion, action: str
) -> None:
    """The bench's CSMS checks the answer, and all that follows it, against the schemas."""

    async def ask() -> None:
        async with bench(version) as it:
            answer = await it.csms.call(action, REQUESTS[version][action])
            assert answer.get("status") not in ("NotSupported", "NotImplemented")

    run_fast(ask())


def triggers(version: OcppVersion, action: str) -> list[tuple[OcppVersion, str, str]]:
    """Every message that a trigger of this version may ask for."""
    known = frames.action(version, action)
    assert known is not None
    schema = known.request_schema
    defined = schema.get("definitions", {}).get("MessageTriggerEnumType", {})
    words = schema["properties"]["requestedMessage"].get("enum") or defined["enum"]
    return [(version, action, word) for word in words if word != "CustomTrigger"]


@pytest.mark.parametrize(
    ("version", "action", "message"),
    [
        *triggers(V16, "TriggerMessage"),
        *triggers(V16, "ExtendedTriggerMessage"),
        *triggers(V201, "TriggerMessage"),
        *triggers(V21, "TriggerMessage"),
    ],
)
def test_every_message_can_be_triggered(
    run_fast: Any, version: OcppVersion, action: str, message: str
) -> None:
    wanted = "SignCertificate" if message.startswith("Sign") else message

    async def trigger() -> None:
        async with bench(version) as it:
            if message == "TransactionEvent":
                await it.charge()
            before = len(it.csms.heard)
            answer = await it.csms.call(action, {"requestedMessage": message})
            assert answer["status"] == "Accepted"
            await eventually(lambda: wanted in [said for said, _ in it.csms.heard[before:]], 30)

    run_fast(trigger())
