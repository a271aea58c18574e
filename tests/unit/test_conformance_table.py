"""The conformance table's own check: what is missing fails a run."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conformance import table

CASES = [f"TC_{number}" for number in range(20)]


def faults(monkeypatch: Any, *proven: str, excused: int = 0, needed: bool = True) -> list[str]:
    """What a run that proved these cases is told."""
    reasons = dict.fromkeys(CASES[:excused], "a card reader")
    ours = {"cases": CASES, "needed": needed, "excused": reasons}
    monkeypatch.setattr(table, "_cases", lambda: {"Cases": ours})
    run = table.Table("check")
    for case in proven:
        run.cases[case].add("a test")
    return run.faults("")


def test_a_run_that_proves_every_case_has_no_fault(monkeypatch: Any):
    assert faults(monkeypatch, *CASES) == []


def test_a_case_that_nobody_proves_is_a_fault_unless_it_is_excused(monkeypatch: Any):
    assert faults(monkeypatch, *CASES[1:]) == ["TC_0 is not proven"]
    assert faults(monkeypatch, *CASES[1:], excused=1) == []
    assert faults(monkeypatch, *CASES[1:], needed=False) == []
    assert faults(monkeypatch, *CASES, excused=1) == ["TC_0 is excused and proven"]


def test_only_one_case_in_twenty_may_be_excused(monkeypatch: Any):
    assert faults(monkeypatch, *CASES[2:], excused=2) == ["2 of 20 are excused: Cases"]


def test_a_case_that_is_no_known_one_is_a_fault(monkeypatch: Any):
    assert faults(monkeypatch, *CASES, "TC_99") == ["TC_99 is no known case"]


@pytest.mark.parametrize(("proven", "written"), [(CASES, True), (CASES[1:], False)])
def test_only_a_run_that_proves_every_case_writes_the_table(
    monkeypatch: Any, tmp_path: Path, proven: list[str], written: bool
):
    document = tmp_path / "table.md"
    monkeypatch.setattr(table, "DOCUMENT", document)
    ours = {"cases": CASES, "needed": True, "source": "ours"}
    monkeypatch.setattr(table, "_cases", lambda: {"Cases": ours})
    run = table.Table("write")
    for case in proven:
        run.cases[case].add("a test")
    session = SimpleNamespace(exitstatus=pytest.ExitCode.OK)
    list(run.pytest_sessionfinish(session))  # type: ignore[arg-type]
    assert document.exists() is written
    assert (session.exitstatus is pytest.ExitCode.OK) is written


@pytest.mark.parametrize("title", ["Mandatory cases of OCPP 2.0.1", "Cases of OCPP 1.6"])
def test_every_mandatory_case_and_every_case_of_16_is_needed(title: str):
    assert table._cases()[title]["needed"]
