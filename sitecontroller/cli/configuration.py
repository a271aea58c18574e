"""`config`: every setting of site.toml and what it is, a file checked, a file put into force."""

import argparse
from collections.abc import Iterable
from pathlib import Path

from sitecontroller.cli.asking import answer
from sitecontroller.cli.options import Commands, add_config
from sitecontroller.cli.sites import config_path
from sitecontroller.client import ControllerClient
from sitecontroller.config import load_config
from sitecontroller.dlm.fallbacks import prove_fallbacks
from sitecontroller.domain.configuration import (
    ApplyConfiguration,
    ConfigurationQuery,
    ConfigurationSetting,
)
from sitecontroller.services.configuration import settings_of


def show(options: argparse.Namespace) -> int:
    """Print every key, or those that are set."""
    path = config_path(options)
    settings = settings_of(path.read_text(encoding="utf-8"), path.parent)
    print("\n".join(render(settings, every=options.all)))
    return 0


def check(options: argparse.Namespace) -> int:
    """Say what is wrong with a file, or prove that its safe limits fit."""
    config = load_config(options.file)
    for line in prove_fallbacks(config.topology):
        print(line)
    print(f"{options.file} can be used.")
    return 0


def apply(options: argparse.Namespace) -> int:
    """Let the running controller take a file over and restart with it."""
    text = options.file.read_text(encoding="utf-8")

    async def work(client: ControllerClient) -> str:
        revision = (await client.ask(ConfigurationQuery())).revision
        result = await client.execute(ApplyConfiguration(text, revision))
        return result.reason or ""

    print(answer(options, work))
    return 0


def render(settings: Iterable[ConfigurationSetting], *, every: bool) -> list[str]:
    """A line a key; what isn't set is marked as such."""
    return [
        f"{setting.key} = {setting.value or '(not set)'}{'' if setting.is_set else '  (default)'}"
        for setting in settings
        if every or setting.is_set
    ]


def add_config_command(commands: Commands) -> None:
    """`config show`, `config check` and `config apply`."""
    actions = commands.add_parser("config", help="site.toml: shown, checked, replaced")
    found = actions.add_subparsers(title="commands", metavar="COMMAND", required=True)
    shown = found.add_parser("show", help="what is set; --all: what could be, too")
    add_config(shown)
    shown.add_argument("--all", action="store_true", help="defaults too")
    shown.set_defaults(work=show)
    checked = found.add_parser("check", help="whether a file can be used")
    checked.add_argument("file", type=Path, metavar="FILE")
    checked.set_defaults(work=check)
    applied = found.add_parser("apply", help="the running controller restarts with that file")
    add_config(applied)
    applied.add_argument("file", type=Path, metavar="FILE")
    applied.set_defaults(work=apply)
