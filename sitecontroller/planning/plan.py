"""One way to a plan: the linear programme where it answers in time, else the rule."""

from sitecontroller.planning.cost import costed
from sitecontroller.planning.linear import NoAnswer, by_linear_programme
from sitecontroller.planning.problem import Plan, Problem, Solver
from sitecontroller.planning.rule import by_rule


def plan(problem: Problem, *, time_limit_s: float) -> Plan:
    """The cheapest plan within all limits; `solver` says who found it, `why` what kept HiGHS.

    `time_limit_s` bounds the solver alone: the matrix before it and the rule after it take their
    own time (docs/load-management.md has the figures).
    """
    try:
        return costed(problem, by_linear_programme(problem, time_limit_s), Solver.HIGHS)
    except NoAnswer as absent:
        return by_rule(problem, str(absent))
