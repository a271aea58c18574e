"""A receipt as blocks that any paper can print: headings, pairs, rows, rules and sentences.

Decides what is said and in which order; how it looks is the printer's affair.
"""

from dataclasses import dataclass
from decimal import Decimal

from sitecontroller.domain.money import Money
from sitecontroller.domain.rating import BillDimension
from sitecontroller.domain.receipt import ReceiptDocument, ReceiptLine
from sitecontroller.printing.texts import Texts

_WITHOUT_VOLUME = (BillDimension.FLAT, BillDimension.MIN_PRICE, BillDimension.MAX_PRICE)
_WH_DIGITS = 3
_WH_PER_KWH = 1000
_KEY_GROUP = 8
"""Digits of a public key between two spaces, where its line may end."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A large line of its own."""

    text: str


@dataclass(frozen=True, slots=True)
class Sentence:
    """Running text."""

    text: str
    bold: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """Running text, set in from the left: it belongs to what stands above."""

    text: str


@dataclass(frozen=True, slots=True)
class Pair:
    """A label on the left, its value on the right."""

    label: str
    value: str
    bold: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Columns of equal width: the first to the left, the others to the right."""

    cells: tuple[str, ...]
    bold: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """A line across."""


Block = Heading | Sentence | Item | Pair | Row | Rule


def receipt_blocks(receipt: ReceiptDocument, words: Texts, *, copy: bool) -> tuple[Block, ...]:
    """The whole receipt from top to bottom."""
    title = words["title"] if receipt.cancels is None else words["counter_title"]
    return (
        Heading(receipt.seller),
        Heading(f"{title} – {words['copy']}" if copy else title),
        Pair(words["number"], receipt.number),
        *(() if receipt.cancels is None else (Pair(words["cancels"], receipt.cancels),)),
        Pair(words["issued"], words.instant(receipt.issued_at, receipt.time_zone)),
        Rule(),
        *_session(receipt, words),
        Rule(),
        *(block for line in receipt.lines for block in _line(line, words)),
        *_paused(receipt, words),
        Sentence(words["prices_with_vat" if receipt.tax_included else "prices_without_vat"]),
        Rule(),
        *_vat(receipt, words),
        Rule(),
        Pair(words["total_net"], words.money(receipt.total_net)),
        Pair(words["total"], words.money(receipt.total), bold=True),
        *_paid(receipt, words),
        *_signed(receipt, words),
        *_remarks(receipt, words),
        Rule(),
        Sentence(words["times"].format(time_zone=receipt.time_zone)),
        Sentence(words["reference"].format(transaction_key=receipt.transaction_key)),
    )


def _session(receipt: ReceiptDocument, words: Texts) -> tuple[Block, ...]:
    unknown = words["unknown"]
    ended = receipt.ended_at
    card = () if receipt.id_token is None else (Pair(words["card"], receipt.id_token),)
    return (
        Sentence(words["session"], bold=True),
        Pair(words["charger"], receipt.evse_code),
        *card,
        Pair(words["start"], words.instant(receipt.started_at, receipt.time_zone)),
        Pair(words["end"], words.instant(ended, receipt.time_zone) if ended else unknown),
        Pair(words["meter_start"], _register(receipt.meter_start_wh, words)),
        Pair(words["meter_stop"], _register(receipt.meter_stop_wh, words)),
        Pair(words["energy"], _kwh(receipt.energy_wh, words)),
        Pair(words["tariff"], receipt.tariff_name),
    )


def _line(line: ReceiptLine, words: Texts) -> tuple[Block, ...]:
    name = words.of("dimensions", line.dimension)
    price = words.unit_price(line.unit_price, line.amount.currency)
    amount = Pair(f"{name} ({_vat_rate(line.vat_percent, words)})", words.money(line.amount))
    if line.dimension in _WITHOUT_VOLUME:
        return (amount,)
    unit = words.of("units", line.dimension)
    volume = words.number(line.volume, _WH_DIGITS, _WH_DIGITS * 2)
    sold = Sentence(f"{volume} {unit} × {price}/{unit}")
    if not line.step_surplus:
        return (amount, sold)
    surplus = words.number(line.step_surplus, _WH_DIGITS, _WH_DIGITS * 2)
    return (amount, sold, Sentence(words["step"].format(volume=f"{surplus} {unit}")))


def _paused(receipt: ReceiptDocument, words: Texts) -> tuple[Block, ...]:
    """Time that costs nothing as the site held the car back, and why it did."""
    if receipt.paused is None:
        return ()
    hours = words.number(receipt.paused.hours, _WH_DIGITS, _WH_DIGITS)
    why = "; ".join(receipt.paused.reasons)
    nothing = Money(Decimal(0), receipt.total.currency)
    return (
        Pair(words["paused"], words.money(nothing)),
        Sentence(f"{hours} {words.of('units', BillDimension.TIME)}" + (f": {why}" if why else "")),
    )


def _vat(receipt: ReceiptDocument, words: Texts) -> tuple[Block, ...]:
    header = Row(tuple(words[key] for key in ("vat_rate", "net", "vat", "gross")), bold=True)
    rows = (
        Row(
            (
                "–" if line.vat_percent is None else _percent(line.vat_percent, words),
                words.money(line.net),
                words.money(line.vat),
                words.money(line.gross),
            )
        )
        for line in receipt.vat_lines
    )
    return (header, *rows)


def _paid(receipt: ReceiptDocument, words: Texts) -> tuple[Block, ...]:
    """By whom the money was taken, and of cash what came back."""
    paid = receipt.paid
    if paid is None:
        return ()
    known = words.words["providers"]
    amounts = ((words["given"], paid.given), (words["change"], paid.change))
    return (
        Pair(
            words["paid"].format(provider=known.get(paid.provider, paid.provider)),
            words.money(paid.amount),
        ),
        *(Pair(name, words.money(amount)) for name, amount in amounts if amount is not None),
    )


def _vat_rate(vat_percent: Decimal | None, words: Texts) -> str:
    if vat_percent is None:
        return words["no_vat"]
    return f"{_percent(vat_percent, words)} {words['vat_rate']}"


def _percent(vat_percent: Decimal, words: Texts) -> str:
    return f"{words.number(vat_percent, 0, 2)} %"


def _signed(receipt: ReceiptDocument, words: Texts) -> tuple[Block, ...]:
    """How to check what the meter signed."""
    signed = receipt.signed
    if signed is None:
        return ()
    meter = (Pair(words["meter"], signed.meter_serial),) if signed.meter_serial else ()
    energy_wh = signed.energy_wh
    energy = () if energy_wh is None else (Pair(words["signed_energy"], _kwh(energy_wh, words)),)
    key = signed.public_key
    groups = " ".join(key[place : place + _KEY_GROUP] for place in range(0, len(key), _KEY_GROUP))
    return (
        Rule(),
        Sentence(words["signed"], bold=True),
        *meter,
        *energy,
        Sentence(words.of("signed_verdicts", signed.verdict)),
        *((Sentence(words["public_key"].format(key=groups)),) if key else ()),
        Sentence(words["how_to_verify"]),
    )


def _remarks(receipt: ReceiptDocument, words: Texts) -> tuple[Block, ...]:
    if not receipt.flags:
        return ()
    sentences = (Sentence(words.of("flags", flag)) for flag in receipt.flags)
    return (Rule(), Sentence(words["remarks"], bold=True), *sentences)


def _register(value_wh: float | None, words: Texts) -> str:
    return _kwh(None if value_wh is None else Decimal(round(value_wh * 1000)) / 1000, words)


def _kwh(value_wh: Decimal | None, words: Texts) -> str:
    if value_wh is None:
        return words["unknown"]
    return f"{words.number(value_wh / _WH_PER_KWH, _WH_DIGITS, _WH_DIGITS * 2)} kWh"
