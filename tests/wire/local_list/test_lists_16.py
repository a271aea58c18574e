"""Lists of 1.6 stations, kept in step over a real socket: frames, the station's list, our view."""

from datetime import UTC, datetime

import pytest

from sitecontroller.domain.authorization import (
    IdTokenType,
    TokenHolder,
    TokenRecord,
    Whitelist,
)
from sitecontroller.domain.commands import CommandState
from sitecontroller.domain.local_list import (
    ClearAuthorizationCache,
    EmptyLocalList,
    ListState,
    LocalListQuery,
    LocalListsQuery,
    LocalListView,
    SyncLocalList,
)
from sitecontroller.services import local_list_sync, local_lists
from tests.support import eventually
from tests.wire.local_list.boxes import ListBox, come
from tests.wire.site import CARDS, TestSite, running_site
from tests.wire.transactions.scenes import start

ENDS = datetime(2036, 1, 2, 3, 4, 5, tzinfo=UTC)
SYNC = SyncLocalList("CP-01")


@pytest.fixture
def at_once(monkeypatch):
    """What happens by itself happens soon."""
    monkeypatch.setattr(local_lists, "READY_AFTER_S", 0.05)
    monkeypatch.setattr(local_lists, "LEFT_ALONE_S", 0.05)
    monkeypatch.setattr(local_lists, "CHANGED_AFTER_S", 0.05)
    monkeypatch.setattr(local_lists, "SPREAD_S", 0.0)


@pytest.fixture
def scene(run, tmp_path):
    """`scene(play, box)` runs `await play(site, charger, box)` with one booted 1.6 charger."""

    async def staged(play, box):
        async with running_site(tmp_path) as site, site.charger() as charger:
            await come(box, charger)
            await play(site, charger, box)

    return lambda play, box=None: run(staged(play, box or ListBox()))


def card(number: str, **fields) -> TokenRecord:
    return TokenRecord(number, IdTokenType.ISO14443, **fields)


async def view(site: TestSite, station_id: str = "CP-01") -> LocalListView:
    return await site.site.controller.query(LocalListQuery(station_id))


def test_a_station_that_comes_gets_the_whole_list_by_itself(scene, at_once):
    """Its own list is empty.

    Proves: TC_042_2_CSMS, TC_043_4_CSMS.
    """

    async def play(site, charger, box):
        await eventually(lambda: len(box.cards) == 3)
        assert charger.asked_for("GetLocalListVersion") == [{}]
        assert box.taken == [
            {
                "listVersion": 1,
                "updateType": "Full",
                "localAuthorizationList": [
                    {"idTag": number, "idTagInfo": {"status": "Accepted"}} for number in CARDS
                ],
            }
        ]

        async def in_step() -> bool:
            return (await view(site)).state is ListState.IN_STEP

        await eventually(in_step)
        seen = await view(site)
        assert (seen.version, seen.entries, seen.wanted, seen.entries_max) == (1, 3, 3, 10)

    scene(play)


def test_changed_cards_are_sent_alone_and_by_themselves(scene, at_once):
    async def play(site, charger, box):
        await eventually(lambda: len(box.cards) == 3)
        controller = site.site.controller
        await controller.put_token(card("NEW1", parent_id_token="FLEET", expires_at=ENDS))
        await controller.delete_token("CARD0002")
        await eventually(lambda: "NEW1" in box.cards and "CARD0002" not in box.cards)
        changes = box.taken[1:]
        assert {change["updateType"] for change in changes} == {"Differential"}
        entries = [entry for change in changes for entry in change["localAuthorizationList"]]
        assert {"idTag": "CARD0002"} in entries
        assert {
            "idTag": "NEW1",
            "idTagInfo": {
                "status": "Accepted",
                "expiryDate": "2036-01-02T03:04:05.000Z",
                "parentIdTag": "FLEET",
            },
        } in entries
        assert len(entries) == 2

    scene(play)


def test_one_new_card_goes_alone_under_a_higher_version(scene):
    """Proves: TC_043_5_CSMS."""

    async def play(site, charger, box):
        await site.site.controller.execute(SYNC)
        await site.site.controller.put_token(card("NEW1"))
        result = await site.site.controller.execute(SYNC)
        assert result.state is CommandState.EFFECTIVE
        assert len(charger.asked_for("GetLocalListVersion")) == 2
        assert box.taken[-1] == {
            "listVersion": box.taken[0]["listVersion"] + 1,
            "updateType": "Differential",
            "localAuthorizationList": [{"idTag": "NEW1", "idTagInfo": {"status": "Accepted"}}],
        }

    scene(play)


def test_a_list_goes_in_messages_no_larger_than_the_station_takes(scene):
    async def play(site, charger, box):
        await site.site.controller.execute(SYNC)
        sizes = [len(sent["localAuthorizationList"]) for sent in box.taken]
        kinds = [sent["updateType"] for sent in box.taken]
        assert (sizes, kinds) == ([2, 1], ["Full", "Differential"])
        assert set(box.cards) == set(CARDS)

    scene(play, ListBox(items_max=2))


def test_a_short_list_has_staff_and_residents_first(scene):
    async def play(site, charger, box):
        controller = site.site.controller
        await controller.put_token(card("HOME1", holder=TokenHolder.RESIDENT))
        await controller.put_token(card("STAFF1", holder=TokenHolder.STAFF))
        await controller.execute(SYNC)
        assert set(box.cards) == {"STAFF1", "HOME1"}
        assert (await view(site)).wanted == 2

    scene(play, ListBox(entries_max=2))


def test_a_card_used_here_comes_on_the_list_where_it_only_may(scene):
    async def play(site, charger, box):
        await site.site.controller.put_token(card("ROAM1", whitelist=Whitelist.ALLOWED))
        await site.site.controller.put_token(card("ROAM2", whitelist=Whitelist.ALLOWED))
        started = await charger.call("StartTransaction", start(card="ROAM1"))
        assert started["idTagInfo"]["status"] == "Accepted"
        await site.site.controller.execute(SYNC)
        assert "ROAM1" in box.cards
        assert "ROAM2" not in box.cards

    scene(play)


def test_a_blocked_card_that_is_tried_comes_on_the_list_as_blocked(scene, at_once):
    async def play(site, charger, box):
        await site.site.controller.put_token(card("LOST1", blocked=True))
        await eventually(lambda: len(box.cards) == 3)
        answer = await charger.call("Authorize", {"idTag": "lost1"})
        assert answer["idTagInfo"]["status"] == "Blocked"
        await eventually(lambda: box.cards.get("LOST1") == {"status": "Blocked"})

    scene(play)


def test_a_list_that_somebody_else_wrote_is_sent_anew(scene):
    async def play(site, charger, box):
        await site.site.controller.execute(SYNC)
        box.version, box.cards = 40, {"FOREIGN": {"status": "Accepted"}}
        await site.site.controller.execute(SYNC)
        assert set(box.cards) == set(CARDS)
        assert box.taken[-1]["updateType"] == "Full"
        assert box.taken[-1]["listVersion"] == 41

    scene(play)


def test_a_list_that_the_station_lost_is_sent_anew(scene):
    async def play(site, charger, box):
        await site.site.controller.execute(SYNC)
        box.version, box.cards = 0, {}
        await site.site.controller.execute(SYNC)
        assert set(box.cards) == set(CARDS)

    scene(play)


def test_a_version_mismatch_is_followed_by_the_whole_list(scene):
    async def play(site, charger, box):
        await site.site.controller.execute(SYNC)
        await site.site.controller.put_token(card("NEW1"))
        box.refuses = ["VersionMismatch"]
        result = await site.site.controller.execute(SYNC)
        assert result.state is CommandState.EFFECTIVE
        assert [sent["updateType"] for sent in box.taken] == ["Full", "Differential", "Full"]
        assert "NEW1" in box.cards

    scene(play)


def test_nothing_is_sent_to_a_list_in_step(scene):
    async def play(site, charger, box):
        await site.site.controller.execute(SYNC)
        result = await site.site.controller.execute(SYNC)
        assert result.answer == {"version": 1, "entries": 3, "sent": 0}
        assert len(box.taken) == 1
        assert len(charger.asked_for("GetLocalListVersion")) == 2

    scene(play)


def test_a_list_is_switched_on_where_it_is_off(scene):
    async def play(site, charger, box):
        await site.site.controller.execute(SYNC)
        assert box.enabled is True
        assert set(box.cards) == set(CARDS)

    scene(play, ListBox(enabled=False))


def test_after_our_restart_only_changes_are_sent(run, tmp_path):
    box = ListBox()

    async def first() -> None:
        async with running_site(tmp_path) as site, site.charger() as charger:
            await come(box, charger)
            await site.site.controller.execute(SYNC)

    async def second() -> None:
        async with running_site(tmp_path, planted=True) as site, site.charger() as charger:
            await come(box, charger)
            assert (await view(site)).entries == 3
            await site.site.controller.put_token(card("NEW1"))
            await site.site.controller.execute(SYNC)

    run(first())
    run(second())
    assert [len(sent["localAuthorizationList"]) for sent in box.taken] == [3, 1]
    assert box.taken[1]["updateType"] == "Differential"


@pytest.mark.parametrize("how", ["NotSupported", "version -1", "NotImplemented"])
def test_a_model_without_a_list_is_not_asked_again(run, tmp_path, monkeypatch, at_once, how):
    """Proves: TC_042_1_CSMS, TC_043_1_CSMS."""

    async def play() -> None:
        box = ListBox(enabled=None)
        async with running_site(tmp_path) as site:
            async with site.charger() as charger:
                await come(box, charger)
                if how == "NotSupported":
                    box.refuses = ["NotSupported"]
                elif how == "version -1":
                    box.version = -1
                else:
                    charger.errors["GetLocalListVersion"] = "NotImplemented"

                async def unsupported() -> bool:
                    return (await view(site)).state is ListState.UNSUPPORTED

                await eventually(unsupported)
                assert charger.asked_for("GetLocalListVersion") == [{}]
                sent = ["Full"] if how == "NotSupported" else []
                assert [message["updateType"] for message in box.taken] == sent
            async with site.charger("CP-02") as twin:
                await come(box, twin)

                async def known_of_the_model() -> bool:
                    return (await view(site, "CP-02")).state is ListState.UNSUPPORTED

                await eventually(known_of_the_model)
                assert twin.asked_for("GetLocalListVersion") == []

    run(play())


def test_a_list_that_is_refused_is_left_alone_for_a_while_and_told_of(scene, monkeypatch):
    """Proves: TC_043_3_CSMS."""

    async def play(site, charger, box):
        box.refuses = ["Failed"] * 50
        for _ in range(local_list_sync.FAILURES_TOLD):
            result = await site.site.controller.execute(SYNC)
            assert result.state is CommandState.REJECTED
        assert {sent["updateType"] for sent in box.taken} == {"Full"}
        seen = await view(site)
        assert seen.state is ListState.FAILING
        assert seen.reason == "the charger refuses the list (Failed)"
        assert seen.retry_at is not None
        alarm = site.site.controller.alarm_view("local-list-refused:CP-01")
        assert alarm is not None
        assert alarm.cleared_at is None
        box.refuses = []
        await site.site.controller.execute(SYNC)
        assert set(box.cards) == set(CARDS)
        assert site.site.controller.alarm_view("local-list-refused:CP-01").cleared_at is not None

    scene(play)


def test_a_station_with_less_room_than_it_says_holds_what_it_takes(scene):
    async def play(site, charger, box):
        result = await site.site.controller.execute(SYNC)
        assert result.state is CommandState.REJECTED
        assert len(box.cards) == 2
        result = await site.site.controller.execute(SYNC)
        assert result.state is CommandState.EFFECTIVE
        assert (await view(site)).entries_max == 2

    scene(play, ListBox(entries_max=None, room=2))


def test_an_emptied_list_stays_empty_until_it_is_synced_by_hand(scene, at_once):
    async def play(site, charger, box):
        await eventually(lambda: len(box.cards) == 3)
        result = await site.site.controller.execute(EmptyLocalList("CP-01"))
        assert result.state is CommandState.ACCEPTED
        assert box.cards == {}
        assert box.taken[-1] == {"listVersion": 2, "updateType": "Full"}
        assert (await view(site)).state is ListState.OFF
        async with site.charger("CP-02") as other:
            other_box = ListBox()
            await come(other_box, other)
            await site.site.controller.put_token(card("NEW1"))
            await eventually(lambda: "NEW1" in other_box.cards)
        assert box.cards == {}
        await site.site.controller.execute(SYNC)
        assert len(box.cards) == 4

    scene(play)


def test_the_cache_of_a_station_is_cleared(scene):
    """Proves: TC_061_CSMS."""

    async def play(site, charger, box):
        result = await site.site.controller.execute(ClearAuthorizationCache("CP-01"))
        assert result.state is CommandState.ACCEPTED
        assert charger.asked_for("ClearCache") == [{}]

    scene(play)


def test_every_station_is_on_the_page_of_lists(scene):
    async def play(site, charger, box):
        page = await site.site.controller.query(LocalListsQuery(limit=1))
        assert [item.station_id for item in page.items] == ["CP-01"]
        rest = await site.site.controller.query(LocalListsQuery(limit=1, cursor=page.next))
        assert [item.station_id for item in rest.items] == ["CP-02"]
        assert rest.next is None

    scene(play)
