"""Named ways to share what is there; the name is shown to people.

A policy turns a demand into its weight: with twice the weight a car gets twice the current, as far
as circuits, station and car allow. Who may charge at all is decided before, by admission.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sitecontroller.dlm.snapshot import Demand


@dataclass(frozen=True, slots=True)
class Policy:
    """`weight_of` gives a number above 0."""

    name: str
    weight_of: Callable[[Demand], float]


EQUAL_SHARE = Policy("equal share", lambda demand: demand.weight)
"""Everybody the same, times the weight that the installer gave the EVSE."""

POLICIES = {policy.name: policy for policy in (EQUAL_SHARE,)}
