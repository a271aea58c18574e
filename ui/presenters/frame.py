"""The frame of every screen in words: top bar, alarm banner, and a lost controller."""

from dataclasses import dataclass
from datetime import timedelta

from sitecontroller.domain.alarm import AlarmPriority
from sitecontroller.domain.views import AlarmView
from ui.i18n.texts import translate
from ui.presenters import units, words
from ui.presenters.words import Shape, State, Tone
from ui.state import Link, Picture

_URGENCY = {AlarmPriority.HIGH: 0, AlarmPriority.MEDIUM: 1, AlarmPriority.LOW: 2}
_PATIENCE = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class Count:
    """One of the top bar's counts."""

    text: str
    shape: Shape
    tone: Tone


@dataclass(frozen=True, slots=True)
class TopBar:
    """The top bar. `load` is 0…1 of the fuse, None: not known."""

    site: str
    demo: bool
    counts: tuple[Count, ...]
    load: float | None
    load_text: str
    link: State
    clock: str
    stale: bool


@dataclass(frozen=True, slots=True)
class Banner:
    """The alarm banner: how many of each priority, and the most urgent not yet acknowledged."""

    counts: tuple[tuple[AlarmPriority, int], ...]
    key: str | None
    when: str
    text: str
    remedy: str
    tone: Tone


@dataclass(frozen=True, slots=True)
class Lost:
    """A controller that doesn't answer: since when, what holds, what to do."""

    title: str
    holds: str
    remedy: str
    may_start: bool


def top_bar(picture: Picture) -> TopBar:
    """The bar as of now."""
    site = picture.site
    if site is None:
        name = translate("Frame", "Charging site")
        return TopBar(name, False, (), None, "", _link(picture), "", True)
    counts: tuple[Count, ...] = (
        Count(
            translate("Frame", "{count} charging").format(count=site.charging),
            Shape.DOT,
            Tone.ACTIVE if site.charging else Tone.MUTED,
        ),
        Count(translate("Frame", "{count} free").format(count=site.free), Shape.RING, Tone.MUTED),
        Count(
            translate("Frame", "{count} fault").format(count=site.faulted),
            Shape.TRIANGLE,
            Tone.HIGH if site.faulted else Tone.MUTED,
        ),
        Count(
            translate("Frame", "{count} offline").format(count=site.offline),
            Shape.DIAMOND,
            Tone.MEDIUM if site.offline else Tone.MUTED,
        ),
    )
    if not picture.live:
        counts = tuple(Count(count.text, count.shape, Tone.MUTED) for count in counts)
    load = None if site.load_percent is None else site.load_percent / 100
    return TopBar(
        site.name,
        site.demo,
        counts,
        load,
        translate("Frame", "Load {percent} of fuse").format(
            percent=units.percent(site.load_percent)
        ),
        _link(picture),
        units.date_and_time(picture.now(), picture.zone),
        not picture.live,
    )


def banner(picture: Picture) -> Banner:
    """The banner as of now."""
    standing = list(picture.alarms.values())
    counts = tuple(
        (priority, count)
        for priority in AlarmPriority
        if (count := sum(1 for alarm in standing if alarm.priority is priority))
    )
    waiting = sorted((a for a in standing if a.acknowledged_at is None), key=urgency)
    if not waiting:
        text = translate("Frame", "No alarms")
        if standing:
            text = translate("Frame", "All alarms are acknowledged; their causes still stand")
        return Banner(counts, None, "", text, "", Tone.MUTED)
    first = waiting[0]
    return Banner(
        counts,
        first.key,
        units.moment(first.raised_at, picture.zone, picture.now()),
        words.alarm_text(first),
        words.alarm_remedy(first),
        words.priority(first.priority).tone,
    )


def urgency(alarm: AlarmView) -> tuple[int, float]:
    """Sorts alarms: the most urgent first, among equals the newest."""
    return _URGENCY[alarm.priority], -alarm.raised_at.timestamp()


def lost(picture: Picture) -> Lost | None:
    """What to say while the controller does not answer; None while it does."""
    if picture.link is not Link.LOST or picture.link_since is None:
        return None
    away = picture.clock.now() - picture.link_since
    title = translate("Frame", "No contact with the controller since {time} ({age})").format(
        time=units.clock_time(picture.link_since, picture.zone, seconds=True),
        age=units.span(away.total_seconds()),
    )
    holds = translate(
        "Frame",
        "Chargers keep their last limits and fall back to their safe limit by themselves; "
        "running sessions go on and are counted.",
    )
    remedy = translate("Frame", "Nothing to do yet: the console keeps trying to connect.")
    if away > _PATIENCE:
        remedy = translate(
            "Frame",
            "Check that the controller's computer is on, then start the controller. "
            "If it stays away, call service.",
        )
    return Lost(title, holds, remedy, away > _PATIENCE)


def _link(picture: Picture) -> State:
    if picture.link is Link.LIVE:
        return State(translate("Frame", "Controller connected"), Shape.DOT, Tone.MUTED)
    if picture.link is Link.CONNECTING:
        return State(translate("Frame", "Connecting …"), Shape.RING, Tone.MUTED)
    return State(translate("Frame", "Controller not reachable"), Shape.DIAMOND, Tone.MEDIUM)
