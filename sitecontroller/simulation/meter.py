"""A Modbus TCP meter of the virtual site: the register map of a real family, live values.

The map is the product's own meter file, served the other way round; a read beyond what the family
allows in one request, or outside its blocks, is refused as the device would.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from sitecontroller.domain.metering import MeterReading
from sitecontroller.modbus.model import MeterModel, meter_model

INPUT_REGISTERS = 4


class VirtualMeter:
    """One meter at one address. `frozen` keeps the registers as they are, as a hung meter does."""

    def __init__(self, model: str, read: Callable[[], MeterReading], *, unit_id: int = 1) -> None:
        self.frozen = False
        self._model: MeterModel = meter_model(model)
        self._read, self._unit_id = read, unit_id
        self._server: ModbusTcpServer | None = None

    async def start(self, port: int, host: str = "127.0.0.1") -> int:
        """Serve; the port, also where 0 asked for any. OSError when it is taken."""
        assert self._server is None
        device = SimDevice(self._unit_id, self._blocks(), action=self._refresh)
        server = ModbusTcpServer(device, address=(host, port))
        try:
            await server.serve_forever(background=True)
        except RuntimeError as error:
            raise OSError(f"the virtual meter can't listen on {host}:{port}") from error
        self._server = server
        listening: Any = server.transport
        bound: int = listening.sockets[0].getsockname()[1]
        return bound

    async def stop(self) -> None:
        """Fall silent; may be started again."""
        server, self._server = self._server, None
        if server is not None:
            server.serving.cancel()
            server.close()
            await asyncio.sleep(0)  # its connections close on the next turn

    def _blocks(self) -> tuple[list[SimData], list[SimData], list[SimData], list[SimData]]:
        """The family's blocks as input or holding registers; of the other kinds it has none."""
        registers = [
            SimData(block.start, values=[0] * block.count, datatype=DataType.REGISTERS)
            for block in (*self._model.fast, *self._model.slow)
        ]
        nothing = [SimData(0xFFFF, values=[0], datatype=DataType.REGISTERS)]
        no_bits = [SimData(0xFFFF, values=[False], datatype=DataType.BITS)]
        if self._model.function == INPUT_REGISTERS:
            return (no_bits, no_bits, nothing, registers)
        return (no_bits, no_bits, registers, nothing)

    async def _refresh(
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        registers: list[int],
        written: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Put the present values into the registers that are about to be read."""
        if written is not None:
            return ExcCodes.ILLEGAL_FUNCTION
        if self.frozen:
            return None
        for place, word in self._model.encode(self._read()).items():
            if 0 <= place - start < len(registers):
                registers[place - start] = word
        return None
