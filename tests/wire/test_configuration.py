"""site.toml through the controller: shown with all that could stand in it, checked, replaced."""

import tomllib
from pathlib import Path

import pytest

from sitecontroller.cli import configuration as cli
from sitecontroller.domain.configuration import ApplyConfiguration, ConfigurationQuery
from sitecontroller.domain.errors import Conflict, InvalidInput
from tests.support import eventually
from tests.wire.site import running_site

SITE_TOML = """\
# our garage
[site]
id = "TEST"
state_dir = "state"

[[meters]]
id = "grid"
model = "eastron-sdm630"
url = "tcp://127.0.0.1:502"

[[circuits]]
id = "main"
limit_a = 63
meter = "grid"

[[stations]]
id = "CP-01"
circuit = "main"
[[stations.evses]]
"""
EVERYTHING = (
    SITE_TOML
    + """\
[[groups]]
id = "garage"
evses = ["CP-01"]
[[inputs]]
id = "dimmer"
kind = "dimming"
url = "tcp://127.0.0.1:502"
[[limit_sources]]
id = "operator"
kind = "http"
[load.demand]
[load.surplus]
[planning]
"""
)


@pytest.fixture
def site_toml(tmp_path) -> Path:
    path = tmp_path / "site.toml"
    path.write_text(SITE_TOML, encoding="utf-8")
    return path


@pytest.fixture
def played(run, tmp_path, site_toml):
    """`played(play)`: `await play(site)` at a controller that began with that file."""

    def go(play):
        async def main():
            async with running_site(tmp_path, config_path=site_toml) as site:
                await play(site.site)

        run(main())

    return go


def test_every_setting_is_shown_with_what_it_is_by_default(played):
    async def play(site):
        view = await site.controller.query(ConfigurationQuery())
        assert (view.text, view.in_force) == (SITE_TOML, True)
        settings = {setting.key: setting for setting in view.settings}
        fuse, lease = settings["circuits[main].limit_a"], settings["load.lease_s"]
        assert (fuse.value, fuse.is_set) == ("63", True)
        assert (lease.value, lease.default, lease.is_set) == ("300", "300", False)
        assert settings["stations[CP-01].evses[1].phases"].value == '"L1L2L3"'

    played(play)


def test_a_file_edited_by_hand_since_the_start_is_said_to_wait_for_the_next(played, site_toml):
    async def play(site):
        site_toml.write_text(SITE_TOML.replace("63", "50"), encoding="utf-8")
        assert not (await site.controller.query(ConfigurationQuery())).in_force

    played(play)


def test_a_file_that_is_applied_replaces_the_old_one_which_is_kept_and_the_site_restarts(
    played, site_toml, tmp_path
):
    wanted = SITE_TOML.replace("limit_a = 63", "limit_a = 50")

    async def play(site):
        revision = (await site.controller.query(ConfigurationQuery())).revision
        await site.controller.execute(ApplyConfiguration(wanted, revision))
        await eventually(site.restart_asked.is_set)
        assert site_toml.read_text(encoding="utf-8") == wanted
        (kept,) = (tmp_path / "state" / "config-history").glob("*.toml")
        assert kept.read_text(encoding="utf-8") == SITE_TOML

    played(play)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (("limit_a = 63", "limit_a = 0"), "circuits[main].limit_a"),
        (("limit_a = 63", "limit = 63"), "circuits[main].limit"),
        (("[site]", "[site"), "text"),
        (('id = "TEST"', 'id = "OTHER"'), "site.id"),
        (('state_dir = "state"', 'state_dir = "elsewhere"'), "site.state_dir"),
        (("[[stations.evses]]", "[[stations.evses]]\nfallback_a = 64"), ""),
        (("eastron-sdm630", "no-such-meter"), ""),
    ],
)
def test_a_file_that_a_start_would_refuse_is_refused_and_nothing_changes(
    change, field, played, site_toml
):
    async def play(site):
        revision = (await site.controller.query(ConfigurationQuery())).revision
        wanted = SITE_TOML.replace(*change)
        with pytest.raises(InvalidInput) as caught:
            await site.controller.execute(ApplyConfiguration(wanted, revision))
        assert not field or field in [error.field for error in caught.value.errors]
        assert site_toml.read_text(encoding="utf-8") == SITE_TOML
        assert not site.restart_asked.is_set()

    played(play)


def test_a_change_made_meanwhile_is_not_overwritten(played, site_toml):
    async def play(site):
        revision = (await site.controller.query(ConfigurationQuery())).revision
        site_toml.write_text(SITE_TOML + "\n# mine", encoding="utf-8")
        with pytest.raises(Conflict, match="was changed since"):
            await site.controller.execute(ApplyConfiguration(SITE_TOML, revision))

    played(play)


def test_every_setting_stands_in_the_documentation(tmp_path):
    document = Path("docs/configuration.md").read_text(encoding="utf-8")
    words = {word for part in document.split("`")[1::2] for word in part.replace(",", " ").split()}
    missing = {
        setting.key
        for setting in cli.settings_of(EVERYTHING, tmp_path)
        if setting.key.split(".")[-1] not in {word.split(".")[-1] for word in words}
    }
    assert not missing
    assert tomllib.loads(EVERYTHING)


def test_the_command_line_shows_what_is_set_and_checks_a_file(tmp_path, site_toml, capsys):
    lines = cli.render(cli.settings_of(SITE_TOML, tmp_path), every=False)
    assert "circuits[main].limit_a = 63" in lines
    assert not [line for line in lines if "default" in line]
    every = cli.render(cli.settings_of(SITE_TOML, tmp_path), every=True)
    assert "load.lease_s = 300  (default)" in every
