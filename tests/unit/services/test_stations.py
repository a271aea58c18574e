"""Stations: what is believed of them, and what they may not fill up."""

from datetime import UTC, datetime

import pytest

from sitecontroller.domain.topology import ChargingStation, Circuit, Evse, Topology
from sitecontroller.ports import StationRecord
from sitecontroller.publisher import Publisher
from sitecontroller.services.alarms import AlarmService
from sitecontroller.services.background import Background
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
