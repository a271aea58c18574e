"""A car that gives back at a real socket: what load management takes from the station's words."""

from typing import Any

import pytest

from tests.support import eventually
from tests.wire.ocpp21.scene import FALLBACK_A, Scene, event

EXPORTED = [
    {"value": 10.0, "measurand": "Current.Export", "phase": phase} for phase in ("L1", "L2", "L3")
]
NEGATIVE = [
    {"value": -10.0, "measurand": "Current.Import", "phase": phase} for phase in ("L1", "L2", "L3")
]


async def told(scene: Scene, sampled: list[dict[str, Any]]) -> Any:
    """EVSE 1's reading as load management has it, and the most it counts there."""
    load = scene.site.site.services.load
    (control,) = (c for key, c in load._controls.items() if str(key) == "CP-01/1")
    await eventually(lambda: control.transaction)
    sample = event("Updated", 1)
    sample["meterValue"] = [{"timestamp": sample["timestamp"], "sampledValue": sampled}]
    await scene.charger.call("TransactionEvent", sample)
    await eventually(lambda: control.draw)
    return control.draw, control.exposure_a(load._clock.monotonic_s())


@pytest.mark.parametrize("sampled", [EXPORTED, NEGATIVE], ids=["export", "sign"])
def test_what_a_car_gives_back_is_known_and_is_no_room(scene21, sampled):
    async def play(scene: Scene) -> None:
        draw, exposure_a = await told(scene, sampled)
        assert draw.grid.current_a == draw.grid.least_a == (-10.0,) * 3
        assert draw.most_a == 0
        assert exposure_a >= FALLBACK_A

    scene21(play, charging=True)


def test_a_sign_of_an_older_charger_may_be_a_meter_mounted_the_wrong_way_round(scene201):
    async def play(scene: Scene) -> None:
        draw, _ = await told(scene, NEGATIVE)
        assert draw.grid.current_a == (10.0,) * 3
        assert draw.grid.least_a == (-10.0,) * 3
        assert draw.most_a == 10

    scene201(play, charging=True)
