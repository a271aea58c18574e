"""A station's configuration keys (1.6) or variables (2.x): values, what may be written, and what
fits. Keys compare caseless, as CiString says; what is kept survives a reset."""

import re
from collections.abc import Iterator
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


@dataclass(slots=True)
class Setting:
    """One key. `readable` False is a secret: written, never told."""

    name: str
    value: str
    pattern: str = TEXT
    writable: bool = True
    readable: bool = True


class Settings:
    """All settings of one station."""

    def __init__(self, *settings: Setting) -> None:
        self._by_name = {setting.name.casefold(): setting for setting in settings}

    def __iter__(self) -> Iterator[Setting]:
        return iter(self._by_name.values())

    def get(self, name: str) -> Setting | None:
        """The setting, whatever the case of its name."""
        return self._by_name.get(name.casefold())

    def text(self, name: str) -> str:
        """The value of a key that this station has."""
        return self._by_name[name.casefold()].value

    def number(self, name: str) -> int:
        """The value as a whole number."""
        return int(self.text(name))

    def flag(self, name: str) -> bool:
        """The value as a truth."""
        return self.text(name).casefold() == "true"

    def names(self, name: str) -> tuple[str, ...]:
        """A comma-separated list."""
        return tuple(part.strip() for part in self.text(name).split(",") if part.strip())

    def set(self, name: str, value: str) -> SetOutcome:
        """Write it if it may be written and fits."""
        setting = self.get(name)
        if setting is None:
            return SetOutcome.UNKNOWN
        if not setting.writable:
            return SetOutcome.READ_ONLY
        if re.fullmatch(setting.pattern, value) is None:
            return SetOutcome.REJECTED
        setting.value = value
        return SetOutcome.ACCEPTED
