"""The peak-demand window: the mean power that a quarter hour may have, and what that leaves.

Suppliers charge for the highest mean over a window, most often 15 min by the clock. Energy counts
as it was measured, and where nothing was measured as much as the fuses let through. What may flow
for the rest is what is left of the window's energy over the time left. That time counts a little
longer than it is: a load that steps up by as much as cars draw shows in them only so late, so the
window isn't overdrawn by a step in its last seconds, and no division grows without bound.
"""

import math
from dataclasses import dataclass

REACTION_S = 12.0
"""How long a step of the base load may go unanswered."""
WH = 3600.0
"""Watt-seconds."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """Mean active power imported around an instant; both in their units, s by the wall clock."""

    at_s: float
    power_w: float


@dataclass(frozen=True, slots=True)
class DemandWindow:
    """What was imported since `began_s`, counted up to `counted_s` (s since 1970, UTC)."""

    began_s: float
    counted_s: float
    energy_wh: float
    sampled: Sampled | None = None
    """The last sample; None: nothing was measured yet."""


def began_s(at_s: float, period_s: float) -> float:
    """When the window of an instant began: they are aligned to the clock's hours, UTC."""
    return math.floor(at_s / period_s) * period_s


def counted(
    window: DemandWindow | None, sample: Sampled, *, period_s: float, gap_s: float, worst_w: float
) -> DemandWindow:
    """The running window with one more sample.

    Two samples at most `gap_s` apart count with their mean; a longer silence, all of a window from
    before the first sample, and time that a clock was set back over count with `worst_w`. What is
    exported is no demand and makes up for none.
    """
    power_w = min(worst_w, max(0.0, sample.power_w))
    sample = Sampled(sample.at_s, power_w)
    began = began_s(sample.at_s, period_s)
    if window is None or window.began_s > began or window.counted_s > sample.at_s:
        return DemandWindow(began, sample.at_s, worst_w * (sample.at_s - began) / WH, sample)
    passed_s = sample.at_s - window.counted_s
    mean_w = worst_w
    if window.sampled is not None and passed_s <= gap_s:
        mean_w = (window.sampled.power_w + power_w) / 2
    if window.began_s == began:
        energy_wh = window.energy_wh + mean_w * passed_s / WH
    else:
        energy_wh = mean_w * (sample.at_s - began) / WH
    return DemandWindow(began, sample.at_s, energy_wh, sample)


def so_far_wh(
    window: DemandWindow, now_s: float, *, period_s: float, gap_s: float, worst_w: float
) -> float:
    """What the window of `now_s` has at least to be taken for: since the last sample as much as
    that showed, or the worst once it is a gap."""
    now_s = max(now_s, window.counted_s)
    passed_s = now_s - window.counted_s
    power_w = window.sampled.power_w if window.sampled and passed_s <= gap_s else worst_w
    began = began_s(now_s, period_s)
    if began > window.began_s:
        return power_w * (now_s - began) / WH
    return window.energy_wh + power_w * passed_s / WH


def allowed_w(
    target_w: float,
    energy_wh: float,
    *,
    period_s: float,
    left_s: float,
    most_w: float,
    reaction_s: float = REACTION_S,
) -> float:
    """What may flow on average until the window ends; 0 to `most_w` (the fuses)."""
    rest_ws = max(0.0, target_w * period_s - energy_wh * WH)
    return min(most_w, rest_ws / (max(0.0, left_s) + reaction_s))


def expected_w(energy_wh: float, power_w: float, *, period_s: float, left_s: float) -> float:
    """The window's mean power if things go on as they are."""
    return (energy_wh * WH + max(0.0, power_w) * max(0.0, left_s)) / period_s
