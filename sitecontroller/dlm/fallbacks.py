"""S2: without any controller the site stays within its limits, shown in numbers before it starts.

When nobody says anything, each EVSE draws its fallback and the building its worst: for every
circuit and phase their sum must fit. A site that breaks this is refused.
"""

from sitecontroller.domain.errors import ConfigurationError, FieldError
from sitecontroller.domain.topology import PHASE_NAMES, PHASES, Circuit, Evse, Topology

TOLERANCE_A = 1e-6


def prove_fallbacks(topology: Topology) -> tuple[str, ...]:
    """One line of proof per circuit and phase; ConfigurationError names every one that breaks.

    A circuit's `worst_base_a` counts all that flows there but EVSEs; where the circuits below it
    have more between them, theirs counts.
    """
    lines: list[str] = []
    faults: list[FieldError] = []
    for circuit in topology.circuits.values():
        evses = _below(topology, circuit)
        for phase in PHASES:
            drawing = [e for e in evses if phase in e.phase_map.site_phases and e.fallback_a > 0]
            fallbacks_a = sum(evse.fallback_a for evse in drawing)
            base_a = worst_base_a(topology, circuit, phase)
            limit_a = circuit.limit_a[phase]
            line = (
                f"{circuit.name} {PHASE_NAMES[phase]}: fallbacks {fallbacks_a:g} A of "
                f"{len(drawing)} EVSEs + worst base load {base_a:g} A = "
                f"{fallbacks_a + base_a:g} A"
            )
            if fallbacks_a + base_a > limit_a + TOLERANCE_A:
                faults.append(
                    FieldError(
                        f"circuits[{circuit.circuit_id}]", f"{line}, above its {limit_a:g} A"
                    )
                )
            else:
                lines.append(f"{line} ≤ {limit_a:g} A")
    if faults:
        raise ConfigurationError(
            "without the controller the site could exceed its limits: "
            + "; ".join(fault.message for fault in faults),
            remedy="Set fallback_a = 0 for some of these EVSEs, or correct worst_base_a or limit_a",
            errors=tuple(faults),
        )
    return tuple(lines)


def worst_base_a(topology: Topology, circuit: Circuit, phase: int) -> float:
    """The most that anything but EVSEs draws through a circuit's phase, by configuration."""
    children = [c for c in topology.circuits.values() if c.parent_id == circuit.circuit_id]
    below_a = sum(worst_base_a(topology, child, phase) for child in children)
    return max(circuit.worst_base_a[phase], below_a)


def _below(topology: Topology, circuit: Circuit) -> list[Evse]:
    return [
        evse
        for evse in topology.evses()
        if any(c.circuit_id == circuit.circuit_id for c in topology.path(evse.circuit_id))
    ]
