"""The conformance table: made of what a test run saw, and held against the next run.

`CONFORMANCE=write` makes `docs/ocpp-conformance.md` anew from a whole run, and leaves it alone when
the run proves too little. `CONFORMANCE=check`, which `make tests` sets, fails the run when the
table claims what the run did not prove, when it lacks a message that it did, or when a case that is
needed is neither proven nor excused. Which messages a version has comes from the schemas, which
cases the specification lists from `cases.toml`.
"""

import os
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sitecontroller.domain.station import OcppVersion
from sitecontroller.ocpp import frames
from tests.conformance.recorder import PROOF, PROPERTY, Message

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "ocpp-conformance.md"
CASES = Path(__file__).with_name("cases.toml")
UNNAMED = 1000
"""What a test that doesn't name the message itself counts less."""
EXCUSED_SHARE_MAX = 0.05
TESTS_SHOWN = 2
"""A message has dozens; those that do little else are the clearest."""

_ROW = re.compile(r"^\| (\S+) \| (from|to) station \| (.*) \|$")
_CASE_ROW = re.compile(r"^\| (TC_\w+) \| (.*) \|$")
_TEST = re.compile(r"`([^`]+)`")


class Table:
    """A plugin of the run's own process: gathers reports, then writes or checks the document."""

    def __init__(self, task: str) -> None:
        self._task = task
        self.messages: defaultdict[Message, dict[str, int]] = defaultdict(dict)
        """For each message the tests that saw it; the lower the number, the clearer the proof."""
        self.cases: defaultdict[str, set[str]] = defaultdict(set)
        self._faults: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" or not report.passed:
            return
        name = _short(report.nodeid)
        for key, value in report.user_properties:
            if key == PROPERTY:
                assert isinstance(value, list)
                for *seen, named in value:
                    self.messages[Message(*seen)][name] = len(value) + (0 if named else UNNAMED)
            elif key == PROOF:
                assert isinstance(value, list)
                for case in value:
                    self.cases[case].add(name)

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Iterator[None]:
        if session.exitstatus == pytest.ExitCode.OK:
            if self._task == "write":
                self._write()
            else:
                self._faults = self.faults(DOCUMENT.read_text(encoding="utf-8"))
            if self._faults:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
        yield

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        for line in self._faults:
            terminalreporter.write_line(f"CONFORMANCE {line}", red=True, bold=True)
        if self._faults:
            terminalreporter.write_line("make conformance writes the table anew from the tests")

    # the document

    def _write(self) -> None:
        """A run of some tests would leave a table that denies what the others prove."""
        self._faults = self._faults_of_cases()
        if not self._faults:
            DOCUMENT.write_text(self.text(), encoding="utf-8")

    def text(self) -> str:
        """The whole document."""
        parts = [_HEAD]
        for version in OcppVersion:
            parts.append(self._version(version))
        parts.append(self._case_tables())
        return "\n".join(parts)

    def _version(self, version: OcppVersion) -> str:
        expected = set(frames.actions(version))
        shown = [m for m in sorted(self.messages) if m.version == version.value]
        missing = sorted(expected - {message.action for message in shown})
        lines = [
            f"## OCPP {version}",
            "",
            f"{len(expected) - len(missing)} of {len(expected)} messages proven.",
            *([f"Not proven: {', '.join(missing)}."] if missing else []),
            "",
            "| message | direction | proven by |",
            "|---|---|---|",
        ]
        lines += [
            f"| {message.action} | {message.direction} | {_tests(self.messages[message])} |"
            for message in shown
        ]
        return "\n".join([*lines, ""])

    def _case_tables(self) -> str:
        lines = []
        for title, table in _cases().items():
            cases = table["cases"]
            excused: dict[str, str] = table.get("excused", {})
            proven = [name for name in cases if self.cases.get(name)]
            lines += [
                f"## {title}",
                "",
                f"{table['source']}. {len(proven)} of {len(cases)} proven, {len(excused)} excused.",
                "",
                "| case | proven by |",
                "|---|---|",
            ]
            for name in cases:
                tests = dict.fromkeys(sorted(self.cases[name])[:TESTS_SHOWN], 0)
                said = _tests(tests) if tests else excused.get(name, "**not proven**")
                lines.append(f"| {name} | {said} |")
            lines.append("")
        return "\n".join(lines)

    # the check

    def faults(self, document: str) -> list[str]:
        """What the document claims and this run did not prove, and what it lacks."""
        found: list[str] = []
        claimed: set[Message] = set()
        version = ""
        for line in document.splitlines():
            if line.startswith("## OCPP "):
                version = line.removeprefix("## OCPP ")
            if (row := _ROW.match(line)) is not None:
                message = Message(version, row[1], f"{row[2]} station")
                claimed.add(message)
                for test in _TEST.findall(row[3]):
                    if test not in self.messages.get(message, {}):
                        found.append(f"{message.action} ({version}) is not proven by {test}")
            elif (row := _CASE_ROW.match(line)) is not None:
                found += [
                    f"{row[1]} is not proven by {test}"
                    for test in _TEST.findall(row[2])
                    if test not in self.cases.get(row[1], set())
                ]
        lacking = sorted(self.messages.keys() - claimed)
        found += [f"{m.action} ({m.version}, {m.direction}) is not in the table" for m in lacking]
        return found + self._faults_of_cases()

    def _faults_of_cases(self) -> list[str]:
        """Cases that nobody knows or proves, and excuses that aren't needed or are too many."""
        found, known = [], set()
        for title, table in _cases().items():
            cases, excused = table["cases"], table.get("excused", {})
            known |= set(cases)
            if len(excused) > len(cases) * EXCUSED_SHARE_MAX:
                found.append(f"{len(excused)} of {len(cases)} are excused: {title}")
            found += [f"{case} is excused and proven" for case in excused if self.cases.get(case)]
            if table["needed"]:
                unproven = [case for case in cases if not self.cases.get(case)]
                found += [f"{case} is not proven" for case in unproven if case not in excused]
        return found + [f"{case} is no known case" for case in sorted(self.cases.keys() - known)]


def _cases() -> dict[str, dict[str, Any]]:
    tables: dict[str, dict[str, Any]] = tomllib.loads(CASES.read_text(encoding="utf-8"))
    return tables


def _tests(tests: dict[str, int]) -> str:
    clearest = sorted(tests, key=lambda name: (tests[name], name))[:TESTS_SHOWN]
    return ", ".join(f"`{name}`" for name in clearest)


def _short(nodeid: str) -> str:
    """The test's own name, without its parameters: they may hold anything."""
    path, _, name = nodeid.partition("::")
    return f"{path.removeprefix('tests/')}::{name.partition('[')[0]}"


_HEAD = """# OCPP conformance

This table is written by the tests (`make conformance`) and checked by every run of them: a message
is listed when it went over a real socket between a station and the controller and was answered, in
a test that passed; the tests named do little else. A conformance case is listed with the tests
whose description says `Proves:` and its number.
"""


def task() -> str:
    """What this run is to do with the document: write, check or nothing."""
    return os.environ.get("CONFORMANCE", "")
