"""Stations that connect otherwise than the standard says.

Each function takes the station and the `Opening` of its handshake, which it may change.
"""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import WebSocketException

from sitecontroller.domain.station import OcppVersion
from sitecontroller.simulation.line import Opening, basic_auth, open_line

if TYPE_CHECKING:
    from sitecontroller.simulation.station import SimulatedStation

SECOND_AFTER_S = 20.0
SECOND_EVERY_S = 60.0
ABANDON_EVERY_S = 90.0
STAYS_AWAY_S = 6 * 3600.0

_ODD_NAMES = {
    OcppVersion.V16: "ocpp1.6j",
    OcppVersion.V201: "OCPP2.0.1",
    OcppVersion.V21: "ocpp-2.1",
}


def _path(opening: Opening) -> str:
    return urlsplit(opening.url).path


def _id_at(opening: Opening, written: str) -> Opening:
    opening.target = f"{_path(opening).rpartition('/')[0]}/{written}"
    return opening


def doubled_id(station: SimulatedStation, opening: Opening) -> Opening:
    """/ocpp/ID/ID."""
    opening.target = f"{_path(opening)}/{station.station_id}"
    return opening


def trailing_slash(station: SimulatedStation, opening: Opening) -> Opening:
    """/ocpp/ID/."""
    opening.target = f"{_path(opening)}/"
    return opening


def doubled_slash(station: SimulatedStation, opening: Opening) -> Opening:
    """//ocpp//ID."""
    opening.target = "/" + _path(opening).replace("/", "//")
    return opening


def absolute_url(station: SimulatedStation, opening: Opening) -> Opening:
    """The whole URL as the request target."""
    opening.target = opening.url.replace("ws", "http", 1)
    return opening


def percent_encoded(station: SimulatedStation, opening: Opening) -> Opening:
    """Each character of the id as %XX."""
    return _id_at(opening, "".join(f"%{byte:02X}" for byte in station.station_id.encode()))


def with_query(station: SimulatedStation, opening: Opening) -> Opening:
    """A query behind the id, with a slash in it."""
    opening.target = f"{_path(opening)}?token=abc/def&v=1"
    return opening


def blank_in_url(station: SimulatedStation, opening: Opening) -> Opening:
    """A raw blank in the request target: no HTTP any more."""
    return _id_at(opening, f"{station.station_id} 1")


def lower_case_id(station: SimulatedStation, opening: Opening) -> Opening:
    """The id in lower case, in the URL and in the log-in."""
    if station.uplink.password is not None and "Authorization" in opening.headers:
        user = station.station_id.casefold()
        opening.headers["Authorization"] = basic_auth(user, station.uplink.password)
    return _id_at(opening, station.station_id.casefold())


def id_with_blanks(station: SimulatedStation, opening: Opening) -> Opening:
    """A blank behind the id, as %20."""
    return _id_at(opening, f"{station.station_id}%20")


def unknown_id(station: SimulatedStation, opening: Opening) -> Opening:
    """An id that no site.toml has."""
    return _id_at(opening, f"{station.station_id}-OF-ANOTHER-SITE")


def no_subprotocol(station: SimulatedStation, opening: Opening) -> Opening:
    """No Sec-WebSocket-Protocol at all."""
    opening.protocols = []
    return opening


def odd_subprotocol(station: SimulatedStation, opening: Opening) -> Opening:
    """The sub-protocol in a spelling of its own."""
    opening.protocols = [_ODD_NAMES[station.description.version]]
    return opening


def listed_subprotocols(station: SimulatedStation, opening: Opening) -> Opening:
    """Several, with a semicolon between them."""
    opening.protocols = [f"{opening.protocols[0]};ocpp1.5"]
    return opening


def doubled_subprotocols(station: SimulatedStation, opening: Opening) -> Opening:
    """Two headers, the older version first."""
    opening.protocols = ["ocpp1.5", *opening.protocols]
    return opening


def no_connection_header(station: SimulatedStation, opening: Opening) -> Opening:
    """Upgrade without Connection: Upgrade."""
    opening.left_out.add("Connection")
    return opening


def password_in_hex(station: SimulatedStation, opening: Opening) -> Opening:
    """The password's digits taken for hex, as the security extension of 1.6 has it."""
    password = station.uplink.password or ""
    try:
        plain = bytes.fromhex(password)
    except ValueError:
        return opening
    text = base64.b64encode(station.station_id.encode() + b":" + plain).decode()
    opening.headers["Authorization"] = f"Basic {text}"
    return opening


def basic_in_lower_case(station: SimulatedStation, opening: Opening) -> Opening:
    """The scheme's name in lower case."""
    if "Authorization" in opening.headers:
        text = opening.headers["Authorization"].replace("Basic", "basic")
        opening.headers["Authorization"] = text
    return opening


def no_pong(station: SimulatedStation, opening: Opening) -> Opening:
    """Pings are left without an answer."""
    opening.pongs = False
    return opening


# After the handshake


def second_socket(station: SimulatedStation, value: Any, afresh: bool) -> None:
    """Opens another connection while the first one is well."""
    station.spawn(_keep_opening(station))


async def _keep_opening(station: SimulatedStation) -> None:
    await asyncio.sleep(SECOND_AFTER_S)
    url = station.uplink.url
    socket: ClientConnection | None = None
    try:
        socket = await open_line(station.opening(url))
        await asyncio.sleep(SECOND_EVERY_S)
    except (OSError, TimeoutError, WebSocketException) as error:
        station.note(f"second connection refused: {error}")
    finally:
        if socket is not None:
            await socket.close()


class Abandoned:
    """When the line was last given up; monotonic."""

    def __init__(self) -> None:
        self.at_s: float | None = None


def abandons_connections(station: SimulatedStation, value: Any) -> None:
    """Forgets its connection without closing it, and opens another."""
    kept, now_s = station.part(Abandoned), station.clock.monotonic_s()
    if kept.at_s is None:
        kept.at_s = now_s
    elif now_s >= kept.at_s + ABANDON_EVERY_S and station.uplink.online:
        kept.at_s = now_s
        station.uplink.abandon()


def stays_away(station: SimulatedStation, seconds: float) -> float:
    """After a close frame no attempt to come back."""
    return STAYS_AWAY_S if station.uplink.was_told_to_go else seconds
