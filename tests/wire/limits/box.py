"""A charger with a hungry car, over a real socket and in virtual time: it keeps the profiles it
takes, draws what they allow, and can be told to refuse or to ignore some.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sitecontroller.simulation.virtual_time import virtual_clock
from tests.wire.charger import Charger
from tests.wire.site import CARDS, TestSite, boot16, boot201, status16

SAMPLE_S = 5.0
PURPOSES = {
    "ChargePointMaxProfile": "ChargingStationMaxProfile",
    "ChargingStationMaxProfile": "ChargingStationMaxProfile",
    "TxDefaultProfile": "TxDefaultProfile",
    "TxProfile": "TxProfile",
}


class Box:
    """EVSE 1 of a charger. `obeys` tells whether a profile (2.x purpose, stack level) counts,
    `takes` whether it is accepted; `car_a` is what the car draws where nothing holds it back."""

    def __init__(self, charger: Charger, *, car_a: float = 32.0, phases: int = 3) -> None:
        self.charger, self.car_a, self.phases = charger, car_a, phases
        self.takes: Callable[[str, int], bool] = lambda purpose, level: True
        self.obeys: Callable[[str, int], bool] = lambda purpose, level: True
        self.offered_a: float | None = None
        self.profiles: dict[tuple[str, int], dict[str, Any]] = {}
        self.limits: list[float] = []
        """Every limit in amperes that came, in order."""
        self.ended = self.silent = self.over = False
        self.register_wh = 1000.0
        self._transaction: Any = None
        self._sequence = 0
        self.last_words: asyncio.Task[None] | None = None
        charger.answers |= {
            "SetChargingProfile": self._set,
            "ClearChargingProfile": self._clear,
            "RemoteStopTransaction": self._stop,
            "RequestStopTransaction": self._stop,
        }

    @property
    def drawn_a(self) -> float:
        """What the car draws per phase now."""
        if self._transaction is None:
            return 0.0
        holding = [
            _limit_now(profile)
            for (purpose, level), profile in self._standing().items()
            if self.obeys(purpose, level)
        ]
        return min([self.car_a, *holding])

    def purposes(self) -> list[tuple[str, int]]:
        """Purpose and stack level of each profile that was sent, in order."""
        return [
            (_body(payload)["chargingProfilePurpose"], _body(payload)["stackLevel"])
            for payload in self.charger.asked_for("SetChargingProfile")
        ]

    async def begin(self, card: str = CARDS[0]) -> None:
        """The car is plugged and a card starts it."""
        if self.charger.version == "1.6":
            await status16(self.charger, 1, "Preparing")
            answer = await self.charger.call(
                "StartTransaction",
                {"connectorId": 1, "idTag": card, "meterStart": 1000, "timestamp": now()},
            )
            self._transaction = answer["transactionId"]
            await status16(self.charger, 1, "Charging")
            return
        await self.charger.call(
            "StatusNotification",
            {"timestamp": now(), "connectorStatus": "Occupied", "evseId": 1, "connectorId": 1},
        )
        self._transaction = "T-1"
        await self._event("Started", "Authorized", idToken={"idToken": card, "type": "ISO14443"})

    async def keep_sampling(self) -> None:
        """A sample every few seconds while a transaction runs, until the test is over."""
        while not self.over:
            await asyncio.sleep(SAMPLE_S)
            if self._transaction is not None and not self.silent:
                await self.sample()

    async def sample(self) -> None:
        """What flows now, told as the version does."""
        self.register_wh += self.drawn_a * 230 * self.phases * SAMPLE_S / 3600
        sampled: list[dict[str, Any]] = [{"value": str(round(self.register_wh))}]
        for phase in (1, 2, 3):
            drawn_a = self.drawn_a if phase <= self.phases else 0.0
            sampled.append(
                {"value": str(drawn_a), "measurand": "Current.Import", "phase": f"L{phase}"}
            )
        if self.offered_a is not None:
            sampled.append({"value": str(self.offered_a), "measurand": "Current.Offered"})
        if self.charger.version == "1.6":
            value = {"timestamp": now(), "sampledValue": sampled}
            await self.charger.call(
                "MeterValues",
                {"connectorId": 1, "transactionId": self._transaction, "meterValue": [value]},
            )
            return
        numbers = [{**item, "value": float(item["value"])} for item in sampled]
        value = {"timestamp": now(), "sampledValue": numbers}
        await self._event("Updated", "MeterValuePeriodic", meterValue=[value])

    async def _event(self, kind: str, reason: str, **rest: Any) -> None:
        await self.charger.call(
            "TransactionEvent",
            {
                "eventType": kind,
                "timestamp": now(),
                "triggerReason": reason,
                "seqNo": self._sequence,
                "transactionInfo": {"transactionId": "T-1", "chargingState": "Charging"},
                "evse": {"id": 1, "connectorId": 1},
                **rest,
            },
        )
        self._sequence += 1

    def _set(self, payload: dict[str, Any]) -> dict[str, Any]:
        body = _body(payload)
        place = PURPOSES[body["chargingProfilePurpose"]], body["stackLevel"]
        period = _schedule(body)["chargingSchedulePeriod"][0]
        self.limits.append(period["limit"])
        if payload.get("connectorId", payload.get("evseId")) in (0, 1):
            if not self.takes(*place):
                return {"status": "Rejected"}
            self.profiles[place] = body
        return {"status": "Accepted"}

    def _clear(self, payload: dict[str, Any]) -> dict[str, Any]:
        wanted = payload.get("id", payload.get("chargingProfileId"))
        self.profiles = {
            place: body
            for place, body in self.profiles.items()
            if body.get("chargingProfileId", body.get("id")) != wanted
        }
        return {"status": "Accepted"}

    def _stop(self, payload: dict[str, Any]) -> dict[str, Any]:
        ended, self._transaction, self.ended = self._transaction, None, True
        self.last_words = asyncio.create_task(self._tell_end(ended))
        return {"status": "Accepted"}

    async def _tell_end(self, transaction_id: Any) -> None:
        if self.charger.version == "1.6":
            await self.charger.call(
                "StopTransaction",
                {
                    "transactionId": transaction_id,
                    "meterStop": round(self.register_wh),
                    "timestamp": now(),
                },
            )
            return
        await self._event("Ended", "RemoteStop")

    def _standing(self) -> dict[tuple[str, int], dict[str, Any]]:
        """Of the transaction's profiles the one that stands over the others; the maximum always."""
        valid = {place: body for place, body in self.profiles.items() if _holds(body)}
        of_transaction = [place for place in valid if place[0] != "ChargingStationMaxProfile"]
        of_transaction.sort(key=lambda place: (place[0] == "TxProfile", place[1]))
        over = [place for place in of_transaction if self.obeys(*place)][-1:]
        return {
            place: body
            for place, body in valid.items()
            if place in over or place[0] == "ChargingStationMaxProfile"
        }


@asynccontextmanager
async def box_at(
    site: TestSite,
    station_id: str = "CP-01",
    version: str = "1.6",
    names: tuple[str, str] = ("Test", "Wallbox"),
    **traits: Any,
) -> AsyncIterator[Box]:
    """A booted charger with a car beside it."""
    async with site.charger(station_id, version) as charger:
        box = Box(charger, **traits)
        await (boot16(charger, *names) if version == "1.6" else boot201(charger))
        sampler = asyncio.create_task(box.keep_sampling())
        try:
            yield box
        finally:
            box.over = True  # a cancellation alone is lost where an answer comes with it
            sampler.cancel()
            last_words = (box.last_words,) if box.last_words is not None else ()
            await asyncio.gather(sampler, *last_words, return_exceptions=True)


def now(ago_s: float = 0.0) -> str:
    """The charger's clock, which is right."""
    at = virtual_clock().now() - timedelta(seconds=ago_s)
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _body(payload: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = payload.get("csChargingProfiles") or payload["chargingProfile"]
    return body


def _schedule(body: dict[str, Any]) -> dict[str, Any]:
    schedule = body["chargingSchedule"]
    return schedule[0] if isinstance(schedule, list) else schedule


def _limit_now(body: dict[str, Any]) -> float:
    return float(_schedule(body)["chargingSchedulePeriod"][0]["limit"])


def _holds(body: dict[str, Any]) -> bool:
    ends = body.get("validTo")
    if ends is None:
        return True
    with contextlib.suppress(ValueError):
        return virtual_clock().now() < datetime.fromisoformat(ends).astimezone(UTC)
    return True
