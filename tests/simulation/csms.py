"""A small CSMS for tests of simulated stations: checks every frame against the schemas."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

import orjson
from websockets.asyncio.server import Server, ServerConnection, serve

from sitecontroller.domain.station import OcppVersion
from sitecontroller.domain.topology import ChargingStation, Circuit, Evse, Supply, Topology
from sitecontroller.ocpp import frames
from sitecontroller.simulation.cars import Car, CarModel
from sitecontroller.simulation.control import StationDescription
from sitecontroller.simulation.plant import Plant
from sitecontroller.simulation.site import STEP_S
from sitecontroller.simulation.station import SimulatedStation
from sitecontroller.simulation.virtual_time import virtual_clock
from tests.support import eventually

Payload = dict[str, Any]
CARD = "04AABBCCDD"
PASSWORD = "correct horse battery"
CAR = CarModel("test car", 50_000, 3, 16.0, latency_s=1.0)


@dataclass
class Csms:
    """Answers what stations say and keeps it; `refuses` names cards, `call` asks a station."""

    version: OcppVersion
    refuses: set[str] = field(default_factory=set)
    boots: list[str] = field(default_factory=list)
    """Statuses of the next boot answers; Accepted once they are used up."""
    heard: list[tuple[str, Payload]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    headers: list[Any] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    connection: ServerConnection | None = None
    connections: int = 0
    port: int = 0
    tls: Any = None
    answers: dict[str, Callable[[Payload], Payload]] = field(default_factory=dict)
    """What it says to an action in place of its own answer."""
    complaints: list[list[Any]] = field(default_factory=list)
    """CALLRESULTERRORs of stations."""
    sent: list[tuple[str, Payload]] = field(default_factory=list)
    """SENDs of stations."""
    _server: Server | None = None
    _waiting: dict[str, asyncio.Future[Any]] = field(default_factory=dict)
    _ids: Any = field(default_factory=lambda: itertools.count(1))

    @property
    def url(self) -> str:
        scheme = "ws" if self.tls is None else "wss"
        return f"{scheme}://localhost:{self.port}/ocpp"

    async def open(self) -> None:
        protocol: Any = f"ocpp{self.version}"
        self._server = await serve(
            self._listen,
            "127.0.0.1",
            self.port,
            subprotocols=[protocol],
            compression=None,
            ssl=self.tls,
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def call(self, action: str, payload: Payload) -> Payload:
        """The station's answer; AssertionError for a CALLERROR or one that breaks the schema."""
        kind, *rest = await self.raw_call(action, payload)
        assert kind == frames.CALLRESULT, rest
        validator = frames.response_validator(self.version, action)
        assert validator is not None
        assert not frames.violations(validator, rest[0]), frames.violations(validator, rest[0])
        answer: Payload = rest[0]
        return answer

    async def raw_call(self, action: str, payload: Any) -> list[Any]:
        assert self.connection is not None
        message_id = f"c{next(self._ids)}"
        self._waiting[message_id] = asyncio.get_running_loop().create_future()
        await self.connection.send(frames.encode_call(message_id, action, payload), text=True)
        async with asyncio.timeout(10):
            answer: list[Any] = await self._waiting[message_id]
        return answer

    def all(self, action: str) -> list[Payload]:
        return [payload for name, payload in self.heard if name == action]

    async def hears(
        self, action: str, fits: Callable[[Payload], bool] = lambda _: True, within_s: float = 60
    ) -> Payload:
        """The first message of that kind that fits, once it has come."""
        found: Payload = await eventually(
            lambda: next((p for p in self.all(action) if fits(p)), None), within_s
        )
        return found

    async def _listen(self, connection: ServerConnection) -> None:
        self.connection, self.connections = connection, self.connections + 1
        assert connection.request is not None
        self.headers.append(connection.request.headers)
        self.paths.append(connection.request.path)
        async for frame in connection:
            kind, message_id, *rest = orjson.loads(frame)
            if kind == frames.CALL:
                action, payload = rest
                answer = self._answer(action, payload)
                await connection.send(frames.encode_result(message_id, answer), text=True)
            elif kind == frames.CALLRESULTERROR:
                self.complaints.append(rest)
            elif kind == frames.SEND:
                self.sent.append((rest[0], rest[1]))
                validator = frames.request_validator(self.version, rest[0])
                assert validator is not None
                self.faults += frames.violations(validator, rest[1])
            else:
                self._waiting.pop(message_id).set_result([kind, *rest])

    def _answer(self, action: str, payload: Payload) -> Payload:
        validator = frames.request_validator(self.version, action)
        assert validator is not None
        self.faults += [f"{action}: {v}" for v in frames.violations(validator, payload)]
        self.heard.append((action, payload))
        if action in self.answers:
            return self.answers[action](payload)
        now = datetime.now(UTC).isoformat()
        if action == "BootNotification":
            status = self.boots.pop(0) if self.boots else "Accepted"
            return {"status": status, "currentTime": now, "interval": 300}
        if action == "Heartbeat":
            return {"currentTime": now}
        token = payload.get("idTag") or payload.get("idToken", {}).get("idToken")
        info = {"status": "Invalid" if token in self.refuses else "Accepted"}
        if action == "StartTransaction":
            return {"transactionId": 700 + len(self.all(action)), "idTagInfo": info}
        if action == "Authorize":
            return {"idTagInfo" if self.version is OcppVersion.V16 else "idTokenInfo": info}
        if action == "TransactionEvent" and token:
            return {"idTokenInfo": info}
        known = frames.action(self.version, action)
        assert known is not None
        wants_status = "status" in known.response_schema.get("required", ())
        return {"status": "Accepted"} if wants_status else {}


@dataclass
class Bench:
    """One station with its plant and a CSMS, on the running virtual loop."""

    station: SimulatedStation
    plant: Plant
    csms: Csms

    @property
    def outlet(self) -> Any:
        return self.station.controls[1].outlet

    def plug(self, soc: float = 0.5, model: CarModel = CAR) -> None:
        self.station.plug(1, Car(model, soc))

    async def charge(self) -> Payload:
        """Plug and tap; the message that started the transaction, once power flows."""
        self.plug()
        assert await self.station.tap(1, CARD)
        await eventually(lambda: self.outlet.current_a > 5, 30)
        if self.csms.version is OcppVersion.V16:
            return await self.csms.hears("StartTransaction")
        return await self.csms.hears("TransactionEvent", lambda p: p["eventType"] == "Started")

    async def _run_plant(self) -> None:
        while True:
            await asyncio.sleep(STEP_S)
            self.plant.step(STEP_S)


def small_topology(station: ChargingStation) -> Topology:
    main = Circuit("main", "Main", None, (63.0, 63.0, 63.0), 1.26)
    return Topology({"main": main}, {station.station_id: station}, {})


@asynccontextmanager
async def bench(
    version: OcppVersion,
    *,
    evse: Evse | None = None,
    boots: tuple[str, ...] = (),
    evses: int = 1,
    tls: Any = None,
    speaks: OcppVersion | None = None,
    **more: Any,
) -> AsyncIterator[Bench]:
    """A station that has booted (unless `boots` says otherwise), its plant and its CSMS.

    `version` is the CSMS's; the station's own, unless it `speaks` another.
    """
    evse = evse or Evse("CP-1", 1, "main")
    others = tuple(Evse("CP-1", number, "main") for number in range(2, evses + 1))
    wiring = ChargingStation("CP-1", (evse, *others))
    plant = Plant(small_topology(wiring), (), seed=1)
    csms = Csms(version, boots=list(boots), tls=tls)
    await csms.open()
    plate = {"version": speaks or version, "password": PASSWORD, **more}
    description = StationDescription(wiring, **plate)
    station = SimulatedStation(
        description, plant.outlets, plant.voltage_v, virtual_clock(), Random(1)
    )
    it = Bench(station, plant, csms)
    tasks = [
        asyncio.create_task(station.run(lambda: csms.url)),
        asyncio.create_task(it._run_plant()),
    ]
    try:
        if not boots:
            await eventually(lambda: station.uplink.online, 10)
        yield it
        assert not csms.faults, csms.faults
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        await csms.close()
    for result in results:
        assert isinstance(result, asyncio.CancelledError), result


def dc_evse() -> Evse:
    from sitecontroller.domain.topology import LimitUnit

    return Evse("CP-1", 1, "main", supply=Supply.DC, limit_unit=LimitUnit.W, efficiency=0.92)
