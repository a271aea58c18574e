"""Messages that break their schema: mended, taken as they are, or refused; always counted (Q22)."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sitecontroller.domain.conformance import ConformanceQuery
from sitecontroller.domain.errors import CallRefused
from sitecontroller.ocpp.intake import Handling
from sitecontroller.ocpp.link import LinkTraits
from tests.support import eventually
from tests.wire.ocpp_core.site import ask, boot, hear, running_site
from tests.wire.site import boot16
from tests.wire.site import running_site as whole_site

STATUS = {"connectorId": "1", "errorCode": "NoError", "status": "Available", "odd": 7}
"""A number written as text, and a property that OCPP 1.6 doesn't have."""


def traits(**handling: Handling) -> Any:
    """Every station's traits."""
    return lambda _: LinkTraits(ping_interval_s=None, **handling)


def test_q22_a_message_with_faults_is_mended_unless_the_site_wants_otherwise(run):
    async def play():
        async with running_site(traits=traits()) as site, site.connect() as station:
            answer = await ask(station, [2, "1", "StatusNotification", STATUS])
            assert answer == [3, "1", {}]
            (_, payload) = site.dialect.asked[-1]
            assert payload == {"connectorId": 1, "errorCode": "NoError", "status": "Available"}

    run(play())


def test_q22_taken_as_it_is_a_message_reaches_us_unchanged_and_is_counted(run):
    async def play():
        handling = traits(requests=Handling.ACCEPT)
        async with running_site(traits=handling) as site, site.connect() as station:
            assert (await ask(station, [2, "1", "StatusNotification", STATUS]))[0] == 3
            (_, payload) = site.dialect.asked[-1]
            assert payload == STATUS
            assert len(site.server.conformance("CP01")) == 2

    run(play())


def test_q22_strictly_taken_a_message_with_faults_is_refused_but_never_energy(run):
    async def play():
        handling = traits(requests=Handling.STRICT)
        async with running_site(traits=handling) as site, site.connect() as station:
            refused = await ask(station, [2, "1", "StatusNotification", STATUS])
            assert refused[:3] == [4, "1", "FormationViolation"]
            assert "odd" in refused[3] or "connectorId" in refused[3]
            start = {"connectorId": "1", "idTag": "A", "meterStart": "0", "timestamp": "now"}
            assert (await ask(station, [2, "2", "StartTransaction", start]))[0] == 3
            assert site.server.conformance("CP01")

    run(play())


@pytest.mark.parametrize("handling", [Handling.REPAIR, Handling.STRICT, Handling.ACCEPT])
def test_q19_an_answer_with_faults_is_taken_in_the_way_the_site_wants(run, handling):
    async def play():
        async with (
            running_site(traits=traits(answers=handling)) as site,
            site.connect() as station,
        ):
            await boot(station)
            session = site.server.session("CP01")
            assert session is not None

            call = asyncio.create_task(session.call("ClearCache", {}))
            _, message_id, *_ = await hear(station)
            await station.send(f'[3,"{message_id}",{{"status":"accepted","odd":1}}]')
            if handling is Handling.STRICT:
                with pytest.raises(CallRefused):
                    await call
            else:
                body = await call
                mended = {"status": "Accepted"}
                assert body == (
                    mended if handling is Handling.REPAIR else {"status": "accepted", "odd": 1}
                )
            assert site.server.conformance("CP01")

    run(play())


def test_a_key_named_twice_is_counted_and_the_last_one_holds(run):
    async def play():
        async with running_site(traits=traits()) as site, site.connect() as station:
            twice = (
                '[2,"1","StatusNotification",{"connectorId":1,"connectorId":2,'
                '"errorCode":"NoError","status":"Available","info":"a \\":\\" b"}]'
            )
            assert (await ask(station, twice))[0] == 3
            (_, payload) = site.dialect.asked[-1]
            assert payload["connectorId"] == 2
            assert site.server.conformance("CP01") == {"frame: an object names a key twice": 1}

    run(play())


def test_the_report_for_the_maker_outlives_the_controller(run, tmp_path: Path):
    async def report(site: Any) -> Any:
        return await site.site.controller.query(ConformanceQuery("CP-01"))

    async def play():
        async with whole_site(tmp_path) as site, site.charger() as charger:
            await boot16(charger)
            for _ in range(3):
                await charger.call("StatusNotification", STATUS)
            await eventually(lambda: charger.asked)
            before = await report(site)
        async with whole_site(tmp_path, planted=True) as site:
            after = await report(site)
        assert {(f.fault, f.count) for f in before.faults if f.subject == "StatusNotification"} == {
            ("connectorId: text instead of a number", 3),
            ("unknown property 'odd'", 3),
        }
        assert [f.count for f in after.faults] == [f.count for f in before.faults]
        assert after.since.replace(microsecond=0) == before.since.replace(microsecond=0)
        assert "Charger: Test Wallbox" in after.text
        assert "3 x StatusNotification: unknown property 'odd'" in after.text

    run(play())
