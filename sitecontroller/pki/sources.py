"""The way out to OCSP responders and CRLs: only below URLs that the installer listed, never to an
address of the LAN unless that address itself is listed, without redirects, small and short.

`services.trust.RevocationSources`. A station names the URL, so everything about it is a stranger's.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit

import httpx

from sitecontroller.domain.errors import OperatingError

ANSWER_WITHIN_S = 3.0
OCSP_BYTES_MAX = 64 * 1024
CRL_BYTES_MAX = 2 * 1024 * 1024
URL_CHARACTERS_MAX = 2000
AT_ONCE_MAX = 8
_PORTS = {"http": 80, "https": 443}


class AllowedSources:
    """Asks below the allowed URLs; none: asks nobody."""

    def __init__(self, allowed: Sequence[str]) -> None:
        self._allowed = tuple(urlsplit(url) for url in allowed)
        self._under_way = 0

    async def ocsp(self, url: str, question: bytes) -> bytes:
        """An OCSP answer, DER. Raises OperatingError."""
        return await self._fetch("POST", url, OCSP_BYTES_MAX, question)

    async def crl(self, url: str) -> bytes:
        """A CRL, DER. Raises OperatingError."""
        return await self._fetch("GET", url, CRL_BYTES_MAX)

    async def _fetch(self, method: str, url: str, at_most: int, body: bytes = b"") -> bytes:
        wanted = self._checked(url)
        if self._under_way >= AT_ONCE_MAX:
            raise OperatingError(f"{AT_ONCE_MAX} such questions are under way already")
        self._under_way += 1
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await self._ask(method, wanted, at_most, body)
        except TimeoutError:
            raise OperatingError(f"{wanted.hostname} doesn't answer") from None
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
            raise OperatingError(f"{wanted.hostname} can't be asked: {error}") from None
        finally:
            self._under_way -= 1

    def _checked(self, url: str) -> SplitResult:
        try:
            wanted = urlsplit(url[: URL_CHARACTERS_MAX + 1])
            port = wanted.port
        except ValueError:
            raise OperatingError("that is no URL") from None
        if len(url) > URL_CHARACTERS_MAX or "@" in wanted.netloc or ".." in wanted.path:
            raise OperatingError("that URL is not asked")
        if not any(_is_below(wanted, port, allowed) for allowed in self._allowed):
            raise OperatingError(
                f"{wanted.hostname or 'that URL'} is not on this site's list",
                remedy="Add it to plug_and_charge.revocation_urls of site.toml",
            )
        return wanted

    async def _ask(self, method: str, wanted: SplitResult, at_most: int, body: bytes) -> bytes:
        host = wanted.hostname or ""
        address = await self._public_address(host, wanted)
        # Asked by the address that was checked: a second look-up of the name could tell another.
        target = httpx.URL(wanted.geturl()).copy_with(host=address)
        headers = {"Host": wanted.netloc, "Accept": "*/*", "Accept-Encoding": "identity"}
        if body:
            headers["Content-Type"] = "application/ocsp-request"
        async with (
            httpx.AsyncClient(timeout=ANSWER_WITHIN_S, trust_env=False) as http,
            http.stream(
                method,
                target,
                headers=headers,
                content=body or None,
                extensions={"sni_hostname": host},
            ) as answer,
        ):
            if answer.status_code != httpx.codes.OK:
                raise OperatingError(f"{host} answers {answer.status_code}")
            content = bytearray()
            async for chunk in answer.aiter_raw():
                content += chunk
                if len(content) > at_most:
                    raise OperatingError(f"{host} answers more than {at_most} bytes")
        return bytes(content)

    async def _public_address(self, host: str, wanted: SplitResult) -> str:
        if _is_address(host):
            return host  # listed by itself
        found = await asyncio.get_running_loop().getaddrinfo(
            host, wanted.port or _PORTS[wanted.scheme], type=socket.SOCK_STREAM
        )
        for _, _, _, _, place in found:
            if ipaddress.ip_address(place[0]).is_global:
                return str(place[0])
        raise OperatingError(f"{host} leads into a private network")


def _is_below(wanted: SplitResult, port: int | None, allowed: SplitResult) -> bool:
    return (
        wanted.scheme == allowed.scheme
        and wanted.scheme in _PORTS
        and wanted.hostname == allowed.hostname
        and (port or _PORTS[wanted.scheme]) == (allowed.port or _PORTS[allowed.scheme])
        and (wanted.path or "/").startswith(allowed.path or "/")
    )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
