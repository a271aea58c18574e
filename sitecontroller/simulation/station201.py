"""A simulated station in the words of OCPP 2.0.1: one TransactionEvent stream per transaction."""

import uuid
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from sitecontroller.domain.station import ChargingState
from sitecontroller.simulation import samples, variables201
from sitecontroller.simulation.control import EndReason, EvseControl, SettingNames, Transaction
from sitecontroller.simulation.profiles import (
    TX,
    ProfileRefused,
    StoredProfile,
    in_unit,
    parse_profile,
)
from sitecontroller.simulation.settings import Settings
from sitecontroller.simulation.station import SimulatedStation
from sitecontroller.simulation.uplink import Payload
from sitecontroller.wire import format_instant

TOKEN_TYPE = "ISO14443"
CONNECTOR_ID = 1

_STOPPED_REASONS = {
    EndReason.SOFT_RESET: "ImmediateReset",
    EndReason.HARD_RESET: "ImmediateReset",
    EndReason.UNLOCKED: "Other",
}
_END_TRIGGERS = {
    EndReason.LOCAL: "StopAuthorized",
    EndReason.REMOTE: "RemoteStop",
    EndReason.EV_DISCONNECTED: "EVCommunicationLost",
    EndReason.DEAUTHORIZED: "Deauthorized",
    EndReason.UNLOCKED: "UnlockCommand",
    EndReason.SOFT_RESET: "ResetCommand",
    EndReason.HARD_RESET: "ResetCommand",
}


class Station201(SimulatedStation):
    """OCPP 2.0.1 without certificates, firmware, displays and local lists."""

    STRICT_STACK = True
    NAMES = SettingNames(
        heartbeat_interval="OCPPCommCtrlr.HeartbeatInterval",
        sample_interval="SampledDataCtrlr.TxUpdatedInterval",
        sampled_data="SampledDataCtrlr.TxUpdatedMeasurands",
        plug_timeout="TxCtrlr.EVConnectionTimeOut",
        authorize_remote="AuthCtrlr.AuthorizeRemoteStart",
        pre_authorize="AuthCtrlr.LocalPreAuthorize",
        authorize_offline="AuthCtrlr.LocalAuthorizeOffline",
        stop_on_invalid="TxCtrlr.StopTxOnInvalidId",
    )

    def factory_settings(self) -> Settings:
        """The device model."""
        plate = self.description
        return variables201.factory_variables(plate.station, plate.vendor, plate.model)

    # What we say

    def boot_notification(self) -> Payload:
        """BootNotificationRequest."""
        plate = self.description
        return {
            "reason": self.boot_reason,
            "chargingStation": {
                "vendorName": plate.vendor[:50],
                "model": plate.model[:20],
                "serialNumber": (plate.serial_number or self.station_id)[:25],
                "firmwareVersion": plate.firmware_version[:50],
            },
        }

    def status_word(self, control: EvseControl) -> str:
        """ConnectorStatusEnumType."""
        return control.status.value

    def send_status(self, control: EvseControl) -> None:
        """StatusNotificationRequest."""
        payload = {
            "timestamp": format_instant(self.now()),
            "connectorStatus": self.status_word(control),
            "evseId": control.evse.evse_id,
            "connectorId": CONNECTOR_ID,
        }
        self.uplink.send("StatusNotification", payload)

    async def ask_authorization(self, id_token: str) -> bool | None:
        """AuthorizeRequest."""
        answer = await self.uplink.ask("Authorize", {"idToken": _token(id_token)})
        return None if answer is None else answer["idTokenInfo"]["status"] == "Accepted"

    def send_started(self, control: EvseControl, transaction: Transaction) -> None:
        """TransactionEvent Started."""
        bits = self.random.getrandbits(128)
        transaction.transaction_id = str(uuid.UUID(int=bits, version=4))
        remote = transaction.remote_start_id
        info = {} if remote is None else {"remoteStartId": remote}

        def answered(answer: Payload | None) -> None:
            token_info = (answer or {}).get("idTokenInfo", {"status": "Accepted"})
            accepted = None if answer is None else token_info["status"] == "Accepted"
            self.agreed(control, transaction, accepted)

        self._send_event(
            control,
            transaction,
            "Started",
            "Authorized" if remote is None else "RemoteStart",
            info=info,
            more={
                "evse": {"id": control.evse.evse_id, "connectorId": CONNECTOR_ID},
                "idToken": _token(transaction.id_token),
            },
            context="Transaction.Begin",
            answered=answered,
        )

    def send_sample(self, control: EvseControl, transaction: Transaction) -> None:
        """TransactionEvent Updated with a periodic sample."""
        trigger, context = "MeterValuePeriodic", "Sample.Periodic"
        self._send_event(control, transaction, "Updated", trigger, context=context)

    def send_state(self, control: EvseControl, transaction: Transaction) -> None:
        """TransactionEvent Updated with the new charging state."""
        self._send_event(control, transaction, "Updated", "ChargingStateChanged")

    def send_ended(
        self,
        control: EvseControl,
        transaction: Transaction,
        reason: EndReason,
        id_token: str | None,
    ) -> None:
        """TransactionEvent Ended."""
        gone = reason is EndReason.EV_DISCONNECTED
        transaction.state = ChargingState.IDLE if gone else ChargingState.EV_CONNECTED
        self._send_event(
            control,
            transaction,
            "Ended",
            _END_TRIGGERS[reason],
            info={"stoppedReason": _STOPPED_REASONS.get(reason, reason.value)},
            more={} if id_token is None else {"idToken": _token(id_token)},
            context="Transaction.End",
        )

    # What we are asked

    def answerers(self) -> Mapping[str, Callable[[Payload], Payload]]:
        """Every action this station answers."""
        return {
            "ChangeAvailability": self._change_availability,
            "ClearCache": self._clear_cache,
            "ClearChargingProfile": self._clear_charging_profile,
            "DataTransfer": lambda _: {"status": "UnknownVendorId"},
            "GetBaseReport": self._get_base_report,
            "GetCompositeSchedule": self._get_composite_schedule,
            "GetTransactionStatus": self._get_transaction_status,
            "GetVariables": lambda payload: variables201.get_variables(self.settings, payload),
            "RequestStartTransaction": self._request_start_transaction,
            "RequestStopTransaction": self._request_stop_transaction,
            "Reset": self._reset,
            "SetChargingProfile": self._set_charging_profile,
            "SetVariables": self._set_variables,
            "TriggerMessage": self._trigger_message,
            "UnlockConnector": self._unlock_connector,
        }

    def _change_availability(self, payload: Payload) -> Payload:
        controls = self._chosen(payload)
        if not controls:
            return {"status": "Rejected"}
        operative = payload["operationalStatus"] == "Operative"
        return {"status": self.set_availability(controls, operative=operative)}

    def _clear_cache(self, payload: Payload) -> Payload:
        self.forget_tokens()
        return {"status": "Accepted"}

    def _set_variables(self, payload: Payload) -> Payload:
        before = self.settings.text(variables201.PASSWORD)
        answer = variables201.set_variables(self.settings, payload)
        password = self.settings.text(variables201.PASSWORD)
        if password != before:
            self.uplink.password = password
        self.uplink.ping_interval_s = self.settings.number(variables201.PING_INTERVAL) or None
        return answer

    def _get_base_report(self, payload: Payload) -> Payload:
        at = format_instant(self.now())
        for report in variables201.reports(self.settings, payload["requestId"], at):
            self.after_answer(partial(self.uplink.send, "NotifyReport", report))
        return {"status": "Accepted"}

    def _get_transaction_status(self, payload: Payload) -> Payload:
        identity = payload.get("transactionId")
        queued = self.uplink.has_lasting()
        if identity is None:
            return {"messagesInQueue": queued}
        running = self.charging_control(identity) is not None
        return {"ongoingIndicator": running, "messagesInQueue": queued}

    def _request_start_transaction(self, payload: Payload) -> Payload:
        evse_id = payload.get("evseId")
        controls = self._chosen({"evse": {"id": evse_id}} if evse_id else {})
        control = next((c for c in controls if c.is_free), None)
        if control is None:
            return {"status": "Rejected"}
        profile = None
        if body := payload.get("chargingProfile"):
            try:
                profile = _profile(body, control.evse.evse_id)
            except ProfileRefused:
                return {"status": "Rejected"}
        id_token, start_id = payload["idToken"]["idToken"], payload["remoteStartId"]
        accepted = self.remote_start(control, id_token, start_id, profile)
        return {"status": "Accepted" if accepted else "Rejected"}

    def _request_stop_transaction(self, payload: Payload) -> Payload:
        control = self.charging_control(payload["transactionId"])
        if control is None:
            return {"status": "Rejected"}
        end = partial(self.end_if, control, control.transaction, EndReason.REMOTE)
        self.after_answer(end)
        return {"status": "Accepted"}

    def _reset(self, payload: Payload) -> Payload:
        if "evseId" in payload:
            return {"status": "Rejected"}
        charging = any(control.transaction for control in self.controls.values())
        if payload["type"] == "OnIdle" and charging:
            self.reset_when_idle()
            return {"status": "Scheduled"}
        self.reset(EndReason.SOFT_RESET)
        return {"status": "Accepted"}

    def _unlock_connector(self, payload: Payload) -> Payload:
        control = self.controls.get(payload["evseId"])
        if control is None or payload["connectorId"] != CONNECTOR_ID:
            return {"status": "UnknownConnector"}
        if control.transaction is not None:
            return {"status": "OngoingAuthorizedTransaction"}
        return {"status": "Unlocked"}

    def _trigger_message(self, payload: Payload) -> Payload:
        controls = self._chosen(payload)
        if not controls:
            return {"status": "Rejected"}
        requested = payload["requestedMessage"]
        if requested == "BootNotification":
            self.after_answer(self.uplink.boot_again)
        elif requested == "Heartbeat":
            self.after_answer(partial(self.uplink.send, "Heartbeat", {}))
        elif requested in ("StatusNotification", "MeterValues", "TransactionEvent"):
            for control in controls:
                self.after_answer(partial(self._send_triggered, requested, control))
        else:
            return {"status": "NotImplemented"}
        return {"status": "Accepted"}

    def _set_charging_profile(self, payload: Payload) -> Payload:
        evse_id = payload["evseId"]
        try:
            profile = _profile(payload["chargingProfile"], evse_id)
            if evse_id not in (0, *self.controls):
                raise ProfileRefused(f"no EVSE {evse_id}")
            if profile.purpose == TX and (
                profile.transaction_id is None
                or self.charging_control(profile.transaction_id) is not self.controls[evse_id]
            ):
                raise ProfileRefused("no such transaction")  # K01.FR.33
            self.keep_profile(profile)
        except ProfileRefused as refused:
            reason = {"reasonCode": "InvalidProfile", "additionalInfo": str(refused)[:512]}
            return {"status": "Rejected", "statusInfo": reason}
        return {"status": "Accepted"}

    def _clear_charging_profile(self, payload: Payload) -> Payload:
        criteria = payload.get("chargingProfileCriteria", {})
        gone = self.clear_profiles(
            profile_id=payload.get("chargingProfileId"),
            evse_id=criteria.get("evseId"),
            purpose=criteria.get("chargingProfilePurpose"),
            stack_level=criteria.get("stackLevel"),
        )
        return {"status": "Accepted" if gone else "Unknown"}

    def _get_composite_schedule(self, payload: Payload) -> Payload:
        control = self.controls.get(payload["evseId"])
        if control is None:
            return {"status": "Rejected"}
        at, duration_s = self.now(), payload["duration"]
        unit = payload.get("chargingRateUnit") or control.evse.limit_unit.value
        steps = self.profiles.composite(control.evse, at, duration_s, self.charging_since(control))
        return {
            "status": "Accepted",
            "schedule": {
                "evseId": control.evse.evse_id,
                "duration": duration_s,
                "scheduleStart": format_instant(at),
                "chargingRateUnit": unit,
                "chargingSchedulePeriod": [
                    {"startPeriod": start_s, "limit": in_unit(limit_a, unit, control.evse)}
                    for start_s, limit_a in steps
                ],
            },
        }

    # Inside

    def _chosen(self, payload: Payload) -> list[EvseControl]:
        """The EVSE of the request, or all without one; none for one we don't have."""
        evse_id = payload.get("evse", {}).get("id", 0)
        if evse_id == 0:
            return list(self.controls.values())
        control = self.controls.get(evse_id)
        return [] if control is None else [control]

    def _send_triggered(self, requested: str, control: EvseControl) -> None:
        transaction = control.transaction
        if requested == "StatusNotification":
            self.send_status(control)
        elif requested == "MeterValues":
            values = self._meter_values(control, "Trigger")
            payload = {"evseId": control.evse.evse_id, "meterValue": values}
            self.uplink.send("MeterValues", payload)
        elif transaction is not None:
            self._send_event(control, transaction, "Updated", "Trigger", context="Trigger")

    def _send_event(
        self,
        control: EvseControl,
        transaction: Transaction,
        event_type: str,
        trigger: str,
        *,
        info: dict[str, Any] | None = None,
        more: dict[str, Any] | None = None,
        context: str | None = None,
        answered: Callable[[Payload | None], None] | None = None,
    ) -> None:
        payload: Payload = {
            "eventType": event_type,
            "timestamp": format_instant(self.now()),
            "triggerReason": trigger,
            "seqNo": transaction.sequence,
            "transactionInfo": {
                "transactionId": transaction.transaction_id,
                "chargingState": transaction.state.value,
                **(info or {}),
            },
            **(more or {}),
        }
        transaction.sequence += 1
        if not self.uplink.online:
            payload["offline"] = True
        if context is not None:
            payload["meterValue"] = self._meter_values(control, context)
        self.uplink.send("TransactionEvent", payload, lasting=True, answered=answered)

    def _meter_values(self, control: EvseControl, context: str) -> list[dict[str, Any]]:
        taken = self.taken_samples(control)
        if context in ("Transaction.Begin", "Transaction.End"):
            taken = [s for s in taken if s.measurand == samples.ENERGY] or [
                samples.Sample(samples.ENERGY, samples.energy_wh(control.outlet))
            ]
        sampled = [
            {
                "value": sample.value,
                "context": context,
                "measurand": sample.measurand,
                "unitOfMeasure": {"unit": sample.unit},
                **({"phase": sample.phase} if sample.phase else {}),
                **({"location": sample.location} if sample.location else {}),
            }
            for sample in taken
        ]
        return [{"timestamp": format_instant(self.now()), "sampledValue": sampled}]


def _token(id_token: str) -> dict[str, Any]:
    return {"idToken": id_token[:36], "type": TOKEN_TYPE}


def _profile(body: dict[str, Any], evse_id: int) -> StoredProfile:
    return parse_profile(body, body["chargingSchedule"][0], evse_id, body["id"])
