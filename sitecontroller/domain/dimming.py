"""What a dimmed grid connection still guarantees to controllable loads under § 14a EnWG.

Source: Bundesnetzagentur, decision BK6-22-300 of 27 November 2023, Anlage 1, 4.5.2 (control through
an energy management system): P_min,14a = 4.2 kW + (n − 1) × GZF × 4.2 kW, where n is the number of
controllable loads and GZF the simultaneity factor of the table there. The other branch of the
formula (0.4 × power) is for heat pumps and cooling above 11 kW, which aren't steered here.
"""

MINIMUM_W = 4200.0
"""Of one controllable load."""

_SIMULTANEITY = {2: 0.80, 3: 0.75, 4: 0.70, 5: 0.65, 6: 0.60, 7: 0.55, 8: 0.50}
_SIMULTANEITY_MANY = 0.45
"""From nine on."""


def guaranteed_w(count: int, minimum_w_each: float = MINIMUM_W) -> float:
    """The power that `count` dimmed loads may take together, in W; 0 for none."""
    if count <= 0:
        return 0.0
    factor = _SIMULTANEITY.get(count, _SIMULTANEITY_MANY)
    return minimum_w_each * (1 + (count - 1) * factor)
