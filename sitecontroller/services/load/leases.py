"""How long a limit above the fallback holds by itself, and after how long it is told again.

Each telling is written to the station's flash. A limit that can't end by itself isn't told again:
it holds as it is.
"""

import math

from sitecontroller.config import LoadSettings
from sitecontroller.ports import StationLink
from sitecontroller.services.load.evse import EvseControl

WRITES_PER_DAY = 300
"""Profiles written to one EVSE's flash; once they are used up its limit no longer rises."""
LEFT_SHARE = 0.2
LEFT_S_MIN = 60.0
"""Left of a lease when it is renewed: a call may be lost (30 s) and go out again."""
UNLEASED_REPEAT_S = 30.0
"""A limit told before the station's clock was known is told again after this, to get a lease."""


def lease_s_of(control: EvseControl, settings: LoadSettings) -> int:
    """Longer for an EVSE that has spent half of its day's writes."""
    is_half_spent = control.writes_spent >= WRITES_PER_DAY / 2
    return settings.longest_lease_s if is_half_spent else settings.lease_s


def ends_by_itself(control: EvseControl, link: StationLink) -> bool:
    """Whether a limit told now would."""
    return link.clock_offset_s is not None and (control.trial is not None or link.holds_leases)


def told_again_after_s(control: EvseControl, link: StationLink) -> float:
    """Since it was last told; endless: never."""
    if control.lease_s is not None:
        return renewed_after_s(control.lease_s)
    return UNLEASED_REPEAT_S if ends_by_itself(control, link) else math.inf


def renewed_after_s(lease_s: int) -> float:
    """When a lease is renewed, since it was told."""
    return lease_s - max(LEFT_S_MIN, LEFT_SHARE * lease_s)
