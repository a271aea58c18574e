"""Contract certificates as the specification's cases play them (C07): the provider is asked."""

import pytest

from tests.wire.conformance.station import Station
from tests.wire.security.mobility import EMAID, Provider
from tests.wire.security.site import box
from tests.wire.security.test_plug_and_charge import authorize, known_contract, pnc_site, trust

TOKEN = {"idToken": EMAID, "type": "eMAID"}


@pytest.fixture(params=["2.0.1", "2.1"])
def plugged_in(request, run, tmp_path):
    """`plugged_in(story)` runs `await story(provider, station)`: a known driver's car is there."""

    async def played(story):
        provider = Provider()
        async with provider.responder(), pnc_site(tmp_path, provider) as site:
            await trust(site, provider)
            await known_contract(site)
            made = box(site, version=request.param)
            async with made.connected(site) as charger:
                await made.boot(charger)
                station = Station(charger)
                await station.status("Occupied")
                await station.event("Started", "CablePluggedIn", {"chargingState": "EVConnected"})
                await story(provider, station)

    return lambda story: run(played(story))


async def charges(station):
    """The session is authorized with the contract, and energy flows."""
    connected, charging = ({"chargingState": word} for word in ("EVConnected", "Charging"))
    answer = await station.event("Updated", "Authorized", connected, idToken=TOKEN)
    assert answer["idTokenInfo"]["status"] == "Accepted"
    await station.event("Updated", "ChargingStateChanged", charging)


def test_a_contract_known_by_its_hashes_charges_once_its_provider_says_good(plugged_in):
    """Proves: TC_C_50_CSMS."""

    async def story(provider, station):
        contract = provider.contract()
        shown = {"iso15118CertificateHashData": provider.hashes(contract)}
        assert await authorize(station.charger, **shown) == ("Accepted", "Accepted")
        assert contract.serial_number in provider.asked_for
        await charges(station)

    plugged_in(story)


def test_a_contract_that_its_provider_revoked_does_not_charge(plugged_in):
    """Proves: TC_C_51_CSMS."""

    async def story(provider, station):
        contract = provider.contract()
        provider.revoked.add(contract.serial_number)
        shown = {"iso15118CertificateHashData": provider.hashes(contract)}
        assert await authorize(station.charger, **shown) == ("Invalid", "CertificateRevoked")
        assert contract.serial_number in provider.asked_for

    plugged_in(story)


def test_a_contract_shown_as_a_chain_is_hashed_here_and_asked_for(plugged_in):
    """Proves: TC_C_52_CSMS."""

    async def story(provider, station):
        provider.put_url_within()
        contract = provider.contract()
        shown = {"certificate": provider.chain(contract)}
        assert await authorize(station.charger, **shown) == ("Accepted", "Accepted")
        assert contract.serial_number in provider.asked_for
        await charges(station)

    plugged_in(story)
