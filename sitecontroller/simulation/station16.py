"""A simulated station in the words of OCPP 1.6J: connector n is EVSE n, connector 0 the box."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from sitecontroller.domain.ids import fold
from sitecontroller.domain.station import ChargingState
from sitecontroller.ocpp.frames import CallFault
from sitecontroller.simulation import samples
from sitecontroller.simulation.control import EndReason, EvseControl, SettingNames, Transaction
from sitecontroller.simulation.profiles import (
    PERIODS_MAX,
    PROFILES_MAX,
    STACK_LEVEL_MAX,
    TX,
    ProfileRefused,
    in_unit,
    parse_profile,
)
from sitecontroller.simulation.settings import (
    FLAG,
    WHOLE_NUMBER,
    SetOutcome,
    Setting,
    Settings,
)
from sitecontroller.simulation.station import SimulatedStation
from sitecontroller.simulation.uplink import Payload
from sitecontroller.wire import format_instant

KEYS_MAX = 50
TEXT_IDS_MAX = 20

_STATE_WORDS = {
    ChargingState.CHARGING: "Charging",
    ChargingState.SUSPENDED_EV: "SuspendedEV",
    ChargingState.SUSPENDED_EVSE: "SuspendedEVSE",
}
_SET_WORDS = {
    SetOutcome.ACCEPTED: "Accepted",
    SetOutcome.REJECTED: "Rejected",
    SetOutcome.READ_ONLY: "Rejected",
    SetOutcome.UNKNOWN: "NotSupported",
}


class Station16(SimulatedStation):
    """OCPP 1.6J: Core, SmartCharging and RemoteTrigger."""

    STRICT_STACK = False
    NAMES = SettingNames(
        heartbeat_interval="HeartbeatInterval",
        sample_interval="MeterValueSampleInterval",
        sampled_data="MeterValuesSampledData",
        plug_timeout="ConnectionTimeOut",
        authorize_remote="AuthorizeRemoteTxRequests",
        pre_authorize="LocalPreAuthorize",
        authorize_offline="LocalAuthorizeOffline",
        stop_on_invalid="StopTransactionOnInvalidId",
    )

    def factory_settings(self) -> Settings:
        """The configuration keys of OCPP 1.6 chapter 9 that this station has."""
        evses = self.description.station.evses
        unit = "Power" if evses[0].limit_unit.value == "W" else "Current"
        rotation = ",".join(f"{evse.evse_id}.NotApplicable" for evse in evses)
        fixed = {
            "NumberOfConnectors": str(len(evses)),
            "SupportedFeatureProfiles": "Core,SmartCharging,RemoteTrigger",
            "ChargeProfileMaxStackLevel": str(STACK_LEVEL_MAX),
            "ChargingScheduleAllowedChargingRateUnit": unit,
            "ChargingScheduleMaxPeriods": str(PERIODS_MAX),
            "MaxChargingProfilesInstalled": str(PROFILES_MAX),
            "GetConfigurationMaxKeys": str(KEYS_MAX),
        }
        return Settings(
            Setting("HeartbeatInterval", "300", WHOLE_NUMBER),
            Setting("MeterValueSampleInterval", "60", WHOLE_NUMBER),
            Setting(
                "MeterValuesSampledData",
                ",".join(samples.DEFAULT_MEASURANDS),
                samples.MEASURAND_LIST,
            ),
            Setting("ConnectionTimeOut", "120", WHOLE_NUMBER),
            Setting("WebSocketPingInterval", "0", WHOLE_NUMBER),
            Setting("ClockAlignedDataInterval", "0", WHOLE_NUMBER),
            Setting("AuthorizeRemoteTxRequests", "false", FLAG),
            Setting("LocalPreAuthorize", "false", FLAG),
            Setting("LocalAuthorizeOffline", "false", FLAG),
            Setting("AllowOfflineTxForUnknownId", "false", FLAG),
            Setting("StopTransactionOnInvalidId", "true", FLAG),
            Setting("StopTransactionOnEVSideDisconnect", "true", FLAG),
            Setting("UnlockConnectorOnEVSideDisconnect", "true", FLAG),
            Setting("TransactionMessageAttempts", "3", WHOLE_NUMBER),
            Setting("TransactionMessageRetryInterval", "10", WHOLE_NUMBER),
            Setting("ConnectorPhaseRotation", rotation),
            Setting("AuthorizationKey", "", r".{16,40}", readable=False),
            *(Setting(name, value, writable=False) for name, value in fixed.items()),
        )

    # What we say

    def boot_notification(self) -> Payload:
        """BootNotification.req."""
        plate = self.description
        return {
            "chargePointVendor": plate.vendor[:20],
            "chargePointModel": plate.model[:20],
            "chargePointSerialNumber": (plate.serial_number or self.station_id)[:25],
            "firmwareVersion": plate.firmware_version[:50],
        }

    def status_word(self, control: EvseControl) -> str:
        """ChargePointStatus."""
        if not control.operative:
            return "Unavailable"
        if control.transaction is not None:
            return _STATE_WORDS.get(control.transaction.state, "Preparing")
        if control.outlet.car is not None:
            return "Finishing" if control.finishing else "Preparing"
        return "Preparing" if control.waiting is not None else "Available"

    def send_status(self, control: EvseControl) -> None:
        """StatusNotification.req of one connector."""
        self._send_status(control.evse.evse_id, self.status_word(control))

    def booted(self, answer: Payload, *, afresh: bool) -> None:
        """Connector 0 too tells its status."""
        self._send_status(0, "Available")
        super().booted(answer, afresh=afresh)

    async def ask_authorization(self, id_token: str) -> bool | None:
        """Authorize.req."""
        answer = await self.uplink.ask("Authorize", {"idTag": id_token[:TEXT_IDS_MAX]})
        return None if answer is None else answer["idTagInfo"]["status"] == "Accepted"

    def send_started(self, control: EvseControl, transaction: Transaction) -> None:
        """StartTransaction.req; its answer names the transaction."""

        def answered(answer: Payload | None) -> None:
            accepted = None
            if answer is not None:
                transaction.transaction_id = str(answer["transactionId"])
                accepted = answer["idTagInfo"]["status"] == "Accepted"
            self.agreed(control, transaction, accepted)

        payload = {
            "connectorId": control.evse.evse_id,
            "idTag": transaction.id_token[:TEXT_IDS_MAX],
            "meterStart": samples.energy_wh(control.outlet),
            "timestamp": format_instant(transaction.started_at),
        }
        self.uplink.send("StartTransaction", payload, lasting=True, answered=answered)

    def send_sample(self, control: EvseControl, transaction: Transaction) -> None:
        """MeterValues.req within the transaction."""
        value = self._meter_value(control, "Sample.Periodic")

        def payload() -> Payload:
            identity = transaction.transaction_id
            return {
                "connectorId": control.evse.evse_id,
                **({} if identity is None else {"transactionId": int(identity)}),
                "meterValue": [value],
            }

        self.uplink.send("MeterValues", payload, lasting=True)

    def send_state(self, control: EvseControl, transaction: Transaction) -> None:
        """Nothing of its own: the connector's status says it."""

    def send_ended(
        self,
        control: EvseControl,
        transaction: Transaction,
        reason: EndReason,
        id_token: str | None,
    ) -> None:
        """StopTransaction.req; −1 where no start was ever answered."""
        ending: dict[str, Any] = {
            "meterStop": samples.energy_wh(control.outlet),
            "timestamp": format_instant(self.now()),
            "reason": reason.value,
        }
        if id_token is not None:
            ending["idTag"] = id_token[:TEXT_IDS_MAX]

        def payload() -> Payload:
            return {"transactionId": int(transaction.transaction_id or -1), **ending}

        self.uplink.send("StopTransaction", payload, lasting=True)

    # What we are asked

    def answerers(self) -> Mapping[str, Callable[[Payload], Payload]]:
        """Every action this station answers."""
        return {
            "ChangeAvailability": self._change_availability,
            "ChangeConfiguration": self._change_configuration,
            "ClearCache": self._clear_cache,
            "ClearChargingProfile": self._clear_charging_profile,
            "DataTransfer": lambda _: {"status": "UnknownVendorId"},
            "GetCompositeSchedule": self._get_composite_schedule,
            "GetConfiguration": self._get_configuration,
            "RemoteStartTransaction": self._remote_start_transaction,
            "RemoteStopTransaction": self._remote_stop_transaction,
            "Reset": self._reset,
            "SetChargingProfile": self._set_charging_profile,
            "TriggerMessage": self._trigger_message,
            "UnlockConnector": self._unlock_connector,
        }

    def _change_availability(self, payload: Payload) -> Payload:
        controls = self._chosen(payload["connectorId"])
        if not controls:
            return {"status": "Rejected"}
        operative = payload["type"] == "Operative"
        return {"status": self.set_availability(controls, operative=operative)}

    def _change_configuration(self, payload: Payload) -> Payload:
        outcome = self.settings.set(payload["key"], payload["value"])
        if outcome is SetOutcome.ACCEPTED and fold(payload["key"]) == "authorizationkey":
            self.uplink.password = payload["value"]
        self.after_answer(self._settings_changed)
        return {"status": _SET_WORDS[outcome]}

    def _settings_changed(self) -> None:
        self.uplink.ping_interval_s = self.settings.number("WebSocketPingInterval") or None

    def _clear_cache(self, payload: Payload) -> Payload:
        self.forget_tokens()
        return {"status": "Accepted"}

    def _get_configuration(self, payload: Payload) -> Payload:
        names = payload.get("key") or []
        if len(names) > KEYS_MAX:
            raise CallFault("OccurrenceConstraintViolation", f"more than {KEYS_MAX} keys")
        wanted = [s for n in names if (s := self.settings.get(n))] or list(self.settings)
        known = [] if names and not any(map(self.settings.get, names)) else wanted
        return {
            "configurationKey": [
                {
                    "key": setting.name,
                    "readonly": not setting.writable,
                    **({"value": setting.value} if setting.readable else {}),
                }
                for setting in known
            ],
            "unknownKey": [name for name in names if self.settings.get(name) is None],
        }

    def _remote_start_transaction(self, payload: Payload) -> Payload:
        number = payload.get("connectorId")
        controls = self._chosen(number or 0)
        control = next((c for c in controls if c.is_free), None)
        if control is None:
            return {"status": "Rejected"}
        profile = None
        if body := payload.get("chargingProfile"):
            try:
                profile = self._profile(body, control.evse.evse_id)
            except ProfileRefused:
                return {"status": "Rejected"}
        accepted = self.remote_start(control, payload["idTag"], None, profile)
        return {"status": "Accepted" if accepted else "Rejected"}

    def _remote_stop_transaction(self, payload: Payload) -> Payload:
        identity = str(payload["transactionId"])
        control = self.charging_control(identity)
        if control is None:
            return {"status": "Rejected"}
        end = partial(self.end_if, control, control.transaction, EndReason.REMOTE)
        self.after_answer(end)
        return {"status": "Accepted"}

    def _reset(self, payload: Payload) -> Payload:
        is_hard = payload["type"] == "Hard"
        self.reset(EndReason.HARD_RESET if is_hard else EndReason.SOFT_RESET)
        return {"status": "Accepted"}

    def _unlock_connector(self, payload: Payload) -> Payload:
        control = self.controls.get(payload["connectorId"])
        if control is None:
            return {"status": "NotSupported"}
        transaction = control.transaction
        if transaction is not None:
            self.after_answer(lambda: self.end_if(control, transaction, EndReason.UNLOCKED))
        return {"status": "Unlocked"}

    def _trigger_message(self, payload: Payload) -> Payload:
        controls = self._chosen(payload.get("connectorId", 0))
        if not controls:
            return {"status": "Rejected"}
        requested = payload["requestedMessage"]
        if requested == "BootNotification":
            self.after_answer(self.uplink.boot_again)
        elif requested == "Heartbeat":
            self.after_answer(lambda: self.uplink.send("Heartbeat", {}))
        elif requested == "StatusNotification":
            for control in controls:
                self.after_answer(partial(self.send_status, control))
        elif requested == "MeterValues":
            self.after_answer(partial(self._send_triggered, controls))
        else:
            return {"status": "NotImplemented"}
        return {"status": "Accepted"}

    def _set_charging_profile(self, payload: Payload) -> Payload:
        number = payload["connectorId"]
        try:
            profile = self._profile(payload["csChargingProfiles"], number)
            if number not in (0, *self.controls):
                raise ProfileRefused(f"no connector {number}")
            if profile.purpose == TX:
                self._check_transaction(profile.transaction_id, self.controls[number])
            self.keep_profile(profile)
        except ProfileRefused:
            return {"status": "Rejected"}
        return {"status": "Accepted"}

    def _clear_charging_profile(self, payload: Payload) -> Payload:
        gone = self.clear_profiles(
            profile_id=payload.get("id"),
            evse_id=payload.get("connectorId"),
            purpose=payload.get("chargingProfilePurpose"),
            stack_level=payload.get("stackLevel"),
        )
        return {"status": "Accepted" if gone else "Unknown"}

    def _get_composite_schedule(self, payload: Payload) -> Payload:
        control = self.controls.get(payload["connectorId"])
        if control is None:
            return {"status": "Rejected"}
        at, duration_s = self.now(), payload["duration"]
        unit = payload.get("chargingRateUnit") or control.evse.limit_unit.value
        steps = self.profiles.composite(control.evse, at, duration_s, self.charging_since(control))
        return {
            "status": "Accepted",
            "connectorId": control.evse.evse_id,
            "scheduleStart": format_instant(at),
            "chargingSchedule": {
                "duration": duration_s,
                "startSchedule": format_instant(at),
                "chargingRateUnit": unit,
                "chargingSchedulePeriod": [
                    {"startPeriod": start_s, "limit": in_unit(limit_a, unit, control.evse)}
                    for start_s, limit_a in steps
                ],
            },
        }

    # Inside

    def _chosen(self, number: int) -> list[EvseControl]:
        """The connector of that number, or all for 0; none for one we don't have."""
        if number == 0:
            return list(self.controls.values())
        control = self.controls.get(number)
        return [] if control is None else [control]

    @staticmethod
    def _profile(body: dict[str, Any], number: int) -> Any:
        return parse_profile(body, body["chargingSchedule"], number, body["chargingProfileId"])

    @staticmethod
    def _check_transaction(identity: str | None, control: EvseControl) -> None:
        """OCPP 1.6, 5.16.1: a TxProfile needs the transaction it is for."""
        running = control.transaction
        if running is None or (identity is not None and identity != running.transaction_id):
            raise ProfileRefused("no such transaction")

    def _send_status(self, number: int, word: str) -> None:
        payload = {
            "connectorId": number,
            "errorCode": "NoError",
            "status": word,
            "timestamp": format_instant(self.now()),
        }
        self.uplink.send("StatusNotification", payload)

    def _send_triggered(self, controls: list[EvseControl]) -> None:
        for control in controls:
            payload: Payload = {"connectorId": control.evse.evse_id}
            if control.transaction is not None and control.transaction.transaction_id is not None:
                payload["transactionId"] = int(control.transaction.transaction_id)
            payload["meterValue"] = [self._meter_value(control, "Trigger")]
            self.uplink.send("MeterValues", payload)

    def _meter_value(self, control: EvseControl, context: str) -> dict[str, Any]:
        return {
            "timestamp": format_instant(self.now()),
            "sampledValue": [
                {
                    "value": f"{sample.value:g}" if sample.value < 1e5 else f"{sample.value:.0f}",
                    "context": context,
                    "measurand": sample.measurand,
                    "unit": sample.unit,
                    **({"phase": sample.phase} if sample.phase else {}),
                    **({"location": sample.location} if sample.location else {}),
                }
                for sample in self.taken_samples(control)
            ],
        }
