"""`selfcheck` tries the doors of a running site, and says what is wrong where something is."""

import dataclasses
from datetime import timedelta

import pytest

from sitecontroller.cli.doors import doors
from sitecontroller.domain.security import AllowUnsecured
from tests.support import eventually
from tests.wire.security.site import box, secure_site
from tests.wire.security.test_certificates import execute


class Client:
    """The controller's face, as selfcheck's client shows it."""

    def __init__(self, site):
        self.ask = site.site.controller.query
        self._picture = site.site.picture

    async def stations(self):
        return tuple(self._picture.station(station_id) for station_id in ("CP-01", "CP-02"))


async def findings(site):
    url = f"ws://127.0.0.1:{site.site.ocpp_port}/ocpp"
    return {found.name: found for found in await doors(Client(site), url)}


@pytest.mark.slow  # each wrong log-in is answered late
def test_a_site_with_tls_passes_and_what_ends_soon_does_not(run, tmp_path):
    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site)
            services = site.site.services
            async with made.connected(site) as charger:
                await made.boot(charger)
                made.takes_its_certificate(charger)
                await charger.call("SignCertificate", {"csr": made.csr()})
                await eventually(lambda: made.chain)
                told = await findings(site)
                assert [name for name, found in told.items() if not found.well] == []
                assert "6, valid" in told["the site's certificates"].detail
                assert "1, valid" in told["chargers' certificates"].detail
                security = services.stations.guard.security("CP-01")
                soon = dataclasses.replace(
                    security.certificates[0], not_after=services.clock.now() + timedelta(days=9)
                )
                await services.stations.guard.keep(security.with_certificate(soon))
                until = services.clock.now() + timedelta(hours=1)
                await execute(site, AllowUnsecured("CP-02", until, "new board"))
                told = await findings(site)
                assert {name for name, found in told.items() if not found.well} == {
                    "chargers' certificates",
                    "exceptions",
                }

    run(play())
