"""Which tariff a session is under: by station and group of its card, the first choice that fits.

The time decides on the version: the last that became valid by the start. What no choice fits is
under the site's own tariff, "standard".
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from sitecontroller.domain.ids import fold
from sitecontroller.domain.tariff import SITE_TARIFF_ID, Tariff


@dataclass(frozen=True, slots=True)
class TariffChoice:
    """Sessions at `station_id` (None: at any) of cards whose group is `token_group` (None: of any,
    or none) are under this tariff."""

    tariff_id: str
    station_id: str | None = None
    token_group: str | None = None

    def fits(self, station_id: str, token_group: str | None) -> bool:
        """Whether a session is meant. Ids are compared caseless."""
        at_station = self.station_id is None or fold(self.station_id) == fold(station_id)
        if self.token_group is None or not at_station:
            return at_station
        return token_group is not None and fold(self.token_group) == fold(token_group)


@dataclass(frozen=True, slots=True)
class TariffChoices:
    """Tried in order."""

    choices: tuple[TariffChoice, ...] = ()


@dataclass(frozen=True, slots=True)
class TariffVersion:
    """A version and what somebody who sets it should know, in sentences."""

    tariff: Tariff
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TariffVersions:
    """Newest first."""

    items: tuple[Tariff, ...]


def chosen(
    choices: Iterable[TariffChoice],
    station_id: str,
    token_group: str | None,
    at: datetime,
    version_at: Callable[[datetime, str], Tariff | None],
) -> Tariff | None:
    """The tariff of a session that begins then; None: it can't be sold."""
    for choice in choices:
        if choice.fits(station_id, token_group):
            tariff = in_force(version_at(at, choice.tariff_id), at)
            if tariff is not None:
                return tariff
    return in_force(version_at(at, SITE_TARIFF_ID), at)


def in_force(tariff: Tariff | None, at: datetime) -> Tariff | None:
    """None where its last day is over."""
    if tariff is None or (tariff.valid_until is not None and at >= tariff.valid_until):
        return None
    return tariff
