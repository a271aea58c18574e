"""The seam to whoever holds the vehicles' hierarchies: headquarters, once there is contact.

A site can't sign for vehicles and has no contracts to install. It passes such wishes on and,
without contact, says so at once: a driver waits in front of the charger.
"""

from dataclasses import dataclass
from typing import Protocol

from sitecontroller.domain.certificates import SigningRequested
from sitecontroller.domain.errors import OperatingError

NO_CONTACT = "headquarters, which signs for vehicles, can't be reached"


@dataclass(frozen=True, slots=True)
class VehicleRequest:
    """What a car asks for through its station (M01, M02): EXI, base64."""

    station_id: str
    schema_version: str
    action: str
    exi_request: str
    contracts_max: int | None = None
    preferred_contracts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VehicleAnswer:
    """What goes back to the car: EXI, base64. `remaining`: contracts still to be fetched."""

    accepted: bool
    exi_response: str
    remaining: int | None = None


class ContractAuthority(Protocol):
    """Signs for vehicles and installs contracts. Raises OperatingError without contact."""

    def check_ready(self) -> None:
        """Raises OperatingError at once when nothing can be asked."""

    async def sign(self, request: SigningRequested) -> str:
        """A station's certificate for vehicles with its chain, PEM."""

    async def vehicle(self, request: VehicleRequest) -> VehicleAnswer:
        """An answer for a car."""


class NoContractAuthority:
    """No headquarters: everything is refused at once."""

    def check_ready(self) -> None:
        """Raises OperatingError."""
        raise OperatingError(NO_CONTACT, remedy="Charge with a card or app meanwhile")

    async def sign(self, request: SigningRequested) -> str:
        """Raises OperatingError."""
        raise OperatingError(NO_CONTACT)

    async def vehicle(self, request: VehicleRequest) -> VehicleAnswer:
        """Raises OperatingError."""
        raise OperatingError(NO_CONTACT)
