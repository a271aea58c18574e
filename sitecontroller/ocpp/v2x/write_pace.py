"""How often a 2.1 station bears new charging profiles (K01.FR.56 to FR.59 with errata 2025-09).

A station protects its flash: it names a shortest time between updates, or refuses one and says when
it takes the next. Only increases wait for that; a decrease is sent at any time.
"""

import re
from collections.abc import Callable
from typing import Any

from sitecontroller.ocpp.profiles import Purpose
from sitecontroller.ocpp.values import integer, table, text

RATE_LIMIT_EXCEEDED = "RateLimitExceeded"
RETRY_S = 60.0
"""Where it doesn't say."""
RETRY_S_MAX = 3600.0

_SECONDS = re.compile(r"\d{1,6}")


class WritePace:
    """One station's; `monotonic_s` tells the time."""

    def __init__(self, monotonic_s: Callable[[], float]) -> None:
        self._monotonic_s = monotonic_s
        self._written_s: dict[int, tuple[float, Purpose]] = {}
        self._waits_until_s: dict[int, float] = {}
        self.update_s: float | None = None
        """Between updates of persistent profiles; None: it names none."""
        self.keeps_tx_profiles = False
        """Whether TxProfiles are written to its flash too."""

    def written(self, evse_id: int, purpose: Purpose) -> None:
        """It took a profile."""
        self._written_s[evse_id] = (self._monotonic_s(), purpose)
        self._waits_until_s.pop(evse_id, None)

    def refused(self, evse_id: int, body: dict[str, Any]) -> float:
        """It refused one as too early; for how long it will, in s."""
        said = text(table(body.get("statusInfo")).get("additionalInfo")) or ""
        match = _SECONDS.search(said)
        wait_s = RETRY_S if match is None else min(RETRY_S_MAX, float(match[0]))
        self._waits_until_s[evse_id] = self._monotonic_s() + wait_s
        return wait_s

    def may_raise(self, evse_id: int) -> bool:
        """Whether it takes a higher limit now."""
        now_s = self._monotonic_s()
        if now_s < self._waits_until_s.get(evse_id, 0.0):
            return False
        written = self._written_s.get(evse_id)
        if written is None or self.update_s is None:
            return True
        written_s, purpose = written
        is_kept = purpose is not Purpose.TX or self.keeps_tx_profiles
        return not is_kept or now_s - written_s >= self.update_s


def reason_code(body: dict[str, Any]) -> str | None:
    """Why a station refuses."""
    return text(table(body.get("statusInfo")).get("reasonCode"))


def positive(value: object) -> float | None:
    """A number of seconds from a setting; None: it isn't one."""
    found = integer(value)
    return float(found) if found is not None and found > 0 else None
