"""Owner of site.toml: shown with all that could stand in it, checked, replaced, begun anew with.

What is checked is what a start checks: whoever applies a file gets the faults instead of a
controller that doesn't come back.
"""

import asyncio
import hashlib
import json
import logging
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sitecontroller.config import SiteConfig
from sitecontroller.config.site import parse_config
from sitecontroller.config.table import Reader
from sitecontroller.domain.commands import Command, CommandResult, CommandState
from sitecontroller.domain.configuration import (
    ApplyConfiguration,
    ConfigurationQuery,
    ConfigurationSetting,
    ConfigurationView,
)
from sitecontroller.domain.errors import ConfigurationError, Conflict, FieldError, InvalidInput
from sitecontroller.domain.queries import Query
from sitecontroller.services.desk import Answerer, Handler

TEXT_CHARACTERS_MAX = 5_000_000
REVISION_CHARACTERS = 16

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Configuration:
    """`path` None: it came from no file. `check` raises ConfigurationError for what only a start
    would find, `replace` writes the file and puts the old one away, `restart` asks the keeper."""

    running: SiteConfig
    path: Path | None
    check: Callable[[SiteConfig], None]
    replace: Callable[[Path, str], None]
    restart: Callable[[], None]
    begun_with: str
    """The revision that the controller runs with."""
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def handlers(self) -> dict[type[Command], Handler]:
        """For the actions."""
        return {ApplyConfiguration: self._apply}

    @property
    def answerers(self) -> dict[type[Query], Answerer]:
        """For the controller."""
        return {ConfigurationQuery: self._view}

    async def _view(self, _query: ConfigurationQuery) -> ConfigurationView:
        return await asyncio.to_thread(self._read)

    async def _apply(self, command: ApplyConfiguration, command_id: str) -> CommandResult:
        async with self._one_at_a_time:
            await asyncio.to_thread(self._replace, command)
        log.info("site.toml: replaced, the controller restarts with it")
        self.restart()
        return CommandResult(
            command_id,
            CommandState.ACCEPTED,
            "The controller restarts with it; chargers keep to their limits meanwhile",
        )

    def _read(self) -> ConfigurationView:
        path = self._path()
        text = path.read_text(encoding="utf-8")
        revision = revision_of(text)
        return ConfigurationView(
            str(path), revision, revision == self.begun_with, text, settings_of(text, path.parent)
        )

    def _replace(self, command: ApplyConfiguration) -> None:
        path = self._path()
        if len(command.text) > TEXT_CHARACTERS_MAX:
            raise _invalid("text", f"has at most {TEXT_CHARACTERS_MAX:,} characters")
        if revision_of(path.read_text(encoding="utf-8")) != command.revision:
            raise Conflict(
                f"{path} was changed since revision {command.revision or '(none)'} was read",
                remedy="Read it again (GET /v1/configuration) and make your change in that",
            )
        wanted = self._checked(command.text, path)
        for name, old, new in (
            ("site.id", self.running.site_id, wanted.site_id),
            ("site.state_dir", self.running.state_dir, wanted.state_dir),
        ):
            if old != new:
                raise _invalid(name, f"is {old} and stays: sessions and receipts hang on it")
        try:
            self.replace(path, command.text)
        except OSError as error:
            raise Conflict(
                f"{path} can't be changed: {error}",
                remedy="Let the controller's user write the file and its folder, then try again",
            ) from error

    def _checked(self, text: str, path: Path) -> SiteConfig:
        try:
            wanted = parse_config(_parsed(text), base_dir=path.parent, name="the new site.toml")
            self.check(wanted)
        except ConfigurationError as error:
            raise InvalidInput(error.detail, remedy=error.remedy, errors=error.errors) from error
        return wanted

    def _path(self) -> Path:
        if self.path is None:
            raise Conflict(
                "this controller was started without a site.toml",
                remedy="Start it with --config FILE",
            )
        return self.path


def revision_of(text: str) -> str:
    """A short name of a file's content."""
    return hashlib.sha256(text.encode()).hexdigest()[:REVISION_CHARACTERS]


def settings_of(text: str, base_dir: Path) -> tuple[ConfigurationSetting, ...]:
    """Every key that a site.toml has or could have. Raises InvalidInput when it is no TOML."""
    reader = Reader()
    parse_config(_parsed(text), base_dir=base_dir, reader=reader)
    return tuple(
        ConfigurationSetting(key, toml_of(value), toml_of(default), is_set)
        for key, (value, default, is_set) in reader.read.items()
    )


def toml_of(value: Any) -> str:
    """A value as it is written in TOML; None: ""."""
    return "" if value is None else json.dumps(value, ensure_ascii=False, default=str)


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _invalid("text", f"is no valid TOML: {error}") from None


def _invalid(name: str, message: str) -> InvalidInput:
    return InvalidInput(f"{name} {message}", errors=(FieldError(name, message),))
