"""Who may talk to the API: the gate in front of every route, on HTTP and WebSocket alike.

It checks the Host header (a web page that rebinds its name can't reach us), demands the machine
token everywhere but at the few free paths, bounds request bodies, and turns a fault that nobody
caught into a problem document. The token is never taken from a URL.
"""

import asyncio
import hmac
import logging
import re
from collections.abc import Iterable
from http import HTTPStatus

from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sitecontroller.api.problems import problem, unexpected_problem
from sitecontroller.domain.errors import ControllerUnreachable, InvalidInput, Unauthorized

BODY_BYTES_MAX = 1024 * 1024
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
FREE_PATHS = frozenset({"/v1/health", "/docs", "/openapi.json"})
FREE_PREFIXES = ("/docs/",)
STREAMED = (("POST", "/v1/firmware"),)
"""Bodies of these go to the disk piece by piece, and are bounded where they are kept."""

_DIGITS = re.compile(r"[0-9]{1,12}")

log = logging.getLogger(__name__)


class Gate:
    """ASGI middleware; `hosts` are the names under which this API may be addressed."""

    def __init__(self, app: ASGIApp, token: str, hosts: Iterable[str] = LOOPBACK_HOSTS) -> None:
        assert token, "the API is never open"
        self._app = app
        self._token = token.encode()
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        started = False

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        bounded = receive if _is_streamed(scope) else _bounded(receive)
        try:
            await self._app(scope, bounded, watched_send)
        except asyncio.CancelledError:
            if started or not scope["app"].state.live.closing.is_set():
                raise
            await _stopping()(scope, receive, send)
        except Exception:
            log.exception("api: a request failed path=%s", scope["path"])
            if not started:
                await unexpected_problem()(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or _host_name(hosts[0]) not in self._hosts:
            return problem(
                InvalidInput(
                    "This API does not answer under that host name",
                    remedy="Use the address in controller.json",
                ),
                status=HTTPStatus.MISDIRECTED_REQUEST,
            )
        if not _is_free(scope["path"]) and not self._is_authorized(headers):
            return problem(
                Unauthorized(
                    "This needs the machine token",
                    remedy="Send 'Authorization: Bearer …' with the line in the file api-token",
                )
            )
        length = headers.get("content-length", "0")
        if not _DIGITS.fullmatch(length):
            return _too_large()
        if int(length) > BODY_BYTES_MAX and not _is_streamed(scope):
            return _too_large()
        return None

    def _is_authorized(self, headers: Headers) -> bool:
        given = headers.getlist("authorization")
        if len(given) != 1:
            return False
        scheme, _, token = given[0].partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(
            token.strip().encode("utf-8", "replace"), self._token
        )


def _is_streamed(scope: Scope) -> bool:
    return (scope.get("method"), scope["path"]) in STREAMED


def _is_free(path: str) -> bool:
    return path in FREE_PATHS or path.startswith(FREE_PREFIXES)


def _host_name(host: str) -> str:
    """Without the port, and without the brackets of an IPv6 address."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].rstrip(".").lower()


def _stopping() -> Response:
    return problem(
        ControllerUnreachable(
            "The controller is stopping and did not finish this request",
            remedy="Try again when it is back; an Idempotency-Key keeps it from acting twice",
        )
    )


def _too_large() -> Response:
    return problem(
        InvalidInput(f"The request's body is larger than {BODY_BYTES_MAX} bytes"),
        status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    )


def _bounded(receive: Receive) -> Receive:
    """`receive` that ends a body which is longer than it said or than we take."""
    size = 0

    async def bounded_receive() -> Message:
        nonlocal size
        message = await receive()
        if message["type"] == "http.request":
            size += len(message.get("body", b""))
            if size > BODY_BYTES_MAX:
                raise HTTPException(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    f"The request's body is larger than {BODY_BYTES_MAX} bytes",
                )
        return message

    return bounded_receive
