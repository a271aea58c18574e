"""Messages on the display of a simulated 2.x station (block O), one screen for the whole box."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from sitecontroller.simulation.blocks.block import Block, accepted
from sitecontroller.simulation.control import EvseControl, Transaction
from sitecontroller.simulation.settings import FLAG, Setting
from sitecontroller.simulation.uplink import Payload
from sitecontroller.simulation.variables2x import live

if TYPE_CHECKING:
    from sitecontroller.simulation.station import SimulatedStation

MESSAGES_MAX = 20
PER_REPORT = 5
FORMATS = ("ASCII", "UTF8", "URI", "QRCODE")
PRIORITIES = ("AlwaysFront", "InFront", "NormalCycle")
STATES = ("Charging", "Faulted", "Idle", "Unavailable")


class Screen:
    """The messages by their id, and what else is shown: prices and costs by EVSE."""

    def __init__(self) -> None:
        self.messages: dict[int, dict[str, Any]] = {}
        self.texts: dict[int, str] = {}
        """The last text meant for one EVSE's driver."""


def _set(station: SimulatedStation, payload: Payload) -> Payload:
    message = payload["message"]
    messages = station.part(Screen).messages
    transaction = message.get("transactionId")
    if message["message"]["format"] not in FORMATS:
        return {"status": "NotSupportedMessageFormat"}
    if message.get("state", "Idle") not in STATES:
        return {"status": "NotSupportedState"}
    if transaction is not None and station.charging_control(transaction) is None:
        return {"status": "UnknownTransaction"}
    if message["id"] not in messages and len(messages) >= MESSAGES_MAX:
        return accepted(False)
    if message["priority"] == "AlwaysFront":  # there is one such place (O01.FR.07)
        for other in [n for n, m in messages.items() if m["priority"] == "AlwaysFront"]:
            del messages[other]
    messages[message["id"]] = message
    return accepted()


def _get(station: SimulatedStation, payload: Payload) -> Payload:
    wanted = [
        message
        for number, message in station.part(Screen).messages.items()
        if number in payload.get("id", (number,))
        and payload.get("priority") in (None, message["priority"])
        and payload.get("state") in (None, message.get("state"))
    ]
    if not wanted:
        return {"status": "Unknown"}
    parts = [wanted[i : i + PER_REPORT] for i in range(0, len(wanted), PER_REPORT)]
    for number, part in enumerate(parts):
        report = {
            "requestId": payload["requestId"],
            "tbc": number < len(parts) - 1,
            "messageInfo": part,
        }
        station.after_answer(partial(station.say, "NotifyDisplayMessages", report))
    return accepted()


def _clear(station: SimulatedStation, payload: Payload) -> Payload:
    gone = station.part(Screen).messages.pop(payload["id"], None)
    return {"status": "Unknown" if gone is None else "Accepted"}


def _ended(station: SimulatedStation, control: EvseControl, transaction: Transaction) -> None:
    """A message of a transaction goes with it (O02.FR.02)."""
    messages = station.part(Screen).messages
    for number, message in tuple(messages.items()):
        if message.get("transactionId") == transaction.transaction_id:
            del messages[number]


def _every_second(station: SimulatedStation) -> None:
    messages, now = station.part(Screen).messages, station.now()
    for number, message in tuple(messages.items()):
        ends = message.get("endDateTime")
        if ends is not None and _instant(ends) <= now:
            del messages[number]


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _settings(station: SimulatedStation) -> Iterable[Setting]:
    def count() -> str:
        return str(len(station.part(Screen).messages))

    shown = live("DisplayMessageCtrlr.DisplayMessages", count, highest=MESSAGES_MAX)
    shown.data_type = "integer"
    yield shown
    yield Setting("DisplayMessageCtrlr.Available", "true", FLAG, writable=False)
    yield Setting("DisplayMessageCtrlr.Enabled", "true", FLAG)
    for name, words in (
        ("SupportedFormats", FORMATS),
        ("SupportedPriorities", PRIORITIES),
        ("SupportedStates", STATES),
    ):
        said = ",".join(words)
        name = f"DisplayMessageCtrlr.{name}"
        yield Setting(name, said, writable=False, data_type="MemberList", words=words)


BLOCK = Block(
    answers={
        "SetDisplayMessage": _set,
        "GetDisplayMessages": _get,
        "ClearDisplayMessage": _clear,
    },
    hooks={"ended": _ended, "second": _every_second},
    settings=_settings,
)
