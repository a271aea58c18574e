"""Sessions as rows and as the explained bill of one."""

from dataclasses import dataclass
from datetime import datetime

from sitecontroller.domain.transaction import TransactionState
from sitecontroller.domain.views import TransactionView
from ui.i18n.texts import translate
from ui.presenters import units, words
from ui.presenters.station import Fact
from ui.presenters.words import Shape, State, Tone
from ui.state import Picture


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One line of the list."""

    key: str
    started: str
    where: str
    card: str
    duration: str
    energy: str
    price: str
    state: State


def row(view: TransactionView, picture: Picture) -> SessionRow:
    """The line of one session."""
    now, zone = picture.now(), picture.zone
    return SessionRow(
        view.key,
        units.moment(view.started_at, zone, now),
        where(view),
        view.id_token or units.UNKNOWN,
        units.span(duration_s(view, now)),
        units.energy(view.energy_wh, 2),
        units.money(view.price),
        state(view, picture),
    )


def active(view: TransactionView) -> bool:
    """Whether it still runs."""
    return view.state == TransactionState.ACTIVE


def duration_s(view: TransactionView, now: datetime) -> float:
    """How long it took, or has taken so far."""
    return ((view.ended_at or now) - view.started_at).total_seconds()


def where(view: TransactionView) -> str:
    """Charger and bay."""
    return f"{view.station_id} · {view.bay}" if view.bay else view.station_id


def state(view: TransactionView, picture: Picture) -> State:
    """How a session stands; of a running one, what its outlet does."""
    if active(view):
        evse = picture.evse(view.station_id, view.evse_id)
        if evse is not None and evse.transaction_key == view.key:
            return words.activity(evse.activity)
        return State(translate("Session", "Running"), Shape.DOT, Tone.ACTIVE)
    if view.flags:
        return State(translate("Session", "Ended, see note"), Shape.CHECK, Tone.NORMAL)
    return State(translate("Session", "Ended"), Shape.CHECK, Tone.MUTED)


def facts(view: TransactionView, now: datetime, zone: str) -> tuple[Fact, ...]:
    """All that is known about one session."""
    ended = units.UNKNOWN
    if view.ended_at is not None:
        ended = units.moment(view.ended_at, zone, now, seconds=True)
        if reason := words.stop_reason(view.stop_reason):
            ended = f"{ended}, {reason}"
    card = view.id_token or units.UNKNOWN
    return (
        Fact(translate("Session", "Charger"), where(view)),
        Fact(
            translate("Session", "Card"),
            f"{card}, {words.card_status(view.authorization_status)}",
        ),
        Fact(
            translate("Session", "Started"),
            units.moment(view.started_at, zone, now, seconds=True),
        ),
        Fact(translate("Session", "Ended"), ended),
        Fact(translate("Session", "Duration"), units.span(duration_s(view, now))),
        Fact(
            translate("Session", "Meter"),
            f"{units.energy(view.meter_start_wh, 2)} → {units.energy(view.meter_stop_wh, 2)}",
        ),
        Fact(translate("Session", "Energy"), units.energy(view.energy_wh, 3)),
        Fact(
            translate("Session", "Power"),
            units.power(view.power_w) if active(view) else units.UNKNOWN,
        ),
        Fact(
            translate("Session", "Tariff"),
            view.tariff or translate("Session", "none valid at the start"),
        ),
    )


def notes(view: TransactionView) -> tuple[str, ...]:
    """What a person should know about how the figures came to be."""
    return tuple(words.flag(code) for code in view.flags)
