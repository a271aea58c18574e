"""The attendants' words: charger, session, bay, card; a state is a word and a shape.

One table for each set of codes; nothing of OCPP's own spelling reaches the screen from here.
"""

from dataclasses import dataclass
from enum import StrEnum

from sitecontroller.domain.alarm import ALARMS, AlarmPriority
from sitecontroller.domain.views import AlarmView, EvseActivity
from ui.i18n.texts import translate


class Shape(StrEnum):
    """A sign beside a word, for those who don't see its colour."""

    DOT = "dot"
    RING = "ring"
    PLUG = "plug"
    PAUSE = "pause"
    CHECK = "check"
    TRIANGLE = "triangle"
    DIAMOND = "diamond"
    BAR = "bar"
    CLOCK = "clock"
    NONE = "none"


class Tone(StrEnum):
    """How much a thing asks for attention. NORMAL is grey; only MEDIUM and HIGH have a colour."""

    NORMAL = "normal"
    ACTIVE = "active"
    MUTED = "muted"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class State:
    """A state as text, shape and tone."""

    word: str
    shape: Shape
    tone: Tone


def activity(value: EvseActivity) -> State:
    """What a charger is doing."""
    table = {
        EvseActivity.OFFLINE: (translate("State", "Offline"), Shape.DIAMOND, Tone.MEDIUM),
        EvseActivity.FAULTED: (translate("State", "Fault"), Shape.TRIANGLE, Tone.HIGH),
        EvseActivity.UNAVAILABLE: (translate("State", "Out of service"), Shape.BAR, Tone.MUTED),
        EvseActivity.RESERVED: (translate("State", "Reserved"), Shape.CLOCK, Tone.NORMAL),
        EvseActivity.AVAILABLE: (translate("State", "Free"), Shape.RING, Tone.MUTED),
        EvseActivity.PLUGGED: (translate("State", "Plugged in"), Shape.PLUG, Tone.NORMAL),
        EvseActivity.CHARGING: (translate("State", "Charging"), Shape.DOT, Tone.ACTIVE),
        EvseActivity.PAUSED_BY_SITE: (translate("State", "Waiting"), Shape.PAUSE, Tone.NORMAL),
        EvseActivity.PAUSED_BY_CAR: (translate("State", "Car paused"), Shape.PAUSE, Tone.NORMAL),
        EvseActivity.FINISHED: (translate("State", "Finished"), Shape.CHECK, Tone.NORMAL),
        EvseActivity.UNKNOWN: (translate("State", "No state yet"), Shape.NONE, Tone.MUTED),
    }
    return State(*table[value])


def priority(value: AlarmPriority) -> State:
    """An alarm's urgency."""
    table = {
        AlarmPriority.HIGH: (translate("Priority", "HIGH"), Shape.TRIANGLE, Tone.HIGH),
        AlarmPriority.MEDIUM: (translate("Priority", "MEDIUM"), Shape.DIAMOND, Tone.MEDIUM),
        AlarmPriority.LOW: (translate("Priority", "LOW"), Shape.DOT, Tone.NORMAL),
    }
    return State(*table[value])


def alarm_text(alarm: AlarmView) -> str:
    """What happened, in the attendant's language."""
    row = ALARMS.get(alarm.code)
    if row is None:
        return alarm.text
    translated = translate("Alarm", row.text)
    return alarm.text if translated == row.text else _filled(translated, alarm.parameters)


def alarm_remedy(alarm: AlarmView) -> str:
    """What to do about it."""
    row = ALARMS.get(alarm.code)
    if row is None or (row.particular and alarm.parameters.get("remedy")):
        return alarm.remedy
    return translate("Alarm", row.remedy)


def _filled(text: str, parameters: dict[str, str]) -> str:
    for name, value in parameters.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def stop_reason(code: str | None) -> str:
    """Why a session ended."""
    table = {
        "Local": translate("Stop", "ended at the charger"),
        "Remote": translate("Stop", "ended from here"),
        "EVDisconnected": translate("Stop", "the car was unplugged"),
        "EmergencyStop": translate("Stop", "emergency stop"),
        "PowerLoss": translate("Stop", "the charger lost power"),
        "Reboot": translate("Stop", "the charger restarted"),
        "HardReset": translate("Stop", "the charger restarted"),
        "SoftReset": translate("Stop", "the charger restarted"),
        "ImmediateReset": translate("Stop", "the charger restarted"),
        "UnlockCommand": translate("Stop", "the cable was released"),
        "DeAuthorized": translate("Stop", "the card was refused"),
        "StoppedByEV": translate("Stop", "the car ended it"),
        "SOCLimitReached": translate("Stop", "the car is full"),
        "EnergyLimitReached": translate("Stop", "the energy limit was reached"),
        "TimeLimitReached": translate("Stop", "the time limit was reached"),
        "GroundFault": translate("Stop", "ground fault"),
        "Other": translate("Stop", "the charger gave no reason"),
    }
    if code is None:
        return ""
    return table.get(code, translate("Stop", "the charger ended it"))


def flag(code: str) -> str:
    """What a person should know about how a session's figures came to be."""
    table = {
        "refused-token": translate("Flag", "The card was refused, yet the car charged"),
        "no-start": translate("Flag", "Its start never reached us"),
        "missing-stop": translate("Flag", "Closed by us: the charger never reported the end"),
        "stop-guessed": translate("Flag", "Its end was matched by card, meter and time"),
        "stop-corrected": translate("Flag", "The real end came later; the figures were corrected"),
        "power-loss": translate("Flag", "The charger restarted during the session"),
        "register-doubtful": translate("Flag", "The meter readings don't fit; check them"),
        "clock-doubtful": translate("Flag", "The charger's clock is wrong; our times are used"),
        "offline": translate("Flag", "Partly recorded while the charger was offline"),
        "sequence-gap": translate("Flag", "Some of its reports are missing"),
        "unpriced": translate("Flag", "No tariff was valid at its start"),
        "signed-invalid": translate(
            "Flag", "The meter's signed readings are not valid: decide whether to bill it"
        ),
    }
    return table.get(code, code)


def card_status(code: str) -> str:
    """The answer a card got."""
    table = {
        "Accepted": translate("Card", "card accepted"),
        "Blocked": translate("Card", "card blocked"),
        "Expired": translate("Card", "card expired"),
        "Invalid": translate("Card", "card not known"),
        "Unknown": translate("Card", "card not known"),
        "ConcurrentTx": translate("Card", "card already in use"),
        "NotAtThisTime": translate("Card", "reserved for another card"),
    }
    return table.get(code, translate("Card", "card refused"))


def frame_kind(code: str) -> str:
    """What a message of the journal is."""
    table = {
        "call": translate("Journal", "request"),
        "result": translate("Journal", "answer"),
        "error": translate("Journal", "error"),
        "invalid": translate("Journal", "unreadable"),
        "connect": translate("Journal", "connected"),
        "disconnect": translate("Journal", "disconnected"),
    }
    return table.get(code, code)
