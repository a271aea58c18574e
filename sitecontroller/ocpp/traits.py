"""How each station wants its connection treated, by what it last said it is.

The stored boot identity decides: a station is only known anew once it is connected and has booted,
so what a first boot tells holds from the next connection on.
"""

from collections.abc import Callable

from sitecontroller.config import OcppSettings
from sitecontroller.ocpp.commands import HOUSEKEEPING_GAP_S
from sitecontroller.ocpp.link import LinkTraits
from sitecontroller.ocpp.quirks import Quirks, quirks_of
from sitecontroller.services.stations import StationState


def traits_of(
    state: Callable[[str], StationState | None], settings: OcppSettings
) -> Callable[[str], LinkTraits]:
    """A look-up of traits by station id; `state` finds what the site knows of a station."""

    def traits(station_id: str) -> LinkTraits:
        known = state(station_id)
        return _traits(quirks_of(None if known is None else known.record.boot), settings)

    return traits


def _traits(quirks: Quirks, settings: OcppSettings) -> LinkTraits:
    own_s = quirks.ping_interval_s
    interval_s = settings.ping_interval_s if own_s is None else own_s
    return LinkTraits(
        ping_interval_s=interval_s if quirks.takes_pings else None,
        answers_pings=quirks.takes_pings,
        reconnects_after_close=quirks.reconnects_after_close,
        command_gap_s=max(quirks.command_pause_s, HOUSEKEEPING_GAP_S),
    )
