"""Admitting a new station: its password, its place in site.toml, then a restart with both.

The station gets a password of its own before it is let in for good; from then on it must show it.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from sitecontroller.domain.commands import AcceptStation
from sitecontroller.domain.errors import FieldError, InvalidInput, NotFound, OperatingError
from sitecontroller.domain.station import OcppVersion
from sitecontroller.domain.topology import Topology
from sitecontroller.ports import StationLink, StationRecord, Store, UnitOfWork
from sitecontroller.services.credentials import new_password, password_hash
from sitecontroller.services.stations import StationService

log = logging.getLogger(__name__)

PASSWORD_VARIABLE = {
    OcppVersion.V16: "AuthorizationKey",
    OcppVersion.V201: "SecurityCtrlr.BasicAuthPassword",
}


@dataclass(frozen=True, slots=True)
class Onboarding:
    """Accepts stations from the list of new ones; `add_to_config` writes site.toml, `restart` asks
    the keeper for a start with it."""

    topology: Topology
    store: Store
    stations: StationService
    pepper: bytes
    add_to_config: Callable[[str, str], None]
    restart: Callable[[], None]

    async def admit(self, command: AcceptStation) -> str:
        """Accept a station; the sentence says how it takes part now. Raises NotFound."""
        link = self.stations.new_link(command.station_id)
        if link is None:
            raise NotFound(
                f"no new station '{command.station_id}' is connected",
                remedy="Wait until it shows up in the list of new chargers, then accept it",
            )
        circuit_id = command.circuit_id or self.topology.root().circuit_id
        if circuit_id not in self.topology.circuits:
            known = ", ".join(self.topology.circuits)
            raise InvalidInput(
                f"no circuit '{circuit_id}'",
                errors=(FieldError("circuit_id", f"one of: {known}"),),
            )
        password = new_password()
        taken = await self._set_password(link, password)
        await self.store.commit(
            _admit, link.station_id, password_hash(self.pepper, password.encode())
        )
        if link.station_id not in self.topology.stations:
            self.add_to_config(link.station_id, circuit_id)
        log.info("%s: accepted on circuit %s", link.station_id, circuit_id)
        self.restart()
        if taken:
            return "Accepted; the charger took its password and reconnects in a few seconds"
        return (
            "Accepted, but the charger did not take a password: enter this one in its own "
            f"settings as the OCPP password (security profile 1): {password}"
        )

    async def _set_password(self, link: StationLink, password: str) -> bool:
        try:
            answer = await link.set_variable(PASSWORD_VARIABLE[link.version], password)
        except OperatingError as error:
            log.warning("%s: password not set: %s", link.station_id, error.detail)
            return False
        return answer.accepted


def _admit(tx: UnitOfWork, station_id: str, kept: str) -> None:
    known = tx.station(station_id)
    boot = known.boot if known is not None else None
    tx.put_station(StationRecord(station_id, boot=boot, password_hash=kept))
