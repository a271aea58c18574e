"""The plan as a linear programme, solved by HiGHS.

Variables, in kW: what each stay draws in each interval in which it can, what it misses (kWh), the
site's import and export per interval, and by how much the peak exceeds what is paid for anyway.
Of plans that cost the same, the one that charges earlier is taken: a car may leave early.

`highspy` is an extra (`pip install sitecontroller[planning]`): with numpy, which it needs, it is
larger than all the rest of load management.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sitecontroller.planning.cost import penalty_per_kwh
from sitecontroller.planning.problem import Problem

HASTE_PER_KWH = 1e-5
"""What an interval's delay weighs: 0.001 per kWh over a day, below what prices differ by."""
INFINITE = float("inf")


class NoAnswer(Exception):
    """The solver is absent or found no optimum in its time; the text says which."""


@dataclass
class Matrix:
    """A linear programme, row by row: minimise cost · x, lower ≤ A x ≤ upper."""

    cost: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    row_lower: list[float] = field(default_factory=list)
    row_upper: list[float] = field(default_factory=list)
    start: list[int] = field(default_factory=lambda: [0])
    index: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)

    def column(self, cost: float, upper: float = INFINITE) -> int:
        """A variable of at least 0; its number."""
        self.cost.append(cost)
        self.upper.append(upper)
        return len(self.cost) - 1

    def row(self, lower: float, terms: Iterable[tuple[int, float]], upper: float) -> None:
        for column, factor in terms:
            self.index.append(column)
            self.value.append(factor)
        self.start.append(len(self.index))
        self.row_lower.append(lower)
        self.row_upper.append(upper)


def by_linear_programme(problem: Problem, time_limit_s: float) -> list[list[float]]:
    """W per stay and interval. Raises `NoAnswer`."""
    matrix, draws = _programme(problem)
    solution = _solve(matrix, time_limit_s)
    power_w = [[0.0] * problem.intervals for _ in problem.stays]
    for number, of_stay in enumerate(draws):
        for interval, column in of_stay.items():
            power_w[number][interval] = 1000.0 * max(0.0, solution[column])
    return power_w


def _programme(problem: Problem) -> tuple[Matrix, list[dict[int, int]]]:
    """The matrix, and per stay the column of what it draws in an interval."""
    matrix = Matrix()
    hours = problem.interval_h
    draws: list[dict[int, int]] = []
    on_site: list[list[tuple[int, float]]] = [[] for _ in range(problem.intervals)]
    for stay in problem.stays:
        part = problem.presence(stay)
        columns = {
            interval: matrix.column(HASTE_PER_KWH * interval * part[interval] * hours, w / 1000.0)
            for interval, w in enumerate(problem.ceilings_w(stay))
            if w > 0
        }
        for interval, column in columns.items():
            on_site[interval].append((column, part[interval]))
        need_kwh = max(0.0, stay.energy_need_wh) / 1000.0
        missed = matrix.column(penalty_per_kwh(problem, stay))
        energy = [(column, part[interval] * hours) for interval, column in columns.items()]
        matrix.row(need_kwh, [*energy, (missed, 1.0)], need_kwh)
        draws.append(columns)
    _limit_circuits(problem, matrix, draws)
    _price_energy(problem, matrix, on_site)
    _price_peak(problem, matrix, on_site)
    return matrix, draws


def _limit_circuits(problem: Problem, matrix: Matrix, draws: list[dict[int, int]]) -> None:
    for circuit in problem.circuits:
        below = [
            columns
            for stay, columns in zip(problem.stays, draws, strict=True)
            if circuit in problem.path(stay)
        ]
        for interval in range(problem.intervals):
            terms = [(columns[interval], 1.0) for columns in below if interval in columns]
            room_kw = circuit.room_w(interval) / 1000.0
            if sum(matrix.upper[column] for column, _ in terms) > room_kw:
                matrix.row(-INFINITE, terms, room_kw)


def _price_energy(problem: Problem, matrix: Matrix, on_site: list[list[tuple[int, float]]]) -> None:
    """Import − export = base load + cars. An export that pays more than import costs would be
    bought back without end: it counts as the import price."""
    for interval, terms in enumerate(on_site):
        bought, sold = problem.import_per_kwh[interval], problem.export_per_kwh[interval]
        imported = matrix.column(bought * problem.interval_h)
        exported = matrix.column(-min(bought, sold) * problem.interval_h)
        cars = [(column, -part) for column, part in terms]
        base_kw = problem.expected_base_w[interval] / 1000.0
        matrix.row(base_kw, [(imported, 1.0), (exported, -1.0), *cars], base_kw)


def _price_peak(problem: Problem, matrix: Matrix, on_site: list[list[tuple[int, float]]]) -> None:
    if problem.demand_charge_per_kw <= 0:
        return
    more = matrix.column(problem.demand_charge_per_kw)
    for terms, base_w in zip(on_site, problem.root.base_w, strict=True):
        free_kw = (problem.sunk_peak_w - base_w) / 1000.0
        matrix.row(-INFINITE, [*terms, (more, -1.0)], free_kw)


def _solve(matrix: Matrix, time_limit_s: float) -> list[float]:
    try:
        import highspy
    except ImportError:
        raise NoAnswer("HiGHS is not installed: pip install sitecontroller[planning]") from None
    programme = highspy.HighsLp()
    programme.num_col_, programme.num_row_ = len(matrix.cost), len(matrix.row_lower)
    fields: dict[str, Any] = {
        "col_cost_": matrix.cost,
        "col_lower_": [0.0] * len(matrix.cost),
        "col_upper_": matrix.upper,
        "row_lower_": matrix.row_lower,
        "row_upper_": matrix.row_upper,
    }
    for name, values in fields.items():
        setattr(programme, name, values)
    rows: Any = programme.a_matrix_
    rows.format_ = highspy.MatrixFormat.kRowwise
    rows.start_, rows.index_, rows.value_ = matrix.start, matrix.index, matrix.value
    solver = highspy.Highs()  # type: ignore[no-untyped-call]
    for option, value in (("output_flag", False), ("threads", 1), ("time_limit", time_limit_s)):
        solver.setOptionValue(option, value)
    solver.passModel(programme)
    solver.run()
    status = solver.getModelStatus()
    if status == highspy.HighsModelStatus.kTimeLimit:
        raise NoAnswer(f"HiGHS had no answer within {time_limit_s:g} s")
    if status != highspy.HighsModelStatus.kOptimal:
        raise NoAnswer(f"HiGHS found no optimum: {solver.modelStatusToString(status)}")
    return list(solver.getSolution().col_value)
