"""A limit that is told once, with a short lease in one way, and left to run out: a lease test.

Load management owns it all the while. It counts the limit as if it never ended, tells nothing
higher meanwhile, and breaks the trial off when it needs the room.
"""

from dataclasses import dataclass

from sitecontroller.services.load.orders import Outcome


@dataclass(slots=True)
class LeaseTrial:
    """`limit_a` is what the EVSE had when it began; `way` as `StationLink.lease_ways` has it."""

    way: str
    lease_s: int
    limit_a: float
    number: int | None = None
    """Of the order; None: it hasn't gone out."""
    outcome: Outcome | None = None
    broken: str = ""
    """Why it was broken off, in words."""

    @property
    def is_due(self) -> bool:
        """Whether the limit is still to be told."""
        return self.number is None
