"""The live picture of what flows: the last good reading of every site meter and EVSE.

Readings here drive load management and the screen; what matters for money is stored with its
transaction by the transaction service.
"""

from dataclasses import dataclass

from sitecontroller.domain.events import EvseMeasured, MeterFailed, MeterMeasured
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.topology import EvseKey, PerPhase
from sitecontroller.ports import Clock
from sitecontroller.publisher import Publisher


@dataclass(frozen=True, slots=True)
class Measured:
    """A reading and when it came, by the monotonic clock."""

    reading: MeterReading
    received_s: float


class MeteringService:
    """Owner of the latest readings."""

    def __init__(self, clock: Clock, publisher: Publisher) -> None:
        self._clock = clock
        self._publisher = publisher
        self._meters: dict[str, Measured] = {}
        self._failures: dict[str, str] = {}
        self._evses: dict[EvseKey, Measured] = {}

    def meter_measured(self, meter_id: str, reading: MeterReading) -> None:
        """A good sample of a site meter."""
        now_s = self._clock.monotonic_s()
        self._meters[meter_id] = Measured(reading, now_s)
        self._failures.pop(meter_id, None)
        self._publisher.publish(MeterMeasured(meter_id, reading, now_s))

    def meter_failed(self, meter_id: str, reason: str, since_s: float | None = None) -> None:
        """A site meter gave nothing usable; its last sample grows old, and is as old as `since_s`
        (monotonic) where that was no news since then."""
        last = self._meters.get(meter_id)
        if last is not None and since_s is not None and since_s < last.received_s:
            self._meters[meter_id] = Measured(last.reading, since_s)
        self._failures[meter_id] = reason
        self._publisher.publish(MeterFailed(meter_id, reason))

    def evse_measured(self, key: EvseKey, reading: MeterReading) -> None:
        """A live reading of an EVSE; what it leaves out keeps its last value only if it says
        nothing about current or power at all (an energy-only message)."""
        now_s = self._clock.monotonic_s()
        known = self._evses.get(key)
        if known is not None and not _tells_flow(reading):
            reading = _with_energy(known.reading, reading)
            self._evses[key] = Measured(reading, known.received_s)
            return
        self._evses[key] = Measured(reading, now_s)
        self._publisher.publish(EvseMeasured(key, reading, now_s))

    def meter(self, meter_id: str) -> Measured | None:
        """The last good sample of a site meter, however old."""
        return self._meters.get(meter_id)

    def meter_failure(self, meter_id: str) -> str | None:
        """Why a site meter gives nothing now; None while it works."""
        return self._failures.get(meter_id)

    def evse(self, key: EvseKey) -> Measured | None:
        """The last reading of an EVSE, however old."""
        return self._evses.get(key)


def _tells_flow(reading: MeterReading) -> bool:
    values: PerPhase = reading.current_a
    return reading.power_w is not None or any(value is not None for value in values)


def _with_energy(known: MeterReading, newer: MeterReading) -> MeterReading:
    return MeterReading(
        at=known.at if _tells_flow(known) else newer.at,
        current_a=known.current_a,
        voltage_v=known.voltage_v,
        power_phase_w=known.power_phase_w,
        power_w=known.power_w,
        energy_import_wh=_newer(newer.energy_import_wh, known.energy_import_wh),
        energy_export_wh=_newer(newer.energy_export_wh, known.energy_export_wh),
        frequency_hz=known.frequency_hz,
        current_offered_a=known.current_offered_a,
        soc_percent=_newer(newer.soc_percent, known.soc_percent),
        context=known.context,
        time_quality=known.time_quality,
        feeds_in=known.feeds_in,
    )


def _newer(newer: float | None, known: float | None) -> float | None:
    return known if newer is None else newer
