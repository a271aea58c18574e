"""Passwords of chargers: changed so that none is locked out, and seen by nobody else (A01)."""

import asyncio
from datetime import timedelta

import pytest

from sitecontroller.domain.commands import CommandState
from sitecontroller.domain.errors import CallTimeout, InvalidInput
from sitecontroller.domain.security import (
    AllowUnsecured,
    LowerSecurityProfile,
    RotatePassword,
    SecurityEventsQuery,
    StationSecurityQuery,
)
from sitecontroller.services import security_jobs
from tests.support import eventually
from tests.wire.security.site import box, profile_of, secure_site
from tests.wire.security.test_certificates import alarm_codes, effect, execute
from tests.wire.security.test_profiles import refusal
from tests.wire.site import PASSWORD

VERSIONS = pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])


def set_variables(status="Accepted"):
    return lambda payload: {
        "setVariableResult": [
            {
                "attributeStatus": status,
                "component": row["component"],
                "variable": row["variable"],
            }
            for row in payload["setVariableData"]
        ]
    }


def answers_with(charger, status):
    """What the charger says to a new password; other settings are accepted."""

    def ours(payload):
        return {"status": status if payload.get("key") == "AuthorizationKey" else "Accepted"}

    charger.answers["ChangeConfiguration"] = ours
    charger.answers["SetVariables"] = set_variables(status)


def told(charger):
    """The passwords that the charger was told."""
    keys = [p for p in charger.asked_for("ChangeConfiguration") if p["key"] == "AuthorizationKey"]
    rows = [row for p in charger.asked_for("SetVariables") for row in p["setVariableData"]]
    named = [row for row in rows if row["variable"]["name"] == "BasicAuthPassword"]
    for row in named:
        assert row["component"] == {"name": "SecurityCtrlr"}
    return [p["value"] for p in keys] + [row["attributeValue"] for row in named]


@VERSIONS
def test_a_new_password_holds_once_the_charger_has_shown_it(run, tmp_path, version):
    """Proves: TC_A_09_CSMS."""

    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site, version=version)
            async with made.connected(site, tls=False) as charger:
                await made.boot(charger)
                answers_with(charger, "Accepted")
                result = await execute(site, RotatePassword("CP-01"))
                assert result.state is CommandState.ACCEPTED
                (password,) = told(charger)
            assert len(password) == 40
            made.password = password
            async with made.connected(site, tls=False) as charger:
                assert (await made.boot(charger))["status"] == "Accepted"
                assert (await effect(site, result)).state is CommandState.EFFECTIVE
            made.password = PASSWORD
            assert (await refusal(made, site, tls=False))[0] == 401

    run(play())


@VERSIONS
def test_a_refused_password_changes_nothing(run, tmp_path, version):
    """Proves: TC_A_10_CSMS."""

    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site, version=version)
            async with made.connected(site, tls=False) as charger:
                await made.boot(charger)
                answers_with(charger, "Rejected")
                result = await execute(site, RotatePassword("CP-01"))
                assert result.state is CommandState.REJECTED
                (password,) = told(charger)
            async with made.connected(site, tls=False) as charger:
                assert (await made.boot(charger))["status"] == "Accepted"
            made.password = password
            assert (await refusal(made, site, tls=False))[0] == 401

    run(play())


def test_a_charger_that_says_nothing_may_come_back_with_either(run, tmp_path):
    """Its answer was lost: it has the new password or the old one, and is let in with both, also
    when a second try went wrong in between and the controller restarted."""

    async def play() -> None:
        async with secure_site(tmp_path, call_timeout_s=1.0) as site:
            made = box(site)
            async with made.connected(site, tls=False) as charger:
                await made.boot(charger)
                charger.answers["SetVariables"] = lambda _: None
                with pytest.raises(CallTimeout):
                    await execute(site, RotatePassword("CP-01"))
                (first,) = told(charger)
            async with made.connected(site, tls=False) as charger:  # the old one
                await made.boot(charger)
                answers_with(charger, "Rejected")
                await execute(site, RotatePassword("CP-01"))
        async with secure_site(tmp_path, fresh=False) as site:
            made.password = first
            async with made.connected(site, tls=False) as charger:
                assert (await made.boot(charger))["status"] == "Accepted"
            made.password = PASSWORD
            assert (await refusal(made, site, tls=False))[0] == 401

    run(play())


def test_a_charger_that_has_no_such_setting_keeps_its_password(run, tmp_path):
    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site, version="1.6")
            async with made.connected(site, tls=False) as charger:
                await made.boot(charger)
                charger.answers["ChangeConfiguration"] = lambda _: {"status": "NotSupported"}
                result = await execute(site, RotatePassword("CP-01"))
                assert result.state is CommandState.REJECTED
            view = await site.site.controller.query(StationSecurityQuery("CP-01"))
            assert view.password_set
            assert not view.password_pending

    run(play())


def test_a_charger_that_does_not_reconnect_by_itself_is_made_to(run, tmp_path, monkeypatch):
    monkeypatch.setattr(security_jobs, "DROPPED_AFTER_S", 0.1)
    monkeypatch.setattr(security_jobs, "SHOWN_WITHIN_S", 0.5)

    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site)
            async with made.connected(site, tls=False) as charger:
                await made.boot(charger)
                answers_with(charger, "Accepted")
                result = await execute(site, RotatePassword("CP-01"))
                await asyncio.wait_for(charger.socket.wait_closed(), 10)
                assert (await effect(site, result)).state is CommandState.INEFFECTIVE
            async with made.connected(site, tls=False) as charger:
                assert (await made.boot(charger))["status"] == "Accepted"

    run(play())


# exceptions


def test_an_exception_lets_a_charger_in_without_proof_until_it_ends(run, tmp_path):
    async def play() -> None:
        async with secure_site(tmp_path) as site:
            services = site.site.services
            made = box(site)
            async with made.connected(site) as charger:
                await made.boot(charger)
            made.password = None
            assert (await refusal(made, site, tls=False))[0] == 401
            until = services.clock.now() + timedelta(hours=1)
            await execute(site, AllowUnsecured("CP-01", until, "new board, no password yet"))
            assert "unsecured-station" in alarm_codes(site)
            async with made.connected(site, tls=False) as charger:
                assert (await made.boot(charger))["status"] == "Accepted"
                view = await site.site.controller.query(StationSecurityQuery("CP-01"))
                assert (view.profile, view.profile_min, view.profile_now) == (2, 0, 0)
                now = services.clock.now()
                await execute(site, AllowUnsecured("CP-01", now, "password is set"))
                await asyncio.wait_for(charger.socket.wait_closed(), 10)
            assert "unsecured-station" not in alarm_codes(site)
            assert (await refusal(made, site, tls=False))[0] == 401
            events = await site.site.controller.query(SecurityEventsQuery(station_id="CP-01"))
            types = {event.type for event in events.items}
            assert {"UnsecuredAllowed", "UnsecuredEnded"} <= types

    run(play())


def test_an_exception_ends_by_itself_and_outlives_a_restart_until_then(run, tmp_path):
    async def play() -> None:
        made_until = None
        async with secure_site(tmp_path) as site:
            made = box(site, password=None)
            made_until = site.site.services.clock.now() + timedelta(seconds=3)
            await execute(site, AllowUnsecured("CP-01", made_until, "for a test"))
        async with secure_site(tmp_path, fresh=False) as site:
            async with made.connected(site, tls=False) as charger:
                await made.boot(charger)
                await eventually(lambda: site.site.services.clock.now() > made_until)
                await site.site.services.blocks.security.jobs.end_exceptions()
                await asyncio.wait_for(charger.socket.wait_closed(), 10)
            assert (await refusal(made, site, tls=False))[0] == 401
            assert "unsecured-station" not in alarm_codes(site)

    run(play())


@pytest.mark.parametrize(
    ("days", "reason", "field"),
    [(8, "holiday", "until"), (1, "", "reason"), (1, "x" * 300, "reason")],
)
def test_an_exception_needs_an_end_and_a_reason(run, tmp_path, days, reason, field):
    async def play() -> None:
        async with secure_site(tmp_path) as site:
            until = site.site.services.clock.now() + timedelta(days=days)
            with pytest.raises(InvalidInput) as caught:
                await execute(site, AllowUnsecured("CP-01", until, reason))
            assert caught.value.errors[0].field == field

    run(play())


def test_only_a_person_lowers_what_a_charger_must_show(run, tmp_path):
    async def play() -> None:
        async with secure_site(tmp_path) as site:
            made = box(site)
            async with made.connected(site) as charger:
                await made.boot(charger)
            assert (await refusal(made, site, tls=False))[0] == 401
            with pytest.raises(InvalidInput):
                await execute(site, LowerSecurityProfile("CP-01", 2, "same as now"))
            await execute(site, LowerSecurityProfile("CP-01", 1, "its board was replaced"))
            async with made.connected(site, tls=False) as charger:
                assert (await made.boot(charger))["status"] == "Accepted"
            assert await profile_of(site) == 1

    run(play())
