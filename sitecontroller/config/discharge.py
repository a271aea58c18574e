"""`[load.discharge]` of site.toml: cars that may give back to keep a peak-demand target."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sitecontroller.config.demand import POWER_W_MAX, DemandSettings
from sitecontroller.config.table import Table
from sitecontroller.domain.topology import NOMINAL_V, EvseKey, Topology


@dataclass(frozen=True, slots=True)
class DischargeSettings:
    """`current_a_max`: what each EVSE that may give back gives at most, A per grid phase.

    `export_w_max` is what may flow into the grid at most, kept by `export_margin_w`. A discharge
    ends by itself after `lease_s` unless it is renewed.
    """

    current_a_max: Mapping[EvseKey, float] = field(default_factory=dict)
    soc_percent_min: float = 40.0
    energy_reserve_wh: float = 5000.0
    export_w_max: float = 0.0
    export_margin_w: float = 700.0
    lease_s: int = 120


def read_discharge(
    table: Table, topology: Topology, demand: DemandSettings | None
) -> DischargeSettings | None:
    """`[load.discharge]`, checked against outlets and meters; None: it is off."""
    enabled = table.flag("enabled", default=False)
    settings = DischargeSettings(
        current_a_max=_evses(table, topology, demand),
        soc_percent_min=table.number("soc_min_percent", 40, low=10, high=95),
        energy_reserve_wh=table.number("energy_reserve_wh", 5000, low=0, high=200_000),
        export_w_max=table.number("export_max_w", 0, low=0, high=POWER_W_MAX),
        export_margin_w=table.number("export_margin_w", 700, low=0, high=POWER_W_MAX),
        lease_s=table.integer("lease_s", 120, low=30, high=300),
    )
    if enabled:
        _check(table, topology, demand)
    table.no_more()
    return settings if enabled else None


def _evses(
    table: Table, topology: Topology, demand: DemandSettings | None
) -> Mapping[EvseKey, float]:
    known = {str(evse.key): evse for evse in topology.evses()}
    counted = demand is not None and demand.circuit_id in topology.circuits
    below = topology.below(demand.circuit_id) if demand is not None and counted else ()
    found: dict[EvseKey, float] = {}
    for row in table.tables("evses"):
        name = row.text("evse", None)
        evse = known.get(name)
        current_a = row.optional_number("current_a_max", low=1, high=1000)
        power_w = row.optional_number("power_w_max", low=1, high=POWER_W_MAX)
        row.no_more()
        if evse is None:
            row.fault("evse", f"no outlet is called '{name}'; write it as \"CP-01/1\"")
            continue
        if current_a is None and power_w is None:
            row.fault("current_a_max", "is missing: write A per phase, or power_w_max")
            continue
        if counted and evse not in below:
            row.fault("evse", f"{name} isn't below the circuit of [load.demand]")
        limits_a = [evse.current_a_max]
        if current_a is not None:
            limits_a.append(current_a)
        if power_w is not None:
            limits_a.append(power_w / (NOMINAL_V * evse.phase_count))
        found[evse.key] = min(limits_a)
    return found


def _check(table: Table, topology: Topology, demand: DemandSettings | None) -> None:
    root = next((c for c in topology.circuits.values() if c.parent_id is None), None)
    if demand is None:
        table.fault("enabled", "needs [load.demand]: cars give back for a peak-demand target only")
    elif root is not None and root.meter_id is None:
        table.fault(
            "enabled", f"needs a meter at '{root.circuit_id}': what is exported shows there"
        )
    if not table.has("evses"):
        table.fault("evses", "is missing: write [[load.discharge.evses]] with evse, current_a_max")
