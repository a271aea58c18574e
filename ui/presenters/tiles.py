"""One charger's outlet as a tile, and the tiles in groups, one for each feeder."""

from dataclasses import dataclass
from datetime import datetime

from sitecontroller.domain.topology import EvseKey
from sitecontroller.domain.views import CircuitView, EvseActivity, EvseView, StationView
from ui.i18n.texts import number, translate
from ui.presenters import units, words
from ui.presenters.words import State, Tone
from ui.state import Picture

_DRAWING = {EvseActivity.CHARGING, EvseActivity.PAUSED_BY_CAR, EvseActivity.PAUSED_BY_SITE}
_WITH_SESSION = _DRAWING | {EvseActivity.FINISHED}
_LOST = {EvseActivity.OFFLINE, EvseActivity.UNKNOWN}


@dataclass(frozen=True, slots=True)
class Tile:
    """What a tile shows. `fill` and `tick` are shares of the outlet's maximum, None: no bar."""

    key: EvseKey
    title: str
    bay: str
    state: State
    value: str
    """Power now, or what the outlet can do."""
    energy: str
    note: str
    """The limit and its reason, or what is to be known instead."""
    fill: float | None
    tick: float | None
    stale: bool
    spoken: str
    """All of it as a sentence for screen readers."""


@dataclass(frozen=True, slots=True)
class Group:
    """The tiles of one circuit, with how the circuit stands."""

    circuit_id: str
    title: str
    detail: str
    tone: Tone
    tiles: tuple[Tile, ...]


def tile(station: StationView, evse: EvseView, now: datetime, zone: str, *, live: bool) -> Tile:
    """The tile of one EVSE."""
    state = words.activity(evse.activity)
    if evse.activity is EvseActivity.OFFLINE and station.last_seen_at is None:
        state = State(translate("Tile", "Never seen"), state.shape, Tone.MUTED)
    if not live:
        state = State(state.word, state.shape, Tone.MUTED)
    several = len(station.evses) > 1
    name = station.station_id
    title = f"{name} · {evse.evse_id}" if several else name
    drawing = evse.activity in _DRAWING
    value = units.power(evse.power_w) if drawing else capability(evse)
    energy = units.energy(evse.energy_wh) if evse.activity in _WITH_SESSION else ""
    note = _note(station, evse, now, zone)
    fill = tick = None
    if drawing and evse.current_a_max > 0:
        drawn = [a for a in evse.current_a if a is not None]
        fill = min(1.0, max(drawn) / evse.current_a_max) if drawn else 0.0
        tick = min(1.0, evse.limit.current_a / evse.current_a_max) if evse.limit else None
    stale = not live or evse.stale or evse.activity in _LOST
    spoken = ", ".join(filter(None, (title, evse.bay, state.word, value, energy, note)))
    return Tile(
        EvseKey(station.station_id, evse.evse_id),
        title, evse.bay, state, value, energy, note, fill, tick, stale,
        spoken.replace(units.NBSP, " "),
    )  # fmt: skip


def capability(evse: EvseView) -> str:
    """What an outlet can do: "22 kW AC"."""
    kilowatts = round(evse.power_w_max / 100) / 10
    digits = 0 if kilowatts >= 10 or kilowatts == int(kilowatts) else 1
    return translate("Tile", "{power} kW {supply}").format(
        power=number(kilowatts, digits), supply=evse.supply
    ).replace(" ", units.NBSP)  # fmt: skip


def limit_text(evse: EvseView) -> str:
    """The limit and its reason: "16 A: Feeder B, L2"; of a pause the reason alone."""
    if evse.limit is None:
        return translate("Tile", "no limit sent yet")
    reason = limit_reason(evse)
    if evse.limit.current_a == 0 and reason:
        return reason
    amperes = units.limit(evse.limit.current_a)
    return f"{amperes}: {reason}" if reason else amperes


def limit_reason(evse: EvseView) -> str:
    """Why the limit is what it is, without the amperes it may begin with."""
    if evse.limit is None:
        return ""
    if evse.limit.bound_by == "station":
        return translate("Tile", "charger's maximum")
    said, _, rest = evse.limit.reason.partition(": ")
    is_figure = said.removesuffix("A").strip().replace(".", "").isdigit()
    return rest if rest and is_figure else evse.limit.reason


def groups(picture: Picture) -> tuple[Group, ...]:
    """All tiles by circuit, circuits in the order of the site's file."""
    now, zone, live = picture.now(), picture.zone, picture.live
    found: dict[str, list[Tile]] = {circuit_id: [] for circuit_id in picture.circuits}
    for station in picture.stations.values():
        for evse in station.evses:
            tiles = found.setdefault(evse.circuit_id, [])
            tiles.append(tile(station, evse, now, zone, live=live))
    return tuple(
        _group(circuit_id, picture.circuits.get(circuit_id), tuple(tiles), live=live)
        for circuit_id, tiles in found.items()
        if tiles
    )


def group_heading(circuit: CircuitView, *, live: bool) -> tuple[str, Tone]:
    """How a feeder stands, in a line: its current against its limit."""
    if circuit.fail_safe:
        return translate("Tile", "held at a safe value: {reason}").format(
            reason=circuit.fail_safe
        ), Tone.MEDIUM  # fmt: skip
    shares = [
        a / limit
        for a, limit in zip(circuit.current_a, circuit.limit_a, strict=True)
        if a is not None and limit
    ]
    used = units.percent(max(shares) * 100) if shares else units.UNKNOWN
    text = translate("Tile", "{phases} of {limit} · {used}").format(
        phases=units.per_phase(circuit.current_a),
        limit=units.limit(circuit.limit_a[0]),
        used=used,
    )
    over = any(share > 1 for share in shares)
    return text, Tone.HIGH if over and live else Tone.MUTED


def _group(
    circuit_id: str, circuit: CircuitView | None, tiles: tuple[Tile, ...], *, live: bool
) -> Group:
    if circuit is None:
        return Group(circuit_id, circuit_id, "", Tone.MUTED, tiles)
    detail, tone = group_heading(circuit, live=live)
    return Group(circuit_id, circuit.name, detail, tone, tiles)


def _note(station: StationView, evse: EvseView, now: datetime, zone: str) -> str:
    match evse.activity:
        case EvseActivity.OFFLINE if station.last_seen_at is None:
            return translate("Tile", "waiting for first contact")
        case EvseActivity.OFFLINE:
            since = units.moment(station.since or station.last_seen_at, zone, now)
            held = units.limit(evse.limit.exposure_a) if evse.limit else units.UNKNOWN
            return translate("Tile", "since {time}, counted at {limit}").format(
                time=since, limit=held
            )
        case EvseActivity.FAULTED:
            return evse.error or translate("Tile", "the charger gave no reason")
        case EvseActivity.FINISHED:
            return translate("Tile", "unplug to free the bay")
        case EvseActivity.PLUGGED:
            return translate("Tile", "no session started")
        case EvseActivity.UNAVAILABLE:
            return translate("Tile", "taken out of service")
        case EvseActivity.AVAILABLE | EvseActivity.RESERVED | EvseActivity.UNKNOWN:
            return ""
        case _:
            text = limit_text(evse)
            if evse.stale:
                return translate("Tile", "values {age}").format(
                    age=units.age(evse.measured_at, now)
                )  # fmt: skip
            return text
