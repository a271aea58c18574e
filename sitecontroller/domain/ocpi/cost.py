"""What a session costs, as JSON values: the total as it is paid, the exact one, and the lines that
it is made of. Amounts are strings; where the tariff doesn't say one, it is None.
"""

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sitecontroller.domain.money import Money
from sitecontroller.domain.pricing.bill import Bill, BillLine, bill_of
from sitecontroller.domain.rating import decimal_of
from sitecontroller.domain.tariff import Tariff
from sitecontroller.domain.usage import Usage


def cost_json(tariff: Tariff, usage: Usage) -> dict[str, Any]:
    """The cost of a session that has ended."""
    bill = bill_of(tariff, usage)
    knows = bill.net is not None, bill.gross is not None
    exact = {
        "excl_vat": None if bill.net is None else plain(decimal_of(bill.net)),
        "incl_vat": None if bill.gross is None else plain(decimal_of(bill.gross)),
    }
    return {
        "currency": tariff.currency,
        "total_cost": {
            "excl_vat": _paid(bill.net_minor, tariff.currency) if knows[0] else None,
            "incl_vat": _paid(bill.gross_minor, tariff.currency) if knows[1] else None,
        },
        "exact": exact,
        "taxes": list(_taxes(tariff, bill)),
        "lines": _lines(tariff, bill, knows),
        "notes": list(bill.notes),
    }


def plain(value: Decimal) -> str:
    """Without an exponent, and no zeros behind the point that say nothing."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _paid(minor: int, currency: str) -> str:
    return format(Money.from_minor(minor, currency).amount, "f")


def _taxes(tariff: Tariff, bill: Bill) -> Iterable[dict[str, Any]]:
    """OCPI 2.3.0 TaxAmount, one for each VAT rate."""
    for rate in bill.rates:
        if rate.vat_percent is not None:
            yield {
                "name": "VAT",
                "percentage": plain(rate.vat_percent),
                "amount": _paid(rate.gross_minor - rate.net_minor, tariff.currency),
            }


def _lines(tariff: Tariff, bill: Bill, knows: tuple[bool, bool]) -> list[dict[str, Any]]:
    nets = _ending([line.net for line in bill.lines]) if knows[0] else [None] * len(bill.lines)
    grosses = _ending([line.gross for line in bill.lines]) if knows[1] else [None] * len(nets)
    return [
        _line(line, net, gross, tax_included=tariff.tax_included)
        for line, net, gross in zip(bill.lines, nets, grosses, strict=True)
    ]


def _line(
    line: BillLine, net: str | None, gross: str | None, *, tax_included: bool
) -> dict[str, Any]:
    part = line.part
    return {
        "dimension": line.dimension,
        "element": None if part is None else part.element,
        "reservation": part is not None and part.reservation,
        "volume": None if part is None else plain(decimal_of(line.volume)),
        "step_surplus": None if part is None else plain(decimal_of(line.step_surplus)),
        "unit_price": None if part is None else plain(part.component.price),
        "vat": None if line.vat_percent is None else plain(line.vat_percent),
        "amount": gross if tax_included else net,
        "excl_vat": net,
        "incl_vat": gross,
    }


def _ending(amounts: list[Fraction]) -> list[str | None]:
    """As decimals whose sum is that of the amounts: the last that never ends takes the rest."""
    found = [decimal_of(amount) for amount in amounts]
    endless = [n for n, amount in enumerate(amounts) if Fraction(found[n]) != amount]
    if endless:
        total = Fraction(decimal_of(sum(amounts, Fraction(0))))
        others = sum((Fraction(v) for n, v in enumerate(found) if n != endless[-1]), Fraction(0))
        found[endless[-1]] = decimal_of(total - others)
    return [plain(value) for value in found]
