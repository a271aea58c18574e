"""Lease test: does a limit end by itself in this charger, and in which way of telling it?

Each way is tried with a short lease while a car charges: told, then left alone until it must have
ended. It passes when the car's current falls to the fallback in time and no composite schedule says
otherwise. Load management counts the limit as if it never ended until then.
"""

from dataclasses import dataclass

from sitecontroller.domain.commissioning import CheckState
from sitecontroller.services.commissioning.scene import Outcome, Sample, Scene, Undecided, most_a
from sitecontroller.services.load.orders import Outcome as Told

NO_LEASE = "none"
"""The fact of a model whose limits never end; else it is a way's name."""
ABOVE_A = 3.0
"""So much more than its fallback must a car draw for a lapse to show."""
FITS_A = 1.0
EARLY_S = 20.0
"""A lease that ends so much too soon would end between two renewals."""
LATE_S = 12.0
"""As long may the station's clock and the message's way delay the end."""
CHARGES_WITHIN_S = 240.0
ANSWERED_WITHIN_S = 60.0
ATTEMPTS_MAX = 3
"""Of one way, where load management needed the room."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    """Of one way; `passed` None: broken off."""

    passed: bool | None
    words: str


async def lease_test(scene: Scene, lease_s: int) -> tuple[Outcome, str | None]:
    """The outcome, and the fact to keep of the model; None: nothing was found out."""
    link = scene.link
    if link.clock_offset_s is None:
        raise Undecided(
            f"{scene.key.station_id} doesn't tell its time, so nothing can end by its clock; "
            "wait for its next heartbeat and begin again"
        )
    findings: list[str] = []
    try:
        with scene.watching():
            for way in await link.lease_ways():
                verdict = await _try(scene, way, lease_s)
                findings.append(f"{way}: {verdict.words}")
                if verdict.passed is None:
                    return Outcome(CheckState.UNDECIDED, tuple(findings)), None
                if verdict.passed:
                    return Outcome(CheckState.PASSED, tuple(findings)), way
    finally:
        scene.load.end_trial(scene.key)
    findings.append(
        "No limit ends by itself here: without contact this charger counts at its last limit"
    )
    return Outcome(CheckState.FAILED, tuple(findings)), NO_LEASE


async def _try(scene: Scene, way: str, lease_s: int) -> _Verdict:
    """One way, again where load management had to break it off."""
    verdict = _Verdict(None, "not tried")
    for _ in range(ATTEMPTS_MAX):
        verdict = await _once(scene, way, lease_s)
        if verdict.passed is not None:
            break
    return verdict


async def _once(scene: Scene, way: str, lease_s: int) -> _Verdict:
    before_a = await _draws_above_fallback(scene)
    trial = scene.load.try_lease(scene.key, way, lease_s)
    await scene.until(lambda: trial.outcome is not None or trial.broken, ANSWERED_WITHIN_S)
    told_s = scene.now_s
    if trial.broken:
        return _Verdict(None, f"broken off: {trial.broken}")
    if trial.outcome is Told.REFUSED:
        return _Verdict(False, "the charger refuses it")
    if trial.outcome is not Told.TAKEN:
        return _Verdict(None, "broken off: the charger didn't answer")

    fallback_a = scene.evse.fallback_a
    fell_s, scheduled = None, await scene.scheduled_a()
    seen: list[Sample] = []
    ends_s = told_s + lease_s + LATE_S + _readings_take_s(scene)
    while scene.now_s < ends_s and not trial.broken and _below(seen, fallback_a) < 2:
        last_s = seen[-1].received_s if seen else told_s
        sample = await scene.reading_after(last_s, min(30.0, ends_s - scene.now_s))
        if sample is None:
            continue
        seen.append(sample)
        if fell_s is None and _below(seen, fallback_a):
            fell_s = sample.received_s - told_s
        elif _below(seen, fallback_a) == 0:
            fell_s = None
    if trial.broken:
        return _Verdict(None, f"broken off: {trial.broken}")
    if not seen:
        return _Verdict(None, "no reading came: nothing was seen")
    after = await scene.scheduled_a()
    return _judge(scene, lease_s, trial.limit_a, before_a, fell_s, scheduled, after)


def _judge(
    scene: Scene,
    lease_s: int,
    limit_a: float,
    before_a: float,
    fell_s: float | None,
    scheduled_a: float | None,
    after_a: float | None,
) -> _Verdict:
    """From what was measured and what its schedules said."""
    fallback_a = scene.evse.fallback_a
    drawn = f"{scene.drawn_a or 0:.1f} A"
    if fell_s is None:
        text = f"told {limit_a:g} A for {lease_s} s, the car still drew {drawn} long after"
        return _Verdict(False, text)
    if fell_s < lease_s - EARLY_S:
        return _Verdict(False, f"a lease of {lease_s} s was over after {fell_s:.0f} s")
    if after_a is not None and after_a > fallback_a + FITS_A:
        text = f"the car fell to {drawn}, but the schedule still says {after_a:g} A"
        return _Verdict(False, text)
    schedule = "no composite schedule"
    if scheduled_a is not None and after_a is not None:
        schedule = f"schedule {scheduled_a:g} A, then {after_a:g} A"
    return _Verdict(
        True,
        f"told {limit_a:g} A for {lease_s} s; the car drew {before_a:.1f} A and after "
        f"{fell_s:.0f} s {drawn}, its fallback is {fallback_a:g} A; {schedule}",
    )


async def _draws_above_fallback(scene: Scene) -> float:
    """What the car draws, once a lapse would show in it."""
    wanted_a = scene.evse.fallback_a + ABOVE_A
    await scene.charges(CHARGES_WITHIN_S)

    def enough() -> float | None:
        drawn_a = scene.drawn_a
        told_a = scene.told_a
        if drawn_a is None or drawn_a < wanted_a or told_a <= scene.evse.fallback_a + FITS_A:
            return None
        return drawn_a

    drawn_a = await scene.until(enough, CHARGES_WITHIN_S)
    if drawn_a is None:
        raise Undecided(
            f"{scene.key} draws {scene.drawn_a or 0:.1f} A of {scene.told_a:g} A: a lapse to its "
            f"fallback of {scene.evse.fallback_a:g} A wouldn't show. Take a car that draws more, "
            "or try when the site has more room"
        )
    return drawn_a


def _below(seen: list[Sample], fallback_a: float) -> int:
    """How many of the last readings in a row show no more than the fallback."""
    count = 0
    for sample in reversed(seen):
        drawn_a = most_a(sample)
        if drawn_a is None or drawn_a > fallback_a + FITS_A:
            break
        count += 1
    return count


def _readings_take_s(scene: Scene) -> float:
    """So long after the end two readings must have shown it."""
    config = scene.desk.config
    return config.load.reaction_s + 3.0 * config.ocpp.sample_interval_s
