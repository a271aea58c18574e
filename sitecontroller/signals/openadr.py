"""A VEN of OpenADR 3 that polls: what a VTN's events say limits the site.

Source: OpenADR 3.1 Definition, openadr3.yaml (events, programs, auth). Events are asked for in
pages; one that is gone was deleted. The client's credentials go to the token's URL of site.toml, or
to the one that the VTN names, on the VTN's own host alone.
"""

from typing import Any
from urllib.parse import urlsplit

import httpx

from sitecontroller.config import OpenAdrSignal
from sitecontroller.domain.limit_signal import SaidLimit, SenselessSignal
from sitecontroller.domain.openadr import Terms, limits_of, programmes_to_ask, units_of
from sitecontroller.ports import Clock, SignalListener
from sitecontroller.signals.http import Refused, ask_for_ever, fetched
from sitecontroller.signals.reading import parsed
from sitecontroller.signals.secrets import reveal

PAGE = 50
"""The most that OpenADR 3 lets one ask for."""
EVENTS_MAX = 1000
BYTES_MAX = 2 * 1024 * 1024
TOKEN_FOR_S = 300.0
"""How long a token serves that doesn't say it."""
TOKEN_SPARE_S = 30.0


class OpenAdrSource:
    """Polls for ever; each answer is a heartbeat too."""

    def __init__(
        self,
        source_id: str,
        signal: OpenAdrSignal,
        seed: str,
        clock: Clock,
        listener: SignalListener,
    ) -> None:
        self._source_id, self._signal = source_id, signal
        self._clock, self._listener = clock, listener
        reading = signal.reading
        self._terms = Terms(frozenset(signal.targets), reading.dimmed, reading.unit, seed)
        self._token: str | None = None
        self._token_ends_s = 0.0

    async def run(self) -> None:
        """Until cancelled."""
        await ask_for_ever(self._source_id, self._signal, self._said, self._listener)

    async def _said(self, client: httpx.AsyncClient) -> tuple[SaidLimit, ...]:
        events = await self._events(client)
        units = {
            programme: units_of(await self._ask(client, f"/programs/{programme}"))
            for programme in sorted(programmes_to_ask(events))
            if programme.replace("-", "").replace("_", "").isalnum()
        }
        return limits_of(events, units, self._terms, self._clock.now())

    async def _events(self, client: httpx.AsyncClient) -> list[Any]:
        found: list[Any] = []
        chosen = {} if self._signal.programme is None else {"programID": self._signal.programme}
        while len(found) < EVENTS_MAX:
            asked = {**chosen, "skip": str(len(found)), "limit": str(PAGE)}
            page = await self._ask(client, "/events", asked)
            if not isinstance(page, list):
                raise SenselessSignal("the VTN's events are no list")
            found += page
            if len(page) < PAGE:
                return found
        raise SenselessSignal(f"the VTN has more than {EVENTS_MAX} events for us")

    async def _ask(
        self, client: httpx.AsyncClient, path: str, params: dict[str, str] | None = None
    ) -> Any:
        """A GET with a token; with a new one if the VTN takes the old one no more."""
        url = self._signal.url + path
        for is_last in (False, True):
            headers = await self._authorization(client)
            try:
                body = await fetched(
                    client, "GET", url, headers=headers, params=params, bytes_max=BYTES_MAX
                )
            except Refused as refusal:
                if is_last or refusal.status not in (401, 403) or self._token is None:
                    raise
                self._token = None
            else:
                return parsed(body)
        raise AssertionError("the last round returns or raises")

    async def _authorization(self, client: httpx.AsyncClient) -> dict[str, str]:
        if self._signal.client_id is None:
            return {}
        if self._token is None or self._clock.monotonic_s() >= self._token_ends_s:
            self._token = await self._new_token(client, self._signal.client_id)
        return {"Authorization": f"Bearer {self._token}"}

    async def _new_token(self, client: httpx.AsyncClient, client_id: str) -> str:
        form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": await reveal(self._signal.client_secret) or "",
        }
        if self._signal.scope is not None:
            form["scope"] = self._signal.scope
        asked_s = self._clock.monotonic_s()
        url = self._signal.token_url or await self._token_url(client)
        answer = parsed(await fetched(client, "POST", url, headers={}, data=form))
        token = answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise SenselessSignal("the token's server gave no access_token")
        lasts_s = answer.get("expires_in")
        is_number = isinstance(lasts_s, int | float) and 0 < lasts_s < 1e7
        self._token_ends_s = asked_s + (lasts_s if is_number else TOKEN_FOR_S) - TOKEN_SPARE_S
        return token

    async def _token_url(self, client: httpx.AsyncClient) -> str:
        """What the VTN says, if it is the VTN's own host: our secret goes there."""
        answer = parsed(await fetched(client, "GET", f"{self._signal.url}/auth/server", headers={}))
        url = str(answer.get("tokenURL")) if isinstance(answer, dict) else ""
        ours, named = urlsplit(self._signal.url), urlsplit(url)
        if (named.scheme, named.hostname) != (ours.scheme, ours.hostname):
            raise SenselessSignal(
                "the VTN names a token server on another host: write token_url in site.toml"
            )
        return url
