"""The dialect for a version: the only place that knows them all."""

from datetime import UTC, tzinfo

from sitecontroller.domain.station import OcppVersion
from sitecontroller.domain.topology import ChargingStation
from sitecontroller.ocpp.dialect import RpcSession
from sitecontroller.ocpp.v2x.station import Station201
from sitecontroller.ocpp.v2x.station21 import Station21
from sitecontroller.ocpp.v16.station import Station16
from sitecontroller.services.inbound import StationServices

_DIALECTS: dict[OcppVersion, type[Station16] | type[Station201]] = {
    OcppVersion.V16: Station16,
    OcppVersion.V201: Station201,
    OcppVersion.V21: Station21,
}


def make_dialect(
    services: StationServices,
    session: RpcSession,
    station: ChargingStation | None,
    version: OcppVersion,
    *,
    time_zone: tzinfo = UTC,
) -> Station16 | Station201:
    """Both halves of `version` for one connection. `station` None: not in site.toml.

    `time_zone` is the site's, for models whose stamps leave the zone out and mean local time.
    """
    return _DIALECTS[version](session, station, services, time_zone=time_zone)
