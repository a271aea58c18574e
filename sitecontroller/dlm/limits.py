"""Limits from several sources: each with its value, where it comes from and when it ends.

The smallest wins; nobody can raise another's limit.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sitecontroller.domain.topology import PHASE_NAMES


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


PhaseLimits = tuple[Limit, Limit, Limit]
"""L1, L2, L3."""


def tightest(
    own: PhaseLimits, further: Iterable[tuple[Limit | None, ...]], now_s: float
) -> PhaseLimits:
    """Per phase the smallest in force of a place's own limit, which always holds, and of further
    ones (None: not on this phase). One that isn't below the own changes nothing."""
    lists = [[limit] for limit in own]
    for limits in further:
        for known, limit in zip(lists, limits, strict=True):
            known += [limit] if limit is not None else []
    one, two, three = (smallest(known, now_s) or known[0] for known in lists)
    return (one, two, three)


def place_name(name: str, held: PhaseLimits) -> str:
    """What people are told binds at a place: its own name where `held` are its own limits, else
    "site limit 'grid operator' until 18:00 at Main", or "Main (L1: site limit 'tariff')"."""
    sources = [limit.source for limit in held]
    if sources == [name] * len(sources):
        return name
    if len(set(sources)) == 1:
        return f"{sources[0]} at {name}"
    others = zip(PHASE_NAMES, sources, strict=True)
    return f"{name} ({'; '.join(f'{phase}: {words}' for phase, words in others if words != name)})"


def limited_by(name: str, held: PhaseLimits) -> str | None:
    """What holds at a place beside its own limit, with its value; None: nothing."""
    texts = [f"{limit.current_a:.4g} A: {limit.source}" for limit in held if limit.source != name]
    if len(set(texts)) <= 1 and len(texts) in (0, len(held)):
        return texts[0] if texts else None
    return "; ".join(
        f"{phase} {limit.current_a:.4g} A: {limit.source}"
        for phase, limit in zip(PHASE_NAMES, held, strict=True)
        if limit.source != name
    )
