"""Meter values of OCPP 1.6 and 2.x as readings in canonical units on the site's phases.

Tolerant by rule (Q38): what a station leaves out has the specification's default, what can't be
read is left out, and an absent value is None, never 0. No canonical value leaves here beyond the
bounds below. Values of different contexts never mix (Q39). Suspect registers are told, never
changed (Q40). Nothing here raises for what came in.
"""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from typing import Any, NamedTuple

from sitecontroller.domain.metering import MeterReading, ReadingContext
from sitecontroller.domain.topology import (
    NOMINAL_V,
    UNKNOWN_PHASES,
    Evse,
    LimitUnit,
    PerPhase,
    Supply,
)
from sitecontroller.ocpp.times import parse_station_time
from sitecontroller.ocpp.values import ENERGY_WH_MAX, integer

ENERGY_IMPORT = "Energy.Active.Import.Register"
ENERGY_EXPORT = "Energy.Active.Export.Register"
POWER_IMPORT = "Power.Active.Import"
CURRENT_IMPORT = "Current.Import"
POWER_EXPORT = "Power.Active.Export"
CURRENT_EXPORT = "Current.Export"
CURRENT_OFFERED = "Current.Offered"
VOLTAGE = "Voltage"
FREQUENCY = "Frequency"
STATE_OF_CHARGE = "SoC"

ELEMENTS_MAX = 500
"""Meter values, and sampled values of each, that one message may bring; the rest is left."""
MULTIPLIER_MAX = 12
WORD_CHARACTERS_MAX = 60
KINDS_KEPT = 2048
"""A site's stations say some dozens."""
SIGNED_CHARACTERS_MAX = 65_536
"""OCPP 2.1 allows 32,768 in a signed value, whose hex is twice as long."""

POWER_W_MAX = 1e8
CURRENT_A_MAX = 1e5
VOLTAGE_V_MAX = 1e6
FREQUENCY_HZ_MAX = 1000.0
SOC_PERCENT_MAX = 100.0

LIVE_CONTEXTS = frozenset({ReadingContext.PERIODIC, ReadingContext.CLOCK, ReadingContext.TRIGGER})
"""Samples that say what flows now; those of a transaction's begin and end belong to it alone."""

_BOUNDS = {
    ENERGY_IMPORT: (-ENERGY_WH_MAX, ENERGY_WH_MAX),
    ENERGY_EXPORT: (-ENERGY_WH_MAX, ENERGY_WH_MAX),
    POWER_IMPORT: (-POWER_W_MAX, POWER_W_MAX),
    CURRENT_IMPORT: (-CURRENT_A_MAX, CURRENT_A_MAX),
    POWER_EXPORT: (-POWER_W_MAX, POWER_W_MAX),
    CURRENT_EXPORT: (-CURRENT_A_MAX, CURRENT_A_MAX),
    CURRENT_OFFERED: (-CURRENT_A_MAX, CURRENT_A_MAX),
    VOLTAGE: (-VOLTAGE_V_MAX, VOLTAGE_V_MAX),
    FREQUENCY: (0.0, FREQUENCY_HZ_MAX),
    STATE_OF_CHARGE: (0.0, SOC_PERCENT_MAX),
}
_MEASURANDS = {name.casefold(): name for name in _BOUNDS}
_CONTEXTS = {context.value.casefold(): context for context in ReadingContext}
_IMPORT_OF = {CURRENT_EXPORT: CURRENT_IMPORT, POWER_EXPORT: POWER_IMPORT}
_TERMINALS = {
    "l1": 0, "l2": 1, "l3": 2, "l1-n": 0, "l2-n": 1, "l3-n": 2, "l1-l2": None, "l2-l3": None,
    "l3-l1": None, "n": None,
}  # fmt: skip
_LOCATIONS = ("outlet", "cable", "inlet")
"""Where electrical values are taken from, best first: what the car gets before what we feed."""
_TOTAL = None

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a sampled value is of; `terminal` None is the total, `factor` leads to the canonical
    unit."""

    measurand: str
    terminal: int | None
    context: ReadingContext
    location: str
    factor: float


class _Sample(NamedTuple):
    """One sampled value, in canonical units."""

    kind: _Kind
    value: float


def read_meter_values(
    meter_values: object,
    evse: Evse | None,
    received_at: datetime,
    *,
    missing_zone: tzinfo,
    out_of_bounds: Told = lambda measurand: None,
) -> list[MeterReading]:
    """The readings of a `meterValue` list, in the order written, one for each context of each, and
    one more for each further signed value of a context.

    Without an `evse` the station's L1, L2, L3 are taken for the site's. `out_of_bounds` is told
    the measurand of each value that was left out because it can't be.
    """
    readings: list[MeterReading] = []
    for element in _dicts(meter_values):
        time = parse_station_time(element.get("timestamp"), received_at, missing_zone=missing_zone)
        sampled = list(_dicts(element.get("sampledValue")))
        samples = [s for item in sampled if (s := _sample(item, out_of_bounds)) is not None]
        signed: dict[ReadingContext, list[str]] = {}
        for item in sampled:
            if ("format" in item or "signedMeterValue" in item) and (text := _signed_data(item)):
                signed.setdefault(_context_of(item.get("context")), []).append(text)
        contexts = dict.fromkeys([sample.kind.context for sample in samples] + list(signed))
        for context in contexts:
            of_context = [sample for sample in samples if sample.kind.context is context]
            blank = MeterReading(time.at, context=context, time_quality=time.quality)
            first, *more = signed.get(context, [None])
            reading = _reading(blank, of_context, first, evse, out_of_bounds)
            if reading != blank:
                readings.append(reading)
            readings += [replace(blank, signed_data=text) for text in dict.fromkeys(more)]
    return readings


def _reading(
    blank: MeterReading,
    samples: list[_Sample],
    signed_data: str | None,
    evse: Evse | None,
    out_of_bounds: Told,
) -> MeterReading:
    """Samples of one instant and context, each (measurand, phase) from its best location."""
    found: dict[tuple[str, int | None], _Sample] = {}
    for sample in samples:
        key = (sample.kind.measurand, sample.kind.terminal)
        if key not in found or _rank(sample) < _rank(found[key]):
            found[key] = sample
    if evse is not None and evse.supply is Supply.DC:
        # At a DC outlet these are the car's volts and amperes, not the grid's.
        for name in (CURRENT_IMPORT, CURRENT_EXPORT, VOLTAGE):
            found = {k: s for k, s in found.items() if k[0] != name or s.kind.location == "inlet"}
    values = {key: sample.value for key, sample in found.items()}
    feeds_in = _less_exports(values)
    return MeterReading(
        blank.at,
        current_a=_currents(values, evse),
        voltage_v=_phases(values, VOLTAGE, evse),
        power_phase_w=_phases(values, POWER_IMPORT, evse),
        power_w=_total(values, POWER_IMPORT, evse, out_of_bounds),
        energy_import_wh=_total(values, ENERGY_IMPORT, evse, out_of_bounds),
        energy_export_wh=_total(values, ENERGY_EXPORT, evse, out_of_bounds),
        frequency_hz=values.get((FREQUENCY, _TOTAL)),
        current_offered_a=_smallest(values, CURRENT_OFFERED),
        soc_percent=values.get((STATE_OF_CHARGE, _TOTAL)),
        context=blank.context,
        time_quality=blank.time_quality,
        feeds_in=feeds_in,
        signed_data=signed_data,
    )


def _less_exports(values: dict[tuple[str, int | None], float]) -> bool:
    """Take what a station tells as exported from what is imported; whether there was any."""
    feeds_in = False
    for (exported, terminal), value in tuple(values.items()):
        imported = _IMPORT_OF.get(exported)
        if imported is not None and value != 0:
            values[imported, terminal] = values.get((imported, terminal), 0.0) - abs(value)
            feeds_in = True
    return feeds_in


def with_meant_signs(reading: MeterReading) -> MeterReading:
    """A reading of a station that may let cars feed in, and says so by a sign too."""
    values = (*reading.current_a, *reading.power_phase_w, reading.power_w)
    is_negative = any(value is not None and value < 0 for value in values)
    return replace(reading, feeds_in=True) if is_negative else reading


def _phases(
    values: dict[tuple[str, int | None], float], measurand: str, evse: Evse | None
) -> PerPhase:
    """Values of the terminals on the site's phases.

    A single-phase EVSE has one conductor: its total is that conductor's, whatever it calls it.
    """
    terminals = [values.get((measurand, terminal)) for terminal in range(3)]
    if evse is None:
        return (terminals[0], terminals[1], terminals[2])
    if evse.phase_count == 1:
        named = [value for value in terminals if value is not None]
        single = max(named, key=abs, default=values.get((measurand, _TOTAL)))
        if single is None:
            return UNKNOWN_PHASES
        terminals = [single, None, None]
    return evse.phase_map.to_site((terminals[0], terminals[1], terminals[2]))


def _currents(values: dict[tuple[str, int | None], float], evse: Evse | None) -> PerPhase:
    """Currents on the site's phases; one without a phase is the most that any of them carries.

    MicroOcpp, and much that is built on it, names no phase. Such a value is one conductor's, or
    the sum of all: no phase carries more, and load management counts on both sides with it. An
    outlet told in watts is believed to use several phases only if its power says so: told 18 A
    for three, a car on one would take them all.
    """
    said = _phases(values, CURRENT_IMPORT, evse)
    total_a = values.get((CURRENT_IMPORT, _TOTAL))
    if evse is None or evse.supply is Supply.DC or total_a is None:
        return said
    if any(value is not None for value in said):
        return said
    power_w = values.get((POWER_IMPORT, _TOTAL))
    several_w = (evse.phase_count - 0.5) * NOMINAL_V * abs(total_a)
    on_all = evse.limit_unit is LimitUnit.A or (power_w is not None and power_w >= several_w)
    count = evse.phase_count if on_all else 1
    first, second, third = (total_a if number < count else None for number in range(3))
    return evse.phase_map.to_site((first, second, third))


def _total(
    values: dict[tuple[str, int | None], float],
    measurand: str,
    evse: Evse | None,
    out_of_bounds: Told,
) -> float | None:
    """The value without a phase; else the sum, if every wired terminal has one."""
    total = values.get((measurand, _TOTAL))
    if total is not None:
        return total
    count = 3 if evse is None else evse.phase_count
    terminals = [values.get((measurand, terminal)) for terminal in range(3)]
    known = [value for value in terminals if value is not None]
    return _bounded(measurand, sum(known), out_of_bounds) if len(known) >= count else None


def _bounded(measurand: str, value: float, out_of_bounds: Told) -> float | None:
    """The canonical value, or None if nothing can have it: a price of it would have no end."""
    lowest, highest = _BOUNDS[measurand]
    if lowest <= value <= highest:
        return value
    out_of_bounds(measurand)
    return None


def _smallest(values: dict[tuple[str, int | None], float], measurand: str) -> float | None:
    return min((v for (name, _), v in values.items() if name == measurand), default=None)


def _rank(sample: _Sample) -> int:
    location = sample.kind.location
    return _LOCATIONS.index(location) if location in _LOCATIONS else 99


def _sample(item: dict[str, Any], out_of_bounds: Told) -> _Sample | None:
    """One sampled value; None if it is empty, unreadable, signed or of no use to us."""
    said = item.get
    unit, multiplier = said("unit"), 0
    of_measure = said("unitOfMeasure")
    if isinstance(of_measure, dict):
        unit = of_measure.get("unit", unit)
        if "multiplier" in of_measure:
            multiplier = integer(of_measure["multiplier"]) or 0
    kind = _kind(
        (
            said("measurand"),
            said("phase"),
            said("context"),
            said("location"),
            said("format"),
            unit,
            multiplier,
        )
    )
    if kind is None:
        return None
    number = _number(item.get("value"))
    if number is None:
        return None
    value = _bounded(kind.measurand, number * kind.factor, out_of_bounds)
    return None if value is None else _Sample(kind, value)


def _kind(said: tuple[Any, ...]) -> _Kind | None:
    """What a sampled value says of itself: (measurand, phase, context, location, format, unit,
    multiplier) as they came. A station says the same with every reading."""
    try:
        return _KNOWN[said]
    except (KeyError, TypeError):
        pass  # new, or not even a word
    *words, multiplier = said
    measurand, phase, context, location, encoding, unit = map(_short, words)
    kind = _kind_of(measurand, phase, context, location, encoding, unit, multiplier)
    if len(_KNOWN) < KINDS_KEPT and all(word is None or word == _short(word) for word in words):
        _KNOWN[said] = kind
    return kind


_KNOWN: dict[tuple[Any, ...], _Kind | None] = {}
"""By words short enough to keep; a handful of lists and endless texts would fill the memory."""


def _kind_of(
    measurand: str,
    phase: str,
    context: str,
    location: str,
    encoding: str,
    unit: str,
    multiplier: int,
) -> _Kind | None:
    """None if it is signed or of no use to us."""
    known = _MEASURANDS.get(_word(measurand) or ENERGY_IMPORT.casefold())
    terminal = _TERMINALS.get(_word(phase)) if _word(phase) else _TOTAL
    if known is None or (_word(phase) and terminal is None):
        return None
    place = _word(location) or "outlet"
    if known != STATE_OF_CHARGE and place not in _LOCATIONS:
        return None
    if _word(encoding) == "signeddata":
        return None
    return _Kind(known, terminal, _context_of(context), place, _factor(unit, multiplier))


def _short(value: object) -> str:
    """A word as it was written; one too long for any we know is as good as another."""
    if type(value) is not str:
        return ""
    return value if len(value) <= WORD_CHARACTERS_MAX else "?"


def _number(value: object) -> float | None:
    """A finite number, also from text, also with a decimal comma."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if isinstance(value, str) and "," in value and "." not in value:
        value = value.replace(",", ".", 1)
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _factor(unit: str, multiplier: int) -> float:
    """To the canonical unit; NaN if it can't be one. A unit's prefix counts, its base is the
    measurand's own: 2.x serialisers fill in the schema's default "Wh" for volts and amperes too.
    """
    if abs(multiplier) > MULTIPLIER_MAX:
        return math.nan
    text = unit.strip()
    scale = 1.0
    if text[:1] in ("k", "K") and text.casefold() in ("kwh", "kw", "kv", "ka"):
        scale = 1000.0
    elif text.casefold() in ("ma", "mv") or text in ("mW", "mWh"):
        scale = 0.001
    elif text in ("MW", "MWh"):
        scale = 1e6
    # 10 ** -1 isn't exact, and 1 / 10 is what a person would write.
    return scale * 10.0**multiplier if multiplier >= 0 else scale / 10.0**-multiplier


def _context_of(said: object) -> ReadingContext:
    word = _word(said)
    if not word:
        return ReadingContext.PERIODIC
    return _CONTEXTS.get(word, ReadingContext.OTHER)


def _signed_data(item: dict[str, Any]) -> str | None:
    """Signed data verbatim: the 1.6 text, or the 2.x object, which has the key, as JSON."""
    signed = item.get("signedMeterValue")
    if isinstance(signed, dict):
        text = json.dumps(signed, separators=(",", ":"), ensure_ascii=False)
    elif _word(item.get("format")) == "signeddata" and isinstance(item.get("value"), str):
        text = item["value"]
    else:
        return None
    return text if len(text) <= SIGNED_CHARACTERS_MAX else None


def _word(value: object) -> str:
    return value.strip().casefold() if isinstance(value, str) else ""


def _dicts(value: object) -> Iterator[dict[str, Any]]:
    items = value[:ELEMENTS_MAX] if isinstance(value, list) else []
    return (item for item in items if isinstance(item, dict))


class RegisterCheck:
    """Compares what an EVSE's energy register counts with its power over time (Q40).

    Finds a register in kWh that is sent as Wh, and the reverse. It only tells: a person applies
    the factor.
    """

    EXPECTED_WH_MIN = 2500.0
    """A kWh register sent as Wh moves by one only every 1000 Wh."""
    INTERVAL_S_MAX = 900.0

    def __init__(self) -> None:
        self._last: MeterReading | None = None
        self._counted_wh = 0.0
        self._expected_wh = 0.0

    def suspect_factor(self, reading: MeterReading) -> int | None:
        """Take the next reading; 1000 or −1000 (divide) once the register can't be Wh."""
        if reading.energy_import_wh is None or reading.context not in LIVE_CONTEXTS:
            return None
        last, self._last = self._last, reading
        if last is None or last.energy_import_wh is None:
            return None
        elapsed_s = (reading.at - last.at).total_seconds()
        counted_wh = reading.energy_import_wh - last.energy_import_wh
        power_w = _power_w(last)
        if not 0 < elapsed_s <= self.INTERVAL_S_MAX or counted_wh < 0 or power_w is None:
            self._counted_wh = self._expected_wh = 0.0
            return None
        self._counted_wh += counted_wh
        self._expected_wh += max(0.0, power_w) * elapsed_s / 3600
        return self._verdict()

    def _verdict(self) -> int | None:
        if self._expected_wh < self.EXPECTED_WH_MIN:
            return None
        ratio = self._counted_wh / self._expected_wh
        self._counted_wh = self._expected_wh = 0.0
        if ratio < 1 / 300:
            return 1000
        return -1000 if ratio > 300 else None


def _power_w(reading: MeterReading) -> float | None:
    if reading.power_w is not None:
        return reading.power_w
    currents = [current for current in reading.current_a if current is not None]
    if not currents:
        return None
    voltages = [v for v in reading.voltage_v if v is not None]
    volts = sum(voltages) / len(voltages) if voltages else NOMINAL_V
    return volts * sum(currents)
