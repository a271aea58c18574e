"""Load management as pure arithmetic: a frozen snapshot in, allocations out, each with its reason.

Nothing here knows of sockets, tasks or clocks; every instant comes in as monotonic seconds.
"""

from sitecontroller.dlm.allocate import Allocation, Allocations, allocate
from sitecontroller.dlm.snapshot import CircuitState, Demand, DemandClass, GroupState, Snapshot

__all__ = [
    "Allocation",
    "Allocations",
    "CircuitState",
    "Demand",
    "DemandClass",
    "GroupState",
    "Snapshot",
    "allocate",
]
