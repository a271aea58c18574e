"""Tariffs and transactions for money tests."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import strategies as st

from sitecontroller.domain.authorization import AuthorizationStatus, IdToken
from sitecontroller.domain.rating import rate
from sitecontroller.domain.receipt import ReceiptDocument, receipt_document
from sitecontroller.domain.tariff import PriceComponent, Tariff, TariffDimension
from sitecontroller.domain.transaction import Transaction, TransactionState

STARTED_AT = datetime(2025, 3, 30, 0, 30, tzinfo=UTC)
"""Half an hour before the clocks in Berlin go forward."""


def energy(price: str, vat_percent: str = "19") -> PriceComponent:
    return PriceComponent(TariffDimension.ENERGY, Decimal(price), Decimal(vat_percent))


def fee(price: str, vat_percent: str = "19") -> PriceComponent:
    return PriceComponent(TariffDimension.FLAT, Decimal(price), Decimal(vat_percent))


def tariff(*components: PriceComponent, tax_included: bool = True, currency: str = "EUR") -> Tariff:
    return Tariff("T1", 1, "Tag & Nacht", currency, components, STARTED_AT, tax_included)


def charged(under: Tariff | None, meter_stop_wh: float = 24_346.5) -> Transaction:
    """An ended transaction from register 0, priced if there is a tariff."""
    transaction = Transaction(
        key="01JQXYZABCDEFGHJKMNPQRSTVW",
        station_id="CP-01",
        evse_id=1,
        connector_id=1,
        station_transaction_id="17",
        state=TransactionState.ENDED,
        authorization_status=AuthorizationStatus.ACCEPTED,
        started_at=STARTED_AT,
        start_received_at=STARTED_AT,
        ended_at=STARTED_AT + timedelta(hours=1),
        id_token=IdToken("04A2B3C4D5E6"),
        meter_start_wh=0.0,
        meter_stop_wh=meter_stop_wh,
        tariff=under,
    )
    if under is None:
        return transaction
    assert transaction.energy_wh is not None
    return replace(transaction, price=rate(under, transaction.energy_wh))


def receipt(of: Transaction, site_name: str = "Parkhaus Mitte") -> ReceiptDocument:
    return receipt_document(
        of,
        number="S017-K1-2025-000123",
        site_name=site_name,
        issued_at=STARTED_AT + timedelta(hours=2),
        time_zone="Europe/Berlin",
        evse_code="DE*ABC*ECP01*1",
    )


prices = st.decimals(0, 1000, places=4, allow_nan=False)
components = st.builds(
    PriceComponent,
    st.sampled_from([TariffDimension.ENERGY, TariffDimension.FLAT]),
    prices,
    st.sampled_from([Decimal(p) for p in ("0", "5.5", "7", "19", "20", "25", "27")]),
)
tariffs = st.builds(
    lambda parts, tax_included, currency: tariff(
        *parts, tax_included=tax_included, currency=currency
    ),
    st.lists(components, min_size=1, max_size=6),
    st.booleans(),
    st.sampled_from(["EUR", "JPY", "TND"]),
)
energies_wh = st.decimals(0, 500_000, places=3, allow_nan=False)
