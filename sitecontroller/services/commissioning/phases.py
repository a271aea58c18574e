"""Phase check: one car's limit goes down and up while all others keep still; which phases of the
meters go with it?

Asks load management for everything and never for more than the car had: others are kept at what
they have, and this one goes between that and its minimum.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from sitecontroller.domain.commissioning import CheckState
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.topology import PHASES, Meter, PerPhase
from sitecontroller.services.commissioning.scene import (
    DRAWS_A,
    MeterWatch,
    Outcome,
    Scene,
    Undecided,
)
from sitecontroller.services.commissioning.steps import (
    Move,
    Wiring,
    is_calm,
    parts_of,
    wiring_of,
)

STEP_A_MIN = 4.0
"""The car's step must stand out of a building's ripple."""
TRIES_MAX = 16
WINDOW_S = 6.0
"""So long a look at the meters takes."""
BETWEEN_S = 6.0
"""Two looks, so long apart, tell whether anything else moves."""
CHARGES_WITHIN_S = 240.0
TOLD_WITHIN_S = 120.0
FOLLOWS_WITHIN_S = 60.0


async def phase_check(scene: Scene) -> Outcome:
    """What is wired, and what to write where it isn't what site.toml says."""
    meters = _meters(scene)
    if not meters:
        raise Undecided(
            f"No circuit above {scene.key} has a meter: look up its phases with a voltage tester"
        )
    watch = MeterWatch(scene.desk, frozenset(meters))
    with scene.watching(), watch.watching(), scene.held_down(), _others_still(scene):
        await scene.charges(CHARGES_WITHIN_S)
        high_a = await _high_a(scene)
        terminals = _terminals(scene)
        moves: dict[str, list[Move]] = {meter_id: [] for meter_id in meters}
        await _reach(scene, high_a)
        before = await _looks(watch)
        drawn_a = scene.drawn_a or 0.0
        for number in range(TRIES_MAX):
            rises = number % 2 == 1
            await _reach(scene, high_a if rises else scene.evse.current_a_min)
            after = await _looks(watch)
            was_a, drawn_a = drawn_a, scene.drawn_a or 0.0
            step_a = drawn_a - was_a
            if abs(step_a) >= STEP_A_MIN / 2:
                for meter_id, known in moves.items():
                    looks = before[meter_id], after[meter_id]
                    if all(is_calm(*pair, step_a) for pair in looks):
                        known.append(_move(step_a, looks[0][1], looks[1][0]))
            before = after
            if all(parts_of(known) for known in moves.values()):
                break
    return _outcome(scene, meters, moves, terminals)


def _outcome(
    scene: Scene,
    meters: dict[str, Meter],
    moves: dict[str, list[Move]],
    terminals: tuple[int, ...],
) -> Outcome:
    findings: list[str] = []
    write: list[str] = []
    wirings: dict[str, Wiring] = {}
    for meter_id, meter in meters.items():
        parts = parts_of(moves[meter_id])
        if parts is None:
            findings.append(
                f"What {meter.name} shows isn't clear: other loads move as much as this car "
                f"({len(moves[meter_id])} calm steps of it were seen). Try at a quieter hour"
            )
            continue
        wiring = wirings[meter_id] = wiring_of(
            parts, scene.evse.phase_map, terminals, meter.name or meter_id
        )
        findings += wiring.findings
        if wiring.turn_meter:
            turned = str(not meter.reversed).lower()
            write.append(f"meter {meter_id}: reversed = {turned}")
    said = {wiring.phases for wiring in wirings.values() if wiring.is_right is not None}
    if len(said) > 1:
        findings.append("The meters don't agree: the phases of one of them are swapped")
    elif said and (phases := said.pop()) is not None:
        write.append(
            f"station {scene.key.station_id}, EVSE {scene.key.evse_id}: "
            f'phases = "{phases}"   # was "{scene.evse.phase_map}"'
        )
        findings.append(
            "The others of its terminals are taken to follow clockwise. Where every charger of a "
            "meter is off by the same, write the phases of the meter instead"
        )
    rights = [wiring.is_right for wiring in wirings.values()]
    if False in rights or len(said) > 1:
        return Outcome(CheckState.FAILED, tuple(findings), tuple(write))
    if None in rights or len(rights) < len(meters):
        return Outcome(CheckState.UNDECIDED, tuple(findings), tuple(write))
    return Outcome(CheckState.PASSED, tuple(findings), tuple(write))


def _meters(scene: Scene) -> dict[str, Meter]:
    """Of the circuits on the way, the nearest first."""
    topology = scene.desk.config.topology
    ids = (circuit.meter_id for circuit in topology.path(scene.evse.circuit_id))
    return {meter_id: topology.meters[meter_id] for meter_id in ids if meter_id is not None}


async def _high_a(scene: Scene) -> float:
    """What the car may have at the most while this lasts."""
    wanted_a = scene.evse.current_a_min + STEP_A_MIN

    def enough() -> float | None:
        drawn_a = scene.drawn_a or 0.0
        return scene.told_a if min(scene.told_a, drawn_a) >= wanted_a else None

    high_a = await scene.until(enough, CHARGES_WITHIN_S)
    if high_a is None:
        raise Undecided(
            f"{scene.key} draws {scene.drawn_a or 0:.1f} A of {scene.told_a:g} A; at least "
            f"{wanted_a:g} A are needed. Take another car, or try when the site has more room"
        )
    return min(high_a, (scene.drawn_a or high_a) + DRAWS_A)


def _terminals(scene: Scene) -> tuple[int, ...]:
    """Those that the car uses, by the charger's own readings."""
    values = [scene.drawn_by_phase[phase] for phase in scene.evse.phase_map.site_phases]
    if None in values:
        raise Undecided(
            f"{scene.key} doesn't tell its current phase by phase: how many the car uses isn't "
            "known. Look up its phases with a voltage tester"
        )
    return tuple(n for n, a in enumerate(values) if a is not None and abs(a) >= DRAWS_A)


@contextmanager
def _others_still(scene: Scene) -> Iterator[None]:
    """Nobody else is given more meanwhile; less, wherever load management needs it."""
    others = [e.key for e in scene.desk.config.topology.evses() if e.key != scene.key]
    held = [(key, told_a) for key in others if (told_a := scene.load.told_a(key)) is not None]
    try:
        for key, told_a in held:
            scene.load.cap(key, told_a)
        yield
    finally:
        for key, _ in held:
            scene.load.cap(key, None)


async def _reach(scene: Scene, target_a: float) -> None:
    """Until load management told it and the car's own reading shows it."""
    scene.load.cap(scene.key, target_a)
    rises = target_a > scene.evse.current_a_min

    def told() -> bool:
        told_a = scene.told_a
        return told_a >= target_a - DRAWS_A if rises else told_a <= target_a + DRAWS_A / 2

    if not await scene.until(told, TOLD_WITHIN_S):
        raise Undecided(
            f"{scene.key} is allowed {scene.told_a:g} A now, not {target_a:g} A: the site has no "
            "room for a clear step. Try when fewer cars charge"
        )
    told_s = scene.now_s
    ends_s = told_s + FOLLOWS_WITHIN_S
    while scene.now_s < ends_s:
        sample = await scene.reading_after(told_s + 1.0, FOLLOWS_WITHIN_S)
        if sample is None:
            raise Undecided(f"{scene.key} sends no readings: nothing can be measured")
        drawn_a = scene.drawn_a or 0.0
        if (drawn_a >= target_a - 2 * DRAWS_A) if rises else (drawn_a <= target_a + DRAWS_A):
            return
        told_s = sample.received_s
    if not rises:
        raise Undecided(f"The car at {scene.key} doesn't come down to {target_a:g} A")


async def _looks(watch: MeterWatch) -> dict[str, tuple[PerPhase, PerPhase]]:
    """What each meter shows, and once more a little later."""
    one = await _window(watch)
    await asyncio.sleep(BETWEEN_S)
    other = await _window(watch)
    return {meter_id: (one[meter_id], other[meter_id]) for meter_id in one}


async def _window(watch: MeterWatch) -> dict[str, PerPhase]:
    """What each meter shows for some seconds, by its median."""
    watch.clear()
    await asyncio.sleep(WINDOW_S)
    return {
        meter_id: _median([sample.reading for sample in samples])
        for meter_id, samples in watch.samples.items()
    }


def _median(readings: list[MeterReading]) -> PerPhase:
    columns = ([r.current_a[p] for r in readings if r.current_a[p] is not None] for p in PHASES)
    one, two, three = (median(a for a in c if a is not None) if c else None for c in columns)
    return (one, two, three)


def _move(step_a: float, before: PerPhase, after: PerPhase) -> Move:
    sign = 1.0 if step_a > 0 else -1.0
    one, two, three = (
        None if a is None or b is None else sign * (a - b)
        for a, b in zip(after, before, strict=True)
    )
    return Move(abs(step_a), (one, two, three))
