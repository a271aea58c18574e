"""Asks a controller of this PC to stop cleanly, over its API: where a process can't be asked by a
signal (Windows ends it at once). Standard library only; returns within a few seconds.
"""

import json
import urllib.error
import urllib.request
from pathlib import Path

ANSWER_WITHIN_S = 3.0


def ask_to_stop(state_dir: Path) -> bool:
    """Whether the controller on this state directory took the request; False: it must be ended.

    Process ids are not compared: below a virtual environment of Windows the parent knows another.
    """
    try:
        where = json.loads((state_dir / "controller.json").read_text(encoding="utf-8"))
        token = (state_dir / "api-token").read_text(encoding="ascii").strip()
        request = urllib.request.Request(
            f"{where['api_url']}/v1/shutdown",
            method="POST",
            headers={"Authorization": f"Bearer {token}"},
        )
        # The controller is on this PC, whatever proxy the environment names.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=ANSWER_WITHIN_S) as answer:
            return 200 <= int(answer.status) < 300
    except (OSError, ValueError, KeyError, TypeError, urllib.error.URLError):
        return False
