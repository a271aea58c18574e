"""What an electrician sees: one meter's values as a table, and what a scan of a line found."""

from collections.abc import AsyncIterator, Iterable

from sitecontroller.clock import SystemClock
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.topology import PHASE_NAMES, Meter
from sitecontroller.modbus.address import BusAddress
from sitecontroller.modbus.bus import Bus
from sitecontroller.modbus.family import MeterModel, SerialSettings
from sitecontroller.modbus.meter import BusMeter
from sitecontroller.modbus.model import known_models, meter_model
from sitecontroller.modbus.scan import Candidate, FoundUnit, scan

__all__ = [
    "FoundUnit",
    "configured",
    "known_models",
    "meter_model",
    "read_once",
    "render",
    "render_found",
    "scan_line",
]


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


async def scan_line(
    url: str, models: Iterable[MeterModel], units: Iterable[int] | None
) -> AsyncIterator[FoundUnit]:
    """Meters of these models at an address; a serial line is spoken to as the first is delivered.

    Raises InvalidInput (bad address), MeterTimeout (no connection).
    """
    models = tuple(models)
    clock = SystemClock()
    defaults = models[0].serial if len(models) == 1 else SerialSettings()
    bus = Bus(BusAddress.parse(url, defaults), clock)
    try:
        async for found in scan(bus, models, units, clock):
            yield found
    finally:
        bus.close()


def render_found(found: FoundUnit) -> str:
    """What a unit is, as lines of text: the most likely model first."""
    if not found.candidates:
        return f"unit {found.unit_id}: answers, but fits no known meter model"
    likely = found.candidates[0]
    others = [_called(candidate) for candidate in found.candidates[1:]]
    lines = [f"unit {found.unit_id}: {_called(likely)}", f"  shows {_shown(likely.reading)}"]
    if others:
        lines.append(f"  or: {', '.join(others)}")
    return "\n".join(lines)


def configured(found: FoundUnit, url: str) -> str:
    """The lines for site.toml; nothing for a unit that fits no model."""
    if not found.candidates:
        return ""
    model = found.candidates[0].model
    return "\n".join(
        (
            "[[meters]]",
            f'id = "meter-{found.unit_id}"',
            f'model = "{model.name}"',
            f'url = "{_complete(url, model)}"',
            f"unit_id = {found.unit_id}",
        )
    )


def _complete(url: str, model: MeterModel) -> str:
    """The url with the settings that were used, where this model is delivered with others."""
    used = BusAddress.parse(url, SerialSettings())
    if "?" in url or used.serial == BusAddress.parse(url, model.serial).serial:
        return url
    serial = used.serial
    settings = f"baudrate={serial.baudrate}&parity={serial.parity}&stopbits={serial.stopbits}"
    return f"{url}?{settings}"


def _called(candidate: Candidate) -> str:
    model = candidate.model
    sure = ", as it says itself" if candidate.identified else ""
    return f"{model.name} ({model.vendor} {model.models[0]}{sure})"


def _shown(reading: MeterReading) -> str:
    """The values that are known, in a row."""
    values = [_with(voltage_v, 1, "V") for voltage_v in reading.voltage_v if voltage_v is not None]
    values += [_with(current_a, 2, "A") for current_a in reading.current_a if current_a is not None]
    if reading.frequency_hz is not None:
        values.append(_with(reading.frequency_hz, 2, "Hz"))
    return ", ".join(values)


def _with(value: float | None, digits: int, unit: str) -> str:
    return "–" if value is None else f"{value:.{digits}f} {unit}"


def _kilo(value: float | None) -> float | None:
    return None if value is None else value / 1000
