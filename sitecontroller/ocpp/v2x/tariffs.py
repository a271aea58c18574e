"""Tariffs in a 2.1 station, and payments made at it (2.1 blocks C and I).

Our prices go out without and with tax, whichever the tariff is written in.
"""

import re
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from sitecontroller.domain.costs import (
    ChangeTransactionTariff,
    ClearTariffs,
    NotifyWebPaymentStarted,
    ReadTariffs,
    SetDefaultTariff,
    Settlement,
    price_text,
)
from sitecontroller.domain.money import Money
from sitecontroller.domain.tariff import PriceComponent, Tariff, TariffDimension
from sitecontroller.ocpp.block import Answer, Block
from sitecontroller.ocpp.values import integer, number, rows, table, text
from sitecontroller.ports import CallAnswer

TARIFF_ID_CHARACTERS_MAX = 60
DESCRIPTION_CHARACTERS_MAX = 1024
RESULTS_MAX = 1000
_VAT_NUMBER = re.compile(r"[A-Z]{2}[0-9A-Z+*]{2,13}")
"""Country and up to 13 characters (Directive 2006/112/EC, article 215 and the members' rules)."""
_PRICES = {
    TariffDimension.ENERGY: ("energy", "priceKwh", 1),
    TariffDimension.FLAT: ("fixedFee", "priceFixed", 1),
    TariffDimension.PARKING_TIME: ("idleTime", "priceMinute", 60),
    TariffDimension.TIME: ("chargingTime", "priceMinute", 60),
}
"""Name, price and how many of its units make one of ours (kWh, session, hours)."""


def tariff_body(tariff: Tariff) -> Answer:
    """TariffType of OCPP 2.1."""
    body: Answer = {
        "tariffId": f"{tariff.tariff_id}-{tariff.version}"[:TARIFF_ID_CHARACTERS_MAX],
        "currency": tariff.currency,
        "description": [
            {"format": "UTF8", "content": price_text(tariff)[:DESCRIPTION_CHARACTERS_MAX]}
        ],
    }
    for part in tariff.components:
        name, price, units = _PRICES[part.dimension]
        body[name] = {"prices": [{price: _net(part, tariff) / units}]}
        if part.vat_percent is not None:
            body[name]["taxRates"] = [{"type": "vat", "tax": float(part.vat_percent)}]
    return body


def _net(part: PriceComponent, tariff: Tariff) -> float:
    """Prices of a TariffType are without tax."""
    factor = 1 + (part.vat_percent or Decimal(0)) / 100
    net = part.price / factor if tariff.tax_included else part.price
    return float(round(net, 6))


async def _set_default(dialect: Any, request: SetDefaultTariff) -> CallAnswer:
    payload = {"evseId": request.evse_id, "tariff": tariff_body(request.tariff)}
    answer: CallAnswer = await dialect.say("SetDefaultTariff", payload)
    return answer


async def _read(dialect: Any, request: ReadTariffs) -> CallAnswer:
    answer: CallAnswer = await dialect.say(
        "GetTariffs", {"evseId": request.evse_id}, accepted=("Accepted", "NoTariff")
    )
    return answer


async def _clear(dialect: Any, request: ClearTariffs) -> CallAnswer:
    payload: Answer = {}
    if request.tariff_ids:
        payload["tariffIds"] = list(request.tariff_ids)
    if request.evse_id is not None:
        payload["evseId"] = request.evse_id
    answer: CallAnswer = await dialect.say("ClearTariffs", payload)
    results = rows(answer.body.get("clearTariffsResult"), RESULTS_MAX)
    statuses = [text(row.get("status")) or "" for row in results]
    refused = [status for status in statuses if status not in ("Accepted", "NoTariff")]
    return CallAnswer(not refused, refused[0] if refused else "Accepted", answer.body)


async def _change(dialect: Any, request: ChangeTransactionTariff) -> CallAnswer:
    payload = {
        "transactionId": request.station_transaction_id,
        "tariff": tariff_body(request.tariff),
    }
    answer: CallAnswer = await dialect.say("ChangeTransactionTariff", payload)
    return answer


async def _web_payment(dialect: Any, request: NotifyWebPaymentStarted) -> CallAnswer:
    payload = {"evseId": request.evse_id, "timeout": request.timeout_s}
    body = await dialect.call_with("NotifyWebPaymentStarted", payload)
    return CallAnswer(True, "Accepted", body)  # its answer has no status


async def _settled(dialect: Any, payload: Answer, received_at: datetime) -> Answer:
    """A payment at the station's own terminal."""
    amount = _decimal(payload.get("settlementAmount"))
    currency = dialect.services.blocks.costs.currency
    settlement = Settlement(
        station_id=dialect.station_id,
        reference=(text(payload.get("pspRef")) or "")[:255],
        status=(text(payload.get("status")) or "Unknown")[:50],
        amount=Money(amount, currency),
        settled_at=dialect.time_of(payload.get("settlementTime"), received_at).at,
        received_at=received_at,
        station_transaction_id=text(payload.get("transactionId")),
        receipt_id=text(payload.get("receiptId")),
        receipt_url=text(payload.get("receiptUrl")),
        vat_number=text(payload.get("vatNumber")),
        details=table(payload.get("vatCompany")) or None,
    )
    number_ = await dialect.services.blocks.costs.settled(settlement)
    return {} if number_ is None else {"receiptId": number_}


def _decimal(value: object) -> Decimal:
    found = number(value)
    try:
        return Decimal(0) if found is None else Decimal(str(found))
    except InvalidOperation:
        return Decimal(0)


async def _check_vat_number(dialect: Any, payload: Answer, received_at: datetime) -> Answer:
    """By its form alone: whether the number was given to somebody only the internet knows."""
    said = (text(payload.get("vatNumber")) or "")[:20]
    plain = re.sub(r"[\s.-]", "", said).upper()
    answer: Answer = {
        "vatNumber": said,
        "status": "Accepted" if _VAT_NUMBER.fullmatch(plain) else "Rejected",
    }
    evse_id = integer(payload.get("evseId"))
    return answer if evse_id is None or evse_id < 0 else {**answer, "evseId": evse_id}


BLOCK = Block(
    inbound={"NotifySettlement": _settled, "VatNumberValidation": _check_vat_number},
    requests={
        SetDefaultTariff: _set_default,
        ReadTariffs: _read,
        ClearTariffs: _clear,
        ChangeTransactionTariff: _change,
        NotifyWebPaymentStarted: _web_payment,
    },
)
