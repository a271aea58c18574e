"""The test run's own rules: property-test profiles, the async runner, and no silent slow tests."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import settings

from tests.conformance import table as conformance
from tests.conformance.recorder import Recorder
from tests.support import run_bounded

SLOW_S = 10.0

settings.register_profile("default", derandomize=True, deadline=None, max_examples=50)
settings.register_profile(
    "soak", derandomize=False, deadline=None, max_examples=10_000, print_blob=True
)
settings.load_profile("default")  # another by --hypothesis-profile


@pytest.fixture
def run() -> Callable[..., Any]:
    """`run(coroutine)` on a fresh event loop; see `tests.support.run_bounded`."""
    return run_bounded


class UnmarkedSlowTests:
    """Fails a run in which a test without the mark `slow` took more than 10 s."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not {"slow", "soak"} & set(report.keywords):
            self.seconds[report.nodeid] += report.duration

    def offenders(self) -> list[str]:
        return [f"{name} {s:.1f} s" for name, s in self.seconds.items() if s > SLOW_S]

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Iterator[None]:
        if self.offenders() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        yield

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        for line in self.offenders():
            terminalreporter.write_line(
                f"SLOW {line}: make it faster, or mark it `slow`", red=True, bold=True
            )


def pytest_configure(config: pytest.Config) -> None:
    is_worker = hasattr(config, "workerinput")
    if conformance.task():
        config.pluginmanager.register(Recorder())
        if not is_worker:
            config.pluginmanager.register(conformance.Table(conformance.task()))
    if not is_worker and config.getoption("--hypothesis-profile") != "soak":
        config.pluginmanager.register(UnmarkedSlowTests())
