"""Costs and tariffs as stations are told them, and payments that began at a station.

What a session costs is rated here alone (`domain.rating`); a station only shows it. A payment made
at a station's own terminal is told by its settlement, which names the transaction.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sitecontroller.domain.commands import Command, StationRequest
from sitecontroller.domain.money import Money
from sitecontroller.domain.queries import Query
from sitecontroller.domain.tariff import Tariff, TariffDimension


@dataclass(frozen=True, slots=True)
class SessionCost:
    """What a session has cost at an instant. `energy_wh` since its start; prices of its tariff."""

    station_transaction_id: str
    total: Money
    at: datetime
    meter_wh: float | None
    tariff: Tariff
    charging: bool


@dataclass(frozen=True, slots=True)
class TellCost(StationRequest):
    """Show what the session costs so far, or (`final`) in the end."""

    cost: SessionCost
    final: bool = False


@dataclass(frozen=True, slots=True)
class TellPrice(StationRequest):
    """Show a driver the price before or while charging."""

    id_token: str
    text: str


@dataclass(frozen=True, slots=True)
class SetDefaultTariff(StationRequest):
    """What sessions cost that no other tariff is given for. `evse_id` 0: all (2.1 I07)."""

    tariff: Tariff
    evse_id: int = 0


@dataclass(frozen=True, slots=True)
class ReadTariffs(StationRequest, Command):
    """Which tariffs a station holds; they come in `answer` (2.1 I08)."""

    station_id: str
    evse_id: int = 0


@dataclass(frozen=True, slots=True)
class ClearTariffs(StationRequest, Command):
    """Take tariffs out of a station; without ids all of them (2.1 I09)."""

    station_id: str
    tariff_ids: tuple[str, ...] = ()
    evse_id: int | None = None


@dataclass(frozen=True, slots=True)
class ChangeTransactionTariff(StationRequest):
    """Another tariff for a running session (2.1 I11)."""

    station_transaction_id: str
    tariff: Tariff


@dataclass(frozen=True, slots=True)
class NotifyWebPaymentStarted(StationRequest, Command):
    """A driver pays on the web for an EVSE: its QR code is not shown to others meanwhile (C25)."""

    station_id: str
    evse_id: int
    timeout_s: int = 300


@dataclass(frozen=True, slots=True)
class PushTariff(Command):
    """Give a station the site's tariff in force as its default."""

    station_id: str
    evse_id: int = 0


@dataclass(frozen=True, slots=True)
class UseCurrentTariff(Command):
    """Give a running session's station the site's tariff in force to show.

    The session keeps the price it began with: a tariff once agreed is never changed.
    """

    transaction_key: str


@dataclass(frozen=True, slots=True)
class ShowCost(Command):
    """Show a running session's cost on its station now."""

    transaction_key: str


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a payment terminal of a station took (2.1 NotifySettlement).

    `reference` is the payment provider's; `status` as OCPP 2.1 PaymentStatusEnumType.
    """

    station_id: str
    reference: str
    status: str
    amount: Money
    settled_at: datetime
    received_at: datetime
    station_transaction_id: str | None = None
    transaction_key: str | None = None
    receipt_id: str | None = None
    receipt_url: str | None = None
    vat_number: str | None = None
    details: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class SettlementsQuery(Query):
    """Payments at stations, newest first."""

    limit: int = 50
    cursor: str | None = None


_PER = {
    TariffDimension.ENERGY: "/kWh",
    TariffDimension.FLAT: " per session",
    TariffDimension.PARKING_TIME: "/h after charging",
    TariffDimension.TIME: "/h",
}


def price_text(tariff: Tariff) -> str:
    """A tariff in one line, as drivers read it: "0.49 EUR/kWh + 1.00 EUR per session"."""
    parts = [
        f"{component.price} {tariff.currency}" + _PER[component.dimension]
        for component in tariff.components
    ]
    taxes = "" if tariff.tax_included else " plus VAT"
    return " + ".join(parts) + taxes + (", at times other prices" if tariff.elements else "")
