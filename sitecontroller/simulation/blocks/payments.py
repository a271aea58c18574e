"""Paying without a card of ours at a simulated 2.1 station: QR codes, terminals, limits.

The dynamic QR code carries a one-time password; a driver who pays on the web has the EVSE kept free
meanwhile (C25). A payment terminal's sessions are settled with NotifySettlement (C18–C21). Limits
that the CSMS sets are kept: at one of them power ends, not the transaction (E16).
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from sitecontroller.simulation.blocks import tariffs
from sitecontroller.simulation.blocks.block import Block
from sitecontroller.simulation.control import EvseControl, Transaction
from sitecontroller.simulation.settings import FLAG, Setting
from sitecontroller.simulation.uplink import Payload

if TYPE_CHECKING:
    from sitecontroller.simulation.station import SimulatedStation

BASE_62 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
URL_TEMPLATE = "https://pay.invalid/{chargingstationid}/{evse}?totp={totp}&v={version}"
DIRECT = "DirectPayment"


class Counter:
    """Payments under way: locks by EVSE, limits and settlements by transaction."""

    def __init__(self) -> None:
        self.locked_until_s: dict[int, float] = {}
        self.limits: dict[str, dict[str, Any]] = {}
        self.told: set[str] = set()
        self.reached: set[str] = set()
        self.paid: set[str] = set()
        self.receipts: dict[str, Payload] = {}
        """What the CSMS said to a settlement, by payment reference."""


# On the web


def one_time_password(secret: str, length: int, valid_s: int, now_s: float) -> str:
    """The password of a QR code, version 1 (C25, "TOTP algorithm")."""
    interval = int(now_s // valid_s)
    digest = hmac.new(secret.encode(), interval.to_bytes(8), sha256).digest()
    offset = digest[-1] & 0x0F
    picked = (digest[(offset + i) % len(digest)] for i in range(length))
    return "".join(BASE_62[byte % len(BASE_62)] for byte in picked)


def qr_url(station: SimulatedStation, evse_id: int) -> str:
    """What the display's QR code says now."""
    settings = station.settings
    password = one_time_password(
        settings.text("WebPaymentsCtrlr.SharedSecret"),
        settings.number("WebPaymentsCtrlr.Length"),
        settings.number("WebPaymentsCtrlr.ValidityTime"),
        station.now().timestamp(),
    )
    values = {
        "{chargingstationid}": station.station_id,
        "{evse}": str(evse_id),
        "{totp}": password,
        "{version}": settings.text("WebPaymentsCtrlr.TOTPVersion"),
    }
    url = settings.text("WebPaymentsCtrlr.URLTemplate")
    for mark, value in values.items():
        url = url.replace(mark, value)
    return url


def _web_payment_started(station: SimulatedStation, payload: Payload) -> Payload:
    until_s = station.clock.monotonic_s() + payload["timeout"]
    station.part(Counter).locked_until_s[payload["evseId"]] = until_s
    return {}


def is_locked(station: SimulatedStation, evse_id: int) -> bool:
    """Whether somebody pays for this EVSE on the web right now."""
    until_s = station.part(Counter).locked_until_s.get(evse_id, 0.0)
    return station.clock.monotonic_s() < until_s


# At the station's terminal


async def pay_at_terminal(
    station: SimulatedStation, evse_id: int, reference: str, amount: float
) -> bool:
    """A bank card is authorized for an amount, and charging begins (C18)."""
    control = station.controls[evse_id]
    if not control.is_free:
        return False
    counter = station.part(Counter)
    counter.limits[reference] = {"maxCost": amount}
    counter.paid.add(reference)
    station.sessions.admit(control, reference, token_type=DIRECT)
    return True


def ask_vat_number(station: SimulatedStation, evse_id: int, number: str) -> None:
    """The driver enters the VAT number for the invoice (C22)."""
    station.say("VatNumberValidation", {"vatNumber": number, "evseId": evse_id})


def _ended(station: SimulatedStation, control: EvseControl, transaction: Transaction) -> None:
    counter, identity = station.part(Counter), str(transaction.transaction_id)
    counter.limits.pop(identity, None)
    counter.told.discard(identity)
    counter.reached.discard(identity)
    if transaction.id_token in counter.paid:
        counter.paid.discard(transaction.id_token)
        station.spawn(_settle(station, transaction))


async def _settle(station: SimulatedStation, transaction: Transaction) -> None:
    """Take the amount from the card and tell (C21)."""
    payload = {
        "transactionId": transaction.transaction_id,
        "pspRef": transaction.id_token,
        "status": "Settled",
        "settlementAmount": round(transaction.charged_amount, 2),
        "settlementTime": station.stamp(),
    }
    answer = await station.uplink.ask("NotifySettlement", payload)
    if answer is not None:
        station.part(Counter).receipts[transaction.id_token] = answer


# Limits of a transaction


def take_limit(station: SimulatedStation, transaction: Transaction, answer: Payload) -> None:
    """The CSMS's limit in an answer to an event; the next event confirms it (E16.FR.03)."""
    limit = answer.get("transactionLimit")
    if limit is None:
        return
    counter, identity = station.part(Counter), str(transaction.transaction_id)
    counter.limits[identity] = {**counter.limits.get(identity, {}), **limit}
    counter.told.discard(identity)
    control = station.charging_control(identity)
    if control is not None:
        station.dialect.tell(control, transaction, "LimitSet")


def limit_to_tell(station: SimulatedStation, transaction: Transaction) -> dict[str, Any] | None:
    """A limit that no event has told yet."""
    counter, identity = station.part(Counter), str(transaction.transaction_id)
    if transaction.id_token in counter.limits:
        counter.limits[identity] = counter.limits.pop(transaction.id_token)
    if identity not in counter.limits or identity in counter.told:
        return None
    counter.told.add(identity)
    return counter.limits[identity]


def _every_second(station: SimulatedStation) -> None:
    counter = station.part(Counter)
    for control in station.controls.values():
        transaction = control.transaction
        if transaction is None or str(transaction.transaction_id) in counter.reached:
            continue
        limit = counter.limits.get(str(transaction.transaction_id), {})
        trigger = _reached(station, control, transaction, limit)
        if trigger is not None:
            counter.reached.add(str(transaction.transaction_id))
            control.outlet.closed = False
            station.dialect.tell(control, transaction, trigger)


def _reached(
    station: SimulatedStation,
    control: EvseControl,
    transaction: Transaction,
    limit: dict[str, Any],
) -> str | None:
    cost = tariffs.cost_so_far(station, transaction)
    passed_s = (station.now() - transaction.started_at).total_seconds()
    car = control.outlet.car
    if "maxCost" in limit and cost is not None and cost >= limit["maxCost"]:
        return "CostLimitReached"
    used_wh = control.outlet.energy_wh - transaction.register_wh
    if "maxEnergy" in limit and used_wh >= limit["maxEnergy"]:
        return "EnergyLimitReached"
    if "maxTime" in limit and passed_s >= limit["maxTime"]:
        return "TimeLimitReached"
    if "maxSoC" in limit and car is not None and car.soc * 100 >= limit["maxSoC"]:
        return "SoCLimitReached"
    return None


def _settings(station: SimulatedStation) -> Iterable[Setting]:
    yield Setting("WebPaymentsCtrlr.Enabled", "true", FLAG)
    yield Setting("WebPaymentsCtrlr.URLTemplate", URL_TEMPLATE, r"https?://.{1,490}")
    yield Setting("WebPaymentsCtrlr.URLParameters", "", r".{0,100}", writable=False)
    yield Setting("WebPaymentsCtrlr.TOTPVersion", "v1", "v1", words=("v1",))
    yield Setting("WebPaymentsCtrlr.ValidityTime", "300", r"\d{1,4}", lowest=6, highest=3600)
    yield Setting("WebPaymentsCtrlr.SharedSecret", "set me", r".{6,255}", readable=False)
    yield Setting("WebPaymentsCtrlr.Length", "8", r"\d{1,2}", lowest=6, highest=64)
    yield Setting("PaymentCtrlr.Enabled", "true", FLAG)


BLOCK = Block(
    answers={"NotifyWebPaymentStarted": _web_payment_started},
    hooks={"second": _every_second, "ended": _ended},
    settings=_settings,
)
