"""Site limits and groups as load management sees them: what holds at each place, and whose it is.

A place is a circuit or a group of EVSEs. Its own limit (the fuse; a group's in site.toml) always
holds; site limits beside it end by themselves, on the monotonic clock, so that a step of the wall
clock ends none.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sitecontroller.dlm.limits import Limit, PhaseLimits, place_name, tightest
from sitecontroller.dlm.room import EPSILON_A
from sitecontroller.dlm.snapshot import GroupState
from sitecontroller.domain.limit_source import SiteLimit
from sitecontroller.domain.topology import PHASES, Evse, EvseKey, Group, Topology
from sitecontroller.services.load.circuits import Circuits
from sitecontroller.services.load.evse import EvseControl

UNLIMITED_A = 1e5
"""A phase of a group that nothing limits; above every fuse."""


@dataclass(frozen=True, slots=True)
class StandingLimit:
    """A site limit that load management keeps; `words` name it to people."""

    limit: SiteLimit
    words: str
    ends_s: float | None

    def at(self, place_id: str, phase_count: int) -> tuple[Limit | None, ...]:
        """Per phase of a place; None where it limits nothing."""
        return tuple(
            None if a is None else Limit(a, self.words, place_id, self.ends_s)
            for a in self.limit.allowed_a(phase_count)
        )


@dataclass(slots=True)
class GroupControl:
    """A group of EVSEs; `held` is what limits it now."""

    group: Group
    members: tuple[EvseControl, ...]
    phase_count: int
    own: PhaseLimits
    held: PhaseLimits
    metered: PhaseLimits | None = None
    """What a meter of the site leaves for it; it bounds no start that is about to be accepted."""

    @property
    def binding(self) -> PhaseLimits:
        """Per phase the smallest of all."""
        return self.held if self.metered is None else tightest(self.held, [self.metered], 0.0)

    def state(self) -> GroupState | None:
        """For the allocator; None while nothing limits it. EVSEs are all that counts here, so no
        ripple of a base load needs a reserve."""
        binding = self.binding
        if all(limit.current_a >= UNLIMITED_A for limit in binding):
            return None
        one, two, three = (limit.current_a for limit in binding)
        return GroupState(
            self.group.group_id,
            place_name(self.group.name, binding),
            (one, two, three),
            frozenset(control.key for control in self.members),
        )

    def has_room(self, now_s: float) -> bool:
        """Whether all that may flow into its EVSEs fits."""
        return all(
            sum(c.exposure_a(now_s) for c in self.members if phase in c.phases.phases)
            <= self.held[phase].current_a + EPSILON_A
            for phase in PHASES
        )


class SiteLimits:
    """What holds at every circuit and group."""

    def __init__(
        self, topology: Topology, circuits: Circuits, controls: Mapping[EvseKey, EvseControl]
    ) -> None:
        self._circuits = circuits
        self.groups: Sequence[GroupControl] = [
            _control(topology, group, controls) for group in topology.groups.values()
        ]
        self._standing: dict[str, list[StandingLimit]] = {}
        """By place; a group's id is no circuit's."""

    def replace(self, standing: Iterable[StandingLimit]) -> None:
        """From now on these stand, and no others."""
        self._standing = {}
        for each in standing:
            place_id = each.limit.group_id or each.limit.circuit_id
            assert place_id is not None, "a limit has a place"
            self._standing.setdefault(place_id, []).append(each)

    def hold(self, now_s: float) -> None:
        """Per place and phase the smallest in force."""
        for circuit in self._circuits.by_id.values():
            circuit.held = self._held(circuit.own, circuit.circuit.circuit_id, len(PHASES), now_s)
        for group in self.groups:
            group.held = self._held(group.own, group.group.group_id, group.phase_count, now_s)

    def _held(self, own: PhaseLimits, place_id: str, phase_count: int, now_s: float) -> PhaseLimits:
        here = self._standing.get(place_id)
        if here is None:
            return own
        return tightest(own, [each.at(place_id, phase_count) for each in here], now_s)

    def binds(self, evse: Evse) -> bool:
        """Whether anything beside fuses limits what an EVSE may draw."""
        return any(circuit.is_limited for circuit in self._circuits.up(evse.circuit_id)) or any(
            evse.key in group.group.members and group.state() is not None for group in self.groups
        )

    def states(self) -> tuple[GroupState, ...]:
        """Of the groups that are limited."""
        return tuple(state for group in self.groups if (state := group.state()) is not None)


def _control(
    topology: Topology, group: Group, controls: Mapping[EvseKey, EvseControl]
) -> GroupControl:
    limit_a = topology.group_limit_a(group.group_id) or (UNLIMITED_A,) * 3
    one, two, three = (Limit(a, group.name, group.group_id) for a in limit_a)
    own = one, two, three
    members = tuple(controls[key] for key in group.members)
    return GroupControl(group, members, topology.phase_count(group.group_id), own, own)
