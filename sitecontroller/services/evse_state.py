"""What an EVSE last said of itself, as far as it can be true."""

import dataclasses
from dataclasses import dataclass, field

from sitecontroller.domain.station import ChargingState, ConnectorStatus, StatusReported
from sitecontroller.domain.topology import ChargingStation
from sitecontroller.ports import StationRecord

CONNECTORS_MAX = 4
"""Of one EVSE; a 2.x station numbers them from 1 without gaps."""


@dataclass(frozen=True, slots=True)
class EvseState:
    """What an EVSE last said of itself."""

    connectors: dict[int, ConnectorStatus] = field(default_factory=dict)
    charging_state: ChargingState | None = None
    finishing: bool = False
    error: str | None = None
    online: bool = False

    @property
    def connector_status(self) -> ConnectorStatus:
        """The worst of its connectors: an EVSE serves one car at a time."""
        for status in _WORST_FIRST:
            if status in self.connectors.values():
                return status
        return ConnectorStatus.UNKNOWN

    @property
    def plugged(self) -> bool:
        """Whether a car is connected, as far as the station says."""
        return self.connector_status is ConnectorStatus.OCCUPIED


_WORST_FIRST = (
    ConnectorStatus.FAULTED,
    ConnectorStatus.UNAVAILABLE,
    ConnectorStatus.OCCUPIED,
    ConnectorStatus.RESERVED,
    ConnectorStatus.AVAILABLE,
)


def evse_states(station: ChargingStation, record: StationRecord) -> dict[int, EvseState]:
    """Every EVSE of site.toml with what is stored of it, by its number."""
    states = {evse.evse_id: EvseState() for evse in station.evses}
    for name, status in (record.connector_status or {}).items():
        evse_id, connector_id = map(int, name.split("/"))
        if evse_id in states and 1 <= connector_id <= CONNECTORS_MAX:
            states[evse_id].connectors[connector_id] = ConnectorStatus(status)
    return states


def told(known: EvseState, report: StatusReported, error: str | None, *, online: bool) -> EvseState:
    """A state after one more report; the fault of one connector outlives another's good news."""
    connectors = {**known.connectors, report.connector_id: report.status}
    said = dataclasses.replace(
        known,
        connectors=connectors,
        charging_state=report.charging_state,
        finishing=report.finishing or (known.finishing and report.status is known.connector_status),
        online=online,
    )
    another_is_faulted = (
        report.status is not ConnectorStatus.FAULTED
        and said.connector_status is ConnectorStatus.FAULTED
    )
    return said if another_is_faulted else dataclasses.replace(said, error=error)
