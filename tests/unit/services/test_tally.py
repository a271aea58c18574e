"""The site's head line, counted step by step, says what its stations' views add up to."""

import inspect
from collections import Counter
from decimal import Decimal
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from sitecontroller.config import parse_config
from sitecontroller.domain.authorization import IdToken, IdTokenType, TokenRecord
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.station import (
    ChargingState,
    ConnectorStatus,
    OcppVersion,
    StationTime,
    StatusReported,
)
from sitecontroller.domain.topology import EvseKey
from sitecontroller.domain.transaction import (
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
)
from sitecontroller.domain.views import EvseActivity
from sitecontroller.pki.reader import Reader
from sitecontroller.pki.sources import AllowedSources
from sitecontroller.ports import StationRecord
from sitecontroller.services.assembly import SiteServices, assemble
from sitecontroller.services.background import Background
from sitecontroller.services.picture import Picture
from sitecontroller.services.trust import Trust
from sitecontroller.storage.store import Store
from tests.contract.fakes import HandClock

STATIONS = ("CP-1", "CP-2", "CP-3")
EVSES = (1, 2)
STEPS = 200
CARD = "04A1B2C3"
TRUST = Trust(None, Reader(), AllowedSources(()))


class CarPark:
    """Real services on a database; every step is something a station or load management does."""

    def __init__(self, random: Random, clock: HandClock, services: SiteServices) -> None:
        self._random = random
        self._clock = clock
        self._services = services
        self._links: dict[str, Any] = {}
        self._running: dict[EvseKey, str] = {}
        self._connections = 0
        self._register_wh = 0.0

    async def step(self) -> None:
        self._clock.passed_s += self._random.choice((0.0, 1.0, 30.0))
        key = EvseKey(self._random.choice(STATIONS), self._random.choice(EVSES))
        steps = (
            *(self.connect, self.connect, self.disconnect, self.say_status, self.say_status),
            *(self.start, self.end, self.end, self.go_on, self.measure, self.measure),
            *(self.share, self.share),
        )
        done = self._random.choice(steps)(key)
        if inspect.isawaitable(done):
            await done

    async def connect(self, key: EvseKey) -> None:
        self._connections += 1
        link: Any = SimpleNamespace(
            station_id=key.station_id,
            version=OcppVersion.V16,
            generation=self._connections,
            clock_offset_s=0.0,
            holds_leases=True,
            supports=lambda _: False,
        )
        self._links[key.station_id] = link
        await self._services.stations.connected(link, "10.0.0.1")
        self._services.stations.ready(link, rebooted=False)

    def disconnect(self, key: EvseKey) -> None:
        if key.station_id in self._links:
            self._services.stations.disconnected(self._links.pop(key.station_id))

    async def say_status(self, key: EvseKey) -> None:
        await self._services.stations.status_reported(
            StatusReported(
                key.station_id,
                self._random.choice((0, key.evse_id, key.evse_id)),
                1,
                self._random.choice((*ConnectorStatus, ConnectorStatus.AVAILABLE)),
                self._clock.now(),
                charging_state=self._random.choice((None, *ChargingState)),
                finishing=self._random.random() < 0.2,
            )
        )

    async def start(self, key: EvseKey) -> None:
        outcome = await self._services.transactions.started(
            TransactionStarted(
                key.station_id,
                key.evse_id,
                1,
                IdToken(CARD),
                StationTime(self._clock.now()),
                self._clock.now(),
                meter_start_wh=self._register(),
            )
        )
        self._running[key] = outcome.transaction.station_transaction_id

    async def go_on(self, key: EvseKey) -> None:
        if key in self._running:
            await self._services.transactions.updated(
                TransactionUpdated(
                    key.station_id,
                    self._running[key],
                    StationTime(self._clock.now()),
                    self._clock.now(),
                    evse_id=key.evse_id,
                    readings=(MeterReading(self._clock.now(), energy_import_wh=self._register()),),
                    charging_state=self._random.choice((None, *ChargingState)),
                )
            )

    async def end(self, key: EvseKey) -> None:
        if key in self._running:
            await self._services.transactions.ended(
                TransactionEnded(
                    key.station_id,
                    self._running.pop(key),
                    StationTime(self._clock.now()),
                    self._clock.now(),
                    meter_stop_wh=self._register(),
                )
            )

    def measure(self, key: EvseKey) -> None:
        power_w = self._random.choice((None, 0.0, 50.0, 3680.0))
        reading = MeterReading(self._clock.now(), power_w=power_w)
        self._services.metering.evse_measured(key, reading)

    def share(self, _key: EvseKey) -> None:
        self._services.load.cycle(self._clock.monotonic_s())

    def _register(self) -> float:
        self._register_wh += self._random.choice((0.0, 0.25, 1234.567))
        return self._register_wh


def added_up(picture: Picture, services: SiteServices) -> dict[str, Any]:
    """The figures of the head line, from every view and every transaction."""
    views = [picture.station(station_id) for station_id in picture.ids().stations]
    count = Counter(evse.activity for view in views if view is not None for evse in view.evses)
    running = services.transactions.running()
    running_wh = sum((item.energy_wh or Decimal(0) for item in running), Decimal(0))
    return {
        "charging": count[EvseActivity.CHARGING],
        "free": count[EvseActivity.AVAILABLE],
        "faulted": count[EvseActivity.FAULTED],
        "offline": count[EvseActivity.OFFLINE],
        "energy_wh": float(services.transactions.energy_ended_wh + running_wh),
    }


async def compare_at_every_step(directory: Path, seed: int) -> Counter[tuple[str, Any]]:
    """Let anything happen, look after each step; which figures were ever seen."""
    evses = [{"current_a_max": 16} for _ in EVSES]
    stations = [{"id": name, "circuit": "main", "evses": evses} for name in STATIONS]
    config = parse_config(
        {
            "site": {"id": "TEST"},
            "circuits": [{"id": "main", "limit_a": 50}],
            "stations": stations,
        },
        base_dir=directory,
    )
    clock, background = HandClock(), Background()
    store = await Store.open(directory / "site.db", clock)
    for name in STATIONS:
        record = StationRecord(name, password_hash="known")
        await store.commit(lambda tx, record=record: tx.put_station(record))
    await store.commit(lambda tx: tx.put_token(TokenRecord(CARD, IdTokenType.ISO14443)))
    try:
        services = await assemble(
            config, store, clock, background, SimpleNamespace(), b"pepper", TRUST
        )
        picture = Picture(config, services, version="1")
        car_park, seen = CarPark(Random(seed), clock, services), Counter[tuple[str, Any]]()
        for _ in range(STEPS):
            await car_park.step()
            site, truth = picture.site(), added_up(picture, services)
            shown = {name: getattr(site, name) for name in truth}
            assert shown == truth
            seen.update(shown.items())
        return seen
    finally:
        await background.close(within_s=5)
        await store.close()


@pytest.mark.parametrize("seed", range(4))
def test_the_head_line_is_the_sum_of_the_views_whatever_happens(run, tmp_path, seed):
    seen = run(compare_at_every_step(tmp_path, seed))
    for figure in ("charging", "free", "faulted", "offline"):
        assert any(number for name, number in seen if name == figure), f"{figure} stayed 0"
