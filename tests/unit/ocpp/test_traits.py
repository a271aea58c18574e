"""How a station's connection is treated, by what it said it is the last time."""

from datetime import UTC, datetime

import pytest

from sitecontroller.config import OcppSettings
from sitecontroller.domain.station import StationBooted
from sitecontroller.domain.topology import ChargingStation
from sitecontroller.ocpp import quirks
from sitecontroller.ocpp.link import LinkTraits
from sitecontroller.ocpp.quirks import check_rows
from sitecontroller.ocpp.traits import traits_of
from sitecontroller.ports import StationRecord
from sitecontroller.services.stations import StationState


def traits(
    vendor: str | None, model: str = "Box", settings: OcppSettings | None = None
) -> LinkTraits:
    boot = None
    if vendor is not None:
        at = datetime(2025, 6, 1, tzinfo=UTC)
        boot = StationBooted("CP-1", vendor, model, None, None, None, at)
    record = StationRecord("CP-1", boot=boot)
    states = {"CP-1": StationState(ChargingStation("CP-1", ()), record)}
    return traits_of(states.get, settings or OcppSettings())("CP-1")


@pytest.mark.parametrize("vendor", [None, "Maker"])
def test_q09_a_station_without_findings_is_pinged_as_the_site_says(vendor: str | None) -> None:
    assert traits(vendor) == LinkTraits()
    assert traits(vendor, settings=OcppSettings(ping_interval_s=50)).ping_interval_s == 50
    assert traits(vendor, settings=OcppSettings(ping_interval_s=None)).ping_interval_s is None


def test_a_station_nobody_knows_is_treated_as_the_specification_says() -> None:
    assert traits_of({}.get, OcppSettings())("NEW") == LinkTraits()


def test_q09_a_model_without_pings_is_not_pinged_and_its_newest_connection_wins() -> None:
    found = traits("EVduty Inc")
    assert (found.ping_interval_s, found.answers_pings) == (None, False)
    assert traits("EN+", "AC7000-AE-25").ping_interval_s is None


def test_q10_a_model_that_stays_away_after_a_close_frame_gets_none() -> None:
    assert not traits("JIGU").reconnects_after_close


def test_q09_q14_a_models_own_rhythm_goes_before_the_sites(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {
        "vendor": "Slow", "ping_interval_s": 240, "command_pause_s": 2.0, "source": "a manual"
    }  # fmt: skip
    monkeypatch.setattr(quirks, "load_rows", lambda _own: check_rows([row]))
    found = traits("Slow")
    assert (found.ping_interval_s, found.command_gap_s) == (240, 2.0)


def test_a_fault_in_the_file_of_models_is_told_at_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "sitecontroller.ocpp.traits.load_rows", lambda _own: check_rows([{"vendor": "X"}])
    )
    with pytest.raises(AssertionError, match="no source"):
        traits_of({}.get, OcppSettings())
