"""The API on a port: uvicorn as a task of our own loop, without its signals and its logging.

We bind the socket, so that the port may be 0 and a taken one is named before anything runs.
`stop` is done within 2 s whatever the clients do.
"""

import asyncio
import contextlib
import socket
import sys

import uvicorn

from sitecontroller.api.app import ApiApp
from sitecontroller.api.live import LiveFeed
from sitecontroller.domain.errors import ConfigurationError, FieldError

CONNECTIONS_MAX = 256
KEEP_ALIVE_S = 15
GRACE_S = 1
"""For requests under way at stop: with uvicorn's own pauses it keeps `stop` below 2 s."""
LAST_WORD_S = 0.2
"""For telling those whose requests were cut off."""
FRAME_BYTES_MAX = 4096
"""From a live client, which has nothing to say."""


class ApiServer:
    """Serves an app made by `build_api` until stopped."""

    def __init__(self, app: ApiApp, host: str, port: int) -> None:
        self.app = app
        self._host = host
        self._port = port
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> str:
        """Listen; the URL, with the real port. ConfigurationError when the port can't be had."""
        assert self._serving is None, "started twice"
        self.app.prepare()
        listener = _bind(self._host, self._port)
        port = listener.getsockname()[1]
        self._server = _Server(
            uvicorn.Config(
                self.app,
                http="h11",
                ws="websockets-sansio",
                ws_max_size=FRAME_BYTES_MAX,
                ws_per_message_deflate=False,
                interface="asgi3",
                lifespan="off",
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=CONNECTIONS_MAX,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=GRACE_S,
            )
        )
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]), name="api")
        await self._server.listening.wait()
        if not self._server.started:
            await self._serving
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{port}"

    async def stop(self) -> None:
        """Let live clients go, finish what is under way, close; within 2 s."""
        if self._server is None or self._serving is None:
            return
        feed: LiveFeed = self.app.state.live
        feed.close()
        self._server.should_exit = True
        await self._serving
        if cancelled := self._server.server_state.tasks:
            await asyncio.wait(cancelled, timeout=LAST_WORD_S)
        for connection in list(self._server.server_state.connections):
            # A client that doesn't read would keep its socket open until its buffer drains.
            if connection.transport is not None:
                connection.transport.abort()
        self._server = self._serving = None


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()
        # Signals belong to the process, not to one of its ports.
        self.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        finally:
            self.listening.set()


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"The API can't listen on {host} port {port}: {error.strerror or error}",
            remedy="Stop what uses the port, or set another one (or 0) at [api] port in site.toml",
            errors=(FieldError("api.port", "can't be used"),),
        ) from error
    listener.setblocking(False)
    return listener
