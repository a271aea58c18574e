"""Money: an amount and its currency; rounding happens here and nowhere else.

Rule: half up, to the currency's minor unit, once, at the total of a bill line or of a bill.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

_MINOR_DIGITS = {
    **dict.fromkeys(
        (
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ),
        0,
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
"""Where it isn't 2 (ISO 4217)."""


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount of one currency (ISO 4217 code); may hold more digits than it is paid in."""

    amount: Decimal
    currency: str

    def __add__(self, other: "Money") -> "Money":
        self._check(other)
        return Money(self.amount + other.amount, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        self._check(other)
        return Money(self.amount - other.amount, self.currency)

    def rounded(self) -> "Money":
        """The amount as it is paid: half up to the currency's minor unit."""
        quantum = Decimal(1).scaleb(-minor_digits(self.currency))
        return Money(self.amount.quantize(quantum, rounding=ROUND_HALF_UP), self.currency)

    @property
    def amount_minor(self) -> int:
        """The rounded amount in minor units (cents)."""
        return int(self.rounded().amount.scaleb(minor_digits(self.currency)))

    @classmethod
    def from_minor(cls, amount_minor: int, currency: str) -> "Money":
        """Money from whole minor units, as they are stored."""
        return cls(Decimal(amount_minor).scaleb(-minor_digits(currency)), currency)

    def _check(self, other: "Money") -> None:
        if self.currency != other.currency:
            raise ValueError(f"{self.currency} and {other.currency} don't add up")


def minor_digits(currency: str) -> int:
    """Decimal places of a currency's minor unit (ISO 4217)."""
    return _MINOR_DIGITS.get(currency, 2)
