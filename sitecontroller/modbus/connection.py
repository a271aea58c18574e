"""One open line to a bus, asked one thing at a time: pymodbus with a guard in front of it.

pymodbus frames, sends and decodes. The guard lets through only what `frames` judges to be the
answer, so that a stranger's frame can neither be taken for it nor end the connection with an
exception inside pymodbus (3.16 raises from `data_received` on what it can't decode). Time-outs
and retries are the bus's: pymodbus never retries and never reconnects here.
"""

import asyncio
import logging
from collections.abc import Awaitable
from typing import TypeVar

from pymodbus import FramerType, ModbusException
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient

from sitecontroller.domain.errors import MeterFault, MeterTimeout
from sitecontroller.modbus.address import BusAddress, Transport
from sitecontroller.modbus.frames import Request, judge_rtu, judge_tcp
from sitecontroller.modbus.usb import device_of

Result = TypeVar("Result")

_NEVER_S = 3600.0
"""pymodbus's own time-out, out of the way of ours."""

_GATEWAY_SILENT = (0x0A, 0x0B)
_EXCEPTIONS = {
    0x01: "it does not know this function: is it the right model?",
    0x03: "it refuses so many registers at once",
    0x04: "it reports a device failure",
    0x05: "it is busy (acknowledge)",
    0x06: "it is busy",
}

# pymodbus logs each single time-out; ours is one line when a meter fails and one when it recovers.
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)


class IllegalAddress(Exception):
    """Exception 0x02: a register of the request is not there."""


class Connection:
    """An open line. `open` makes one; after a failure it is closed and another opened."""

    def __init__(self, address: BusAddress, device: str) -> None:
        self._address = address
        self._request: Request | None = None
        self._stranger: str | None = None
        if address.transport is Transport.SERIAL:
            self._client: AsyncModbusTcpClient | AsyncModbusSerialClient = AsyncModbusSerialClient(
                device,
                baudrate=address.serial.baudrate,
                parity=address.serial.parity,
                stopbits=address.serial.stopbits,
                reconnect_delay=0,
                timeout=_NEVER_S,
                retries=0,
                trace_packet=self._packet,
                trace_connect=self._connected,
            )
        else:
            tcp = address.transport is Transport.TCP
            self._client = AsyncModbusTcpClient(
                address.host,
                port=address.port,
                framer=FramerType.SOCKET if tcp else FramerType.RTU,
                reconnect_delay=0,
                timeout=_NEVER_S,
                retries=0,
                trace_packet=self._packet,
                trace_connect=self._connected,
            )

    @classmethod
    async def open(cls, address: BusAddress, timeout_s: float) -> "Connection":
        """Connect; MeterTimeout when that fails."""
        device = address.device
        if address.usb:
            device = await asyncio.to_thread(device_of, address.usb)
        connection = cls(address, device)
        reason = ""
        try:
            async with asyncio.timeout(timeout_s):
                connected = await _heeding_cancellation(connection._client.connect())
                await asyncio.sleep(0)  # pymodbus sets a serial port up to its end in this turn
        except TimeoutError:
            connected = False
        except Exception as error:  # termios.error and the like: settings the driver refuses
            connected, reason = False, f": {error}"
        except BaseException:
            connection.close()
            raise
        if not connected:
            connection.close()
            raise MeterTimeout(f"no connection to {address.url}{reason}")
        return connection

    @property
    def is_open(self) -> bool:
        """Whether the other end is still there, as far as this side knows."""
        return self._client.connected

    async def ask(self, request: Request, timeout_s: float) -> list[int]:
        """The registers, or bits as 0 and 1. Raises MeterTimeout, MeterFault or IllegalAddress."""
        assert self._request is None, "one request at a time: the bus holds a lock"
        self._request, self._stranger = request, None
        read = {
            1: self._client.read_coils,
            2: self._client.read_discrete_inputs,
            3: self._client.read_holding_registers,
            4: self._client.read_input_registers,
        }[request.function]
        try:
            async with asyncio.timeout(timeout_s):
                answer = await _heeding_cancellation(
                    read(request.start, count=request.count, device_id=request.unit_id)
                )
        except TimeoutError:
            if self._stranger is not None:
                raise MeterFault(self._stranger) from None
            raise MeterTimeout(
                f"no answer from unit {request.unit_id} on {self._address.url}"
            ) from None
        except ModbusException as error:
            raise MeterTimeout(f"{self._address.url}: {error}") from None
        finally:
            self._request = None
        if answer.isError():
            raise _refusal(answer.exception_code, request)
        if request.of_bits:
            return [int(bit) for bit in answer.bits[: request.count]]
        return list(answer.registers)

    def close(self) -> None:
        """End it; what is under way fails."""
        self._client.close()

    def _packet(self, sending: bool, data: bytes) -> bytes:
        if sending:
            return data
        if self._request is None:
            return b""  # nobody asked: late, or noise; dropped before the next request
        if self._address.transport is Transport.TCP:
            transaction_id = self._client.ctx.request_transaction_id
            verdict = judge_tcp(data, self._request, transaction_id)
        else:
            verdict = judge_rtu(data, self._request)
        self._stranger = verdict.stranger or self._stranger
        if verdict.fault is not None:
            self._fail(MeterFault(verdict.fault))
        return verdict.frame

    def _connected(self, connected: bool) -> None:
        if not connected and self._request is not None:
            self._fail(MeterTimeout(f"{self._address.url} closed the connection"))

    def _fail(self, error: MeterFault | MeterTimeout) -> None:
        future = self._client.ctx.response_future
        if not future.done():
            future.set_exception(error)


async def _heeding_cancellation(work: Awaitable[Result]) -> Result:
    """pymodbus waits by `asyncio.wait_for`, which in Python 3.11 loses a cancellation that comes
    in the same moment as what it waits for; whoever cancelled would wait for ever."""
    task = asyncio.current_task()
    assert task is not None
    asked_before = task.cancelling()
    try:
        return await work
    finally:
        if task.cancelling() > asked_before:
            raise asyncio.CancelledError


def _refusal(code: int, request: Request) -> Exception:
    if code == 0x02:
        return IllegalAddress(request)
    if code in _GATEWAY_SILENT:
        return MeterTimeout(f"the gateway gets no answer from unit {request.unit_id}")
    reason = _EXCEPTIONS.get(code, "see its manual")
    return MeterFault(f"unit {request.unit_id} answers with exception 0x{code:02X}: {reason}")
