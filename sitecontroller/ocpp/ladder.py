"""The ways in which a limit can be told to a station, tried one after the other (Q44).

A station starts with the way its version is meant for. One that refuses a way, or takes it and does
not obey, is told in the next one; the way that was *seen* to work is remembered for its model and
firmware. Only the first ways end by themselves: with the others a limit holds until it is replaced,
and load management counts on that (load-management.md, "Leases", d).
"""

from dataclasses import dataclass
from enum import StrEnum

from sitecontroller.domain.station import OcppVersion
from sitecontroller.ocpp.profiles import Kind


class Way(StrEnum):
    """Where a limit stands in the station."""

    TX = "tx-profile"
    TX_DEFAULT = "tx-default-profile"
    STATION_MAXIMUM = "station-maximum"
    """For stations of one EVSE: the profile that holds what the box can do."""
    SETTING = "setting"
    """A setting of the maker's, named in quirks.toml."""


@dataclass(frozen=True, slots=True)
class Rung:
    """One way; `kind` says whether it begins at an instant of the station's clock."""

    way: Way
    kind: Kind = Kind.ABSOLUTE

    @property
    def leases(self) -> bool:
        """Whether a limit given so can end by itself."""
        return self.kind is Kind.ABSOLUTE and self.way in (Way.TX, Way.TX_DEFAULT)

    @property
    def name(self) -> str:
        """What is remembered of it."""
        return f"{self.way.value}/{self.kind.value}"


_TX, _DEFAULT = Rung(Way.TX), Rung(Way.TX_DEFAULT)
_RELATIVE = (Rung(Way.TX, Kind.RELATIVE), Rung(Way.TX_DEFAULT, Kind.RELATIVE))


def rungs(
    version: OcppVersion, *, evse_count: int, has_setting: bool, first_name: str = ""
) -> tuple[Rung, ...]:
    """What a station can be tried with, best first; `first_name` goes before, where it can."""
    first = (_DEFAULT, _TX) if version is OcppVersion.V16 else (_TX, _DEFAULT)
    maximum = (Rung(Way.STATION_MAXIMUM),) if evse_count == 1 else ()
    setting = (Rung(Way.SETTING),) if has_setting else ()
    all_rungs = (*first, *_RELATIVE, *maximum, *setting)
    return tuple(sorted(all_rungs, key=lambda rung: rung.name != first_name))


class Ladder:
    """Where one station stands. It goes round, so that a station mended meanwhile is found."""

    def __init__(self, rungs: tuple[Rung, ...], remembered: str | None = None) -> None:
        assert rungs
        known = [number for number, rung in enumerate(rungs) if rung.name == remembered]
        self._rungs = rungs
        self._at = known[0] if known else 0
        self.proven = bool(known)
        """Whether this rung was seen to work, now or by another station of the model."""

    @property
    def rung(self) -> Rung:
        """The one in use."""
        return self._rungs[self._at]

    def __len__(self) -> int:
        return len(self._rungs)

    def climb(self) -> Rung:
        """To the next one: this one was refused, or did not work."""
        self._at = (self._at + 1) % len(self._rungs)
        self.proven = False
        return self.rung

    def worked(self) -> bool:
        """A limit told in this way was seen to hold. True: that is news."""
        news, self.proven = not self.proven, True
        return news
