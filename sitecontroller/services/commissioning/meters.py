"""Meter check: can it be true what a configured meter shows? Judged by its last sample alone; the
poller watches for frozen registers and jumps all the time. Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sitecontroller.domain.commissioning import CheckState
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.topology import PHASE_NAMES, PHASES, Meter
from sitecontroller.services.commissioning.scene import Outcome

VOLTAGE_V = (207.0, 253.0)
"""Phase to neutral: 230 V ± 10 %, EN 50160."""
SUM_TOLERANCE = 0.05
SUM_FLOOR_W = 100.0
FACTOR_MIN = 0.5
"""Of apparent power; less is rare where some amperes flow."""
FLOWS_A = 2.0
LATE_PERIODS = 3.0
LATE_GRACE_S = 2.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a meter: its last sample and how old it is, or why there is none."""

    meter: Meter
    reading: MeterReading | None
    age_s: float | None
    failure: str | None


def meter_check(seen: Seen) -> Outcome:
    """Faults first; then what can't be judged by this sample."""
    name = seen.meter.name or seen.meter.meter_id
    reading = seen.reading
    if reading is None or seen.age_s is None:
        why = seen.failure or "no answer yet"
        text = f"{name} gives nothing: {why}. Check url, unit_id, model and cable"
        return Outcome(CheckState.FAILED, (text,))
    faults = [*_late(seen, name), *_voltages(reading), *_signs(reading), *_sum(reading)]
    facts = [*_facts(reading), *_unknown(reading)]
    if faults:
        return Outcome(CheckState.FAILED, (*faults, *facts))
    if any(a is None for a in reading.current_a):
        return Outcome(CheckState.FAILED, (_no_current(reading), *facts))
    return Outcome(CheckState.PASSED, tuple(facts))


def _late(seen: Seen, name: str) -> Iterator[str]:
    most_s = LATE_PERIODS * seen.meter.period_s + LATE_GRACE_S
    if seen.age_s is not None and seen.age_s > most_s:
        why = f": {seen.failure}" if seen.failure else ""
        yield f"The last sample of {name} is {seen.age_s:.0f} s old, at most {most_s:g} s{why}"


def _voltages(reading: MeterReading) -> Iterator[str]:
    low_v, high_v = VOLTAGE_V
    for phase, voltage_v in zip(PHASE_NAMES, reading.voltage_v, strict=True):
        if voltage_v is not None and not low_v <= voltage_v <= high_v:
            yield f"{phase} has {voltage_v:.0f} V, {low_v:g} to {high_v:g} V are expected"


def _signs(reading: MeterReading) -> Iterator[str]:
    """A site that only draws shows a minus where a current transformer is turned round."""
    for phase in PHASES:
        current_a, power_w = reading.current_a[phase], reading.power_phase_w[phase]
        if current_a is not None and abs(current_a) >= FLOWS_A:
            less = current_a < 0 or (power_w is not None and power_w < 0)
            if less:
                yield (
                    f"{PHASE_NAMES[phase]} flows backwards ({current_a:.1f} A): a current "
                    "transformer is turned round, unless something feeds in here"
                )
            yield from _factor(reading, phase)


def _factor(reading: MeterReading, phase: int) -> Iterator[str]:
    """U·I and P of one phase belong together; a voltage of another phase shows here."""
    voltage_v, current_a = reading.voltage_v[phase], reading.current_a[phase]
    power_w = reading.power_phase_w[phase]
    if voltage_v is None or current_a is None or power_w is None:
        return
    factor = abs(power_w) / (voltage_v * abs(current_a))
    if factor < FACTOR_MIN:
        yield (
            f"{PHASE_NAMES[phase]}: {abs(current_a):.1f} A at {voltage_v:.0f} V make only "
            f"{abs(power_w):.0f} W: its current transformer may sit on another phase's conductor"
        )


def _sum(reading: MeterReading) -> Iterator[str]:
    powers_w = [w for w in reading.power_phase_w if w is not None]
    if reading.power_w is None or len(powers_w) < len(PHASES):
        return
    off_w = abs(sum(powers_w) - reading.power_w)
    if off_w > max(SUM_FLOOR_W, SUM_TOLERANCE * sum(map(abs, powers_w))):
        yield (
            f"Its phases add up to {sum(powers_w):.0f} W, its total says {reading.power_w:.0f} W: "
            "wrong model, or the ratio of a current transformer"
        )


def _facts(reading: MeterReading) -> Iterator[str]:
    values = zip(PHASE_NAMES, reading.voltage_v, reading.current_a, strict=True)
    yield (
        ", ".join(
            f"{phase} {_figure(voltage_v, 'V', 0)} {_figure(current_a, 'A', 1)}"
            for phase, voltage_v, current_a in values
        )
        + f", total {_figure(reading.power_w, 'W', 0)}"
    )


def _unknown(reading: MeterReading) -> Iterator[str]:
    if any(v is None for v in reading.voltage_v):
        yield "It tells no voltages: they can't be judged"
    idle = [
        PHASE_NAMES[p] for p in PHASES if (a := reading.current_a[p]) is not None and abs(a) < 0.1
    ]
    if idle:
        yield (
            f"Nothing flows on {', '.join(idle)}: whether a current transformer is there and the "
            "right way round shows only under load"
        )


def _no_current(reading: MeterReading) -> str:
    silent = [PHASE_NAMES[p] for p in PHASES if reading.current_a[p] is None]
    return f"It tells no current of {', '.join(silent)}: load management can't use it"


def _figure(value: float | None, unit: str, digits: int) -> str:
    return f"? {unit}" if value is None else f"{value:.{digits}f} {unit}"
