"""Which meters are on a line? Every unit is asked briefly; what answers is held against the models.

A model fits when the meter says so itself (its identification registers, a SunSpec chain) or when
what is read by its map can be true. Reads only. Promises no more than likelihood: families with
the same map can't be told apart.
"""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from sitecontroller.domain.errors import MeterFault, MeterTimeout
from sitecontroller.domain.metering import MeterReading
from sitecontroller.modbus import sunspec
from sitecontroller.modbus.address import Transport
from sitecontroller.modbus.bus import PROBE_TIMEOUT_S, Bus
from sitecontroller.modbus.connection import IllegalAddress
from sitecontroller.modbus.family import VOLTAGES, Block, MeterModel, Values
from sitecontroller.modbus.frames import Request
from sitecontroller.modbus.plausibility import Plausibility
from sitecontroller.ports import Clock

UNITS = range(1, 248)
USUAL_V = (200.0, 255.0)
USUAL_HZ = ((49.0, 51.0), (59.0, 61.0))
KNOCKS: tuple[tuple[int, int, int], ...] = ((4, 0, 2), (3, 0, 2))
"""Function, start and count that any device answers, if only with an exception."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that fits, and what the meter shows by its map.

    `identified`: the meter says so itself; `score` counts the values that are as usual.
    """

    model: MeterModel
    identified: bool
    score: int
    reading: MeterReading


@dataclass(frozen=True, slots=True)
class FoundUnit:
    """A unit that answers; without candidates it is none of the known meters."""

    unit_id: int
    candidates: tuple[Candidate, ...]
    """The most likely first."""


async def scan(
    bus: Bus, models: Iterable[MeterModel], units: Iterable[int] | None, clock: Clock
) -> AsyncIterator[FoundUnit]:
    """Units that answer, one after the other; `units` None: all, or one where all are the same.

    Raises MeterTimeout when the line itself can't be opened.
    """
    models = tuple(models)
    await bus.connect()
    if units is None:
        units = UNITS[:1] if await _ignores_units(bus) else UNITS
    for unit_id in units:
        device = _Device(bus, unit_id, clock)
        if await device.answers(models):
            fitting = [fit for model in models if (fit := await device.fit(model)) is not None]
            fitting.sort(key=lambda fit: (not fit.identified, -fit.score, fit.model.name))
            yield FoundUnit(unit_id, tuple(fitting))


async def _ignores_units(bus: Bus) -> bool:
    """A device on the network that answers whatever unit is asked is one meter, not 247."""
    if bus.address.transport is not Transport.TCP:
        return False
    return all([await _knock(bus, unit_id, *KNOCKS[0]) for unit_id in (246, 247)])


async def _knock(bus: Bus, unit_id: int, function: int, start: int, count: int) -> bool:
    request = Request(unit_id, function, start, count)
    try:
        await bus.read(request, timeout_s=PROBE_TIMEOUT_S, attempts=1)
    except MeterTimeout:
        return False
    except (MeterFault, IllegalAddress):
        return True
    return True


class _Device:
    """One unit; nothing is asked twice, as most models ask for much the same."""

    def __init__(self, bus: Bus, unit_id: int, clock: Clock) -> None:
        self._bus, self._unit_id, self._clock = bus, unit_id, clock
        self._known: dict[tuple[int, int, int], list[int] | Exception] = {}

    async def answers(self, models: tuple[MeterModel, ...]) -> bool:
        """Whether it answers anything: a single model is asked for its own registers."""
        knocks = KNOCKS
        if len(models) == 1 and not models[0].sunspec:
            fast = models[0].fast[0]
            knocks = ((models[0].function, fast.start, fast.count), *KNOCKS)
        for knock in knocks:
            if await _knock(self._bus, self._unit_id, *knock):
                return True
        return False

    async def fit(self, model: MeterModel) -> Candidate | None:
        """How well the model fits, or None."""
        try:
            identified = await self._says(model)
            if model.sunspec:
                _, address = await sunspec.find_model(self._read_holding, model.sunspec)
                model, identified = model.moved(address), True
            values: Values = {}
            for block in model.fast:
                values |= await self._values(model, block)
        except (MeterTimeout, MeterFault, IllegalAddress):
            return None
        for block in model.slow:
            try:
                values |= await self._values(model, block)
            except (MeterTimeout, MeterFault, IllegalAddress):
                continue
        reading = model.reading(values, self._clock.now())
        if Plausibility().judge(reading, values.get("power_w"), 0.0) is not None:
            return None
        score = _score(values)
        return Candidate(model, identified, score, reading) if identified or score else None

    async def _says(self, model: MeterModel) -> bool:
        identity = model.identity
        if identity is None:
            return False
        count = len(identity.words[0])
        try:
            words = await self._read(identity.function, identity.address, count)
        except (MeterTimeout, MeterFault, IllegalAddress):
            return False
        return tuple(words) in identity.words

    async def _values(self, model: MeterModel, block: Block) -> Values:
        words = await self._read(model.function, block.start, block.count)
        registers = dict(zip(range(block.start, block.start + block.count), words, strict=True))
        return model.values(registers, block.points)

    async def _read_holding(self, start: int, count: int) -> list[int]:
        return await self._read(sunspec.FUNCTION, start, count)

    async def _read(self, function: int, start: int, count: int) -> list[int]:
        key = (function, start, count)
        if key not in self._known:
            request = Request(self._unit_id, *key)
            try:
                answer = await self._bus.read(request, timeout_s=PROBE_TIMEOUT_S, attempts=1)
            except (MeterTimeout, MeterFault, IllegalAddress) as error:
                self._known[key] = error
            else:
                self._known[key] = answer
        known = self._known[key]
        if isinstance(known, Exception):
            raise known
        return known


def _score(values: Values) -> int:
    """How many values are those of a European or American mains; 0 says nothing."""
    voltages = [value for name in VOLTAGES if (value := values.get(name)) is not None]
    usual = sum(USUAL_V[0] <= voltage_v <= USUAL_V[1] for voltage_v in voltages)
    frequency_hz = values.get("frequency_hz")
    if frequency_hz is not None:
        usual += 2 * any(low <= frequency_hz <= high for low, high in USUAL_HZ)
    return usual
