"""Controllers that are wrong on purpose: a judge that lets one of them pass is no judge."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from sitecontroller.dlm import Allocations, Snapshot, allocate
from sitecontroller.dlm.exposure import Exposure
from sitecontroller.ports import CallAnswer, ChargingLimit
from sitecontroller.services.load import cycle
from tests.plant.station import PlantStation

Break = Callable[[pytest.MonkeyPatch], None]


def everybody_gets(current_a: float) -> Break:
    """The same for all, whatever there is: never too much, and no load management."""

    def decide(snapshot: Snapshot) -> Allocations:
        right = allocate(snapshot)
        return Allocations(
            "negative control",
            {k: a._replace(current_a=min(a.current_a, current_a)) for k, a in right.by_key.items()},
        )

    return lambda monkeypatch: monkeypatch.setattr(cycle, "allocate", decide)


def believes_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a station answers counts as done, and what it was told before as gone."""

    def answered(
        self: Exposure, number: int, ends_s: float | None, *, taken: bool = True
    ) -> Exposure:
        told = tuple(
            replace(sent, ends_s=ends_s, taken=True)
            for sent in self.possible
            if sent.number >= number
        )
        return replace(self, possible=told or self.possible)

    monkeypatch.setattr(Exposure, "answered", answered)


def never_falls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits without a lease: they hold when nobody is left to lower them."""
    right = PlantStation.set_limit

    async def set_limit(self: PlantStation, limit: ChargingLimit) -> CallAnswer:
        return await right(self, replace(limit, lease_s=None))

    monkeypatch.setattr(PlantStation, "set_limit", set_limit)
