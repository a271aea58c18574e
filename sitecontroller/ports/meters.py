"""The seams to the site's meters and to what limits it from outside."""

from typing import Protocol

from sitecontroller.domain.limit_signal import Said
from sitecontroller.domain.metering import MeterReading


class RegisterValue(Protocol):
    """A value in a Modbus device."""

    async def read(self) -> float | None:
        """A fresh one; None: the device says "none". Raises MeterTimeout, MeterFault."""

    def close(self) -> None:
        """Close its line; a later read opens it again."""


class SignalListener(Protocol):
    """Who hears what sources of limits say: the service that watches them."""

    def told(self, source_id: str, said: Said, *, heartbeat: bool = True) -> None:
        """All that limits now and later; nothing: unlimited. `heartbeat`: this is one too."""

    def recalled(self, source_id: str, said: Said) -> None:
        """What it said once, nobody knows when."""

    def alive(self, source_id: str) -> None:
        """A heartbeat that says nothing else."""

    def failed(self, source_id: str, why: str) -> None:
        """Not reached, or not understood."""

    def lost(self, source_id: str, why: str) -> None:
        """Known to be gone."""


class SiteMeter(Protocol):
    """One meter that can be read; readings come on site phases, canonical units."""

    @property
    def meter_id(self) -> str: ...
    async def read(self) -> MeterReading:
        """A fresh sample. Raises MeterTimeout or MeterFault."""
