"""What people took out of service: kept until they put it back, whatever the station forgets."""

from dataclasses import dataclass
from datetime import datetime

from sitecontroller.domain.queries import Query


@dataclass(frozen=True, slots=True)
class Place:
    """A station, an EVSE of it, or a connector of that; None: all of them."""

    station_id: str
    evse_id: int | None = None
    connector_id: int | None = None

    def __str__(self) -> str:
        parts = (self.station_id, self.evse_id, self.connector_id)
        return "/".join(str(part) for part in parts if part is not None)


@dataclass(frozen=True, slots=True)
class AvailabilityWish:
    """Whether a place shall serve cars. `operative` wishes end when the station took them."""

    place: Place
    operative: bool
    at: datetime
    note: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True)
class OutOfServiceQuery(Query):
    """What is out of service, newest first; of one station or of all."""

    station_id: str | None = None
    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class OutOfServiceView:
    """One place that people took out of service, or put back and the station doesn't know yet.

    `in_effect`: whether the station says so too; None while it says nothing.
    """

    station_id: str
    evse_id: int | None
    connector_id: int | None
    operative: bool
    note: str
    by: str
    at: datetime
    in_effect: bool | None
