"""Day-ahead prices, plans and forecasts, as people and other systems give and see them."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sitecontroller.domain.commands import Command
from sitecontroller.domain.money import Money
from sitecontroller.domain.queries import Query


@dataclass(frozen=True, slots=True)
class PricePeriod:
    """What a kWh costs from `start_at` until `end_at`, 15 or 60 min."""

    start_at: datetime
    end_at: datetime
    per_kwh: Decimal


@dataclass(frozen=True, slots=True)
class SetPrices(Command):
    """Day-ahead prices for planning. They stand above those of the file, quarter hour by quarter
    hour, and replace what was given for the same time before."""

    periods: tuple[PricePeriod, ...]
    currency: str
    set_by: str = "console"


@dataclass(frozen=True, slots=True)
class PricesView:
    """The day-ahead prices known from now on, in quarter hours; `fault`: why the file can't be
    used."""

    currency: str
    periods: tuple[PricePeriod, ...]
    file: str | None
    fault: str | None


@dataclass(frozen=True, slots=True)
class PricesQuery(Query):
    """The day-ahead prices that plans are made with."""


@dataclass(frozen=True, slots=True)
class PlannedSession:
    """What a plan gives one car: W over all phases and A per phase, a value per quarter hour.

    `departs_at` None: nobody said; the plan serves it at once, or by its own assumption.
    `unmet` says in words why something is missing.
    """

    station_id: str
    evse_id: int
    departs_at: datetime | None
    energy_need_wh: float
    power_w: tuple[int, ...]
    current_a: tuple[float, ...]
    expected_cost: Money
    unmet_wh: float
    unmet: str


@dataclass(frozen=True, slots=True)
class PlanView:
    """The last plan; every list has a value per quarter hour from `start_at`.

    `state`: "followed", "too old" (the cycle goes by its own rules), "off" (no `[planning]`) or
    "none yet". `base_*_w` is the load of anything but EVSEs, the median and the quantiles 0.1 and
    0.9 (None: no forecast yet, the present load is taken to last). `site_w` is what is expected at
    the grid connection, cars included. `price_known` False: no day-ahead price, an assumption.
    """

    state: str
    made_at: datetime | None = None
    solver: str = ""
    why: str = ""
    start_at: datetime | None = None
    price_per_kwh: tuple[float, ...] = ()
    price_known: tuple[bool, ...] = ()
    base_w: tuple[int, ...] = ()
    base_low_w: tuple[int | None, ...] = ()
    base_high_w: tuple[int | None, ...] = ()
    site_w: tuple[int, ...] = ()
    peak_w: int | None = None
    peak_so_far_w: int | None = None
    energy_cost: Money | None = None
    demand_cost: Money | None = None
    sessions: tuple[PlannedSession, ...] = ()


@dataclass(frozen=True, slots=True)
class PlanQuery(Query):
    """The plan that the cycle follows, per session and for the site, in quarter hours."""


@dataclass(frozen=True, slots=True)
class ForecastError:
    """How far off forecasts were, always on weeks that were not known then.

    `bias_w` above 0: forecast too high. `last_week_mae_w`: the error of "the same as last week".
    `below_low`, `above_high`: the parts that lay outside the quantiles; 0.1 each is right.
    """

    samples: int
    mae_w: float
    bias_w: float
    last_week_mae_w: float
    below_low: float
    above_high: float


@dataclass(frozen=True, slots=True)
class ForecastView:
    """A metered circuit's load without EVSEs, from the quarter hour of `start_at` on.

    `days` is how much history it was learned from; `error` None: less than three weeks.
    """

    circuit_id: str
    learned_at: datetime | None
    days: int
    error: ForecastError | None
    start_at: datetime
    low_w: tuple[int | None, ...]
    mid_w: tuple[int | None, ...]
    high_w: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class ForecastQuery(Query):
    """What the building is expected to draw, circuit by circuit, on one page."""
