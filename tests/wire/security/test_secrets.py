"""Canaries: passwords and private keys in play are in no journal, log, row, view or event."""

import logging
import sqlite3

from sitecontroller.domain.commands import CommandState
from sitecontroller.domain.device import SettingsQuery, TakeSnapshot
from sitecontroller.domain.files import GetLog
from sitecontroller.domain.queries import JournalQuery
from sitecontroller.domain.security import (
    RaiseSecurityProfile,
    RotatePassword,
    SecurityEventsQuery,
    SecurityJobsQuery,
    SiteSecurityQuery,
)
from sitecontroller.wire import to_json
from tests.support import eventually
from tests.wire.files.station import asked_url
from tests.wire.security.site import box, secure_site
from tests.wire.security.test_certificates import effect, execute, signs_when_asked
from tests.wire.security.test_passwords import answers_with, told
from tests.wire.security.test_profiles import refusal
from tests.wire.security.test_raising import obedient
from tests.wire.site import PASSWORD

WRONG = "canary-of-a-wrong-password-00000001"


def private_keys(directory):
    """The secret part of every key of the authority: its longest lines."""
    lines = []
    for path in (directory / "state/pki").glob("*"):
        text = path.read_text()
        if "PRIVATE KEY" in text:
            body = text.split("PRIVATE KEY-----")[1]
            lines += [line for line in body.splitlines() if len(line) == 64]
    return lines


def test_no_secret_is_anywhere_but_where_it_belongs(run, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    told_events = []

    async def play() -> list[str]:
        async with secure_site(tmp_path) as site:
            site.site.controller.subscribe(told_events.append)
            made = box(site)
            await refusal(box(site, password=WRONG), site)
            async with made.connected(site, tls=False) as charger:
                await made.boot(charger)
                answers_with(charger, "Accepted")
                result = await execute(site, RotatePassword("CP-01"))
                assert result.state is CommandState.ACCEPTED
                assert result.answer is None or "password" not in result.answer
                (password,) = told(charger)
            made.password = password
            async with made.connected(site, tls=False) as charger:
                await made.boot(charger)
                await effect(site, result)
                obedient(charger)
                signing = signs_when_asked(made, charger, "2.0.1")
                await execute(site, RaiseSecurityProfile("CP-01", 3))
                await signing
                await eventually(lambda: charger.asked_for("Reset"))
            shown = [
                await site.site.controller.query(query)
                for query in (
                    SiteSecurityQuery(),
                    SecurityEventsQuery(),
                    SecurityJobsQuery(),
                    JournalQuery(limit=500),
                )
            ]
            assert "BasicAuthPassword" in repr(shown)  # the frames are there
            return [repr(to_json(view)) for view in shown], password

    views, password = run(play())
    canaries = [PASSWORD, WRONG, password, *private_keys(tmp_path)]
    assert len(canaries) > 10
    stored = "".join(dump(path) for path in (tmp_path / "state").glob("*.db"))
    assert "CP-01" in stored
    places = {
        "views": "".join(views),
        "log": caplog.text,
        "events": repr(told_events),
        "databases": stored,
        "other files": "".join(
            path.read_text(errors="replace")
            for path in (tmp_path / "state").iterdir()
            if path.is_file() and path.suffix not in (".db", ".reserve") and "-" not in path.suffix
        ),
    }
    for place, text in places.items():
        for canary in canaries:
            assert canary not in text, f"{canary[:12]}… is in the {place}"


def test_what_a_16_charger_tells_of_its_key_is_kept_nowhere(run, tmp_path, caplog):
    """It tells its key back when asked for its settings, and its files' tokens are in the log."""
    caplog.set_level(logging.DEBUG)

    async def play() -> list[str]:
        async with secure_site(tmp_path) as site:
            made = box(site, version="1.6")
            async with made.connected(site, tls=False) as charger:
                await made.boot(charger)
                await eventually(lambda: site.site.services.stations.link("CP-01"))
                await execute(site, RotatePassword("CP-01"))
                key = next(
                    setting
                    for setting in charger.asked_for("ChangeConfiguration")
                    if setting["key"] == "AuthorizationKey"
                )
                settings = [{**key, "readonly": False}]
                charger.answers["GetConfiguration"] = lambda _: {"configurationKey": settings}
                await execute(site, TakeSnapshot("CP-01"))
                await execute(site, GetLog("CP-01"))
                url, _ = asked_url(charger)
                token = url.split("/once/")[1].strip("/")
                shown = [
                    await site.site.controller.query(query)
                    for query in (JournalQuery(limit=500), SettingsQuery("CP-01"))
                ]
                assert all("authorizationkey" in repr(view).casefold() for view in shown)
                return [key["value"], token, repr([to_json(view) for view in shown])]

    *canaries, view = run(play())
    stored = "".join(dump(path) for path in (tmp_path / "state").glob("*.db"))
    for canary in canaries:
        assert len(canary) >= 32
        assert canary not in view
        assert canary not in caplog.text
    assert canaries[0] not in stored


def dump(path):
    connection = sqlite3.connect(path)
    try:
        return "\n".join(connection.iterdump())
    finally:
        connection.close()
