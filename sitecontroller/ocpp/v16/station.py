"""OCPP 1.6: what its stations say to us, and what we say to them, in the domain's words.

Connector n is EVSE n, connector 1; connector 0 is the station. Its words stand here and in
`words` alone.
Start, stop and meter values are taken whatever their schema says: no kWh is lost (Q22, Q26).
"""

from datetime import datetime
from typing import ClassVar

from sitecontroller.domain.authorization import Authorization
from sitecontroller.domain.commands import ResetType
from sitecontroller.domain.errors import InvalidInput
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
from sitecontroller.ocpp.commands import Priority
from sitecontroller.ocpp.outbound import ACCEPTED_OR_LATER, OutboundDialect
from sitecontroller.ocpp.profiles import ChargingProfile, Kind
from sitecontroller.ocpp.setup import Setting, SetUpPlan, offline_switches
from sitecontroller.ocpp.v16 import costs, device, files, local_list, reservation, security
from sitecontroller.ocpp.v16.words import (
    ALLOWED_UNITS,
    CARD_CHARACTERS_MAX,
    CARD_STATUSES,
    OFFLINE_KEYS,
    PURPOSES,
    SAMPLE_INTERVAL,
    SAMPLED_MEASURANDS,
    STACK_LEVEL_MAX,
    STATUSES,
    STOP_REASONS,
    TRIGGERS,
    parse_settings,
    parse_units,
    transaction_number,
)
from sitecontroller.ocpp.values import group, id_token, integer, rows, text
from sitecontroller.ports import CallAnswer

BLOCKS = (
    files.BLOCK,
    security.BLOCK,
    local_list.BLOCK,
    reservation.BLOCK,
    device.BLOCK,
    costs.BLOCK,
    limited_start.BLOCK,
)


class Station16(OutboundDialect):
    """One connected 1.6 station."""

    version = OcppVersion.V16
    blocks = merged(BLOCKS)

    # what it says

    async def _boot_notification(self, payload: Answer, received_at: datetime) -> Answer:
        return await self._take_boot(
            StationBooted(
                station_id=self.station_id,
                vendor=text(payload.get("chargePointVendor")) or "",
                model=text(payload.get("chargePointModel")) or "",
                serial_number=(
                    text(payload.get("chargePointSerialNumber"))
                    or text(payload.get("chargeBoxSerialNumber"))
                ),
                firmware_version=text(payload.get("firmwareVersion")),
                reason=None,
                received_at=received_at,
            )
        )

    async def _status_notification(self, payload: Answer, received_at: datetime) -> Answer:
        said = (text(payload.get("status")) or "").casefold()
        status, charging_state = STATUSES.get(said, (ConnectorStatus.UNKNOWN, None))
        stamp = payload.get("timestamp")
        self._fresh(stamp, received_at)
        connector = integer(payload.get("connectorId")) or 0
        evse_id = self._status_evse_id(connector, charging_state)
        await self._report_status(
            StatusReported(
                station_id=self.station_id,
                evse_id=evse_id,
                connector_id=1 if evse_id else 0,
                status=status,
                received_at=received_at,
                station_at=None if stamp is None else self.time_of(stamp, received_at).at,
                charging_state=charging_state,
                error_code=text(payload.get("errorCode")),
                vendor_error_code=text(payload.get("vendorErrorCode")),
                vendor_id=text(payload.get("vendorId")),
                info=text(payload.get("info")),
                finishing=said == "finishing",
            )
        )
        return {}

    def _status_evse_id(self, connector: int, charging_state: ChargingState | None) -> int:
        """Q36: connector 0 is the station, but for a box that has one EVSE and calls it 0.

        Such a box gives itself away by a state that a station as a whole can't have.
        """
        only = self._only_evse_id()
        if connector > 0 or only is None:
            return max(connector, 0)
        if any(evse_id > 0 and not self._zero_is_evse for evse_id in self._statuses):
            return 0
        self._zero_is_evse = self._zero_is_evse or charging_state is not None
        return only if self._zero_is_evse else 0

    async def _authorize(self, payload: Answer, received_at: datetime) -> Answer:
        token = self.card(id_token(payload.get("idTag")))
        if token is None:
            return {"idTagInfo": {"status": "Invalid"}}
        verdict = await self.services.authorization.authorize(self.station_id, token)
        return {"idTagInfo": self._card_info(verdict)}

    async def _start_transaction(self, payload: Answer, received_at: datetime) -> Answer:
        token = self.card(id_token(payload.get("idTag")))
        evse_id = integer(payload.get("connectorId")) or self._likeliest_evse_id()
        time = self.time_of(payload.get("timestamp"), received_at)
        outcome = await self.services.transactions.started(
            TransactionStarted(
                station_id=self.station_id,
                evse_id=evse_id,
                connector_id=1,
                id_token=token,
                time=time,
                received_at=received_at,
                meter_start_wh=self._register_wh(payload, "meterStart"),
                offline=self._clock.is_late(time, received_at),
                remote_start_id=self._remote_start_of(evse_id, token),
                reservation_id=integer(payload.get("reservationId")),
            )
        )
        transaction_id = outcome.transaction.station_transaction_id
        self._note_transaction(transaction_id, evse_id)
        return {
            "transactionId": int(transaction_id),
            "idTagInfo": self._card_info(outcome.authorization),
        }

    async def _stop_transaction(self, payload: Answer, received_at: datetime) -> Answer:
        transaction_id = _transaction_id(payload)
        evse_id = self.evse_of(transaction_id)
        time = self.time_of(payload.get("timestamp"), received_at)
        reason = (text(payload.get("reason")) or "Local").casefold()
        verdict = await self.services.transactions.ended(
            TransactionEnded(
                station_id=self.station_id,
                station_transaction_id=transaction_id,
                time=time,
                received_at=received_at,
                evse_id=evse_id,
                connector_id=None if evse_id is None else 1,
                id_token=self.card(id_token(payload.get("idTag"))),
                meter_stop_wh=self._register_wh(payload, "meterStop"),
                readings=tuple(
                    self.readings_of(payload.get("transactionData"), evse_id, received_at)
                ),
                stop_reason=STOP_REASONS.get(reason, "Other"),
                offline=self._clock.is_late(time, received_at),
            )
        )
        return {} if verdict is None else {"idTagInfo": self._card_info(verdict)}

    async def _meter_values(self, payload: Answer, received_at: datetime) -> Answer:
        connector = integer(payload.get("connectorId")) or 0
        transaction_id = _transaction_id(payload)
        evse_id = connector if connector > 0 else self.evse_of(transaction_id)
        values = payload.get("meterValue")
        stamps = [element.get("timestamp") for element in rows(values, 1000)]
        if stamps:
            self._fresh(stamps[-1], received_at)
        readings = self.readings_of(values, evse_id, received_at)
        if connector == 0 and transaction_id is None and not self._zero_is_evse:
            return {}  # the station's own supply meter
        await self.measured(evse_id, readings, received_at)
        if readings:
            time = self.time_of(stamps[-1], received_at)
            await self.services.transactions.updated(
                TransactionUpdated(
                    station_id=self.station_id,
                    station_transaction_id=transaction_id,
                    time=time,
                    received_at=received_at,
                    evse_id=evse_id,
                    connector_id=None if evse_id is None else 1,
                    readings=tuple(readings),
                    offline=self._clock.is_late(time, received_at),
                )
            )
        return {}

    core: ClassVar[dict[str, Inbound]] = {
        "BootNotification": _boot_notification,
        "Heartbeat": OutboundDialect._heartbeat,
        "StatusNotification": _status_notification,
        "Authorize": _authorize,
        "StartTransaction": _start_transaction,
        "StopTransaction": _stop_transaction,
        "MeterValues": _meter_values,
        "DataTransfer": OutboundDialect._data_transfer,
    }

    _zero_is_evse = False
    """A box with one EVSE that calls it connector 0."""

    def _card_info(self, verdict: Authorization) -> Answer:
        info: Answer = {"status": CARD_STATUSES[verdict.status]}
        if verdict.expires_at is not None:
            info["expiryDate"] = self.stamp(verdict.expires_at)
        if parent := group(verdict.parent_id_token, CARD_CHARACTERS_MAX):
            info["parentIdTag"] = parent
        return info

    # what we say

    async def start(
        self, evse_id: int, connector_id: int, id_token: str, remote_start_id: int
    ) -> CallAnswer:
        """Q53: always with the connector; CHARX refuses without."""
        return await self.start_with(evse_id, id_token, remote_start_id, None)

    async def start_with(
        self, evse_id: int, id_token: str, remote_start_id: int, profile: ChargingProfile | None
    ) -> CallAnswer:
        """A start with its own limit, or without."""
        card = self.sendable(id_token)
        payload: Answer = {"connectorId": evse_id, "idTag": card}
        if profile is not None:
            body = self._profile_payload(evse_id, profile)["csChargingProfiles"]
            payload["chargingProfile"] = body
        answer = await self.say(self.START, payload)
        if answer.accepted:
            self._note_remote_start(evse_id, remote_start_id, card)
        return answer

    async def stop(self, station_transaction_id: str, *, urgent: bool = False) -> CallAnswer:
        """End a transaction by the id we gave it."""
        payload = {"transactionId": transaction_number(station_transaction_id)}
        priority = Priority.EMERGENCY if urgent else Priority.STOP
        return await self.say("RemoteStopTransaction", payload, priority=priority)

    async def unlock(self, evse_id: int, connector_id: int) -> CallAnswer:
        """Release the cable."""
        payload = {"connectorId": evse_id}
        return await self.say("UnlockConnector", payload, accepted=("Unlocked",))

    async def reset(self, reset_type: ResetType) -> CallAnswer:
        """Restart the station; a soft one ends transactions properly first."""
        return await self.say(
            "Reset", {"type": "Hard" if reset_type is ResetType.IMMEDIATE else "Soft"}
        )

    async def _change_availability(
        self,
        evse_id: int | None,
        *,
        operative: bool,
        connector_id: int | None = None,
        priority: Priority = Priority.ATTENDANT,
    ) -> CallAnswer:
        """An EVSE has one connector here."""
        kind = "Operative" if operative else "Inoperative"
        payload = {"connectorId": evse_id or 0, "type": kind}
        return await self.say(
            "ChangeAvailability", payload, accepted=ACCEPTED_OR_LATER, priority=priority
        )

    async def _trigger(self, message: str, evse_id: int | None, priority: Priority) -> CallAnswer:
        if message == "SignChargingStationCertificate":
            return await security.trigger_signing(self)
        if message in security.EXTENDED_TRIGGERS:
            answer = await security.extended_trigger(self, message, priority)
            if answer is not None:
                return answer
        requested = TRIGGERS.get(message)
        if requested is None:
            known = ", ".join(sorted(TRIGGERS))
            raise InvalidInput(
                f"An OCPP 1.6 station can't be asked for {message}", remedy=f"Ask for {known}"
            )
        payload: Answer = {"requestedMessage": requested}
        if evse_id is not None:
            payload["connectorId"] = evse_id
        return await self.say("TriggerMessage", payload, priority=priority)

    async def poll(self) -> None:
        """One cheap CALL that proves the link lives."""
        await device.get_keys(self, ("HeartbeatInterval",), Priority.HOUSEKEEPING)

    async def get_variables(self, names: tuple[str, ...]) -> CallAnswer:
        """Settings by their keys; none: all it tells."""
        body = await device.get_keys(self, names, Priority.ATTENDANT)
        found = bool(body["configurationKey"])
        return CallAnswer(found, "Accepted" if found else "UnknownKey", body)

    async def _write(self, name: str, value: str, priority: Priority) -> CallAnswer:
        return await self.say(
            "ChangeConfiguration",
            {"key": name, "value": value},
            accepted=("Accepted", "RebootRequired"),
            priority=priority,
        )

    # limits

    START = "RemoteStartTransaction"
    EVSE_FIELD = "connectorId"
    PROFILE_ID_FIELD = "id"
    COMPOSITE_FIELD = "chargingSchedule"

    def _profile_payload(self, connector: int, profile: ChargingProfile) -> Answer:
        digits = self.quirks.timestamp_digits
        body: Answer = {
            "chargingProfileId": profile.profile_id,
            "stackLevel": profile.stack_level,
            "chargingProfilePurpose": PURPOSES[profile.purpose],
            "chargingProfileKind": Kind(profile.kind).value,
            "chargingSchedule": profiles.schedule_body(profile, digits=digits),
        }
        if profile.valid_to is not None:
            body["validTo"] = self.stamp(profile.valid_to)
        if profile.transaction_id is not None:
            body["transactionId"] = transaction_number(profile.transaction_id)
        return {"connectorId": connector, "csChargingProfiles": body}

    async def _is_flat(self) -> bool:
        """What set-up found; until then, what it found on an earlier connection."""
        if self.quirks.one_stack_level:
            return True
        known = self.found_settings.get(STACK_LEVEL_MAX)
        if known is not None:
            return integer(known.value) == 0
        return await self.services.stations.remembered(self._flat_key) is True

    @property
    def _flat_key(self) -> str:
        return f"one-stack-level/{self.station_id}"

    async def ask_for_missing(self, station_transaction_id: str) -> None:
        """1.6 has no message for it: its events carry no numbers that could miss."""

    # set-up

    def _plan(self) -> SetUpPlan:
        return SetUpPlan(
            sample_interval=SAMPLE_INTERVAL,
            sample_interval_s=self.services.settings.sample_interval_s,
            measurand_lists=(SAMPLED_MEASURANDS,),
            measurands=self._measurands(),
            switches={
                "StopTransactionOnInvalidId": "true",
                **offline_switches(self.services.settings.offline, OFFLINE_KEYS),
                **self.quirks.settings,
            },
            also_read=(ALLOWED_UNITS, STACK_LEVEL_MAX),
            read_all=True,
            probe_measurands=self.quirks.probe_measurands,
        )

    async def read_settings(self, names: tuple[str, ...]) -> dict[str, Setting]:
        """For set-up; the names as we spell them."""
        return parse_settings(await device.get_keys(self, names, Priority.HOUSEKEEPING))

    async def _check_settings(self) -> None:
        known = self.found_settings.get(ALLOWED_UNITS)
        said = self.quirks.limit_unit or (known.value if known else None)
        await self._check_units(parse_units(said))
        if STACK_LEVEL_MAX in self.found_settings:
            await self.services.stations.remember(self._flat_key, await self._is_flat())


def _transaction_id(payload: Answer) -> str | None:
    """As it was given to the station; 0 and negative ones were never given (Q27)."""
    found = integer(payload.get("transactionId"))
    return str(found) if found is not None and found > 0 else None
