"""The stations' port as an attacker meets it, tried at the running controller.

Ten operators' systems were named in advisories of 2026 (ICSA-26-057-03 and following) for the same
four flaws: no authentication on the WebSocket, no rate limit, a session taken over by a second
connection, ids of stations to be found out. Each is tried here, and its absence shown.
"""

import asyncio
import base64
import secrets
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from sitecontroller.cli import certificates
from sitecontroller.cli.finding import Finding
from sitecontroller.client import ControllerClient
from sitecontroller.domain.security import SiteSecurityQuery, SiteSecurityView

ANSWER_WITHIN_S = 6.0
SAME_TIME_S = 0.25
KNOCKS = 16
REPORT_IT = "report this to support: it must not be"


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    text: bytes
    took_s: float


async def doors(client: ControllerClient, ocpp_url: str) -> list[Finding]:
    """All checks of the port, with and without TLS."""
    security: SiteSecurityView = await client.ask(SiteSecurityQuery())
    port = urlsplit(ocpp_url)
    where = (port.hostname or "127.0.0.1", port.port or 80)
    known = security.stations[0].station_id if security.stations else "selfcheck"
    findings = [
        await _authentication(where, known),
        await _exposed_ids(where, known),
        await _takeover(client, where),
        await _rate_limit(where),
        _exceptions(security),
    ]
    now = datetime.now(UTC)
    return [
        *findings,
        *await _tls(where, security),
        certificates.own(security.certificates, now),
        certificates.of_chargers(security.stations, now),
    ]


async def _authentication(where: tuple[str, int], known: str) -> Finding:
    attempts = [
        await _knock(where, station_id, password)
        for station_id in (known, "selfcheck-unknown")
        for password in (None, "", secrets.token_hex(20))
    ]
    statuses = {answer.status for answer in attempts}
    return Finding(
        "authentication",
        statuses == {401},
        f"{len(attempts)} log-ins without the right password, answered {_list(statuses)}",
        "" if statuses == {401} else _unless_commissioning(statuses),
    )


def _unless_commissioning(statuses: set[int]) -> str:
    if 101 in statuses:
        return "commissioning mode lets unknown chargers knock: restart without --commissioning"
    return REPORT_IT


async def _exposed_ids(where: tuple[str, int], known: str) -> Finding:
    password = secrets.token_hex(20)
    one = await _knock(where, known, password)
    other = await _knock(where, "selfcheck-unknown", password)
    same = one.text == other.text and abs(one.took_s - other.took_s) < SAME_TIME_S
    return Finding(
        "ids of chargers",
        same,
        "a known and an unknown id get the same answer after the same time"
        if same
        else f"a known id is answered {one.status} after {one.took_s:.2f} s, an unknown one "
        f"{other.status} after {other.took_s:.2f} s",
        "" if same else REPORT_IT,
    )


async def _takeover(client: ControllerClient, where: tuple[str, int]) -> Finding:
    before = next((s for s in await client.stations() if s.online), None)
    if before is None:
        return Finding("takeover", True, "no charger is connected now whose place could be taken")
    statuses = {
        (await _knock(where, before.station_id, password)).status
        for password in (None, secrets.token_hex(20))
    }
    after = next(s for s in await client.stations() if s.station_id == before.station_id)
    stays = after.online and after.since == before.since
    well = stays and statuses == {401}
    return Finding(
        "takeover",
        well,
        f"{before.station_id} stays connected while others knock under its name"
        if well
        else f"knocking under the name of {before.station_id}: answered {_list(statuses)}, "
        f"it {'stayed' if stays else 'lost its connection'}",
        "" if well else REPORT_IT,
    )


async def _rate_limit(where: tuple[str, int]) -> Finding:
    name = f"selfcheck-{secrets.token_hex(4)}"
    answers = await asyncio.gather(*(_knock(where, name, "x") for _ in range(KNOCKS)))
    held_back = sum(answer.status == 429 for answer in answers)
    return Finding(
        "rate limit",
        held_back > 0,
        f"{held_back} of {KNOCKS} log-ins in a row were held back",
        "" if held_back else REPORT_IT,
    )


def _exceptions(security: SiteSecurityView) -> Finding:
    now = datetime.now(UTC)
    open_now = [
        f"{s.station_id} until {s.unsecured_until:%Y-%m-%d %H:%M} UTC ({s.unsecured_reason})"
        for s in security.stations
        if s.unsecured_until is not None and s.unsecured_until > now
    ]
    return Finding(
        "exceptions",
        not open_now,
        "; ".join(open_now) or "no charger may connect without proving who it is",
        "give these chargers their password, then end the exceptions" if open_now else "",
    )


async def _tls(where: tuple[str, int], security: SiteSecurityView) -> list[Finding]:
    if security.secure_url is None:
        detail = "off, or its certificates are still being made"
        return [Finding("TLS", True, detail)]
    # The certificates are our own and are read over the API: only the version is tried here.
    old = await _tls_version(where, ssl.TLSVersion.TLSv1_1)
    new = await _tls_version(where, ssl.TLSVersion.TLSv1_2)
    well = new is not None and old is None
    return [
        Finding(
            "TLS",
            well,
            f"1.2 and newer at {security.secure_url}"
            if well
            else f"1.2 answers {new or 'nothing'}, 1.1 answers {old or 'nothing'}",
            "" if well else "see the log for why; the chargers' profiles 2 and 3 need TLS",
        )
    ]


async def _tls_version(where: tuple[str, int], version: ssl.TLSVersion) -> str | None:
    """What a handshake of that version comes to; None: it is refused."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if version < ssl.TLSVersion.TLSv1_2:
        context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            _, writer = await asyncio.open_connection(*where, ssl=context)
    except (OSError, TimeoutError):
        return None
    spoken = writer.get_extra_info("ssl_object").version()
    writer.close()
    return str(spoken)


async def _knock(where: tuple[str, int], station_id: str, password: str | None) -> _Answer:
    """One WebSocket handshake; status 0: no answer."""
    head = [
        f"GET /ocpp/{station_id} HTTP/1.1",
        f"Host: {where[0]}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: " + base64.b64encode(secrets.token_bytes(16)).decode(),
        "Sec-WebSocket-Protocol: ocpp1.6, ocpp2.0.1",
    ]
    if password is not None:
        login = base64.b64encode(f"{station_id}:{password}".encode()).decode()
        head.append(f"Authorization: Basic {login}")
    began_s = time.monotonic()
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            reader, writer = await asyncio.open_connection(*where)
            writer.write("\r\n".join((*head, "", "")).encode())
            text = await reader.readuntil(b"\r\n\r\n")
            if not text.startswith(b"HTTP/1.1 101"):
                text += await reader.read()
            writer.close()
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return _Answer(0, b"", time.monotonic() - began_s)
    status = text.split(b" ", 2)[1]
    return _Answer(int(status) if status.isdigit() else 0, text, time.monotonic() - began_s)


def _list(statuses: set[int]) -> str:
    return ", ".join(str(status or "nothing") for status in sorted(statuses))
