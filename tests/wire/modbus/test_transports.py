"""Every model over every way there is: Modbus TCP against pymodbus's server, RTU on a real tty."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from sitecontroller.domain.errors import ConfigurationError, InvalidInput, MeterTimeout
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.topology import Meter
from sitecontroller.modbus.meter import connect_meters
from sitecontroller.modbus.model import known_models, meter_model
from sitecontroller.modbus.show import read_once, render
from tests.wire.modbus.fakes import READING, Responder, meter_at, served, shown, simulator

Run = Callable[..., Any]
Serve = Callable[[dict[int, int]], AbstractAsyncContextManager[str]]
UNIT = 7


def on_tcp(registers: dict[int, int]) -> AbstractAsyncContextManager[str]:
    return simulator(registers, UNIT)


def on_rtu_over_tcp(registers: dict[int, int]) -> AbstractAsyncContextManager[str]:
    return Responder({UNIT: registers}).on_tcp(rtu=True)


@asynccontextmanager
async def on_a_serial_line(registers: dict[int, int]) -> Any:
    with Responder({UNIT: registers}).on_pty() as url:
        yield url


def close_to(reading: MeterReading) -> tuple[Any, ...]:
    phases = (reading.current_a, reading.voltage_v, reading.power_phase_w)
    energies = (reading.energy_import_wh, reading.energy_export_wh)
    return tuple(
        pytest.approx(value)
        for value in (*phases, *energies, reading.power_w, reading.frequency_hz)
    )


def values(reading: MeterReading) -> tuple[Any, ...]:
    phases = (reading.current_a, reading.voltage_v, reading.power_phase_w)
    energies = (reading.energy_import_wh, reading.energy_export_wh)
    return (*phases, *energies, reading.power_w, reading.frequency_hz)


@pytest.mark.parametrize("name", known_models())
@pytest.mark.parametrize("serve", [on_tcp, on_rtu_over_tcp, on_a_serial_line])
def test_a_meter_is_read_as_its_display_shows(run: Run, name: str, serve: Serve) -> None:
    async def main() -> MeterReading:
        async with serve(served(meter_model(name), READING)) as url:
            return await read_once(name, url, UNIT)

    assert values(run(main())) == close_to(shown(meter_model(name), READING))


def test_an_echo_on_the_line_is_no_answer(run: Run) -> None:
    """Cheap RS-485 adapters hear themselves: the request comes back in front of the answer."""
    model = meter_model("eastron-sdm630")

    async def main() -> MeterReading:
        responder = Responder({UNIT: model.encode(READING)})
        with responder.on_pty(echo=True) as url:
            return await read_once(model.name, url, UNIT)

    assert values(run(main())) == close_to(READING)


def test_a_serial_line_that_is_pulled_out_means_no_answer(run: Run) -> None:
    async def main() -> None:
        with Responder({}).on_pty() as url:
            pass
        meter = meter_at(url, "eastron-sdm630")
        with pytest.raises(MeterTimeout, match="no connection to serial"):
            await meter.read()

    run(main())


def test_an_adapter_that_refuses_its_settings_means_no_connection(run: Run) -> None:
    async def main() -> None:
        with Responder({}).on_pty() as url:
            meter = meter_at(url.replace("parity=N", "parity=E"), "eastron-sdm630")
            with pytest.raises(MeterTimeout, match="no connection to serial"):
                await meter.read()

    run(main())


def test_a_serial_line_pulled_out_in_use_means_no_answer(run: Run) -> None:
    model = meter_model("eastron-sdm630")

    async def main() -> None:
        with Responder({UNIT: model.encode(READING)}).on_pty() as url:
            meter = meter_at(url, model, unit_id=UNIT)
            await meter.read()
        with pytest.raises(MeterTimeout):
            await meter.read()
        meter.close()

    run(main())


def test_two_meters_share_one_serial_line(run: Run) -> None:
    model = meter_model("eastron-sdm630")
    registers = model.encode(READING)

    async def main() -> list[MeterReading]:
        with Responder({1: registers, 2: registers}).on_pty() as url:
            clock = meter_at(url, model)._clock
            meters = connect_meters(
                [Meter(f"M{unit}", "", model.name, url, unit) for unit in (1, 2)], clock
            )
            try:
                return await asyncio.gather(*(meter.read() for meter in meters))
            finally:
                for meter in meters:
                    meter.close()

    assert [values(reading) for reading in run(main())] == [close_to(READING)] * 2


def test_models_with_other_serial_settings_on_one_line_are_refused(run: Run) -> None:
    async def main() -> None:
        meters = [
            Meter("A", "", "eastron-sdm630", "serial:///dev/ttyUSB0"),
            Meter("B", "", "schneider-iem3155", "serial:///dev/ttyUSB0"),
        ]
        with pytest.raises(ConfigurationError, match=r"meters\[B\].*serial settings differ"):
            connect_meters(meters, meter_at("tcp://localhost:1", "abb-b23")._clock)

    run(main())


def test_an_unknown_model_in_the_configuration_names_its_meter(run: Run) -> None:
    async def main() -> None:
        clock = meter_at("tcp://localhost:1", "abb-b23")._clock
        with pytest.raises(ConfigurationError, match=r"meters\[A\]: no meter model is called 'x'"):
            connect_meters([Meter("A", "", "x", "tcp://localhost:1")], clock)

    run(main())


def test_an_unknown_model_on_the_command_line_names_the_known_ones(run: Run) -> None:
    with pytest.raises(InvalidInput, match=r"known are: abb-b23, .*eastron-sdm630"):
        run(read_once("x", "tcp://localhost:1", 1))


def test_the_table_for_electricians_has_every_value_with_its_unit() -> None:
    assert render(READING).splitlines() == [
        "           voltage     current         power",
        "L1         230.0 V     10.00 A        2250 W",
        "L2         231.0 V     20.50 A        4700 W",
        "L3         229.0 V     -5.00 A       -1100 W",
        "total                                 5850 W",
        "frequency                           50.00 Hz",
        "energy imported                 1234.000 kWh",
        "energy exported                   56.000 kWh",
    ]


def test_the_table_shows_a_dash_for_what_is_unknown() -> None:
    lines = render(MeterReading(at=READING.at)).splitlines()
    assert lines[1].split() == ["L1", "–", "–", "–"]
