"""What a station's own meter shows of one EVSE, as measurands on the station's terminals.

Values as a device prints them: amperes and volts with one or two digits, whole watts and
watt-hours. An AC EVSE reports the grid's phases, a DC EVSE what the car gets at the outlet.
"""

import re
from dataclasses import dataclass

from sitecontroller.domain.topology import Supply
from sitecontroller.simulation.cars import Car
from sitecontroller.simulation.plant import Amperes, Outlet

ENERGY = "Energy.Active.Import.Register"
CURRENT = "Current.Import"
OFFERED = "Current.Offered"
POWER = "Power.Active.Import"
VOLTAGE = "Voltage"
SOC = "SoC"
MEASURANDS = (ENERGY, CURRENT, OFFERED, POWER, VOLTAGE, SOC)
DEFAULT_MEASURANDS = (ENERGY, CURRENT, POWER, VOLTAGE)

MEASURAND_LIST = rf"(?:(?:{'|'.join(map(re.escape, MEASURANDS))})(?:,|$))+"
"""Fits a comma-separated list of these measurands."""

DC_BATTERY_V = 400.0
UNITS = {ENERGY: "Wh", CURRENT: "A", OFFERED: "A", POWER: "W", VOLTAGE: "V", SOC: "Percent"}


@dataclass(frozen=True, slots=True)
class Sample:
    """One value; `phase` None is the total, location None the outlet."""

    measurand: str
    value: float
    phase: str | None = None
    location: str | None = None

    @property
    def unit(self) -> str:
        """The OCPP unit of the measurand."""
        return UNITS[self.measurand]


def energy_wh(outlet: Outlet) -> int:
    """The register, as it is printed."""
    return int(outlet.energy_wh)


def samples(outlet: Outlet, voltage_v: Amperes, measurands: tuple[str, ...]) -> list[Sample]:
    """The asked measurands that this EVSE has, in the order asked."""
    taken: list[Sample] = []
    for measurand in measurands:
        taken.extend(_of(measurand, outlet, voltage_v))
    return taken


def _of(measurand: str, outlet: Outlet, voltage_v: Amperes) -> list[Sample]:
    is_dc = outlet.evse.supply is Supply.DC
    if measurand == ENERGY:
        return [Sample(ENERGY, energy_wh(outlet))]
    if measurand == POWER:
        return [Sample(POWER, round(outlet.power_w))]
    if measurand == CURRENT:
        if is_dc:
            return [Sample(CURRENT, round(outlet.power_w / DC_BATTERY_V, 1))]
        return [
            Sample(CURRENT, round(current_a, 2), f"L{terminal}")
            for terminal, current_a in enumerate(outlet.terminal_current_a(), start=1)
        ]
    if measurand == VOLTAGE:
        if is_dc:
            return [Sample(VOLTAGE, DC_BATTERY_V)]
        return [
            Sample(VOLTAGE, round(voltage_v[phase], 1), f"L{terminal}-N")
            for terminal, phase in enumerate(outlet.evse.phase_map.site_phases, start=1)
        ]
    if measurand == OFFERED and not is_dc:
        return [Sample(OFFERED, round(outlet.offered_a, 1))]
    if measurand == SOC and outlet.car is not None and _tells_soc(outlet.car, is_dc=is_dc):
        return [Sample(SOC, round(outlet.car.soc * 100), location="EV")]
    return []


def _tells_soc(car: Car, *, is_dc: bool) -> bool:
    """A car that can give back speaks ISO 15118-20, also on AC."""
    return is_dc or car.model.discharge_a_max > 0
