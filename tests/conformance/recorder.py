"""Watches the real session while tests run: which message was answered, in which version and way.

A message counts for a test when the test passed and the message went over a real socket between a
station and the real dialect, and was answered with a CALLRESULT (or needs no answer: SEND). The
session itself tells it, by what it writes into the journal, so that no test can claim a message.
"""

import inspect
from typing import Any, NamedTuple

import pytest

from sitecontroller.ocpp.session import Session

PROPERTY = "ocpp messages"
PROOF = "proves"
FROM_STATION, TO_STATION = "from station", "to station"
_PROVES = "Proves:"


class Message(NamedTuple):
    """One message of one version, in one direction."""

    version: str
    action: str
    direction: str


class Recorder:
    """A plugin: what each passed test saw goes into its report, also from a worker."""

    def __init__(self) -> None:
        self._seen: set[Message] = set()
        self._keep_journal = Session._record

    def pytest_configure(self) -> None:
        recorder = self

        def record(
            session: Any, direction: str, kind: str, frame: bytes, action: str | None, *rest: Any
        ) -> None:
            recorder._keep_journal(session, direction, kind, frame, action, *rest)
            recorder.note(session, direction, kind, action)

        Session._record = record  # type: ignore[method-assign]

    def note(self, session: Any, direction: str, kind: str, action: str | None) -> None:
        """One frame of a session, as it goes into the journal."""
        if action is None or not _is_real(session):
            return
        if kind == "result":
            asked_by = FROM_STATION if direction == "out" else TO_STATION
            self._seen.add(Message(session.version.value, action, asked_by))
        elif kind == "send":
            asked_by = FROM_STATION if direction == "in" else TO_STATION
            self._seen.add(Message(session.version.value, action, asked_by))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Any:
        self._seen.clear()
        result = yield
        source = _source(item)
        seen = [[*message, message.action in source] for message in sorted(self._seen)]
        item.user_properties.append((PROPERTY, seen))
        cases = proven_by(item)
        if cases:
            item.user_properties.append((PROOF, cases))
        return result


def proven_by(item: pytest.Item) -> list[str]:
    """The conformance cases that a test's docstring says it proves, on its line "Proves: …"."""
    text = getattr(getattr(item, "function", None), "__doc__", None) or ""
    cases: list[str] = []
    for line in text.splitlines():
        if line.strip().startswith(_PROVES):
            named = line.strip().removeprefix(_PROVES).replace(".", "")
            cases += [case.strip() for case in named.split(",") if case.strip()]
    return cases


def _source(item: pytest.Item) -> str:
    try:
        return inspect.getsource(item.function)  # type: ignore[attr-defined]
    except (AttributeError, OSError, TypeError):
        return ""


def _is_real(session: Any) -> bool:
    """A dialect and a socket of the product, not of a test."""
    parts = (session._dialect, session._wire)
    return all(type(part).__module__.startswith("sitecontroller.ocpp") for part in parts)
