"""A receipt as it was issued: everything on the paper, in figures, independent of language.

Built once from a priced transaction and never changed; a reprint is made from this alone. What is
rounded on its lines adds up to its totals.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from sitecontroller.domain.errors import Conflict, NoTariff
from sitecontroller.domain.ids import masked
from sitecontroller.domain.money import Money, minor_digits
from sitecontroller.domain.pricing.bill import shares
from sitecontroller.domain.rating import BillDimension, Price, PriceLine, VatLine
from sitecontroller.domain.signed_reading import SignedVerdict
from sitecontroller.domain.transaction import Transaction, TransactionFlag


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    """`volume` × `unit_price`; `amount` is rounded, with VAT where the tariff's prices have it."""

    dimension: BillDimension
    volume: Decimal
    unit_price: Decimal
    vat_percent: Decimal | None
    amount: Money


@dataclass(frozen=True, slots=True)
class SignedNotice:
    """What lets the driver check the meter's signature: whose it is, and with which key.

    `energy_wh` is None unless the readings are valid.
    """

    verdict: SignedVerdict
    energy_wh: Decimal | None
    meter_serial: str
    public_key: str


@dataclass(frozen=True, slots=True)
class ReceiptDocument:
    """What a receipt says. Instants are UTC; `time_zone` (IANA) is how they are printed.

    `lines` add up to `total` where `tax_included`, else to `total_net`; the `gross` of
    `vat_lines` add up to `total`. `id_token` is masked.
    """

    number: str
    seller: str
    issued_at: datetime
    time_zone: str
    evse_code: str
    transaction_key: str
    id_token: str | None
    started_at: datetime
    ended_at: datetime | None
    meter_start_wh: float | None
    meter_stop_wh: float | None
    energy_wh: Decimal | None
    tariff_name: str
    tax_included: bool
    lines: tuple[ReceiptLine, ...]
    vat_lines: tuple[VatLine, ...]
    total_net: Money
    total: Money
    flags: tuple[TransactionFlag, ...] = ()
    signed: SignedNotice | None = None
    """None: nothing was signed in this session."""


def receipt_document(
    transaction: Transaction,
    *,
    number: str,
    site_name: str,
    issued_at: datetime,
    time_zone: str,
    evse_code: str,
    signed: SignedNotice | None = None,
) -> ReceiptDocument:
    """The receipt of a priced transaction; NoTariff or Conflict where it has no price (never one
    over 0)."""
    price, tariff = transaction.price, transaction.tariff
    if tariff is not None and price is None:
        raise Conflict(
            f"transaction {transaction.key} has no price: its energy is unknown or can't be right",
            remedy="Look at the charger's meter and agree with the driver; note it by hand",
        )
    if price is None or tariff is None:
        raise NoTariff(
            f"transaction {transaction.key} has no price: no tariff was valid when it started",
            remedy="Agree on a price with the driver and note it by hand; set up a tariff",
        )
    return ReceiptDocument(
        number=number,
        seller=site_name,
        issued_at=issued_at,
        time_zone=time_zone,
        evse_code=evse_code,
        transaction_key=transaction.key,
        id_token=masked(transaction.id_token.id_token) if transaction.id_token else None,
        started_at=transaction.started_at,
        ended_at=transaction.ended_at,
        meter_start_wh=transaction.meter_start_wh,
        meter_stop_wh=transaction.meter_stop_wh,
        energy_wh=transaction.energy_wh,
        tariff_name=tariff.name,
        tax_included=tariff.tax_included,
        lines=_lines(price, tax_included=tariff.tax_included),
        vat_lines=price.vat_lines,
        total_net=price.total_net,
        total=price.total,
        flags=tuple(sorted(transaction.flags)),
        signed=signed,
    )


def _lines(price: Price, *, tax_included: bool) -> tuple[ReceiptLine, ...]:
    """The lines with amounts that add up to the rounded sum of their VAT rate."""
    amounts: dict[int, Money] = {}
    for vat_line in price.vat_lines:
        of_rate = [
            (place, line)
            for place, line in enumerate(price.lines)
            if line.vat_percent == vat_line.vat_percent
        ]
        total = vat_line.gross if tax_included else vat_line.net
        shares = _shares([line for _, line in of_rate], total)
        amounts.update(zip((place for place, _ in of_rate), shares, strict=True))
    return tuple(
        ReceiptLine(line.dimension, line.volume, line.unit_price, line.vat_percent, amounts[place])
        for place, line in enumerate(price.lines)
    )


def _shares(lines: list[PriceLine], total: Money) -> list[Money]:
    """Round each line down, then give the missing cents to the largest remainders."""
    scale = 10 ** minor_digits(total.currency)
    exact = [Fraction(line.amount.amount) * scale for line in lines]
    return [
        Money.from_minor(amount, total.currency) for amount in shares(exact, total.amount_minor)
    ]
