"""Stations: what is believed of them, and what they may not fill up."""

from datetime import UTC, datetime

import pytest

from sitecontroller.domain.station import ConnectorStatus, StatusReported
from sitecontroller.domain.topology import ChargingStation, Circuit, Evse, Topology
from sitecontroller.ports import StationRecord
from sitecontroller.publisher import Publisher
from sitecontroller.services.alarms import AlarmService
from sitecontroller.services.background import Background
from sitecontroller.services.evse_state import CONNECTORS_MAX
from sitecontroller.services.stations import StationService
from sitecontroller.storage.store import Store

EVSES = tuple(Evse("CP-01", number, "main") for number in (1, 2))
TOPOLOGY = Topology(
    {"main": Circuit("main", "Main", None, (63.0, 63.0, 63.0), 2.0)},
    {"CP-01": ChargingStation("CP-01", EVSES)},
    {},
)


class FixedClock:
    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic_s(self) -> float:
        return 0.0


@pytest.fixture
def scene(run, tmp_path):
    """`scene(play, *records)` runs `await play(stations, alarms)`; the records are in the store."""

    async def staged(play, records):
        clock = FixedClock()
        store = await Store.open(tmp_path / "site.db", clock)
        background = Background()
        publisher = Publisher()
        alarms = AlarmService(store, clock, publisher, background)
        stations = StationService(
            TOPOLOGY, store, clock, publisher, alarms, pepper=b"pepper", heartbeat_interval_s=300
        )
        try:
            for record in records:
                await store.commit(lambda tx, row=record: tx.put_station(row))
            await stations.load()
            await play(stations, alarms)
        finally:
            await background.close(within_s=5)
            await store.close()

    return lambda play, *records: run(staged(play, records))


def test_a_station_is_admitted_when_it_has_a_password(scene):
    async def play(stations, alarms):
        assert stations.admitted("CP-01")

    scene(play, StationRecord("CP-01", password_hash="00"))


@pytest.mark.parametrize("station_id", ["CP-01", "STRANGER"])
def test_a_station_without_a_password_is_not_admitted_whatever_site_toml_says(scene, station_id):
    async def play(stations, alarms):
        assert not stations.admitted(station_id)

    scene(play, StationRecord("CP-01"))


def status(evse_id, connector_id, said=ConnectorStatus.FAULTED):
    return StatusReported("CP-01", evse_id, connector_id, said, FixedClock().now())


def test_made_up_evses_make_no_alarms_and_one_warning(scene):
    async def play(stations, alarms):
        for evse_id in range(3, 303):
            await stations.status_reported(status(evse_id, 1))
        assert alarms.open() == ()
        assert len(stations.state("CP-01").record.warnings) == 1

    scene(play)


def test_made_up_connectors_are_not_believed_nor_stored(scene):
    async def play(stations, alarms):
        for connector_id in range(CONNECTORS_MAX + 1, 200):
            await stations.status_reported(status(1, connector_id))
        state = stations.state("CP-01")
        assert state.evses[1].connectors == {}
        assert not state.record.connector_status
        assert alarms.open() == ()
        assert len(state.record.warnings) == 1

    scene(play)


def test_made_up_connectors_of_an_earlier_run_are_forgotten(scene):
    async def play(stations, alarms):
        assert stations.state("CP-01").evses[1].connectors == {1: ConnectorStatus.AVAILABLE}

    known = {"1/1": "Available", "1/77": "Faulted", "1/0": "Faulted"}
    scene(play, StationRecord("CP-01", connector_status=known))


def test_an_evse_stays_faulted_while_one_of_its_connectors_is(scene):
    async def play(stations, alarms):
        await stations.status_reported(status(1, 1))
        await stations.status_reported(status(1, 2, ConnectorStatus.AVAILABLE))
        assert [alarm.active for alarm in alarms.open()] == [True]
        await stations.status_reported(status(1, 1, ConnectorStatus.AVAILABLE))
        assert [alarm.active for alarm in alarms.open()] == [False]

    scene(play)


def test_alarms_of_what_site_toml_no_longer_has_are_over_at_start(scene):
    async def play(stations, alarms):
        alarms.raise_("station-faulted", "CP-01/77", evse="CP-01/77", error="x")
        alarms.raise_("station-offline", "CP-99", station="CP-99", since="12:00 UTC")
        alarms.raise_("station-faulted", "CP-01/2", evse="CP-01/2", error="x")
        await stations.load()
        assert [alarm.key for alarm in alarms.open() if alarm.active] == ["station-faulted:CP-01/2"]

    scene(play)
