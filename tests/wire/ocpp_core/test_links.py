"""Q08 to Q10, Q12 and Q50: two sockets for one station, silence, restarts, and our own calls."""

import asyncio
import contextlib

import pytest

from sitecontroller.domain.errors import CallTimeout, ConnectionLost, InvalidInput
from sitecontroller.ocpp.commands import Priority
from sitecontroller.ocpp.link import LinkTraits
from sitecontroller.ports import LimitSuperseded
from tests.support import eventually
from tests.wire.ocpp_core.site import (
    STATUS,
    ask,
    boot,
    hear,
    refusal,
    request,
    running_site,
    silent,
    still_answers,
    tell,
)


@contextlib.asynccontextmanager
async def deaf_station(site):
    """A connection whose other end reads nothing and answers no ping."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(request())
    await reader.readuntil(b"\r\n\r\n")
    await eventually(lambda: site.dialects)
    try:
        yield
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _connected(site):
    return await site.connect()


def limit(session, amps, key="limit-1", **rest):
    """A call on its way: what a load-management cycle does each time."""
    payload = {
        "connectorId": 1,
        "csChargingProfiles": {
            "chargingProfileId": 1,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Relative",
            "chargingSchedule": {
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": amps}],
            },
        },
    }
    call = session.call("SetChargingProfile", payload, priority=Priority.SAFETY, key=key, **rest)
    return asyncio.ensure_future(call)


def amps_of(frame):
    schedule = frame[3]["csChargingProfiles"]["chargingSchedule"]
    return schedule["chargingSchedulePeriod"][0]["limit"]


async def accept(station, frame):
    await tell(station, [3, frame[1], {"status": "Accepted"}])


# Q08


def test_q08_a_living_station_keeps_its_place(run):
    async def main():
        async with running_site() as site, site.connect() as station:
            response = await refusal(site.connect())
            assert response.status_code == 409
            assert site.stations.duplicates == [("CP01", "127.0.0.1")]
            await still_answers(station)

    run(main())


def test_q08_a_dead_connection_gives_way(run, monkeypatch):
    async def main():
        monkeypatch.setattr("sitecontroller.ocpp.server.PONG_OF_THE_FIRST_S", 0.2)
        async with running_site() as site, deaf_station(site), site.connect() as station:
            await still_answers(station)
            assert [link.generation for link in site.stations.connections] == [1, 2]
            assert site.stations.duplicates == []
            await eventually(lambda: site.stations.gone == [1])

    run(main())


def test_q08_a_newcomer_must_log_in_before_the_first_is_even_asked(run):
    async def main():
        async with running_site() as site, deaf_station(site):
            response = await refusal(site.connect(password=b"wrong"))
            assert response.status_code == 401
            assert site.server.session("CP01").generation == 1

    run(main())


def test_q08_a_station_that_never_answers_pings_is_replaced_by_its_newest_connection(run):
    async def main():
        traits = LinkTraits(answers_pings=False)
        site_of_pingless = running_site(traits=lambda _: traits)
        async with site_of_pingless as site, site.connect(), site.connect() as newest:
            await still_answers(newest)
            assert site.server.session("CP01").generation == 2

    run(main())


def test_q08_what_a_station_is_known_to_be_by_now_decides(run):
    async def main():
        found = {"CP01": LinkTraits()}
        async with running_site(traits=found.get) as site, site.connect() as station:
            await boot(station)
            found["CP01"] = LinkTraits(answers_pings=False)
            async with site.connect() as newest:
                await still_answers(newest)
                assert site.server.session("CP01").generation == 2

    run(main())


def test_q08_calls_under_way_fail_at_once_when_the_connection_is_replaced(run):
    async def main():
        traits = LinkTraits(answers_pings=False)
        async with running_site(traits=lambda _: traits) as site, site.connect() as station:
            await boot(station)
            session = site.dialect.session
            sent = limit(session, 10)
            waiting = asyncio.ensure_future(session.call("ClearCache", {}))
            await hear(station)
            async with site.connect():
                for call in (sent, waiting):
                    with pytest.raises(ConnectionLost):
                        await call
            with pytest.raises(ConnectionLost):
                await session.call("ClearCache", {})

    run(main())


def test_q08_a_late_answer_of_an_old_connection_goes_nowhere(run):
    async def main():
        traits = LinkTraits(answers_pings=False)
        async with running_site(traits=lambda _: traits) as site, site.connect() as old:
            committed = asyncio.Event()

            async def slow():
                await committed.wait()
                return {}

            site.dialect.answers["StatusNotification"] = slow
            await tell(old, [2, "late", "StatusNotification", STATUS])
            await eventually(lambda: site.dialect.asked)
            async with site.connect() as new:
                committed.set()
                assert (await ask(new, [2, "first", "Heartbeat", {}]))[1] == "first"
                assert site.server.session("CP01").generation == 2

    run(main())


def test_q08_of_many_newcomers_at_the_same_instant_one_gets_in(run, monkeypatch):
    async def main():
        monkeypatch.setattr("sitecontroller.ocpp.server.PONG_OF_THE_FIRST_S", 0.2)
        async with running_site() as site, deaf_station(site):
            attempts = (asyncio.ensure_future(_connected(site)) for _ in range(8))
            stations = await asyncio.gather(*attempts, return_exceptions=True)
            inside = [each for each in stations if not isinstance(each, Exception)]
            assert len(inside) == 1
            await still_answers(inside[0])
            await inside[0].close()

    run(main())


# Q09


def test_q09_a_silent_station_is_pinged_and_dropped_when_no_pong_comes(run, monkeypatch):
    async def main():
        monkeypatch.setattr("sitecontroller.ocpp.session.PONG_WAIT_S", 0.1)
        traits = LinkTraits(ping_interval_s=0.1)
        async with running_site(traits=lambda _: traits) as site, deaf_station(site):
            await eventually(lambda: site.stations.gone == [1])

    run(main())


def test_q09_a_pong_is_a_sign_of_life(run):
    async def main():
        traits = LinkTraits(ping_interval_s=0.05)
        async with running_site(traits=lambda _: traits) as site, site.connect() as station:
            await eventually(lambda: len(site.stations.heard_of) >= 3)
            await still_answers(station)

    run(main())


def test_q09_frames_are_signs_of_life_so_that_no_ping_is_needed(run):
    async def main():
        traits = LinkTraits(ping_interval_s=0.3)
        async with running_site(traits=lambda _: traits) as site, site.connect() as station:
            pings = []
            session = site.server.session("CP01")
            session._wire.ping = lambda: pings.append(1)
            for _ in range(10):
                await still_answers(station)
                await silent(station, 0.05)
            assert pings == []

    run(main())


def test_q09_without_pings_a_silent_station_is_polled(run, monkeypatch):
    async def main():
        monkeypatch.setattr("sitecontroller.ocpp.session.POLL_S", 0.1)
        traits = LinkTraits(ping_interval_s=None)
        async with running_site(traits=lambda _: traits) as site, site.connect() as station:
            await boot(station)
            for _ in range(3):
                polled = await hear(station)
                assert polled[2] == "GetConfiguration"
                await tell(station, [4, polled[1], "NotSupported", "", {}])
            await still_answers(station)

    run(main())


def test_q09_two_polls_without_an_answer_end_the_connection(run, monkeypatch):
    async def main():
        monkeypatch.setattr("sitecontroller.ocpp.session.POLL_S", 0.1)
        traits = LinkTraits(ping_interval_s=None)
        async with running_site(traits=lambda _: traits) as site, site.connect() as station:
            await boot(station)
            await eventually(lambda: site.stations.gone == [1])
            assert site.dialect.polls == 2

    run(main())


# Q10


def test_q10_stations_hear_a_close_frame_when_the_controller_stops(run):
    async def main():
        async with running_site() as site, site.connect() as station:
            await still_answers(station)
            await site.server.stop()
            await station.wait_closed()
            assert station.close_code == 1001
            assert site.dialect.is_closed

    run(main())


def test_q10_a_station_that_would_stay_away_hears_no_close_frame(run):
    async def main():
        traits = LinkTraits(reconnects_after_close=False)
        async with running_site(traits=lambda _: traits) as site, site.connect() as station:
            await still_answers(station)
            await site.server.stop()
            await station.wait_closed()
            assert station.protocol.close_rcvd is None

    run(main())


def test_q10_what_a_station_is_known_to_be_by_now_decides(run):
    async def main():
        found = {"CP01": LinkTraits()}
        async with running_site(traits=found.get) as site, site.connect() as station:
            await boot(station)
            found["CP01"] = LinkTraits(reconnects_after_close=False)
            await site.server.stop()
            await station.wait_closed()
            assert station.protocol.close_rcvd is None

    run(main())


def test_sockets_without_a_handshake_do_not_hold_up_the_stop(run):
    async def main():
        async with running_site() as site:
            reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
            await eventually(lambda: site.server._opening)
            async with asyncio.timeout(2):
                await site.server.stop()
            writer.close()
            with contextlib.suppress(OSError):
                await reader.read()

    run(main())


# Q12


def test_q12_no_call_leaves_before_the_boot_answer_is_written(run):
    async def main():
        async with running_site() as site, site.connect() as station:
            await still_answers(station)
            call = limit(site.dialect.session, 10)
            assert await silent(station)
            await tell(
                station,
                [2, "b", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"}],
            )
            assert (await hear(station))[:2] == [3, "b"]
            asked = await hear(station)
            assert asked[2] == "SetChargingProfile"
            await accept(station, asked)
            assert await call == {"status": "Accepted"}
            assert site.dialect.ready == [True]

    run(main())


def test_q12_without_a_boot_calls_start_after_a_while_and_a_boot_is_asked_for(run, monkeypatch):
    async def main():
        monkeypatch.setattr("sitecontroller.ocpp.session.BOOT_WAIT_S", 0.3)
        async with running_site() as site, site.connect() as station:
            await still_answers(station)
            call = limit(site.dialect.session, 10)
            assert await silent(station)
            first, second = await hear(station), None
            assert first[2] == "SetChargingProfile"
            await accept(station, first)
            second = await hear(station)
            assert second[2:] == ["TriggerMessage", {"requestedMessage": "BootNotification"}]
            assert site.dialect.ready == [False]
            await call

    run(main())


def test_q12_a_refused_boot_lets_no_call_out(run, monkeypatch):
    async def main():
        monkeypatch.setattr("sitecontroller.ocpp.session.BOOT_WAIT_S", 0.2)
        async with running_site() as site, site.connect() as station:
            await still_answers(station)
            site.dialect.session.boot_answered = lambda: None
            await boot(station)
            call = limit(site.dialect.session, 10, deadline_s=0.2)
            assert await silent(station, 0.3)
            with pytest.raises(CallTimeout):
                await call

    run(main())


# Commands and Q50


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
