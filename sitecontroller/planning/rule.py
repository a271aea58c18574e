"""A plan without a solver: who leaves first chooses first.

Many plans are made and the best is taken. They differ in the hours that cars choose (the cheapest,
the calmest, which leave more of them with all they need, or the first); in whether those who went
short before choose first; and, with a demand charge, in the peak that they stay below.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from sitecontroller.planning.cost import Figures, costed, penalty_per_kwh, weighed
from sitecontroller.planning.problem import Plan, Problem, Solver, Stay

PEAK_LEVELS = 6
"""Tried at once, between the peak that is paid for anyway and the one without a limit on it; then
between the neighbours of the best."""
PEAK_ROUNDS = 3
ENOUGH_WH = 0.1
"""Less than this is not worth an interval."""
STAY_H_MIN = 0.01


class Ask(NamedTuple):
    """A stay and what follows from it, worked out once."""

    number: int
    stay: Stay
    presence: Sequence[float]
    ceilings_w: Sequence[float]
    path: Sequence[str]


class Offer(NamedTuple):
    """Power that a car could have in an interval, and what a kWh of it costs."""

    price: float
    interval: int
    power_w: float


class Draft(NamedTuple):
    """A plan that may turn out to be the best."""

    power_w: Sequence[Sequence[float]]
    figures: Figures

    @property
    def objective(self) -> float:
        return self.figures.objective


Choice = Callable[[Ask, Offer], float]
"""What a car looks at when it chooses its hours: the less, the better; then comes the price."""


def by_rule(problem: Problem, why: str) -> Plan:
    """The best of the plans that the rule makes."""
    asks = _asks(problem)
    presence = [problem.presence(stay) for stay in problem.stays]
    crowding = _crowding(problem, asks)
    choices: tuple[Choice, ...] = (
        lambda _, offer: offer.price,
        lambda _, offer: offer.interval,
        lambda ask, offer: max(crowding[circuit_id][offer.interval] for circuit_id in ask.path),
    )

    def draft(order: Sequence[Ask], peak_w: float) -> Draft:
        drafts = []
        for choice in choices:
            power_w = _fill(problem, order, peak_w, choice)
            drafts.append(Draft(power_w, weighed(problem, presence, power_w)))
        return min(drafts, key=_objective)

    best = draft(asks, float("inf"))
    best = min(best, draft(_short_first(problem, asks, best), float("inf")), key=_objective)
    if problem.demand_charge_per_kw > 0:
        low_w, high_w = problem.sunk_peak_w, max(problem.sunk_peak_w, best.figures.peak_w)
        for _ in range(PEAK_ROUNDS):
            step_w = (high_w - low_w) / PEAK_LEVELS
            levels = [low_w + step_w * level for level in range(PEAK_LEVELS + 1)]
            tried = [draft(asks, peak_w) for peak_w in levels]
            at = min(range(len(tried)), key=lambda level: tried[level].objective)
            best = min(best, tried[at], key=_objective)
            low_w, high_w = levels[max(0, at - 1)], levels[min(PEAK_LEVELS, at + 1)]
    return costed(problem, best.power_w, Solver.RULE, why)


def _objective(draft: Draft) -> float:
    return draft.objective


def _asks(problem: Problem) -> list[Ask]:
    """By class, departure, laxity."""
    asks = [
        Ask(
            number,
            stay,
            problem.presence(stay),
            problem.ceilings_w(stay),
            [circuit.circuit_id for circuit in problem.path(stay)],
        )
        for number, stay in enumerate(problem.stays)
    ]

    def urgency(ask: Ask) -> tuple[int, float, float, int]:
        last = max((i for i, there in enumerate(ask.presence) if there > 0), default=0)
        full_h = ask.stay.energy_need_wh / max(ask.stay.power_w_max, 1.0)
        laxity_h = sum(ask.presence) * problem.interval_h - full_h
        return ask.stay.demand_class, last + ask.presence[last], laxity_h, ask.number

    return sorted(asks, key=urgency)


def _short_first(problem: Problem, asks: Sequence[Ask], draft: Draft) -> list[Ask]:
    """Who goes short by that draft."""

    def is_met(ask: Ask) -> bool:
        power = zip(draft.power_w[ask.number], ask.presence, strict=True)
        got_wh = sum(w * part for w, part in power) * problem.interval_h
        return got_wh >= ask.stay.energy_need_wh - ENOUGH_WH

    return sorted(asks, key=is_met)


def _crowding(problem: Problem, asks: Sequence[Ask]) -> Mapping[str, Sequence[float]]:
    """Per circuit and interval how much of its room is wanted if every car spreads its need over
    its stay."""
    wanted_w = {circuit.circuit_id: [0.0] * problem.intervals for circuit in problem.circuits}
    for ask in asks:
        stay_h = max(STAY_H_MIN, sum(ask.presence) * problem.interval_h)
        for circuit_id in ask.path:
            for interval, part in enumerate(ask.presence):
                wanted_w[circuit_id][interval] += part * ask.stay.energy_need_wh / stay_h
    return {
        circuit.circuit_id: [
            w / max(1.0, circuit.room_w(interval))
            for interval, w in enumerate(wanted_w[circuit.circuit_id])
        ]
        for circuit in problem.circuits
    }


def _fill(
    problem: Problem, asks: Sequence[Ask], peak_w: float, choice: Choice
) -> list[Sequence[float]]:
    """W per stay and interval."""
    left = Room(problem, peak_w)
    power_w: list[Sequence[float]] = [()] * len(asks)
    for ask in asks:
        power_w[ask.number] = left.serve(ask, choice)
    return power_w


class Room:
    """What is left while cars are given theirs, one after the other."""

    def __init__(self, problem: Problem, peak_w: float) -> None:
        self._problem = problem
        self._free_w = {
            circuit.circuit_id: [circuit.room_w(i) for i in range(problem.intervals)]
            for circuit in problem.circuits
        }
        self._below_peak_w = [peak_w - base_w for base_w in problem.root.base_w]
        self._surplus_w = [max(0.0, -base_w) for base_w in problem.expected_base_w]

    def serve(self, ask: Ask, choice: Choice) -> list[float]:
        """W per interval for this car, taken off what is left."""
        power = [0.0] * self._problem.intervals
        hours = self._problem.interval_h
        left_wh = ask.stay.energy_need_wh
        offers = sorted(self._offers(ask), key=lambda offer: (choice(ask, offer), offer))
        for _, interval, offered_w in offers:
            if left_wh < ENOUGH_WH:
                break
            part = ask.presence[interval]
            taken_w = min(offered_w, left_wh / (part * hours))
            power[interval] += taken_w
            left_wh -= taken_w * part * hours
            for circuit_id in ask.path:
                self._free_w[circuit_id][interval] -= taken_w
            self._below_peak_w[interval] -= taken_w * part
            self._surplus_w[interval] = max(0.0, self._surplus_w[interval] - taken_w * part)
        return power

    def _offers(self, ask: Ask) -> Iterator[Offer]:
        """What it could take: of the surplus first, then of the grid."""
        problem = self._problem
        worth = penalty_per_kwh(problem, ask.stay)
        for interval, ceiling_w in enumerate(ask.ceilings_w):
            if ceiling_w <= 0:
                continue
            part = ask.presence[interval]
            free_w = min(ceiling_w, self._below_peak_w[interval] / part)
            free_w = min(free_w, *(self._free_w[circuit_id][interval] for circuit_id in ask.path))
            bought = problem.import_per_kwh[interval]
            sold = min(bought, problem.export_per_kwh[interval])
            surplus_w = max(0.0, min(free_w, self._surplus_w[interval] / part))
            for price, offered_w in ((sold, surplus_w), (bought, free_w - surplus_w)):
                if offered_w > 0 and price < worth:
                    yield Offer(price, interval, offered_w)
