"""A whole site for a test: the real controller on a free port, with a real database."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from sitecontroller.app import Site, build
from sitecontroller.clock import SystemClock
from sitecontroller.config import SiteConfig, parse_config
from sitecontroller.domain.authorization import IdTokenType, TokenRecord
from sitecontroller.domain.tariff import PriceComponent, Tariff, TariffDimension
from sitecontroller.domain.transaction import Transaction
from sitecontroller.ports import Clock, UnitOfWork
from sitecontroller.seed import Seed, plant
from sitecontroller.simulation.virtual_time import VirtualLoop, virtual_clock
from tests.wire.charger import Charger, charger_at

PASSWORD = "0123456789abcdef0123456789abcdef01234567"
CARDS = ("CARD0001", "CARD0002", "CARD0003")
STATIONS = ("CP-01", "CP-02")
EVSES_EACH = 2
KWH_PRICE = Decimal("0.50")
SESSION_FEE = Decimal("1.00")

TARIFF = Tariff(
    tariff_id="standard",
    version=1,
    name="Standard",
    currency="EUR",
    components=(
        PriceComponent(TariffDimension.ENERGY, KWH_PRICE, Decimal(19)),
        PriceComponent(TariffDimension.FLAT, SESSION_FEE, Decimal(19)),
    ),
    valid_from=datetime(2020, 1, 1, tzinfo=UTC),
)


def site_config(
    directory: Path,
    *,
    fallback_a: float = 0.0,
    stations: Sequence[str] = STATIONS,
    files: dict[str, Any] | None = None,
    plug_and_charge: dict[str, Any] | None = None,
    sections: dict[str, Any] | None = None,
    groups: Sequence[dict[str, Any]] = (),
    **ocpp: Any,
) -> SiteConfig:
    """Two stations of two EVSEs each behind one fuse of 63 A, no meter, free ports; `sections`:
    more of site.toml."""
    evse = {"current_a_max": 63, "fallback_a": fallback_a}
    return parse_config(
        {
            "site": {"id": "TEST", "name": "Test site"},
            "ocpp": {"host": "127.0.0.1", "port": 0, "security": {"tls": False}, **ocpp},
            "api": {"port": 0},
            "files": files or {},
            "plug_and_charge": plug_and_charge or {},
            "groups": list(groups),
            "circuits": [{"id": "main", "name": "Main fuse", "limit_a": 63}],
            "stations": [
                {
                    "id": station_id,
                    "circuit": "main",
                    "evses": [evse] * EVSES_EACH,
                }
                for station_id in stations
            ],
            **(sections or {}),
        },
        base_dir=directory,
    )


@dataclass(slots=True)
class TestSite:
    """A running site and the questions tests ask of it."""

    __test__ = False

    site: Site

    async def rows(self) -> Sequence[Transaction]:
        """Every stored transaction, oldest first."""

        def all_rows(tx: UnitOfWork) -> Sequence[Transaction]:
            page = tx.transaction_page(500, None)
            found = [*page.items]
            while page.next is not None:
                page = tx.transaction_page(500, page.next)
                found += page.items
            return tuple(reversed(found))

        return await self.site.store.read(all_rows)

    async def row(self) -> Transaction:
        """The only stored transaction."""
        rows = await self.rows()
        assert len(rows) == 1, f"{len(rows)} transactions stored"
        return rows[0]

    async def outbox_kinds(self) -> list[str]:
        """The kinds of the facts for HQ, in order."""

        def kinds(tx: Any) -> list[str]:
            rows = tx.connection.execute("SELECT kind FROM outbox ORDER BY seq")
            return [kind for (kind,) in rows]

        return await self.site.store.read(kinds)

    def charger(
        self, station_id: str = "CP-01", version: str = "1.6", password: str = PASSWORD
    ) -> Any:
        """Connect a charger (an async context manager)."""
        return charger_at(
            f"ws://127.0.0.1:{self.site.ocpp_port}/ocpp", station_id, password, version
        )


@asynccontextmanager
async def running_site(
    directory: Path,
    *,
    clock: Clock | None = None,
    tariff: Tariff | None = TARIFF,
    planted: bool = False,
    commissioning: timedelta | None = None,
    config_path: Path | None = None,
    stations: Sequence[str] = STATIONS,
    **ocpp: Any,
) -> AsyncIterator[TestSite]:
    """Start a site in a directory; `planted`: its database exists from an earlier start. Its clock
    is that of a virtual loop, where it runs on one."""
    config = site_config(directory, stations=stations, **ocpp)
    used = clock or _clock()
    if not planted:
        tokens = tuple(TokenRecord(card, IdTokenType.ISO14443, card) for card in CARDS)
        await plant(config, used, Seed(dict.fromkeys(stations, PASSWORD), tokens, tariff))
    until = None if commissioning is None else used.now() + commissioning
    site = await build(
        config, used, config_path=config_path, commissioning_until=until, serve_api=False
    )
    try:
        yield TestSite(site)
    finally:
        await site.stop()


def _clock() -> Clock:
    on_virtual_time = isinstance(asyncio.get_running_loop(), VirtualLoop)
    return virtual_clock() if on_virtual_time else SystemClock()


async def boot16(charger: Charger, vendor: str = "Test", model: str = "Wallbox") -> None:
    """A 1.6 charger boots and reports both connectors available."""
    answer = await charger.call(
        "BootNotification", {"chargePointVendor": vendor, "chargePointModel": model}
    )
    assert answer["status"] == "Accepted"
    for connector in range(1, EVSES_EACH + 1):
        await status16(charger, connector, "Available")


async def status16(charger: Charger, connector: int, status: str) -> None:
    """A 1.6 StatusNotification."""
    await charger.call(
        "StatusNotification",
        {"connectorId": connector, "errorCode": "NoError", "status": status},
    )


async def boot201(charger: Charger) -> None:
    """A 2.0.1 charger boots and reports both EVSEs available."""
    answer = await charger.call(
        "BootNotification",
        {"reason": "PowerUp", "chargingStation": {"vendorName": "Test", "model": "Wallbox"}},
    )
    assert answer["status"] == "Accepted"
    for evse in range(1, EVSES_EACH + 1):
        await charger.call(
            "StatusNotification",
            {
                "timestamp": instant(),
                "connectorStatus": "Available",
                "evseId": evse,
                "connectorId": 1,
            },
        )


def instant(at: datetime | None = None) -> str:
    """RFC 3339 as stations write it."""
    return (at or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
