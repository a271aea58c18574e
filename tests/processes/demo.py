"""A demo site as its user starts it: real processes, free ports, a folder of its own."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from sitecontroller.clock import SystemClock
from sitecontroller.config import load_config
from sitecontroller.seed import Seed, plant
from sitecontroller.simulation.demo import make_demo_site
from tests.support import run_bounded, unused_port, wait_until

READY_WITHIN_S = 30.0
STOP_WITHIN_S = 15.0


@dataclass(slots=True)
class Demo:
    """A running demo site."""

    directory: Path
    keeper: subprocess.Popen[bytes]

    @property
    def listening(self) -> dict[str, Any] | None:
        """controller.json, or None while no controller listens."""
        try:
            text = (self.directory / "state/controller.json").read_text(encoding="utf-8")
        except OSError:
            return None
        return dict(json.loads(text))

    @property
    def pid(self) -> int:
        """The controller's process."""
        listening = self.listening
        assert listening is not None, "no controller listens"
        return int(listening["pid"])

    def get(self, path: str) -> Any:
        """An API answer; AssertionError while there is none, so that a test can wait for it."""
        listening = self.listening
        assert listening is not None, "no controller listens"
        token = (self.directory / "state/api-token").read_text(encoding="ascii").strip()
        try:
            answer = httpx.get(
                listening["api_url"] + path, headers={"Authorization": f"Bearer {token}"}, timeout=5
            )
        except httpx.HTTPError as error:
            raise AssertionError(f"the API does not answer: {error}") from None
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Ask for something; the answer."""
        listening = self.listening
        assert listening is not None, "no controller listens"
        token = (self.directory / "state/api-token").read_text(encoding="ascii").strip()
        answer = httpx.post(
            listening["api_url"] + path,
            json=body,
            headers={"Authorization": f"Bearer {token}"},
            timeout=20,
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def charging(self) -> list[dict[str, Any]]:
        """Running transactions above 1 kW."""
        items = self.get("/v1/transactions?active=true")["items"]
        return [item for item in items if (item["power_w"] or 0) > 1000]

    def kill_controller(self) -> int:
        """SIGKILL the controller, not its keeper; its former pid."""
        pid = self.pid
        os.kill(pid, signal.SIGKILL)
        return pid


@contextmanager
def running_demo(directory: Path, *arguments: str) -> Iterator[Demo]:
    """`sitecontroller run --headless` on a demo site in `directory`, until the block ends."""
    made = make_demo_site(directory, ocpp_port=0, api_port=0, meter_port=unused_port())
    config = load_config(directory / "site.toml")
    run_bounded(plant(config, SystemClock(), Seed(made.passwords, made.tokens, made.tariff)))
    with (directory / "output.log").open("wb") as output:
        keeper = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "sitecontroller",
                "run",
                "--headless",
                "--config",
                str(directory / "site.toml"),
                *arguments,
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        demo = Demo(directory, keeper)
        try:
            wait_until(lambda: demo.get("/v1/health"), within_s=READY_WITHIN_S)
            yield demo
        finally:
            keeper.terminate()
            try:
                keeper.wait(timeout=STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                keeper.kill()
                keeper.wait()


@contextmanager
def serving(config: Path) -> Iterator[subprocess.Popen[str]]:
    """A controller without its keeper, on free ports; killed if it doesn't end by itself."""
    text = config.read_text()
    config.write_text(re.sub(r"^port = \d+", "port = 0", text, flags=re.MULTILINE))
    command = [sys.executable, "-m", "sitecontroller", "serve", "--config", str(config)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as controller:
        try:
            wait_until(
                (config.parent / "state" / "controller.json").exists, within_s=READY_WITHIN_S
            )
            yield controller
        finally:
            controller.terminate()
            controller.communicate(timeout=READY_WITHIN_S)
