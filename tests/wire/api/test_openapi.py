"""The committed description of the API is what the API does."""

import json
import re
from pathlib import Path

import httpx

from sitecontroller.api.app import build_api
from sitecontroller.api.openapi import openapi_text
from sitecontroller.api.words import field_words
from tests.wire.api.site import TOKEN, URL, FakeSite, api

COMMITTED = Path(__file__).parents[3] / "docs" / "openapi.json"
_REFERENCE = re.compile(r"#/components/schemas/([^\"]+)")
EXTERNAL = re.compile(r"""(?:src|href)\s*=\s*["'](?:https?:)?//""")


def test_the_committed_description_is_current():
    assert COMMITTED.read_text(encoding="utf-8") == openapi_text(), (
        "run python -m sitecontroller.api.openapi"
    )


def test_every_operation_may_answer_with_a_problem():
    document = json.loads(openapi_text())
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            content = operation["responses"]["default"]["content"]
            assert list(content) == ["application/problem+json"], (method, path)


def test_the_description_refers_to_nothing_it_lacks():
    text = openapi_text()
    schemas = json.loads(text)["components"]["schemas"]
    assert set(re.findall(r"#/components/schemas/([^\"]+)", text)) <= set(schemas)


def test_every_field_of_a_request_says_what_it_means():
    document = json.loads(openapi_text())
    schemas = document["components"]["schemas"]
    asked = [
        operation["requestBody"]
        for operations in document["paths"].values()
        for operation in operations.values()
        if "requestBody" in operation
    ]
    names: set[str] = set()
    while found := set(_REFERENCE.findall(json.dumps(asked))) - names:
        names |= found
        asked = [schemas[name] for name in found]
    silent = [
        f"{name}.{field}"
        for name in sorted(names)
        for field, property_ in schemas[name].get("properties", {}).items()
        if "description" not in property_
    ]
    assert len(names) > 40
    assert not silent, "put them into sitecontroller/api/fields.toml"


def test_every_parameter_of_a_request_says_what_it_means():
    document = json.loads(openapi_text())
    silent = [
        (path, parameter["name"])
        for path, operations in document["paths"].items()
        for operation in operations.values()
        for parameter in operation.get("parameters", ())
        if "description" not in parameter and "description" not in parameter["schema"]
    ]
    assert not silent, "put them into sitecontroller/api/fields.toml"


def test_a_figure_of_an_answer_says_its_unit():
    schemas = json.loads(openapi_text())["components"]["schemas"]
    assert schemas["ChargingNeeds"]["properties"]["energy_wh"]["description"] == "In Wh"
    assert schemas["LogJobView"]["properties"]["size_bytes"]["description"] == "In bytes"


def test_an_operation_is_headed_byfield_words():
    document = json.loads(openapi_text())
    settings = document["paths"]["/v1/stations/{station_id}/settings"]
    assert settings["get"]["summary"] == "Settings"
    assert settings["put"]["summary"] == "Set Variables"


def test_no_words_are_kept_for_what_is_not_there():
    document = json.loads(openapi_text())
    headings = {
        operation["summary"]
        for operations in document["paths"].values()
        for operation in operations.values()
    }
    types = {
        re.sub(r"Body$|-(Input|Output)$", "", name) for name in document["components"]["schemas"]
    }
    assert set(field_words()) <= {"any", "units"} | headings | types


def test_the_docs_page_and_all_it_loads_come_from_here_without_a_token(run):
    async def load() -> list[httpx.Response]:
        async with api(FakeSite(), token=None) as client:
            page = await client.get("/docs")
            names = re.findall(r'(?:src|href)="([^"]+)"', page.text)
            return [page, *[await client.get(name) for name in [*names, "/openapi.json"]]]

    page, *parts = run(load())
    assert not EXTERNAL.search(page.text)
    assert len(parts) == 5
    assert {part.status_code for part in (page, *parts)} == {200}


def test_only_the_pages_own_files_are_served(run):
    async def climb() -> list[int]:
        transport = httpx.ASGITransport(app=build_api(FakeSite(), TOKEN))
        async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
            names = ["index.html", "%2E%2E", "%2E%2E%2Fsetup.py", "..%2f..%2fREADME.md"]
            return [(await client.get(f"/docs/{name}")).status_code for name in names]

    assert set(run(climb())) == {404}
