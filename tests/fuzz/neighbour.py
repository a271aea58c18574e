"""The valid station on the same controller, with a car that charges: it must be served in time, and
its session must end as it told it, whatever the fuzzed one sends meanwhile.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from sitecontroller.domain.station import OcppVersion
from sitecontroller.domain.transaction import Transaction
from tests.fuzz.wire import MemoryWire
from tests.wire.site import instant

CARD = "CARD0003"
EVSE_ID = 2
START_WH, STEP_WH = 1000, 10
READ_EVERY = 20
"""Heartbeats between two meter readings."""


class Neighbour:
    """Boots, begins a session, sends readings, ends it."""

    def __init__(self, version: OcppVersion) -> None:
        self.wire = MemoryWire()
        self._is_16 = version is OcppVersion.V16
        self._meter_wh = START_WH
        self._transaction_id: Any = "neighbour"
        self._seq_no = self._beats = 0

    def boot(self) -> bytes:
        """A BootNotification as any station of this version sends it."""
        payload: dict[str, Any] = (
            {"chargePointVendor": "Fuzz", "chargePointModel": "Box"}
            if self._is_16
            else {"reason": "PowerUp", "chargingStation": {"vendorName": "Fuzz", "model": "Box"}}
        )
        return orjson.dumps([2, "boot", "BootNotification", payload])

    def begin(self) -> None:
        """A card and a car."""
        if self._is_16:
            payload = {"connectorId": EVSE_ID, "idTag": CARD, "meterStart": START_WH}
            self._say("begin", "StartTransaction", payload | {"timestamp": instant()})
        else:
            self._event("begin", "Started", "Authorized")

    def go_on(self, mark: str) -> None:
        """A Heartbeat of that id; a reading now and then."""
        self._beats += 1
        if self._beats == 1 and self._is_16:
            reply = self.wire.answer("begin")
            assert reply is not None
            self._transaction_id = orjson.loads(reply)[2]["transactionId"]
        if self._beats % READ_EVERY == 0:
            self._meter_wh += STEP_WH
            if self._is_16:
                reading = {"connectorId": EVSE_ID, "transactionId": self._transaction_id}
                self._say("read", "MeterValues", reading | {"meterValue": self._reading()})
            else:
                self._event("read", "Updated", "MeterValuePeriodic")
        self._say(mark, "Heartbeat", {})

    def end(self) -> None:
        """The session ends."""
        if self._is_16:
            payload = {"transactionId": self._transaction_id, "meterStop": self._meter_wh}
            self._say("end", "StopTransaction", payload | {"timestamp": instant()})
        else:
            self._event("end", "Ended", "EVDeparted")

    def faults(self, rows: Sequence[Transaction]) -> list[str]:
        """Where what was stored isn't what was told."""
        if len(rows) != 1:
            return [f"the neighbour's one session became {len(rows)}"]
        (row,) = rows
        card = None if row.id_token is None else row.id_token.id_token
        stored = (row.evse_id, card, row.meter_start_wh, row.meter_stop_wh, row.active)
        told = (EVSE_ID, CARD, START_WH, self._meter_wh, False)
        return [] if stored == told else [f"the neighbour told {told}, stored is {stored}"]

    def answer_our_calls(self) -> None:
        """It knows no command, and says so."""
        for frame in self.wire.sent:
            if frame.startswith(b"[2,"):
                message_id = orjson.loads(frame)[1]
                self.wire.on_frame(orjson.dumps([4, message_id, "NotSupported", "", {}]))
        self.wire.sent.clear()

    def _say(self, mark: str, action: str, payload: dict[str, Any]) -> None:
        self.wire.on_frame(orjson.dumps([2, mark, action, payload]))

    def _event(self, mark: str, kind: str, trigger: str) -> None:
        payload = {
            "eventType": kind,
            "timestamp": instant(),
            "triggerReason": trigger,
            "seqNo": self._seq_no,
            "transactionInfo": {"transactionId": self._transaction_id},
            "evse": {"id": EVSE_ID, "connectorId": 1},
            "idToken": {"idToken": CARD, "type": "ISO14443"},
            "meterValue": self._reading(),
        }
        self._seq_no += 1
        self._say(mark, "TransactionEvent", payload)

    def _reading(self) -> list[dict[str, Any]]:
        value: Any = str(self._meter_wh) if self._is_16 else self._meter_wh
        sample = {"value": value, "measurand": "Energy.Active.Import.Register"}
        return [{"timestamp": instant(), "sampledValue": [sample]}]
