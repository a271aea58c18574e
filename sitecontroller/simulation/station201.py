"""A simulated station in the words of OCPP 2.0.1: one TransactionEvent stream per transaction."""

import uuid
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any, ClassVar

from sitecontroller.domain.station import ChargingState, OcppVersion
from sitecontroller.simulation import samples, variables2x
from sitecontroller.simulation.blocks import (
    customer,
    device,
    display,
    files,
    local_list,
    monitoring,
    network,
    pnc,
    remote2x,
    reservation,
    security,
    smart,
    tariffs,
)
from sitecontroller.simulation.blocks.block import Block, Trigger
from sitecontroller.simulation.control import (
    EndReason,
    EvseControl,
    Known,
    SettingNames,
    Transaction,
)
from sitecontroller.simulation.dialect import Dialect
from sitecontroller.simulation.settings import Setting
from sitecontroller.simulation.uplink import Payload

TOKEN_TYPE = "ISO14443"
CONNECTOR_ID = 1
TOKEN_CHARS_MAX = 36
ENDED_SAMPLES_MAX = 50

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
    EndReason.EMERGENCY: "AbnormalCondition",
    EndReason.POWER_LOSS: "AbnormalCondition",
    EndReason.OTHER: "AbnormalCondition",
}


class Station201(Dialect):
    """OCPP 2.0.1, all blocks."""

    VERSION = OcppVersion.V201
    STRICT_STACK = True
    NAMES = SettingNames(
        heartbeat_interval="OCPPCommCtrlr.HeartbeatInterval",
        sample_interval="SampledDataCtrlr.TxUpdatedInterval",
        sampled_data="SampledDataCtrlr.TxUpdatedMeasurands",
        aligned_interval="AlignedDataCtrlr.Interval",
        aligned_data="AlignedDataCtrlr.Measurands",
        plug_timeout="TxCtrlr.EVConnectionTimeOut",
        authorize_remote="AuthCtrlr.AuthorizeRemoteStart",
        pre_authorize="AuthCtrlr.LocalPreAuthorize",
        authorize_offline="AuthCtrlr.LocalAuthorizeOffline",
        unknown_offline="AuthCtrlr.OfflineTxForUnknownIdEnabled",
        stop_on_invalid="TxCtrlr.StopTxOnInvalidId",
        stop_on_unplug="TxCtrlr.StopTxOnEVSideDisconnect",
        list_enabled="LocalAuthListCtrlr.Enabled",
        password=variables2x.PASSWORD,
        ping_interval=variables2x.PING_INTERVAL,
    )
    BLOCKS: ClassVar[tuple[Block, ...]] = (
        remote2x.BLOCK,
        device.BLOCK,
        smart.BLOCK_201,
        local_list.BLOCK_2X,
        reservation.BLOCK_2X,
        files.BLOCK_2X,
        security.BLOCK_2X,
        monitoring.BLOCK,
        display.BLOCK,
        customer.BLOCK,
        network.BLOCK,
        pnc.BLOCK_2X,
        tariffs.BLOCK_201,
    )

    def core_settings(self) -> list[Setting]:
        """The device model."""
        plate = self.station.description
        return variables2x.core_variables(plate.station, plate.vendor, plate.model)

    # What we say

    def boot_notification(self) -> Payload:
        """BootNotificationRequest."""
        plate = self.station.description
        return {
            "reason": self.station.boot_reason,
            "chargingStation": {
                "vendorName": plate.vendor[:50],
                "model": plate.model[:20],
                "serialNumber": (plate.serial_number or self.station.station_id)[:25],
                "firmwareVersion": self.station.firmware_version[:50],
            },
        }

    def status_word(self, control: EvseControl) -> str:
        """ConnectorStatusEnumType."""
        return control.status.value

    def send_status(self, control: EvseControl) -> None:
        """StatusNotificationRequest."""
        payload = {
            "timestamp": self.station.stamp(),
            "connectorStatus": self.station.bend("status", self.status_word(control), control),
            "evseId": control.evse.evse_id,
            "connectorId": CONNECTOR_ID,
        }
        self.station.say("StatusNotification", payload)

    def send_own_status(self) -> None:
        """Nothing: 2.x knows the status of connectors only."""

    async def ask_authorization(self, id_token: str) -> Known | None:
        """AuthorizeRequest."""
        answer = await self.station.uplink.ask("Authorize", {"idToken": token(id_token)})
        if answer is None:
            return None
        info = answer["idTokenInfo"]
        return Known(info["status"] == "Accepted", info.get("groupIdToken", {}).get("idToken"))

    def send_started(self, control: EvseControl, transaction: Transaction) -> None:
        """TransactionEvent Started."""
        bits = self.station.random.getrandbits(128)
        transaction.transaction_id = str(uuid.UUID(int=bits, version=4))
        remote = transaction.remote_start_id
        info = {} if remote is None else {"remoteStartId": remote}

        def answered(answer: Payload | None) -> None:
            token_info = (answer or {}).get("idTokenInfo", {"status": "Accepted"})
            group = token_info.get("groupIdToken", {}).get("idToken")
            transaction.group = group or transaction.group
            accepted = None if answer is None else token_info["status"] == "Accepted"
            self.station.sessions.agreed(control, transaction, accepted)

        more: dict[str, Any] = {
            "evse": {"id": control.evse.evse_id, "connectorId": CONNECTOR_ID},
            "idToken": token(transaction.id_token, transaction.token_type),
        }
        if transaction.reservation_id is not None:
            more["reservationId"] = transaction.reservation_id
        self.send_event(
            control,
            transaction,
            "Started",
            "Authorized" if remote is None else "RemoteStart",
            info=info,
            more=more,
            context="Transaction.Begin",
            answered=answered,
        )

    def send_sample(
        self, control: EvseControl, transaction: Transaction, *, aligned: bool = False
    ) -> None:
        """TransactionEvent Updated with a periodic sample."""
        trigger = "MeterValueClock" if aligned else "MeterValuePeriodic"
        context = "Sample.Clock" if aligned else "Sample.Periodic"
        self.send_event(control, transaction, "Updated", trigger, context=context)

    def send_aligned(self, control: EvseControl) -> None:
        """MeterValues without a transaction."""
        values = self.meter_values(control, "Sample.Clock")
        self.station.say("MeterValues", {"evseId": control.evse.evse_id, "meterValue": values})

    def collect(self, control: EvseControl, transaction: Transaction) -> None:
        """Samples for the Ended event, where the settings want any."""
        interval_s = self.settings.number("SampledDataCtrlr.TxEndedInterval")
        passed_s = transaction.charging_s + transaction.idle_s
        if interval_s and passed_s >= interval_s * (len(transaction.ended_samples) + 1):
            transaction.ended_samples += self.meter_values(control, "Sample.Periodic")
            del transaction.ended_samples[:-ENDED_SAMPLES_MAX]

    def send_state(self, control: EvseControl, transaction: Transaction) -> None:
        """TransactionEvent Updated with the new charging state."""
        self.send_event(control, transaction, "Updated", "ChargingStateChanged")

    def tell(
        self,
        control: EvseControl,
        transaction: Transaction,
        trigger: str,
        more: Payload | None = None,
    ) -> None:
        """TransactionEvent Updated with a trigger of a block."""
        self.send_event(control, transaction, "Updated", trigger, more=more)

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
        self.send_event(
            control,
            transaction,
            "Ended",
            _END_TRIGGERS[reason],
            info={"stoppedReason": _STOPPED_REASONS.get(reason, reason.value)},
            more={} if id_token is None else {"idToken": token(id_token)},
            context="Transaction.End",
        )

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

        def transactions(_: Any, controls: list[EvseControl]) -> bool:
            running = [control for control in controls if control.transaction is not None]
            for control in running:
                self.station.after_answer(partial(self._send_triggered_event, control))
            return bool(running)

        return {
            "BootNotification": once(self.station.uplink.boot_again),
            "Heartbeat": once(partial(self.station.say, "Heartbeat", {})),
            "StatusNotification": of_each(self.send_status),
            "MeterValues": of_each(self._send_triggered_values),
            "TransactionEvent": transactions,
        }

    # Inside

    def _send_triggered_values(self, control: EvseControl) -> None:
        values = self.meter_values(control, "Trigger")
        self.station.say("MeterValues", {"evseId": control.evse.evse_id, "meterValue": values})

    def _send_triggered_event(self, control: EvseControl) -> None:
        if control.transaction is not None:
            self.send_event(control, control.transaction, "Updated", "Trigger", context="Trigger")

    def transaction_info(
        self, control: EvseControl, transaction: Transaction, event_type: str
    ) -> dict[str, Any]:
        """What every event says of its transaction."""
        info: dict[str, Any] = {
            "transactionId": transaction.transaction_id,
            "chargingState": transaction.state.value,
        }
        if event_type != "Started":
            info["timeSpentCharging"] = round(transaction.charging_s)
        return info

    def event_extras(
        self, control: EvseControl, transaction: Transaction, event_type: str
    ) -> dict[str, Any]:
        """What a version adds beside the transaction's own fields."""
        if control.outlet.closed and control.outlet.phases_in_use:
            return {"numberOfPhasesUsed": len(control.outlet.phases_in_use)}
        return {}

    def send_event(
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
        """A TransactionEventRequest; its number is taken now, whenever it leaves."""
        payload: Payload = {
            "eventType": event_type,
            "timestamp": self.station.stamp(),
            "triggerReason": trigger,
            "seqNo": transaction.sequence,
            "transactionInfo": {
                **self.transaction_info(control, transaction, event_type),
                **(info or {}),
            },
            **self.event_extras(control, transaction, event_type),
            **(more or {}),
        }
        transaction.sequence += 1
        if not self.station.uplink.online:
            payload["offline"] = True
        if context is not None:
            payload["meterValue"] = self.meter_values(control, context)
        if event_type == "Ended":
            payload["meterValue"] = [*transaction.ended_samples, *payload["meterValue"]]
        self.station.say("TransactionEvent", payload, lasting=True, answered=answered)

    def meter_values(self, control: EvseControl, context: str) -> list[dict[str, Any]]:
        """One MeterValue of what the context's list names."""
        taken = self.station.taken_samples(control, self.settings.names(_LISTS[context]))
        if not taken:
            register_wh = self.station.register_wh(control)
            taken = [samples.Sample(samples.ENERGY, register_wh)]
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
        return [{"timestamp": self.station.stamp(), "sampledValue": sampled}]


_LISTS = {
    "Transaction.Begin": "SampledDataCtrlr.TxStartedMeasurands",
    "Transaction.End": "SampledDataCtrlr.TxEndedMeasurands",
    "Sample.Clock": "AlignedDataCtrlr.Measurands",
    "Sample.Periodic": "SampledDataCtrlr.TxUpdatedMeasurands",
    "Trigger": "SampledDataCtrlr.TxUpdatedMeasurands",
}
"""Which measurands go with which context."""


def token(id_token: str, token_type: str | None = None) -> dict[str, Any]:
    """An IdTokenType."""
    return {"idToken": id_token[:TOKEN_CHARS_MAX], "type": token_type or TOKEN_TYPE}
