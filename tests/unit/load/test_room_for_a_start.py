"""Who waits for its minimum gets it as soon as the others' shares leave it, be it by an ampere."""

from sitecontroller.dlm.exposure import Exposure
from sitecontroller.dlm.limits import Limit
from sitecontroller.dlm.snapshot import CircuitState, Demand, Snapshot
from sitecontroller.services.load.circuits import Sight
from sitecontroller.services.load.decide import Pass
from sitecontroller.services.load.evse import EvseControl, Timing
from tests.unit.load.site import evse, key

HOLDER, WAITING = key(1), key(2)
TIMING = Timing(reaction_s=10.0, stale_s=22.0, evidence_s=42.0)


def decisions(waiting_target_a: float) -> dict[str, float]:
    """24 A for two: one holds 18.4 A, 0.4 A above its share; the other's minimum is 6 A."""
    snapshot = Snapshot(
        (CircuitState("main", "Main", None, (24.0,) * 3, (0.0,) * 3),),
        (
            Demand(HOLDER, "main", limit_a=18.4, exposure_a=18.4),
            Demand(WAITING, "main", limit_a=0.0, exposure_a=0.0),
        ),
    )
    targets = {HOLDER: Limit(18.0, "", ""), WAITING: Limit(waiting_target_a, "", "")}
    controls = {k: EvseControl(evse(n), Exposure(0.0)) for n, k in ((1, HOLDER), (2, WAITING))}
    for control in controls.values():
        control.lease_s, control.sent_s = 300, 99.0
    told = Pass(
        snapshot,
        controls,
        targets,
        lambda _: Sight.GOOD,
        lambda _: True,
        lambda _: 240.0,
        TIMING,
        100.0,
    )
    return {str(change.key): change.current_a for change in told.changes()}


def test_a_little_above_a_share_is_given_back_where_someone_waits_for_its_minimum() -> None:
    assert decisions(waiting_target_a=6.0) == {str(HOLDER): 18.0}


def test_a_little_above_a_share_is_kept_where_nobody_waits() -> None:
    assert decisions(waiting_target_a=0.0) == {}
