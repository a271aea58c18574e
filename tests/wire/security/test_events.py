"""Security events: kept before they are answered, counted, bounded, and alarms in plain words."""

import asyncio
import subprocess

import pytest
from websockets.exceptions import InvalidStatus

from sitecontroller.domain.security import EventSource, SecurityEventsQuery
from sitecontroller.services import security_log
from tests.support import eventually
from tests.wire.security.site import Box, secure_site
from tests.wire.security.test_certificates import alarm_codes
from tests.wire.security.test_profiles import refusal
from tests.wire.site import instant, running_site

VERSIONS = pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])


async def events(site, station_id=None, limit=50):
    query = SecurityEventsQuery(limit=limit, station_id=station_id)
    return (await site.site.controller.query(query)).items


async def noted(site, event_type, station_id=None):
    """The only row of that type, once it is there: the controller's own notes follow soon."""

    async def found():
        return [e for e in await events(site, station_id) if e.type == event_type]

    (event,) = await eventually(found)
    return event


async def tell(charger, event_type, **rest):
    return await charger.call(
        "SecurityEventNotification", {"type": event_type, "timestamp": instant(), **rest}
    )


@VERSIONS
def test_an_event_is_kept_and_answered(run, tmp_path, version):
    async def play() -> None:
        async with running_site(tmp_path) as site:
            made = Box(version=version)
            async with made.connected(site, tls=False) as charger:
                await made.boot(charger)
                assert await tell(charger, "InvalidMessages", techInfo="bad\x00 frame") == {}
                (event,) = await events(site, "CP-01")
                assert (event.type, event.info) == ("InvalidMessages", "bad frame")
                assert event.source is EventSource.STATION
                assert "station-security" not in alarm_codes(site)

    run(play())


@pytest.mark.parametrize(
    ("event_type", "words", "priority"),
    [
        ("TamperDetectionActivated", "its housing was opened", "high"),
        ("SecurityLogWasCleared", "its security log was cleared", "medium"),
        ("InvalidCsmsCertificate", "doesn't trust this controller's certificate", "medium"),
        ("maintenanceloginfailed", "failed to log in", "medium"),
    ],
)
def test_a_critical_event_is_an_alarm_in_plain_words(run, tmp_path, event_type, words, priority):
    async def play() -> None:
        async with running_site(tmp_path) as site:
            made = Box()
            async with made.connected(site, tls=False) as charger:
                await made.boot(charger)
                await tell(charger, event_type)
                (alarm,) = [
                    a for a in site.site.services.alarms.open() if a.code == "station-security"
                ]
                assert words in alarm.text
                assert alarm.priority == priority
                assert alarm.remedy

    run(play())


def test_what_belongs_to_ordinary_life_is_an_alarm_when_it_comes_again_and_again(run, tmp_path):
    async def play() -> None:
        async with running_site(tmp_path) as site:
            made = Box()
            async with made.connected(site, tls=False) as charger:
                await made.boot(charger)
                for _ in range(4):
                    await tell(charger, "StartupOfTheDevice")
                assert "station-security" not in alarm_codes(site)
                await tell(charger, "StartupOfTheDevice")
                assert "station-security" in alarm_codes(site)
                (event,) = await events(site, "CP-01")
                assert event.count == 5

    run(play())


def test_events_are_paged_newest_first_for_one_station_or_all(run, tmp_path):
    async def play() -> None:
        async with running_site(tmp_path) as site:
            for station_id in ("CP-01", "CP-02"):
                made = Box(station_id)
                async with made.connected(site, tls=False) as charger:
                    await made.boot(charger)
                    for number in range(3):
                        await tell(charger, f"Maker{number}")
            one = await events(site, "CP-01")
            assert [event.type for event in one] == ["Maker2", "Maker1", "Maker0"]
            first = await site.site.controller.query(SecurityEventsQuery(limit=4))
            rest = await site.site.controller.query(SecurityEventsQuery(4, first.next))
            assert len(first.items) + len(rest.items) == 6

    run(play())


def test_a_stations_flood_of_events_pushes_no_other_stations_out(run, tmp_path, monkeypatch):
    monkeypatch.setattr(security_log, "EVENTS_PER_STATION_MAX", 20)
    monkeypatch.setattr(security_log, "TRIMMED_EVERY", 10)

    async def play() -> None:
        async with running_site(tmp_path) as site:
            quiet, loud = Box("CP-02"), Box("CP-01")
            async with quiet.connected(site, tls=False) as charger:
                await quiet.boot(charger)
                await tell(charger, "TamperDetectionActivated")
            async with loud.connected(site, tls=False) as charger:
                await loud.boot(charger)
                for number in range(65):
                    await tell(charger, f"Noise{number}")
            assert len(await events(site, "CP-01", 500)) <= 30
            assert len(await events(site, "CP-02")) == 1

    run(play())


def test_wrong_passwords_are_counted_in_one_row_and_become_an_alarm(run, tmp_path):
    async def play() -> None:
        async with running_site(tmp_path) as site:
            made = Box(password="x" * 40)
            await asyncio.gather(*(refusal(made, site, tls=False) for _ in range(4)))
            alarms = site.site.services.alarms
            (alarm,) = [a for a in alarms.open() if a.code == "login-refused"]
            assert "CP-01 was turned away" in alarm.text
            assert "127.0.0.1" in alarm.text
            event = await noted(site, "LoginRefused", "CP-01")
            assert event.source is EventSource.CONTROLLER

    run(play())


def test_strangers_are_counted_together_and_their_names_are_not_kept(run, tmp_path):
    async def play() -> None:
        async with running_site(tmp_path) as site:
            for name in ("EVIL-1", "EVIL-2"):
                await refusal(Box(), site, tls=False, path=name)
            event = await noted(site, "LoginRefused")
            assert event.station_id is None
            assert "EVIL" not in event.info

    run(play())


def test_a_second_device_with_a_stations_name_is_noted(run, tmp_path):
    async def play() -> None:
        async with running_site(tmp_path) as site:
            made = Box()
            async with made.connected(site, tls=False) as charger:
                await made.boot(charger)
                with pytest.raises(InvalidStatus):
                    async with made.connected(site, tls=False):
                        pass
                await noted(site, "DuplicateConnectionRefused", "CP-01")

    run(play())


def test_a_tls_handshake_that_fails_says_why(run, tmp_path):
    """A charger that doesn't trust our root is the usual case."""

    async def play() -> None:
        async with secure_site(tmp_path) as site:
            address = f"127.0.0.1:{site.site.ocpp_port}"
            await asyncio.to_thread(
                subprocess.run,
                ["openssl", "s_client", "-connect", address, "-verify_return_error"],
                input=b"",
                capture_output=True,
                timeout=10,
                check=False,
            )
            event = await noted(site, "TlsHandshakeFailed")
            assert "unknown ca" in event.info
            assert "127.0.0.1" in event.info

    run(play())
