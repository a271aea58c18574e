"""What is kept free below limit − margin, so that a ripple of the base load doesn't change every
limit. It is for calm, not for safety, so it keeps no car from charging.
"""

from collections.abc import Iterable

from sitecontroller.dlm.room import EPSILON_A
from sitecontroller.services.load.circuits import CircuitControl
from sitecontroller.services.load.evse import EvseControl

RESERVE_A = 0.25


def reserve_of(circuit: CircuitControl, below: Iterable[EvseControl]) -> float:
    """0 while a car is there whose minimum, alone, would never fit beside it. What a meter shows
    doesn't count: that is what ripples."""
    room_a = tuple(
        cap_a if circuit.circuit.meter_id is not None else cap_a - worst_a
        for cap_a, worst_a in zip(circuit.cap_a, circuit.worst_base_a, strict=True)
    )
    spends = any(
        room_a[phase] - RESERVE_A + EPSILON_A < control.minimum_a <= room_a[phase] + EPSILON_A
        for control in below
        if control.transaction is not None
        for phase in control.phases.phases
    )
    return 0.0 if spends else RESERVE_A
