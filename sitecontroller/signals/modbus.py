"""A limit in a Modbus device: a value in its registers, or a switch."""

import asyncio

from sitecontroller.config import ModbusSignal
from sitecontroller.domain.errors import MeterFault, MeterTimeout
from sitecontroller.domain.limit_signal import SaidLimit, SenselessSignal
from sitecontroller.ports import RegisterValue, SignalListener
from sitecontroller.signals.reading import limit_of


class ModbusSource:
    """Polls for ever; each answer is a heartbeat too."""

    def __init__(
        self, source_id: str, signal: ModbusSignal, value: RegisterValue, listener: SignalListener
    ) -> None:
        self._source_id, self._signal = source_id, signal
        self._value, self._listener = value, listener

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                try:
                    said = await self._said()
                except (SenselessSignal, MeterTimeout, MeterFault) as fault:
                    self._listener.failed(self._source_id, str(fault))
                else:
                    self._listener.told(self._source_id, said)
                await asyncio.sleep(self._signal.poll_s)
        finally:
            self._value.close()

    async def _said(self) -> tuple[SaidLimit, ...]:
        value = await self._value.read()
        if self._signal.reading.dimmed is None:
            return limit_of(value, self._signal.reading)
        if value not in (0, 1):
            raise SenselessSignal(f"{str(value).removesuffix('.0')} is neither 0 nor 1")
        return limit_of(value == 1, self._signal.reading)
