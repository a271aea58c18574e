"""What a killed process costs: the keeper brings the controller back, sessions go on, nothing that
was acknowledged is lost, and clients don't matter."""

import os
import signal
import sqlite3
import subprocess
import sys

import pytest

from tests.processes.demo import Demo, running_demo
from tests.support import wait_until

pytestmark = [pytest.mark.alone, pytest.mark.slow, pytest.mark.timeout(180)]

BACK_WITHIN_S = 10.0
CHARGING_WITHIN_S = 60.0


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """One demo site for the tests of this file; they leave it running."""
    with running_demo(tmp_path_factory.mktemp("demo")) as running:
        yield running


def energies(demo: Demo) -> dict[str, float]:
    return {item["key"]: item["energy_wh"] or 0 for item in demo.charging()}


def test_cars_charge_within_a_minute_of_the_first_start(demo):
    wait_until(lambda: len(demo.charging()) >= 2, within_s=CHARGING_WITHIN_S)
    before = energies(demo)

    def risen() -> bool:
        now = energies(demo)
        return sum(1 for key in before if now.get(key, 0) > before[key]) >= 2

    wait_until(risen, within_s=CHARGING_WITHIN_S)


def test_status_tells_the_same_in_words(demo):
    wait_until(lambda: len(demo.charging()) >= 2, within_s=CHARGING_WITHIN_S)
    config = demo.directory / "site.toml"
    told = subprocess.run(
        [sys.executable, "-m", "sitecontroller", "status", "--config", str(config)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    ).stdout
    assert "charging" in told
    assert "kWh" in told
    assert "L1 " in told


def test_a_killed_controller_is_back_with_its_sessions(demo):
    wait_until(lambda: len(demo.charging()) >= 2, within_s=CHARGING_WITHIN_S)
    acknowledged = energies(demo)
    killed = demo.kill_controller()
    wait_until(
        lambda: demo.get("/v1/health") and demo.pid != killed,
        within_s=BACK_WITHIN_S,
    )
    known = {item["key"]: item for item in demo.get("/v1/transactions?limit=500")["items"]}
    assert acknowledged.keys() <= known.keys()
    for key, energy_wh in acknowledged.items():
        assert (known[key]["energy_wh"] or 0) >= energy_wh
    wait_until(lambda: len(demo.charging()) >= 2, within_s=CHARGING_WITHIN_S)


def test_five_kills_lose_nothing_and_double_nothing(demo):
    for _ in range(5):
        killed = demo.kill_controller()
        wait_until(
            lambda killed=killed: demo.get("/v1/health") and demo.pid != killed,
            within_s=BACK_WITHIN_S * 4,
        )
    items = demo.get("/v1/transactions?limit=500")["items"]
    starts = [(item["station_id"], item["evse_id"], item["started_at"]) for item in items]
    assert len(starts) == len(set(starts))
    with sqlite3.connect(f"file:{demo.directory}/state/site.db?mode=ro", uri=True) as database:
        seqs = [seq for (seq,) in database.execute("SELECT seq FROM outbox ORDER BY seq")]
    assert seqs == list(range(1, len(seqs) + 1))


def test_a_second_controller_on_the_same_site_is_refused(demo):
    config = demo.directory / "site.toml"
    second = subprocess.run(
        [sys.executable, "-m", "sitecontroller", "serve", "--config", str(config)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert second.returncode == 1
    assert "already runs" in second.stderr
    assert "Traceback" not in second.stderr


def test_a_stop_is_clean_and_quick(tmp_path):
    with running_demo(tmp_path) as demo:
        pid = demo.pid
        os.kill(demo.keeper.pid, signal.SIGTERM)
        assert demo.keeper.wait(timeout=10) == 0
        assert demo.listening is None
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_killing_a_console_changes_nothing(demo):
    wait_until(lambda: len(demo.charging()) >= 2, within_s=CHARGING_WITHIN_S)
    controller, sessions = demo.pid, set(energies(demo))
    console = subprocess.Popen(
        [sys.executable, "-m", "ui", "--state-dir", str(demo.directory / "state")],
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )
    with pytest.raises(subprocess.TimeoutExpired):
        console.wait(timeout=4)
    console.kill()
    console.wait()
    wait_until(lambda: sessions <= {i["key"] for i in demo.get("/v1/transactions")["items"]})
    assert demo.pid == controller
    assert demo.charging()
