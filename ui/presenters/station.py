"""One charger in full: identity, outlets, the chain of limits, and what its actions would do."""

from dataclasses import dataclass

from sitecontroller.domain.topology import PHASE_NAMES
from sitecontroller.domain.views import EvseView, StationView
from ui.i18n.texts import translate
from ui.presenters import power, tiles, units, words
from ui.presenters.words import State, Tone
from ui.state import Picture


@dataclass(frozen=True, slots=True)
class Fact:
    """A label and its value."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class ChainLink:
    """One thing that limits an outlet; `binds` on the one that sets the limit."""

    name: str
    value: str
    detail: str
    binds: bool


@dataclass(frozen=True, slots=True)
class Outlet:
    """One EVSE with its session, if there is one."""

    evse_id: int
    title: str
    state: State
    value: str
    bars: tuple[power.PhaseBar, ...]
    facts: tuple[Fact, ...]
    chain: tuple[ChainLink, ...]
    limit: str
    transaction_key: str | None
    stale: bool


@dataclass(frozen=True, slots=True)
class StationPage:
    """The whole page."""

    station_id: str
    title: str
    subtitle: str
    state: State
    warnings: tuple[str, ...]
    outlets: tuple[Outlet, ...]
    online: bool


def page(station: StationView, picture: Picture) -> StationPage:
    """The page of one charger."""
    now, zone = picture.now(), picture.zone
    since = units.moment(station.since, zone, now)
    if station.online:
        state = State(
            translate("Station", "Online since {time}").format(time=since),
            words.Shape.DOT,
            Tone.MUTED,
        )
    elif station.last_seen_at is None:
        state = State(translate("Station", "Never seen"), words.Shape.RING, Tone.MUTED)
    else:
        state = State(
            translate("Station", "Offline since {time}").format(time=since),
            words.Shape.DIAMOND,
            Tone.MEDIUM,
        )
    maker = " ".join(filter(None, (station.vendor, station.model)))
    protocol = f"OCPP {station.version}" if station.version else ""
    firmware = ""
    if station.firmware_version:
        firmware = translate("Station", "firmware {version}").format(
            version=station.firmware_version
        )
    serial = ""
    if station.serial_number:
        serial = translate("Station", "serial {number}").format(number=station.serial_number)
    subtitle = " · ".join(filter(None, (maker, protocol, firmware, serial)))
    return StationPage(
        station.station_id,
        " · ".join(dict.fromkeys(filter(None, (station.station_id, station.name)))),
        subtitle or translate("Station", "It has told nothing about itself yet"),
        state,
        station.warnings,
        tuple(outlet(station, evse, picture) for evse in station.evses),
        station.online,
    )


def outlet(station: StationView, evse: EvseView, picture: Picture) -> Outlet:
    """One EVSE of the page."""
    title = evse.bay or station.station_id
    if len(station.evses) > 1:
        title = translate("Station", "Outlet {number} · {bay}").format(
            number=evse.evse_id, bay=title
        )
    elif evse.bay:
        title = translate("Station", "Bay {bay}").format(bay=evse.bay)
    maximum = (evse.current_a_max,) * 3
    limit = (evse.limit.current_a,) * 3 if evse.limit else (None, None, None)
    bars = tuple(
        bar
        for bar in power.phase_bars(evse.current_a, maximum, limit, digits=1)
        if bar.name in evse.phases or not evse.phases
    )
    shown = tiles.tile(station, evse, picture.now(), picture.zone, live=picture.live)
    return Outlet(
        evse.evse_id,
        title,
        shown.state,
        units.power(evse.power_w) if evse.transaction_key else tiles.capability(evse),
        bars,
        _facts(evse, picture),
        limit_chain(evse, picture),
        tiles.limit_text(evse),
        evse.transaction_key,
        shown.stale,
    )


def limit_chain(evse: EvseView, picture: Picture) -> tuple[ChainLink, ...]:
    """From the outlet up to the main fuse: each limit, and which one binds."""
    bound_by = evse.limit.bound_by if evse.limit else ""
    chain = [
        ChainLink(
            translate("Station", "Charger and cable"),
            units.limit(evse.current_a_max),
            translate("Station", "the most this outlet can give"),
            bound_by == "station",
        )
    ]
    for circuit in picture.path(evse.circuit_id):
        free = [
            (headroom, name)
            for headroom, name in zip(circuit.headroom_a, PHASE_NAMES, strict=True)
            if headroom is not None
        ]
        detail = translate("Station", "no current meter value")
        if free:
            least, name = min(free)
            detail = translate("Station", "{free} free on {phase}").format(
                free=units.current(max(0.0, least), 1), phase=name
            )
        cap = min((cap for cap in circuit.cap_a if cap is not None), default=None)
        chain.append(
            ChainLink(
                circuit.name,
                translate("Station", "cap {limit}").format(limit=units.limit(cap)),
                circuit.fail_safe or circuit.limited_by or detail,
                bound_by == circuit.circuit_id,
            )
        )
    if evse.limit and not any(link.binds for link in chain):
        names = {
            "car": translate("Station", "The car"),
            "fallback": translate("Station", "The charger's safe limit"),
            "meter": translate("Station", "A silent meter"),
            "pause": translate("Station", "Its turn comes later"),
            "plan": translate("Station", "The plan"),
            "discharge": translate("Station", "It gives back at peak demand"),
            "emergency": translate("Station", "The emergency stop"),
        }
        name = names.get(bound_by, translate("Station", "Another limit"))
        chain.append(
            ChainLink(name, units.limit(evse.limit.current_a), tiles.limit_reason(evse), True)
        )
    return tuple(chain)


def stop_consequence(evse: EvseView) -> str:
    """What stopping does, with the session's numbers."""
    energy, price = units.energy(evse.energy_wh, 2), units.money(evse.price)
    if evse.price is None:
        return translate("Station", "Ends the session at {energy}.").format(energy=energy)
    return translate("Station", "Ends the session at {energy}, {price}.").format(
        energy=energy, price=price
    )


def running(station: StationView) -> int:
    """Sessions at this charger."""
    return sum(1 for evse in station.evses if evse.transaction_key)


def restart_consequence(station: StationView) -> str:
    """What restarting does."""
    count = running(station)
    if not count:
        return translate("Station", "No session runs; it is back in about a minute.")
    if count == 1:
        return translate("Station", "1 session ends first; it is back in about a minute.")
    return translate("Station", "{count} sessions end first; it is back in about a minute.").format(
        count=count
    )


def out_of_service_consequence(station: StationView) -> str:
    """What taking a charger out of service does."""
    count = running(station)
    if not count:
        return translate("Station", "No new session starts here until it is put back.")
    if count == 1:
        return translate("Station", "The running session goes on; then no new one starts here.")
    return translate(
        "Station", "{count} running sessions go on; then no new one starts here."
    ).format(count=count)


def _facts(evse: EvseView, picture: Picture) -> tuple[Fact, ...]:
    now, zone = picture.now(), picture.zone
    facts = []
    transaction = picture.transactions.get(evse.transaction_key or "")
    if transaction is not None:
        facts += [
            Fact(translate("Station", "Energy"), units.energy(evse.energy_wh, 2)),
            Fact(translate("Station", "Price so far"), units.money(evse.price)),
            Fact(
                translate("Station", "Started"),
                translate("Station", "{time}, {span} ago").format(
                    time=units.moment(transaction.started_at, zone, now),
                    span=units.span((now - transaction.started_at).total_seconds()),
                ),
            ),
            Fact(translate("Station", "Card"), transaction.id_token or units.UNKNOWN),
        ]
    if evse.soc_percent is not None:
        facts.append(Fact(translate("Station", "Car battery"), units.percent(evse.soc_percent)))
    known_v = [v for v in evse.voltage_v if v is not None]
    if known_v:
        facts.append(
            Fact(translate("Station", "Voltage"), " / ".join(units.voltage(v) for v in known_v))
        )
    if evse.error:
        facts.append(Fact(translate("Station", "Fault"), evse.error))
    if evse.measured_at is not None:
        facts.append(Fact(translate("Station", "Measured"), units.age(evse.measured_at, now)))
    facts.append(Fact(translate("Station", "EVSE-ID"), evse.evse_code))
    return tuple(facts)
