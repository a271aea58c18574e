"""What an EVSE does to each site phase now, within bounds: for base loads and the surplus."""

from sitecontroller.dlm.base import NO_FLOW, NO_FLOWS, Flow, Flows, flow_bounds
from sitecontroller.services.load.evse import EvseControl, Timing

ALIGNED_AFTER_S = 3.0
"""For so long after a reading the meter may still show what was before it."""
FALL_GRACE_S = 3.0
"""The reading that shows whether a car followed may take so long after the reaction time."""


def flows_of(control: EvseControl, now_s: float, timing: Timing) -> Flows:
    """What it does to each site phase now."""
    draw, exposure_a = control.draw, control.exposure_a(now_s)
    if control.transaction is None and (control.online or draw is None):
        return _leaving(control, now_s, timing, exposure_a)
    limit_a, in_use = control.limit_a(now_s), control.phases.phases
    told_a = limit_a if control.steerable else exposure_a
    fresh = control.is_fresh(now_s, timing)
    settled = draw is not None and draw.received_s >= control.changed_s + timing.reaction_s
    may_fall = now_s < control.changed_s + timing.reaction_s + FALL_GRACE_S
    flows = [NO_FLOW, NO_FLOW, NO_FLOW]
    for phase in in_use:
        drawn_a = draw.grid.current_a[phase] if draw is not None else None
        low_a, high_a = flow_bounds(
            drawn_a,
            least_a=draw.grid.least_a[phase] if draw is not None else None,
            exposure_a=exposure_a,
            limit_a=limit_a,
            fresh=fresh,
            settled=settled,
            raised=draw is None or draw.received_s < control.increased_s + timing.reaction_s,
            gives_a=control.gives_a,
        )
        if draw is not None and now_s - draw.received_s < ALIGNED_AFTER_S:
            before_a, least_a = draw.before.current_a[phase], draw.before.least_a[phase]
            if before_a is not None and least_a is not None:
                low_a, high_a = min(low_a, least_a), max(high_a, before_a)
        falling_a = max(0.0, (drawn_a or 0.0) - told_a) if may_fall else 0.0
        flows[phase] = Flow(low_a, high_a, told_a, falling_a)
    return flows[0], flows[1], flows[2]


def _leaving(control: EvseControl, now_s: float, timing: Timing, exposure_a: float) -> Flows:
    """Just after a session its current may still be in the meter's last sample. For longer than
    that it excuses no meter above its cap: a step of the building would hide behind it."""
    ended_for_s = float("inf") if control.ended_s is None else now_s - control.ended_s
    recent, is_falling = ended_for_s <= timing.reaction_s, ended_for_s <= ALIGNED_AFTER_S
    if not recent and exposure_a == 0:
        return NO_FLOWS
    flows = [NO_FLOW, NO_FLOW, NO_FLOW]
    for phase in control.evse.phase_map.site_phases:
        left_a = max(0.0, control.left.current_a[phase] or 0.0) if recent else 0.0
        least_a = min(0.0, control.left.least_a[phase] or 0.0) if recent else 0.0
        if left_a or least_a or exposure_a:
            falling_a = left_a if is_falling else 0.0
            flows[phase] = Flow(least_a, left_a, exposure_a, falling_a)
    return flows[0], flows[1], flows[2]
