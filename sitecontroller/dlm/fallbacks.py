"""S2: without any controller the site stays within its limits, shown in numbers before it starts.

When nobody says anything, each EVSE draws its fallback and the building its worst: for every
circuit and phase their sum must fit. A site that breaks this is refused.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from sitecontroller.dlm.snapshot import Amperes
from sitecontroller.domain.errors import ConfigurationError, FieldError
from sitecontroller.domain.topology import PHASE_NAMES, PHASES, Circuit, Evse, Topology

TOLERANCE_A = 1e-6


def prove_fallbacks(topology: Topology) -> tuple[str, ...]:
    """One line of proof per circuit and phase, and per group that has a limit of its own;
    ConfigurationError names every one that breaks.

    A circuit's `worst_base_a` counts all that flows there but EVSEs; where the circuits below it
    have more between them, theirs counts.
    """
    lines: list[str] = []
    faults: list[FieldError] = []
    for place in places(topology):
        for phase in PHASES:
            drawing = [e for e in place.evses if _draws(e, phase)]
            sum_a, base_a = fallbacks_a(place.evses)[phase], place.base_a[phase]
            limit_a = place.limit_a[phase]
            line = (
                f"{place.name} {PHASE_NAMES[phase]}: fallbacks {sum_a:g} A of "
                f"{len(drawing)} EVSEs + worst base load {base_a:g} A = {sum_a + base_a:g} A"
            )
            if sum_a + base_a > limit_a + TOLERANCE_A:
                faults.append(FieldError(place.key, f"{line}, above its {limit_a:.4g} A"))
            else:
                lines.append(f"{line} ≤ {limit_a:.4g} A")
    if faults:
        raise ConfigurationError(
            "without the controller the site could exceed its limits: "
            + "; ".join(fault.message for fault in faults),
            remedy="Set fallback_a = 0 for some of these EVSEs, or correct worst_base_a or limit_a",
            errors=tuple(faults),
        )
    return tuple(lines)


def fallbacks_a(evses: Iterable[Evse]) -> Amperes:
    """What these draw together per phase when nobody tells them anything."""
    evses = tuple(evses)
    one, two, three = (sum(e.fallback_a for e in evses if _draws(e, phase)) for phase in PHASES)
    return (one, two, three)


class Place(NamedTuple):
    """A circuit or a group: its key in site.toml and what must fit into its limit."""

    key: str
    name: str
    evses: tuple[Evse, ...]
    base_a: Amperes
    limit_a: Amperes


def places(topology: Topology) -> Iterator[Place]:
    """Where fallbacks add up: circuits, and groups that have a limit of their own."""
    for circuit in topology.circuits.values():
        one, two, three = (worst_base_a(topology, circuit, phase) for phase in PHASES)
        yield Place(
            f"circuits[{circuit.circuit_id}]",
            circuit.name,
            topology.below(circuit.circuit_id),
            (one, two, three),
            circuit.limit_a,
        )
    for group in topology.groups.values():
        limit_a = topology.group_limit_a(group.group_id)
        if limit_a is not None:
            members = topology.members(group.group_id)
            yield Place(f"groups[{group.group_id}]", group.name, members, (0.0,) * 3, limit_a)


def _draws(evse: Evse, phase: int) -> bool:
    return phase in evse.phase_map.site_phases and evse.fallback_a > 0


def worst_base_a(topology: Topology, circuit: Circuit, phase: int) -> float:
    """The most that anything but EVSEs draws through a circuit's phase, by configuration."""
    children = [c for c in topology.circuits.values() if c.parent_id == circuit.circuit_id]
    below_a = sum(worst_base_a(topology, child, phase) for child in children)
    return max(circuit.worst_base_a[phase], below_a)
