"""Our own calls on the wire: one at a time, the urgent first, superseded limits never (Q50)."""

import asyncio

import pytest

from sitecontroller.domain.errors import CallTimeout, InvalidInput
from sitecontroller.ocpp.commands import Priority
from sitecontroller.ports import LimitSuperseded
from tests.wire.ocpp_core.site import (
    accept,
    amps_of,
    ask,
    boot,
    deaf_station,
    hear,
    limit,
    running_site,
    silent,
    still_answers,
    tell,
)


def test_one_call_is_outstanding_and_the_urgent_goes_first(run):
    async def main():
        async with running_site() as site, site.connect() as station:
            await boot(station)
            session = site.dialect.session
            first = asyncio.ensure_future(session.call("ClearCache", {}))
            asked = await hear(station)
            calls = [
                asyncio.ensure_future(session.call(action, payload, priority=priority))
                for action, payload, priority in (
                    ("GetLocalListVersion", {}, Priority.HOUSEKEEPING),
                    ("UnlockConnector", {"connectorId": 1}, Priority.ATTENDANT),
                    ("RemoteStopTransaction", {"transactionId": 1}, Priority.STOP),
                )
            ] + [limit(session, 6)]
            assert await silent(station)
            order = []
            for _ in range(5):
                order.append(asked[2])
                await tell(station, [3, asked[1], {"status": "Accepted"}])
                asked = await hear(station) if len(order) < 5 else None
            await asyncio.gather(first, *calls)
            assert order == [
                "ClearCache",
                "SetChargingProfile",
                "RemoteStopTransaction",
                "UnlockConnector",
                "GetLocalListVersion",
            ]

    run(main())


def test_q50_a_superseded_limit_never_leaves(run):
    async def main():
        async with running_site() as site, site.connect() as station:
            await boot(station)
            session = site.dialect.session
            blocking = asyncio.ensure_future(session.call("ClearCache", {}))
            asked = await hear(station)
            older = [limit(session, amps) for amps in (16, 12, 9)]
            newest = limit(session, 6)
            other = limit(session, 20, key="limit-2")
            for call in older:
                with pytest.raises(LimitSuperseded):
                    await call
            await accept(station, asked)
            sent = []
            for _ in range(2):
                asked = await hear(station)
                sent.append(amps_of(asked))
                await accept(station, asked)
            await asyncio.gather(blocking, newest, other)
            assert sent == [6, 20]
            assert await silent(station)

    run(main())


def test_q50_a_stalled_command_does_not_delay_a_reduction(run, monkeypatch):
    async def main():
        monkeypatch.setattr("sitecontroller.ocpp.commands.STALL_S", 0.3)
        async with running_site() as site, site.connect() as station:
            await boot(station)
            session = site.dialect.session
            stalled = asyncio.ensure_future(session.call("ClearCache", {}))
            unanswered = await hear(station)
            attendant = asyncio.ensure_future(
                session.call("UnlockConnector", {"connectorId": 1}, deadline_s=1)
            )
            reduction = limit(session, 6)
            asked = await hear(station)
            assert amps_of(asked) == 6
            await accept(station, asked)
            assert await reduction == {"status": "Accepted"}
            assert await silent(station, 0.4)
            await accept(station, unanswered)
            assert await stalled == {"status": "Accepted"}
            await accept(station, await hear(station))
            await attendant

    run(main())


def test_q50_calls_that_pass_a_stalled_one_are_bounded(run, monkeypatch):
    async def main():
        monkeypatch.setattr("sitecontroller.ocpp.commands.STALL_S", 0.0)
        async with running_site() as site, site.connect() as station:
            await boot(station)
            calls = [limit(site.dialect.session, 6, key=f"limit-{n}") for n in range(12)]
            for _ in range(8):
                await hear(station)
            assert await silent(station)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)

    run(main())


def test_a_call_has_a_deadline_and_its_late_answer_is_dropped(run):
    async def main():
        async with running_site() as site, site.connect() as station:
            await boot(station)
            session = site.dialect.session
            with pytest.raises(CallTimeout):
                await session.call("ClearCache", {}, deadline_s=0.05)
            late = await hear(station)
            await accept(station, late)
            await still_answers(station)
            assert session.unsolicited == 1

    run(main())


def test_after_a_timeout_housekeeping_backs_off_and_a_limit_does_not(run):
    async def main():
        async with running_site() as site, site.connect() as station:
            await boot(station)
            session = site.dialect.session
            with pytest.raises(CallTimeout):
                await session.call("ClearCache", {}, deadline_s=0.05)
            await hear(station)
            housekeeping = asyncio.ensure_future(
                session.call("GetLocalListVersion", {}, priority=Priority.HOUSEKEEPING)
            )
            assert await silent(station, 0.3)
            urgent = limit(session, 6)
            asked = await hear(station, 0.3)
            assert asked[2] == "SetChargingProfile"
            await accept(station, asked)
            await urgent
            housekeeping.cancel()
            await asyncio.gather(housekeeping, return_exceptions=True)

    run(main())


def test_housekeeping_calls_are_paced(run):
    async def main():
        async with running_site() as site, site.connect() as station:
            await boot(station)
            loop = asyncio.get_running_loop()
            began = loop.time()
            calls = [
                asyncio.ensure_future(
                    site.dialect.session.call(
                        "GetLocalListVersion", {}, priority=Priority.HOUSEKEEPING
                    )
                )
                for _ in range(3)
            ]
            for _ in calls:
                await tell(station, [3, (await hear(station))[1], {"listVersion": 1}])
            await asyncio.gather(*calls)
            assert loop.time() - began >= 0.45

    run(main())


def test_a_cancelled_command_that_waits_is_not_sent(run):
    async def main():
        async with running_site() as site, site.connect() as station:
            await boot(station)
            session = site.dialect.session
            first = asyncio.ensure_future(session.call("ClearCache", {}))
            asked = await hear(station)
            waiting = limit(session, 6)
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            await accept(station, asked)
            await first
            assert await silent(station)

    run(main())


@pytest.mark.parametrize(
    ("action", "payload"),
    [("Reset", {}), ("Reset", {"type": "Softly"}), ("NoSuchThing", {})],
)
def test_a_call_that_breaks_its_schema_is_not_sent(run, action, payload):
    async def main():
        async with running_site() as site, site.connect() as station:
            await boot(station)
            with pytest.raises(InvalidInput) as invalid:
                await site.dialect.session.call(action, payload)
            assert invalid.value.errors
            assert await silent(station)

    run(main())


def test_a_station_that_stops_reading_slows_only_itself_down(run):
    async def main():
        two_stations = running_site("CP01", "CP02")
        async with two_stations as site, deaf_station(site):
            station = await site.connect("/CP02", user="CP02")
            for number in range(50):
                assert (await ask(station, [2, number, "Heartbeat", {}]))[1] == number
            await station.close()

    run(main())
