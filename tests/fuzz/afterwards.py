"""What the API says of a site after a run: every list to its last page, and the receipts."""

import re
from typing import Any
from urllib.parse import urlencode

import httpx
import orjson
from defusedxml import ElementTree

from sitecontroller.api.app import ApiApp, build_api
from sitecontroller.app import Site
from tests.wire.site import STATIONS

TOKEN = "a-machine-token-of-32-characters"
PAGE_ITEMS = 500
LOOKED_AT = 50
"""Of each list, those that are also asked for one by one, and of which a receipt is printed."""
ASKS_A_STATION = "/v1/stations/{station_id}/variables"
MAY_SAY = (200, 404, 409)
"""Found, nothing kept, and a station that would have to be asked has gone."""
_FIELD = re.compile(r"{(\w+)}")


async def faults_of_api(site: Site) -> list[str]:
    """Each answer that isn't what its endpoint promises."""
    app = build_api(site.controller, TOKEN)
    asked = _Asked()
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False),
        base_url="http://127.0.0.1",
        headers=headers,
    ) as asked.client:
        for path, in_pages in _paths(app).items():
            await asked.everything(path, in_pages=in_pages)
    return asked.faults


def _paths(app: ApiApp) -> dict[str, bool]:
    """Every GET but those that ask a station or fetch a file, lists before their items; whether it
    comes in pages."""
    paths = app.openapi()["paths"]
    wanted = [p for p in paths if "get" in paths[p] and p != ASKS_A_STATION and "content" not in p]
    wanted.sort(key=lambda path: path.count("{") - path.count("station_id}"))
    return {
        path: any(given["name"] == "limit" for given in paths[path]["get"].get("parameters", ()))
        for path in wanted
    }


class _Asked:
    client: httpx.AsyncClient

    def __init__(self) -> None:
        self.faults: list[str] = []
        self._items: dict[str, list[dict[str, Any]]] = {}

    async def everything(self, path: str, *, in_pages: bool) -> None:
        """A path with each station in it, page for page, or with the items of the list above it."""
        for station in STATIONS if "{station_id}" in path else ("",):
            here = path.replace("{station_id}", station)
            here = here.replace("{other_station_id}", STATIONS[1])
            if _FIELD.search(here) is None:
                self._items[here] = await self._pages(here) if in_pages else []
                if not in_pages:
                    await self._get(here)
                continue
            above, field, below = _FIELD.split(here, maxsplit=1)
            for item in self._items.get(above.rstrip("/"), ())[:LOOKED_AT]:
                await self._item(item, f"{above}{item.get(field) or item['key']}{below}")

    async def _pages(self, path: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            asked = {"limit": PAGE_ITEMS} | ({"cursor": cursor} if cursor else {})
            page = await self._get(f"{path}?{urlencode(asked)}")
            items += page.get("items", ())
            cursor = page.get("next")
        return items

    async def _item(self, item: dict[str, Any], path: str) -> None:
        if path.endswith("/receipt"):
            if item["state"] == "ended":  # 409: without a price there is none, and it says so
                reply = await self.client.get(path)
                is_pdf = reply.status_code == 200 and reply.content.startswith(b"%PDF")
                if not is_pdf and reply.status_code != 409:
                    self.faults.append(f"{path}: {reply.status_code} {reply.text[:500]}")
        else:
            await self._get(path)

    async def _get(self, path: str) -> dict[str, Any]:
        """What is there; nothing where it isn't, or where that was a fault."""
        reply = await self.client.get(path)
        if reply.status_code == 200 and path.endswith(".pdf"):
            if not reply.content.startswith(b"%PDF"):
                self.faults.append(f"{path}: no PDF: {reply.text[:500]}")
            return {}
        if reply.status_code == 200 and path.endswith(".xml"):
            try:
                ElementTree.fromstring(reply.content)
            except (ElementTree.ParseError, ValueError) as error:
                self.faults.append(f"{path}: no XML: {error}: {reply.text[:500]}")
            return {}
        try:
            answer: dict[str, Any] = orjson.loads(reply.content)
        except orjson.JSONDecodeError:
            answer = {}
            self.faults.append(f"{path}: no JSON: {reply.text[:500]}")
        if reply.status_code not in MAY_SAY:
            self.faults.append(f"{path}: {reply.status_code} {reply.text[:500]}")
        return answer if reply.status_code == 200 else {}
