"""A cable of a 2.x station is released by command, and each of its answers is shown (F05)."""

from pathlib import Path
from typing import Any

import pytest

from sitecontroller.domain.commands import CommandState, UnlockConnector
from tests.wire.conformance.station import station_at
from tests.wire.site import running_site


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ("Unlocked", CommandState.EFFECTIVE),
        ("UnlockFailed", CommandState.REJECTED),
        ("OngoingAuthorizedTransaction", CommandState.REJECTED),
        ("UnknownConnector", CommandState.REJECTED),
    ],
)
def test_a_cable_is_released_and_each_answer_is_shown(
    run: Any, tmp_path: Path, version: str, answer: str, state: CommandState
) -> None:
    async def story() -> None:
        async with running_site(tmp_path) as site, station_at(site, version) as station:
            station.charger.answers["UnlockConnector"] = lambda _: {"status": answer}
            result = await site.site.controller.execute(UnlockConnector("CP-01", 1))
            asked = station.charger.asked_for("UnlockConnector")
            assert asked == [{"evseId": 1, "connectorId": 1}]
            assert (result.state, result.reason) == (
                state,
                None if state is CommandState.EFFECTIVE else answer,
            )

    run(story())
