"""OCPP 2.0.1: what its stations say to us, and what we say to them, in the domain's words.

Transaction events are taken whatever their schema says: no kWh is lost (Q22).
"""

import asyncio
import re
from datetime import datetime
from typing import Any, ClassVar

from sitecontroller.domain.authorization import Authorization, IdToken, IdTokenType
from sitecontroller.domain.commands import ResetType
from sitecontroller.domain.errors import CallTimeout
from sitecontroller.domain.metering import MeterReading, ReadingContext
from sitecontroller.domain.station import (
    ChargingState,
    ConnectorStatus,
    OcppVersion,
    StationBooted,
    StatusReported,
)
from sitecontroller.domain.transaction import (
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
)
from sitecontroller.ocpp import profiles
from sitecontroller.ocpp.commands import Priority
from sitecontroller.ocpp.dialect import Answer, Inbound
from sitecontroller.ocpp.outbound import ACCEPTED_OR_LATER, OutboundDialect
from sitecontroller.ocpp.profiles import ChargingProfile, Purpose
from sitecontroller.ocpp.setup import Setting, SetUpPlan
from sitecontroller.ocpp.values import id_token, integer, rows, table, text
from sitecontroller.ocpp.variables import BaseReport, variable, variable_name
from sitecontroller.ports import CallAnswer, ChargingLimit

CARD_CHARACTERS_MAX = 36
VARIABLES_PER_REQUEST = 10
"""A station's own limit (DeviceDataCtrlr.ItemsPerMessage) is rarely lower."""
REPORT_WAIT_S = 30.0

_STATUSES = {status.value.casefold(): status for status in ConnectorStatus}
_CHARGING_STATES = {state.value.casefold(): state for state in ChargingState}
_CARD_NUMBER = re.compile(r"(?:[0-9A-Fa-f]{8}|[0-9A-Fa-f]{14}|[0-9A-Fa-f]{20})")

SAMPLE_INTERVAL = "SampledDataCtrlr.TxUpdatedInterval"
SAMPLED_MEASURANDS = (
    "SampledDataCtrlr.TxUpdatedMeasurands",
    "SampledDataCtrlr.TxStartedMeasurands",
    "SampledDataCtrlr.TxEndedMeasurands",
)
HEARTBEAT_INTERVAL = "OCPPCommCtrlr.HeartbeatInterval"


class Station201(OutboundDialect):
    """One connected 2.0.1 station."""

    version = OcppVersion.V201

    # what it says

    async def _boot_notification(self, payload: Answer, received_at: datetime) -> Answer:
        box = table(payload.get("chargingStation"))
        return await self._take_boot(
            StationBooted(
                station_id=self.station_id,
                vendor=text(box.get("vendorName")) or "",
                model=text(box.get("model")) or "",
                serial_number=text(box.get("serialNumber")),
                firmware_version=text(box.get("firmwareVersion")),
                reason=text(payload.get("reason")) or "Unknown",
                received_at=received_at,
            )
        )

    async def _status_notification(self, payload: Answer, received_at: datetime) -> Answer:
        stamp = payload.get("timestamp")
        self._fresh(stamp, received_at)
        said = (text(payload.get("connectorStatus")) or "").casefold()
        await self._report_status(
            StatusReported(
                station_id=self.station_id,
                evse_id=max(0, integer(payload.get("evseId")) or 0),
                connector_id=max(0, integer(payload.get("connectorId")) or 0),
                status=_STATUSES.get(said, ConnectorStatus.UNKNOWN),
                received_at=received_at,
                station_at=self._time(stamp, received_at).at,
            )
        )
        return {}

    async def _authorize(self, payload: Answer, received_at: datetime) -> Answer:
        token = self._token(payload)
        if token is None:
            return {"idTokenInfo": {"status": "Invalid"}}
        verdict = await self._services.authorization.authorize(self.station_id, token)
        return {"idTokenInfo": self._token_info(verdict)}

    async def _transaction_event(self, payload: Answer, received_at: datetime) -> Answer:
        """Started, Updated or Ended; a kind that can't be read counts as Updated."""
        kind = (text(payload.get("eventType")) or "").casefold()
        transaction = table(payload.get("transactionInfo"))
        transaction_id = text(transaction.get("transactionId"))
        evse = table(payload.get("evse"))
        evse_id = integer(evse.get("id"))
        offline = payload.get("offline") is True
        if not offline:
            self._fresh(payload.get("timestamp"), received_at)
        known_evse_id = evse_id or self._evse_of(transaction_id)
        if transaction_id is not None and known_evse_id is not None:
            self._note_transaction(transaction_id, known_evse_id)
        readings = self._read(payload.get("meterValue"), known_evse_id, received_at)
        if not offline:
            await self._measured(known_evse_id, readings, received_at)
        common: dict[str, Any] = {
            "station_id": self.station_id,
            "station_transaction_id": transaction_id,
            "time": self._time(payload.get("timestamp"), received_at),
            "received_at": received_at,
            "connector_id": integer(evse.get("connectorId")),
            "id_token": self._token(payload),
            "seq_no": integer(payload.get("seqNo")),
            "offline": offline,
        }
        verdict: Authorization | None
        if kind == "started":
            common["connector_id"] = common["connector_id"] or 1
            verdict = await self._started(
                common, known_evse_id or self._likeliest_evse_id(), payload, readings
            )
        elif kind == "ended":
            verdict = await self._ended(common, evse_id, transaction, readings)
        else:
            verdict = await self._services.transactions.updated(
                TransactionUpdated(
                    evse_id=evse_id,
                    readings=tuple(readings),
                    charging_state=_charging_state(transaction),
                    trigger_reason=text(payload.get("triggerReason")),
                    remote_start_id=integer(transaction.get("remoteStartId")),
                    **common,
                )
            )
        return await self._with_verdict(payload, common["id_token"], verdict)

    async def _with_verdict(
        self, payload: Answer, token: IdToken | None, verdict: Authorization | None
    ) -> Answer:
        """A token that came with an event is always judged, also in one sent again.

        A button's token has no number to look up; it is accepted (C02.FR.02).
        """
        if not isinstance(payload.get("idToken"), dict):
            return {}
        if token is None:
            by_button = text(payload["idToken"].get("type")) == IdTokenType.NO_AUTHORIZATION
            return {"idTokenInfo": {"status": "Accepted" if by_button else "Invalid"}}
        if verdict is None:
            verdict = await self._services.authorization.authorize(self.station_id, token)
        return {"idTokenInfo": self._token_info(verdict)}

    async def _started(
        self,
        common: dict[str, Any],
        evse_id: int,
        payload: Answer,
        readings: list[MeterReading],
    ) -> Authorization:
        transaction = table(payload.get("transactionInfo"))
        first = next((r for r in readings if r.energy_import_wh is not None), None)
        outcome = await self._services.transactions.started(
            TransactionStarted(
                evse_id=evse_id,
                meter_start_wh=None if first is None else first.energy_import_wh,
                reading=first or next(iter(readings), None),
                charging_state=_charging_state(transaction),
                remote_start_id=integer(transaction.get("remoteStartId")),
                reservation_id=integer(payload.get("reservationId")),
                **common,
            )
        )
        return outcome.authorization

    async def _ended(
        self,
        common: dict[str, Any],
        evse_id: int | None,
        transaction: Answer,
        readings: list[MeterReading],
    ) -> Authorization | None:
        registers = [r for r in readings if r.energy_import_wh is not None]
        at_end = [r for r in registers if r.context is ReadingContext.END] or registers
        return await self._services.transactions.ended(
            TransactionEnded(
                evse_id=evse_id,
                meter_stop_wh=at_end[-1].energy_import_wh if at_end else None,
                readings=tuple(readings),
                stop_reason=text(transaction.get("stoppedReason")) or "Local",
                **common,
            )
        )

    async def _meter_values(self, payload: Answer, received_at: datetime) -> Answer:
        """Outside of transactions: the live view, not billing (Q41)."""
        evse_id = integer(payload.get("evseId"))
        values = payload.get("meterValue")
        stamps = [element.get("timestamp") for element in rows(values, 1000)]
        if stamps:
            self._fresh(stamps[-1], received_at)
        await self._measured(evse_id, self._read(values, evse_id, received_at), received_at)
        return {}

    async def _notify_report(self, payload: Answer, received_at: datetime) -> Answer:
        """Part of the report we asked for; others are acknowledged and left."""
        if self._report is not None:
            self._report.take(payload)
        return {}

    async def _rejected(self, payload: Answer, received_at: datetime) -> Answer:
        return {"status": "Rejected"}

    inbound: ClassVar[dict[str, Inbound]] = {
        "BootNotification": _boot_notification,
        "Heartbeat": OutboundDialect._heartbeat,
        "StatusNotification": _status_notification,
        "Authorize": _authorize,
        "TransactionEvent": _transaction_event,
        "MeterValues": _meter_values,
        "NotifyReport": _notify_report,
        "DataTransfer": OutboundDialect._data_transfer,
        "ClearedChargingLimit": OutboundDialect._noted,
        "FirmwareStatusNotification": OutboundDialect._noted,
        "LogStatusNotification": OutboundDialect._noted,
        "NotifyChargingLimit": OutboundDialect._noted,
        "NotifyCustomerInformation": OutboundDialect._noted,
        "NotifyDisplayMessages": OutboundDialect._noted,
        "NotifyEvent": OutboundDialect._noted,
        "NotifyMonitoringReport": OutboundDialect._noted,
        "PublishFirmwareStatusNotification": OutboundDialect._noted,
        "ReportChargingProfiles": OutboundDialect._noted,
        "ReservationStatusUpdate": OutboundDialect._noted,
        "SecurityEventNotification": OutboundDialect._noted,
        "NotifyEVChargingNeeds": _rejected,
        "NotifyEVChargingSchedule": _rejected,
        "SignCertificate": _rejected,
    }

    def _token(self, payload: Answer) -> IdToken | None:
        said = table(payload.get("idToken"))
        return self._card(id_token(said.get("idToken"), said.get("type")))

    def _token_info(self, verdict: Authorization) -> Answer:
        info: Answer = {"status": verdict.status.value}
        if verdict.expires_at is not None:
            info["cacheExpiryDateTime"] = self._format(verdict.expires_at)
        if verdict.parent_id_token is not None:
            parent = verdict.parent_id_token[:CARD_CHARACTERS_MAX]
            info["groupIdToken"] = {"idToken": parent, "type": "Central"}
        return info

    # what we say

    async def start(
        self, evse_id: int, connector_id: int, id_token: str, remote_start_id: int
    ) -> CallAnswer:
        """Q53: always with the EVSE. A card's number goes as a card's, anything else as ours."""
        card = self._sendable(id_token)
        kind = "ISO14443" if _CARD_NUMBER.fullmatch(card) else "Central"
        return await self._say(
            "RequestStartTransaction",
            {
                "evseId": evse_id,
                "remoteStartId": remote_start_id,
                "idToken": {"idToken": card, "type": kind},
            },
        )

    async def stop(self, station_transaction_id: str) -> CallAnswer:
        """End a transaction by the station's id of it."""
        payload = {"transactionId": station_transaction_id}
        return await self._say("RequestStopTransaction", payload, priority=Priority.STOP)

    async def unlock(self, evse_id: int, connector_id: int) -> CallAnswer:
        """Release the cable."""
        payload = {"evseId": evse_id, "connectorId": connector_id}
        return await self._say("UnlockConnector", payload, accepted=("Unlocked",))

    async def reset(self, reset_type: ResetType) -> CallAnswer:
        """Restart the station."""
        accepted = ("Accepted", "Scheduled")
        return await self._say("Reset", {"type": reset_type.value}, accepted=accepted)

    async def _change_availability(self, evse_id: int | None, *, operative: bool) -> CallAnswer:
        payload: Answer = {"operationalStatus": "Operative" if operative else "Inoperative"}
        if evse_id is not None:
            payload["evse"] = {"id": evse_id}
        return await self._say("ChangeAvailability", payload, accepted=ACCEPTED_OR_LATER)

    async def _trigger(self, message: str, evse_id: int | None, priority: Priority) -> CallAnswer:
        payload: Answer = {"requestedMessage": message}
        if evse_id is not None:
            # F06.FR.12: a StatusNotification is asked for with its connector.
            connector = {"connectorId": 1} if message == "StatusNotification" else {}
            payload["evse"] = {"id": evse_id, **connector}
        return await self._say("TriggerMessage", payload, priority=priority)

    async def poll(self) -> None:
        """One cheap CALL that proves the link lives."""
        await self._get((HEARTBEAT_INTERVAL,), Priority.HOUSEKEEPING)

    async def get_variables(self, names: tuple[str, ...]) -> CallAnswer:
        """Variables by name; none: the whole configuration report, by name."""
        if not names:
            return await self._base_report()
        results = await self._get(names, Priority.ATTENDANT)
        refused = [r for r in results if text(r.get("attributeStatus")) != "Accepted"]
        status = text(refused[0].get("attributeStatus")) if refused else "Accepted"
        accepted = len(refused) < len(results)
        return CallAnswer(accepted, status or "", {"getVariableResult": results})

    async def _get(self, names: tuple[str, ...], priority: Priority) -> list[Answer]:
        results: list[Answer] = []
        for i in range(0, len(names), VARIABLES_PER_REQUEST):
            wanted = [variable(name) for name in names[i : i + VARIABLES_PER_REQUEST]]
            answer = await self._say("GetVariables", {"getVariableData": wanted}, priority=priority)
            results += rows(answer.body.get("getVariableResult"), len(wanted))
        return results

    async def _write(self, name: str, value: str, priority: Priority) -> CallAnswer:
        answer = await self._say(
            "SetVariables",
            {"setVariableData": [{"attributeValue": value, **variable(name)}]},
            priority=priority,
        )
        result = next(iter(rows(answer.body.get("setVariableResult"), 1)), {})
        status = text(result.get("attributeStatus")) or ""
        return CallAnswer(status in ("Accepted", "RebootRequired"), status, answer.body)

    _report: BaseReport | None = None

    async def _base_report(self) -> CallAnswer:
        """GetBaseReport and its NotifyReports; CallTimeout when they don't come."""
        report = BaseReport(1 if self._report is None else self._report.request_id + 1)
        self._report = report
        answer = await self._say(
            "GetBaseReport",
            {"requestId": report.request_id, "reportBase": "ConfigurationInventory"},
        )
        if not answer.accepted:
            return answer
        try:
            async with asyncio.timeout(REPORT_WAIT_S):
                await report.complete.wait()
        except TimeoutError:
            raise CallTimeout(
                f"{self.station_id} didn't report its settings within {REPORT_WAIT_S:g} s",
                remedy="Ask for single settings by name",
            ) from None
        return CallAnswer(True, answer.status, {"variables": report.values})

    # limits

    EVSE_FIELD = "evseId"
    PROFILE_ID_FIELD = "chargingProfileId"
    COMPOSITE_FIELD = "schedule"

    def _lease_purpose(self, limit: ChargingLimit) -> Purpose:
        return Purpose.TX if limit.transaction_id else Purpose.TX_DEFAULT

    def _profile_payload(self, evse_id: int, profile: ChargingProfile) -> Answer:
        return profiles.v201_payload(profile, evse_id, digits=self._quirks.timestamp_digits)

    async def ask_for_missing(self, station_transaction_id: str) -> None:
        """Make the station send what it still holds of a transaction (E14)."""
        await self._say(
            "GetTransactionStatus",
            {"transactionId": station_transaction_id},
            priority=Priority.HOUSEKEEPING,
            key=f"status-{station_transaction_id}",
        )

    # set-up

    def _plan(self) -> SetUpPlan:
        return SetUpPlan(
            sample_interval=SAMPLE_INTERVAL,
            sample_interval_s=self._services.settings.sample_interval_s,
            measurand_lists=SAMPLED_MEASURANDS,
            measurands=self._measurands(),
            probe_measurands=self._quirks.probe_measurands,
        )

    async def read_settings(self, names: tuple[str, ...]) -> dict[str, Setting]:
        """For set-up."""
        settings = {}
        for result in await self._get(names, Priority.HOUSEKEEPING):
            name = variable_name(result)
            if name is not None and text(result.get("attributeStatus")) == "Accepted":
                settings[name] = Setting(text(result.get("attributeValue")))
        return settings


def _charging_state(transaction: Answer) -> ChargingState | None:
    return _CHARGING_STATES.get((text(transaction.get("chargingState")) or "").casefold())
