"""`sitecontroller limit`: what the options ask for, and how a limit is told."""

from datetime import UTC, datetime, timedelta

import pytest

from sitecontroller.cli.limits import asked, proofs_csv, render, render_source
from sitecontroller.cli.main import _parser
from sitecontroller.domain.limit_proof import LimitProof
from sitecontroller.domain.limit_signal import LimitSourceView
from sitecontroller.domain.limit_source import LimitSource, SetSiteLimit, SiteLimit, SiteLimitView

NOW = datetime(2026, 1, 5, 16, 0, tzinfo=UTC)


def wanted(*words: str) -> SetSiteLimit:
    return asked(_parser().parse_args(["limit", "set", *words]), NOW)


def test_amperes_mean_each_phase_of_the_main_circuit_until_an_attendant_says_otherwise() -> None:
    assert wanted("works", "--amps", "20") == SetSiteLimit(
        "works", LimitSource.ATTENDANT, current_a=(20, 20, 20), set_by="command line"
    )


def test_a_group_may_be_limited_in_watts_for_a_time() -> None:
    limit = wanted("x", "--watts", "4200", "--group", "g", "--for", "2h", "--source", "HQ")
    assert (limit.group_id, limit.power_w, limit.current_a) == ("g", 4200, None)
    assert limit.until == NOW + timedelta(hours=2)
    assert limit.source is LimitSource.HQ


def test_a_limit_without_a_value_is_no_limit() -> None:
    with pytest.raises(SystemExit):
        wanted("x")


def test_a_limit_is_told_with_its_place_value_source_and_what_it_cannot_do() -> None:
    limit = SiteLimit(
        "14a", LimitSource.GRID_OPERATOR, "", NOW, None, None, "g", (20, None, None), 4200, "dimmed"
    )
    assert render(SiteLimitView(limit, "site limit 'grid operator'", "but …")) == [
        "14a  g  20 A L1, 4200 W  site limit 'grid operator': dimmed",
        "  but …",
    ]


def test_proofs_are_a_table_that_a_spreadsheet_runs_nothing_of() -> None:
    proof = LimitProof("01K", "=cmd()", "@x", None, "g", 4200.0, (6.1, None, 6.1), NOW, None)
    names, line = proofs_csv([proof])
    assert names.startswith("proof_key,limit_id,set_by,circuit_id,group_id,power_w,allowed_a")
    assert line == ("01K,'=cmd(),'@x,,g,4200.0,6.10 - 6.10,2026-01-05T16:00:00.000Z,,,,,0.0,")


def test_a_source_is_told_in_a_line() -> None:
    view = LimitSourceView(
        "dso", "http", LimitSource.GRID_OPERATOR, "main", None, "failsafe", NOW, NOW,
        "4200 W it is silent", 4200.0, None, None, "it answers 500",
    )  # fmt: skip
    assert render_source(view) == (
        "dso  http  main  failsafe  4200 W it is silent  heard 2026-01-05 16:00:00Z: it answers 500"
    )
