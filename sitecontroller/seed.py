"""What a new site's database starts from: station passwords, cards and a first tariff."""

from dataclasses import dataclass, field

from sitecontroller.config import SiteConfig
from sitecontroller.domain.authorization import TokenRecord
from sitecontroller.domain.tariff import Tariff
from sitecontroller.ports import Clock, StationRecord, UnitOfWork
from sitecontroller.services.credentials import password_hash
from sitecontroller.statedir import StateDir


@dataclass(frozen=True, slots=True)
class Seed:
    """First rows. `passwords` are in clear, by station id; only their hashes are kept."""

    passwords: dict[str, str] = field(default_factory=dict)
    tokens: tuple[TokenRecord, ...] = ()
    tariff: Tariff | None = None


async def plant(config: SiteConfig, clock: Clock, seed: Seed) -> None:
    """Make the database and write the first rows. Raises Conflict while a controller runs."""
    from sitecontroller.storage.store import Store  # heavy, and few commands need it

    state_dir = StateDir(config.state_dir)
    state_dir.lock()
    try:
        store = await Store.open(state_dir.database, clock)
        try:
            await store.commit(_plant, seed, state_dir.pepper())
        finally:
            await store.close()
    finally:
        state_dir.unlock()


def _plant(tx: UnitOfWork, seed: Seed, pepper: bytes) -> None:
    for station_id, password in seed.passwords.items():
        kept = password_hash(pepper, password.encode())
        tx.put_station(StationRecord(station_id, password_hash=kept))
    for token in seed.tokens:
        tx.put_token(token)
    if seed.tariff is not None:
        tx.add_tariff(seed.tariff)
