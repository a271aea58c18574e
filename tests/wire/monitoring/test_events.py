"""NotifyEvent: the answer, the history, and the alarm in words that stands until it is over."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from sitecontroller.domain.alarm import AlarmPriority
from sitecontroller.domain.monitoring import (
    Monitor,
    MonitorType,
    SetVariableMonitoring,
    StationEventsQuery,
)
from sitecontroller.domain.station import ConnectorStatus
from sitecontroller.domain.topology import EvseKey
from sitecontroller.services import station_events
from tests.wire.monitoring.words import alarms, event, history, set_by, tell
from tests.wire.site import instant


def test_a_tripped_protection_is_told_in_words_until_it_is_over(scene):
    """Proves: TC_N_49_CSMS."""

    async def play(site, charger):
        assert await tell(charger, event("RCD", "Tripped", "true")) == {}
        (alarm,) = alarms(site)
        assert alarm.text == "CP-01/1 reports: " + alarm.parameters["words"]
        assert "residual current" in alarm.text
        assert "RCD" not in alarm.text
        assert alarm.priority is AlarmPriority.HIGH
        assert "electrician" in alarm.remedy
        await tell(charger, event("RCD", "Tripped", "false", cleared=True, number=2))
        assert alarms(site) == []
        assert [e.words for e in await history(site)] == [alarm.parameters["words"]] * 2

    scene(play)


def test_every_event_is_answered_with_nothing(scene):
    """Proves: TC_N_21_CSMS."""

    async def play(site, charger):
        for number in range(3):
            assert await tell(charger, event(number=number)) == {}

    scene(play)


def test_periodic_events_are_history_and_no_alarm(scene):
    """Proves: TC_N_24_CSMS, TC_N_50_CSMS."""

    async def play(site, charger):
        for number in range(3):
            said = event("EVSE", "Power", "11000", trigger="Periodic", number=number)
            assert await tell(charger, said) == {}
        assert len(await history(site)) == 3
        assert alarms(site) == []
        assert alarms(site, "station-notice") == []

    scene(play)


def test_an_event_of_a_write_only_variable_has_no_value(scene):
    async def play(site, charger):
        said = event("SecurityCtrlr", "BasicAuthPassword", "", evse=None, trigger="Delta")
        assert await tell(charger, said) == {}
        assert (await history(site))[0].value == ""
        assert alarms(site) == []

    scene(play)


def test_the_severity_of_a_monitor_is_that_of_its_events(scene, version):
    """In 2.0.1 an event does not say how bad it is: its monitor does."""

    async def play(site, charger):
        charger.answers["SetVariableMonitoring"] = set_by()
        await site.site.controller.execute(
            SetVariableMonitoring(
                "CP-01",
                tuple(
                    Monitor("EVSE[1].Power", MonitorType.UPPER_THRESHOLD, 20000, severity=severity)
                    for severity in (2, 6, 8)
                ),
            )
        )
        for number in (100, 101, 102):
            said = event(
                "EVSE",
                "Power",
                "22000",
                number=number,
                origin="CustomMonitor",
                variableMonitoringId=number,
            )
            await tell(charger, said)
        assert [a.priority for a in alarms(site)] == [AlarmPriority.HIGH, AlarmPriority.LOW]
        assert [e.severity for e in await history(site)] == [8, 6, 2]

    scene(play)


@pytest.mark.parametrize(("severity", "priority"), [(0, "high"), (3, "high"), (4, "medium")])
@pytest.mark.parametrize("version", ["2.1"])
def test_in_2_1_an_event_says_itself_how_bad_it_is(scene, severity, priority):
    async def play(site, charger):
        await tell(charger, event("Display", "Problem", severity=severity))
        assert [a.priority for a in alarms(site)] == [priority]

    scene(play)


def test_alarms_are_told_apart_by_variable_evse_and_monitor(scene):
    async def play(site, charger):
        said = [
            event("RCD", "Tripped", evse=1),
            event("RCD", "Tripped", evse=2),
            event("PowerContactor", "Problem", evse=1),
            event("EVSE", "Power", "9", variableMonitoringId=1, cleared=False),
            event("EVSE", "Power", "9", variableMonitoringId=2, cleared=False),
        ]
        await tell(charger, *[{**row, "eventId": number} for number, row in enumerate(said)])
        assert len(alarms(site)) == 5
        await tell(charger, event("RCD", "Tripped", "false", evse=2, cleared=True))
        await tell(
            charger, event("EVSE", "Power", "1", variableMonitoringId=1, cleared=True, number=9)
        )
        left = {alarm.subject for alarm in alarms(site)}
        assert left == {
            "CP-01/RCD[1].Tripped",
            "CP-01/PowerContactor[1].Problem",
            "CP-01/EVSE[1].Power#2",
        }

    scene(play)


def test_several_faults_of_one_part_end_each_by_itself(scene):
    """EVerest tells all its errors as EVSE.Problem and tells them apart by techCode."""

    async def play(site, charger):
        await tell(charger, event(techCode="CX014", cleared=False))
        await tell(charger, event(techCode="CX017", cleared=False, number=2))
        assert [a.priority for a in alarms(site)] == [AlarmPriority.MEDIUM, AlarmPriority.HIGH]
        assert "power switch" in alarms(site)[1].text
        await tell(charger, event(techCode="CX017", value="false", cleared=True, number=3))
        assert len(alarms(site)) == 1
        await tell(charger, event(value="false", cleared=True, number=4))
        assert alarms(site) == []

    scene(play)


def test_the_cause_stands_with_what_it_brought_about(scene):
    async def play(site, charger):
        await tell(charger, event("LiquidCoolingSystem", "Problem", evse=None, number=7))
        await tell(charger, event("EVSE", "Temperature", "81", number=8, cause=7, cleared=False))
        hot = next(a for a in alarms(site) if "too hot" in a.text)
        assert hot.text == (
            "CP-01/1 reports: it is too hot (81) (because of: its cooling does not work)"
        )

    scene(play)


def test_a_cause_that_points_at_itself_ends(scene):
    async def play(site, charger):
        await tell(charger, event("RCD", "Tripped", number=1, cause=1))
        await tell(charger, event("RCD", "Problem", number=2, cause=3))
        await tell(charger, event("RCD", "Overload", number=3, cause=2))
        assert len(alarms(site)) == 3

    scene(play)


def test_what_is_over_by_its_value_needs_no_cleared(scene):
    """A Delta monitor tells the change to false, not that it is cleared."""

    async def play(site, charger):
        await tell(charger, event("TokenReader", "Problem", "true", trigger="Delta", evse=None))
        assert len(alarms(site)) == 1
        await tell(
            charger, event("TokenReader", "Problem", "false", trigger="Delta", evse=None, number=2)
        )
        assert alarms(site) == []

    scene(play)


def test_an_event_that_has_no_end_is_over_when_a_person_has_seen_it(scene):
    async def play(site, charger):
        await tell(charger, event("ShockSensor", "Force", "12", evse=None))
        (notice,) = alarms(site, "station-notice")
        await site.site.services.alarms.acknowledge(notice.key, "Keller")
        assert alarms(site, "station-notice") == []

    scene(play)


def test_a_change_that_nobody_needs_to_act_on_is_history_alone(scene):
    async def play(site, charger):
        await tell(
            charger,
            event("PowerContactor", "Active", "true", trigger="Delta"),
            event("EVSE", "Power", "3", trigger="Delta", number=2),
        )
        assert len(await history(site)) == 2
        assert alarms(site) == []

    scene(play)


def test_a_connectors_state_may_come_as_an_event(scene):
    """G01: instead of a StatusNotification, as 2.1 prefers it."""

    async def play(site, charger):
        said = {"trigger": "Delta", "evse": 2, "connector": 1}
        await tell(charger, event("Connector", "AvailabilityState", "Occupied", **said))
        state = site.site.services.stations.evse_state(EvseKey("CP-01", 2))
        assert state.connector_status is ConnectorStatus.OCCUPIED
        await tell(charger, event("Connector", "AvailabilityState", "Faulted", number=2, **said))
        assert [a.subject for a in alarms(site, "station-faulted")] == ["CP-01/2"]
        assert alarms(site) == []

    scene(play)


def test_a_state_of_long_ago_does_not_change_the_live_picture(scene):
    async def play(site, charger):
        long_ago = instant(datetime.now(UTC) - timedelta(hours=2))
        said = event(
            "Connector", "AvailabilityState", "Faulted", trigger="Delta", connector=1,
            timestamp=long_ago,
        )  # fmt: skip
        await tell(charger, said)
        assert alarms(site, "station-faulted") == []
        assert len(await history(site)) == 1

    scene(play)


def test_parts_of_one_message_are_taken_as_they_come(scene, caplog):
    async def play(site, charger):
        await tell(charger, event(number=1), seqNo=0, tbc=True)
        await tell(charger, event(number=2), seqNo=1, tbc=True)
        await tell(charger, event(number=3), seqNo=2)
        assert len(await history(site)) == 3
        await tell(charger, event(number=4), seqNo=0, tbc=True)
        await tell(charger, event(number=5), seqNo=2)

    scene(play)
    lost = [r for r in caplog.records if "of its events did not come" in r.getMessage()]
    assert [r.getMessage() for r in lost] == ["CP-01: part 2 of its events did not come"]


def test_an_event_sent_again_is_kept_once(scene):
    async def play(site, charger):
        said = event()
        await tell(charger, said)
        await tell(charger, said)
        assert len(await history(site)) == 1

    scene(play)


@pytest.mark.parametrize(
    "broken",
    [
        {"component": {}, "variable": {"name": "Problem"}},
        {"eventId": "x"},
        {"trigger": 7, "actualValue": 81.5},
        {"timestamp": "never"},
        {"severity": 77},
        {"component": {"name": "a/b.c[d]#e@f" * 3}},
        {"component": {"name": "\x00" * 50}},
        {"actualValue": None},
    ],
)
def test_a_broken_event_is_answered_and_breaks_nothing(scene, broken):
    async def play(site, charger):
        said = {**event(number=1), **broken}
        assert await tell(charger, said, event("RCD", "Tripped", number=2)) == {}
        assert any(alarm.subject == "CP-01/RCD[1].Tripped" for alarm in alarms(site))
        await history(site)

    scene(play)


def test_a_station_that_makes_up_troubles_is_bounded(scene, monkeypatch):
    monkeypatch.setattr(station_events, "KEPT_MAX", 50)

    async def play(site, charger):
        for start in range(0, 300, 50):
            made_up = [
                event(f"Made{number}", "Problem", number=number)
                for number in range(start, start + 50)
            ]
            await tell(charger, *made_up)
        assert len(alarms(site)) == station_events.ALARMS_MAX
        page = await site.site.controller.query(StationEventsQuery(limit=500))
        assert len(page.items) <= 50 + station_events.TRIM_EVERY

    scene(play)


def test_the_history_is_paged_for_each_station(scene):
    async def play(site, charger):
        for number in range(5):
            await tell(charger, event(number=number))
            await asyncio.sleep(0.002)
        first = await site.site.controller.query(StationEventsQuery(limit=3, station_id="CP-01"))
        rest = await site.site.controller.query(
            StationEventsQuery(limit=3, station_id="CP-01", cursor=first.next)
        )
        assert [e.event_id for e in (*first.items, *rest.items)] == [4, 3, 2, 1, 0]
        assert await history(site, "CP-02") == []

    scene(play)
