"""A site meter of a scenario: it averages, freezes now and then, falls silent or talks rubbish.

Its samples reach load management as the poller's do: those that can't be true are failures.
"""

import math
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from random import Random

from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.topology import PerPhase
from sitecontroller.modbus.plausibility import Plausibility
from sitecontroller.services.metering import MeteringService

RIPPLE_V = 0.4
"""Mains voltage is never the same twice."""


class PlantMeter:
    """What it shows of the plant's faultless readings. `mishap` is what ails it now, or ""."""

    def __init__(self, meter_id: str, average_s: int, seed: int) -> None:
        self.meter_id = meter_id
        self.mishap = ""
        self.amount = 0.0
        self._lately: deque[MeterReading] = deque(maxlen=average_s)
        self._frozen: MeterReading | None = None
        self._plausibility = Plausibility()
        self._random = Random(f"meter {meter_id} {seed}")

    def tell(self, truth: MeterReading, now_s: float, metering: MeteringService) -> None:
        """This second's sample, as far as it is one."""
        shown = self.shows(self._rippled(truth))
        if shown is None:
            metering.meter_failed(self.meter_id, "no answer")
            return
        doubt = self._plausibility.judge(shown, shown.power_w, now_s)
        if doubt is None:
            metering.meter_measured(self.meter_id, shown)
        else:
            metering.meter_failed(self.meter_id, doubt, self._plausibility.moved_s)

    def shows(self, truth: MeterReading) -> MeterReading | None:
        """This second's sample; None: no answer, or one that no poller takes for a reading."""
        self._lately.append(truth)
        if self.mishap == "silent":
            return None
        if self.mishap == "frozen" and self._frozen is not None:
            return replace(self._frozen, at=truth.at)
        self._frozen = shown = self._averaged()
        if self.mishap == "jump":
            return _each(shown, lambda value: value * self.amount)
        if self.mishap == "swapped":
            swapped = _each(shown, _words_swapped)
            return swapped if all(_is_number(a) for a in swapped.current_a) else None
        return shown

    def _rippled(self, truth: MeterReading) -> MeterReading:
        """At a voltage that moves, and with the power that flows then."""
        one, two, three = (
            (voltage_v or 0.0) + self._random.uniform(-RIPPLE_V, RIPPLE_V)
            for voltage_v in truth.voltage_v
        )
        return _at_voltage(replace(truth, voltage_v=(one, two, three)))

    def _averaged(self) -> MeterReading:
        count = len(self._lately)
        last = self._lately[-1]
        if count == 1:
            return last
        one, two, three = (
            sum(reading.current_a[phase] or 0.0 for reading in self._lately) / count
            for phase in range(3)
        )
        return _at_voltage(replace(last, current_a=(one, two, three)))


def _at_voltage(reading: MeterReading) -> MeterReading:
    one, two, three = (
        (voltage_v or 0.0) * (current_a or 0.0)
        for voltage_v, current_a in zip(reading.voltage_v, reading.current_a, strict=True)
    )
    return replace(reading, power_phase_w=(one, two, three), power_w=one + two + three)


def _each(reading: MeterReading, change: Callable[[float], float]) -> MeterReading:
    def all_of(values: PerPhase) -> PerPhase:
        one, two, three = (None if value is None else change(value) for value in values)
        return one, two, three

    return replace(
        reading,
        current_a=all_of(reading.current_a),
        power_phase_w=all_of(reading.power_phase_w),
        power_w=None if reading.power_w is None else change(reading.power_w),
    )


def _words_swapped(value: float) -> float:
    """The low word of a float32 read as the high one."""
    raw = struct.pack(">f", value)
    swapped: float = struct.unpack(">f", raw[2:] + raw[:2])[0]
    return swapped


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value) and abs(value) < 10_000
