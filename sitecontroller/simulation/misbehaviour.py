"""What the stations of a virtual site are told to do wrong, by the names in `quirks`.

An order is `NAME[,NAME…]`, for every station that can, or `STATION=NAME[,NAME…]`. The same names
may stand in virtual-site.json, as the `behaviour` of a box.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any

from sitecontroller.domain.errors import ConfigurationError
from sitecontroller.simulation.description import Box, SiteDescription
from sitecontroller.simulation.quirks import ALL, QUIRKS, Hook, Quirk


def named(names: Iterable[str]) -> list[Quirk]:
    """The quirks of these names; ConfigurationError names close ones for an unknown name."""
    found = []
    for name in names:
        if name not in QUIRKS:
            raise ConfigurationError(
                f"no station misbehaves by the name of '{name}'",
                remedy=f"{_close(name, QUIRKS)}"
                "All names: sitecontroller simulate --list-misbehaviours",
            )
        found.append(QUIRKS[name])
    return found


def misbehaving(description: SiteDescription, orders: Sequence[str]) -> SiteDescription:
    """The site with these orders given. ConfigurationError for what can't be: no such name, no
    such station, none of a version that can do this."""
    boxes = {box.station_id: box for box in description.boxes}
    for order in orders:
        station_id, _, names = order.rpartition("=")
        if station_id and station_id not in boxes:
            raise ConfigurationError(
                f"this site has no charger '{station_id}'",
                remedy=f"{_close(station_id, boxes)}All chargers: {', '.join(boxes)}",
            )
        for quirk in named(names.split(",")):
            fit = [box for box in boxes.values() if box.version in quirk.versions]
            told = [box for box in fit if station_id in ("", box.station_id)]
            if not told:
                raise ConfigurationError(
                    f"'{quirk.name}' is for chargers of {versions(quirk)} only",
                    remedy=f"Tell one of these: {', '.join(b.station_id for b in fit) or 'none'}",
                )
            boxes |= {box.station_id: _told(box, quirk) for box in told}
    return replace(description, boxes=tuple(boxes.values()))


def listed() -> list[str]:
    """Every name with its sentence, a line each."""
    width = max(map(len, QUIRKS))
    return [
        f"{quirk.name:{width}}  {quirk.sentence}"
        f" ({'' if quirk.versions == ALL else f'{versions(quirk)}; '}{', '.join(quirk.criteria)})"
        for quirk in QUIRKS.values()
    ]


def versions(quirk: Quirk) -> str:
    """As "OCPP 2.0.1 and 2.1"."""
    return f"OCPP {' and '.join(sorted(quirk.versions))}"


def _told(box: Box, quirk: Quirk) -> Box:
    return replace(box, behaviour=box.behaviour | {quirk.name})


def _close(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f"Did you mean {' or '.join(close)}? " if close else ""


@dataclass(slots=True)
class Mischief:
    """What one station was told to do wrong; nothing for most."""

    behaviour: frozenset[str]
    station: Any
    _hooks: dict[str, tuple[Hook, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for quirk in named(sorted(self.behaviour)):
            for joint, hook in quirk.hooks.items():
                self._hooks[joint] = (*self._hooks.get(joint, ()), hook)

    def bend(self, joint: str, value: Any, *context: Any) -> Any:
        """The value after everything that hangs on this joint."""
        for hook in self._hooks.get(joint, ()):
            value = hook(self.station, value, *context)
        return value
