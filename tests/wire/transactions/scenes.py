"""What the transaction tests share: 1.6 payloads on one time line, and money per kWh."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.wire.site import instant

START_AT = datetime.now(UTC) - timedelta(minutes=60)
NEVER_SET = "1970-01-01T00:00:07Z"
CARD, OTHER_CARD = "CARD0001", "CARD0002"


def at(minutes: float) -> str:
    """So many minutes into the story, as a station writes it."""
    return instant(START_AT + timedelta(minutes=minutes))


def start(
    meter_wh: int | None = 1000,
    card: str = CARD,
    *,
    minutes: float = 0,
    connector: int = 1,
    timestamp: str | None = None,
) -> dict[str, Any]:
    payload: dict[str, Any] = {
        "connectorId": connector,
        "idTag": card,
        "meterStart": meter_wh,
        "timestamp": timestamp or at(minutes),
    }
    if meter_wh is None:
        del payload["meterStart"]
    return payload


def stop(
    transaction_id: int,
    meter_wh: int | None = 11_000,
    *,
    card: str | None = None,
    minutes: float = 20,
    timestamp: str | None = None,
) -> dict[str, Any]:
    payload: dict[str, Any] = {
        "transactionId": transaction_id,
        "meterStop": meter_wh,
        "timestamp": timestamp or at(minutes),
    }
    if meter_wh is None:
        del payload["meterStop"]
    if card is not None:
        payload["idTag"] = card
    return payload


def meter(
    wh: float, transaction_id: int | None = None, *, minutes: float = 5, connector: int = 1
) -> dict[str, Any]:
    payload: dict[str, Any] = {
        "connectorId": connector,
        "meterValue": [
            {
                "timestamp": at(minutes),
                "sampledValue": [
                    {"value": str(wh), "measurand": "Energy.Active.Import.Register", "unit": "Wh"}
                ],
            }
        ],
    }
    if transaction_id is not None:
        payload["transactionId"] = transaction_id
    return payload


def euros(kwh: float) -> Decimal:
    """The test tariff: 0.50 a kWh and 1.00 a session."""
    return (Decimal(str(kwh)) * Decimal("0.50") + 1).quantize(Decimal("0.01"))
