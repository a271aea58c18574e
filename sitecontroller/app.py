"""Builds a running controller out of its parts: explicit wiring, no container, no magic.

Start-up order is a safety rule (S5): storage, then the meters, then the stations' port; load
management pushes fallbacks before it gives anyone anything. Stopping runs the other way round.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import tomlkit

from sitecontroller import __version__
from sitecontroller.api.app import build_api
from sitecontroller.api.server import ApiServer
from sitecontroller.config import SiteConfig
from sitecontroller.controller import Controller
from sitecontroller.dlm.fallbacks import prove_fallbacks
from sitecontroller.modbus.poller import MeterPoller
from sitecontroller.ocpp.dialects import make_dialect
from sitecontroller.ocpp.server import OcppServer
from sitecontroller.ports import Clock
from sitecontroller.printing.pdf import receipt_pdf
from sitecontroller.publisher import Publisher
from sitecontroller.services.actions import ActionService
from sitecontroller.services.alarms import AlarmService
from sitecontroller.services.authorization import AuthorizationService
from sitecontroller.services.background import Background
from sitecontroller.services.billing import BillingService
from sitecontroller.services.inbound import StationServices
from sitecontroller.services.load import LoadService
from sitecontroller.services.metering import MeteringService
from sitecontroller.services.onboarding import Onboarding
from sitecontroller.services.picture import Picture
from sitecontroller.services.stations import StationService
from sitecontroller.services.transactions import TransactionService
from sitecontroller.statedir import StateDir, write_atomically
from sitecontroller.storage.journal import FrameJournal
from sitecontroller.storage.store import Store
from sitecontroller.workshop import ProcessWorkshop

log = logging.getLogger(__name__)

HOUSEKEEPING_EVERY_S = 5.0
RESTART_AFTER_S = 1.0
FINISH_WITHIN_S = 2.0


@dataclass(slots=True)
class Site:
    """A running controller; `stopped` is set when someone asked it to end."""

    controller: Controller
    load: LoadService
    stations: StationService
    transactions: TransactionService
    store: Store
    ocpp_port: int
    api_url: str
    stopped: asyncio.Event
    restart_asked: asyncio.Event
    _parts: contextlib.AsyncExitStack

    async def stop(self) -> None:
        """Stop accepting, close the API and the stations, finish what runs, commit, close."""
        await self._parts.aclose()


async def build(
    config: SiteConfig,
    clock: Clock,
    *,
    config_path: Path | None = None,
    commissioning: timedelta | None = None,
    serve_api: bool = True,
) -> Site:
    """Start everything. Raises ConfigurationError (S2, unknown meter model), Conflict (another
    controller runs here) or OSError (a port is taken)."""
    for line in prove_fallbacks(config.topology):
        log.info("limits: %s", line)
    parts = contextlib.AsyncExitStack()
    try:
        return await _build(config, clock, parts, config_path, commissioning, serve_api)
    except BaseException:
        await parts.aclose()
        raise


async def _build(
    config: SiteConfig,
    clock: Clock,
    parts: contextlib.AsyncExitStack,
    config_path: Path | None,
    commissioning: timedelta | None,
    serve_api: bool,
) -> Site:
    state_dir = StateDir(config.state_dir)
    state_dir.lock()
    parts.callback(state_dir.unlock)
    stopped, restart_asked = asyncio.Event(), asyncio.Event()

    store = await Store.open(state_dir.database, clock)
    parts.push_async_callback(store.close)
    journal = await FrameJournal.open(state_dir.journal, clock)
    parts.push_async_callback(journal.close)
    workshop = ProcessWorkshop()
    parts.callback(workshop.close)

    publisher = Publisher()
    background = Background()
    parts.push_async_callback(lambda: background.close(within_s=FINISH_WITHIN_S))
    alarms = AlarmService(store, clock, publisher, background)
    background.on_failure = lambda name: alarms.raise_("component-restarted", name, component=name)
    stations = StationService(
        config.topology,
        store,
        clock,
        publisher,
        alarms,
        background,
        pepper=state_dir.pepper(),
        heartbeat_interval_s=config.ocpp.heartbeat_interval_s,
    )
    authorization = AuthorizationService(store, clock)
    metering = MeteringService(clock, publisher)
    transactions = TransactionService(store, clock, publisher, stations, alarms, background)
    for service in (alarms, stations, transactions):
        await service.load()
    load = LoadService(
        config.topology,
        config.load,
        clock,
        publisher,
        stations,
        transactions,
        metering,
        alarms,
        sample_interval_s=config.ocpp.sample_interval_s,
    )
    onboarding = Onboarding(
        config.topology,
        store,
        stations,
        state_dir.pepper(),
        add_to_config=lambda station_id, circuit_id: add_station(
            config_path, state_dir, station_id, circuit_id
        ),
        restart=lambda: _soon(restart_asked.set),
    )
    actions = ActionService(
        store, clock, publisher, background, stations, transactions, alarms, onboarding.admit
    )
    picture = Picture(
        config, clock, stations, transactions, metering, load, alarms, version=__version__
    )
    controller = Controller(
        picture,
        actions,
        BillingService(config, store, clock, workshop, receipt_pdf),
        load,
        store,
        journal,
        publisher,
        on_shutdown=lambda: _soon(stopped.set),
    )
    if commissioning is not None:
        stations.commissioning_until = clock.now() + commissioning
        log.warning("commissioning: unknown stations may connect for %s", commissioning)

    poller = MeterPoller(config.topology.meters.values(), clock, metering)
    inbound = StationServices(stations, authorization, transactions, metering, clock, config.ocpp)
    ocpp = OcppServer(
        config.ocpp,
        stations,
        lambda *of: make_dialect(inbound, *of, time_zone=ZoneInfo(config.time_zone)),
        journal,
        clock,
    )
    keep = _Supervisor(parts, alarms)
    keep.running("meters", poller.run)
    keep.running("load management", load.run)
    keep.running("housekeeping", lambda: _housekeeping(stations, transactions))
    ocpp_port = await ocpp.start()
    parts.push_async_callback(ocpp.stop)
    picture.ocpp_url = f"ws://{_shown(config.ocpp.host)}:{ocpp_port}/ocpp"
    api_url = ""
    if serve_api:
        server = ApiServer(
            build_api(controller, state_dir.api_token()), config.api.host, config.api.port
        )
        api_url = await server.start()
        parts.push_async_callback(server.stop)
    state_dir.announce(api_url=api_url, ocpp_url=picture.ocpp_url)
    parts.callback(state_dir.withdraw)
    log.info("site %s: ready ocpp=%s api=%s", config.site_id, picture.ocpp_url, api_url)
    return Site(
        controller,
        load,
        stations,
        transactions,
        store,
        ocpp_port,
        api_url,
        stopped,
        restart_asked,
        parts,
    )


class _Supervisor:
    """Runs the parts that never end; one that fails is started again, with an alarm."""

    def __init__(self, parts: contextlib.AsyncExitStack, alarms: AlarmService) -> None:
        self._parts = parts
        self._alarms = alarms

    def running(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Keep `work` going until the site stops."""
        task = asyncio.get_running_loop().create_task(self._keep(name, work), name=name)

        async def stop() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self._parts.push_async_callback(stop)

    async def _keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except Exception:
                log.exception("%s: failed, starts again in %g s", name, RESTART_AFTER_S)
                self._alarms.raise_("component-restarted", name, component=name)
            await asyncio.sleep(RESTART_AFTER_S)


async def _housekeeping(stations: StationService, transactions: TransactionService) -> None:
    while True:
        await asyncio.sleep(HOUSEKEEPING_EVERY_S)
        stations.watch_silence()
        await transactions.reconcile()


def add_station(
    config_path: Path | None, state_dir: StateDir, station_id: str, circuit_id: str
) -> None:
    """Write a new station into site.toml, comments kept, the old file put away first."""
    if config_path is None:
        return
    document = tomlkit.parse(config_path.read_text(encoding="utf-8"))
    station = tomlkit.table()
    station.add("id", station_id)
    station.add("circuit", circuit_id)
    evse = tomlkit.table()
    evse.add(tomlkit.comment("complete the wiring: docs/configuration.md"))
    evse.add("id", 1)
    evse.add("phases", "L1L2L3")
    evse.add("current_a_max", 32)
    evse.add("fallback_a", 0)
    evses = tomlkit.aot()
    evses.append(evse)
    station.add("evses", evses)
    stations = document.setdefault("stations", tomlkit.aot())
    stations.append(station)
    state_dir.keep_copy(config_path)
    write_atomically(config_path, tomlkit.dumps(document))


def _soon(act: Callable[[], None], after_s: float = 0.3) -> None:
    """Let the answer to the request that asked for it go out first."""
    asyncio.get_running_loop().call_later(after_s, act)


def _shown(host: str) -> str:
    return "localhost" if host in ("0.0.0.0", "::", "127.0.0.1") else host
