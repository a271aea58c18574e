"""Can this sample be true? Frozen registers, jumps, swapped values, sums that don't add up (S4).

Judges one meter's samples in their order, on the meter's own phases; a sample it doubts is treated
as missing, so that load management ends at its safe value instead of trusting it.
"""

from dataclasses import dataclass

from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.topology import PHASE_NAMES, PerPhase
from sitecontroller.modbus.family import FROZEN_S

FROZEN_SAMPLES_MIN = 5
"""Identical samples in a row before registers count as frozen: real voltages move all the time."""

VOLTAGE_V_MIN = 50.0
VOLTAGE_V_MAX = 320.0
"""Phase to neutral: 277 V and 15 %; what is above, up to 530 V, is measured between two phases."""
BETWEEN_PHASES_V_MAX = 530.0
CURRENT_A_MAX = 10_000.0
FREQUENCY_HZ = (40.0, 70.0)
POWER_TOLERANCE = 1.2
"""P may exceed U·I by this factor: the three registers are not sampled at the same instant."""
POWER_W_FLOOR = 100.0
JUMP_A_MIN = 250.0
JUMP_FACTOR = 5.0
SUM_TOLERANCE = 0.1
SUM_SAMPLES = 3
"""Phases against total: so many samples in a row, because a load may switch between two reads."""


@dataclass(slots=True)
class Plausibility:
    """What one meter's earlier samples were like; `frozen_s` is its family's."""

    frozen_s: float = FROZEN_S
    _last: MeterReading | None = None
    _same_since_s: float = 0.0
    _same_count: int = 1
    _is_frozen: bool = False
    _sum_faults: int = 0

    @property
    def doubts_total(self) -> bool:
        """Whether the total should be read again at once, to find out if it fits."""
        return self._sum_faults > 0

    @property
    def moved_s(self) -> float | None:
        """When registers that are frozen now last moved; None: they aren't."""
        return self._same_since_s if self._is_frozen else None

    def judge(self, reading: MeterReading, total_w: float | None, now_s: float) -> str | None:
        """Why `reading`, taken at `now_s` (monotonic), can't be true, in plain words; else None.

        `total_w` is the meter's own total where it was read together with the phases.
        """
        last, self._last = self._last, reading
        frozen = self._frozen(last, reading, now_s)
        jump = self._jump(last, reading)
        mismatch = self._mismatch(reading, total_w)
        return _impossible(reading) or frozen or jump or mismatch

    def _frozen(self, last: MeterReading | None, reading: MeterReading, now_s: float) -> str | None:
        if last is None or _flow(last) != _flow(reading):
            self._same_since_s, self._same_count, self._is_frozen = now_s, 1, False
            return None
        self._same_count += 1
        self._is_frozen = (
            now_s - self._same_since_s >= self.frozen_s
            and self._same_count >= FROZEN_SAMPLES_MIN
            and not _tells_nothing(reading)
        )
        if not self._is_frozen:
            return None
        return "its registers are frozen: voltage, current and power don't change at all"

    def _jump(self, last: MeterReading | None, reading: MeterReading) -> str | None:
        """A leap above the sample before it; the next sample at that height confirms it."""
        if last is None:
            return None
        for name, old_a, new_a in zip(PHASE_NAMES, last.current_a, reading.current_a, strict=True):
            if old_a is None or new_a is None:
                continue
            if abs(new_a - old_a) > max(JUMP_A_MIN, JUMP_FACTOR * abs(old_a)):
                return f"current {name} leaps from {old_a:.0f} A to {new_a:.0f} A"
        return None

    def _mismatch(self, reading: MeterReading, total_w: float | None) -> str | None:
        phases = [power for power in reading.power_phase_w if power is not None]
        if total_w is not None and len(phases) == 3:
            off_w = abs(sum(phases) - total_w)
            allowed_w = max(POWER_W_FLOOR, SUM_TOLERANCE * sum(map(abs, phases)))
            self._sum_faults = self._sum_faults + 1 if off_w > allowed_w else 0
        if self._sum_faults < SUM_SAMPLES:
            return None
        return f"its phases add up to {sum(phases):.0f} W, its total says otherwise"


def _impossible(reading: MeterReading) -> str | None:
    voltages = [voltage for voltage in reading.voltage_v if voltage is not None]
    if voltages and max(voltages) < VOLTAGE_V_MIN:
        return "no voltage on any phase: wrong model or word order?"
    if voltages and max(voltages) > BETWEEN_PHASES_V_MAX:
        return f"{max(voltages):.0f} V can't be: wrong model or word order?"
    if voltages and max(voltages) > VOLTAGE_V_MAX:
        return f"{max(voltages):.0f} V is between two phases: is the neutral connected?"
    currents = [abs(current) for current in reading.current_a if current is not None]
    if currents and max(currents) > CURRENT_A_MAX:
        return f"{max(currents):.0f} A can't be: wrong model or word order?"
    frequency_hz = reading.frequency_hz
    if frequency_hz is not None and not FREQUENCY_HZ[0] <= frequency_hz <= FREQUENCY_HZ[1]:
        return f"{frequency_hz:.1f} Hz can't be: wrong model or word order?"
    phases = zip(
        PHASE_NAMES, reading.voltage_v, reading.current_a, reading.power_phase_w, strict=True
    )
    for name, voltage_v, current_a, power_w in phases:
        if current_a is None or power_w is None:
            continue
        most_v = VOLTAGE_V_MAX if voltage_v is None else abs(voltage_v)
        if abs(power_w) > POWER_TOLERANCE * most_v * abs(current_a) + POWER_W_FLOOR:
            return f"{name}: {power_w:.0f} W can't flow at {most_v:.0f} V and {current_a:.1f} A"
    return None


def _flow(reading: MeterReading) -> tuple[PerPhase, PerPhase, PerPhase]:
    return (reading.voltage_v, reading.current_a, reading.power_phase_w)


def _tells_nothing(reading: MeterReading) -> bool:
    """Without voltages, an idle site's zeros are no sign of frozen registers."""
    return not any(reading.voltage_v) and not any(reading.current_a)
