"""Stations that tell of their transactions what isn't so, too late, twice, or not at all.

Joints: `withheld` (station, value, action, payload), `payload` (station, payload, action),
`delivered` (station, None, action, payload), `ended` (station, None, control, transaction).
"""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any

from sitecontroller.domain.station import OcppVersion
from sitecontroller.simulation.control import EvseControl, Known, Transaction
from sitecontroller.simulation.uplink import Message, Payload

if TYPE_CHECKING:
    from sitecontroller.simulation.station import SimulatedStation

BOOT_EVERY_S = 90
POWER_LOST_AFTER_S = 60.0
LINE_LOST_S = 240.0
CAME_BEFORE = timedelta(hours=1)
COMES_AFTER = timedelta(hours=5)
LATE_VALUES_S = 3.0
GAP_EVERY = 3
UNKNOWN_ID = 987_654
OTHER_CARD = "0CAFEBABE0"


class Memory:
    """What a misbehaving station has to remember."""

    def __init__(self) -> None:
        self.seconds = 0
        self.repeated: set[str] = set()
        self.updates = 0
        self.stuck: set[int] = set()


def _is_start(action: str, payload: Any) -> bool:
    return action == "StartTransaction" or _event(action, payload, "Started")


def _is_stop(action: str, payload: Any) -> bool:
    return action == "StopTransaction" or _event(action, payload, "Ended")


def _event(action: str, payload: Any, kind: str) -> bool:
    is_event = action == "TransactionEvent" and isinstance(payload, dict)
    return is_event and payload.get("eventType") == kind


# Boot


def never_boots(station: SimulatedStation, value: bool, action: str, payload: Any) -> bool:
    """No BootNotification, whoever asks for it."""
    return value or action == "BootNotification"


def boots_again(station: SimulatedStation, value: Any) -> None:
    """A BootNotification now and then, without a reboot."""
    memory = station.part(Memory)
    memory.seconds += 1
    if memory.seconds % BOOT_EVERY_S == 0:
        station.uplink.boot_again()


def power_cut(station: SimulatedStation, value: Any, action: str, payload: Payload) -> None:
    """A minute into a session the power goes: nothing is told, and all is forgotten."""
    if _is_start(action, payload) and not station.part(Memory).repeated:
        station.part(Memory).repeated.add("power cut")
        station.spawn(_lose_power(station))


async def _lose_power(station: SimulatedStation) -> None:
    await asyncio.sleep(POWER_LOST_AFTER_S)
    for control in station.controls.values():
        control.transaction, control.outlet.closed = None, False
    station.uplink.outbox.clear()
    await station.reboot("PowerUp")


# Starts


def resends_start(station: SimulatedStation, value: Any, action: str, payload: Payload) -> None:
    """The same start once more, as if its answer was lost."""
    _repeat(station, action, payload, when=_is_start(action, payload))


def stops_twice(station: SimulatedStation, value: Any, action: str, payload: Payload) -> None:
    """The same stop once more."""
    _repeat(station, action, payload, when=_is_stop(action, payload))


def _repeat(station: SimulatedStation, action: str, payload: Payload, *, when: bool) -> None:
    memory, key = station.part(Memory), f"{action} {payload.get('timestamp')}"
    if when and key not in memory.repeated:
        memory.repeated.add(key)
        station.say(action, dict(payload), lasting=True)


def no_start(station: SimulatedStation, value: bool, action: str, payload: Any) -> bool:
    """Updated and Ended without Started (2.x)."""
    return value or _event(action, payload, "Started")


def no_meter_start(station: SimulatedStation, payload: Payload, action: str) -> Payload:
    """A start without its register."""
    if action == "StartTransaction":
        return {key: value for key, value in payload.items() if key != "meterStart"}
    if _event(action, payload, "Started"):
        return {key: value for key, value in payload.items() if key != "meterValue"}
    return payload


def without_asking(station: SimulatedStation, value: Known | None, id_token: str) -> Known:
    """Every card is good enough."""
    return Known(True)


def charges_anyway(
    station: SimulatedStation, accepted: bool | None, control: EvseControl
) -> bool | None:
    """The CSMS's refusal changes nothing."""
    return None


def ignores_remote_start(station: SimulatedStation, value: bool, how: str) -> bool:
    """Accepted, and that was all."""
    return False


def short_tags(
    station: SimulatedStation, answer: Any, action: str, payload: Payload
) -> Payload | None:
    """Remote starts with more than 16 characters, or others than capitals and digits, fail."""
    tag = payload.get("idTag") or payload.get("idToken", {}).get("idToken", "")
    is_start = action in ("RemoteStartTransaction", "RequestStartTransaction")
    fits = len(tag) <= 16 and tag.isalnum() and tag == tag.upper()
    forced: Payload | None = answer
    return {"status": "Rejected"} if is_start and not fits else forced


def suffixed_tags(station: SimulatedStation, payload: Payload, action: str) -> Payload:
    """The card's number with the station's serial number behind it."""
    suffix = f"_{station.description.serial_number}"
    bent = dict(payload)
    if isinstance(bent.get("idTag"), str):
        bent["idTag"] = f"{bent['idTag']}{suffix}"[:20]
    token = bent.get("idToken")
    if isinstance(token, dict):
        bent["idToken"] = {**token, "idToken": f"{token['idToken']}{suffix}"[:36]}
    return bent


# Stops


def no_stop(station: SimulatedStation, value: bool, action: str, payload: Any) -> bool:
    """The end of a transaction is never told."""
    return value or _is_stop(action, payload)


def zero_id_stop(station: SimulatedStation, payload: Payload, action: str) -> Payload:
    """Transaction 0 ends."""
    return {**payload, "transactionId": 0} if action == "StopTransaction" else payload


def minus_one_stop(station: SimulatedStation, payload: Payload, action: str) -> Payload:
    """Transaction −1 ends."""
    return {**payload, "transactionId": -1} if action == "StopTransaction" else payload


def unknown_id_stop(station: SimulatedStation, payload: Payload, action: str) -> Payload:
    """A transaction ends that nobody began."""
    return {**payload, "transactionId": UNKNOWN_ID} if action == "StopTransaction" else payload


def stop_without_card(station: SimulatedStation, payload: Payload, action: str) -> Payload:
    """Whoever stopped isn't told."""
    if not _is_stop(action, payload):
        return payload
    return {key: value for key, value in payload.items() if key not in ("idTag", "idToken")}


def stop_with_other_card(station: SimulatedStation, payload: Payload, action: str) -> Payload:
    """Somebody stopped whom nobody knows."""
    if action == "StopTransaction":
        return {**payload, "idTag": OTHER_CARD}
    if _event(action, payload, "Ended"):
        return {**payload, "idToken": {"idToken": OTHER_CARD, "type": "ISO14443"}}
    return payload


def stop_before_start(station: SimulatedStation, payload: Payload, action: str) -> Payload:
    """It ended an hour before now, which is before it began."""
    return _moved(station, payload, action, -CAME_BEFORE)


def stop_in_the_future(station: SimulatedStation, payload: Payload, action: str) -> Payload:
    """It ended five hours from now."""
    return _moved(station, payload, action, COMES_AFTER)


def _moved(station: SimulatedStation, payload: Payload, action: str, by: timedelta) -> Payload:
    if not _is_stop(action, payload):
        return payload
    return {**payload, "timestamp": station.stamp(station.now() + by)}


# Order


def loses_the_line(station: SimulatedStation, value: Any, control: EvseControl) -> None:
    """With each car the line goes down for four minutes."""
    station.spawn(station.uplink.hang_up(LINE_LOST_S))


def allows_unknown_offline(station: SimulatedStation, value: Any) -> None:
    """Without a line any card charges."""
    station.settings.put(station.dialect.NAMES.unknown_offline, "true")


def shuffled(station: SimulatedStation, outbox: deque[Message]) -> deque[Message]:
    """What was kept goes out in any order, and one message twice."""
    lasting = [message for message in outbox if message.lasting]
    if len(lasting) > 2:
        Random(7).shuffle(lasting)
        others = [message for message in outbox if not message.lasting]
        outbox.clear()
        again = lasting[-1]
        twin = Message(again.action, again.payload, True, None)
        outbox.extend((*others, *lasting, twin))
    return outbox


def seqno_gaps(station: SimulatedStation, value: bool, action: str, payload: Any) -> bool:
    """Every third update is lost."""
    if value or not _event(action, payload, "Updated"):
        return value
    memory = station.part(Memory)
    memory.updates += 1
    return memory.updates % GAP_EVERY == 0


def no_evse(station: SimulatedStation, payload: Payload, action: str) -> Payload:
    """Events that don't say where (2.x)."""
    if action != "TransactionEvent":
        return payload
    return {key: value for key, value in payload.items() if key != "evse"}


def always_offline(station: SimulatedStation, payload: Payload, action: str) -> Payload:
    """Every event claims to be an old one (2.x)."""
    return {**payload, "offline": True} if action == "TransactionEvent" else payload


def unknown_id_in_values(station: SimulatedStation, payload: Payload, action: str) -> Payload:
    """Meter values of a transaction that nobody began (1.6)."""
    is_value = action == "MeterValues" and "connectorId" in payload
    return {**payload, "transactionId": UNKNOWN_ID} if is_value else payload


def values_after_stop(
    station: SimulatedStation, value: Any, control: EvseControl, transaction: Transaction
) -> None:
    """The last register comes after the stop (1.6)."""

    async def send() -> None:
        await asyncio.sleep(LATE_VALUES_S)
        identity = transaction.transaction_id or "-1"
        register = {
            "value": str(station.register_wh(control)),
            "context": "Transaction.End",
            "measurand": "Energy.Active.Import.Register",
            "unit": "Wh",
        }
        payload = {
            "connectorId": control.evse.evse_id,
            "transactionId": int(identity),
            "meterValue": [{"timestamp": station.stamp(), "sampledValue": [register]}],
        }
        station.say("MeterValues", payload, lasting=True)

    if station.version is OcppVersion.V16:
        station.spawn(send())


def connector_0_only(station: SimulatedStation, payload: Payload, action: str) -> Payload:
    """Its only EVSE is connector 0 (1.6)."""
    return {**payload, "connectorId": 0} if "connectorId" in payload else payload


# States


def finishing_for_ever(station: SimulatedStation, word: str, control: EvseControl) -> str:
    """After a session it says Finishing until it is reset, car or no car (1.6)."""
    stuck, evse_id = station.part(Memory).stuck, control.evse.evse_id
    if word == "Finishing":
        stuck.add(evse_id)
    if control.transaction is not None:
        stuck.discard(evse_id)
    return "Finishing" if evse_id in stuck else word


def unstuck(station: SimulatedStation, value: Any, afresh: bool) -> None:
    """A reset helps."""
    if afresh:
        station.part(Memory).stuck.clear()


def refuses_availability_of_all(
    station: SimulatedStation, answer: Any, action: str, payload: Payload
) -> Payload | None:
    """Availability can be changed of single connectors only."""
    is_all = payload.get("connectorId") == 0 or ("evse" not in payload and "type" not in payload)
    forced: Payload | None = answer
    return {"status": "Rejected"} if action == "ChangeAvailability" and is_all else forced
