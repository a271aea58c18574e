"""Opening a station's WebSocket: request target, headers, sub-protocols, TLS.

Written so that each of them can be wrong, as it is in the field: the library writes a correct
handshake only.
"""

import base64
import ssl
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.frames import Frame, Opcode

from sitecontroller.domain.station import OcppVersion

CLOSE_S_MAX = 1.0
FRAME_BYTES_MAX = 2 * 1024 * 1024

SUBPROTOCOLS = {
    OcppVersion.V16: "ocpp1.6",
    OcppVersion.V201: "ocpp2.0.1",
    OcppVersion.V21: "ocpp2.1",
}


@dataclass(slots=True)
class Opening:
    """One handshake. `url` ends with the station's id; `target` is written in place of its path.

    `protocols` are the values of so many Sec-WebSocket-Protocol headers. `pongs` False leaves
    pings without an answer.
    """

    url: str
    protocols: list[str]
    headers: dict[str, str] = field(default_factory=dict)
    left_out: set[str] = field(default_factory=set)
    target: str | None = None
    pongs: bool = True
    ping_interval_s: float | None = None
    tls: ssl.SSLContext | None = None


def basic_auth(user: str, password: str) -> str:
    """The value of an Authorization header."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


async def open_line(opening: Opening) -> ClientConnection:
    """Connect. Raises OSError, TimeoutError or WebSocketException."""

    class Socket(ClientConnection):
        async def handshake(self, *_: Any, **__: Any) -> None:
            _bend(self.protocol, opening)
            await super().handshake(opening.headers, None)

    options: dict[str, Any] = {} if opening.tls is None else {"ssl": opening.tls}
    return await connect(
        opening.url,
        compression=None,
        proxy=None,
        ping_interval=opening.ping_interval_s,
        ping_timeout=opening.ping_interval_s,
        close_timeout=CLOSE_S_MAX,
        max_size=FRAME_BYTES_MAX,
        create_connection=Socket,
        **options,
    )


def _bend(protocol: Any, opening: Opening) -> None:
    """Make the library write this handshake, and take whatever sub-protocol comes back."""
    request_of = protocol.connect

    def written() -> Any:
        request = request_of()
        for name in opening.left_out:
            if name in request.headers:
                del request.headers[name]
        for value in opening.protocols:
            request.headers["Sec-WebSocket-Protocol"] = value
        if opening.target is not None:
            request.path = opening.target
        return request

    protocol.connect = written
    protocol.process_subprotocol = lambda headers: headers.get("Sec-WebSocket-Protocol")
    if not opening.pongs:
        send = protocol.send_frame

        def all_but_pongs(frame: Frame) -> None:
            if frame.opcode is not Opcode.PONG:
                send(frame)

        protocol.send_frame = all_but_pongs
