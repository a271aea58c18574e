"""`[till]` of site.toml: what stands at the attendant's desk."""

from dataclasses import dataclass

from sitecontroller.config.table import Table

CURRENCY_NUMBERS = {
    "EUR": 978, "CHF": 756, "GBP": 826, "PLN": 985, "CZK": 203, "DKK": 208, "SEK": 752, "NOK": 578,
    "HUF": 348, "RON": 946, "USD": 840,
}  # fmt: skip
"""ISO 4217 numbers of the currencies that a terminal can be told."""
_URL = r"tcp://[^\s/:]+(:\d{1,5})?|serial:/[^\s?]+(\?baudrate=(9600|19200|38400|57600|115200))?"


@dataclass(frozen=True, slots=True)
class TerminalSettings:
    """A card terminal that speaks ZVT. `preauthorize`: card schemes whose sums may be held."""

    url: str
    currency: str
    password: int = 0
    preauthorize: frozenset[str] = frozenset()
    refund: bool = True
    t3_s: float = 5.0
    t4_s: float = 180.0


@dataclass(frozen=True, slots=True)
class TillSettings:
    """What belongs to the till; `terminal` None: there is none."""

    terminal: TerminalSettings | None = None


def read_till(table: Table, currency: str) -> TillSettings:
    """`[till]`; `currency` is the site's."""
    terminal = _read_terminal(table.table("terminal"), currency) if table.has("terminal") else None
    table.no_more()
    return TillSettings(terminal)


def _read_terminal(table: Table, currency: str) -> TerminalSettings:
    settings = TerminalSettings(
        url=table.text("url", None, pattern=_URL),
        currency=table.text("currency", currency, pattern="|".join(CURRENCY_NUMBERS)),
        password=int(table.text("password", "000000", pattern=r"\d{6}") or "0"),
        preauthorize=frozenset(
            table.texts("preauthorize", pattern="girocard|mastercard|visa|amex|diners|jcb|other")
        ),
        refund=table.flag("refund", default=True),
        t3_s=table.number("t3_s", 5.0, low=1, high=60),
        t4_s=table.number("t4_s", 180.0, low=10, high=1800),
    )
    if settings.currency != currency:
        table.fault("currency", f"is {currency} like the site's: prices are in it")
    table.no_more()
    return settings
