"""Limits from several sources: each with its value, where it comes from and when it ends.

The smallest wins; nobody can raise another's limit.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """The most current one phase of a circuit or EVSE may carry.

    `bound_by` is a circuit id or one of "station", "car", "fallback", "meter", "pause".
    """

    current_a: float
    source: str
    """Shown to people: "Feeder B, L2", "meter silent"."""
    bound_by: str
    ends_s: float | None = None
    """Monotonic; None: until replaced."""

    def holds(self, now_s: float) -> bool:
        """Whether it is still in force."""
        return self.ends_s is None or now_s < self.ends_s


def smallest(limits: Iterable[Limit], now_s: float) -> Limit | None:
    """The limit that binds now; of equal ones the first named. None: nothing limits."""
    return min(
        (limit for limit in limits if limit.holds(now_s)),
        key=lambda limit: limit.current_a,
        default=None,
    )
