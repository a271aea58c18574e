"""The API on a real port: where it listens, and that it lets go."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator

import httpx
import pytest

from sitecontroller.api.app import build_api
from sitecontroller.api.server import ApiServer
from sitecontroller.domain.commands import Command, CommandResult
from sitecontroller.domain.errors import ConfigurationError
from tests.support import eventually
from tests.wire.api.site import TOKEN, FakeSite, StandingClock, assert_problem

HEADERS = {"Authorization": f"Bearer {TOKEN}"}


class SlowSite(FakeSite):
    """A site that never finishes a command."""

    async def execute(
        self, command: Command, *, idempotency_key: str | None = None
    ) -> CommandResult:
        self.executed.append((command, idempotency_key))
        await asyncio.Event().wait()
        raise AssertionError


@contextlib.asynccontextmanager
async def served(
    site: FakeSite, host: str = "127.0.0.1", step_s: float = 0.0
) -> AsyncIterator[tuple[ApiServer, str]]:
    """The API on a free port, stopped at the end."""
    server = ApiServer(build_api(site, TOKEN, clock=StandingClock(step_s)), host, 0)
    try:
        yield server, await server.start()
    finally:
        async with asyncio.timeout(10):
            await server.stop()


def test_port_0_is_told_by_its_real_number(run):
    async def ask() -> int:
        async with served(FakeSite()) as (_, url), httpx.AsyncClient(trust_env=False) as client:
            return (await client.get(f"{url}/v1/health")).status_code

    assert run(ask()) == 200


def test_an_ipv6_address_is_written_in_brackets(run):
    async def ask() -> tuple[str, int]:
        async with (
            served(FakeSite(), "::1") as (_, url),
            httpx.AsyncClient(trust_env=False) as client,
        ):
            return url, (await client.get(f"{url}/v1/health")).status_code

    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        url, status = run(ask())
    except ConfigurationError:
        pytest.skip("no IPv6 loopback here")
    assert url.startswith("http://[::1]:")
    assert status == 200


def test_a_taken_port_is_named_with_its_key(run):
    async def start_twice() -> None:
        async with served(FakeSite()) as (_, url):
            port = int(url.rpartition(":")[2])
            await ApiServer(build_api(FakeSite(), TOKEN), "127.0.0.1", port).start()

    with pytest.raises(ConfigurationError, match=r"port \d+") as caught:
        run(start_twice())
    assert caught.value.errors[0].field == "api.port"


def test_the_processes_signals_stay_its_own(run):
    async def handlers() -> list[object]:
        async with served(FakeSite()):
            return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert run(handlers()) == before


def test_a_stopped_api_no_longer_listens(run):
    async def ask_after_stop() -> None:
        async with served(FakeSite()) as (server, url):
            await server.stop()
            async with httpx.AsyncClient(trust_env=False) as client:
                with pytest.raises(httpx.ConnectError):
                    await client.get(f"{url}/v1/health")

    run(ask_after_stop())


def test_a_server_that_never_started_stops_at_once(run):
    run(ApiServer(build_api(FakeSite(), TOKEN), "127.0.0.1", 0).stop())


def test_a_request_under_way_at_stop_is_told_so(run):
    async def stop_amid() -> httpx.Response:
        site = SlowSite()
        async with served(site) as (server, url), httpx.AsyncClient(trust_env=False) as client:
            post = client.post(f"{url}/v1/stations/CP-01/reset", headers=HEADERS)
            request = asyncio.create_task(post)
            await eventually(lambda: site.executed)
            await server.stop()
            return await request

    assert_problem(run(stop_amid()), 503, "controller-unreachable")


def test_an_idle_connection_does_not_hold_up_the_stop(run):
    async def hold() -> bytes:
        async with served(FakeSite()) as (server, url):
            port = int(url.rpartition(":")[2])
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /v1/hea")
            await writer.drain()
            await server.stop()
            rest = await reader.read()
            writer.close()
            return rest

    assert run(hold()) == b""
