"""`[load.demand]` of site.toml: the mean power that no quarter hour shall exceed."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sitecontroller.config.table import Table
from sitecontroller.domain.topology import Topology

POWER_W_MAX = 10_000_000.0
PERIODS_S = (300, 600, 900, 1200, 1800, 3600)
"""What divides an hour and is in use."""
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CLOCK = r"([01]\d|2[0-3]):[0-5]\d|24:00"


@dataclass(frozen=True, slots=True)
class TargetWindow:
    """Months (1 to 12) and minutes of the local day, `until_min` not included, with a target."""

    months: frozenset[int]
    from_min: int
    until_min: int
    target_w: float

    def covers(self, local: datetime) -> bool:
        """Whether it counts for what begins then."""
        minute = local.hour * 60 + local.minute
        return local.month in self.months and self.from_min <= minute < self.until_min


@dataclass(frozen=True, slots=True)
class DemandSettings:
    """`target_w` always, those of windows in their time; the smallest counts."""

    circuit_id: str
    period_s: int
    target_w: float | None
    windows: tuple[TargetWindow, ...]
    time_zone: str

    def target_w_at(self, at: datetime) -> float | None:
        """The target of the period that begins then; None: there is none."""
        local = at.astimezone(ZoneInfo(self.time_zone))
        targets = [window.target_w for window in self.windows if window.covers(local)]
        if self.target_w is not None:
            targets.append(self.target_w)
        return min(targets, default=None)


def read_demand(table: Table, topology: Topology, time_zone: str) -> DemandSettings:
    """`[load.demand]`, checked against the circuits."""
    settings = DemandSettings(
        circuit_id=read_metered_circuit(table, topology),
        period_s=table.integer("period_s", 900, low=min(PERIODS_S), high=max(PERIODS_S)),
        target_w=table.optional_number("target_w", low=1, high=POWER_W_MAX),
        windows=tuple(_window(window) for window in table.tables("windows")),
        time_zone=time_zone,
    )
    if settings.period_s not in PERIODS_S:
        table.fault("period_s", f"is one of {', '.join(str(each) for each in PERIODS_S)}")
    if settings.target_w is None and not settings.windows:
        table.fault("target_w", "is missing: write W, or [[load.demand.windows]] with their own")
    table.no_more()
    return settings


def read_metered_circuit(table: Table, topology: Topology) -> str:
    """`circuit`, the main one by default; it must have a meter."""
    root_id = next((c.circuit_id for c in topology.circuits.values() if c.parent_id is None), "")
    circuit_id = table.text("circuit", root_id)
    circuit = topology.circuits.get(circuit_id)
    if circuit is None:
        table.fault("circuit", f"no circuit has the id '{circuit_id}'")
    elif circuit.meter_id is None:
        table.fault(
            "circuit", f"'{circuit_id}' has no meter: name one in [[circuits]], or another circuit"
        )
    return circuit_id


def _window(table: Table) -> TargetWindow:
    names = table.texts("months", pattern="|".join(MONTHS)) or MONTHS
    from_min = _minute(table.text("from", "00:00", pattern=_CLOCK))
    until_min = _minute(table.text("until", "24:00", pattern=_CLOCK))
    if from_min >= until_min:
        table.fault("until", "is later than 'from'; write two windows for one over midnight")
    if not table.peek("target_w"):
        table.fault("target_w", "is missing: write W")
    window = TargetWindow(
        frozenset(MONTHS.index(name) + 1 for name in names if name in MONTHS),
        from_min,
        until_min,
        table.number("target_w", 1, low=1, high=POWER_W_MAX),
    )
    table.no_more()
    return window


def _minute(text: str) -> int:
    hour, _, minute = text.partition(":")
    return int(hour) * 60 + int(minute)
