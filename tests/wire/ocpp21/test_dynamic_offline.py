"""Dynamic limits wished for a charger that is away: by what it spoke when it was last here."""

import pytest

from sitecontroller.domain.commands import CommandState
from sitecontroller.domain.errors import Unsupported
from sitecontroller.domain.smart import UseDynamicLimits
from tests.support import eventually
from tests.wire.site import boot16, boot201, running_site

BOOTS = {"1.6": boot16, "2.0.1": boot201, "2.1": boot201}


async def visit(site, version):
    """A charger boots and leaves."""
    async with site.charger(version=version) as charger:
        await BOOTS[version](charger)
        await eventually(lambda: site.site.services.stations.link("CP-01"))
    await eventually(lambda: not site.site.services.stations.link("CP-01"))


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_they_are_refused_where_an_older_version_is_known(run, tmp_path, version):
    """Accepted, they came to nothing when it was back."""

    async def story():
        async with running_site(tmp_path) as site:
            await visit(site, version)
            await refused(site)
        async with running_site(tmp_path, planted=True) as site:
            await refused(site)
            plain = await site.site.controller.execute(UseDynamicLimits("CP-01", enabled=False))
            assert plain.state is CommandState.ACCEPTED
            await visit(site, "2.1")
            await taken(site)

    async def refused(site):
        with pytest.raises(Unsupported, match=f"speaks OCPP {version}, which has no dynamic"):
            await taken(site)

    run(story())


async def taken(site):
    result = await site.site.controller.execute(UseDynamicLimits("CP-01"))
    assert result.state is CommandState.ACCEPTED


def test_they_are_taken_for_one_never_seen(run, tmp_path):
    async def story():
        async with running_site(tmp_path) as site:
            await taken(site)

    run(story())
