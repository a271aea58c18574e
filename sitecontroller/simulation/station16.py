"""A simulated station in the words of OCPP 1.6J: connector n is EVSE n, connector 0 the box."""

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any, ClassVar

from sitecontroller.domain.ids import fold
from sitecontroller.domain.station import ChargingState, OcppVersion
from sitecontroller.ocpp.frames import CallFault
from sitecontroller.simulation import samples, variables16
from sitecontroller.simulation.blocks import files, local_list, pnc, reservation, security, tariffs
from sitecontroller.simulation.blocks.block import Answerer, Block, Trigger
from sitecontroller.simulation.control import (
    EndReason,
    EvseControl,
    Known,
    SettingNames,
    Transaction,
)
from sitecontroller.simulation.dialect import Dialect
from sitecontroller.simulation.profiles import (
    TX,
    ProfileRefused,
    StoredProfile,
    in_unit,
    parse_profile,
)
from sitecontroller.simulation.settings import SetOutcome, Setting
from sitecontroller.simulation.uplink import Payload
from sitecontroller.simulation.variables16 import KEYS_MAX
from sitecontroller.wire import format_instant

TEXT_IDS_MAX = 20

_STATE_WORDS = {
    ChargingState.CHARGING: "Charging",
    ChargingState.SUSPENDED_EV: "SuspendedEV",
    ChargingState.SUSPENDED_EVSE: "SuspendedEVSE",
    ChargingState.IDLE: "SuspendedEV",
}
_SET_WORDS = {
    SetOutcome.ACCEPTED: "Accepted",
    SetOutcome.AFTER_REBOOT: "RebootRequired",
    SetOutcome.REJECTED: "Rejected",
    SetOutcome.READ_ONLY: "Rejected",
    SetOutcome.UNKNOWN: "NotSupported",
}


class Station16(Dialect):
    """OCPP 1.6J, every feature profile, and the security extension."""

    VERSION = OcppVersion.V16
    STRICT_STACK = False
    NAMES = SettingNames(
        heartbeat_interval="HeartbeatInterval",
        sample_interval="MeterValueSampleInterval",
        sampled_data="MeterValuesSampledData",
        aligned_interval="ClockAlignedDataInterval",
        aligned_data="MeterValuesAlignedData",
        plug_timeout="ConnectionTimeOut",
        authorize_remote="AuthorizeRemoteTxRequests",
        pre_authorize="LocalPreAuthorize",
        authorize_offline="LocalAuthorizeOffline",
        unknown_offline="AllowOfflineTxForUnknownId",
        stop_on_invalid="StopTransactionOnInvalidId",
        stop_on_unplug="StopTransactionOnEVSideDisconnect",
        list_enabled="LocalAuthListEnabled",
        password="AuthorizationKey",
        ping_interval="WebSocketPingInterval",
    )
    BLOCKS: ClassVar[tuple[Block, ...]] = (
        local_list.BLOCK_16,
        reservation.BLOCK_16,
        files.BLOCK_16,
        security.BLOCK_16,
        pnc.BLOCK_16,
        tariffs.BLOCK_16,
    )

    def core_settings(self) -> list[Setting]:
        """The configuration keys of OCPP 1.6 chapter 9."""
        return variables16.core_keys(self.station.description.station)

    # What we say

    def boot_notification(self) -> Payload:
        """BootNotification.req."""
        plate = self.station.description
        return {
            "chargePointVendor": plate.vendor[:20],
            "chargePointModel": plate.model[:20],
            "chargePointSerialNumber": (plate.serial_number or self.station.station_id)[:25],
            "firmwareVersion": self.station.firmware_version[:50],
        }

    def status_word(self, control: EvseControl) -> str:
        """ChargePointStatus."""
        if control.fault is not None:
            return "Faulted"
        if not control.operative:
            return "Unavailable"
        if control.transaction is not None:
            return _STATE_WORDS.get(control.transaction.state, "Preparing")
        if control.outlet.car is not None:
            return "Finishing" if control.finishing else "Preparing"
        if control.waiting is not None:
            return "Preparing"
        return "Available" if control.reservation is None else "Reserved"

    def send_status(self, control: EvseControl) -> None:
        """StatusNotification.req of one connector."""
        word = self.station.bend("status", self.status_word(control), control)
        self.send_connector(control.evse.evse_id, word, control)

    def send_own_status(self) -> None:
        """StatusNotification.req of connector 0."""
        self.send_connector(0, "Available")

    def send_connector(self, number: int, word: str, control: EvseControl | None = None) -> None:
        """StatusNotification.req; connector 0 is the station."""
        fault = None if control is None else control.fault
        payload = {
            "connectorId": number,
            "errorCode": "NoError" if fault is None else fault.error_code,
            "status": word,
            "timestamp": self.station.stamp(),
        }
        if fault is not None and fault.vendor_error_code:
            payload["vendorErrorCode"] = fault.vendor_error_code[:50]
        self.station.say("StatusNotification", payload)

    async def ask_authorization(self, id_token: str) -> Known | None:
        """Authorize.req."""
        answer = await self.station.uplink.ask("Authorize", {"idTag": id_token[:TEXT_IDS_MAX]})
        return None if answer is None else _known(answer["idTagInfo"])

    def send_started(self, control: EvseControl, transaction: Transaction) -> None:
        """StartTransaction.req; its answer names the transaction."""

        def answered(answer: Payload | None) -> None:
            accepted = None
            if answer is not None:
                transaction.transaction_id = str(answer["transactionId"])
                known = _known(answer["idTagInfo"])
                accepted, transaction.group = known.accepted, known.group or transaction.group
            self.station.sessions.agreed(control, transaction, accepted)

        payload = {
            "connectorId": control.evse.evse_id,
            "idTag": transaction.id_token[:TEXT_IDS_MAX],
            "meterStart": self.station.register_wh(control),
            "timestamp": self.station.stamp(transaction.started_at),
        }
        if transaction.reservation_id is not None:
            payload["reservationId"] = transaction.reservation_id
        if self.station.settings.text("StopTxnSampledData"):
            begin = self._meter_value(control, "Transaction.Begin", "StopTxnSampledData")
            transaction.ended_samples.append(begin)
        self.station.say("StartTransaction", payload, lasting=True, answered=answered)

    def send_sample(
        self, control: EvseControl, transaction: Transaction, *, aligned: bool = False
    ) -> None:
        """MeterValues.req within the transaction."""
        if aligned:
            value = self._meter_value(control, "Sample.Clock", self.NAMES.aligned_data)
        else:
            value = self._meter_value(control, "Sample.Periodic", self.NAMES.sampled_data)

        def payload() -> Payload:
            return {
                "connectorId": control.evse.evse_id,
                **_identity(transaction),
                "meterValue": [value],
            }

        self.station.say("MeterValues", payload, lasting=True)

    def send_aligned(self, control: EvseControl) -> None:
        """MeterValues.req without a transaction."""
        value = self._meter_value(control, "Sample.Clock", self.NAMES.aligned_data)
        payload = {"connectorId": control.evse.evse_id, "meterValue": [value]}
        self.station.say("MeterValues", payload)

    def send_state(self, control: EvseControl, transaction: Transaction) -> None:
        """Nothing of its own: the connector's status says it."""

    def tell(
        self,
        control: EvseControl,
        transaction: Transaction,
        trigger: str,
        more: Payload | None = None,
    ) -> None:
        """Nothing: 1.6 has no message for it."""

    def collect(self, control: EvseControl, transaction: Transaction) -> None:
        """Nothing: what its settings want was taken at the start."""

    def send_ended(
        self,
        control: EvseControl,
        transaction: Transaction,
        reason: EndReason,
        id_token: str | None,
    ) -> None:
        """StopTransaction.req; −1 where no start was ever answered."""
        ending: dict[str, Any] = {
            "meterStop": self.station.register_wh(control),
            "timestamp": self.station.stamp(),
            "reason": reason.value,
        }
        if id_token is not None:
            ending["idTag"] = id_token[:TEXT_IDS_MAX]
        if transaction.ended_samples:
            end = self._meter_value(control, "Transaction.End", "StopTxnSampledData")
            ending["transactionData"] = [*transaction.ended_samples, end]

        def payload() -> Payload:
            return {"transactionId": -1, **_identity(transaction), **ending}

        self.station.say("StopTransaction", payload, lasting=True)

    # What we are asked

    @cached_property
    def core_answers(self) -> dict[str, Answerer]:
        """The Core, SmartCharging and RemoteTrigger profiles."""
        answers = {
            "ChangeAvailability": self._change_availability,
            "ChangeConfiguration": self._change_configuration,
            "ClearCache": self._clear_cache,
            "ClearChargingProfile": self._clear_charging_profile,
            "DataTransfer": self.data_transfer,
            "GetCompositeSchedule": self._get_composite_schedule,
            "GetConfiguration": self._get_configuration,
            "RemoteStartTransaction": self._remote_start_transaction,
            "RemoteStopTransaction": self._remote_stop_transaction,
            "Reset": self._reset,
            "SetChargingProfile": self._set_charging_profile,
            "TriggerMessage": self._trigger_message,
            "ExtendedTriggerMessage": self._trigger_message,
            "UnlockConnector": self._unlock_connector,
        }
        return {action: _without_station(answer) for action, answer in answers.items()}

    def _change_availability(self, payload: Payload) -> Payload:
        controls = self.station.chosen(payload["connectorId"])
        if not controls:
            return {"status": "Rejected"}
        operative = payload["type"] == "Operative"
        return {"status": self.station.sessions.set_availability(controls, operative=operative)}

    def _change_configuration(self, payload: Payload) -> Payload:
        station = self.station
        outcome = self.settings.set(payload["key"], payload["value"])
        if outcome is SetOutcome.ACCEPTED and fold(payload["key"]) == fold(self.NAMES.password):
            station.uplink.password = payload["value"]
        if outcome is SetOutcome.ACCEPTED and fold(payload["key"]) == "securityprofile":
            security.raise_profile(station, int(payload["value"]))
        station.after_answer(self._settings_changed)
        return {"status": _SET_WORDS[outcome]}

    def _settings_changed(self) -> None:
        ping_s = self.settings.number(self.NAMES.ping_interval)
        self.station.uplink.ping_interval_s = ping_s or None

    def _clear_cache(self, payload: Payload) -> Payload:
        self.station.sessions.known_tokens.clear()
        return {"status": "Accepted"}

    def _get_configuration(self, payload: Payload) -> Payload:
        names = payload.get("key") or []
        if len(names) > KEYS_MAX:
            raise CallFault("OccurrenceConstraintViolation", f"more than {KEYS_MAX} keys")
        known = [s for n in names if (s := self.settings.get(n))] if names else list(self.settings)
        return {
            "configurationKey": [
                {
                    "key": setting.name,
                    "readonly": not setting.writable,
                    **({"value": setting.now[:500]} if setting.readable else {}),
                }
                for setting in known
            ],
            "unknownKey": [name for name in names if self.settings.get(name) is None],
        }

    def _remote_start_transaction(self, payload: Payload) -> Payload:
        controls = self.station.chosen(payload.get("connectorId") or 0)
        control = next((c for c in controls if c.is_free), None)
        if control is None:
            return {"status": "Rejected"}
        profile = None
        if body := payload.get("chargingProfile"):
            try:
                profile = _profile(body, control.evse.evse_id)
            except ProfileRefused:
                return {"status": "Rejected"}
        start = self.station.sessions.remote_start
        return _said(start(control, payload["idTag"], None, profile))

    def _remote_stop_transaction(self, payload: Payload) -> Payload:
        control = self.station.charging_control(str(payload["transactionId"]))
        if control is None:
            return {"status": "Rejected"}
        end = self.station.sessions.end_if
        self.station.after_answer(partial(end, control, control.transaction, EndReason.REMOTE))
        return {"status": "Accepted"}

    def _reset(self, payload: Payload) -> Payload:
        is_hard = payload["type"] == "Hard"
        self.station.reset(EndReason.HARD_RESET if is_hard else EndReason.SOFT_RESET)
        return {"status": "Accepted"}

    def _unlock_connector(self, payload: Payload) -> Payload:
        control = self.station.controls.get(payload["connectorId"])
        if control is None:
            return {"status": "NotSupported"}
        end = self.station.sessions.end_if
        self.station.after_answer(partial(end, control, control.transaction, EndReason.UNLOCKED))
        return {"status": "Unlocked"}

    def _trigger_message(self, payload: Payload) -> Payload:
        controls = self.station.chosen(payload.get("connectorId", 0))
        return self.trigger(payload["requestedMessage"], controls)

    @cached_property
    def core_triggers(self) -> dict[str, Trigger]:
        """What TriggerMessage may ask for."""

        def of_each(send: Callable[[EvseControl], None]) -> Trigger:
            def trigger(_: Any, controls: list[EvseControl]) -> bool:
                for control in controls:
                    self.station.after_answer(partial(send, control))
                return True

            return trigger

        def once(send: Callable[[], None]) -> Trigger:
            def trigger(_: Any, __: list[EvseControl]) -> bool:
                self.station.after_answer(send)
                return True

            return trigger

        return {
            "BootNotification": once(self.station.uplink.boot_again),
            "Heartbeat": once(partial(self.station.say, "Heartbeat", {})),
            "StatusNotification": of_each(self.send_status),
            "MeterValues": of_each(self._send_triggered),
        }

    def _set_charging_profile(self, payload: Payload) -> Payload:
        number = payload["connectorId"]
        try:
            profile = _profile(payload["csChargingProfiles"], number)
            if number not in (0, *self.station.controls):
                raise ProfileRefused(f"no connector {number}")
            if profile.purpose == TX:
                _check_transaction(profile.transaction_id, self.station.controls[number])
            self.station.keep_profile(profile)
        except ProfileRefused:
            return {"status": "Rejected"}
        return {"status": "Accepted"}

    def _clear_charging_profile(self, payload: Payload) -> Payload:
        gone = self.station.clear_profiles(
            profile_id=payload.get("id"),
            evse_id=payload.get("connectorId"),
            purpose=payload.get("chargingProfilePurpose"),
            stack_level=payload.get("stackLevel"),
        )
        return {"status": "Accepted" if gone else "Unknown"}

    def _get_composite_schedule(self, payload: Payload) -> Payload:
        station = self.station
        control = station.controls.get(payload["connectorId"])
        if control is None:
            return {"status": "Rejected"}
        at, duration_s = station.now(), payload["duration"]
        unit = payload.get("chargingRateUnit") or control.evse.limit_unit.value
        since = station.charging_since(control)
        steps = station.profiles.composite(control.evse, at, duration_s, since)
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

    def _send_triggered(self, control: EvseControl) -> None:
        identity = {} if control.transaction is None else _identity(control.transaction)
        value = self._meter_value(control, "Trigger", self.NAMES.sampled_data)
        payload = {"connectorId": control.evse.evse_id, **identity, "meterValue": [value]}
        self.station.say("MeterValues", payload)

    def _meter_value(self, control: EvseControl, context: str, which: str) -> dict[str, Any]:
        return {
            "timestamp": self.station.stamp(),
            "sampledValue": [
                {
                    "value": f"{sample.value:g}" if sample.value < 1e5 else f"{sample.value:.0f}",
                    "context": context,
                    "measurand": sample.measurand,
                    "unit": sample.unit,
                    **({"phase": sample.phase} if sample.phase else {}),
                    **({"location": sample.location} if sample.location else {}),
                }
                for sample in self.station.taken_samples(control, self.settings.names(which))
            ]
            or [{"value": str(samples.energy_wh(control.outlet)), "context": context}],
        }


def _without_station(answer: Any) -> Answerer:
    return lambda _, payload: answer(payload)


def _said(accepted: bool) -> Payload:
    return {"status": "Accepted" if accepted else "Rejected"}


def _known(info: Payload) -> Known:
    return Known(info["status"] == "Accepted", info.get("parentIdTag"))


def _identity(transaction: Transaction) -> Payload:
    """The number the CSMS gave; nothing before it did."""
    known = transaction.transaction_id or ""
    return {"transactionId": int(known)} if known.lstrip("-").isdigit() else {}


def _profile(body: dict[str, Any], number: int) -> StoredProfile:
    return parse_profile(body, body["chargingSchedule"], number, body["chargingProfileId"])


def _check_transaction(identity: str | None, control: EvseControl) -> None:
    """OCPP 1.6, 5.16.1: a TxProfile needs the transaction it is for."""
    running = control.transaction
    if running is None or (identity is not None and identity != running.transaction_id):
        raise ProfileRefused("no such transaction")
