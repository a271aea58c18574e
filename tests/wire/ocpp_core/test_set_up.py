"""Q14 on the wire: what a freshly booted station is told, and in which rhythm, in virtual time."""

import asyncio
import itertools

import pytest

from sitecontroller.simulation.virtual_time import VirtualLoop, virtual_clock
from tests.support import eventually
from tests.wire.site import boot16, boot201, running_site

PACE_S = 0.25
CALL_DEADLINE_S = 10.0
SET_UP = {
    "1.6": ("GetConfiguration", "ChangeConfiguration"),
    "2.0.1": ("GetVariables", "SetVariables"),
}
BOOTS = {"1.6": boot16, "2.0.1": boot201}
ACCEPTING = {
    "GetConfiguration": lambda _: {"configurationKey": [], "unknownKey": []},
    "ChangeConfiguration": lambda _: {"status": "Rejected"},
    "GetVariables": lambda payload: {
        "getVariableResult": [
            {"attributeStatus": "UnknownVariable", **wanted}
            for wanted in payload["getVariableData"]
        ]
    },
    "SetVariables": lambda payload: {
        "setVariableResult": [
            {
                "attributeStatus": "Rejected",
                "component": wanted["component"],
                "variable": wanted["variable"],
            }
            for wanted in payload["setVariableData"]
        ]
    },
}


@pytest.fixture(params=SET_UP)
def station(request, run, tmp_path):
    """`station(story, silent=…)`: a station boots at a site; `story(charger, times)` with the
    times at which set-up commands came to it. `silent` leaves them unanswered."""

    def play(story, *, silent=False):
        async def played():
            version, loop = request.param, asyncio.get_running_loop()
            times = []

            def noted(answer):
                def noting(payload):
                    times.append(loop.time())
                    return None if silent else answer(payload)

                return noting

            async with (
                running_site(tmp_path, clock=virtual_clock()) as site,
                site.charger(version=version) as charger,
            ):
                for action in SET_UP[version]:
                    charger.answers[action] = noted(ACCEPTING[action])
                await BOOTS[version](charger)
                await story(charger, times)

        run(played(), loop_factory=VirtualLoop)

    return play


def test_q14_set_up_commands_keep_their_pace(station):
    async def story(charger, times):
        await eventually(lambda: len(times) >= 6, within_s=60)
        gaps_s = [later - earlier for earlier, later in itertools.pairwise(times)]
        assert min(gaps_s) >= PACE_S - 1e-6  # differences of floats

    station(story)


def test_q14_two_unanswered_set_up_commands_are_the_last(station):
    async def story(charger, times):
        await asyncio.sleep(300)
        first, second = times
        assert second - first >= CALL_DEADLINE_S

    station(story, silent=True)
