"""What people take out of service stays so: over restarts, until it is put back."""

import asyncio

import pytest

from sitecontroller.domain.availability import OutOfServiceQuery
from sitecontroller.domain.commands import ChangeAvailability, CommandState
from sitecontroller.domain.errors import Conflict, InvalidInput, NotFound
from sitecontroller.services.availability import AGAIN_AFTER_S, ASK_AFTER_S, EFFECT_WITHIN_S
from sitecontroller.simulation.virtual_time import VirtualLoop, virtual_clock
from tests.support import eventually
from tests.wire.device.test_block_b import charging, ended
from tests.wire.site import EVSES_EACH, boot16, boot201, instant, running_site, status16

BOOTS = {"1.6": boot16, "2.0.1": boot201}
BOTH = pytest.mark.parametrize("version", BOOTS)


async def silently(charger):
    """It boots and says nothing of its connectors."""
    boots = {
        "1.6": {"chargePointVendor": "Test", "chargePointModel": "Wallbox"},
        "2.0.1": {"reason": "PowerUp", "chargingStation": {"vendorName": "T", "model": "W"}},
    }
    await charger.call("BootNotification", boots[charger.version])


class Bench:
    """One charger that does as it is told, or not, and remembers it or not."""

    def __init__(self, site, charger, version):
        self.site, self.charger, self.version = site, charger, version
        self.answer = {"status": "Accepted"}
        self.obeys = True
        self.telling = set()
        charger.answers["ChangeAvailability"] = self.change

    def change(self, payload):
        if self.obeys and self.answer["status"] == "Accepted":
            told = asyncio.ensure_future(self.obey(payload))
            self.telling.add(told)
            told.add_done_callback(self.telling.discard)
        return self.answer

    async def obey(self, payload):
        evse_id, connector_id, operative = self.meant(payload)
        for number in range(1, EVSES_EACH + 1) if evse_id is None else (evse_id,):
            word = "Available" if operative else "Unavailable"
            await self.status(number, word, connector_id or 1)

    def meant(self, payload):
        if self.version == "1.6":
            return payload["connectorId"] or None, None, payload["type"] == "Operative"
        evse = payload.get("evse", {})
        return evse.get("id"), evse.get("connectorId"), payload["operationalStatus"] == "Operative"

    async def status(self, evse_id, word, connector_id=1):
        if self.version == "1.6":
            await status16(self.charger, evse_id, word)
            return
        await self.charger.call(
            "StatusNotification",
            {
                "timestamp": instant(), "connectorStatus": word, "evseId": evse_id,
                "connectorId": connector_id,
            },
        )  # fmt: skip

    @property
    def asked(self):
        return [self.meant(p) for p in self.charger.asked_for("ChangeAvailability")]

    async def ask(self, evse_id, *, operative, **more):
        command = ChangeAvailability("CP-01", evse_id, operative, **more)
        return await self.site.site.controller.execute(command)

    async def settled(self, command_id, within_s=120):
        def done():
            result = self.site.site.controller.command_result(command_id)
            known = (CommandState.EFFECTIVE, CommandState.INEFFECTIVE)
            return result if result.state in known else None

        return await eventually(done, within_s)

    async def shown(self):
        return (await self.site.site.controller.query(OutOfServiceQuery())).items


@pytest.fixture
def play(run, tmp_path):
    """`play(story, version)`: a booted charger at a site, in virtual time."""

    def playing(story, version, *, ready=True, planted=False, boot=None):
        async def played():
            async with (
                running_site(tmp_path, clock=virtual_clock(), planted=planted) as site,
                site.charger(version=version) as charger,
            ):
                bench = Bench(site, charger, version)
                await (boot or BOOTS[version])(charger)
                if ready:
                    await eventually(lambda: site.site.services.stations.link("CP-01"))
                    await asyncio.sleep(5)
                await story(bench)

        run(played(), loop_factory=VirtualLoop)

    return playing


@BOTH
@pytest.mark.parametrize("operative", [False, True])
def test_an_evse_goes_out_of_service_and_back(play, version, operative):
    """Proves: TC_G_03_CSMS, TC_G_04_CSMS"""

    async def story(bench):
        if operative:
            await bench.status(2, "Unavailable")
        result = await bench.ask(2, operative=operative)
        assert result.state is CommandState.ACCEPTED
        assert bench.asked == [(2, None, operative)]
        assert (await bench.settled(result.command_id)).state is CommandState.EFFECTIVE

    play(story, version)


@BOTH
@pytest.mark.parametrize("operative", [False, True])
def test_a_whole_station_goes_out_of_service_and_back(play, version, operative):
    """Proves: TC_G_05_CSMS, TC_G_06_CSMS"""

    async def story(bench):
        for evse_id in (1, 2) if operative else ():
            await bench.status(evse_id, "Unavailable")
        result = await bench.ask(None, operative=operative)
        assert bench.asked == [(None, None, operative)]
        assert (await bench.settled(result.command_id)).state is CommandState.EFFECTIVE

    play(story, version)


@pytest.mark.parametrize("operative", [False, True])
def test_one_connector_of_an_evse_goes_out_of_service_and_back(play, operative):
    """Proves: TC_G_07_CSMS, TC_G_08_CSMS"""

    async def story(bench):
        await bench.status(1, "Available" if not operative else "Unavailable", 2)
        result = await bench.ask(1, operative=operative, connector_id=2)
        assert bench.asked == [(1, 2, operative)]
        assert (await bench.settled(result.command_id)).state is CommandState.EFFECTIVE

    play(story, "2.0.1")


@pytest.mark.parametrize(
    ("evse_id", "connector_id"), [(1, None), (None, None), (1, 1)], ids=["EVSE", "whole", "plug"]
)
def test_while_a_car_charges_it_takes_effect_afterwards(play, evse_id, connector_id):
    """Proves: TC_G_11_CSMS, TC_G_14_CSMS, TC_G_17_CSMS"""

    async def story(bench):
        await bench.status(1, "Occupied")
        await charging(bench.charger)
        bench.answer = {"status": "Scheduled"}
        result = await bench.ask(evse_id, operative=False, connector_id=connector_id)
        assert bench.asked == [(evse_id, connector_id, False)]
        assert result.state is CommandState.ACCEPTED
        assert "when the running session has ended" in result.reason
        find = bench.site.site.controller.command_result
        await asyncio.sleep(EFFECT_WITHIN_S * 3)
        assert find(result.command_id).state is CommandState.ACCEPTED
        assert (await bench.site.row()).active
        if evse_id is None:
            await bench.status(2, "Unavailable")
        await ended(bench.charger, "Local")
        assert not (await bench.site.row()).active
        assert find(result.command_id).state is CommandState.ACCEPTED
        await bench.status(1, "Unavailable")
        assert (await bench.settled(result.command_id)).state is CommandState.EFFECTIVE
        assert [view.in_effect for view in await bench.shown()] == [True]

    play(story, "2.0.1")


@BOTH
def test_what_is_out_of_service_stays_so_when_the_station_forgets(run, tmp_path, version):
    async def story():
        async with running_site(tmp_path, clock=virtual_clock()) as site:
            async with site.charger(version=version) as charger:
                bench = Bench(site, charger, version)
                await BOOTS[version](charger)
                await eventually(lambda: site.site.services.stations.link("CP-01"))
                result = await bench.ask(1, operative=False, note="cable cut", by="Kim")
                await bench.settled(result.command_id)
            for _ in range(2):
                async with site.charger(version=version) as charger:
                    bench = Bench(site, charger, version)
                    await BOOTS[version](charger)  # it says that both are available
                    await asyncio.sleep(20)
                    assert bench.asked == [(1, None, False)]
                    (view,) = await bench.shown()
                    assert (view.evse_id, view.note, view.by) == (1, "cable cut", "Kim")
                    assert view.in_effect

    run(story(), loop_factory=VirtualLoop)


@BOTH
def test_a_station_that_remembers_is_not_told_again(play, version):
    async def story(bench):
        await bench.settled((await bench.ask(1, operative=False)).command_id)

    async def later(bench):
        await bench.status(1, "Unavailable")
        await asyncio.sleep(120)
        assert not bench.asked

    play(story, version)
    play(later, version, ready=False, planted=True, boot=silently)


@BOTH
def test_it_stays_out_of_service_over_a_restart_of_the_controller(play, version):
    async def before(bench):
        await bench.settled((await bench.ask(2, operative=False, note="no fuse")).command_id)

    async def after(bench):
        await eventually(lambda: bench.asked == [(2, None, False)], 30)
        assert [view.note for view in await bench.shown()] == ["no fuse"]

    play(before, version)
    play(after, version, ready=False, planted=True)


@BOTH
def test_a_car_that_waits_when_the_station_boots_does_not_get_round_it(play, version):
    async def before(bench):
        await bench.settled((await bench.ask(1, operative=False)).command_id)

    async def plugged(charger):
        await silently(charger)
        await Bench(None, charger, version).status(
            1, "Preparing" if version == "1.6" else "Occupied"
        )

    async def after(bench):
        await eventually(lambda: bench.asked == [(1, None, False)], 30)

    play(before, version)
    play(after, version, ready=False, planted=True, boot=plugged)


@BOTH
def test_put_back_it_is_left_in_peace(play, version):
    async def story(bench):
        await bench.settled((await bench.ask(1, operative=False)).command_id)
        await bench.settled((await bench.ask(1, operative=True)).command_id)
        assert await bench.shown() == ()
        await BOOTS[version](bench.charger)
        await asyncio.sleep(120)
        assert bench.asked == [(1, None, False), (1, None, True)]

    play(story, version)


@BOTH
def test_a_station_that_is_away_is_told_when_it_comes_back(run, tmp_path, version):
    async def story():
        async with running_site(tmp_path, clock=virtual_clock()) as site:
            command = ChangeAvailability("CP-01", 1, operative=False)
            result = await site.site.controller.execute(command)
            assert result.state is CommandState.SENT
            assert "as soon as it answers" in result.reason
            async with site.charger(version=version) as charger:
                bench = Bench(site, charger, version)
                await BOOTS[version](charger)
                assert (await bench.settled(result.command_id)).state is CommandState.EFFECTIVE
                assert bench.asked == [(1, None, False)]

    run(story(), loop_factory=VirtualLoop)


@BOTH
def test_a_refusal_changes_nothing(play, version):
    async def story(bench):
        bench.answer = {"status": "Rejected"}
        result = await bench.ask(1, operative=False)
        assert (result.state, "Rejected" in result.reason) == (CommandState.REJECTED, True)
        assert await bench.shown() == ()

    play(story, version)


@BOTH
def test_without_a_report_it_is_asked_for_and_then_called_ineffective(play, version):
    async def story(bench):
        bench.obeys = False
        result = await bench.ask(1, operative=False)
        bench.charger.asked.clear()
        await asyncio.sleep(ASK_AFTER_S + 1)
        asked = [p["requestedMessage"] for p in bench.charger.asked_for("TriggerMessage")]
        assert asked.count("StatusNotification") == 1
        settled = await bench.settled(result.command_id)
        assert settled.state is CommandState.INEFFECTIVE
        assert "did not report it" in settled.reason

    play(story, version)


@BOTH
def test_a_station_that_will_not_stay_out_is_told_thrice_then_a_person(play, version):
    async def story(bench):
        await bench.settled((await bench.ask(1, operative=False)).command_id)
        bench.obeys = False
        for _ in range(20):
            await bench.status(1, "Available")
            await asyncio.sleep(AGAIN_AFTER_S / 2)
        assert len(bench.asked) == 3
        codes = [alarm.code for alarm in bench.site.site.services.alarms.open()]
        assert "availability-ignored" in codes
        await bench.status(1, "Unavailable")
        assert not [a for a in bench.site.site.services.alarms.open() if a.active]

    play(story, version)


def test_parts_that_are_out_by_themselves_stay_out_when_the_whole_comes_back(play):
    async def story(bench):
        for evse_id in (1, None):
            await bench.settled((await bench.ask(evse_id, operative=False, note="x")).command_id)
        result = await bench.ask(None, operative=True)
        assert result.reason == "CP-01/1 stays out of service (x)"
        assert (await bench.settled(result.command_id)).state is CommandState.EFFECTIVE
        assert bench.asked[-2:] == [(None, None, True), (1, None, False)]
        assert [view.evse_id for view in await bench.shown()] == [1]

    play(story, "1.6")


def test_a_part_is_not_put_back_while_the_whole_is_out(play):
    async def story(bench):
        await bench.settled((await bench.ask(None, operative=False)).command_id)
        with pytest.raises(Conflict):
            await bench.ask(1, operative=True)

    play(story, "1.6")


@pytest.mark.parametrize(
    ("version", "place", "error"),
    [
        ("1.6", {"evse_id": 7}, NotFound),
        ("1.6", {"evse_id": 1, "connector_id": 2}, InvalidInput),
        ("2.0.1", {"evse_id": None, "connector_id": 1}, InvalidInput),
        ("2.0.1", {"evse_id": 1, "note": "x" * 201}, InvalidInput),
    ],
)
def test_a_place_that_is_not_there_is_refused_here(play, version, place, error):
    async def story(bench):
        with pytest.raises(error):
            await bench.ask(place.pop("evse_id"), operative=False, **place)
        assert not bench.asked

    play(story, version)


@BOTH
def test_q55_a_station_that_refuses_the_whole_is_told_each_of_its_evses(play, version):
    async def story(bench):
        def whole_refused(payload):
            if bench.meant(payload)[0] is None:
                return {"status": "Rejected"}
            return bench.change(payload)

        bench.charger.answers["ChangeAvailability"] = whole_refused
        result = await bench.ask(None, operative=False)
        assert (await bench.settled(result.command_id)).state is CommandState.EFFECTIVE
        assert bench.asked == [(None, None, False), (1, None, False), (2, None, False)]
        (view,) = await bench.shown()
        assert (view.evse_id, view.in_effect) == (None, True)

    play(story, version)


def test_a_lock_that_fails_is_taken_note_of(play):
    """Proves: TC_G_20_CSMS"""

    async def story(bench):
        event = {
            "eventId": 1, "timestamp": instant(), "trigger": "Delta", "actualValue": "true",
            "eventNotificationType": "HardWiredNotification",
            "component": {"name": "ConnectorPlugRetentionLock"}, "variable": {"name": "Problem"},
        }  # fmt: skip
        payload = {"generatedAt": instant(), "seqNo": 0, "eventData": [event]}
        assert await bench.charger.call("NotifyEvent", payload) == {}

    play(story, "2.0.1")
