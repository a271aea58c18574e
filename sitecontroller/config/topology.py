"""`[[meters]]`, `[[circuits]]` and `[[stations]]` of site.toml: what hangs on what."""

from sitecontroller.config.groups import read_groups
from sitecontroller.config.table import Reader, Table
from sitecontroller.domain.ids import is_station_id
from sitecontroller.domain.topology import (
    ChargingStation,
    Circuit,
    Evse,
    LimitUnit,
    Meter,
    PhaseMap,
    ServiceClass,
    Supply,
    Topology,
)

CLASSES = "|".join(ServiceClass)


def read_topology(root: Table, reader: "Reader") -> Topology:
    """Meters, the tree of circuits, stations and groups, each checked against the others."""
    meters = {m.meter_id: m for m in map(_meter, root.tables("meters"))}
    circuits: dict[str, Circuit] = {}
    for table in root.tables("circuits"):
        circuit = _circuit(table, meters)
        if circuit.circuit_id in circuits:
            table.fault("id", f"'{circuit.circuit_id}' is used twice")
        elif circuit.parent_id is not None and circuit.parent_id not in circuits:
            table.fault("parent", f"no circuit '{circuit.parent_id}' stands above this one")
        circuits[circuit.circuit_id] = circuit
    roots = [c.circuit_id for c in circuits.values() if c.parent_id is None]
    if len(roots) != 1:
        reader.fault(
            "circuits",
            f"needs exactly one circuit without 'parent' (the main fuse), has {len(roots)}",
        )
    stations: dict[str, ChargingStation] = {}
    for table in root.tables("stations"):
        station = _station(table, circuits)
        if station.station_id.casefold() in (known.casefold() for known in stations):
            table.fault("id", f"'{station.station_id}' is used twice")
        stations[station.station_id] = station
    return Topology(circuits, stations, meters, read_groups(root, circuits, stations))


def _circuit(table: Table, meters: dict[str, Meter]) -> Circuit:
    limit_a = table.per_phase("limit_a", None, low=1, high=6300)
    meter_id = table.optional_text("meter")
    if meter_id is not None and meter_id not in meters:
        table.fault("meter", f"no meter has the id '{meter_id}'")
    circuit = Circuit(
        circuit_id=table.text("id", None, pattern=r"[A-Za-z0-9_-]{1,40}"),
        name=table.text("name", table.peek("id")),
        parent_id=table.optional_text("parent"),
        limit_a=limit_a,
        margin_a=table.number("margin_a", max(1.0, 0.02 * min(limit_a)), low=0, high=min(limit_a)),
        meter_id=meter_id,
        worst_base_a=table.per_phase("worst_base_a", 0.0, low=0, high=6300),
        imbalance_a=table.optional_number("imbalance_a", low=1, high=6300),
        curve=table.text("curve", "B", pattern="B|C|D|gG|none") or "B",
    )
    table.no_more()
    return circuit


def _meter(table: Table) -> Meter:
    meter = Meter(
        meter_id=table.text("id", None, pattern=r"[A-Za-z0-9_-]{1,40}"),
        name=table.text("name", table.peek("id")),
        model=table.text("model", None),
        url=table.text("url", None, pattern=r"(tcp|rtutcp)://[^\s/]+:\d+|serial:///?\S+"),
        unit_id=table.integer("unit_id", 1, low=0, high=255),
        period_s=table.number("period_s", 1.0, low=0.2, high=60),
        phase_map=table.phases("phases", PhaseMap()),
        ct_ratio=table.number("ct_ratio", 1.0, low=0.001, high=100000),
        reversed=table.flag("reversed", default=False),
    )
    table.no_more()
    return meter


def _station(table: Table, circuits: dict[str, Circuit]) -> ChargingStation:
    station_id = table.text("id", None)
    if not is_station_id(station_id):
        table.fault("id", "1 to 48 of A-Z a-z 0-9 * _ = : + | @ . -")
    circuit_id = table.text("circuit", None)
    if circuit_id not in circuits:
        table.fault("circuit", f"no circuit has the id '{circuit_id}'")
    station = ChargingStation(
        station_id=station_id,
        name=table.text("name", station_id),
        version_pin=table.optional_text("version", pattern=r"1\.6|2\.0\.1|2\.1"),
        profile_min=table.integer("security_profile", 0, low=0, high=3),
        evses=tuple(
            _evse(evse, station_id, circuit_id, number)
            for number, evse in enumerate(table.tables("evses"), start=1)
        ),
    )
    if not station.evses:
        table.fault("evses", "a station needs at least one EVSE: add [[stations.evses]]")
    table.no_more()
    return station


def _evse(table: Table, station_id: str, circuit_id: str, number: int) -> Evse:
    supply = Supply(table.text("supply", "AC", pattern="AC|DC") or "AC")
    current_a_min = table.number("current_a_min", 6.0, low=0.5, high=500)
    current_a_max = table.number("current_a_max", 32.0, low=current_a_min, high=1000)
    fallback_a = table.number("fallback_a", 0.0, low=0, high=current_a_max)
    if 0 < fallback_a < current_a_min:
        table.fault(
            "fallback_a",
            f"is 0 or at least the minimum of {current_a_min:g} A: a car can't charge with less",
        )
    guaranteed_a = table.number("guaranteed_a", 0.0, low=0, high=current_a_max)
    if 0 < guaranteed_a < current_a_min:
        table.fault(
            "guaranteed_a",
            f"is 0 or at least the minimum of {current_a_min:g} A: a car can't charge with less",
        )
    evse = Evse(
        station_id=station_id,
        evse_id=table.integer("id", number, low=1, high=100),
        circuit_id=circuit_id,
        bay=table.text("bay", ""),
        supply=supply,
        phase_map=table.phases("phases", PhaseMap()),
        current_a_min=current_a_min,
        current_a_max=current_a_max,
        step_a=table.number("step_a", 0.1, low=0.1, high=10),
        limit_unit=LimitUnit(
            table.text("limit_unit", "W" if supply is Supply.DC else "A", pattern="A|W") or "A"
        ),
        fallback_a=fallback_a,
        weight=table.number("weight", 1.0, low=0.01, high=100),
        efficiency=table.number(
            "efficiency", 0.92 if supply is Supply.DC else 1.0, low=0.5, high=1
        ),
        connector_type=table.text("connector", "CCS" if supply is Supply.DC else "Type2"),
        service_class=ServiceClass(table.text("class", "normal", pattern=CLASSES) or "normal"),
        guaranteed_a=guaranteed_a,
    )
    if supply is Supply.DC and evse.limit_unit is LimitUnit.A:
        table.fault("limit_unit", "is W for a DC outlet: its amperes are not the grid's")
    table.no_more()
    return evse
