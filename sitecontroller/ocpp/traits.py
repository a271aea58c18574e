"""How each station wants its connection treated, by what it last said it is.

The stored boot identity decides: a station is only known anew once it is connected and has booted,
so what a first boot tells holds from the next connection on.
"""

from collections.abc import Callable

from sitecontroller.config import OcppSettings
from sitecontroller.domain.station import StationBooted
from sitecontroller.ocpp.commands import HOUSEKEEPING_GAP_S
from sitecontroller.ocpp.intake import Handling
from sitecontroller.ocpp.link import LinkTraits
from sitecontroller.ocpp.quirks import Quirks, load_rows, quirks_of
from sitecontroller.services.stations import StationState


def traits_of(
    state: Callable[[str], StationState | None], settings: OcppSettings
) -> Callable[[str], LinkTraits]:
    """A look-up of traits by station id; `state` finds what the site knows of a station.

    A fault in a file of quirks is told here, at the start, not at the first station's.
    """
    load_rows(settings.quirks)

    def traits(station_id: str) -> LinkTraits:
        known = state(station_id)
        boot = None if known is None else known.record.boot
        return _traits(quirks_of(boot, settings.quirks), boot, settings)

    return traits


def _traits(quirks: Quirks, boot: StationBooted | None, settings: OcppSettings) -> LinkTraits:
    own_s = quirks.ping_interval_s
    interval_s = settings.ping_interval_s if own_s is None else own_s
    serial = (boot.serial_number if boot is not None else None) or ""
    return LinkTraits(
        login_names=tuple(name.format(serial=serial) for name in quirks.login_names),
        requests=Handling(quirks.requests or settings.requests),
        answers=Handling(quirks.answers or settings.answers),
        ping_interval_s=interval_s if quirks.takes_pings else None,
        answers_pings=quirks.takes_pings,
        reconnects_after_close=quirks.reconnects_after_close,
        command_gap_s=max(quirks.command_pause_s, HOUSEKEEPING_GAP_S),
    )
