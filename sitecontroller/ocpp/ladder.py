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
    FLAT = "one-profile-of-two-periods"
    """In the fallback's own place: first the limit, then the fallback. Used where a lease test
    found it to work, and nothing better."""
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
        return self.kind is Kind.ABSOLUTE and self.way in (Way.TX, Way.TX_DEFAULT, Way.FLAT)

    @property
    def name(self) -> str:
        """What is remembered of it."""
        return f"{self.way.value}/{self.kind.value}"


NO_LEASE = "none"
"""What is remembered of a model whose limits never end."""

_TX, _DEFAULT, _FLAT = Rung(Way.TX), Rung(Way.TX_DEFAULT), Rung(Way.FLAT)
_RELATIVE = (Rung(Way.TX, Kind.RELATIVE), Rung(Way.TX_DEFAULT, Kind.RELATIVE))


def lease_rungs(version: OcppVersion, *, is_flat: bool) -> tuple[Rung, ...]:
    """What a lease test tries, best first (load-management.md, "Leases"). `is_flat`: the station
    knows one stack level, so that a TxDefaultProfile stands in the fallback's place anyhow."""
    if version is OcppVersion.V16:
        return (_FLAT, _TX) if is_flat else (_DEFAULT, _FLAT, _TX)
    return (_TX, _DEFAULT, _FLAT)


def rungs(
    version: OcppVersion,
    *,
    evse_count: int,
    has_setting: bool,
    first_name: str = "",
    tested: str | None = None,
) -> tuple[Rung, ...]:
    """What a station can be tried with, best first; `first_name` goes before, where it can.

    `tested`: what a lease test found, by name.
    """
    first = (_DEFAULT, _TX) if version is OcppVersion.V16 else (_TX, _DEFAULT)
    maximum = (Rung(Way.STATION_MAXIMUM),) if evse_count == 1 else ()
    setting = (Rung(Way.SETTING),) if has_setting else ()
    flat = (_FLAT,) if tested == _FLAT.name else ()
    all_rungs = (*first, *flat, *_RELATIVE, *maximum, *setting)
    return tuple(sorted(all_rungs, key=lambda rung: rung.name != first_name))


class Ladder:
    """Where one station stands. It goes round, so that a station mended meanwhile is found."""

    def __init__(
        self, rungs: tuple[Rung, ...], remembered: str | None = None, tested: str | None = None
    ) -> None:
        assert rungs
        found = (tested, remembered)
        known = [n for name in found for n, rung in enumerate(rungs) if rung.name == name]
        self._rungs = rungs
        self._at = known[0] if known else 0
        self.proven = bool(known)
        """Whether this rung was seen to work, now or by another station of the model."""
        self._tested = tested

    @property
    def rung(self) -> Rung:
        """The one in use."""
        return self._rungs[self._at]

    @property
    def leases(self) -> bool:
        """Whether a limit told now ends by itself: of a model that was tested, only in the way that
        passed."""
        return self.rung.leases and self._tested in (None, self.rung.name)

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
