"""Rules to share a garage: the well-known ones, honestly, and ours behind the same door.

The well-known ones know the same limits: nobody gets less than 6 A but 0, and currents are whole
steps of 0.1 A, as OCPP says them. They may stop and start a car at any time for nothing.
"""

from collections.abc import Callable, Iterable, Sequence

from sitecontroller.dlm import CircuitState, Demand, Snapshot, allocate
from sitecontroller.dlm.admission import on_step
from sitecontroller.dlm.stability import Dwell
from sitecontroller.domain.topology import EvseKey
from tests.bench.garage import CURRENT_A_MAX, CURRENT_A_MIN, POWER_W_MAX, VOLTAGE_V, Car, Rule

STEP_A = 0.1
Key = Callable[[Car, float], float]


def round_robin(here: Sequence[Car], free_a: float, now_s: float) -> Iterable[float]:
    """Everybody the same; where there isn't 6 A for all, those served least so far."""
    del now_s
    count = min(len(here), int(free_a / CURRENT_A_MIN))
    order = sorted(here, key=lambda car: (car.taken_wh, car.number))
    served = {car.number for car in order[:count]}
    each_a = on_step(min(CURRENT_A_MAX, free_a / max(1, count)), STEP_A)
    return [each_a if car.number in served else 0.0 for car in here]


def in_order(key: Key) -> Rule:
    """The least key gets all it can take, then the next, while 6 A are left."""

    def rule(here: Sequence[Car], free_a: float, now_s: float) -> Iterable[float]:
        current_a = {}
        for car in sorted(here, key=lambda car: (key(car, now_s), car.number)):
            given_a = on_step(min(CURRENT_A_MAX, free_a), STEP_A)
            if given_a < CURRENT_A_MIN:
                given_a = 0.0
            current_a[car.number] = given_a
            free_a -= given_a
        return [current_a[car.number] for car in here]

    return rule


def departure(car: Car, now_s: float) -> float:
    """When it leaves, as its driver said."""
    del now_s
    return car.session.said_departs_s


def laxity(car: Car, now_s: float) -> float:
    """Its time left less the time it needs at full power."""
    left_s = max(0.0, car.session.said_departs_s - now_s)
    return left_s - car.said_left_wh * 3600 / POWER_W_MAX


KNOWN_RULES: dict[str, Rule] = {
    "round robin": round_robin,
    "earliest departure first": in_order(departure),
    "least laxity first": in_order(laxity),
}


def ours(policy: str, *, tells_departure: bool) -> Rule:
    """The product's allocator, with the rests of contactors and the credits it really has."""

    def rule(here: Sequence[Car], free_a: float, now_s: float) -> Iterable[float]:
        demands = tuple(_demand(car, now_s, tells_departure) for car in here)
        circuit = CircuitState("main", "Main", None, (free_a, 0.0, 0.0), (0.0, 0.0, 0.0))
        result = allocate(Snapshot((circuit,), demands, policy=policy, voltage_v=VOLTAGE_V))
        return [result[demand.key].current_a for demand in demands]

    return rule


def _demand(car: Car, now_s: float, tells_departure: bool) -> Demand:
    dwell = car.memory.setdefault("dwell", Dwell())
    assert isinstance(dwell, Dwell)
    dwell.update(running=car.current_a > 0, wants=True, now_s=now_s)
    return Demand(
        EvseKey(f"{car.number:05}", 1),
        "main",
        phases=(0,),
        current_a_min=CURRENT_A_MIN,
        current_a_max=CURRENT_A_MAX,
        step_a=STEP_A,
        limit_a=car.current_a,
        settled_s=dwell.settled_s(now_s),
        credit_s=dwell.credit_s,
        plugged_s=car.session.arrives_s,
        may_start=dwell.may_start(now_s),
        departs_in_s=car.session.said_departs_s - now_s if tells_departure else None,
        energy_need_wh=car.said_left_wh if tells_departure else None,
    )


OUR_RULES: dict[str, Rule] = {
    "equal share": ours("equal share", tells_departure=False),
    "first come": ours("first come", tells_departure=False),
    "laxity": ours("laxity", tells_departure=True),
}
