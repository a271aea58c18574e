"""A garage of one fuse, and the cars that come to it: from a file of ACN-Data or from a seed.

Every EVSE gives 6 to 32 A at 208 V on one phase (6.7 kW, as at the Caltech garage). A car draws
what it is given until it has what it needs: no taper, no loss, no delay. Rules decide whenever a
car comes, leaves or is full, and every five minutes; between that currents stand still.
"""

import csv
import gzip
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

VOLTAGE_V = 208.0
CURRENT_A_MIN = 6.0
CURRENT_A_MAX = 32.0
POWER_W_MAX = VOLTAGE_V * CURRENT_A_MAX
PERIOD_S = 300.0
MET_SHARE = 0.999
"""Of what a car needs: with this it is fully met."""
MOMENT_S = 1e-3
EMPTY_WH = 1e-6


@dataclass(frozen=True, slots=True)
class Session:
    """Times in seconds. `need_wh` is what the car takes at most, never more than its stay allows;
    what its driver said of departure and energy is all that a rule knows of them."""

    arrives_s: float
    departs_s: float
    need_wh: float
    said_departs_s: float
    said_need_wh: float


@dataclass(slots=True)
class Car:
    """A session under way."""

    number: int
    session: Session
    taken_wh: float = 0.0
    current_a: float = 0.0
    starts: int = 0
    memory: dict[str, object] = field(default_factory=dict)
    """What a rule keeps about it."""

    @property
    def left_wh(self) -> float:
        """What it still takes."""
        return self.session.need_wh - self.taken_wh

    @property
    def said_left_wh(self) -> float:
        """What it still needs, going by what its driver said."""
        return max(0.0, self.session.said_need_wh - self.taken_wh)


Rule = Callable[[Sequence[Car], float, float], Iterable[float]]
"""The cars that are here, the amperes there are and the time, to a current for each car."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of all sessions under one rule."""

    energy_wh: float
    met: int
    starts: float
    """Of a contactor, per session."""
    jain: float
    """Fairness of the shares of their needs that cars got; 1: all the same."""


def play(sessions: Sequence[Session], capacity_w: float, rule: Rule) -> Outcome:
    """All sessions from the first arrival to the last departure."""
    cars = [Car(number, session) for number, session in enumerate(sessions)]
    coming = iter(sorted(cars, key=lambda car: car.session.arrives_s))
    following: Car | None = next(coming, None)
    here: list[Car] = []
    now_s = 0.0
    while following or here:
        if not here and following:
            now_s = max(now_s, following.session.arrives_s)
        while following and following.session.arrives_s <= now_s:
            here.append(following)
            following = next(coming, None)
        here = [car for car in here if car.session.departs_s > now_s and car.left_wh > EMPTY_WH]
        if here:
            _set(here, list(rule(here, capacity_w / VOLTAGE_V, now_s)), capacity_w / VOLTAGE_V)
            now_s = _charge(here, now_s, following.session.arrives_s if following else None)
    return _outcome(cars)


def _set(here: Sequence[Car], currents_a: Sequence[float], capacity_a: float) -> None:
    assert sum(currents_a) <= capacity_a + 1e-6, "a rule gave more than there is"
    for car, current_a in zip(here, currents_a, strict=True):
        assert current_a == 0 or CURRENT_A_MIN - 1e-6 <= current_a <= CURRENT_A_MAX + 1e-6
        car.starts += current_a > 0 and car.current_a == 0
        car.current_a = current_a


def _charge(here: Sequence[Car], now_s: float, next_arrival_s: float | None) -> float:
    """Until the next event, whose time is returned."""
    until_s = now_s + PERIOD_S - now_s % PERIOD_S
    if next_arrival_s is not None:
        until_s = min(until_s, next_arrival_s)
    for car in here:
        until_s = min(until_s, car.session.departs_s)
        if car.current_a:
            full_s = car.left_wh * 3600 / (car.current_a * VOLTAGE_V)
            until_s = min(until_s, now_s + max(full_s, MOMENT_S))
    for car in here:
        given_wh = car.current_a * VOLTAGE_V * (until_s - now_s) / 3600
        car.taken_wh += min(car.left_wh, given_wh)
    return until_s


def _outcome(cars: Sequence[Car]) -> Outcome:
    shares = [car.taken_wh / car.session.need_wh for car in cars]
    return Outcome(
        sum(car.taken_wh for car in cars),
        sum(share >= MET_SHARE for share in shares),
        sum(car.starts for car in cars) / len(cars),
        sum(shares) ** 2 / (len(shares) * sum(share**2 for share in shares)),
    )


def read(path: Path) -> list[dict[str, str]]:
    """The rows of a file of ACN-Data sessions, as CSV, packed or not."""
    packed = path.read_bytes()
    text = gzip.decompress(packed) if path.suffix == ".gz" else packed
    return list(csv.DictReader(text.decode().splitlines()))


def sessions_of(rows: Sequence[dict[str, str]], *, need: str, said: bool) -> list[Session]:
    """`need` is "delivered" or "requested" (the energy that counts as needed); `said`: rules know
    what drivers said of energy and departure, else what came true."""
    sessions = []
    for row in rows:
        arrives_s, departs_s, said_departs_s = (
            datetime.fromisoformat(row[name]).timestamp()
            for name in ("arrival", "departure", "estimated_departure")
        )
        most_wh = POWER_W_MAX * (departs_s - arrives_s) / 3600
        need_wh = min(1000 * float(row[f"{need}_energy (kWh)"]), most_wh)
        if need_wh <= EMPTY_WH:
            continue
        said_need_wh = 1000 * float(row["requested_energy (kWh)"])
        sessions.append(
            Session(
                arrives_s,
                departs_s,
                need_wh,
                said_departs_s if said else departs_s,
                said_need_wh if said else need_wh,
            )
        )
    return sessions


def made(seed: int, *, days: int, cars_a_day: int) -> list[Session]:
    """Working days of a garage: most come in the morning, stay for hours and need 2 to 40 kWh."""
    rng = random.Random(seed)
    sessions = []
    for day in range(days):
        for _ in range(cars_a_day):
            arrives_s = 3600 * (24 * day + rng.choice((rng.gauss(9, 1), rng.uniform(7, 20))))
            departs_s = arrives_s + 3600 * rng.uniform(0.5, 10)
            most_wh = POWER_W_MAX * (departs_s - arrives_s) / 3600
            need_wh = min(1000 * rng.lognormvariate(2.0, 0.8), 0.95 * most_wh)
            sessions.append(Session(arrives_s, departs_s, need_wh, departs_s, need_wh))
    return sessions
