"""Looking beyond the moment: day-ahead prices, the building's load, and a plan for the cars.

Pure: values in, values out. Nothing here is safety: the cycle of `dlm` decides what a car may draw.
A plan or a forecast takes longer than the controller's loop may be held: it belongs in the
workshop's process.
"""

from sitecontroller.domain.planning import PricePeriod
from sitecontroller.planning.forecast import Accuracy, Forecast, Quantiles, learn
from sitecontroller.planning.plan import plan
from sitecontroller.planning.prices import DayAheadPrices, checked_prices, read_prices
from sitecontroller.planning.problem import CircuitRoom, Plan, PlannedCharge, Problem, Solver, Stay
from sitecontroller.planning.rule import by_rule

__all__ = [
    "Accuracy",
    "CircuitRoom",
    "DayAheadPrices",
    "Forecast",
    "Plan",
    "PlannedCharge",
    "PricePeriod",
    "Problem",
    "Quantiles",
    "Solver",
    "Stay",
    "by_rule",
    "checked_prices",
    "learn",
    "plan",
    "read_prices",
]
