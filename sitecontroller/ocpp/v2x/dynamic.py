"""Limits in dynamic profiles (OCPP 2.1, K28): one profile a session, whose value is updated.

The profile's `duration` counts from its last update, so it is a lease that needs no clock. A
station may also ask for the value itself; it gets the one it was told last, never a higher one that
is still on its way.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from sitecontroller.domain.topology import LimitUnit
from sitecontroller.ports import ChargingLimit


@dataclass(frozen=True, slots=True)
class Told:
    """What a dynamic profile says. `sending`: a value that may have come already."""

    evse_id: int
    transaction_id: str
    unit: LimitUnit
    phase_count: int
    lease_s: int | None
    value: float
    told_s: float
    sending: float | None = None

    @property
    def least(self) -> float:
        """What is safe to say again."""
        return self.value if self.sending is None else min(self.value, self.sending)


class DynamicLimits:
    """Which profiles of one station are dynamic now."""

    def __init__(self, monotonic_s: Callable[[], float]) -> None:
        self._monotonic_s = monotonic_s
        self._told: dict[int, Told] = {}
        self.refused = False
        """It takes no dynamic profiles: none is tried on this connection any more."""

    def holds(self, limit: ChargingLimit) -> bool:
        """Whether the profile for this limit's session is there, so that an update will do."""
        told = self._told.get(limit.evse_id)
        return told is not None and (told.transaction_id, told.phase_count, told.lease_s) == (
            limit.transaction_id,
            limit.phase_count,
            limit.lease_s,
        )

    def sending(self, limit: ChargingLimit, value: float) -> None:
        """An update goes out."""
        told = self._told[limit.evse_id]
        self._told[limit.evse_id] = replace(told, sending=value)

    def set(self, limit: ChargingLimit, unit: LimitUnit, value: float) -> None:
        """The station took this value, as a new profile or as an update."""
        assert limit.transaction_id is not None
        self._told[limit.evse_id] = Told(
            limit.evse_id,
            limit.transaction_id,
            unit,
            limit.phase_count,
            limit.lease_s,
            value,
            self._monotonic_s(),
        )

    def failed(self, evse_id: int) -> None:
        """Nobody knows whether an update came."""
        told = self._told.get(evse_id)
        if told is not None:
            self._told[evse_id] = replace(told, value=told.least, sending=None)

    def forget(self, evse_id: int) -> None:
        """The profile is taken out or replaced."""
        self._told.pop(evse_id, None)

    def pulled(self, evse_id: int) -> Told | None:
        """What a station that asks is told; None: it has no such profile of ours, or nobody has
        renewed it for as long as its lease."""
        told = self._told.get(evse_id)
        if told is None:
            return None
        age_s = self._monotonic_s() - told.told_s
        return None if told.lease_s is not None and age_s >= told.lease_s else told
