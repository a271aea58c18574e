"""The command line as an electrician uses it: it teaches, and faults are plain sentences."""

import asyncio
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sitecontroller.cli import main
from sitecontroller.cli.run import end_cleanly
from sitecontroller.domain.metering import MeterReading
from sitecontroller.simulation.meter import VirtualMeter
from tests.processes.demo import serving
from tests.support import unused_port

pytestmark = pytest.mark.slow  # each starts a process or several

WITHIN_S = 40


def sitecontroller(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sitecontroller", *arguments],
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )


def new_site(directory: Path) -> Path:
    done = sitecontroller("init", str(directory), "--price-per-kwh", "0.49")
    assert done.returncode == 0, done.stderr
    return directory / "site.toml"


def test_no_command_shows_what_there_is():
    told = sitecontroller()
    assert told.returncode == 0
    for command in ("run", "init", "simulate", "meter", "tariff", "status", "selfcheck"):
        assert command in told.stdout


def test_a_command_does_not_load_what_the_controller_alone_needs():
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, sitecontroller.cli; print(*sys.modules)"],
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=True,
    ).stdout.split()
    assert not {"fastapi", "sqlalchemy", "fpdf"} & set(loaded)


def test_init_makes_a_site_that_passes_its_own_check(tmp_path):
    config = new_site(tmp_path)
    checked = sitecontroller("selfcheck", "--config", str(config))
    assert checked.returncode == 0, checked.stdout
    assert "FAIL" not in checked.stdout


def test_init_never_overwrites_a_site(tmp_path):
    config = new_site(tmp_path)
    before = config.read_text()
    again = sitecontroller("init", str(tmp_path))
    assert again.returncode == 1
    assert "exists already" in again.stderr
    assert config.read_text() == before


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("colour = 3", "colour"),
        ("[ocpp]\nport = 'nine'", "ocpp.port"),
        ("[[circuits]]\nid = 'main'\nlimit_a = 0.5", "circuits[main].limit_a"),
    ],
)
def test_a_fault_in_the_file_names_the_key_and_the_remedy(tmp_path, text, key):
    (tmp_path / "site.toml").write_text(text)
    started = sitecontroller("run", "--headless", "--config", str(tmp_path))
    assert started.returncode == 78
    assert key in started.stderr
    assert "What to do" in started.stderr
    assert "Traceback" not in started.stderr


def test_safe_limits_that_overload_a_fuse_are_refused_with_their_sum(tmp_path):
    (tmp_path / "site.toml").write_text(
        """\
[[circuits]]
id = "main"
limit_a = 16
[[stations]]
id = "CP-01"
circuit = "main"
evses = [{ fallback_a = 10 }, { fallback_a = 10 }]
"""
    )
    checked = sitecontroller("selfcheck", "--config", str(tmp_path))
    assert checked.returncode == 1
    assert "20 A" in checked.stdout


def test_status_without_a_controller_says_how_to_start_one(tmp_path):
    config = new_site(tmp_path)
    told = sitecontroller("status", "--config", str(config))
    assert told.returncode == 1
    assert "What to do" in told.stderr
    assert "Traceback" not in told.stderr


def test_a_price_is_set_and_shown_at_the_running_controller(tmp_path, capsys):
    def told(*arguments: str) -> tuple[int, str]:
        status = main([*arguments, "--config", str(config)])
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    assert main(["init", str(tmp_path)]) == 0
    config = tmp_path / "site.toml"
    config.write_text(config.read_text().replace('"EUR"', '"CHF"'))
    with serving(config):
        capsys.readouterr()
        status, text = told("tariff", "show")
        assert status == 1
        assert "tariff set --kwh" in text
        done = told("tariff", "set", "--kwh", "0.49", "--fee", "1.50", "--vat", "8.1")
        assert done == told("tariff", "show")
        assert done[0] == 0
        for line in ("version 1", "0.49 CHF per kWh, including 8.1 % VAT", "1.50 CHF per session"):
            assert line in done[1]
        status, text = told("tariff", "set", "--kwh", "0,49")
        assert status == 1
        assert "--kwh" in text
        assert "What to do" in text


def test_without_signals_a_controller_is_stopped_cleanly_over_its_api(tmp_path):
    with serving(new_site(tmp_path)) as controller:
        end_cleanly(controller, tmp_path / "state", platform="win32")
        assert controller.wait(WITHIN_S) == 0
        assert not (tmp_path / "state" / "controller.json").exists()


def test_a_controller_that_cant_be_asked_is_ended(tmp_path):
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as child:
        end_cleanly(child, tmp_path, platform="win32")
        assert child.wait(WITHIN_S) != 0


class MeterThread:
    """A virtual meter on loopback, served beside the test."""

    def __init__(self, model: str) -> None:
        self.port = unused_port()
        self._loop = asyncio.new_event_loop()
        self._meter = VirtualMeter(model, lambda: READING)
        self._thread = threading.Thread(target=self._serve)
        self._ready = threading.Event()

    def __enter__(self) -> "MeterThread":
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._meter.stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _serve(self) -> None:
        self._loop.run_until_complete(self._meter.start(self.port))
        self._ready.set()
        self._loop.run_forever()


READING = MeterReading(
    datetime(2026, 1, 1, tzinfo=UTC),
    current_a=(10.0, 11.0, 12.0),
    voltage_v=(230.0, 231.0, 232.0),
    power_phase_w=(2300.0, 2541.0, 2784.0),
    power_w=7625.0,
    energy_import_wh=1_234_567.0,
    energy_export_wh=0.0,
    frequency_hz=50.0,
)


@pytest.mark.parametrize("model", ["eastron-sdm630", "schneider-iem3155", "abb-b23"])
def test_meter_read_prints_live_values(model):
    with MeterThread(model) as meter:
        told = sitecontroller(
            "meter", "read", "--model", model, "--url", f"tcp://127.0.0.1:{meter.port}"
        )
    assert told.returncode == 0, told.stderr
    for value in ("231", "11.0", "1234.5"):
        assert value in told.stdout, told.stdout


def test_meter_read_of_an_unknown_model_lists_the_known_ones():
    told = sitecontroller("meter", "read", "--model", "acme", "--url", "tcp://127.0.0.1:1")
    assert told.returncode == 1
    assert "eastron-sdm630" in told.stderr


def test_meter_read_of_a_silent_meter_says_what_to_look_at():
    url = f"tcp://127.0.0.1:{unused_port()}"
    told = sitecontroller("meter", "read", "--model", "abb-b23", "--url", url)
    assert told.returncode == 1
    assert "Traceback" not in told.stderr
    assert "What to do" in told.stderr
