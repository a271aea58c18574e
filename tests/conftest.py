"""The test run's own rules: property-test profiles, the async runner, and no silent slow tests."""

import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.conformance import table as conformance
from tests.conformance.recorder import Recorder
from tests.support import run_bounded

SLOW_S = 10.0
MEMORY_DISK = Path("/dev/shm")
MEMORY_FREE_BYTES = 2**30
"""Far more than the folders of the tests that run at a time take."""

settings.register_profile("default", derandomize=True, deadline=None, max_examples=50)
settings.register_profile(
    "soak", derandomize=False, deadline=None, max_examples=10_000, print_blob=True
)
settings.load_profile("default")  # another by --hypothesis-profile


@pytest.fixture
def run() -> Callable[..., Any]:
    """`run(coroutine)` on a fresh event loop; see `tests.support.run_bounded`."""
    return run_bounded


class WaitsForCpu:
    """Notes in each report how long the test was ready and others had the CPU (Linux; else 0 s)."""

    def __init__(self) -> None:
        self._before_s = 0.0

    def pytest_runtest_logstart(self) -> None:
        self._before_s = self._waited_s()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, Any, Any]:
        report = yield
        before_s, self._before_s = self._before_s, self._waited_s()
        report.waited_s = self._before_s - before_s
        return report

    def _waited_s(self) -> float:
        """Since the process began; proc(5), schedstat."""
        try:
            _, waited_ns, _ = Path("/proc/self/schedstat").read_text().split()
        except (OSError, ValueError):
            return 0.0
        return int(waited_ns) / 1e9


class UnmarkedSlowTests:
    """Fails a run in which a test without the mark `slow` took more than 10 s, without what it
    waited for a CPU."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not {"slow", "soak"} & set(report.keywords):
            waited_s = getattr(report, "waited_s", 0.0)
            self.seconds[report.nodeid] += report.duration - waited_s

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


def keep_temporary_folders_in_memory() -> None:
    """Where there is room and programs may be started: on a disk every commit waits for an fsync,
    and no test can tell, since none cuts the power."""
    if not (MEMORY_DISK.is_dir() and os.access(MEMORY_DISK, os.W_OK)):
        return
    programs_start = not os.statvfs(MEMORY_DISK).f_flag & os.ST_NOEXEC
    if programs_start and shutil.disk_usage(MEMORY_DISK).free > MEMORY_FREE_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY_DISK))


def pytest_configure(config: pytest.Config) -> None:
    keep_temporary_folders_in_memory()
    is_worker = hasattr(config, "workerinput")
    config.pluginmanager.register(WaitsForCpu())
    if conformance.task():
        config.pluginmanager.register(Recorder())
        if not is_worker:
            config.pluginmanager.register(conformance.Table(conformance.task()))
    if not is_worker and config.getoption("--hypothesis-profile") != "soak":
        config.pluginmanager.register(UnmarkedSlowTests())
