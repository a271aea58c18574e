"""Lists and caches of 2.x stations over a real socket (blocks C and D)."""

import pytest

from sitecontroller.domain.authorization import IdTokenType, TokenRecord
from sitecontroller.domain.commands import CommandState
from sitecontroller.domain.local_list import (
    ClearAuthorizationCache,
    EmptyLocalList,
    ListState,
    LocalListQuery,
    SyncLocalList,
)
from tests.wire.local_list.boxes import ListBox, come
from tests.wire.site import CARDS, running_site

SYNC = SyncLocalList("CP-01")


@pytest.fixture(params=["2.0.1", "2.1"])
def scene(request, run, tmp_path):
    """`scene(play, box)` runs `await play(site, charger, box)` with one booted 2.x charger."""

    async def staged(play, box):
        async with running_site(tmp_path) as site, site.charger(version=request.param) as charger:
            await come(box, charger)
            await play(site, charger, box)

    return lambda play, box=None: run(staged(play, box or ListBox()))


def card(number: str, **fields) -> TokenRecord:
    return TokenRecord(number, IdTokenType.ISO14443, **fields)


def test_the_first_list_goes_whole_after_the_version_was_asked(scene):
    """Proves: TC_D_01_CSMS, TC_D_09_CSMS"""

    async def play(site, charger, box):
        result = await site.site.controller.execute(SYNC)
        assert result.answer == {"version": 1, "entries": 3, "sent": 3}
        asked = [name for name, _ in charger.asked]
        assert asked.index("GetLocalListVersion") < asked.index("SendLocalList")
        (sent,) = box.taken
        assert sent["updateType"] == "Full"
        assert sent["versionNumber"] > 0
        assert sent["localAuthorizationList"] == [
            {
                "idToken": {"idToken": number, "type": "ISO14443"},
                "idTokenInfo": {"status": "Accepted"},
            }
            for number in CARDS
        ]

    scene(play)


def test_a_new_card_goes_alone_with_a_higher_version(scene):
    """Proves: TC_D_02_CSMS, TC_D_08_CSMS"""

    async def play(site, charger, box):
        await site.site.controller.execute(SYNC)
        await site.site.controller.put_token(card("NEW1", parent_id_token="FLEET"))
        await site.site.controller.execute(SYNC)
        assert box.taken[-1] == {
            "versionNumber": 2,
            "updateType": "Differential",
            "localAuthorizationList": [
                {
                    "idToken": {"idToken": "NEW1", "type": "ISO14443"},
                    "idTokenInfo": {
                        "status": "Accepted",
                        "groupIdToken": {"idToken": "FLEET", "type": "Central"},
                    },
                }
            ],
        }
        view = await site.site.controller.query(LocalListQuery("CP-01"))
        assert (view.state, view.version, view.entries) == (ListState.IN_STEP, 2, 4)

    scene(play)


def test_a_card_that_is_taken_out_goes_without_its_info(scene):
    """Proves: TC_D_03_CSMS"""

    async def play(site, charger, box):
        await site.site.controller.execute(SYNC)
        await site.site.controller.delete_token("CARD0002")
        await site.site.controller.execute(SYNC)
        assert box.taken[-1] == {
            "versionNumber": 2,
            "updateType": "Differential",
            "localAuthorizationList": [{"idToken": {"idToken": "CARD0002", "type": "ISO14443"}}],
        }
        assert set(box.cards) == {"CARD0001", "CARD0003"}

    scene(play)


def test_a_list_is_emptied_by_a_whole_one_without_entries(scene):
    """Proves: TC_D_04_CSMS"""

    async def play(site, charger, box):
        await site.site.controller.execute(SYNC)
        result = await site.site.controller.execute(EmptyLocalList("CP-01"))
        assert result.state is CommandState.ACCEPTED
        assert box.taken[-1] == {"versionNumber": 2, "updateType": "Full"}
        assert box.cards == {}

    scene(play)


def test_what_a_station_reports_of_its_limits_is_kept_to(scene):
    async def play(site, charger, box):
        result = await site.site.controller.execute(SYNC)
        assert result.state is CommandState.EFFECTIVE
        assert [len(sent["localAuthorizationList"]) for sent in box.taken] == [1, 1]
        assert set(box.cards) == {"CARD0001", "CARD0002"}
        view = await site.site.controller.query(LocalListQuery("CP-01"))
        assert view.entries_max == 2

    scene(play, ListBox(entries_max=2, items_max=1))


def test_a_list_that_is_switched_off_is_switched_on(scene):
    async def play(site, charger, box):
        await site.site.controller.execute(SYNC)
        assert box.enabled is True
        assert len(box.cards) == 3

    scene(play, ListBox(enabled=False))


def test_a_station_without_the_variables_of_a_list_has_none(scene):
    async def play(site, charger, box):
        del charger.answers["GetVariables"]
        result = await site.site.controller.execute(SYNC)
        assert result.state is CommandState.REJECTED
        assert result.reason == "the charger has no list of cards"
        assert charger.asked_for("SendLocalList") == []

    scene(play)


@pytest.mark.parametrize(
    ("status", "state"),
    [("Accepted", CommandState.ACCEPTED), ("Rejected", CommandState.REJECTED)],
)
def test_a_cache_is_cleared_or_the_refusal_is_told(scene, status, state):
    """Proves: TC_C_37_CSMS, TC_C_38_CSMS"""

    async def play(site, charger, box):
        charger.answers["ClearCache"] = lambda _: {"status": status}
        result = await site.site.controller.execute(ClearAuthorizationCache("CP-01"))
        assert result.state is state
        assert charger.asked_for("ClearCache") == [{}]

    scene(play)
