"""A station that stands in site.toml but has no password yet takes part in nothing."""

from datetime import timedelta

import pytest

from sitecontroller.clock import SystemClock
from sitecontroller.seed import Seed, plant
from tests.wire.charger import CallError
from tests.wire.site import CARDS, TARIFF, instant, running_site, site_config

START = {"connectorId": 1, "idTag": CARDS[0], "meterStart": 0}
BOOT = {"chargePointVendor": "Test", "chargePointModel": "Wallbox"}


@pytest.mark.parametrize("has_booted", [False, True])
def test_before_it_is_accepted_no_transaction_of_it_is_kept(run, tmp_path, has_booted):
    async def main():
        await plant(site_config(tmp_path), SystemClock(), Seed({}, (), TARIFF))
        commissioned = running_site(tmp_path, planted=True, commissioning=timedelta(hours=1))
        async with commissioned as site, site.charger() as charger:
            if has_booted:
                assert (await charger.call("BootNotification", BOOT))["status"] == "Pending"
            with pytest.raises(CallError) as refused:
                await charger.call("StartTransaction", {**START, "timestamp": instant()})
            assert refused.value.code == "SecurityError"
            assert await site.rows() == ()

    run(main())
