"""site.toml as the API shows and takes it: every setting, what holds, and what it is by default."""

from dataclasses import dataclass

from sitecontroller.domain.commands import Command
from sitecontroller.domain.queries import Query


@dataclass(frozen=True, slots=True)
class ConfigurationSetting:
    """One key of site.toml; `key` as in errors: "load.lease_s", "circuits[main].limit_a".

    `value` and `default` are written as TOML; "" is nothing: no default, or not set.
    """

    key: str
    value: str
    default: str
    is_set: bool


@dataclass(frozen=True, slots=True)
class ConfigurationView:
    """The file as it is now. `revision` names its content; `in_force` False: it was edited since
    the controller started, and counts from the next start on."""

    path: str
    revision: str
    in_force: bool
    text: str
    settings: tuple[ConfigurationSetting, ...]


@dataclass(frozen=True, slots=True)
class ConfigurationQuery(Query):
    """site.toml: its text, and every key that it has or could have."""


@dataclass(frozen=True, slots=True)
class ApplyConfiguration(Command):
    """Replace site.toml and restart with it. Refused with every fault named; the old file is kept
    in `state/config-history`. `revision` is the one that was read, so that nobody's change gets
    lost."""

    text: str
    revision: str
