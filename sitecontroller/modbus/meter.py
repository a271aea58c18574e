"""One meter of the site: what to read when, how long it has been silent, and what its wires are.

The fast blocks are read every time, the slow ones (total, frequency, energy) every 30 s and kept
in between. A silent meter is probed rarely and briefly, so that its neighbours on the bus stay
fresh. Phase order, current transformers and direction are applied here, once.
"""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import replace

from sitecontroller.domain.errors import ConfigurationError, InvalidInput, MeterFault, MeterTimeout
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.topology import Meter, PerPhase
from sitecontroller.modbus import sunspec
from sitecontroller.modbus.address import BusAddress
from sitecontroller.modbus.bus import ATTEMPTS, PROBE_TIMEOUT_S, TIMEOUT_S, Bus
from sitecontroller.modbus.connection import IllegalAddress
from sitecontroller.modbus.family import CURRENTS, Block, MeterModel, Values
from sitecontroller.modbus.frames import Request
from sitecontroller.modbus.model import known_models, meter_model
from sitecontroller.modbus.plausibility import Plausibility
from sitecontroller.ports import Clock

SLOW_S = 30.0
SLOW_SPREAD_S = 8
"""By unit id, so that the meters of a bus don't all read their slow blocks in the same second."""
FAILURES_MAX = 3
"""After so many failed reads in a row a meter counts as dead and is only probed."""
PROBE_EVERY_S = 10.0

log = logging.getLogger(__name__)


class BusMeter:
    """A meter on a bus, behind `ports.SiteMeter`."""

    def __init__(self, meter: Meter, model: MeterModel, bus: Bus, clock: Clock) -> None:
        self._meter, self._model, self._bus, self._clock = meter, model, bus, clock
        self._plausibility = Plausibility(model.frozen_s)
        self._failures = 0
        self._probe_at_s = 0.0
        self._slow: Values = {}
        self._slow_at_s = clock.monotonic_s()
        self._parts: dict[str, tuple[Block, ...]] = {}
        """What each block is read in; empty until it is known what stands there."""

    @property
    def meter_id(self) -> str:
        """Its id in site.toml."""
        return self._meter.meter_id

    @property
    def period_s(self) -> float:
        """How often it shall be read."""
        return self._meter.period_s

    async def read(self) -> MeterReading:
        """A fresh sample that can be true. Raises MeterTimeout or MeterFault."""
        reading, total_w = await self._sample()
        doubt = self._plausibility.judge(reading, total_w, self._clock.monotonic_s())
        if doubt is not None:
            raise MeterFault(doubt, since_s=self._plausibility.moved_s)
        return self._installed(reading)

    async def sample(self) -> MeterReading:
        """A fresh sample as it is, believable or not, for a person who looks at it."""
        reading, _ = await self._sample()
        return self._installed(reading)

    def close(self) -> None:
        """Close its bus."""
        self._bus.close()

    async def _sample(self) -> tuple[MeterReading, float | None]:
        """A sample on the meter's own phases, and its total if that was read just now."""
        try:
            await self._probe_if_dead()
            if not self._parts:
                await self._survey()
            values: Values = {}
            for block in self._model.fast:
                values |= await self._block(block, ATTEMPTS if self._failures == 0 else 1)
        except (MeterTimeout, MeterFault):
            self._failed()
            raise
        at = self._clock.now()
        self._failures = 0
        fresh = await self._refresh_slow()
        values = {**(self._slow if fresh else _without_total(self._slow)), **values}
        return self._model.reading(values, at), values.get("power_w")

    async def _refresh_slow(self) -> bool:
        """Read the slow blocks if they are due; what fails there costs only its own values."""
        now_s = self._clock.monotonic_s()
        if now_s < self._slow_at_s and not self._plausibility.doubts_total:
            return False
        self._slow_at_s = now_s + SLOW_S + self._meter.unit_id % SLOW_SPREAD_S
        fresh: Values = {}
        for block in self._model.slow:
            try:
                fresh |= await self._block(block, 1)
            except (MeterTimeout, MeterFault) as error:
                log.info("meter %s: block %s not read: %s", self.meter_id, block.name, error)
        self._slow = fresh
        return True

    async def _block(self, block: Block, attempts: int) -> Values:
        """One block, in as many parts as this meter was found to need."""
        values: Values = {}
        pending, kept = [*self._parts[block.name]], []
        while pending:
            part = pending.pop(0)
            try:
                values |= await self._part(part, attempts)
            except IllegalAddress:
                halves = part.halves()
                pending[:0] = halves
                if not halves:
                    self._miss(part)
            else:
                kept.append(part)
        self._parts[block.name] = tuple(kept)
        return values

    async def _part(self, part: Block, attempts: int, timeout_s: float = TIMEOUT_S) -> Values:
        request = Request(self._meter.unit_id, self._model.function, part.start, part.count)
        registers = await self._bus.read(
            request, timeout_s=timeout_s, attempts=attempts, unit_gap_s=self._model.unit_gap_s
        )
        return self._model.values(
            dict(zip(range(part.start, part.start + part.count), registers, strict=True)),
            part.points,
        )

    async def _survey(self) -> None:
        """Begin with whole blocks; a SunSpec meter is looked for first."""
        if self._model.sunspec:
            self._model = await self._located()
        blocks = (*self._model.fast, *self._model.slow)
        self._parts = {block.name: (block,) for block in blocks}

    async def _located(self) -> MeterModel:
        """The layout of the meter model that this device has, where it has it."""
        models = await asyncio.to_thread(known_models)
        layouts = {number: model for model in models.values() for number in model.sunspec}

        async def read(start: int, count: int) -> list[int]:
            request = Request(self._meter.unit_id, sunspec.FUNCTION, start, count)
            return await self._bus.read(request, unit_gap_s=self._model.unit_gap_s)

        number, address = await sunspec.find_model(read, layouts)
        return layouts[number].moved(address)

    def _miss(self, part: Block) -> None:
        """A point the meter doesn't have. Without a current it is no meter for us."""
        name = part.points[0].name
        if name in CURRENTS:
            self._parts = {}
            raise MeterFault(
                f"it has no register 0x{part.start:04X} ({name}): is {self._model.name} its model?"
            )
        log.warning(
            "meter %s: has no register 0x%04X (%s); it goes on without",
            self.meter_id,
            part.start,
            name,
        )

    async def _probe_if_dead(self) -> None:
        """Ask a dead meter for one point; only when that is due and answered, go on."""
        if self._failures < FAILURES_MAX:
            return
        now_s = self._clock.monotonic_s()
        if now_s < self._probe_at_s:
            raise MeterTimeout(self._silence())
        self._probe_at_s = now_s + PROBE_EVERY_S
        fast = self._model.fast[0]
        probe = fast.around(fast.points[:1])
        try:
            await self._part(probe, 1, PROBE_TIMEOUT_S)
        except MeterTimeout:
            raise MeterTimeout(self._silence()) from None
        except IllegalAddress:
            self._parts = {}  # it answers: another meter may stand in its place
        except MeterFault:
            if not self._model.sunspec:
                raise
            self._parts = {}  # it answers, but nothing is known to stand there

    def _silence(self) -> str:
        return (
            f"no answer from unit {self._meter.unit_id} on {self._meter.url}; "
            f"tried every {PROBE_EVERY_S:.0f} s"
        )

    def _failed(self) -> None:
        self._failures += 1
        if self._failures == FAILURES_MAX:
            self._probe_at_s = self._clock.monotonic_s() + PROBE_EVERY_S
            self._plausibility = Plausibility(self._model.frozen_s)
            self._parts = {}

    def _installed(self, reading: MeterReading) -> MeterReading:
        """The sample on the site's phases, through the transformers, in the site's direction."""
        meter = self._meter
        factor = -meter.ct_ratio if meter.reversed else meter.ct_ratio
        import_wh = _times(reading.energy_import_wh, meter.ct_ratio)
        export_wh = _times(reading.energy_export_wh, meter.ct_ratio)
        if meter.reversed:
            import_wh, export_wh = export_wh, import_wh
        return replace(
            reading,
            current_a=meter.phase_map.to_site(_each(reading.current_a, factor)),
            voltage_v=meter.phase_map.to_site(reading.voltage_v),
            power_phase_w=meter.phase_map.to_site(_each(reading.power_phase_w, factor)),
            power_w=_times(reading.power_w, factor),
            energy_import_wh=import_wh,
            energy_export_wh=export_wh,
        )


def connect_meters(
    meters: Iterable[Meter], clock: Clock, buses: dict[str, Bus] | None = None
) -> tuple[BusMeter, ...]:
    """The site's meters, those with the same address on one bus; nothing is connected yet. `buses`
    by their line: those that others use too.

    ConfigurationError names the meter whose model or address can't be used.
    """
    buses = {} if buses is None else buses
    return tuple(_on_its_bus(meter, buses, clock) for meter in meters)


def _on_its_bus(meter: Meter, buses: dict[str, Bus], clock: Clock) -> BusMeter:
    try:
        model = meter_model(meter.model)
        address = BusAddress.parse(meter.url, model.serial)
    except InvalidInput as error:
        raise ConfigurationError(
            f"meters[{meter.meter_id}]: {error}", remedy=error.remedy, errors=error.errors
        ) from None
    bus = buses.setdefault(address.line, Bus(address, clock))
    if (bus.address.transport, bus.address.serial) != (address.transport, address.serial):
        raise ConfigurationError(
            f"meters[{meter.meter_id}]: its transport or its model's serial settings differ from "
            f"those of another meter on {address.line}",
            remedy="Set all meters of the line alike and write the settings into each url, "
            "as in serial:///dev/ttyUSB0?baudrate=9600&parity=N&stopbits=1",
        )
    return BusMeter(meter, model, bus, clock)


def _without_total(values: Values) -> Values:
    """A total of half a minute ago says nothing about the phases of now."""
    return {name: value for name, value in values.items() if name != "power_w"}


def _each(values: PerPhase, factor: float) -> PerPhase:
    return (_times(values[0], factor), _times(values[1], factor), _times(values[2], factor))


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
