"""Domain values survive the way to JSON and back."""

from datetime import UTC, datetime
from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitecontroller.domain.authorization import AuthorizationStatus, IdToken
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.money import Money
from sitecontroller.domain.rating import rate
from sitecontroller.domain.tariff import PriceComponent, Tariff, TariffDimension
from sitecontroller.domain.transaction import Transaction, TransactionFlag, TransactionState
from sitecontroller.domain.views import Page
from sitecontroller.wire import format_instant, from_json, parse_instant, to_json

AT = datetime(2026, 3, 29, 1, 30, 0, 123000, tzinfo=UTC)
TARIFF = Tariff(
    "t", 1, "Standard", "EUR",
    (PriceComponent(TariffDimension.ENERGY, Decimal("0.49"), Decimal(19)),), AT,
)  # fmt: skip


@given(
    energy_wh=st.decimals(0, 10**7, places=3),
    flags=st.frozensets(st.sampled_from(TransactionFlag)),
    meter_wh=st.none() | st.floats(0, 1e9, allow_nan=False),
)
def test_a_transaction_survives_json(energy_wh, flags, meter_wh):
    transaction = Transaction(
        key="01ARZ3NDEKTSV4RRFFQ69G5FAV",
        station_id="CP-01",
        evse_id=1,
        connector_id=1,
        station_transaction_id="7",
        state=TransactionState.ENDED,
        authorization_status=AuthorizationStatus.ACCEPTED,
        started_at=AT,
        start_received_at=AT,
        id_token=IdToken("CARD"),
        meter_stop_wh=meter_wh,
        tariff=TARIFF,
        price=rate(TARIFF, energy_wh),
        flags=flags,
    )
    text = orjson.dumps(to_json(transaction))
    assert from_json(Transaction, orjson.loads(text)) == transaction


def test_money_goes_as_text_and_unknown_as_null():
    assert to_json(Money(Decimal("5.00"), "EUR")) == {"amount": "5.00", "currency": "EUR"}
    assert to_json(MeterReading(AT))["current_a"] == [None, None, None]


def test_instants_are_utc_with_milliseconds_and_z():
    assert format_instant(AT) == "2026-03-29T01:30:00.123Z"
    assert parse_instant("2026-03-29T03:30:00.123+02:00") == AT


def test_an_instant_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="no time zone"):
        parse_instant("2026-03-29T03:30:00")


def test_a_field_that_a_newer_controller_added_is_ignored():
    data = {**to_json(Money(Decimal(1), "EUR")), "new": 1}
    assert from_json(Money, data) == Money(Decimal(1), "EUR")


def test_a_page_of_money_reads_back():
    page = Page((Money(Decimal("1.5"), "EUR"),), "next")
    assert from_json(Page[Money], to_json(page)) == page
