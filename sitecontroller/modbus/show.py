"""One look at a meter for an electrician: read everything once and lay it out as a table."""

from sitecontroller.clock import SystemClock
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.topology import PHASE_NAMES, Meter
from sitecontroller.modbus.address import BusAddress
from sitecontroller.modbus.bus import Bus
from sitecontroller.modbus.meter import BusMeter
from sitecontroller.modbus.model import known_models, meter_model

__all__ = ["known_models", "meter_model", "read_once", "render"]


async def read_once(model_name: str, url: str, unit_id: int) -> MeterReading:
    """All values of one meter, on its own phases, without judging whether they can be true.

    Raises InvalidInput (unknown model, bad address), MeterTimeout or MeterFault.
    """
    model = meter_model(model_name)
    clock = SystemClock()
    bus = Bus(BusAddress.parse(url, model.serial), clock)
    meter = BusMeter(Meter("meter", "meter", model.name, url, unit_id), model, bus, clock)
    try:
        return await meter.sample()
    finally:
        bus.close()


def render(reading: MeterReading) -> str:
    """The sample as lines of text; what the meter doesn't tell is a dash."""
    rows = [("", "voltage", "current", "power")]
    for name, voltage_v, current_a, power_w in zip(
        PHASE_NAMES, reading.voltage_v, reading.current_a, reading.power_phase_w, strict=True
    ):
        rows.append(
            (name, _with(voltage_v, 1, "V"), _with(current_a, 2, "A"), _with(power_w, 0, "W"))
        )
    rows.append(("total", "", "", _with(reading.power_w, 0, "W")))
    lines = [f"{name:<6}{v:>12}{a:>12}{w:>14}".rstrip() for name, v, a, w in rows]
    for name, text in (
        ("frequency", _with(reading.frequency_hz, 2, "Hz")),
        ("energy imported", _with(_kilo(reading.energy_import_wh), 3, "kWh")),
        ("energy exported", _with(_kilo(reading.energy_export_wh), 3, "kWh")),
    ):
        lines.append(f"{name:<18}{text:>26}")
    return "\n".join(lines)


def _with(value: float | None, digits: int, unit: str) -> str:
    return "–" if value is None else f"{value:.{digits}f} {unit}"


def _kilo(value: float | None) -> float | None:
    return None if value is None else value / 1000
