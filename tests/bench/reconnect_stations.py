"""The stations of tests/bench/reconnect.py and their meter, in processes of their own.

Some charge at what they were given last, and a meter shows it. The others come back all at once
over TLS and send what they kept while they were offline: each message when the one before was
answered, as stations do. Times are of the monotonic clock, which all processes of a machine share.
"""

import asyncio
import base64
import contextlib
import random
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from typing import Any

from websockets.asyncio.client import connect

from sitecontroller.domain.metering import MeterReading
from sitecontroller.simulation.meter import VirtualMeter
from tests.bench.reaction import reading
from tests.wire.charger import CallError, Charger

PASSWORD = "0123456789abcdef0123456789abcdef01234567"
SESSIONS = 4
READINGS = 3
QUEUED = SESSIONS * (READINGS + 2)
"""Messages that each station kept: start, readings and stop of each session."""
SAMPLE_S = 2.0
TRIES = 5
RENEWED_S = 0.1
CALM_S = 5.5
"""Between two overloads: for `reaction_s` and 3 s of grace after a reduction load management takes
an overload for cars that have not followed yet, and waits for them."""
OVER = 1.04
"""What an overload is of the fuse; each takes about 2 A from every station."""
LOW_A = 8.0
"""Stations this low are not reduced further."""
_MEASURANDS = (
    [("Current.Import", "A")] * 3
    + [("Voltage", "V")] * 3
    + [("Power.Active.Import", "W")] * 3
    + [("Energy.Active.Import.Register", "Wh")] * 3
)


def version_of(number: int) -> str:
    """Every second station speaks 2.0.1."""
    return "2.0.1" if number % 2 else "1.6"


def _context(roots: tuple[str, ...]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for root in roots:
        context.load_verify_locations(cadata=root)
    return context


@contextlib.asynccontextmanager
async def _connected(
    url: str, name: str, version: str, context: ssl.SSLContext
) -> AsyncIterator[Charger]:
    login = base64.b64encode(f"{name}:{PASSWORD}".encode()).decode()
    async with connect(
        f"{url}/{name}",
        subprotocols=[f"ocpp{version}"],  # type: ignore[list-item]
        additional_headers={"Authorization": f"Basic {login}"},
        ssl=context,
        ping_interval=None,
        compression=None,
        open_timeout=60,
        proxy=None,
    ) as socket:
        charger = Charger(socket, version)
        reader = asyncio.create_task(charger.read())
        try:
            yield charger
        finally:
            socket.transport.abort()
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)


# those that charge


class _Deck:
    """What the charging stations were told, and the meter that shows what they draw.

    An overload is on from the moment the meter showed it until it shows that it is over; what
    counts is when the last reduction in that time was received: the controller's way from socket
    to socket, and these stations' own time on top.
    """

    def __init__(self, base_a: float, fuse_a: float) -> None:
        self.limits: dict[str, float] = {}
        self.delays_s: list[float] = []
        self.overloading = False
        self._base_a, self._fuse_a = base_a, fuse_a
        self._shown_a, self._renewed_s = base_a, 0.0
        self._over_since_s: float | None = None
        self._reduced_s: float | None = None
        self._calm_since_s = 0.0

    def shown(self) -> MeterReading:
        """The registers, renewed at most every RENEWED_S: both blocks of a poll show one moment.

        Registers that never change at all are not believed, so they flicker.
        """
        now_s = time.monotonic()
        if now_s - self._renewed_s >= RENEWED_S:
            self._renewed_s = now_s
            self._renew(now_s)
        return reading(datetime.now(UTC), self._shown_a + random.uniform(-0.2, 0.2))

    def _renew(self, now_s: float) -> None:
        drawn_a = sum(self.limits.values())
        calm = self._over_since_s is None and now_s - self._calm_since_s >= CALM_S
        if self.overloading and calm and drawn_a > len(self.limits) * LOW_A:
            self._base_a = max(self._base_a, self._fuse_a * OVER - drawn_a)
        self._shown_a = self._base_a + drawn_a
        if self._shown_a <= self._fuse_a:
            self.close(now_s)
        elif self._over_since_s is None:
            self._over_since_s = now_s

    def limited(self, name: str, limit_a: float) -> None:
        """A station was told a limit."""
        if limit_a < self.limits.get(name, 0.0):
            self._reduced_s = time.monotonic()
        self.limits[name] = limit_a

    def close(self, now_s: float) -> None:
        """The overload is over; one that nobody was reduced for counts with its whole length."""
        if self._over_since_s is not None:
            self.delays_s.append((self._reduced_s or now_s) - self._over_since_s)
            self._calm_since_s = now_s
        self._over_since_s = self._reduced_s = None


def charging_main(
    names: list[str], meter_port: int, amperes: tuple[float, float], pipe: Connection
) -> None:
    """Show the meter, say so, and charge behind it once told (url, roots); `amperes` are base load
    and fuse. Answers "drawn" (in A), "begin" (overloads begin) and "delays" (from sample to last
    reduction, s, of each overload so far)."""
    asyncio.run(_charging(names, meter_port, _Deck(*amperes), pipe))


async def _charging(names: list[str], meter_port: int, deck: _Deck, pipe: Connection) -> None:
    loop = asyncio.get_running_loop()
    meter = VirtualMeter("eastron-sdm630", deck.shown)
    await meter.start(meter_port)
    pipe.send("shown")
    url, roots = await loop.run_in_executor(None, pipe.recv)
    context = _context(roots)
    tasks = [asyncio.create_task(_charge(url, name, context, deck)) for name in names]
    while (question := await loop.run_in_executor(None, pipe.recv)) != "stop":
        if question == "begin":
            deck.overloading = True
        elif question == "delays":
            deck.close(time.monotonic())
        pipe.send(deck.delays_s if question == "delays" else sum(deck.limits.values()))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await meter.stop()


async def _charge(url: str, name: str, context: ssl.SSLContext, deck: _Deck) -> None:
    async with _connected(url, name, "1.6", context) as charger:
        changed = asyncio.Event()

        def limited(payload: dict[str, Any]) -> dict[str, Any]:
            profile = payload["csChargingProfiles"]
            live = profile["chargingProfilePurpose"] != "ChargePointMaxProfile"
            if live and profile["stackLevel"]:
                period = profile["chargingSchedule"]["chargingSchedulePeriod"][0]
                deck.limited(name, float(period["limit"]))
                changed.set()
            return {"status": "Accepted"}

        charger.answers["SetChargingProfile"] = limited
        await _boot(charger)
        status = {"connectorId": 1, "errorCode": "NoError", "status": "Preparing"}
        await charger.call("StatusNotification", status)
        start = {"connectorId": 1, "idTag": f"T{name}", "meterStart": 0, "timestamp": _at()}
        await charger.call("StartTransaction", start)
        energy_wh = 0.0
        while True:
            current_a = deck.limits.get(name, 0.0)
            energy_wh += current_a
            await charger.call("MeterValues", _reading16(current_a, energy_wh, _at()))
            changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), SAMPLE_S)


# those that come back


def returning_main(url: str, names: list[str], roots: tuple[str, ...], pipe: Connection) -> None:
    """Connect and boot, say so, lose every connection when told, come back when told, and tell
    (began, last answer, slowest answer in s, connections that failed, messages unanswered)."""
    asyncio.run(_returning(url, names, roots, pipe))


async def _returning(url: str, names: list[str], roots: tuple[str, ...], pipe: Connection) -> None:
    loop, context = asyncio.get_running_loop(), _context(roots)
    pace = asyncio.Semaphore(10)
    lose, leave = asyncio.Event(), asyncio.Event()
    ready: list[str] = []

    async def first(number: int, name: str) -> None:
        async with contextlib.AsyncExitStack() as stack:
            async with pace:
                charger = await stack.enter_async_context(
                    _connected(url, name, version_of(number), context)
                )
                await _boot(charger)
            ready.append(name)
            await lose.wait()

    tasks = [asyncio.create_task(first(*one)) for one in enumerate(names)]
    while len(ready) < len(names):
        await asyncio.sleep(0.1)
    pipe.send("connected")
    await loop.run_in_executor(None, pipe.recv)
    lose.set()
    await asyncio.gather(*tasks)
    pipe.send("lost")
    await loop.run_in_executor(None, pipe.recv)
    began_s = time.monotonic()
    figures = _Figures()
    tasks = [
        asyncio.create_task(_return(url, number, name, context, figures, leave))
        for number, name in enumerate(names)
    ]
    while figures.done < len(names):
        await asyncio.sleep(0.05)
    pipe.send((began_s, figures.last_s, figures.slowest_s, figures.failures, figures.unanswered))
    await loop.run_in_executor(None, pipe.recv)
    leave.set()
    await asyncio.gather(*tasks)


class _Figures:
    """What came of the return, of all stations together."""

    def __init__(self) -> None:
        self.done = self.failures = self.unanswered = 0
        self.last_s = self.slowest_s = 0.0


async def _return(
    url: str,
    number: int,
    name: str,
    context: ssl.SSLContext,
    figures: _Figures,
    leave: asyncio.Event,
) -> None:
    version = version_of(number)
    for _ in range(TRIES):
        try:
            async with _connected(url, name, version, context) as charger:
                await _boot(charger)
                await _empty_queue(charger, f"T{name}", name, figures)
                figures.done += 1
                await leave.wait()
                return
        except Exception:
            figures.failures += 1
            await asyncio.sleep(1)
    figures.unanswered += QUEUED
    figures.done += 1


async def _empty_queue(charger: Charger, card: str, name: str, figures: _Figures) -> None:
    queue = _queue16(card) if charger.version == "1.6" else _queue201(card, name)
    transaction_id = None
    for action, payload in queue:
        if action != "StartTransaction" and charger.version == "1.6":
            payload["transactionId"] = transaction_id
        sent_s = time.monotonic()
        try:
            answer = await charger.call(action, payload)
        except (CallError, TimeoutError):
            figures.unanswered += 1
            continue
        transaction_id = answer.get("transactionId", transaction_id)
        figures.last_s = max(figures.last_s, time.monotonic())
        figures.slowest_s = max(figures.slowest_s, time.monotonic() - sent_s)


def _queue16(card: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for session in range(SESSIONS):
        start = datetime.now(UTC) - timedelta(hours=SESSIONS - session)
        energy_wh = 10_000.0 * session
        begin = {"connectorId": 1, "idTag": card, "meterStart": int(energy_wh)}
        yield "StartTransaction", {**begin, "timestamp": _at(start)}
        for number in range(1, READINGS + 1):
            at = start + timedelta(minutes=10 * number)
            yield "MeterValues", _reading16(16.0, energy_wh + 1000 * number, _at(at))
        end = {"meterStop": int(energy_wh + 5000), "idTag": card, "reason": "Local"}
        yield "StopTransaction", {**end, "timestamp": _at(start + timedelta(minutes=45))}


def _queue201(card: str, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for session in range(SESSIONS):
        start = datetime.now(UTC) - timedelta(hours=SESSIONS - session)
        transaction_id = f"{name}-{session}-{start.timestamp():.0f}"
        energy_wh = 10_000.0 * session
        for number in range(READINGS + 2):
            kind = {0: "Started", READINGS + 1: "Ended"}.get(number, "Updated")
            at = _at(start + timedelta(minutes=10 * number))
            info: dict[str, Any] = {"transactionId": transaction_id, "chargingState": "Charging"}
            event: dict[str, Any] = {
                "eventType": kind,
                "timestamp": at,
                "triggerReason": "MeterValuePeriodic",
                "seqNo": number,
                "offline": True,
                "transactionInfo": info,
                "evse": {"id": 1, "connectorId": 1},
                "meterValue": [{"timestamp": at, "sampledValue": samples201(energy_wh, number)}],
            }
            if kind == "Started":
                event["triggerReason"] = "Authorized"
                event["idToken"] = {"idToken": card, "type": "ISO14443"}
            if kind == "Ended":
                event["triggerReason"] = "EVDeparted"
                info |= {"chargingState": "Idle", "stoppedReason": "EVDisconnected"}
            yield "TransactionEvent", event


def samples201(energy_wh: float, number: int) -> list[dict[str, Any]]:
    """Twelve samples of a reading, as OCPP 2.x writes them."""
    context = {0: "Transaction.Begin", READINGS + 1: "Transaction.End"}
    return [
        {
            "value": energy_wh + 1000 * number if unit == "Wh" else 16.0,
            "context": context.get(number, "Sample.Periodic"),
            "measurand": measurand,
            **({} if unit == "Wh" else {"phase": f"L{index % 3 + 1}"}),
            "unitOfMeasure": {"unit": unit},
        }
        for index, (measurand, unit) in enumerate(_MEASURANDS[: 12 - 2])
    ] + [
        {"value": 50.0, "measurand": "Frequency"},
        {"value": 61.0, "measurand": "SoC", "unitOfMeasure": {"unit": "Percent"}},
    ]


def _reading16(current_a: float, energy_wh: float, at: str) -> dict[str, Any]:
    sampled = [
        {
            "value": str({"A": current_a, "V": 230.0, "W": current_a * 230}[unit]),
            "measurand": measurand,
            "unit": unit,
            "phase": f"L{index % 3 + 1}",
        }
        for index, (measurand, unit) in enumerate(_MEASURANDS[:9])
    ]
    sampled += [
        {"value": f"{energy_wh:.0f}", "measurand": "Energy.Active.Import.Register", "unit": "Wh"},
        {"value": "50.0", "measurand": "Frequency"},
        {"value": "61", "measurand": "SoC", "unit": "Percent"},
    ]
    return {"connectorId": 1, "meterValue": [{"timestamp": at, "sampledValue": sampled}]}


async def _boot(charger: Charger) -> None:
    if charger.version == "1.6":
        boot = {"chargePointVendor": "Bench", "chargePointModel": "Returning"}
    else:
        station = {"vendorName": "Bench", "model": "Returning"}
        boot = {"reason": "PowerUp", "chargingStation": station}  # type: ignore[dict-item]
    answer = await charger.call("BootNotification", boot)
    assert answer["status"] == "Accepted", answer


def _at(at: datetime | None = None) -> str:
    return (at or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
