"""The words, dates, numbers and amounts of paper in one language, from `texts/<language>.toml`."""

import tomllib
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

from sitecontroller.domain.errors import FieldError, InvalidInput
from sitecontroller.domain.money import Money, minor_digits

_SYMBOLS = {"EUR": "€", "GBP": "£", "USD": "$"}
PRICE_DIGITS_MAX = 6


@dataclass(frozen=True)
class Texts:
    """One language."""

    language: str
    words: dict[str, Any]

    def __getitem__(self, key: str) -> str:
        return str(self.words[key])

    def of(self, table: str, key: str) -> str:
        """A word out of a table, such as a flag's."""
        return str(self.words[table][key])

    def number(self, value: Decimal, digits: int, digits_max: int | None = None) -> str:
        """`digits` decimals, and as many more up to `digits_max` as are needed to be exact."""
        exact = -int(value.normalize().as_tuple().exponent)
        places = max(digits, min(exact, digits if digits_max is None else digits_max))
        text = f"{value:,.{places}f}"
        marks = {",": self["thousands_mark"], ".": self["decimal_mark"]}
        return "".join(marks.get(sign, sign) for sign in text)

    def money(self, money: Money) -> str:
        """An amount as it is paid, with its sign or code."""
        return self._amount(money.rounded().amount, money.currency, 0)

    def unit_price(self, price: Decimal, currency: str) -> str:
        """A price with all its digits."""
        return self._amount(price, currency, PRICE_DIGITS_MAX)

    def instant(self, at: datetime, time_zone: str) -> str:
        """A local time with its offset from UTC."""
        local = at.astimezone(ZoneInfo(time_zone))
        offset = local.strftime("%z")
        return f"{local.strftime(self['instant'])} (UTC{offset[:3]}:{offset[3:5]})"

    def _amount(self, amount: Decimal, currency: str, digits_max: int) -> str:
        digits = minor_digits(currency)
        text = self.number(amount, digits, max(digits, digits_max))
        pattern = "money" if currency in _SYMBOLS else "money_with_code"
        return self[pattern].format(symbol=_SYMBOLS.get(currency), code=currency, amount=text)


@cache
def texts(language: str) -> Texts:
    """The texts of a language ("en", "de"); InvalidInput names those there are."""
    known = languages()
    if language not in known:
        message = f"'{language}' is not one of {', '.join(known)}"
        raise InvalidInput(
            f"no texts in the language {message}", errors=(FieldError("language", message),)
        )
    file = resources.files(__package__) / "texts" / f"{language}.toml"
    return Texts(language, tomllib.loads(file.read_text(encoding="utf-8")))


@cache
def languages() -> tuple[str, ...]:
    """The languages there are, sorted."""
    folder = resources.files(__package__) / "texts"
    names = (file.name for file in folder.iterdir())
    return tuple(sorted(n.removesuffix(".toml") for n in names if n.endswith(".toml")))
