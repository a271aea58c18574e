"""A plan's advice to the cycle: for each EVSE the most it should be given now, and why.

Advice only lowers what an EVSE is given, within the cycle's rules, and never below what it is
guaranteed. It is not followed once it is `AGE_S_MAX` old, for a car that would then have less than
`SLACK_S` to spare before it leaves, and for one whose departure nobody told, unless the plan says
by when it is to be served.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sitecontroller.dlm.departures import laxity_s
from sitecontroller.dlm.snapshot import Demand
from sitecontroller.domain.topology import EvseKey

AGE_S_MAX = 1800.0
"""Two quarter hours: the next plan failed."""
SLACK_S = 1800.0
"""So long may pass until the next plan, and a pause of 15 min besides."""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The most an EVSE should be given, A per phase, from `from_s` until `until_s` (monotonic).

    0 or at least its minimum.
    """

    from_s: float
    until_s: float
    current_a: float
    reason: str


@dataclass(slots=True)
class Advice:
    """What the last plan advises. `leaves_s`: when a car is taken to leave that didn't say so."""

    made_s: float = float("-inf")
    ceilings: Mapping[EvseKey, tuple[Ceiling, ...]] = field(default_factory=dict)
    leaves_s: Mapping[EvseKey, float] = field(default_factory=dict)

    def replace(
        self,
        made_s: float,
        ceilings: Mapping[EvseKey, tuple[Ceiling, ...]],
        leaves_s: Mapping[EvseKey, float],
    ) -> None:
        """A new plan takes the place of the old one."""
        self.made_s, self.ceilings, self.leaves_s = made_s, dict(ceilings), dict(leaves_s)

    def forget(self, key: EvseKey) -> None:
        """Another car: nothing is advised for it yet."""
        self.ceilings = {other: each for other, each in self.ceilings.items() if other != key}

    def holds(self, now_s: float) -> bool:
        """Whether there is a plan that is young enough to be followed."""
        return now_s - self.made_s < AGE_S_MAX

    def followed(self, demand: Demand, now_s: float, voltage_v: float) -> Demand:
        """The demand with its ceiling, where there is one and it can be followed."""
        ceilings = self.ceilings.get(demand.key)
        if ceilings is None or not self.holds(now_s):
            return demand
        now = (each for each in ceilings if each.from_s <= now_s < each.until_s)
        ceiling = next(now, None)
        if ceiling is None or ceiling.current_a >= demand.current_a_max:
            return demand
        told = demand
        if demand.departs_in_s is None:
            leaves_s = self.leaves_s.get(demand.key)
            if leaves_s is None:
                return demand
            told = replace(demand, departs_in_s=leaves_s - now_s)
        if laxity_s(told, voltage_v) < SLACK_S:
            return demand
        current_a = max(ceiling.current_a, demand.guaranteed_a)
        return replace(demand, ceiling_a=current_a, ceiling_reason=ceiling.reason)
