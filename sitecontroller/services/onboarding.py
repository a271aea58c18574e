"""Admitting a new station: its place in site.toml, its password, then a restart with both; or
turning it away.

Whatever crashes in between, no station is locked out: the password's hash is stored as a candidate
before the station hears of the password, and the station may log in with it from then on. Until it
has, it may also knock again and be accepted anew.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from sitecontroller.domain.commands import AcceptStation, RejectStation
from sitecontroller.domain.errors import FieldError, InvalidInput, NotFound, OperatingError
from sitecontroller.domain.topology import Topology
from sitecontroller.ports import StationLink
from sitecontroller.services.credentials import PASSWORD_VARIABLE, new_password, password_hash
from sitecontroller.services.stations import StationService

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Admission:
    """How a station takes part now; `password` where a person must enter it by hand."""

    sentence: str
    password: str | None = None


@dataclass(frozen=True, slots=True)
class Onboarding:
    """Accepts and rejects stations of the list of new ones; `add_to_config` writes site.toml (off
    the loop), `restart` asks the keeper for a start with it."""

    topology: Topology
    stations: StationService
    pepper: bytes
    add_to_config: Callable[[str, str], None]
    restart: Callable[[], None]
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def admit(self, command: AcceptStation) -> Admission:
        """Accept a station. Raises NotFound, InvalidInput, Conflict (site.toml is read-only)."""
        circuit_id = command.circuit_id or self.topology.root().circuit_id
        if circuit_id not in self.topology.circuits:
            known = ", ".join(self.topology.circuits)
            raise InvalidInput(
                f"no circuit '{circuit_id}'",
                errors=(FieldError("circuit_id", f"one of: {known}"),),
            )
        async with self._one_at_a_time:
            return await self._admit(self._waiting(command.station_id), circuit_id)

    async def reject(self, command: RejectStation) -> None:
        """Turn a station away for the rest of the commissioning window. Raises NotFound."""
        self._waiting(command.station_id)
        await self.stations.reject(command.station_id)

    async def _admit(self, link: StationLink, circuit_id: str) -> Admission:
        station_id = link.station_id
        password = new_password()
        kept = password_hash(self.pepper, password.encode())
        await self.stations.propose(station_id, kept)
        if self.stations.find(station_id) is None:
            await asyncio.get_running_loop().run_in_executor(
                None, self.add_to_config, station_id, circuit_id
            )
        taken = await self._set_password(link, password)
        await self.stations.admit(station_id, kept)
        log.info("%s: accepted on circuit %s password_taken=%s", station_id, circuit_id, taken)
        self.restart()
        if taken:
            return Admission(
                "Accepted; the charger took its password and reconnects in a few seconds"
            )
        return Admission(
            "Accepted, but the charger did not take its password: enter it in the charger's own "
            "settings as the OCPP password (security profile 1)",
            password,
        )

    def _waiting(self, station_id: str) -> StationLink:
        link = self.stations.new_link(station_id)
        if link is None:
            raise NotFound(
                f"no new station '{station_id}' is connected",
                remedy="Wait until it shows up in the list of new chargers",
            )
        return link

    async def _set_password(self, link: StationLink, password: str) -> bool:
        try:
            answer = await link.set_variable(PASSWORD_VARIABLE[link.version], password)
        except OperatingError as error:
            log.warning("%s: password not set: %s", link.station_id, error.detail)
            return False
        return answer.accepted
