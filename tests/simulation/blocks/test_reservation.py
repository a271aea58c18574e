"""Reservations at a simulated station: kept, used, cancelled, run out."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from sitecontroller.domain.station import OcppVersion
from sitecontroller.simulation.virtual_time import virtual_clock
from tests.simulation.csms import CARD, Bench, bench
from tests.support import eventually

V16 = OcppVersion.V16
every_version = pytest.mark.parametrize("version", list(OcppVersion))


async def reserve(
    it: Bench, number: int = 7, evse_id: int | None = 1, seconds: float = 600, card: str = CARD
) -> str:
    ends = (virtual_clock().now() + timedelta(seconds=seconds)).isoformat()
    if it.csms.version is V16:
        payload: dict[str, Any] = {
            "connectorId": evse_id or 0,
            "expiryDate": ends,
            "idTag": card,
            "reservationId": number,
        }
    else:
        place = {} if evse_id is None else {"evseId": evse_id}
        token = {"idToken": card, "type": "ISO14443"}
        payload = {"id": number, "expiryDateTime": ends, "idToken": token, **place}
    return str((await it.csms.call("ReserveNow", payload))["status"])


def status_key(version: OcppVersion) -> str:
    return "status" if version is V16 else "connectorStatus"


@every_version
def test_a_reserved_place_is_for_its_card(run_fast: Any, version: OcppVersion) -> None:
    async def story() -> Any:
        async with bench(version) as it:
            answers = [await reserve(it), await reserve(it, 8)]
            key = status_key(version)
            await it.csms.hears("StatusNotification", lambda p: p[key] == "Reserved")
            it.plug()
            tapped = [await it.station.tap(1, card) for card in ("STRANGER", CARD)]
            action = "StartTransaction" if version is V16 else "TransactionEvent"
            started = await it.csms.hears(action)
            return answers, tapped, started["reservationId"], it.station.controls[1].reservation

    answers, tapped, number, left = run_fast(story())
    assert answers == ["Accepted", "Occupied"]
    assert tapped == [False, True]
    assert (number, left) == (7, None)


@every_version
def test_a_reservation_ends_by_itself(run_fast: Any, version: OcppVersion) -> None:
    async def story() -> tuple[str, int]:
        async with bench(version) as it:
            await reserve(it, seconds=60)
            await asyncio.sleep(65)
            key = status_key(version)
            last = it.csms.all("StatusNotification")[-1][key]
            return last, len(it.csms.all("ReservationStatusUpdate"))

    assert run_fast(story()) == ("Available", 0 if version is V16 else 1)


@every_version
def test_a_reservation_can_be_taken_back_once(run_fast: Any, version: OcppVersion) -> None:
    async def story() -> list[str]:
        async with bench(version) as it:
            await reserve(it)
            payload = {"reservationId": 7}
            said = [(await it.csms.call("CancelReservation", payload))["status"] for _ in "ab"]
            key = status_key(version)
            await eventually(lambda: it.csms.all("StatusNotification")[-1][key] == "Available", 10)
            return said

    assert run_fast(story()) == ["Accepted", "Rejected"]


@every_version
def test_any_place_is_kept_while_one_is_left(run_fast: Any, version: OcppVersion) -> None:
    async def story() -> Any:
        async with bench(version, evses=2) as it:
            answers = [await reserve(it, n, None, card=f"CARD{n}") for n in (1, 2, 3)]
            await it.csms.call("CancelReservation", {"reservationId": 2})
            it.plug()
            stranger = await it.station.tap(1, "STRANGER")
            full = await it.station.tap(2, "STRANGER")
            own = await it.station.tap(2, "CARD1")
            return answers, stranger, full, own

    answers, stranger, full, own = run_fast(story())
    assert answers == ["Accepted", "Accepted", "Occupied"]
    assert (stranger, full, own) == (True, False, True)


@every_version
def test_what_is_used_broken_or_closed_is_not_reserved(run_fast: Any, version: OcppVersion) -> None:
    async def story() -> list[str]:
        async with bench(version) as it:
            it.station.break_down(1, "GroundFailure")
            said = [await reserve(it)]
            it.station.mend(1)
            it.station.controls[1].operative = False
            said.append(await reserve(it))
            it.station.controls[1].operative = True
            await it.charge()
            said.append(await reserve(it))
            said.append(await reserve(it, seconds=-10))
            return said

    assert run_fast(story()) == ["Faulted", "Unavailable", "Occupied", "Rejected"]
