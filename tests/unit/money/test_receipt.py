"""A receipt says what was charged, in the reader's language, and its figures add up."""

import io
import pickle
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader

from sitecontroller.domain.errors import Conflict, InvalidInput, NoTariff
from sitecontroller.domain.receipt import ReceiptDocument, SignedNotice
from sitecontroller.domain.signed_reading import SignedVerdict
from sitecontroller.domain.tariff import PriceLimit, Tariff
from sitecontroller.domain.topology import Topology
from sitecontroller.domain.transaction import TransactionFlag
from sitecontroller.printing.pdf import receipt_pdf
from sitecontroller.printing.texts import languages, texts
from sitecontroller.publisher import Publisher
from sitecontroller.services.running_prices import RunningPrices
from sitecontroller.wire import from_json, to_json
from tests.unit.money.cases import charged, energy, fee, prices, receipt, tariff, tariffs

USUAL = tariff(energy("0.5925"), fee("0.50"))


def text_of(pdf: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)


def printed(document: ReceiptDocument, language: str = "en", *, copy: bool = False) -> str:
    return text_of(receipt_pdf(document, language, copy))


def test_a_transaction_without_a_price_gets_no_receipt() -> None:
    with pytest.raises(NoTariff):
        receipt(charged(None))


def test_a_session_that_waits_for_a_person_shows_no_price_and_says_so_instead_of_a_receipt() -> (
    None
):
    doubtful = replace(charged(USUAL), price=None)
    prices = RunningPrices(Topology({}, {}, {}), None, None, Publisher(), None)
    assert prices.of(doubtful) is None
    with pytest.raises(Conflict, match="energy is unknown or can't be right"):
        receipt(doubtful)


@given(tariffs, st.floats(0, 500_000))
def test_the_lines_on_paper_add_up_to_the_total(under: Tariff, meter_stop_wh: float) -> None:
    document = receipt(charged(under, meter_stop_wh))
    total = document.total if under.tax_included else document.total_net
    assert sum((line.amount.amount for line in document.lines), Decimal(0)) == total.amount


@given(tariffs, prices, prices, st.floats(0, 500_000))
def test_a_least_or_highest_price_is_on_paper_and_the_lines_still_add_up(
    under: Tariff, net: Decimal, gross: Decimal, meter_stop_wh: float
) -> None:
    limited = replace(under, min_price=PriceLimit(net, None), max_price=PriceLimit(None, gross))
    document = receipt(charged(limited, meter_stop_wh))
    total = document.total if under.tax_included else document.total_net
    assert sum((line.amount.amount for line in document.lines), Decimal(0)) == total.amount


def test_what_the_highest_price_takes_off_is_a_line_on_paper() -> None:
    limited = replace(USUAL, max_price=PriceLimit(None, Decimal("10.00")))
    paper = printed(receipt(charged(limited))).splitlines()
    assert "Down to the highest price (19 % VAT) €-4.93" in paper
    assert "Total €10.00" in paper


def test_a_price_without_vat_says_so_on_paper() -> None:
    without = tariff(replace(energy("0.50"), vat_percent=None))
    paper = printed(receipt(charged(without))).splitlines()
    assert "Energy (no VAT) €12.17" in paper


@given(tariffs, st.floats(0, 500_000))
def test_a_line_on_paper_is_less_than_a_coin_from_its_exact_amount(
    under: Tariff, meter_stop_wh: float
) -> None:
    transaction = charged(under, meter_stop_wh)
    assert transaction.price is not None
    for shown, exact in zip(receipt(transaction).lines, transaction.price.lines, strict=True):
        coins = abs(shown.amount.amount - exact.amount.amount) / coin(under)
        assert coins < 1


def coin(under: Tariff) -> Decimal:
    return {"EUR": Decimal("0.01"), "JPY": Decimal(1), "TND": Decimal("0.001")}[under.currency]


@given(tariffs, st.floats(0, 500_000))
def test_a_kept_receipt_comes_back_as_it_was(under: Tariff, meter_stop_wh: float) -> None:
    document = receipt(charged(under, meter_stop_wh))
    assert from_json(ReceiptDocument, to_json(document)) == document


@pytest.mark.parametrize(
    ("language", "lines"),
    [
        (
            "en",
            [
                "Receipt no. S017-K1-2025-000123",
                "Issued 2025-03-30 04:30:00 (UTC+02:00)",
                "Charger DE*ABC*ECP01*1",
                "Card …D5E6",
                "Start 2025-03-30 01:30:00 (UTC+01:00)",
                "End 2025-03-30 03:30:00 (UTC+02:00)",
                "Meter at start 0.000 kWh",
                "Meter at end 24.3465 kWh",
                "Energy 24.3465 kWh",
                "Energy (19 % VAT) €14.43",
                "24.3465 kWh × €0.5925/kWh",
                "Session fee (19 % VAT) €0.50",
                "19 % €12.55 €2.38 €14.93",
                "Total without VAT €12.55",
                "Total €14.93",
            ],
        ),
        (
            "de",
            [
                "Beginn 30.03.2025 01:30:00 (UTC+01:00)",
                "Zähler bei Ende 24,3465 kWh",
                "24,3465 kWh × 0,5925 €/kWh",
                "Startgebühr (19 % USt.) 0,50 €",
                "Gesamtbetrag 14,93 €",
            ],
        ),
    ],
)
def test_the_paper_says_what_was_charged(language: str, lines: list[str]) -> None:
    paper = printed(receipt(charged(USUAL)), language).splitlines()
    assert [line for line in lines if line not in paper] == []


def test_a_currency_without_a_sign_is_written_as_its_code() -> None:
    paper = printed(receipt(charged(tariff(fee("1234.5"), currency="CHF"))))
    assert "Total CHF 1,234.50" in paper


@pytest.mark.parametrize("name", ["Parkhaus Große Straße", "Łódź Piotrkowska", "Αθήνα", "Київ"])
def test_the_sellers_name_prints_in_its_own_letters(name: str) -> None:
    assert name in printed(receipt(charged(USUAL), site_name=name))


@pytest.mark.parametrize("language", languages())
def test_a_reprint_is_marked(language: str) -> None:
    document = receipt(charged(USUAL))
    mark = texts(language)["copy"]
    assert mark in printed(document, language, copy=True)
    assert mark not in printed(document, language)


def test_a_doubtful_register_is_told_in_plain_words() -> None:
    document = replace(receipt(charged(USUAL)), flags=(TransactionFlag.REGISTER_DOUBTFUL,))
    assert "Meter register doubtful: checked by staff" in printed(document)


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("verdict", SignedVerdict)
def test_signed_readings_say_how_to_check_them(language: str, verdict: SignedVerdict) -> None:
    key = "3059301306072a8648ce3d02"
    notice = SignedNotice(verdict, Decimal(12250), "1EBZ0300034628", key)
    paper = printed(replace(receipt(charged(USUAL)), signed=notice), language)
    assert "1EBZ0300034628" in paper
    assert "30593013 06072a86 48ce3d02" in " ".join(paper.split())
    assert texts(language).of("signed_verdicts", verdict) in " ".join(paper.split())
    assert "S.A.F.E." in paper
    assert "S.A.F.E." not in printed(receipt(charged(USUAL)), language)


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("flag", TransactionFlag)
def test_every_flag_has_words_in_every_language(language: str, flag: TransactionFlag) -> None:
    assert texts(language).of("flags", flag)


def test_every_language_has_the_same_words() -> None:
    english = texts("en").words
    for language in languages():
        assert texts(language).words.keys() == english.keys()


def test_what_is_not_known_is_said_to_be_unknown() -> None:
    document = replace(receipt(charged(USUAL)), meter_start_wh=None, ended_at=None)
    paper = printed(document)
    assert "Meter at start not known" in paper
    assert "End not known" in paper


def test_an_unknown_language_names_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match="de, en"):
        receipt_pdf(receipt(charged(USUAL)), "xx")


def test_the_same_receipt_gives_the_same_file() -> None:
    document = receipt(charged(USUAL))
    assert receipt_pdf(document) == receipt_pdf(document)


def test_a_receipt_can_be_handed_to_another_process() -> None:
    document = receipt(charged(USUAL))
    assert pickle.loads(pickle.dumps((receipt_pdf, document))) == (receipt_pdf, document)


def test_time_for_which_the_site_held_the_car_back_is_on_paper_with_its_reason() -> None:
    transaction = charged(USUAL)
    assert transaction.price is not None
    price = replace(
        transaction.price, paused_hours=Decimal("0.5"), paused_reasons=("Main fuse, L1",)
    )
    words = printed(receipt(replace(transaction, price=price)))
    assert "Paused by the site, not charged" in words
    assert "0.500 h: Main fuse, L1" in words
    assert "Paused by the site" not in printed(receipt(transaction))


def test_what_only_a_step_added_is_on_paper() -> None:
    first, *others = USUAL.components
    stepped = replace(USUAL, components=(replace(first, step_size=1_000_000), *others))
    assert "by rounding up" in printed(receipt(charged(stepped)))
    assert "by rounding up" not in printed(receipt(charged(USUAL)))
