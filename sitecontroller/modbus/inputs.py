"""Reads the site's digital inputs and tells the rest of the controller.

A Modbus input shares its line with the meters there and is asked briefly, once, between them. A
handshake line of a serial port is a dry contact between an output that is held on (RTS, DTR) and
an input (CTS, DSR, DCD, RI): closed reads as on. One task an input; what a sample must be confirmed
by comes soon after it.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, MutableMapping
from typing import Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from serial import Serial, SerialException

from sitecontroller.domain.digital_input import DigitalInput
from sitecontroller.domain.errors import ConfigurationError, InvalidInput, MeterFault, MeterTimeout
from sitecontroller.modbus.address import USB, BusAddress
from sitecontroller.modbus.bus import Bus
from sitecontroller.modbus.connection import IllegalAddress
from sitecontroller.modbus.frames import Request
from sitecontroller.modbus.model import SerialSettings
from sitecontroller.modbus.usb import device_of
from sitecontroller.ports import Clock

FUNCTIONS = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
CONFIRM_S = 0.1
"""A sample that differs from what is believed is taken again after this."""

log = logging.getLogger(__name__)


class Listener(Protocol):
    """Who hears of samples and failures: the service of inputs."""

    def sampled(self, input_id: str, *, closed: bool) -> bool: ...
    def failed(self, input_id: str, reason: str) -> None: ...


class HandshakePort(Protocol):
    """The lines of a serial port."""

    rts: bool
    dtr: bool

    @property
    def cts(self) -> bool: ...
    @property
    def dsr(self) -> bool: ...
    @property
    def cd(self) -> bool: ...
    @property
    def ri(self) -> bool: ...
    def close(self) -> None: ...


class Contact(Protocol):
    """One contact; True is closed."""

    async def read(self) -> bool:
        """A fresh sample. Raises MeterTimeout or MeterFault."""

    def close(self) -> None:
        """Let go of its line; a later read takes it again."""


class BusContact:
    """A bit of a Modbus module."""

    def __init__(self, contact: DigitalInput, bus: Bus) -> None:
        function = FUNCTIONS[contact.register]
        self._request = Request(contact.unit_id, function, contact.address, 1)
        self._bit, self._bus = contact.bit, bus

    async def read(self) -> bool:
        """The bit now, asked for once."""
        try:
            (word,) = await self._bus.read(self._request, attempts=1)
        except IllegalAddress:
            raise MeterFault(f"unit {self._request.unit_id} has no such register") from None
        return bool(word >> self._bit & 1)

    def close(self) -> None:
        """Close its bus."""
        self._bus.close()


class HandshakePorts:
    """Open serial ports by device, shared by the inputs on them."""

    def __init__(self, open_port: Callable[[str], HandshakePort]) -> None:
        self._open_port = open_port
        self._open: dict[str, HandshakePort] = {}
        self._opening = asyncio.Lock()

    async def port(self, device: str) -> HandshakePort:
        """The port with its outputs on. Raises MeterTimeout."""
        async with self._opening:
            if device not in self._open:
                try:
                    self._open[device] = await asyncio.to_thread(self._opened, device)
                except (OSError, SerialException) as error:
                    raise MeterTimeout(f"{device} can't be opened: {error}") from None
            return self._open[device]

    def close(self, device: str) -> None:
        """Close it, if it is open."""
        port = self._open.pop(device, None)
        if port is not None:
            port.close()

    def _opened(self, device: str) -> HandshakePort:
        name = device.removeprefix("/")
        port = self._open_port(
            device_of(name.removeprefix(USB)) if name.startswith(USB) else device
        )
        port.rts = port.dtr = True
        return port


class LineContact:
    """A handshake line of a serial port."""

    def __init__(self, url: str, ports: HandshakePorts) -> None:
        parts = urlsplit(url)
        self._device = unquote(parts.path or parts.netloc)
        self._line = {"DCD": "cd"}.get(name := parse_qs(parts.query)["line"][0], name.lower())
        self._ports = ports

    async def read(self) -> bool:
        """Whether the line is on now; a system call that doesn't wait."""
        port = await self._ports.port(self._device)
        try:
            return bool(getattr(port, self._line))
        except (OSError, SerialException) as error:
            self._ports.close(self._device)
            raise MeterTimeout(f"{self._device}: {error}") from None

    def close(self) -> None:
        """Close its port."""
        self._ports.close(self._device)


class InputPoller:
    """Runs until cancelled. `buses` by their line: those that meters use too.

    ConfigurationError when an input's address can't be used.
    """

    def __init__(
        self,
        inputs: Iterable[DigitalInput],
        clock: Clock,
        listener: Listener,
        buses: MutableMapping[str, Bus],
        open_port: Callable[[str], HandshakePort] = Serial,
    ) -> None:
        self._clock, self._listener, self._buses = clock, listener, buses
        self._ports = HandshakePorts(open_port)
        self._contacts = [(each, self._contact(each)) for each in inputs]

    async def run(self) -> None:
        """Read all for ever; only a fault of our own ends it."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for contact, line in self._contacts:
                    tasks.create_task(self._poll(contact, line), name=f"input {contact.input_id}")
                await asyncio.Event().wait()  # a site without inputs has nothing to read
        finally:
            for _, line in self._contacts:
                line.close()

    async def _poll(self, contact: DigitalInput, line: Contact) -> None:
        while True:
            settled = True
            try:
                closed = await line.read()
            except (MeterTimeout, MeterFault) as error:
                self._listener.failed(contact.input_id, str(error))
            else:
                settled = self._listener.sampled(contact.input_id, closed=closed)
            await asyncio.sleep(contact.poll_s if settled else min(contact.poll_s, CONFIRM_S))

    def _contact(self, contact: DigitalInput) -> Contact:
        if contact.is_line:
            return LineContact(contact.url, self._ports)
        try:
            address = BusAddress.parse(contact.url, SerialSettings())
        except InvalidInput as error:
            raise ConfigurationError(
                f"inputs[{contact.input_id}]: {error}", remedy=error.remedy, errors=error.errors
            ) from None
        bus = self._buses.get(address.line) or Bus(address, self._clock)
        self._buses[address.line] = bus
        differs = "?" in contact.url and bus.address.serial != address.serial
        if bus.address.transport is not address.transport or differs:
            raise ConfigurationError(
                f"inputs[{contact.input_id}]: its transport or serial settings differ from those "
                f"of others on {address.line}",
                remedy="Give all that hangs on one line the same url",
            )
        return BusContact(contact, bus)
