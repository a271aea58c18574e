"""`[planning]` of site.toml: whether cars are charged by a plan, and what the plan is for."""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from sitecontroller.config.table import Table

PER_KWH_MAX = 100.0
"""More is a slip of the pen."""


@dataclass(frozen=True, slots=True)
class PlanningSettings:
    """Prices are in the site's currency, per kWh of the grid connection.

    `prices`: a file of day-ahead prices, read again whenever it changes; `surcharge` is added to
    them (grid fees, taxes), `price` holds where there are none. `demand_charge_per_kw`: what one
    more kW of the highest quarter hour of the `demand_period` costs. `target` "peak": prices don't
    count, the highest quarter hour is kept low. `without_departure`: cars whose departure nobody
    told wait for cheap hours too, 4 h at most.
    """

    enabled: bool = False
    prices: Path | None = None
    price: Decimal = Decimal("0.30")
    surcharge: Decimal = Decimal(0)
    feed_in: Decimal = Decimal(0)
    demand_charge_per_kw: float = 0.0
    demand_period: str = "year"
    target: str = "cost"
    horizon_h: int = 24
    without_departure: bool = False


def read_planning(table: Table, base_dir: Path) -> PlanningSettings:
    """`[planning]`; the file's name counts from `base_dir`. It needn't be there yet."""
    name = table.optional_text("prices")
    settings = PlanningSettings(
        enabled=table.flag("enabled", default=False),
        prices=None if name is None else (base_dir / name).resolve(),
        price=_per_kwh(table, "price_per_kwh", 0.30),
        surcharge=_per_kwh(table, "surcharge_per_kwh", 0.0),
        feed_in=_per_kwh(table, "feed_in_per_kwh", 0.0),
        demand_charge_per_kw=table.number("demand_charge_per_kw", 0.0, low=0, high=10_000),
        demand_period=table.text("demand_period", "year", pattern="month|year"),
        target=table.text("target", "cost", pattern="cost|peak"),
        horizon_h=table.integer("horizon_h", 24, low=2, high=48),
        without_departure=table.flag("without_departure", default=False),
    )
    table.no_more()
    return settings


def _per_kwh(table: Table, key: str, default: float) -> Decimal:
    return Decimal(str(table.number(key, default, low=-PER_KWH_MAX, high=PER_KWH_MAX)))
