"""A limit from a URL: asked again and again, JSON in the answer."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx

from sitecontroller.config import HttpSignal, OpenAdrSignal
from sitecontroller.domain.limit_signal import SaidLimit, SenselessSignal
from sitecontroller.ports import SignalListener
from sitecontroller.signals.reading import TEXT_BYTES_MAX, parsed, said_in
from sitecontroller.signals.secrets import reveal

TIMEOUT_S = 10.0


class Refused(SenselessSignal):
    """An answer other than 200."""

    def __init__(self, url: str, status: int) -> None:
        super().__init__(f"{url.partition('?')[0]} answers {status}")
        self.status = status


class HttpSource:
    """Polls for ever; each answer is a heartbeat too."""

    def __init__(self, source_id: str, signal: HttpSignal, listener: SignalListener) -> None:
        self._source_id, self._signal, self._listener = source_id, signal, listener

    async def run(self) -> None:
        """Until cancelled."""
        await ask_for_ever(self._source_id, self._signal, self._said, self._listener)

    async def _said(self, client: httpx.AsyncClient) -> tuple[SaidLimit, ...]:
        signal, token = self._signal, await reveal(self._signal.token)
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        body = await fetched(client, "GET", signal.url, headers=headers)
        return said_in(parsed(body), signal.reading, signal.value, signal.until)


async def ask_for_ever(
    source_id: str,
    signal: HttpSignal | OpenAdrSignal,
    said: Callable[[httpx.AsyncClient], Awaitable[tuple[SaidLimit, ...]]],
    listener: SignalListener,
) -> None:
    """Ask every `poll_s` and tell the listener; what goes wrong outside is told, not raised."""
    async with connected(signal.ca_file) as client:
        while True:
            try:
                limits = await said(client)
            except SenselessSignal as fault:
                listener.failed(source_id, str(fault))
            except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
                listener.failed(source_id, unreachable(signal.url, error))
            else:
                listener.told(source_id, limits)
            await asyncio.sleep(signal.poll_s)


@contextlib.asynccontextmanager
async def connected(ca_file: Path | None) -> AsyncIterator[httpx.AsyncClient]:
    """A client that verifies TLS, follows no redirects and asks no proxy of the environment."""
    trust = await asyncio.to_thread(ssl.create_default_context, cafile=ca_file)
    async with httpx.AsyncClient(
        verify=trust, timeout=TIMEOUT_S, trust_env=False, follow_redirects=False
    ) as client:
        yield client


async def fetched(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    headers: dict[str, str],
    data: dict[str, str] | None = None,
    params: dict[str, str] | None = None,
    bytes_max: int = TEXT_BYTES_MAX,
) -> bytes:
    """The body of a 200; SenselessSignal for other answers (Refused) and longer ones."""
    request = client.build_request(method, url, headers=headers, data=data, params=params)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            answer = await client.send(request, stream=True)
            try:
                if answer.status_code != httpx.codes.OK:
                    raise Refused(url, answer.status_code)
                body = b""
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > bytes_max:
                        raise SenselessSignal(f"the answer has more than {bytes_max} bytes")
            finally:
                await answer.aclose()
    except TimeoutError:
        name = url.partition("?")[0]
        raise SenselessSignal(f"{name} didn't answer within {TIMEOUT_S:g} s") from None
    return body


def unreachable(url: str, error: Exception) -> str:
    """In words, without what a URL may hide after its `?`."""
    return f"{url.partition('?')[0]} can't be reached: {str(error)[:80] or type(error).__name__}"
