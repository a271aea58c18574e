"""A VTN's events limit the site: over HTTP, with a token, in pages, until they are deleted."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sitecontroller.client import ControllerClient
from sitecontroller.domain.limit_signal import LimitSourcesQuery
from sitecontroller.simulation.virtual_time import VirtualLoop, virtual_clock
from sitecontroller.wire import format_instant
from tests.wire.limits.test_site_limits import site_and_client
from tests.wire.signals.web import Answer, Asked, web
from tests.wire.site import TestSite

POLL_S = 10.0
A_MOMENT_S = POLL_S + 2
NARROW, FULL, SAFE = 18.74, 61.74, 8.74


def event(kw: Any, *, start_s: float = 0, duration: str = "PT10M", **fields: Any) -> dict[str, Any]:
    start = format_instant(virtual_clock().now() + timedelta(seconds=start_s))
    payload = {"type": "IMPORT_CAPACITY_LIMIT", "values": [kw]}
    return {
        "id": f"E{kw}",
        "programID": "P1",
        "intervalPeriod": {"start": start, "duration": duration},
        "intervals": [{"id": 0, "payloads": [payload]}],
        **fields,
    }


class Vtn:
    """A VTN with a token server; `tokens` are those it takes now."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.tokens = {"T1"}
        self.url = ""
        self.token_host: str | None = None
        self.asked: list[Asked] = []

    def answer(self, asked: Asked) -> Answer | None:
        self.asked.append(asked)
        if asked.path == "/auth/server":
            return {"tokenURL": f"{self.token_host or self.url}/auth/token"}
        if asked.path == "/auth/token":
            is_ours = b"client_id=ven&client_secret=s3cret" in asked.body
            granted = {"access_token": max(self.tokens), "token_type": "Bearer", "expires_in": 600}
            return granted if is_ours and asked.method == "POST" else 401
        if asked.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return 401
        if asked.path == "/programs/P1":
            units = {"payloadType": "IMPORT_CAPACITY_LIMIT", "units": "KW"}
            return {"id": "P1", "payloadDescriptors": [units]}
        skip, limit = int(asked.query["skip"]), int(asked.query["limit"])
        return self.events[skip : skip + limit] if asked.path == "/events" else 404

    def count(self, path: str) -> int:
        return sum(asked.path == path for asked in self.asked)


@pytest.fixture
def play(run: Any, tmp_path: Path) -> Callable[..., None]:
    """`play(story, **settings)` runs `await story(site, client, vtn)`."""
    (tmp_path / "secret").write_text("s3cret\n")

    async def played(story: Any, settings: dict[str, Any]) -> None:
        vtn = Vtn()
        async with web(vtn.answer) as served:
            vtn.url = served.url
            source = {
                "id": "vtn",
                "kind": "openadr3",
                "url": served.url,
                "poll_s": POLL_S,
                "client_id": "ven",
                "client_secret_file": "secret",
                "failsafe_a": 10,
                **settings,
            }
            async with site_and_client(tmp_path, sections={"limit_sources": [source]}) as started:
                await story(*started, vtn)

    return lambda story, **settings: run(played(story, settings), loop_factory=VirtualLoop)


def cap_a(site: TestSite) -> float | None:
    return site.site.services.load.circuit_view("main").cap_a[0]


async def state(client: ControllerClient) -> str:
    (only,) = (await client.ask(LimitSourcesQuery())).items
    return str(only.state)


def test_an_event_limits_from_its_start_to_its_end(play: Any) -> None:
    async def story(site: TestSite, client: ControllerClient, vtn: Vtn) -> None:
        await asyncio.sleep(A_MOMENT_S)
        assert cap_a(site) == pytest.approx(FULL)
        vtn.events = [event(15.18, start_s=60, duration="PT1M")]
        await asyncio.sleep(55)
        assert cap_a(site) == pytest.approx(FULL)
        await asyncio.sleep(8)
        assert cap_a(site) == pytest.approx(NARROW)
        assert await state(client) == "limited"
        await asyncio.sleep(60)
        assert cap_a(site) == pytest.approx(FULL)

    play(story)


def test_a_deleted_event_limits_no_more_and_the_smallest_of_many_counts(play: Any) -> None:
    async def story(site: TestSite, client: ControllerClient, vtn: Vtn) -> None:
        vtn.events = [event(40 + number / 10) for number in range(60)] + [event(15.18)]
        await asyncio.sleep(A_MOMENT_S)
        assert cap_a(site) == pytest.approx(NARROW)
        vtn.events.pop()
        await asyncio.sleep(A_MOMENT_S)
        assert cap_a(site) == pytest.approx(40_000 / 253 / 3 - 1.26)
        assert vtn.count("/programs/P1") > 0
        assert vtn.count("/auth/token") == 1

    play(story)


def test_a_token_that_ended_or_is_refused_is_asked_for_anew(play: Any) -> None:
    async def story(site: TestSite, client: ControllerClient, vtn: Vtn) -> None:
        vtn.events = [event(15.18)]
        await asyncio.sleep(A_MOMENT_S)
        vtn.tokens = {"T2"}
        await asyncio.sleep(A_MOMENT_S)
        assert vtn.count("/auth/token") == 2
        await asyncio.sleep(590)
        assert vtn.count("/auth/token") == 3
        assert (await state(client)) == "unlimited/controlled"

    play(story)


def test_an_event_that_makes_no_sense_raises_nothing_and_becomes_silence(play: Any) -> None:
    async def story(site: TestSite, client: ControllerClient, vtn: Vtn) -> None:
        vtn.events = [event(15.18, duration="PT5M")]
        await asyncio.sleep(A_MOMENT_S)
        vtn.events = [event("40"), event(40)]
        await asyncio.sleep(60)
        assert cap_a(site) == pytest.approx(NARROW)
        await asyncio.sleep(90)
        assert await state(client) == "failsafe"
        assert cap_a(site) == pytest.approx(SAFE)

    play(story)


def test_the_secret_goes_to_no_other_host(play: Any) -> None:
    async def story(site: TestSite, client: ControllerClient, vtn: Vtn) -> None:
        vtn.token_host = "http://localhost:1"
        await asyncio.sleep(A_MOMENT_S)
        (only,) = (await client.ask(LimitSourcesQuery())).items
        assert only.fault == (
            "the VTN names a token server on another host: write token_url in site.toml"
        )
        assert await state(client) == "init"

    play(story)
