"""One value of a Modbus device that is no meter, read between the meters on its line."""

from collections.abc import MutableMapping

from sitecontroller.config import ModbusSignal
from sitecontroller.domain.errors import ConfigurationError, InvalidInput, MeterFault
from sitecontroller.modbus.address import BusAddress
from sitecontroller.modbus.bus import Bus
from sitecontroller.modbus.connection import IllegalAddress
from sitecontroller.modbus.frames import Request
from sitecontroller.modbus.model import SerialSettings
from sitecontroller.modbus.registers import Point, decoded
from sitecontroller.ports import Clock


class BusValue:
    """A number in registers, or a bit as 0 and 1, behind `ports.RegisterValue`."""

    def __init__(self, signal: ModbusSignal, bus: Bus) -> None:
        self._signal, self._bus = signal, bus
        self._point = Point("value", signal.address, signal.type, signal.scale, signal.unlimited)
        count = 1 if signal.function in (1, 2) else self._point.words
        self._request = Request(signal.unit_id, signal.function, signal.address, count)

    @classmethod
    def on(
        cls, buses: MutableMapping[str, Bus], clock: Clock, source_id: str, signal: ModbusSignal
    ) -> "BusValue":
        """On the bus of its line; nothing is connected yet. ConfigurationError."""
        try:
            address = BusAddress.parse(signal.url, SerialSettings())
        except InvalidInput as error:
            raise ConfigurationError(
                f"limit_sources[{source_id}]: {error}", remedy=error.remedy, errors=error.errors
            ) from None
        bus = buses.setdefault(address.line, Bus(address, clock))
        differs = "?" in signal.url and bus.address.serial != address.serial
        if bus.address.transport is not address.transport or differs:
            raise ConfigurationError(
                f"limit_sources[{source_id}]: its transport or serial settings differ from those "
                f"of others on {address.line}",
                remedy="Give all that hangs on one line the same url",
            )
        return cls(signal, bus)

    async def read(self) -> float | None:
        """The value now; None: the device's "no limit". Raises MeterTimeout, MeterFault."""
        try:
            words = await self._bus.read(self._request, attempts=1)
        except IllegalAddress:
            raise MeterFault(f"unit {self._signal.unit_id} has no such register") from None
        if self._request.of_bits:
            return float(words[0] & 1)
        found = dict(enumerate(words, start=self._signal.address))
        value = decoded(self._point, found, self._signal.word_order)
        if value is None and not self._says_unlimited(words):
            raise MeterFault("the register holds no number")
        return value

    def close(self) -> None:
        """Close its bus; whoever reads there next opens it again."""
        self._bus.close()

    def _says_unlimited(self, words: list[int]) -> bool:
        ordered = words if self._signal.word_order == "big" else [*reversed(words)]
        raw = 0
        for word in ordered:
            raw = raw << 16 | word
        return raw == self._signal.unlimited
