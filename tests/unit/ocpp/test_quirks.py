"""What single models do otherwise, looked up by what they say of themselves."""

from datetime import UTC, datetime

import pytest

from sitecontroller.domain.station import StationBooted
from sitecontroller.ocpp.quirks import (
    Quirks,
    check_rows,
    firmware_number,
    model_key,
    quirks_of,
)

NOW = datetime(2025, 6, 1, tzinfo=UTC)


def boot(vendor: str, model: str, firmware: str | None, serial: str | None = None) -> StationBooted:
    return StationBooted("CP-1", vendor, model, serial, firmware, None, NOW)


@pytest.mark.parametrize(
    ("vendor", "model", "firmware", "probed"),
    [
        ("ABB", "CDT_TACW11::NET_WIFI", "TAC3Z9119006710273::V1.8.21", False),
        ("ABB", "TACW22-4-133-R-C-0", "1.6.6", False),
        ("abb", "Terra AC W22", "v1.8.21", False),
        ("ABB", "Terra AC W22", "v1.8.32", True),
        ("ABB", "Terra 184", "1.0.0", True),
        ("Alfen", "NG910", "1.0.0", True),
    ],
)
def test_q15_old_terra_ac_stations_are_never_probed(
    vendor: str, model: str, firmware: str, probed: bool
) -> None:
    assert quirks_of(boot(vendor, model, firmware)).probe_measurands is probed


@pytest.mark.parametrize(
    ("card", "bare"),
    [
        ("04A2B3C4_17619300", "04A2B3C4"),
        ("04A2B3C4D5E6F7_17619", "04A2B3C4D5E6F7"),
        ("04A2B3C4_99999999", "04A2B3C4_99999999"),
        ("04A2B3C4", "04A2B3C4"),
        ("_17619300", "_17619300"),
    ],
)
def test_q23_a_kebas_suffix_is_no_part_of_the_card(card: str, bare: str) -> None:
    quirks = quirks_of(boot("KEBA AG", "KC-P30", "1.15", "17619300"))
    assert quirks.without_suffix(card, "17619300") == bare


def test_q23_other_stations_cards_are_taken_as_they_are() -> None:
    assert Quirks().without_suffix("04A2B3C4_17619300", "17619300") == "04A2B3C4_17619300"


def test_a_station_that_has_not_said_who_it_is_follows_the_specification() -> None:
    assert quirks_of(None) == Quirks()


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1.8.21", (1, 8, 21)),
        ("TAC3Z9119006710273::V1.8.21", (1, 8, 21)),
        ("4.0.1-rc2", (4, 0, 1)),
        ("unknown", ()),
        (None, ()),
    ],
)
def test_firmware_numbers_are_found_in_what_stations_write(
    text: str | None, number: tuple[int, ...]
) -> None:
    assert firmware_number(text) == number


def test_facts_are_kept_per_model_and_firmware() -> None:
    assert model_key(boot("ABB", " Terra ", "1.0")) == "abb/terra/1.0"
    assert model_key(boot("ABB", "Terra", "1.1")) != model_key(boot("ABB", "Terra", "1.0"))


@pytest.mark.parametrize("row", [{"vendor": "X"}, {"source": "a manual", "no_such_flag": True}])
def test_a_row_without_source_or_with_an_unknown_flag_is_found(row: dict[str, object]) -> None:
    with pytest.raises(AssertionError):
        check_rows([row])
