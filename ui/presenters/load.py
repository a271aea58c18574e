"""The tree of fuses with the cars on it, in words: what flows, what may flow, and why."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from sitecontroller.domain.limit_source import LimitSource
from sitecontroller.domain.topology import UNKNOWN_PHASES, PerPhase
from sitecontroller.domain.views import CircuitView, EvseView, StationView
from ui.i18n.texts import translate
from ui.presenters import units, words
from ui.presenters.words import Shape, State, Tone
from ui.state import Picture

WITH_DECIMAL_BELOW_A = 100
INDENT = f"{units.NBSP}" * 4


@dataclass(frozen=True, slots=True)
class LoadRow:
    """A fuse or an outlet. `cap` is what may flow, `free` what is left of it."""

    key: str
    name: str
    phases: tuple[str, str, str]
    cap: str
    free: str
    why: str
    state: State
    is_circuit: bool
    station_id: str = ""
    outlet: str = ""
    """"CP-01/1"; "" for a fuse."""


def rows(picture: Picture, *, idle: bool) -> list[LoadRow]:
    """The tree from the main fuse down, outlets below their fuse; `idle`: all of them."""
    main = picture.main_circuit()
    if main is None:
        return []
    outlets: dict[str, list[tuple[StationView, EvseView]]] = {}
    for station in picture.stations.values():
        for evse in station.evses:
            if idle or evse.transaction_key is not None:
                outlets.setdefault(evse.circuit_id, []).append((station, evse))
    return _below(main, picture, outlets, 0)


def circuit_key(circuit_id: str) -> str:
    """The key of a fuse's row."""
    return f"circuit {circuit_id}"


def _below(
    circuit: CircuitView,
    picture: Picture,
    outlets: dict[str, list[tuple[StationView, EvseView]]],
    depth: int,
) -> list[LoadRow]:
    found = [_circuit(circuit, picture, depth)]
    found += [
        _outlet(station, evse, depth + 1) for station, evse in outlets.get(circuit.circuit_id, ())
    ]
    for child in picture.circuits.values():
        if child.parent_id == circuit.circuit_id:
            found += _below(child, picture, outlets, depth + 1)
    return found


def _circuit(circuit: CircuitView, picture: Picture, depth: int) -> LoadRow:
    free = [a for a in circuit.headroom_a if a is not None]
    state, why = _standing(circuit, picture.now(), live=picture.live)
    return LoadRow(
        circuit_key(circuit.circuit_id),
        f"{INDENT * depth}{circuit.name}",
        _phases(circuit.current_a),
        units.limit(lowest(circuit.cap_a)),
        units.current(max(0.0, min(free))) if free else units.UNKNOWN,
        why,
        state,
        is_circuit=True,
    )


def _standing(circuit: CircuitView, now: datetime, *, live: bool) -> tuple[State, str]:
    """A fuse's state, and the most telling thing about it."""
    measured = units.age(circuit.measured_at, now)
    over = any(
        a is not None and limit is not None and a > limit
        for a, limit in zip(circuit.current_a, circuit.limit_a, strict=True)
    )
    if over and live:
        fuse = translate("Load", "more than its fuse of {limit}").format(
            limit=units.rating(circuit.limit_a)
        )
        return State(translate("Load", "Over"), Shape.TRIANGLE, Tone.HIGH), fuse
    if circuit.fail_safe is not None:
        return State(translate("Load", "Safe values"), Shape.DIAMOND, Tone.MEDIUM), (
            circuit.fail_safe
        )
    if circuit.stale:
        return State(translate("Load", "Meter late"), Shape.DIAMOND, Tone.MEDIUM), measured
    if circuit.limited_by is not None:
        return State(translate("Load", "Limited"), Shape.BAR, Tone.NORMAL), circuit.limited_by
    words = translate("Load", "fuse {limit}, measured {age}")
    if circuit.measured_at is None:
        words = translate("Load", "fuse {limit}, without a meter")
    fuse = words.format(limit=units.rating(circuit.limit_a), age=measured)
    return State(translate("Load", "Normal"), Shape.NONE, Tone.MUTED), fuse


def _outlet(station: StationView, evse: EvseView, depth: int) -> LoadRow:
    name = station.station_id if len(station.evses) == 1 else f"{station.station_id}/{evse.evse_id}"
    if evse.bay:
        name = f"{name} · {evse.bay}"
    told = evse.limit if evse.transaction_key is not None else None
    return LoadRow(
        f"evse {station.station_id}/{evse.evse_id}",
        f"{INDENT * depth}{name}",
        _phases(UNKNOWN_PHASES if evse.transaction_key is None else evse.current_a),
        units.limit(told.current_a) if told else "",
        "",
        why(told.reason) if told else "",
        words.activity(evse.activity),
        is_circuit=False,
        station_id=station.station_id,
        outlet=f"{station.station_id}/{evse.evse_id}",
    )


def _phases(current_a: PerPhase) -> tuple[str, str, str]:
    one, two, three = (
        "" if a is None else units.current(a, 1 if a < WITH_DECIMAL_BELOW_A else 0)
        for a in current_a
    )
    return one, two, three


def why(reason: str) -> str:
    """A limit's reason without the limit itself, which stands beside it."""
    return re.sub(r"^[\d.]+ A: ", "", reason)


def lowest(current_a: PerPhase) -> float | None:
    """The smallest of the phases that have a value."""
    return min((a for a in current_a if a is not None), default=None)


def amount(current_a: PerPhase, power_w: float | None) -> str:
    """What is allowed: "40 A", phase by phase where they differ, or kW."""
    parts = []
    known = [a for a in current_a if a is not None]
    if known:
        same = len(known) == len(current_a) and len(set(known)) == 1
        parts.append(units.limit(known[0]) if same else units.per_phase(current_a))
    if power_w is not None:
        parts.append(units.power(power_w))
    return " · ".join(parts)


def source(value: LimitSource) -> str:
    """Who limits."""
    table = {
        LimitSource.HQ: translate("Load", "Headquarters"),
        LimitSource.GRID_OPERATOR: translate("Load", "Grid operator"),
        LimitSource.DEMAND: translate("Load", "Peak demand"),
        LimitSource.TARIFF: translate("Load", "Tariff"),
        LimitSource.ATTENDANT: translate("Load", "Attendant"),
    }
    return table.get(value, value.value)


@dataclass(frozen=True, slots=True)
class Lasting:
    """For how long a limit by hand holds; None: until it is withdrawn."""

    text: str
    span: timedelta | None


def lastings() -> tuple[Lasting, ...]:
    """What an attendant may choose from, the usual one first."""
    return (
        Lasting(translate("Load", "for 1 hour"), timedelta(hours=1)),
        Lasting(translate("Load", "for 2 hours"), timedelta(hours=2)),
        Lasting(translate("Load", "for 4 hours"), timedelta(hours=4)),
        Lasting(translate("Load", "for 12 hours"), timedelta(hours=12)),
        Lasting(translate("Load", "until withdrawn"), None),
    )


def consequence(picture: Picture, circuit_id: str, current_a: float) -> str:
    """What a limit of so many amperes would change at a fuse, with its numbers."""
    circuit = picture.circuits.get(circuit_id)
    if circuit is None:
        return ""
    fuse = lowest(circuit.limit_a)
    if fuse is not None and current_a >= fuse:
        return translate("Load", "The fuse of {fuse} is smaller: nothing would change.").format(
            fuse=units.limit(fuse)
        )
    flows = max((a for a in circuit.current_a if a is not None), default=None)
    text = translate("Load", "Now {flows} flow of {cap}.").format(
        flows=units.current(flows), cap=units.limit(lowest(circuit.cap_a))
    )
    cars = sum(
        1
        for station in picture.stations.values()
        for evse in station.evses
        if evse.transaction_key
        and any(c.circuit_id == circuit_id for c in picture.path(evse.circuit_id))
    )
    if flows is not None and flows > current_a and cars:
        share = translate("Load", "{cars} cars would get less, or wait.")
        if cars == 1:
            share = translate("Load", "{cars} car would get less, or wait.")
        text += " " + share.format(cars=cars)
    return text
