"""Limit test: does the car's current follow 6, 16 and 0 A, and do composite schedules tell it?

Load management tells the limits, and never more than it allows anyhow: where there is no room for
16 A, what there is must show a difference.
"""

from dataclasses import dataclass

from sitecontroller.domain.commissioning import CheckState
from sitecontroller.services.commissioning.scene import HELD_BY, Outcome, Scene, Undecided, most_a

STEPS_A = (6.0, 16.0, 0.0)
FITS_A = 1.0
RISES_A = 2.0
"""A car that is allowed more must draw so much more."""
CHARGES_WITHIN_S = 240.0
TOLD_WITHIN_S = 180.0


@dataclass(frozen=True, slots=True)
class _Step:
    """One limit: what was told, what flowed, and what the schedule said."""

    told_a: float
    drawn_a: float
    scheduled_a: float | None


async def limit_test(scene: Scene) -> tuple[Outcome, bool]:
    """The outcome, and whether composite schedules were true at every step."""
    steps: list[_Step] = []
    with scene.watching(), scene.held_down():
        await scene.charges(CHARGES_WITHIN_S)
        for wanted_a in STEPS_A:
            steps.append(await _step(scene, wanted_a, steps))
    lines = tuple(_line(step) for step in steps)
    faults = _faults(steps)
    if faults:
        return Outcome(CheckState.FAILED, (*lines, *faults)), False
    stuck = _stuck(steps)
    if stuck is not None:
        return Outcome(CheckState.UNDECIDED, (*lines, stuck)), False
    true = all(
        step.scheduled_a is not None and abs(step.scheduled_a - step.told_a) <= FITS_A / 2
        for step in steps
    )
    schedule = (
        "its composite schedules are true and count as evidence"
        if true
        else "its composite schedules don't tell what holds: only readings count as evidence"
    )
    return Outcome(CheckState.PASSED, (*lines, f"The car follows; {schedule}")), true


async def _step(scene: Scene, wanted_a: float, before: list[_Step]) -> _Step:
    """Hold it there, wait until it is told, then until it shows."""
    least_a = scene.evse.current_a_min
    target_a = wanted_a if wanted_a == 0 else min(max(wanted_a, least_a), scene.evse.current_a_max)
    if target_a == 0:
        scene.load.hold(scene.key, HELD_BY)
    else:
        scene.load.cap(scene.key, target_a)
    await scene.until(lambda: abs(scene.told_a - target_a) < FITS_A / 2, TOLD_WITHIN_S)
    told_a = scene.told_a
    if told_a > target_a + FITS_A / 2:
        raise Undecided(f"load management told {scene.key} {told_a:g} A instead of {target_a:g} A")
    if before and target_a > before[-1].told_a and told_a < before[-1].told_a + 2 * RISES_A:
        raise Undecided(
            f"The site has no room: {scene.key} was allowed {told_a:g} A of {target_a:g} A. "
            "Try when fewer cars charge"
        )
    # A car may draw less than told for a while; more than told, only until it had time to follow.
    settle_s = scene.desk.config.load.reaction_s + scene.desk.config.ocpp.sample_interval_s
    told_s = scene.now_s
    drawn_a = None
    while scene.now_s < told_s + 3 * settle_s or drawn_a is None:
        sample = await scene.reading_after(scene.now_s, 3 * settle_s)
        if sample is None:
            raise Undecided(f"{scene.key} sends no readings: nothing can be measured")
        if sample.received_s >= told_s + settle_s:
            drawn_a = most_a(sample)
    return _Step(scene.told_a, drawn_a, await scene.scheduled_a())


def _faults(steps: list[_Step]) -> tuple[str, ...]:
    return tuple(
        f"Told {step.told_a:g} A, the car drew {step.drawn_a:.1f} A: it doesn't follow"
        for step in steps
        if step.drawn_a > step.told_a + FITS_A
    )


def _stuck(steps: list[_Step]) -> str | None:
    """A car that always draws little follows nothing."""
    low, high = steps[0], steps[1]
    if high.drawn_a >= low.drawn_a + RISES_A:
        return None
    return (
        f"Allowed {high.told_a:g} A, the car drew {high.drawn_a:.1f} A, hardly more than before: "
        "take a car that draws more"
    )


def _line(step: _Step) -> str:
    scheduled = "none" if step.scheduled_a is None else f"{step.scheduled_a:g} A"
    return f"told {step.told_a:g} A: measured {step.drawn_a:.1f} A, composite schedule {scheduled}"
