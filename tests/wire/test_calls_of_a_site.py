"""Q09, Q10, Q12, Q14, Q46, Q47 and Q50 with the whole controller: what goes over the wire, is
stored and shown. Each case of the wire itself stands in `ocpp_core`, of limits in `limits`."""

import asyncio
import contextlib
import json

import pytest

from sitecontroller.domain.commands import CallStation, CommandState, PauseCharging
from sitecontroller.domain.errors import StationOffline
from sitecontroller.domain.queries import JournalQuery
from sitecontroller.ocpp.session import BOOT_WAIT_S
from sitecontroller.simulation.virtual_time import VirtualLoop, virtual_clock
from tests.support import eventually
from tests.wire.limits.box import box_at
from tests.wire.ocpp_core.site import request
from tests.wire.site import CARDS, boot16, running_site
from tests.wire.test_doors_of_a_site import LOGIN, online
from tests.wire.transactions.scenes import start

NO_PINGS, STAYS_AWAY = "EVduty Inc", "JIGU"
PING_S, PONG_WAIT_S, POLL_S, CALL_S = 20, 20, 60, 10
LAPSED_S = 320
"""Limits of an earlier controller have lapsed."""


@pytest.fixture
def site_run(run, tmp_path):
    """`site_run(play)`: `await play(site)` in virtual time, `again` with what was left before."""

    def played(play, *, again=False):
        async def main():
            async with running_site(tmp_path, clock=virtual_clock(), planted=again) as site:
                await play(site)

        run(main(), loop_factory=VirtualLoop)

    return played


async def frames(site, action):
    """The payloads of that call in the journal, newest first."""
    entries = (await site.site.controller.query(JournalQuery(action=action))).items
    return [json.loads(entry.text)[3] for entry in entries if entry.kind == "call"]


@contextlib.asynccontextmanager
async def deaf(site):
    """A station that is let in and then neither says anything nor answers a ping."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.site.ocpp_port)
    try:
        writer.write(request("/CP-01", Authorization=LOGIN))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        yield
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def stored_boot(site, station_id="CP-01"):
    """The station's row, what it said at boot; None before its first."""
    stored = await site.site.store.read(lambda tx: tx.station(station_id))
    return None if stored is None else stored.boot


async def order(site):
    """Direction, kind and action of what the journal holds of CP-01, oldest first."""
    entries = (await site.site.controller.query(JournalQuery(station_id="CP-01"))).items
    return [(entry.direction, entry.kind, entry.action) for entry in reversed(entries)]


def limit_view(site, station_id="CP-01"):
    return site.site.controller.station_view(station_id).evses[0].limit


# Q09


def test_q09_a_station_that_answers_no_ping_is_shown_offline_and_its_session_stays(site_run):
    async def play(site):
        async with site.charger() as charger:
            await boot16(charger)
            await charger.call("StartTransaction", start())
        async with deaf(site):
            await eventually(lambda: online(site))
            await asyncio.sleep(PING_S - 5)
            assert online(site)
            await eventually(lambda: not online(site), PONG_WAIT_S + 10)
        ends = (await site.site.controller.query(JournalQuery(station_id="CP-01"))).items
        assert ends[0].kind == "disconnect"
        assert (await site.row()).active

    site_run(play)


def test_q09_a_model_without_pings_is_polled_shown_online_and_dropped_when_it_is_dead(site_run):
    async def play(site):
        async with site.charger() as charger:
            await boot16(charger, vendor=NO_PINGS)
        async with site.charger() as charger:
            await asyncio.sleep(LAPSED_S)
            before = len(charger.asked)
            await asyncio.sleep(3 * POLL_S + 5)
            assert len(charger.asked) - before >= 2
            assert online(site)
            for action, _ in charger.asked:
                charger.answers[action] = lambda _: None
            await eventually(lambda: not online(site), 2 * (POLL_S + CALL_S) + POLL_S)
        stored = await site.site.store.read(lambda tx: tx.station("CP-01"))
        assert stored.boot.vendor == NO_PINGS

    site_run(play)


# Q10


@pytest.mark.parametrize(("vendor", "code"), [("Test", 1001), (STAYS_AWAY, 1006)])
def test_q10_stations_and_their_sessions_are_there_again_after_a_stop(
    run, tmp_path, site_run, vendor, code
):
    async def stopped():
        async with running_site(tmp_path, clock=virtual_clock()) as site:
            charger = await opened.enter_async_context(site.charger())
            await boot16(charger, vendor=vendor)
            await charger.call("StartTransaction", start())
            return charger

    async def main():
        charger = await stopped()
        await charger.socket.wait_closed()
        assert charger.socket.close_code == code
        await opened.aclose()

    async def play(site):
        assert (await site.row()).active
        assert not online(site)
        async with site.charger() as charger:
            await boot16(charger, vendor=vendor)
            await eventually(lambda: online(site))
        assert (await site.row()).active

    opened = contextlib.AsyncExitStack()
    run(main(), loop_factory=VirtualLoop)
    site_run(play, again=True)


# Q12


def test_q12_nothing_is_said_to_a_station_before_its_boot_is_stored_and_answered(site_run):
    async def play(site):
        controller = site.site.controller
        async with site.charger() as charger:
            await eventually(lambda: online(site))
            await asyncio.sleep(BOOT_WAIT_S - 5)
            with pytest.raises(StationOffline, match="boot isn't answered yet"):
                await controller.execute(CallStation("CP-01", "ClearCache"))
            assert not charger.asked
            assert await stored_boot(site) is None
            assert controller.station_view("CP-01").vendor is None
            await boot16(charger, vendor="Test")
            asked = await controller.execute(CallStation("CP-01", "ClearCache"))
            assert asked.state is CommandState.ACCEPTED
        assert (await stored_boot(site)).vendor == "Test"
        assert controller.station_view("CP-01").vendor == "Test"
        written = await order(site)
        booted = written.index(("out", "result", "BootNotification"))
        assert all(direction == "in" or kind != "call" for direction, kind, _ in written[:booted])
        assert ("out", "call", "ClearCache") in written[booted:]

    site_run(play)


def test_q12_a_station_that_never_boots_is_called_after_a_while_and_asked_to_boot(site_run):
    async def play(site):
        controller = site.site.controller
        async with site.charger() as charger:
            await eventually(lambda: online(site))
            await asyncio.sleep(BOOT_WAIT_S + 5)
            assert {"requestedMessage": "BootNotification"} in charger.asked_for("TriggerMessage")
            asked = await controller.execute(CallStation("CP-01", "ClearCache"))
            assert asked.state is CommandState.ACCEPTED
        assert await stored_boot(site) is None
        entries = (await controller.query(JournalQuery(station_id="CP-01"))).items
        connected = next(entry.at for entry in entries if entry.kind == "connect")
        first = min(e.at for e in entries if (e.direction, e.kind) == ("out", "call"))
        assert (first - connected).total_seconds() >= BOOT_WAIT_S

    site_run(play)


# Q14


def set_up(charger, found):
    """It keeps in `found` what it is told, and tells all of it."""

    def read(_):
        rows = [{"key": key, "readonly": False, "value": value} for key, value in found.items()]
        return {"configurationKey": rows, "unknownKey": []}

    def write(payload):
        found[payload["key"]] = payload["value"]
        return {"status": "Accepted"}

    charger.answers |= {"GetConfiguration": read, "ChangeConfiguration": write}


def test_q14_what_a_model_was_told_is_stored_and_not_repeated_after_a_restart(site_run):
    found = {"MeterValueSampleInterval": "60", "MeterValuesSampledData": "Energy"}

    async def told(site):
        async with site.charger() as charger:
            set_up(charger, found)
            await boot16(charger)
            await asyncio.sleep(60)
            written = [each["key"] for each in charger.asked_for("ChangeConfiguration")]
            return written, {} in charger.asked_for("GetConfiguration")

    async def first(site):
        written, read_all = await told(site)
        assert "MeterValueSampleInterval" in written
        assert read_all
        assert found["MeterValueSampleInterval"] == "10"
        wanted = {"key": "MeterValueSampleInterval", "value": "10"}
        assert wanted in await frames(site, "ChangeConfiguration")

    async def second(site):
        assert await told(site) == ([], False)
        found["MeterValueSampleInterval"] = "60"  # a reset to the factory's
        written, _ = await told(site)
        assert "MeterValueSampleInterval" in written

    site_run(first)
    site_run(second, again=True)


def test_q14_a_station_that_answers_no_set_up_charges_all_the_same(site_run):
    async def play(site):
        async with site.charger() as charger:
            for action in ("GetConfiguration", "ChangeConfiguration"):
                charger.answers[action] = lambda _: None
            await boot16(charger)
            await asyncio.sleep(120)
            set_up_commands = [a for a, _ in charger.asked if a.endswith("Configuration")]
            assert len(set_up_commands) <= 3
            assert online(site)
            assert (await charger.call("StartTransaction", start()))["idTagInfo"]["status"] == (
                "Accepted"
            )
            assert (await site.row()).active

    site_run(play)


# Q46, Q47


def test_q46_q47_what_is_shown_is_what_was_told_and_never_between_a_pause_and_the_minimum(site_run):
    """A car that takes nearly all for a moment leaves the other less than its minimum: a pause."""

    async def play(site):
        await asyncio.sleep(LAPSED_S)
        async with box_at(site) as first, box_at(site, "CP-02") as second:
            for box, card in ((first, CARDS[0]), (second, CARDS[1])):
                await box.begin(card)
            await asyncio.sleep(60)
            before, first.car_a = len(second.limits), 59.0
            first.obeys = lambda purpose, level: False
            await asyncio.sleep(9)
            first.car_a, first.obeys = 32.0, lambda purpose, level: True
            for _ in range(70):
                await asyncio.sleep(10)
                for station_id in ("CP-01", "CP-02"):
                    shown_a = limit_view(site, station_id).current_a
                    assert shown_a == 0 or shown_a >= 6
            assert 0 in second.limits[before:]
            for limit in (*first.limits, *second.limits):
                assert limit == 0 or limit >= 6
                assert round(limit * 10) == pytest.approx(limit * 10)
            for box, station_id in ((first, "CP-01"), (second, "CP-02")):
                told_a, shown_a = box.limits[-1], limit_view(site, station_id).current_a
                assert told_a <= shown_a + 1e-6 < told_a + 0.1
            assert [row.active for row in await site.rows()] == [True, True]

    site_run(play)


# Q50


def test_q50_a_pause_passes_a_stalled_call_and_no_older_limit_follows(site_run):
    async def play(site):
        await asyncio.sleep(LAPSED_S)
        controller = site.site.controller
        async with box_at(site) as box:
            await box.begin()
            await asyncio.sleep(60)
            assert box.drawn_a > 6
            row = await site.row()
            box.charger.answers["ClearCache"] = lambda _: None
            stalled = asyncio.ensure_future(controller.execute(CallStation("CP-01", "ClearCache")))
            await eventually(lambda: box.charger.asked_for("ClearCache"))
            paused = await controller.execute(PauseCharging(row.key))
            before = len(box.limits)
            await eventually(lambda: box.drawn_a == 0, 6)
            assert (await stalled).state is CommandState.SENT
            find = controller.command_result
            await eventually(lambda: find(paused.command_id).state is CommandState.EFFECTIVE, 60)
            assert set(box.limits[before:]) == {0}
            assert limit_view(site).reason == "0 A: paused by an attendant"
            assert (await site.row()).active
            sent = await eventually(lambda: frames(site, "SetChargingProfile"))
            schedule = sent[0]["csChargingProfiles"]["chargingSchedule"]
            assert schedule["chargingSchedulePeriod"][0]["limit"] == 0

    site_run(play)
