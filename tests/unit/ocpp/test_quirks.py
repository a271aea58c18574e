"""What single models do otherwise, looked up by what they say of themselves."""

import re
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sitecontroller.domain.errors import ConfigurationError
from sitecontroller.domain.station import OcppVersion, StationBooted
from sitecontroller.ocpp import quirks
from sitecontroller.ocpp.ladder import rungs
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
    found = quirks_of(boot("KEBA AG", "KC-P30", "1.15", "17619300"))
    assert found.without_suffix(card, "17619300") == bare


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


ROWS = [
    # vendor, model, firmware, what the file must make of it and nothing else
    (
        "ABB",
        "CDT_TACW22::NET_WIFI",
        "TAC3Z9119006710273::V1.8.21",
        Quirks(probe_measurands=False, one_stack_level=True),
    ),
    ("ABB", "CDT_TACW22::NET_WIFI", "TAC3Z9119006710273::V1.8.32", Quirks(one_stack_level=True)),
    ("ABB", "Terra AC W22", "1.8.21", Quirks(probe_measurands=False, one_stack_level=True)),
    ("KEBA AG", "KC-P30", "1.15", Quirks(id_token_suffix="_{serial}")),
    ("EN+", "AC7000-AE-25", None, Quirks(takes_pings=False)),
    ("EVduty Inc", "Smart Home", None, Quirks(takes_pings=False)),
    ("JIGU", "Box", "V1.4", Quirks(reconnects_after_close=False)),
    (
        "Wall Box Chargers",
        "CPB1-S-2-4",
        "6.7.38",
        Quirks(one_stack_level=True, ping_interval_s=20),
    ),
    (
        "Phoenix Contact GmbH & Co. KG",
        "EV-CC-AC1-M3-CBC-RCM-ETH-3PN-SER",
        "1.9.0",
        Quirks(settings={"AuthorizeRemoteTxRequests": "false"}),
    ),
    ("Growatt", "THOR_11AS", "THOR_11AS-V5.2.4-20230307-NOVO", Quirks(missing_zone_is_local=True)),
    ("", "ACChargePoint", None, Quirks(limit_unit="W")),
    ("go-e", "go-eCharger_V4", "055.5", Quirks(limit_unit="A")),
]
"""Stations as they announce themselves, and everything the file must make of them. The names of
EN+, EVduty and JIGU are pieced together: their reports show no BootNotification."""


def rows_for(boot: StationBooted) -> list[int]:
    """The places of the rows that match."""
    return [place for place, row in enumerate(quirks.load_rows()) if quirks._matches(row, boot)]


@pytest.mark.parametrize(("vendor", "model", "firmware", "expected"), ROWS)
def test_a_station_as_it_announces_itself_finds_its_rows_and_no_others(
    vendor: str, model: str, firmware: str | None, expected: Quirks
) -> None:
    assert quirks_of(boot(vendor, model, firmware)) == expected


def test_every_row_is_met_by_a_station_that_was_seen() -> None:
    met = {place for row in ROWS for place in rows_for(boot(*row[:3]))}
    assert met == set(range(len(quirks.load_rows())))


def test_no_two_rows_of_a_station_speak_of_the_same_thing() -> None:
    for row in ROWS:
        said = [
            name
            for place in rows_for(boot(*row[:3]))
            for name in quirks.load_rows()[place].keys() - quirks._MATCH_KEYS
        ]
        assert len(said) == len(set(said)), row[:3]


def test_every_row_names_the_thread_its_finding_is_from() -> None:
    nowhere = [
        row["vendor"]
        for row in quirks.load_rows()
        if not re.search(r"[\w.-]+/[\w.-]+#\d+", row["source"])
    ]
    assert nowhere == ["KEBA*"]  # told by operators, in no public thread


@pytest.mark.parametrize("row", quirks.load_rows(), ids=lambda row: row["source"][:40])
def test_a_row_says_what_the_controller_understands(row: dict[str, Any]) -> None:
    found = Quirks(**{k: v for k, v in row.items() if k not in quirks._MATCH_KEYS})
    names = {rung.name for rung in rungs(OcppVersion.V16, evse_count=1, has_setting=True)}
    assert found.limits_by in {"", *names}
    assert found.limit_unit in {"", "A", "W"}
    for name, value in asdict(found).items():
        assert type(value) in (type(getattr(Quirks(), name)), int, float), name


OWN = """
[[station]]
vendor = "Wall Box Chargers"
ping_interval_s = 50
login_names = ["{serial}"]
"""


def test_a_sites_own_row_goes_before_those_that_come_with_the_controller(tmp_path: Path) -> None:
    own = tmp_path / "ours.toml"
    own.write_text(OWN)
    found = quirks_of(boot("Wall Box Chargers", "CPB1", "6.7"), own)
    assert (found.ping_interval_s, found.one_stack_level) == (50, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("station = 3", r"\[\[station\]\] tables only"),
        ("[[stations]]", r"\[\[station\]\] tables only"),
        ("[[station]", "can't be used"),
        ("[[station]]\nvendor = 'X'\npings = false", "number 1: there is no field pings"),
        ("[[station]]\ntakes_pings = 'no'", "takes_pings must be a bool, not 'no'"),
        ("[[station]]\nping_interval_s = true", "ping_interval_s must be a float"),
        ("[[station]]\nvendor = 7", "vendor must be a str"),
    ],
)
def test_a_sites_own_file_that_is_wrong_says_where(tmp_path: Path, text: str, said: str) -> None:
    own = tmp_path / "ours.toml"
    own.write_text(text)
    with pytest.raises(ConfigurationError, match=said):
        quirks.load_rows(own)
