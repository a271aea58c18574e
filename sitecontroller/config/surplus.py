"""`[load.surplus]` of site.toml: outlets that charge from what the roof has left over."""

from dataclasses import dataclass

from sitecontroller.config.demand import POWER_W_MAX, read_metered_circuit
from sitecontroller.config.table import Table
from sitecontroller.dlm.surplus import SurplusMode
from sitecontroller.domain.topology import Topology


@dataclass(frozen=True, slots=True)
class SurplusSettings:
    """`circuit_id` is where the grid is measured; `reserve_w` is left to be exported."""

    group_id: str
    circuit_id: str
    mode: SurplusMode = SurplusMode.SURPLUS
    reserve_w: float = 0.0
    pv_meter_id: str | None = None
    battery_meter_id: str | None = None
    battery_first: bool = True
    start_after_s: float = 300.0
    stop_after_s: float = 600.0


def read_surplus(table: Table, topology: Topology) -> SurplusSettings:
    """`[load.surplus]`, checked against groups, circuits and meters."""
    modes = "|".join(mode.value.replace("+", r"\+") for mode in SurplusMode)
    settings = SurplusSettings(
        group_id=table.text("group", None),
        circuit_id=read_metered_circuit(table, topology),
        mode=SurplusMode(table.text("mode", SurplusMode.SURPLUS.value, pattern=modes)),
        reserve_w=table.number("reserve_w", 0.0, low=0, high=POWER_W_MAX),
        pv_meter_id=_meter(table, "pv_meter", topology),
        battery_meter_id=_meter(table, "battery_meter", topology),
        battery_first=table.flag("battery_first", default=True),
        start_after_s=table.number("start_after_s", 300, low=60, high=3600),
        stop_after_s=table.number("stop_after_s", 600, low=60, high=3600),
    )
    _check_group(settings, table, topology)
    table.no_more()
    return settings


def _meter(table: Table, key: str, topology: Topology) -> str | None:
    meter_id = table.optional_text(key)
    if meter_id is not None and meter_id not in topology.meters:
        table.fault(key, f"no meter has the id '{meter_id}'")
    return meter_id


def _check_group(settings: SurplusSettings, table: Table, topology: Topology) -> None:
    if settings.group_id not in topology.groups:
        table.fault(
            "group", f"no group has the id '{settings.group_id}': its outlets go into [[groups]]"
        )
        return
    if settings.circuit_id not in topology.circuits:
        return
    below = {evse.key for evse in topology.below(settings.circuit_id)}
    strange = [key for key in topology.groups[settings.group_id].members if key not in below]
    if strange:
        table.fault("group", f"outlet {strange[0]} isn't below circuit '{settings.circuit_id}'")
