"""A charger nobody knows: turned away, or let in to be accepted by a person (Q11)."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from sitecontroller.config import load_config
from sitecontroller.domain.commands import AcceptStation, CommandState, RejectStation
from sitecontroller.domain.errors import Conflict, NotFound
from sitecontroller.domain.events import CommandFinished, Event
from tests.support import eventually
from tests.wire.charger import Charger
from tests.wire.site import running_site

SITE_TOML = """\
# our garage
[site]
id = "TEST"

[[circuits]]
id = "main"
limit_a = 63
"""
BOOT = {"chargePointVendor": "Acme", "chargePointModel": "Box 22"}
HALF_AN_HOUR = timedelta(minutes=30)


@pytest.fixture
def site_toml(tmp_path) -> Path:
    path = tmp_path / "site.toml"
    path.write_text(SITE_TOML)
    return path


def test_q11_outside_commissioning_a_stranger_gets_the_same_401_as_a_wrong_password(run, tmp_path):
    async def play() -> None:
        async with running_site(tmp_path) as site:
            answers = []
            for station_id, password in (("STRANGER", "x" * 40), ("CP-01", "x" * 40)):
                with pytest.raises(InvalidStatus) as caught:
                    async with site.charger(station_id, password=password):
                        pass
                response = caught.value.response
                answers.append((response.status_code, bytes(response.body or b"")))
            assert answers[0] == answers[1]
            assert answers[0][0] == 401
            assert site.site.controller.site_view().new_stations == ()

    run(play())


def test_q11_in_commissioning_a_stranger_waits_with_vendor_and_model(run, tmp_path, site_toml):
    async def play() -> None:
        async with (
            running_site(tmp_path, commissioning=HALF_AN_HOUR, config_path=site_toml) as site,
            site.charger("NEW-1", password="") as charger,
        ):
            answer = await charger.call("BootNotification", BOOT)
            assert answer["status"] == "Pending"
            (new,) = site.site.controller.site_view().new_stations
            assert (new.station_id, new.vendor, new.model) == ("NEW-1", "Acme", "Box 22")

    run(play())


def test_q11_accepting_a_stranger_gives_it_a_password_and_a_place(run, tmp_path, site_toml):
    async def play() -> None:
        async with (
            running_site(tmp_path, commissioning=HALF_AN_HOUR, config_path=site_toml) as site,
            site.charger("NEW-1", password="") as charger,
        ):
            await charger.call("BootNotification", BOOT)
            result = await site.site.controller.execute(AcceptStation("NEW-1"))
            assert result.state is CommandState.ACCEPTED
            password = password_of(charger)
            config = load_config(site_toml)
            assert "NEW-1" in config.topology.stations
            assert site_toml.read_text().startswith("# our garage")
            await eventually(site.site.restart_asked.is_set)
            record = await site.site.store.read(lambda tx: tx.station("NEW-1"))
            assert record is not None
            assert record.password_hash is not None
            assert password not in record.password_hash

    run(play())


def password_of(charger: Charger) -> str:
    (request,) = charger.asked_for("ChangeConfiguration")
    assert request["key"] == "AuthorizationKey"
    value: str = request["value"]
    assert len(value) == 40
    return value


def test_q11_a_password_that_a_charger_refuses_reaches_the_person_and_no_other_client(
    run, tmp_path, site_toml
):
    async def play() -> None:
        async with (
            running_site(tmp_path, commissioning=HALF_AN_HOUR, config_path=site_toml) as site,
            site.charger("NEW-1", password="") as charger,
        ):
            charger.answers["ChangeConfiguration"] = lambda _: {"status": "Rejected"}
            await charger.call("BootNotification", BOOT)
            told: list[Event] = []
            site.site.controller.subscribe(told.append)
            result = await site.site.controller.execute(AcceptStation("NEW-1"))
            password = password_of(charger)
            assert result.answer == {"password": password}
            assert any(isinstance(event, CommandFinished) for event in told)
            assert password not in repr(told)

    run(play())


def test_q11_a_rejected_stranger_is_cut_off_and_stays_out(run, tmp_path):
    async def play() -> None:
        async with running_site(tmp_path, commissioning=HALF_AN_HOUR) as site:
            async with site.charger("NEW-1", password="") as charger:
                await charger.call("BootNotification", BOOT)
                result = await site.site.controller.execute(RejectStation("NEW-1"))
                assert result.state is CommandState.EFFECTIVE
                await asyncio.wait_for(charger.socket.wait_closed(), 10)
                assert site.site.controller.site_view().new_stations == ()
            with pytest.raises(InvalidStatus) as caught:
                async with site.charger("NEW-1", password=""):
                    pass
            assert caught.value.response.status_code == 401

    run(play())


@pytest.mark.parametrize(
    ("ends_in", "is_open"), [(HALF_AN_HOUR, True), (timedelta(seconds=-1), False)]
)
def test_a_restart_after_the_window_ended_does_not_open_it_again(run, tmp_path, ends_in, is_open):
    async def play() -> None:
        async with running_site(tmp_path, commissioning=ends_in) as site:
            assert site.site.services.stations.commissioning is is_open
            assert (site.site.controller.site_view().commissioning_until is not None) is is_open

    run(play())


def test_a_site_toml_that_cant_be_changed_costs_no_password(run, tmp_path, site_toml):
    async def play() -> None:
        async with (
            running_site(tmp_path, commissioning=HALF_AN_HOUR, config_path=site_toml) as site,
            site.charger("NEW-1", password="") as charger,
        ):
            await charger.call("BootNotification", BOOT)
            site_toml.unlink()
            with pytest.raises(Conflict) as caught:
                await site.site.controller.execute(AcceptStation("NEW-1"))
            assert "write the file" in caught.value.remedy
            assert not charger.asked_for("ChangeConfiguration")
            assert len(site.site.controller.site_view().new_stations) == 1

    run(play())


def test_accepting_a_charger_that_is_not_there_says_what_to_do(run, tmp_path):
    async def play() -> None:
        async with running_site(tmp_path) as site:
            with pytest.raises(NotFound) as caught:
                await site.site.controller.execute(AcceptStation("NEW-1"))
            assert "Wait until it shows up" in caught.value.remedy

    run(play())
