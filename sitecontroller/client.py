"""The API's client: what the console, the command line and scripts use.

One method a question and one `execute` for every command; answers are domain values, and an error
of the controller is raised here again as the same class. When nobody answers it is
`ControllerUnreachable`. Reconnecting is the caller's business.
"""

import os
import secrets
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx
import orjson
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from sitecontroller.domain.authorization import TokenRecord
from sitecontroller.domain.commands import (
    CallStation,
    ChangeAvailability,
    Command,
    CommandResult,
    CommandState,
    GetVariables,
)
from sitecontroller.domain.errors import (
    CallRefused,
    CallTimeout,
    ControllerError,
    ControllerUnreachable,
    FieldError,
    error_classes,
)
from sitecontroller.domain.firmware import FirmwareImage, ImageTerms
from sitecontroller.domain.live import ChangesFrame, EventFrame, LiveFrame, SnapshotFrame
from sitecontroller.domain.queries import Query
from sitecontroller.domain.tariff import Tariff, TariffTerms
from sitecontroller.domain.views import (
    AlarmView,
    CircuitView,
    JournalEntry,
    MeterView,
    Page,
    PhaseSample,
    SiteView,
    StationView,
    TransactionView,
)
from sitecontroller.routes import COMMANDS, QUERIES, filled, segment
from sitecontroller.wire import from_json, to_json

T = TypeVar("T")

CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 45.0
"""A technician's raw call waits as long as a station may take (30 s)."""
KEEP_ALIVE_S = 5.0
"""Shorter than the server's, so that a connection isn't used while it is closed."""
PAGE_ITEMS = 500
PAGES_MAX = 20
LIVE_FRAME_BYTES_MAX = 32 * 1024 * 1024
"""A snapshot of 500 stations takes about half a MiB."""

_FRAMES: dict[str, type[SnapshotFrame] | type[ChangesFrame] | type[EventFrame]] = {
    "snapshot": SnapshotFrame,
    "changes": ChangesFrame,
    "event": EventFrame,
}
_START_IT = "Start it with 'sitecontroller run'; its log says more"


class ControllerClient:
    """A connection to one controller's API; `close` it."""

    def __init__(
        self, api_url: str, token: str, *, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._url = api_url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"}
        # The controller is never behind a proxy, whatever the environment says.
        self._http = httpx.AsyncClient(
            base_url=self._url,
            headers=self._headers,
            timeout=httpx.Timeout(ANSWER_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            limits=httpx.Limits(max_connections=8, keepalive_expiry=KEEP_ALIVE_S),
            transport=transport,
            trust_env=False,
        )

    @classmethod
    def from_state_dir(cls, state_dir: Path) -> "ControllerClient":
        """The controller that runs on this state directory, by its controller.json and api-token.

        Raises ControllerUnreachable when there is none.
        """
        try:
            where = orjson.loads((state_dir / "controller.json").read_bytes())
            token = (state_dir / "api-token").read_text(encoding="ascii").strip()
            api_url, pid = str(where["api_url"]), int(where["pid"])
        except FileNotFoundError as error:
            raise ControllerUnreachable(
                f"No controller runs on {state_dir}", remedy=_START_IT
            ) from error
        except PermissionError as error:
            raise ControllerUnreachable(
                f"{error.filename} may not be read",
                remedy="Run this as the user the controller runs as",
            ) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ControllerUnreachable(
                f"What the controller left in {state_dir} can't be read: {error}", remedy=_START_IT
            ) from error
        if not _runs(pid):
            raise ControllerUnreachable(
                f"The controller on {state_dir} has ended (process {pid})", remedy=_START_IT
            )
        return cls(api_url, token)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def health(self) -> dict[str, Any]:
        """`{"status": "ok", "version", "at"}`."""
        health: dict[str, Any] = await self._get("/v1/health")
        return health

    async def site(self) -> SiteView:
        """The site as a whole."""
        return _decoded(SiteView, await self._get("/v1/site"))

    async def stations(self) -> tuple[StationView, ...]:
        """Every station."""
        return await self._all(Page[StationView], "/v1/stations")

    async def circuits(self) -> tuple[CircuitView, ...]:
        """Every circuit."""
        return await self._all(Page[CircuitView], "/v1/circuits")

    async def meters(self) -> tuple[MeterView, ...]:
        """Every site meter."""
        return await self._all(Page[MeterView], "/v1/meters")

    async def transactions(
        self, limit: int = 50, cursor: str | None = None, active: bool | None = None
    ) -> Page[TransactionView]:
        """Newest first; `active` None: both running and ended."""
        parameters = {"limit": limit, "cursor": cursor, "active": active}
        return await self._page(Page[TransactionView], "/v1/transactions", parameters)

    async def transaction(self, key: str) -> TransactionView:
        """One transaction, however old. Raises NotFound."""
        return _decoded(TransactionView, await self._get(f"/v1/transactions/{segment(key)}"))

    async def alarms(self, limit: int = 50, cursor: str | None = None) -> Page[AlarmView]:
        """Newest first, cleared ones too."""
        return await self._page(Page[AlarmView], "/v1/alarms", {"limit": limit, "cursor": cursor})

    async def journal(
        self,
        limit: int = 50,
        cursor: str | None = None,
        *,
        station_id: str | None = None,
        action: str | None = None,
        text: str | None = None,
    ) -> Page[JournalEntry]:
        """OCPP frames, newest first."""
        parameters = {
            "limit": limit,
            "cursor": cursor,
            "station_id": station_id,
            "action": action,
            "text": text,
        }
        return await self._page(Page[JournalEntry], "/v1/journal", parameters)

    async def tokens(self, limit: int = 50, cursor: str | None = None) -> Page[TokenRecord]:
        """The tokens the site knows, in full."""
        return await self._page(Page[TokenRecord], "/v1/tokens", {"limit": limit, "cursor": cursor})

    async def put_token(self, token: TokenRecord) -> None:
        """Add a token, or replace what is known of it."""
        body = to_json(token)
        del body["id_token"]
        await self._send("PUT", f"/v1/tokens/{segment(token.id_token)}", body=body)

    async def delete_token(self, id_token: str) -> None:
        """Forget a token."""
        await self._send("DELETE", f"/v1/tokens/{segment(id_token)}")

    async def tariff(self) -> Tariff:
        """What charging costs now. Raises NotFound while no price is set."""
        return _decoded(Tariff, await self._get("/v1/tariff"))

    async def set_tariff(self, terms: TariffTerms) -> Tariff:
        """Set a price from now on; the new version. Raises InvalidInput."""
        response = await self._send("PUT", "/v1/tariff", body=to_json(terms))
        return _decoded(Tariff, _json(response))

    async def phase_history(self) -> tuple[PhaseSample, ...]:
        """The main circuit's last hour, oldest first."""
        page = _decoded(Page[PhaseSample], await self._get("/v1/phase-history"))
        return page.items

    async def receipt_pdf(self, transaction_key: str, language: str = "en") -> bytes:
        """The receipt of an ended transaction."""
        response = await self._send(
            "GET",
            f"/v1/transactions/{segment(transaction_key)}/receipt",
            parameters={"language": language},
        )
        return response.content

    async def commissioning_pdf(self) -> bytes:
        """The record of commissioning."""
        return (await self._send("GET", "/v1/commissioning/record.pdf")).content

    async def add_firmware(self, terms: ImageTerms, chunks: AsyncIterator[bytes]) -> FirmwareImage:
        """Add a firmware image to the library. Raises InvalidInput, Conflict."""
        response = await self._send("POST", "/v1/firmware", parameters=to_json(terms), raw=chunks)
        return _decoded(FirmwareImage, _json(response))

    async def firmware_content(self, image_key: str) -> bytes:
        """A firmware image's file."""
        return (await self._send("GET", f"/v1/firmware/{segment(image_key)}/content")).content

    async def log_content(self, job_key: str) -> bytes:
        """The file that a charger uploaded. Raises NotFound."""
        return (await self._send("GET", f"/v1/log-jobs/{segment(job_key)}/content")).content

    async def execute(
        self, command: Command, *, idempotency_key: str | None = None
    ) -> CommandResult:
        """Ask the site for something. A refusal is a result; without a key one is made.

        Raises StationOffline, CallRefused, NotFound, … as the controller did.
        """
        method, path, body = _request_of(command)
        key = idempotency_key or secrets.token_hex(16)
        parameters = {"name": list(command.names)} if isinstance(command, GetVariables) else None
        response = await self._send(
            method, path, parameters=parameters, body=body, headers={"Idempotency-Key": key}
        )
        answer = _json(response)
        if isinstance(command, CallStation) and response.status_code == 200:
            command_id = response.headers.get("Command-Id", "")
            state = CommandState(response.headers.get("Command-State", CommandState.ACCEPTED))
            return CommandResult(command_id, state, answer=answer)
        return _decoded(CommandResult, answer)

    async def ask(self, query: Query) -> Any:
        """A question of `sitecontroller.routes`; its view, or a page of them."""
        route = QUERIES[type(query)]
        path, parameters = filled(route.path, query)
        return _decoded(route.answer, await self._get(path, parameters))

    async def call_station(
        self, station_id: str, action: str, payload: dict[str, Any]
    ) -> dict[str, Any]:
        """A technician's raw OCPP call; the raw answer. CallRefused on CALLERROR."""
        result = await self.execute(CallStation(station_id, action, payload))
        if result.answer is None:
            raise CallTimeout(
                f"{station_id} has not answered {action} yet",
                remedy=f"Look for command {result.command_id} in the journal",
            )
        return result.answer

    async def command_result(self, command_id: str) -> CommandResult:
        """How far a command got. Raises NotFound."""
        return _decoded(CommandResult, await self._get(f"/v1/commands/{segment(command_id)}"))

    async def shutdown(self) -> None:
        """Stop the controller cleanly."""
        await self._send("POST", "/v1/shutdown")

    async def live(self) -> AsyncGenerator[LiveFrame, None]:
        """The live feed: a snapshot, then changes and events; a later snapshot replaces all.

        Ends by ControllerUnreachable when the connection does; `aclose` it to leave.
        """
        url = "ws" + self._url.removeprefix("http") + "/v1/live"
        try:
            async with connect(
                url,
                additional_headers=self._headers,
                proxy=None,
                compression=None,
                open_timeout=CONNECT_TIMEOUT_S,
                max_size=LIVE_FRAME_BYTES_MAX,
            ) as socket:
                while True:
                    data = orjson.loads(await socket.recv())
                    cls = _FRAMES.get(data["type"])
                    if cls is not None:
                        yield _decoded(cls, data)
        except InvalidStatus as error:
            raise _error(error.response.status_code, bytes(error.response.body or b"")) from error
        except (OSError, TimeoutError, InvalidHandshake, ConnectionClosed) as error:
            raise self._unreachable(error) from error

    async def _all(self, cls: type[Page[T]], path: str) -> tuple[T, ...]:
        items: tuple[T, ...] = ()
        cursor: str | None = None
        for _ in range(PAGES_MAX):
            page = await self._page(cls, path, {"limit": PAGE_ITEMS, "cursor": cursor})
            items += page.items
            cursor = page.next
            if cursor is None:
                break
        return items

    async def _page(self, cls: type[Page[T]], path: str, parameters: Mapping[str, Any]) -> Page[T]:
        return _decoded(cls, await self._get(path, parameters))

    async def _get(self, path: str, parameters: Mapping[str, Any] | None = None) -> Any:
        return _json(await self._send("GET", path, parameters=parameters))

    async def _send(
        self,
        method: str,
        path: str,
        *,
        parameters: Mapping[str, Any] | None = None,
        body: Any = None,
        raw: AsyncIterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        content_type = {} if body is None else {"Content-Type": "application/json"}
        try:
            response = await self._http.request(
                method,
                path,
                params={k: v for k, v in (parameters or {}).items() if v is not None},
                content=raw if body is None else orjson.dumps(body),
                headers={**(headers or {}), **content_type},
            )
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        if response.is_success:
            return response
        raise _error(response.status_code, response.content)

    def _unreachable(self, error: Exception) -> ControllerUnreachable:
        reason = str(error) or type(error).__name__
        return ControllerUnreachable(
            f"The controller at {self._url} does not answer: {reason}", remedy=_START_IT
        )


def _request_of(command: Command) -> tuple[str, str, dict[str, Any] | None]:
    """Method, path and body of a command."""
    match command:
        case ChangeAvailability():
            outlet = "" if command.evse_id is None else f"/evses/{command.evse_id}"
            path = f"/v1/stations/{segment(command.station_id)}{outlet}/availability"
            place = ("station_id", "evse_id")
            body = to_json(command)
            return "POST", path, {name: body[name] for name in body if name not in place}
        case GetVariables():
            return "GET", f"/v1/stations/{segment(command.station_id)}/variables", None
        case CallStation():
            path = f"/v1/stations/{segment(command.station_id)}/ocpp/{segment(command.action)}"
            return "POST", path, command.payload
    route = COMMANDS[type(command)]
    path, body = filled(route.path, command)
    return route.method, path, body or None


def _decoded(cls: type[T], data: Any) -> T:
    try:
        return from_json(cls, data)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ControllerUnreachable(
            f"The controller's answer is no {cls.__name__}: {error}",
            remedy="Update this program and the controller to the same version",
        ) from error


def _json(response: httpx.Response) -> Any:
    try:
        return orjson.loads(response.content)
    except orjson.JSONDecodeError as error:
        raise ControllerUnreachable(
            "What answers is not a site controller", remedy="Check the address"
        ) from error


def _error(status: int, body: bytes) -> ControllerError:
    """The controller's own error, from its problem document."""
    try:
        problem = orjson.loads(body)
        code, detail = str(problem["code"]), str(problem["detail"])
        faults = problem.get("errors", ())
        errors = tuple(FieldError(str(f["field"]), str(f["message"])) for f in faults)
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return ControllerUnreachable(f"The controller refused with HTTP {status}")
    if code == CallRefused.code:
        return CallRefused(
            str(problem.get("error_code", "")),
            str(problem.get("description", "")),
            problem.get("details"),
        )
    cls = error_classes().get(code, ControllerError)
    return cls(detail, remedy=str(problem.get("remedy", "")), errors=errors)


def _runs(pid: int) -> bool:
    """Whether a process of that id lives; Windows has no harmless way to ask."""
    if pid <= 0:
        return False
    if sys.platform == "win32":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True
