"""A limit from a URL to the charger: asked over HTTP, held by load management, shown, survived."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sitecontroller.client import ControllerClient
from sitecontroller.domain.errors import Conflict
from sitecontroller.domain.limit_signal import LimitSourcesQuery, LimitSourceView
from sitecontroller.domain.limit_source import SiteLimitsQuery, WithdrawSiteLimit
from sitecontroller.simulation.virtual_time import VirtualLoop, virtual_clock
from sitecontroller.wire import format_instant
from tests.wire.limits.box import box_at
from tests.wire.limits.test_site_limits import EARLIER_LEASES_S, limited, site_and_client
from tests.wire.signals.web import Answer, Web, web
from tests.wire.site import TestSite

POLL_S = 10.0
A_MOMENT_S = POLL_S + 2
HOLDS: dict[str, Any] = {"power_w": 15_180, "until": None}
"""20 A on three phases at 253 V."""


def sections(url: str, **settings: Any) -> dict[str, Any]:
    source = {"id": "dso", "kind": "http", "url": f"{url}/limit", "poll_s": POLL_S, **settings}
    return {"limit_sources": [source]}


async def view(client: ControllerClient) -> LimitSourceView:
    (only,) = (await client.ask(LimitSourcesQuery())).items
    return only


@pytest.fixture
def play(run: Any, tmp_path: Path) -> Callable[..., None]:
    """`play(story, **settings)` runs `await story(site, client, web, answers)`; what the server
    answers is `answers[-1]`."""

    async def played(story: Any, settings: dict[str, Any]) -> None:
        answers: list[Answer | None] = [HOLDS]
        async with web(lambda asked: answers[-1]) as served:
            more = sections(served.url, **settings)
            async with site_and_client(tmp_path, sections=more) as (site, client):
                await story(site, client, served, answers)

    return lambda story, **settings: run(played(story, settings), loop_factory=VirtualLoop)


def cap_a(site: TestSite) -> float | None:
    return site.site.services.load.circuit_view("main").cap_a[0]


NARROW, FULL, SAFE = 18.74, 61.74, 8.74
"""The cap at 20 A, at the fuse, and at a failsafe limit of 10 A."""


def test_a_limit_of_a_url_reaches_the_charger_and_ends_when_the_url_says_so(play: Any) -> None:
    async def story(site: TestSite, client: ControllerClient, _: Web, answers: Any) -> None:
        answers.append({"power_w": None})
        await asyncio.sleep(EARLIER_LEASES_S)
        async with box_at(site, car_a=63) as box:
            await box.begin()
            await asyncio.sleep(120)
            assert box.drawn_a > 50
            assert (await view(client)).state == "unlimited/controlled"
            answers.append(HOLDS)
            await asyncio.sleep(A_MOMENT_S)
            assert 17 < box.drawn_a <= 20
            shown = await view(client)
            assert (shown.state, shown.power_w, shown.says) == ("limited", 15_180, "15180 W")
            answers.append({"power_w": None})
            await asyncio.sleep(120)
            assert box.drawn_a > 50

    play(story)


def test_a_limit_with_an_end_ends_by_itself(play: Any) -> None:
    async def story(site: TestSite, client: ControllerClient, _: Web, answers: Any) -> None:
        until = virtual_clock().now() + timedelta(seconds=100)
        answers.append({**HOLDS, "until": format_instant(until)})
        await asyncio.sleep(90)
        assert cap_a(site) == pytest.approx(NARROW)
        assert (await view(client)).until is not None
        await asyncio.sleep(20)
        assert cap_a(site) == pytest.approx(FULL)

    play(story)


NONSENSE = [
    {"power_w": -1},
    b'{"power_w": NaN}',
    b'{"power_w": 1e999}',
    {"power_w": 10**12},
    {"power_w": "90000"},
    {"power_w": True},
    {"power_w": 90_000, "until": "tomorrow"},
    {"current_a": [63, 63, 63]},
    {},
    [],
    b"",
    b"<html>",
    b"[" * 60_000,
    b'{"power_w": null, "x": "' + b"x" * 70_000 + b'"}',
    500,
    302,
    401,
    None,
]


def test_nonsense_raises_nothing_and_becomes_silence(play: Any) -> None:
    async def story(site: TestSite, client: ControllerClient, _: Web, answers: Any) -> None:
        await asyncio.sleep(A_MOMENT_S)
        for answer in NONSENSE:
            answers.append(HOLDS)
            await asyncio.sleep(POLL_S)
            assert (await view(client)).fault is None
            answers.append(answer)
            await asyncio.sleep(POLL_S)
            assert cap_a(site) == pytest.approx(NARROW), answer
            shown = await view(client)
            assert shown.state == "limited"
            assert shown.fault, answer
        await asyncio.sleep(120)
        assert cap_a(site) == pytest.approx(SAFE)
        assert (await view(client)).state == "failsafe"
        assert "limit-source-silent:dso" in {a.key for a in site.site.services.alarms.open()}
        answers.append(HOLDS)
        await asyncio.sleep(A_MOMENT_S)
        assert cap_a(site) == pytest.approx(NARROW)
        assert not any(alarm.active for alarm in site.site.services.alarms.open())

    play(story, failsafe_a=10)


def test_the_failsafe_limit_ends_after_its_time(play: Any) -> None:
    async def story(site: TestSite, client: ControllerClient, _: Web, answers: Any) -> None:
        answers.append({"power_w": None})
        await asyncio.sleep(A_MOMENT_S)
        answers.append(500)
        await asyncio.sleep(130)
        assert cap_a(site) == pytest.approx(SAFE)
        await asyncio.sleep(600)
        assert cap_a(site) == pytest.approx(FULL)
        assert (await view(client)).state == "unlimited/autonomous"
        assert any(alarm.active for alarm in site.site.services.alarms.open())

    play(story, failsafe_a=10, failsafe_for_s=600)


def test_a_restart_forgets_no_limit_and_begins_with_the_failsafe_limit(
    run: Any, tmp_path: Path
) -> None:
    async def story() -> None:
        answers: list[Any] = [HOLDS]
        async with web(lambda asked: answers[-1]) as served:
            more = sections(served.url, failsafe_a=30)
            async with site_and_client(tmp_path, sections=more):
                await asyncio.sleep(A_MOMENT_S)
            answers.append(500)
            async with site_and_client(tmp_path, sections=more, planted=True) as (site, client):
                await asyncio.sleep(EARLIER_LEASES_S)
                assert cap_a(site) == pytest.approx(NARROW)
                assert (await view(client)).state == "init"
                answers.append({"power_w": None})
                await asyncio.sleep(A_MOMENT_S)
                assert cap_a(site) == pytest.approx(FULL)
            answers.append(500)
            async with site_and_client(tmp_path, sections=more, planted=True) as (site, client):
                await asyncio.sleep(EARLIER_LEASES_S)
                assert cap_a(site) == pytest.approx(30 - 1.26)

    run(story(), loop_factory=VirtualLoop)


def test_people_can_neither_write_nor_withdraw_what_a_source_says(play: Any) -> None:
    async def story(site: TestSite, client: ControllerClient, _: Web, answers: Any) -> None:
        await asyncio.sleep(A_MOMENT_S)
        with pytest.raises(Conflict, match="people can't change what it says"):
            await client.execute(limited(limit_id="dso", current_a=(63.0,) * 3))
        with pytest.raises(Conflict, match="people can't change what it says"):
            await client.execute(WithdrawSiteLimit("dso"))
        (shown,) = (await client.ask(SiteLimitsQuery())).items
        assert (shown.limit.limit_id, shown.limit.set_by) == ("dso", "limit source 'dso'")
        assert cap_a(site) == pytest.approx(NARROW)

    play(story)


def test_a_document_of_another_shape_is_read_by_pointers_and_with_a_token(
    play: Any, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("s3cret\n")

    async def story(site: TestSite, client: ControllerClient, served: Web, answers: Any) -> None:
        answers.append({"data": [{"limit/kw": 15.18, "end": "2999-01-01T00:00:00+01:00"}]})
        await asyncio.sleep(A_MOMENT_S)
        assert cap_a(site) == pytest.approx(NARROW)
        assert served.asked[-1].headers["authorization"] == "Bearer s3cret"
        assert (await view(client)).until is not None

    play(story, value="/data/0/limit~1kw", unit="kW", until="/data/0/end", token_file="token")


def test_a_switch_dims_to_what_site_toml_says(play: Any) -> None:
    async def story(site: TestSite, client: ControllerClient, _: Web, answers: Any) -> None:
        answers.append({"dimmed": True})
        await asyncio.sleep(A_MOMENT_S)
        assert cap_a(site) == pytest.approx(SAFE)
        answers.append({"dimmed": False})
        await asyncio.sleep(A_MOMENT_S)
        assert cap_a(site) == pytest.approx(FULL)

    play(story, dimmed_a=10)
