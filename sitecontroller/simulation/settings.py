"""A station's configuration keys (1.6) or variables (2.x): values, what may be written, and what
fits. Keys compare caseless, as CiString says; what is kept survives a reset."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

WHOLE_NUMBER = r"\d{1,7}"
FLAG = r"(?i:true|false)"
TEXT = r".{0,500}"


class SetOutcome(StrEnum):
    """What became of an attempt to write."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    UNKNOWN = "Unknown"
    READ_ONLY = "ReadOnly"
    AFTER_REBOOT = "RebootRequired"


@dataclass(slots=True)
class Setting:
    """One key. `readable` False is a secret: written, never told.

    `live` is asked for the value of what the station measures or knows; such a setting is not
    written. `monitored` ones can be watched by thresholds (2.x).
    """

    name: str
    value: str
    pattern: str = TEXT
    writable: bool = True
    readable: bool = True
    unit: str | None = None
    lowest: float | None = None
    highest: float | None = None
    words: tuple[str, ...] = ()
    """The only ones allowed, one of them or a list of them as the pattern says."""
    data_type: str | None = None
    """As a device model names it; None: what the pattern says."""
    reboots: bool = False
    live: Callable[[], str] | None = None
    monitored: bool = False

    @property
    def now(self) -> str:
        """The value at this moment."""
        return self.value if self.live is None else self.live()

    def fits(self, value: str) -> bool:
        """Whether it may have this value."""
        if re.fullmatch(self.pattern, value) is None:
            return False
        if self.words and any(word not in self.words for word in _words(value)):
            return False
        if self.lowest is None and self.highest is None:
            return True
        try:
            number = float(value)
        except ValueError:
            return False
        return (self.lowest is None or number >= self.lowest) and (
            self.highest is None or number <= self.highest
        )


class Settings:
    """All settings of one station."""

    def __init__(self, *settings: Setting) -> None:
        self._by_name = {setting.name.casefold(): setting for setting in settings}

    def __iter__(self) -> Iterator[Setting]:
        return iter(tuple(self._by_name.values()))

    def get(self, name: str) -> Setting | None:
        """The setting, whatever the case of its name."""
        return self._by_name.get(name.casefold())

    def text(self, name: str, default: str = "") -> str:
        """The value of a key; `default` where this station has no such key."""
        setting = self.get(name)
        return default if setting is None else setting.now

    def number(self, name: str, default: int = 0) -> int:
        """The value as a whole number."""
        return int(self.text(name) or default)

    def flag(self, name: str) -> bool:
        """The value as a truth; False where there is no such key."""
        return self.text(name).casefold() == "true"

    def names(self, name: str) -> tuple[str, ...]:
        """A comma-separated list."""
        return _words(self.text(name))

    def put(self, name: str, value: str) -> None:
        """What the station itself changes, whoever may write it."""
        self._by_name[name.casefold()].value = value

    def set(self, name: str, value: str) -> SetOutcome:
        """Write it if it may be written and fits."""
        setting = self.get(name)
        if setting is None:
            return SetOutcome.UNKNOWN
        if not setting.writable or setting.live is not None:
            return SetOutcome.READ_ONLY
        if not setting.fits(value):
            return SetOutcome.REJECTED
        setting.value = value
        return SetOutcome.AFTER_REBOOT if setting.reboots else SetOutcome.ACCEPTED


def _words(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())
