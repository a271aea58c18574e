"""Stations of each version that tell the same story in their own words."""

from datetime import datetime, timedelta
from typing import Any, ClassVar, Protocol

from sitecontroller.domain.station import OcppVersion
from sitecontroller.domain.topology import ChargingStation, Evse, LimitUnit, PhaseMap, Supply
from sitecontroller.ocpp.dialects import make_dialect
from sitecontroller.ocpp.times import format_time
from tests.contract.fakes import Office, Reply, ScriptedSession, say

STATION = ChargingStation(
    "CP-1",
    (
        Evse("CP-1", 1, "main", phase_map=PhaseMap.parse("L2L3L1")),
        Evse("CP-1", 2, "main", supply=Supply.DC, limit_unit=LimitUnit.W, efficiency=0.92),
    ),
)
ONE_EVSE = ChargingStation("CP-1", (Evse("CP-1", 1, "main"),))


class Talker(Protocol):
    """One connected station; each method is something it says. Answers come as they are."""

    dialect: Any
    session: ScriptedSession
    office: Office

    async def boot(self, **changed: Any) -> dict[str, Any]: ...
    async def heartbeat(self) -> dict[str, Any]: ...
    async def status(self, evse_id: int, word: str) -> dict[str, Any]: ...
    async def authorize(self, card: str) -> str: ...
    async def start(self, evse_id: int, card: str, register_wh: int) -> str: ...
    async def measure(
        self, evse_id: int, transaction_id: str, register_wh: int, amps: tuple[float, ...]
    ) -> None: ...
    async def stop(self, transaction_id: str, register_wh: int) -> dict[str, Any]: ...


class _Station:
    VERSION: OcppVersion
    ACCEPTING: ClassVar[dict[str, Reply]]

    def __init__(self, office: Office, station: ChargingStation | None = STATION) -> None:
        self.office = office
        office.stations.has_password &= station is not None
        self.session = ScriptedSession(self.VERSION, "CP-1", dict(self.ACCEPTING))
        self.dialect = make_dialect(office.bundle, self.session, station, self.VERSION)

    async def say(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        return await say(self.dialect, self.session, action, payload)

    def stamp(self, ago_s: float = 0.0) -> str:
        at: datetime = self.office.clock.now() - timedelta(seconds=ago_s)
        return format_time(at)


ACCEPTED: dict[str, Any] = {"status": "Accepted"}


class Talker16(_Station):
    VERSION = OcppVersion.V16
    ACCEPTING: ClassVar[dict[str, Reply]] = {
        "RemoteStartTransaction": ACCEPTED,
        "RemoteStopTransaction": ACCEPTED,
        "Reset": ACCEPTED,
        "ChangeAvailability": ACCEPTED,
        "TriggerMessage": ACCEPTED,
        "ChangeConfiguration": ACCEPTED,
        "SetChargingProfile": ACCEPTED,
        "ClearChargingProfile": ACCEPTED,
        "GetCompositeSchedule": ACCEPTED,
        "UnlockConnector": {"status": "Unlocked"},
        "GetConfiguration": {"configurationKey": []},
    }

    async def boot(self, **changed: Any) -> dict[str, Any]:
        payload = {"chargePointVendor": "Maker", "chargePointModel": "Box", **changed}
        return await self.say("BootNotification", payload)

    async def heartbeat(self) -> dict[str, Any]:
        return await self.say("Heartbeat", {})

    async def status(self, evse_id: int, word: str) -> dict[str, Any]:
        payload = {
            "connectorId": evse_id, "errorCode": "NoError", "status": word,
            "timestamp": self.stamp(),
        }  # fmt: skip
        return await self.say("StatusNotification", payload)

    async def plugged(self, evse_id: int) -> None:
        await self.status(evse_id, "Preparing")

    async def authorize(self, card: str) -> str:
        answer = await self.say("Authorize", {"idTag": card})
        return str(answer["idTagInfo"]["status"])

    async def start(self, evse_id: int, card: str, register_wh: int) -> str:
        payload = {
            "connectorId": evse_id, "idTag": card, "meterStart": register_wh,
            "timestamp": self.stamp(),
        }  # fmt: skip
        return str((await self.say("StartTransaction", payload))["transactionId"])

    async def measure(
        self, evse_id: int, transaction_id: str, register_wh: int, amps: tuple[float, ...]
    ) -> None:
        sampled = [{"value": str(register_wh)}] + [
            {"value": str(a), "measurand": "Current.Import", "phase": f"L{n}", "unit": "A"}
            for n, a in enumerate(amps, start=1)
        ]
        await self.say(
            "MeterValues",
            {
                "connectorId": evse_id, "transactionId": int(transaction_id),
                "meterValue": [{"timestamp": self.stamp(), "sampledValue": sampled}],
            },
        )  # fmt: skip

    async def stop(self, transaction_id: str, register_wh: int) -> dict[str, Any]:
        payload = {
            "transactionId": int(transaction_id), "meterStop": register_wh,
            "timestamp": self.stamp(), "reason": "EVDisconnected",
        }  # fmt: skip
        return await self.say("StopTransaction", payload)

    def limit_sent(self) -> dict[str, Any]:
        payload = self.session.last("SetChargingProfile").payload
        return {"evse_id": payload["connectorId"]} | payload["csChargingProfiles"]

    @staticmethod
    def schedule(profile: dict[str, Any]) -> dict[str, Any]:
        schedule: dict[str, Any] = profile["chargingSchedule"]
        return schedule

    @staticmethod
    def composite(limit: float) -> dict[str, Any]:
        periods = [{"startPeriod": 0, "limit": limit}]
        schedule = {"chargingRateUnit": "A", "duration": 900, "chargingSchedulePeriod": periods}
        return {"status": "Accepted", "connectorId": 1, "chargingSchedule": schedule}


class Talker201(_Station):
    VERSION = OcppVersion.V201
    ACCEPTING: ClassVar[dict[str, Reply]] = {
        "RequestStartTransaction": ACCEPTED,
        "RequestStopTransaction": ACCEPTED,
        "Reset": ACCEPTED,
        "ChangeAvailability": ACCEPTED,
        "TriggerMessage": ACCEPTED,
        "SetChargingProfile": ACCEPTED,
        "ClearChargingProfile": ACCEPTED,
        "GetCompositeSchedule": ACCEPTED,
        "GetBaseReport": ACCEPTED,
        "UnlockConnector": {"status": "Unlocked"},
        "GetVariables": lambda payload: {
            "getVariableResult": [
                {"attributeStatus": "UnknownVariable", **wanted}
                for wanted in payload["getVariableData"]
            ]
        },
        "SetVariables": lambda payload: {
            "setVariableResult": [
                {
                    "attributeStatus": "Accepted", "component": wanted["component"],
                    "variable": wanted["variable"],
                }
                for wanted in payload["setVariableData"]
            ]
        },
    }  # fmt: skip

    def __init__(self, office: Office, station: ChargingStation | None = STATION) -> None:
        super().__init__(office, station)
        self.seq_no = -1
        self.cards: dict[str, str] = {}

    async def boot(self, **changed: Any) -> dict[str, Any]:
        box = {"vendorName": "Maker", "model": "Box"}
        payload = {"chargingStation": box, "reason": "PowerUp", **changed}
        return await self.say("BootNotification", payload)

    async def heartbeat(self) -> dict[str, Any]:
        return await self.say("Heartbeat", {})

    async def status(self, evse_id: int, word: str) -> dict[str, Any]:
        payload = {
            "evseId": evse_id, "connectorId": 1, "connectorStatus": word, "timestamp": self.stamp()
        }  # fmt: skip
        return await self.say("StatusNotification", payload)

    async def plugged(self, evse_id: int) -> None:
        await self.status(evse_id, "Occupied")

    async def authorize(self, card: str) -> str:
        answer = await self.say("Authorize", {"idToken": {"idToken": card, "type": "ISO14443"}})
        return str(answer["idTokenInfo"]["status"])

    async def event(
        self, kind: str, transaction_id: str, *, ago_s: float = 0.0, **more: Any
    ) -> dict[str, Any]:
        self.seq_no += 1
        info = {"transactionId": transaction_id, **more.pop("info", {})}
        payload = {
            "eventType": kind, "timestamp": self.stamp(ago_s), "triggerReason": "CablePluggedIn",
            "seqNo": self.seq_no, "transactionInfo": info, **more,
        }  # fmt: skip
        return await self.say("TransactionEvent", payload)

    def sample(self, *sampled: dict[str, Any], ago_s: float = 0.0) -> list[dict[str, Any]]:
        return [{"timestamp": self.stamp(ago_s), "sampledValue": list(sampled)}]

    async def start(self, evse_id: int, card: str, register_wh: int) -> str:
        transaction_id = "TX-ab12"
        await self.event(
            "Started",
            transaction_id,
            evse={"id": evse_id, "connectorId": 1},
            idToken={"idToken": card, "type": "ISO14443"},
            meterValue=self.sample({"value": register_wh, "context": "Transaction.Begin"}),
        )
        return transaction_id

    async def measure(
        self, evse_id: int, transaction_id: str, register_wh: int, amps: tuple[float, ...]
    ) -> None:
        sampled: list[dict[str, Any]] = [{"value": register_wh}] + [
            {"value": a, "measurand": "Current.Import", "phase": f"L{n}"}
            for n, a in enumerate(amps, start=1)
        ]
        await self.event("Updated", transaction_id, meterValue=self.sample(*sampled))

    async def stop(self, transaction_id: str, register_wh: int) -> dict[str, Any]:
        return await self.event(
            "Ended",
            transaction_id,
            info={"stoppedReason": "EVDisconnected"},
            meterValue=self.sample({"value": register_wh, "context": "Transaction.End"}),
        )

    def limit_sent(self) -> dict[str, Any]:
        payload = self.session.last("SetChargingProfile").payload
        return {"evse_id": payload["evseId"]} | payload["chargingProfile"]

    @staticmethod
    def schedule(profile: dict[str, Any]) -> dict[str, Any]:
        (schedule,) = profile["chargingSchedule"]
        found: dict[str, Any] = schedule
        return found

    @staticmethod
    def composite(limit: float) -> dict[str, Any]:
        schedule = {
            "evseId": 1, "duration": 900, "scheduleStart": "2025-06-01T12:00:00Z",
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
        }  # fmt: skip
        return {"status": "Accepted", "schedule": schedule}


class Talker21(Talker201):
    """Tells 2.0.1's story: what 2.1 adds is told on top of it."""

    VERSION = OcppVersion.V21
