"""Q08 to Q10 and Q12: two sockets for one station, silence, restarts, and when our calls may go."""

import asyncio
import contextlib

import pytest

from sitecontroller.domain.errors import CallTimeout, ConnectionLost
from sitecontroller.ocpp.link import LinkTraits
from tests.support import eventually
from tests.wire.ocpp_core.site import (
    STATUS,
    accept,
    ask,
    boot,
    deaf_station,
    hear,
    limit,
    refusal,
    running_site,
    silent,
    still_answers,
    tell,
)


async def _connected(site):
    return await site.connect()


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
