"""A recorded charger is played against a fresh controller: the same sessions are there."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import orjson
import pytest

from sitecontroller.cli.ocpp import summary
from sitecontroller.domain.views import JournalEntry
from sitecontroller.simulation.replay import Outcome, connections, read_recording, replay
from sitecontroller.wire import to_json
from tests.support import eventually
from tests.wire.charger import Charger
from tests.wire.site import PASSWORD, TestSite, boot16, boot201, running_site
from tests.wire.transactions.scenes import CARD, at, meter, start, stop

Running = Callable[..., AbstractAsyncContextManager[TestSite]]


@pytest.fixture
def fresh(tmp_path: Path) -> Running:
    """Another controller with the same chargers, in a folder of its own."""
    return lambda name, **ocpp: running_site(tmp_path / name, **ocpp)


async def exported(site: TestSite) -> list[JournalEntry]:
    """What went over the wire of CP-01, as a file brings it."""
    page = await site.site.journal.page(500, None, station_id="CP-01")
    return read_recording(orjson.dumps(to_json(entry)) for entry in reversed(page.items))


async def played(site: TestSite, entries: list[JournalEntry], **options: Any) -> Outcome:
    return await replay(
        connections(entries),
        url=f"ws://127.0.0.1:{site.site.ocpp_port}/ocpp",
        station_id=options.get("station_id", "CP-01"),
        password=PASSWORD,
        speed=None,
    )


async def session16(charger: Charger, wh: int = 8_450) -> None:
    await boot16(charger)
    await charger.call("Authorize", {"idTag": CARD})
    number = (await charger.call("StartTransaction", start(1000)))["transactionId"]
    await charger.call("MeterValues", meter(4000, number, minutes=5))
    await charger.call("StopTransaction", stop(number, 1000 + wh, minutes=20))


async def session2x(charger: Charger, wh: int = 8_450) -> None:
    await boot201(charger)
    for seq_no, (kind, trigger, reading) in enumerate(
        (
            ("Started", "Authorized", 1000),
            ("Updated", "MeterValuePeriodic", 4000),
            ("Ended", "StopAuthorized", 1000 + wh),
        )
    ):
        await charger.call(
            "TransactionEvent",
            {
                "eventType": kind,
                "timestamp": at(seq_no),
                "triggerReason": trigger,
                "seqNo": seq_no,
                "transactionInfo": {"transactionId": "T-1"},
                "evse": {"id": 1, "connectorId": 1},
                "idToken": {"idToken": CARD, "type": "ISO14443"},
                "meterValue": [{"timestamp": at(seq_no), "sampledValue": [{"value": reading}]}],
            },
        )


def story(row: Any) -> tuple[Any, ...]:
    """What two controllers agree on; keys and 1.6 numbers are their own."""
    return (row.station_id, row.evse_id, row.started_at, row.ended_at, row.energy_wh, row.id_token)


@pytest.mark.parametrize(
    ("version", "session"),
    [("1.6", session16), ("2.0.1", session2x), ("2.1", session2x)],
)
def test_a_fresh_controller_gets_the_same_session_with_the_same_energy(
    run, fresh, version, session
):
    async def main():
        async with fresh("then") as then:
            async with then.charger(version=version) as charger:
                await session(charger)
            entries, row = await exported(then), await then.row()
        async with fresh("now") as now:
            outcome = await played(now, entries)
            return outcome, story(row), story(await now.row())

    outcome, then, now = run(main())
    assert outcome.differences == []
    assert outcome.sent == outcome.same > 4
    assert now == then
    assert now[4] == 8_450


def test_a_1_6_transaction_is_stopped_by_the_number_it_has_today(run, fresh):
    async def main():
        async with fresh("then") as then:
            async with then.charger() as charger:
                await session16(charger)
            entries, before = await exported(then), await then.row()
        async with fresh("now") as now:
            async with now.charger("CP-02") as other:
                await boot16(other)
                await other.call("StartTransaction", start(card="CARD0002"))
            await played(now, entries)
            [after] = [row for row in await now.rows() if row.station_id == "CP-01"]
            return before, after

    before, after = run(main())
    assert after.station_transaction_id != before.station_transaction_id
    assert (after.energy_wh, after.flags) == (before.energy_wh, before.flags)


def test_an_answer_that_differs_is_told_in_a_sentence(run, fresh):
    async def main():
        async with fresh("then") as then:
            async with then.charger() as charger:
                await boot16(charger)
                await charger.call("Authorize", {"idTag": CARD})
            entries = await exported(then)
        async with fresh("now") as now:
            await now.site.controller.delete_token(CARD)
            return await played(now, entries)

    outcome = run(main())
    [difference] = [found for found in outcome.differences if found.startswith("Authorize")]
    assert 'idTagInfo.status was "Accepted", is "Invalid"' in difference
    assert difference in "\n".join(summary("CP-01", outcome))


def test_the_controllers_calls_get_the_recorded_answers(run, fresh):
    async def main():
        async with fresh("then") as then:
            async with then.charger() as charger:
                charger.answers["GetConfiguration"] = lambda _: {
                    "configurationKey": [
                        {"key": "NumberOfConnectors", "readonly": True, "value": "7"}
                    ]
                }
                await boot16(charger)
                await eventually(lambda: charger.asked_for("GetConfiguration"))
            entries = await exported(then)
        async with fresh("now") as now:
            outcome = await played(now, entries)
            return outcome, await exported(now)

    outcome, journal = run(main())
    assert outcome.asked["GetConfiguration"]
    assert any('"value":"7"' in entry.text for entry in journal if entry.kind == "result")
