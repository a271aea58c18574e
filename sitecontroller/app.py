"""Builds a running controller out of its parts: explicit wiring, no container, no magic.

Start-up order is a safety rule (S5): storage, then the meters and load management, then the
stations' port; nobody is given anything before a meter was read and fallbacks were pushed.
Stopping runs the other way round.
"""

import asyncio
import contextlib
import functools
import itertools
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from sitecontroller import __version__
from sitecontroller.api.app import build_api
from sitecontroller.api.server import ApiServer
from sitecontroller.config import ModbusSignal, SiteConfig
from sitecontroller.config.edit import add_station, replace_file
from sitecontroller.controller import Controller
from sitecontroller.dlm.fallbacks import prove_fallbacks
from sitecontroller.domain.errors import StoreUnavailable
from sitecontroller.fileserver.addresses import address_towards
from sitecontroller.fileserver.server import LanFileServer
from sitecontroller.modbus.bus import Bus
from sitecontroller.modbus.inputs import InputPoller
from sitecontroller.modbus.meter import connect_meters
from sitecontroller.modbus.poller import MeterPoller
from sitecontroller.modbus.value import BusValue
from sitecontroller.ocpp.dialects import make_dialect
from sitecontroller.ocpp.server import OcppServer
from sitecontroller.ocpp.traits import traits_of
from sitecontroller.payments.cash import CashDrawer
from sitecontroller.payments.zvt.setup import card_terminal
from sitecontroller.pki.authority import LocalAuthority
from sitecontroller.pki.keys import KeyKind
from sitecontroller.pki.names import server_names
from sitecontroller.pki.reader import Reader
from sitecontroller.pki.sources import AllowedSources
from sitecontroller.ports import Clock, Journal, PaymentProvider, Workshop
from sitecontroller.printing.pdf import receipt_pdf
from sitecontroller.printing.record import record_pdf
from sitecontroller.services.actions import ActionService
from sitecontroller.services.assembly import SiteServices, assemble
from sitecontroller.services.background import Background
from sitecontroller.services.billing import BillingService
from sitecontroller.services.configuration import Configuration, revision_of
from sitecontroller.services.onboarding import Onboarding
from sitecontroller.services.payments import PaymentService
from sitecontroller.services.picture import Picture
from sitecontroller.services.signed_readings import SignedChecks, SignedReadings
from sitecontroller.services.tariffs import TariffService
from sitecontroller.services.till import TillService
from sitecontroller.services.trust import Trust
from sitecontroller.signals.sources import sources_of
from sitecontroller.signed.intake import Expected, check_key, export_xml, judge_session
from sitecontroller.statedir import StateDir
from sitecontroller.storage.journal import FrameJournal
from sitecontroller.storage.store import Store
from sitecontroller.supervisor import Supervisor
from sitecontroller.wire import format_instant
from sitecontroller.workshop import ProcessWorkshop

log = logging.getLogger(__name__)

HOUSEKEEPING_EVERY_S = 5.0
SAVES_EVERY = 12
"""Turns of housekeeping between two savings of what is only counted."""
FINISH_WITHIN_S = 2.0
ANSWER_GOES_OUT_S = 0.3
EVERYWHERE = ("0.0.0.0", "::")


@dataclass(slots=True)
class Site:
    """A running controller. `stopped` or `restart_asked` is set when someone asks it to end."""

    config: SiteConfig
    state_dir: StateDir
    services: SiteServices
    controller: Controller
    picture: Picture
    store: Store
    journal: FrameJournal
    stopped: asyncio.Event
    restart_asked: asyncio.Event
    failed: asyncio.Event
    """Set when it can't go on (the database is out of use): the keeper starts it again."""
    authority: LocalAuthority | None = None
    ocpp_port: int = 0
    api_url: str = ""
    parts: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    async def stop(self) -> None:
        """Stop accepting, close the API and the stations, finish what runs, commit, close."""
        await self.parts.aclose()


async def build(
    config: SiteConfig,
    clock: Clock,
    *,
    config_path: Path | None = None,
    commissioning_until: datetime | None = None,
    serve_api: bool = True,
) -> Site:
    """Start everything. Raises ConfigurationError (S2, unknown meter model), Conflict (another
    controller runs here) or OSError (a port is taken)."""
    for line in prove_fallbacks(config.topology):
        log.info("limits: %s", line)
    parts = contextlib.AsyncExitStack()
    try:
        site = await _make(config, clock, parts, config_path)
        if commissioning_until is not None:
            _open_commissioning(site.services, commissioning_until)
        await _open_doors(site, serve_api=serve_api)
    except BaseException:
        await parts.aclose()
        raise
    log.info("site %s: ready ocpp=%s api=%s", config.site_id, site.picture.ocpp_url, site.api_url)
    return site


async def _make(
    config: SiteConfig, clock: Clock, parts: contextlib.AsyncExitStack, config_path: Path | None
) -> Site:
    """Everything but the ports: storage, services, the controller's face."""
    state_dir = StateDir(config.state_dir)
    state_dir.lock()
    parts.callback(state_dir.unlock)
    store = await Store.open(state_dir.database, clock)
    parts.push_async_callback(store.close)
    journal = await FrameJournal.open(state_dir.journal, clock)
    parts.push_async_callback(journal.close)
    workshop = ProcessWorkshop()
    parts.callback(workshop.close)
    background = Background()
    parts.push_async_callback(lambda: background.close(within_s=FINISH_WITHIN_S))

    authority = _authority(config, state_dir, clock, workshop)
    trust = Trust(authority, Reader(), AllowedSources(config.plug_and_charge.revocation_urls))
    services = await assemble(config, store, clock, background, workshop, state_dir.pepper(), trust)
    stopped, restart_asked, failed = asyncio.Event(), asyncio.Event(), asyncio.Event()
    _watch_store(store, services, failed)
    onboarding = Onboarding(
        config.topology,
        services.stations,
        state_dir.pepper(),
        add_to_config=functools.partial(add_station, config_path, state_dir),
        restart=lambda: _soon(restart_asked.set),
    )
    configuration = Configuration(
        config,
        config_path,
        check=functools.partial(_check_as_at_start, clock),
        replace=functools.partial(replace_file, state_dir),
        restart=lambda: _soon(restart_asked.set),
        begun_with="" if config_path is None else await asyncio.to_thread(_revision, config_path),
    )
    picture = Picture(config, services, version=__version__)
    controller = await _face(
        config,
        services,
        picture,
        onboarding,
        configuration,
        workshop,
        journal,
        on_shutdown=lambda: _soon(stopped.set),
    )
    return Site(
        config,
        state_dir,
        services,
        controller,
        picture,
        store,
        journal,
        stopped,
        restart_asked,
        failed,
        authority,
        parts=parts,
    )


def _revision(path: Path) -> str:
    return revision_of(path.read_text(encoding="utf-8"))


def _check_as_at_start(clock: Clock, config: SiteConfig) -> None:
    """What a start would refuse beside the file itself. Raises ConfigurationError."""
    prove_fallbacks(config.topology)
    connect_meters(config.topology.meters.values(), clock)  # nothing is connected by that


async def _face(
    config: SiteConfig,
    services: SiteServices,
    picture: Picture,
    onboarding: Onboarding,
    configuration: Configuration,
    workshop: Workshop,
    journal: Journal,
    on_shutdown: Callable[[], None],
) -> Controller:
    """What people can do, and the controller that offers it."""
    store, clock, publisher = services.store, services.clock, services.publisher
    alarms, background = services.alarms, services.background
    signed = SignedReadings(
        services.desk, SignedChecks(judge_session, Expected, check_key, export_xml)
    )
    await signed.load()
    billing = BillingService(
        config,
        store,
        clock,
        workshop,
        receipt_pdf,
        alarms,
        publisher,
        background,
        signed.settle,
    )
    providers: list[PaymentProvider] = [CashDrawer(store, clock)]
    if config.till.terminal is not None:
        card = card_terminal(config.till.terminal, config.state_dir, clock, alarms)
        background.spawn(card.watch(), "card terminal", patient=True)
        providers.append(card)
    takers = {provider.name: provider for provider in providers}
    payments = PaymentService(store, clock, alarms, billing, takers, config.currency)
    await payments.load()
    background.spawn(payments.run(), "payments", patient=True)
    till = TillService(store, clock, payments, config.currency)
    actions = ActionService(
        services.desk,
        onboarding,
        services.load,
        services.blocks.handlers() | configuration.handlers | signed.handlers | till.handlers,
        services.blocks.emergency.check,
    )
    tariffs = TariffService(
        store, clock, publisher, alarms, config.currency, config.topology, config.evse_prefix
    )
    await tariffs.load()
    return Controller(
        picture,
        actions,
        billing,
        tariffs,
        services.load,
        store,
        journal,
        publisher,
        on_shutdown,
        services.blocks.answerers() | configuration.answerers | signed.answerers | till.answerers,
        services.blocks.files,
        functools.partial(services.blocks.commissioning.record_pdf, record_pdf),
        signed.xml,
    )


async def _open_doors(site: Site, *, serve_api: bool) -> None:
    """Start what never ends, then listen, then tell where."""
    config, services, parts = site.config, site.services, site.parts
    buses: dict[str, Bus] = {}
    meters = config.topology.meters.values()
    poller = MeterPoller(meters, services.clock, services.metering, buses)
    inputs = InputPoller(config.inputs, services.clock, services.blocks.inputs, buses)
    supervisor = Supervisor(
        parts, lambda name: services.alarms.raise_("component-restarted", name, component=name)
    )
    supervisor.keep("meters", poller.run)
    supervisor.keep("inputs", inputs.run)
    supervisor.keep("dimming contacts", services.blocks.inputs.run)
    supervisor.keep("load management", services.load.run)
    supervisor.keep("housekeeping", lambda: _housekeeping(services, site.store))
    files = LanFileServer(
        config.files,
        config.state_dir / "files",
        config.ocpp.host,
        services.clock,
        # A station may know one kind of key only. Until there are both, https and ftps are shut.
        tls_files=tuple(config.state_dir / f"pki/{kind}-server.pem" for kind in KeyKind),
    )
    await files.start()
    parts.push_async_callback(files.stop)
    await services.blocks.files.open(files)
    supervisor.keep("files", services.blocks.files.run)
    supervisor.keep("security", services.blocks.security.run)
    supervisor.keep("planning", services.blocks.planning.run)
    _keep_limit_sources(supervisor, config, services, buses)

    time_zone = ZoneInfo(config.time_zone)
    ocpp = OcppServer(
        config.ocpp,
        services.stations,
        lambda *link: make_dialect(services.inbound, *link, time_zone=time_zone),
        site.journal,
        services.clock,
        traits=traits_of(services.stations.state, config.ocpp),
        authority=site.authority,
        conformance=services.blocks.conformance.of,
    )
    parts.push_async_callback(_save_counts, services)
    site.ocpp_port = await ocpp.start()
    parts.push_async_callback(ocpp.stop)
    site.picture.ocpp_url = f"ws://{lan_address(config.ocpp.host)}:{site.ocpp_port}/ocpp"
    services.blocks.security.jobs.secure_url = functools.partial(_secure_url, site)
    if serve_api:
        api = build_api(site.controller, site.state_dir.api_token(), clock=services.clock)
        server = ApiServer(api, config.api.host, config.api.port)
        site.api_url = await server.start()
        parts.push_async_callback(server.stop)
    nearby = "127.0.0.1" if config.ocpp.host in EVERYWHERE else config.ocpp.host
    site.state_dir.announce(api_url=site.api_url, ocpp_url=f"ws://{nearby}:{site.ocpp_port}/ocpp")
    parts.callback(site.state_dir.withdraw)


def _keep_limit_sources(
    supervisor: Supervisor, config: SiteConfig, services: SiteServices, buses: dict[str, Bus]
) -> None:
    supervisor.keep("limit proofs", services.blocks.limit_proofs.run)
    if not config.limit_sources:
        return
    signals = services.blocks.limit_signals
    supervisor.keep("limit sources", signals.run)

    def register(source_id: str, signal: ModbusSignal) -> BusValue:
        return BusValue.on(buses, services.clock, source_id, signal)

    for source_id, work in sources_of(config, services.clock, signals, register):
        supervisor.keep(f"limit source {source_id}", work)


async def _save_counts(services: SiteServices) -> None:
    with contextlib.suppress(StoreUnavailable):  # counts may be lost, a clean end may not
        await services.blocks.conformance.save()


def _authority(
    config: SiteConfig, state_dir: StateDir, clock: Clock, workshop: Workshop
) -> LocalAuthority | None:
    settings = config.ocpp.security
    if not settings.tls:
        return None
    return LocalAuthority(
        state_dir.path / "pki",
        config.organization,
        functools.partial(server_names, config.ocpp.host, settings.names),
        clock,
        workshop,
        settings.client_roots,
    )


def _secure_url(site: Site, towards: str | None) -> str | None:
    """How a station at that address reaches this controller over TLS; None: it can't (yet)."""
    if site.authority is None or not site.authority.ready:
        return None
    names = site.config.ocpp.security.names
    host = names[0] if names else address_towards(towards, site.config.ocpp.host)
    bracketed = f"[{host}]" if ":" in host else host
    return f"wss://{bracketed}:{site.ocpp_port}/ocpp"


def _open_commissioning(services: SiteServices, until: datetime) -> None:
    """Let unknown stations knock; the end is an instant, so that no restart puts it off."""
    if until <= services.clock.now():
        log.warning(
            "audit commissioning: over since %s; to go on, stop and run with --commissioning again",
            format_instant(until),
        )
        return
    services.stations.commissioning_until = until
    log.warning(
        "audit commissioning: unknown chargers may knock until %s, asked for on the command line",
        format_instant(until),
    )


def _watch_store(store: Store, services: SiteServices, failed: asyncio.Event) -> None:
    """Tell people what became of the database, and end where nothing can be stored any more."""
    alarms = services.alarms
    if store.start.restored_from is not None:
        alarms.raise_("database-restored", "database", backup=store.start.restored_from.name)
    else:
        alarms.clear("database-restored", "database")

    def out_of_use(reason: str) -> None:
        alarms.raise_("database-fault", "database", reason=reason)
        failed.set()

    alarms.clear("database-fault", "database")
    store.on_fault = out_of_use


async def _housekeeping(services: SiteServices, store: Store) -> None:
    for turn in itertools.count(1):
        await asyncio.sleep(HOUSEKEEPING_EVERY_S)
        if turn % SAVES_EVERY == 0:
            await services.blocks.conformance.save()
        await services.stations.watch_silence()
        services.alarms.end_old()
        if store.space_low:
            services.alarms.raise_("disk-full", "database")
        else:
            services.alarms.clear("disk-full", "database")
        await services.transactions.reconcile()


def _soon(act: Callable[[], None]) -> None:
    """Let the answer to the request that asked for it go out first."""
    asyncio.get_running_loop().call_later(ANSWER_GOES_OUT_S, act)


def lan_address(host: str) -> str:
    """The address to enter in a charger: the bound one, or this PC's own on the LAN.

    No packet is sent: the system is asked which of its addresses it would send from.
    """
    if host not in EVERYWHERE:
        return host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return socket.gethostname()
        address: str = probe.getsockname()[0]
        return address
