"""The single-line diagram in figures: grid, main fuse, building and feeders, per phase."""

from dataclasses import dataclass
from datetime import datetime

from sitecontroller.domain.topology import PHASE_NAMES, UNKNOWN_PHASES, PerPhase
from sitecontroller.domain.views import CircuitView, EvseView
from ui.i18n.texts import translate
from ui.presenters import units
from ui.presenters.words import Shape, Tone
from ui.state import Picture


@dataclass(frozen=True, slots=True)
class PhaseBar:
    """One phase: its name and amperes, its share of the limit, where the cap sits, over or not."""

    name: str
    text: str
    fill: float | None
    cap: float | None
    over: bool


@dataclass(frozen=True, slots=True)
class Node:
    """One box of the diagram. `note` says age or reason; `shape` goes with an abnormal tone."""

    kind: str
    """One of "grid", "fuse", "building", "feeder"."""
    title: str
    detail: str
    value: str
    value_note: str
    bars: tuple[PhaseBar, ...]
    note: str
    tone: Tone
    shape: Shape
    stale: bool

    @property
    def spoken(self) -> str:
        """The box as a sentence."""
        phases = ", ".join(f"{bar.name} {bar.text}" for bar in self.bars)
        parts = (self.title, self.detail, self.value, self.value_note, phases, self.note)
        return ", ".join(part for part in parts if part).replace(units.NBSP, " ")


def nodes(picture: Picture) -> tuple[Node, ...]:
    """Grid, main fuse, building, then the feeders; empty before the first snapshot."""
    main = picture.main_circuit()
    if main is None:
        return ()
    now, live = picture.now(), picture.live
    feeders = [c for c in picture.circuits.values() if c.parent_id == main.circuit_id]
    return (
        _grid(main, now, live=live),
        _fuse(main, now, live=live),
        _building(main, [_power_w(f, picture) for f in feeders], now, live=live),
        *(_feeder(feeder, picture, now, live=live) for feeder in feeders),
    )


def load_percent(circuit: CircuitView) -> float | None:
    """The most loaded phase against the limit."""
    shares = [
        a / limit * 100
        for a, limit in zip(circuit.current_a, circuit.limit_a, strict=True)
        if a is not None and limit
    ]
    return max(shares, default=None)


def phase_bars(
    current_a: PerPhase, limit_a: PerPhase, cap_a: PerPhase = UNKNOWN_PHASES, *, digits: int = 0
) -> tuple[PhaseBar, ...]:
    """Bars for the three phases against a limit."""
    bars = []
    for name, value, limit, cap in zip(PHASE_NAMES, current_a, limit_a, cap_a, strict=True):
        scale = limit or None
        bars.append(
            PhaseBar(
                name,
                units.current(value, digits),
                None if value is None or scale is None else max(0.0, min(1.0, value / scale)),
                None if cap is None or scale is None else cap / scale,
                value is not None and limit is not None and value > limit,
            )
        )
    return tuple(bars)


def _grid(main: CircuitView, now: datetime, *, live: bool) -> Node:
    exporting = main.power_w is not None and main.power_w < 0
    return Node(
        "grid",
        translate("Power", "Grid"),
        "",
        units.power(main.power_w),
        translate("Power", "feeding in") if exporting else translate("Power", "drawn"),
        phase_bars(main.current_a, main.limit_a),
        _measured(main.measured_at, now),
        Tone.MEDIUM if main.stale and live else Tone.NORMAL,
        Shape.DIAMOND if main.stale and live else Shape.NONE,
        main.stale or not live,
    )


def _fuse(main: CircuitView, now: datetime, *, live: bool) -> Node:
    over = _over(main)
    free = [a for a in main.headroom_a if a is not None]
    note = translate("Power", "cap {cap} · {free} free").format(
        cap=units.limit(_lowest(main.cap_a)),
        free=units.current(max(0.0, min(free))) if free else units.UNKNOWN,
    )
    tone, shape = Tone.NORMAL, Shape.NONE
    if not live:
        note = _measured(main.measured_at, now)
    elif over:
        note = translate("Power", "over the fuse: {phases}").format(phases=", ".join(over))
        tone, shape = Tone.HIGH, Shape.TRIANGLE
    elif main.fail_safe:
        note, tone, shape = main.fail_safe, Tone.MEDIUM, Shape.DIAMOND
    elif main.limited_by:
        note = main.limited_by
    return Node(
        "fuse",
        translate("Power", "Main fuse"),
        units.rating(main.limit_a),
        units.percent(load_percent(main)),
        translate("Power", "of the fuse"),
        phase_bars(main.current_a, main.limit_a, main.cap_a),
        note,
        tone,
        shape,
        main.stale or not live,
    )


def _building(main: CircuitView, below: list[float | None], now: datetime, *, live: bool) -> Node:
    power_w = None
    if main.power_w is not None and None not in below:
        power_w = max(0.0, main.power_w - sum(w for w in below if w is not None))
    return Node(
        "building",
        translate("Power", "Building"),
        "",
        units.power(power_w),
        translate("Power", "other loads"),
        phase_bars(main.base_a, main.limit_a),
        _measured(main.measured_at, now),
        Tone.NORMAL,
        Shape.NONE,
        main.stale or not live,
    )


def _feeder(feeder: CircuitView, picture: Picture, now: datetime, *, live: bool) -> Node:
    over = _over(feeder)
    cars = sum(1 for evse in _outlets(feeder, picture) if evse.transaction_key)
    tone, shape = Tone.NORMAL, Shape.NONE
    note = translate("Power", "{cars} cars · cap {cap}") if cars != 1 else translate(
        "Power", "{cars} car · cap {cap}"
    )  # fmt: skip
    note = note.format(cars=cars, cap=units.limit(_lowest(feeder.cap_a)))
    if not live:
        note = _measured(feeder.measured_at, now)
    elif over:
        note = translate("Power", "over its limit: {phases}").format(phases=", ".join(over))
        tone, shape = Tone.HIGH, Shape.TRIANGLE
    elif feeder.fail_safe:
        note, tone, shape = feeder.fail_safe, Tone.MEDIUM, Shape.DIAMOND
    elif feeder.stale:
        note, tone, shape = _measured(feeder.measured_at, now), Tone.MEDIUM, Shape.DIAMOND
    elif feeder.limited_by:
        note = feeder.limited_by
    return Node(
        "feeder",
        feeder.name,
        units.rating(feeder.limit_a),
        units.power(_power_w(feeder, picture)),
        units.percent(load_percent(feeder)),
        phase_bars(feeder.current_a, feeder.limit_a, feeder.cap_a),
        note,
        tone,
        shape,
        feeder.stale or not live,
    )


def _outlets(feeder: CircuitView, picture: Picture) -> list[EvseView]:
    return [
        evse
        for station in picture.stations.values()
        for evse in station.evses
        if any(c.circuit_id == feeder.circuit_id for c in picture.path(evse.circuit_id))
    ]


def _power_w(feeder: CircuitView, picture: Picture) -> float | None:
    """Its own value, else the sum of what its cars draw; None if one of them is not known."""
    if feeder.power_w is not None:
        return feeder.power_w
    drawn = [evse.power_w for evse in _outlets(feeder, picture) if evse.transaction_key]
    return None if None in drawn else sum(w for w in drawn if w is not None)


def _over(circuit: CircuitView) -> list[str]:
    return [
        name
        for name, value, limit in zip(PHASE_NAMES, circuit.current_a, circuit.limit_a, strict=True)
        if value is not None and limit is not None and value > limit
    ]


def _lowest(values: PerPhase) -> float | None:
    return min((value for value in values if value is not None), default=None)


def _measured(at: datetime | None, now: datetime) -> str:
    if at is None:
        return translate("Power", "no meter value yet")
    return translate("Power", "measured {age} ago").format(
        age=units.span((now - at).total_seconds())
    )
