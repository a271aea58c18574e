"""Accepting a new charger: whatever fails meanwhile, it is not locked out nor let in unseen."""

import asyncio
from datetime import timedelta

import pytest

from sitecontroller.domain.commands import AcceptStation, RejectStation
from sitecontroller.domain.errors import CallTimeout, InvalidInput, NotFound
from sitecontroller.domain.security import Login
from sitecontroller.domain.station import OcppVersion
from sitecontroller.domain.topology import ChargingStation, Circuit, Evse, Topology
from sitecontroller.ports import CallAnswer
from sitecontroller.publisher import Publisher
from sitecontroller.services.alarms import AlarmService
from sitecontroller.services.background import Background
from sitecontroller.services.new_stations import REJECTED_MAX
from sitecontroller.services.onboarding import Onboarding
from sitecontroller.services.stations import LoginVerdict, StationService
from sitecontroller.storage.store import Store
from tests.contract.fakes import HandClock

CIRCUITS = {"main": Circuit("main", "Main", None, (63.0, 63.0, 63.0), 2.0)}
NOBODY = Topology(CIRCUITS, {}, {})
WITH_NEW = Topology(CIRCUITS, {"NEW-1": ChargingStation("NEW-1", (Evse("NEW-1", 1, "main"),))}, {})
PEPPER = b"pepper"
ADDRESS = "10.0.0.9"
HALF_AN_HOUR = timedelta(minutes=30)


class Crash(BaseException):
    """The power goes."""


class Link:
    """The connection of a new station; `on_password` is what happens when it is told one."""

    version = OcppVersion.V16
    generation = 1

    def __init__(self, site, station_id="NEW-1", on_password=None):
        self.station_id = station_id
        self.password = ""
        self.closed = False
        self._site = site
        self._on_password = on_password or (lambda: CallAnswer(True, "Accepted", {}))

    async def set_variable(self, name, value):
        self._site.steps.append("password told")
        self.password = value
        return self._on_password()

    async def close(self, reason):
        self.closed = True


class Site:
    """The services of one run of the controller, on a database that outlives it."""

    def __init__(self, store, clock, topology, steps):
        self.clock, self.steps = clock, steps
        self.background = Background()
        publisher = Publisher()
        self.stations = StationService(
            topology,
            store,
            clock,
            publisher,
            AlarmService(store, clock, publisher, self.background),
            pepper=PEPPER,
            heartbeat_interval_s=300,
        )
        self.stations.commissioning_until = clock.now() + HALF_AN_HOUR
        self.onboarding = Onboarding(
            topology,
            self.stations,
            PEPPER,
            add_to_config=lambda station_id, circuit_id: steps.append("site.toml"),
            restart=lambda: steps.append("restart"),
        )

    async def knock(self, **link):
        new = Link(self, **link)
        await self.stations.connected(new, ADDRESS)
        return new

    async def login(self, password="", station_id="NEW-1"):
        return await self.stations.authenticate(Login(station_id, ADDRESS, password.encode()))


@pytest.fixture
def scene(run, tmp_path):
    """`scene(play)` runs `await play(start)`; `await start(topology)` is one run of the site."""

    async def staged(play):
        clock, steps, sites = HandClock(), [], []
        store = await Store.open(tmp_path / "site.db", clock)

        async def start(topology=NOBODY):
            site = Site(store, clock, topology, steps)
            await site.stations.load()
            sites.append(site)
            return site

        try:
            await play(start)
        finally:
            for site in sites:
                await site.background.close(within_s=5)
            await store.close()

    return lambda play: run(staged(play))


def test_its_place_in_site_toml_comes_before_its_password(scene):
    async def play(start):
        site = await start()
        await site.knock()
        await site.onboarding.admit(AcceptStation("NEW-1"))
        assert site.steps == ["site.toml", "password told", "restart"]

    scene(play)


def test_a_charger_that_took_its_password_must_show_it_from_then_on(scene):
    async def play(start):
        first = await start()
        link = await first.knock()
        admission = await first.onboarding.admit(AcceptStation("NEW-1"))
        assert admission.password is None
        site = await start(WITH_NEW)
        assert site.stations.admitted("NEW-1")
        assert await site.login(link.password) is LoginVerdict.ACCEPTED
        assert await site.login("") is LoginVerdict.REFUSED

    scene(play)


@pytest.mark.parametrize("failure", [CallAnswer(False, "Rejected", {}), CallTimeout("silence")])
def test_a_password_the_charger_did_not_take_is_told_to_the_person(scene, failure):
    def fail():
        if isinstance(failure, Exception):
            raise failure
        return failure

    async def play(start):
        first = await start()
        link = await first.knock(on_password=fail)
        admission = await first.onboarding.admit(AcceptStation("NEW-1"))
        assert admission.password == link.password
        assert link.password not in admission.sentence
        site = await start(WITH_NEW)
        assert await site.login(link.password) is LoginVerdict.ACCEPTED

    scene(play)


@pytest.fixture
def crashed(scene):
    """`crashed(play)`: as `scene`, the power went when the charger was told its password."""

    def crash():
        raise Crash

    def staged(play):
        async def crash_then(start):
            site = await start()
            link = await site.knock(on_password=crash)
            with pytest.raises(Crash):
                await site.onboarding.admit(AcceptStation("NEW-1"))
            await play(await start(WITH_NEW), link.password, start)

        scene(crash_then)

    return staged


def test_a_charger_that_took_its_password_before_a_crash_may_log_in_with_it(crashed):
    async def play(site, password, start):
        assert await site.login(password) is LoginVerdict.ACCEPTED
        assert await site.login("") is LoginVerdict.REFUSED
        again = await start(WITH_NEW)
        assert await again.login(password) is LoginVerdict.ACCEPTED
        assert await again.login("") is LoginVerdict.REFUSED

    crashed(play)


def test_a_charger_that_never_heard_its_password_may_knock_again(crashed):
    async def play(site, password, start):
        assert not site.stations.admitted("NEW-1")
        assert await site.login("") is LoginVerdict.COMMISSIONING
        link = await site.knock()
        await site.onboarding.admit(AcceptStation("NEW-1"))
        again = await start(WITH_NEW)
        assert await again.login(link.password) is LoginVerdict.ACCEPTED
        assert await again.login(password) is LoginVerdict.REFUSED

    crashed(play)


def test_no_password_is_stored_in_clear(scene, tmp_path):
    async def play(start):
        site = await start()
        link = await site.knock(on_password=lambda: CallAnswer(False, "Rejected", {}))
        await site.onboarding.admit(AcceptStation("NEW-1"))
        stored = b"".join(file.read_bytes() for file in tmp_path.glob("site.db*"))
        assert link.password.encode() not in stored

    scene(play)


def test_two_clicks_give_one_password(scene):
    async def play(start):
        site = await start()
        link = await site.knock()
        clicks = [site.onboarding.admit(AcceptStation("NEW-1")) for _ in range(2)]
        outcomes = await asyncio.gather(*clicks, return_exceptions=True)
        assert isinstance(outcomes[1], NotFound)
        again = await start(WITH_NEW)
        assert await again.login(link.password) is LoginVerdict.ACCEPTED

    scene(play)


def test_an_unknown_circuit_is_named_before_anything_is_done(scene):
    async def play(start):
        site = await start()
        await site.knock()
        with pytest.raises(InvalidInput) as caught:
            await site.onboarding.admit(AcceptStation("NEW-1", "garage"))
        assert caught.value.errors[0].message == "one of: main"
        assert site.steps == []

    scene(play)


def test_a_rejected_charger_is_out_until_the_window_ends(scene):
    async def play(start):
        site = await start()
        link = await site.knock()
        await site.onboarding.reject(RejectStation("NEW-1"))
        assert link.closed
        assert site.stations.new_stations() == ()
        assert await site.login(station_id="new-1") is LoginVerdict.REFUSED
        assert await site.login(station_id="NEW-2") is LoginVerdict.COMMISSIONING
        site.clock.passed_s += HALF_AN_HOUR.total_seconds()
        later = await start()
        assert await later.login() is LoginVerdict.COMMISSIONING

    scene(play)


def test_a_rejection_outlives_the_restart_that_accepting_another_brings(scene):
    async def play(start):
        site = await start()
        await site.knock()
        await site.onboarding.reject(RejectStation("NEW-1"))
        again = await start()
        assert await again.login() is LoginVerdict.REFUSED

    scene(play)


def test_rejections_are_bounded(scene):
    async def play(start):
        site = await start()
        for number in range(REJECTED_MAX + 1):
            await site.knock(station_id=f"X-{number}")
            await site.onboarding.reject(RejectStation(f"X-{number}"))
        assert await site.login(station_id="X-0") is LoginVerdict.COMMISSIONING
        assert await site.login(station_id=f"X-{REJECTED_MAX}") is LoginVerdict.REFUSED

    scene(play)


def test_rejecting_a_charger_that_is_not_there_says_so(scene):
    async def play(start):
        site = await start()
        with pytest.raises(NotFound):
            await site.onboarding.reject(RejectStation("NEW-1"))

    scene(play)
