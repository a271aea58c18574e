"""Where a bus is: `tcp://host:port`, `rtutcp://host:port` or `serial:///dev/ttyUSB0`.

A serial address may carry settings that differ from the maker's:
`serial:///dev/ttyUSB0?baudrate=19200&parity=E&stopbits=1`. `serial:///usb:A10K3X` is the USB
adapter with that serial number, whatever name it comes back under.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from sitecontroller.domain.errors import FieldError, InvalidInput
from sitecontroller.modbus.model import SerialSettings

T = TypeVar("T")

USB = "usb:"
_SETTINGS = {
    "baudrate": ("1200", "2400", "4800", "9600", "19200", "38400", "57600", "115200"),
    "parity": ("N", "E", "O"),
    "stopbits": ("1", "2"),
}


class Transport(StrEnum):
    """How requests travel."""

    TCP = "tcp"
    RTU_TCP = "rtutcp"
    SERIAL = "serial"


@dataclass(frozen=True, slots=True)
class BusAddress:
    """A checked address: host and port, or a serial device with its settings.

    Instead of `device` a USB adapter has `usb`, its serial number.
    """

    url: str
    transport: Transport
    host: str = ""
    port: int = 0
    device: str = ""
    usb: str = ""
    serial: SerialSettings = field(default_factory=SerialSettings)

    @classmethod
    def parse(cls, url: str, defaults: SerialSettings) -> "BusAddress":
        """Read an address; `defaults` hold for what it doesn't say. InvalidInput says what not."""
        try:
            parts = urlsplit(url)
            transport = Transport(parts.scheme)
            if transport is Transport.SERIAL:
                device = unquote(parts.path or parts.netloc)
                settings = _settings(url, dict(parse_qsl(parts.query)), defaults)
                if device.removeprefix("/").startswith(USB):
                    usb = _named(url, device.split(USB, 1)[1])
                    return cls(url, transport, usb=usb, serial=settings)
                return cls(url, transport, device=_named(url, device), serial=settings)
            return cls(url, transport, _named(url, parts.hostname), _named(url, parts.port))
        except ValueError:
            raise _wrong(url, "is no bus address") from None

    @property
    def line(self) -> str:
        """What it leads to: addresses with the same line share one bus."""
        return self.device or (USB + self.usb if self.usb else f"{self.host}:{self.port}")

    @property
    def silence_s(self) -> float:
        """The pause that ends an RTU frame: 3.5 characters, 1.75 ms above 19200 baud."""
        if self.transport is not Transport.SERIAL:
            return 0.0
        return self.wire_s(3.5) if self.serial.baudrate <= 19200 else 0.00175

    def wire_s(self, characters: float) -> float:
        """How long so many characters are on a serial line (11 bits each); 0 on a network."""
        serial = self.transport is Transport.SERIAL
        return characters * 11 / self.serial.baudrate if serial else 0.0


def _named(url: str, part: T | None) -> T:
    if not part:
        raise _wrong(url, "is no bus address")
    return part


def _settings(url: str, query: dict[str, str], defaults: SerialSettings) -> SerialSettings:
    for key, value in query.items():
        if value not in _SETTINGS.get(key, ()):
            allowed = ", ".join(f"{name}={'|'.join(each)}" for name, each in _SETTINGS.items())
            raise _wrong(url, f"says {key}={value}; allowed: {allowed}")
    return SerialSettings(
        baudrate=int(query.get("baudrate", defaults.baudrate)),
        parity=query.get("parity", defaults.parity),
        stopbits=int(query.get("stopbits", defaults.stopbits)),
    )


def _wrong(url: str, message: str) -> InvalidInput:
    return InvalidInput(
        f"'{url}' {message}",
        remedy="Write tcp://192.168.1.20:502, rtutcp://192.168.1.20:502 or serial:///dev/ttyUSB0",
        errors=(FieldError("url", message),),
    )
