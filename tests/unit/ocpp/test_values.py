"""Single values of any type a station may send."""

import math

import pytest

from sitecontroller.domain.authorization import IdTokenType
from sitecontroller.domain.errors import InvalidInput
from sitecontroller.ocpp.values import (
    HEX_DIGITS,
    LETTERS_AND_DIGITS,
    id_token,
    integer,
    number,
    register_wh,
    sendable_token,
    text,
)


@pytest.mark.parametrize(
    ("raw", "card"),
    [
        ("04A2B3C4", "04A2B3C4"),
        ("  04A2B3C4\r\n", "04A2B3C4"),
        ("04A2\x00B3C4\x00\x00", "04A2B3C4"),
        ("\x1b04A2B3C4\x7f", "04A2B3C4"),
        (4711, "4711"),
    ],
)
def test_q23_control_characters_are_no_part_of_a_card(raw: object, card: str) -> None:
    token = id_token(raw)
    assert token is not None
    assert token.id_token == card


@pytest.mark.parametrize("raw", ["", "  ", "\x00\x00", None, {}, True])
def test_an_empty_card_is_none(raw: object) -> None:
    assert id_token(raw) is None


def test_a_cards_kind_is_read_in_any_case() -> None:
    token = id_token("DE-ABC-1", "emaid")
    assert token is not None
    assert token.type is IdTokenType.E_MAID


@pytest.mark.parametrize(
    ("raw", "value"),
    [(1, 1), ("1", 1), (1.0, 1), (" 2 ", 2), ("1.5", None), ("x", None), (None, None), (True, None),
     (1e300, None)],
)  # fmt: skip
def test_whole_numbers_come_from_text_too(raw: object, value: int | None) -> None:
    assert integer(raw) == value


@pytest.mark.parametrize("raw", [math.nan, math.inf, "nan", 10**400, [], {}])
def test_what_is_no_number_is_none(raw: object) -> None:
    assert number(raw) is None


def test_text_is_bounded() -> None:
    assert len(text("x" * 100_000) or "") == 255


@pytest.mark.parametrize("raw", [1e12 + 1, 2**53 - 1, -(2**53) + 1, "1e13", "x", None, {}])
def test_a_register_beyond_what_is_physical_is_unknown(raw: object) -> None:
    assert register_wh(raw) is None


@pytest.mark.parametrize(("raw", "register"), [(0, 0), ("4711", 4711), (1e12, 1e12)])
def test_a_register_is_a_number_of_wh(raw: object, register: float) -> None:
    assert register_wh(raw) == register


@pytest.mark.parametrize(
    "card", ["", " ", "A" * 17, "04A2B3C4D5E6F708192A", "Grün", "A\x00B", "DE-ABC-1", "A_1", "ß"]
)
def test_q24_a_card_a_station_would_refuse_is_not_sent(card: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        sendable_token(card)
    assert refused.value.remedy


@pytest.mark.parametrize(
    ("card", "sent"), [("04a2b3c4", "04A2B3C4"), (" Till1 ", "TILL1"), ("Z" * 16, "Z" * 16)]
)
def test_q24_a_card_is_sent_in_capitals(card: str, sent: str) -> None:
    assert sendable_token(card) == sent


def test_q24_models_that_take_hex_only_get_hex_only() -> None:
    assert sendable_token("04a2b3c4", characters=HEX_DIGITS) == "04A2B3C4"
    with pytest.raises(InvalidInput):
        sendable_token("TILL1", characters=HEX_DIGITS)


def test_q24_models_that_take_more_are_sent_more() -> None:
    more = LETTERS_AND_DIGITS + "-"
    assert sendable_token("de-abc-c12345678-9", characters=more, length_max=20)
    with pytest.raises(InvalidInput):
        sendable_token("de-abc-c12345678-9", characters=more)
