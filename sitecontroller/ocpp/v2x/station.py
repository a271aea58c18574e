"""OCPP 2.0.1: what its stations say to us, and what we say to them, in the domain's words.

Transaction events are taken whatever their schema says: no kWh is lost (Q22).
"""

import re
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar

from sitecontroller.domain.authorization import Authorization, IdToken, IdTokenType
from sitecontroller.domain.commands import ResetType
from sitecontroller.domain.device import ReportBase
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
from sitecontroller.ocpp import limited_start, profiles
from sitecontroller.ocpp.block import Answer, Inbound, merged
from sitecontroller.ocpp.certificate_words import contract_answer, contract_shown
from sitecontroller.ocpp.commands import Priority
from sitecontroller.ocpp.outbound import ACCEPTED_OR_LATER, OutboundDialect
from sitecontroller.ocpp.profiles import ChargingProfile
from sitecontroller.ocpp.setup import Setting, SetUpPlan, offline_switches
from sitecontroller.ocpp.v2x import (
    certificates,
    costs,
    device,
    display,
    files,
    local_list,
    monitoring,
    reservation,
    security,
    smart,
    transactions,
)
from sitecontroller.ocpp.v2x.gathering import Gatherings, first_request_id
from sitecontroller.ocpp.v2x.reports import Reports
from sitecontroller.ocpp.values import group, id_token, integer, rows, table, text
from sitecontroller.ocpp.variables import variable, variable_name
from sitecontroller.ports import CallAnswer

CARD_CHARACTERS_MAX = 36

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
OFFLINE_VARIABLES = (
    "AuthCtrlr.OfflineTxForUnknownIdEnabled",
    "AuthCtrlr.LocalAuthorizeOffline",
    "AuthCtrlr.LocalPreAuthorize",
)
"""For unknown cards, for known ones, and for those before they are asked for."""

BLOCKS = (
    files.BLOCK,
    security.BLOCK,
    certificates.BLOCK,
    local_list.BLOCK,
    reservation.BLOCK,
    device.BLOCK,
    monitoring.BLOCK,
    display.BLOCK,
    smart.BLOCK,
    transactions.BLOCK,
    costs.BLOCK,
    limited_start.BLOCK,
)


class Station201(OutboundDialect):
    """One connected 2.0.1 station."""

    version = OcppVersion.V201
    blocks = merged(BLOCKS)
    group_characters_max = CARD_CHARACTERS_MAX

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
                station_at=self.time_of(stamp, received_at).at,
            )
        )
        return {}

    async def _authorize(self, payload: Answer, received_at: datetime) -> Answer:
        token = self.token(payload)
        if token is None:
            return {"idTokenInfo": {"status": "Invalid"}}
        contract = contract_shown(payload)
        if contract is not None:
            judged, status = await contract_answer(self, contract, token)
            told = isinstance(judged, Authorization)
            info = self._token_info(judged) if told else {"status": judged.value}
            return {"idTokenInfo": info, "certificateStatus": status}
        verdict = await self.services.authorization.authorize(self.station_id, token)
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
        known_evse_id = evse_id or self.evse_of(transaction_id)
        if transaction_id is not None and known_evse_id is not None:
            self._note_transaction(transaction_id, known_evse_id)
        readings = self.readings_of(payload.get("meterValue"), known_evse_id, received_at)
        if not offline:
            await self.measured(known_evse_id, readings, received_at)
        common: dict[str, Any] = {
            "station_id": self.station_id,
            "station_transaction_id": transaction_id,
            "time": self.time_of(payload.get("timestamp"), received_at),
            "received_at": received_at,
            "connector_id": integer(evse.get("connectorId")),
            "id_token": self.token(payload),
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
            verdict = await self._ended(common, evse_id, payload, readings)
        else:
            verdict = await self.services.transactions.updated(
                TransactionUpdated(
                    evse_id=evse_id,
                    readings=tuple(readings),
                    charging_state=_charging_state(transaction),
                    trigger_reason=text(payload.get("triggerReason")),
                    remote_start_id=integer(transaction.get("remoteStartId")),
                    reservation_id=integer(payload.get("reservationId")),
                    **common,
                )
            )
        answer = await self._with_verdict(payload, common["id_token"], verdict)
        if kind == "ended":
            total = await self.services.blocks.costs.final_total(
                self.station_id, transaction_id, common["time"].at
            )
            if total is not None:
                answer["totalCost"] = float(total.rounded().amount)
        return answer

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
            verdict = await self.services.authorization.authorize(self.station_id, token)
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
        outcome = await self.services.transactions.started(
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
        payload: Answer,
        readings: list[MeterReading],
    ) -> Authorization | None:
        """Only a local stop may leave out its reason (E06.FR.08); Solidstudio leaves out ours."""
        said = text(table(payload.get("transactionInfo")).get("stoppedReason"))
        remotely = text(payload.get("triggerReason")) == "RemoteStop"
        registers = [r for r in readings if r.energy_import_wh is not None]
        at_end = [r for r in registers if r.context is ReadingContext.END] or registers
        return await self.services.transactions.ended(
            TransactionEnded(
                evse_id=evse_id,
                meter_stop_wh=at_end[-1].energy_import_wh if at_end else None,
                readings=tuple(readings),
                stop_reason=said or ("Remote" if remotely else "Local"),
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
        await self.measured(evse_id, self.readings_of(values, evse_id, received_at), received_at)
        return {}

    core: ClassVar[dict[str, Inbound]] = {
        "BootNotification": _boot_notification,
        "Heartbeat": OutboundDialect._heartbeat,
        "StatusNotification": _status_notification,
        "Authorize": _authorize,
        "TransactionEvent": _transaction_event,
        "MeterValues": _meter_values,
        "DataTransfer": OutboundDialect._data_transfer,
    }

    def token(self, payload: Answer) -> IdToken | None:
        said = table(payload.get("idToken"))
        return self.card(id_token(said.get("idToken"), said.get("type")))

    def _token_info(self, verdict: Authorization) -> Answer:
        info: Answer = {"status": verdict.status.value}
        if verdict.expires_at is not None:
            info["cacheExpiryDateTime"] = self.stamp(verdict.expires_at)
        if parent := group(verdict.parent_id_token, self.group_characters_max):
            info["groupIdToken"] = {"idToken": parent, "type": "Central"}
        return info

    # what we say

    async def start(
        self, evse_id: int, connector_id: int, id_token: str, remote_start_id: int
    ) -> CallAnswer:
        """Q53: always with the EVSE."""
        return await self.start_with(evse_id, id_token, remote_start_id, None)

    async def start_with(
        self, evse_id: int, id_token: str, remote_start_id: int, profile: ChargingProfile | None
    ) -> CallAnswer:
        """A card's number goes as a card's, anything else as ours."""
        card = self.sendable(id_token)
        kind = "ISO14443" if _CARD_NUMBER.fullmatch(card) else "Central"
        payload: Answer = {
            "evseId": evse_id,
            "remoteStartId": remote_start_id,
            "idToken": {"idToken": card, "type": kind},
        }
        if profile is not None:
            payload["chargingProfile"] = self._profile_payload(evse_id, profile)["chargingProfile"]
        return await self.say(self.START, payload)

    async def stop(self, station_transaction_id: str, *, urgent: bool = False) -> CallAnswer:
        """End a transaction by the station's id of it."""
        payload = {"transactionId": station_transaction_id}
        priority = Priority.EMERGENCY if urgent else Priority.STOP
        return await self.say("RequestStopTransaction", payload, priority=priority)

    async def unlock(self, evse_id: int, connector_id: int) -> CallAnswer:
        """Release the cable."""
        payload = {"evseId": evse_id, "connectorId": connector_id}
        return await self.say("UnlockConnector", payload, accepted=("Unlocked",))

    async def reset(self, reset_type: ResetType) -> CallAnswer:
        """Restart the station."""
        accepted = ("Accepted", "Scheduled")
        return await self.say("Reset", {"type": reset_type.value}, accepted=accepted)

    async def _change_availability(
        self,
        evse_id: int | None,
        *,
        operative: bool,
        connector_id: int | None = None,
        priority: Priority = Priority.ATTENDANT,
    ) -> CallAnswer:
        payload: Answer = {"operationalStatus": "Operative" if operative else "Inoperative"}
        if evse_id is not None:
            payload["evse"] = {"id": evse_id}
        if evse_id is not None and connector_id is not None:
            payload["evse"]["connectorId"] = connector_id
        return await self.say(
            "ChangeAvailability", payload, accepted=ACCEPTED_OR_LATER, priority=priority
        )

    async def _trigger(self, message: str, evse_id: int | None, priority: Priority) -> CallAnswer:
        payload: Answer = {"requestedMessage": message}
        if evse_id is not None:
            # F06.FR.12: a StatusNotification is asked for with its connector.
            connector = {"connectorId": 1} if message == "StatusNotification" else {}
            payload["evse"] = {"id": evse_id, **connector}
        return await self.say("TriggerMessage", payload, priority=priority)

    async def poll(self) -> None:
        """One cheap CALL that proves the link lives."""
        await self._get((HEARTBEAT_INTERVAL,), Priority.HOUSEKEEPING)

    async def get_variables(self, names: tuple[str, ...]) -> CallAnswer:
        """Variables by name; none: the whole configuration report, by name."""
        if not names:
            answer, reading = await device.report(self, ReportBase.CONFIGURATION)
            told = {} if reading is None else {v.name: v.value for v in reading.variables}
            return CallAnswer(reading is not None, answer.status, {"variables": told})
        results = await self._get(names, Priority.ATTENDANT)
        refused = [r for r in results if text(r.get("attributeStatus")) != "Accepted"]
        status = text(refused[0].get("attributeStatus")) if refused else "Accepted"
        accepted = len(refused) < len(results)
        return CallAnswer(accepted, status or "", {"getVariableResult": results})

    async def _get(self, names: tuple[str, ...], priority: Priority) -> list[Answer]:
        return await device.get_variables(self, names, priority)

    @cached_property
    def reports(self) -> Reports:
        """What it is asked to report, numbered so that no earlier connection's parts fit."""
        return Reports(int(self.services.clock.now().timestamp()) & 0x3FFFFFFF)

    @cached_property
    def gatherings(self) -> Gatherings:
        """Questions that it answers in parts: monitors, display messages, customers."""
        return Gatherings(first_request_id(self.services.clock.now()))

    async def _write(self, name: str, value: str, priority: Priority) -> CallAnswer:
        answer = await self.say(
            "SetVariables",
            {"setVariableData": [{"attributeValue": value, **variable(name)}]},
            priority=priority,
        )
        result = next(iter(rows(answer.body.get("setVariableResult"), 1)), {})
        status = text(result.get("attributeStatus")) or ""
        return CallAnswer(status in ("Accepted", "RebootRequired"), status, answer.body)

    # limits

    START = "RequestStartTransaction"
    EVSE_FIELD = "evseId"
    PROFILE_ID_FIELD = "chargingProfileId"
    COMPOSITE_FIELD = "schedule"

    def _profile_payload(self, evse_id: int, profile: ChargingProfile) -> Answer:
        return profiles.v201_payload(profile, evse_id, digits=self.quirks.timestamp_digits)

    async def ask_for_missing(self, station_transaction_id: str) -> None:
        """Make the station send what it still holds of a transaction (E14)."""
        await self.say(
            "GetTransactionStatus",
            {"transactionId": station_transaction_id},
            priority=Priority.HOUSEKEEPING,
            key=f"status-{station_transaction_id}",
        )

    # set-up

    def _plan(self) -> SetUpPlan:
        return SetUpPlan(
            sample_interval=SAMPLE_INTERVAL,
            sample_interval_s=self.services.settings.sample_interval_s,
            measurand_lists=SAMPLED_MEASURANDS,
            measurands=self._measurands(),
            read_first=(device.ITEMS_TO_GET,),
            also_read=(*device.LIMITS[1:], *monitoring.SETTINGS),
            switches=offline_switches(self.services.settings.offline, OFFLINE_VARIABLES),
            probe_measurands=self.quirks.probe_measurands,
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
