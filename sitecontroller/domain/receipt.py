"""A receipt as it was issued: everything on the paper, in figures, independent of language.

Built once from a priced transaction and never changed; a reprint is made from this alone. What is
rounded on its lines adds up to its totals.
"""

from dataclasses import dataclass, replace
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
    """`volume` × `unit_price`; `amount` is rounded, with VAT where the tariff's prices have it.

    `step_surplus` is the part of the volume that only a step of the price added.
    """

    dimension: BillDimension
    volume: Decimal
    unit_price: Decimal
    vat_percent: Decimal | None
    amount: Money
    step_surplus: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class PausedNotice:
    """Time for which the driver pays nothing, as the site held the car back, and why it did."""

    hours: Decimal
    reasons: tuple[str, ...] = ()


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
class PaidNotice:
    """How it was paid: by which provider, and of cash what was given and what came back."""

    provider: str
    amount: Money
    given: Money | None = None
    change: Money | None = None


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
    paid: PaidNotice | None = None
    """None: it was issued before it was paid."""
    paused: PausedNotice | None = None
    """None: the site never held the car back, or the tariff doesn't price time."""
    cancels: str | None = None
    """Of a counter-receipt: the number of the receipt that it takes back, or a part of it."""


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
        paused=PausedNotice(price.paused_hours, price.paused_reasons)
        if price.paused_hours
        else None,
    )


def counter_receipt(original: ReceiptDocument, refunded: Money, before: Money) -> ReceiptDocument:
    """What takes back a part of a receipt: all its amounts below 0, still without a number.

    `before` is what was refunded of it earlier. All parts of a whole add up to it, rate by rate.
    Lines stand on it only where the whole is taken back at once.
    """
    assert before.amount >= 0 < refunded.amount, "a refund is above 0"
    until = before + refunded
    assert until.amount <= original.total.amount, "more than the receipt says"
    nothing = Money(Decimal(0), original.total.currency)
    vat_lines = tuple(
        VatLine(then.vat_percent, now.net - then.net, now.vat - then.vat, now.gross - then.gross)
        for then, now in zip(_part(original, until), _part(original, before), strict=True)
    )
    lines = original.lines if refunded == original.total else ()
    return replace(
        original,
        number="",
        cancels=original.number,
        lines=tuple(replace(line, amount=nothing - line.amount) for line in lines),
        vat_lines=vat_lines,
        total_net=sum((line.net for line in vat_lines), nothing),
        total=nothing - refunded,
        paid=None,
        paused=None,
    )


def _part(original: ReceiptDocument, amount: Money) -> tuple[VatLine, ...]:
    """The VAT lines of so much of a receipt's total, rounded so that the gross adds up."""
    if amount == original.total:
        return original.vat_lines
    ratio = Fraction(amount.amount) / Fraction(original.total.amount)
    exact = [ratio * line.gross.amount_minor for line in original.vat_lines]
    currency = amount.currency
    part = []
    for line, gross_minor in zip(
        original.vat_lines, shares(exact, amount.amount_minor), strict=True
    ):
        gross = Money.from_minor(gross_minor, currency)
        net = gross
        if line.gross.amount:
            net_share = line.net.amount * gross.amount / line.gross.amount
            net = Money(net_share, currency).rounded()
        part.append(VatLine(line.vat_percent, net, gross - net, gross))
    return tuple(part)


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
        ReceiptLine(
            line.dimension,
            line.volume,
            line.unit_price,
            line.vat_percent,
            amounts[place],
            line.step_surplus,
        )
        for place, line in enumerate(price.lines)
    )


def _shares(lines: list[PriceLine], total: Money) -> list[Money]:
    """Round each line down, then give the missing cents to the largest remainders."""
    scale = 10 ** minor_digits(total.currency)
    exact = [Fraction(line.amount.amount) * scale for line in lines]
    return [
        Money.from_minor(amount, total.currency) for amount in shares(exact, total.amount_minor)
    ]
