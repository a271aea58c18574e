"""Who gets in: the token, the host name, and bodies of a bearable size."""

import httpx
import pytest

from sitecontroller.api.app import build_api
from sitecontroller.api.auth import BODY_BYTES_MAX
from tests.wire.api.site import TOKEN, TX, URL, FakeSite, api, assert_problem, operation_of


def ask(run, path="/v1/site", site=None, headers=None, method="GET", **content):
    async def request():
        async with api(site or FakeSite(), token=None) as client:
            return await client.request(method, path, headers=headers, **content)

    return run(request())


def every_operation():
    paths = build_api(FakeSite(), TOKEN).openapi()["paths"]
    return [
        (method.upper(), operation_of(path))
        for path, operations in paths.items()
        for method in operations
        if path != "/v1/health"
    ]


@pytest.mark.parametrize(("method", "path"), every_operation())
def test_nothing_is_shown_or_done_without_the_token(run, method, path):
    site = FakeSite()
    answer = ask(run, path, site, method=method)
    assert_problem(answer, 401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert not site.executed
    assert not site.stopping


def test_each_api_of_a_process_answers_for_its_own_site_to_its_own_token(run):
    async def names():
        sites = {"a" * 43: FakeSite(), "b" * 43: FakeSite()}
        apps = {token: build_api(site, token) for token, site in sites.items()}
        for token, site in sites.items():
            site.rename("CP-01", token[0])
        for token, site in sites.items():
            async with api(site, token, app=apps[token]) as client:
                yield (await client.get("/v1/stations/CP-01")).json()["name"]
        async with api(site, "a" * 43, app=apps["b" * 43]) as client:
            yield (await client.get("/v1/stations/CP-01")).status_code

    async def told():
        return [name async for name in names()]

    assert run(told()) == ["a", "b", 401]


def test_health_needs_no_token(run):
    assert ask(run, "/v1/health").status_code == 200


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Basic {TOKEN}",
        TOKEN,
        b"Bearer \xff\xfe",
        f"Bearer {TOKEN.upper()}",
    ],
)
def test_a_wrong_token_is_refused(run, value):
    assert_problem(ask(run, headers={"Authorization": value}), 401, "unauthorized")


def test_two_tokens_are_refused(run):
    headers = [("Authorization", f"Bearer {TOKEN}"), ("Authorization", "Bearer x")]
    assert_problem(ask(run, headers=headers), 401, "unauthorized")


def test_a_token_in_the_url_is_none(run):
    for name in ("token", "access_token", "authorization"):
        assert_problem(ask(run, f"/v1/site?{name}={TOKEN}"), 401, "unauthorized")


def test_an_unknown_path_tells_a_stranger_nothing(run):
    assert_problem(ask(run, "/v1/secret"), 401, "unauthorized")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8080", "localhost:1", "LOCALHOST", "[::1]:8080", "localhost."]
)
def test_this_machines_names_are_answered(run, host):
    assert ask(run, "/v1/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8080", "", "[::2]"]
)
def test_a_foreign_host_name_is_refused_even_for_what_is_free(run, host):
    assert_problem(ask(run, "/v1/health", headers={"Host": host}), 421, "invalid-input")


def test_a_host_name_of_the_sites_own_is_answered(run):
    async def request():
        app = build_api(FakeSite(), TOKEN, hosts={"Controller.lan"})
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
            headers = {"Host": "controller.lan:8080"}
            return await client.get("/v1/health", headers=headers)

    assert run(request()).status_code == 200


def test_a_body_that_says_it_is_too_large_is_not_read(run):
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    answer = ask(
        run,
        f"/v1/transactions/{TX}/stop",
        headers={**headers, "Content-Length": str(BODY_BYTES_MAX + 1)},
        method="POST",
        content=b"{}",
    )
    assert_problem(answer, 413, "invalid-input")


def test_a_body_that_does_not_say_its_size_is_cut_off(run):
    async def endless():
        for _ in range(3):
            yield b" " * (BODY_BYTES_MAX // 2)

    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    path = "/v1/stations/CP-01/reset"
    answer = ask(run, path, headers=headers, method="POST", content=endless())
    assert_problem(answer, 413, "invalid-input")
