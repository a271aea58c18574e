"""Starts the keeper of a controller from the console, detached: closing the console ends nothing.

The keeper writes to `log/console-start.log` in the state directory, so that a controller that
won't come up can say why.
"""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Starter:
    """How to start one site's controller. `config` None: the demo site's."""

    state_dir: Path
    config: Path | None

    def start(self) -> None:
        """Start it. OSError when it can't be started; one that runs already makes it end again."""
        log_dir = self.state_dir / "log"
        log_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (log_dir / "console-start.log").open("ab") as log:
            subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                **_detached(),
            )

    def command(self) -> list[str]:
        """What is run."""
        config = ["--config", str(self.config)] if self.config is not None else []
        return [sys.executable, "-m", "sitecontroller", "run", *config, "--headless"]


if sys.platform == "win32":

    def _detached() -> dict[str, Any]:
        flags = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
        return {"creationflags": flags}

else:

    def _detached() -> dict[str, Any]:
        return {"start_new_session": True}
