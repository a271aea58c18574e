"""Alarms as rows: priority, since, where, what, what to do, state, count."""

from dataclasses import dataclass
from datetime import datetime

from sitecontroller.domain.views import AlarmView
from ui.i18n.texts import translate
from ui.presenters import units, words
from ui.presenters.words import State
from ui.state import Picture


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """One line of the list."""

    key: str
    priority: State
    since: str
    where: str
    what: str
    remedy: str
    state: str
    count: str
    waiting: bool
    """Not yet acknowledged."""


def row(alarm: AlarmView, picture: Picture) -> AlarmRow:
    """The line of one alarm."""
    return AlarmRow(
        alarm.key,
        words.priority(alarm.priority),
        units.moment(alarm.raised_at, picture.zone, picture.now()),
        where(alarm.subject, picture),
        words.alarm_text(alarm),
        words.alarm_remedy(alarm),
        state(alarm, picture.zone, picture.now()),
        f"{alarm.count}×",
        alarm.acknowledged_at is None,
    )


def where(subject: str, picture: Picture) -> str:
    """What an alarm is about, as people know it."""
    station_id = station_of(subject, picture)
    if station_id is not None:
        station = picture.stations[station_id]
        _, _, number = subject.rpartition("/")
        bays = [e.bay for e in station.evses if e.bay and number in ("", str(e.evse_id))]
        bays = bays or [e.bay for e in station.evses if e.bay]
        return f"{station_id} · {bays[0]}" if bays else station_id
    if subject in picture.circuits:
        return picture.circuits[subject].name
    if subject in picture.meters:
        return picture.meters[subject].name
    return subject


def station_of(subject: str, picture: Picture) -> str | None:
    """The charger an alarm is about, if it is about one."""
    if subject in picture.stations:
        return subject
    station_id = subject.rpartition("/")[0]
    return station_id if station_id in picture.stations else None


def state(alarm: AlarmView, zone: str, now: datetime) -> str:
    """Whether its cause stands and whether someone has seen it."""
    if alarm.cleared_at is not None:
        gone = translate("Alarms", "over since {time}").format(
            time=units.moment(alarm.cleared_at, zone, now)
        )
        if alarm.acknowledged_at is None:
            return translate("Alarms", "{gone}, not acknowledged").format(gone=gone)
        return gone
    if alarm.acknowledged_at is None:
        return translate("Alarms", "Not acknowledged")
    return translate("Alarms", "Acknowledged {time}").format(
        time=units.moment(alarm.acknowledged_at, zone, now)
    )
