"""Whatever happens between us and a station, its list of cards becomes exactly the wanted one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitecontroller.domain.authorization import (
    AuthorizationStatus,
    IdTokenType,
    TokenHolder,
    TokenRecord,
    Whitelist,
)
from sitecontroller.domain.local_list import (
    KnownList,
    ListEntry,
    ListRules,
    ListUpdate,
    UpdateStatus,
)
from sitecontroller.domain.local_list_plan import (
    VERSION_MAX,
    Candidates,
    Synchronisation,
    applied,
    next_update,
    wanted,
)

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
RULES = ListRules("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", 16)
ROUNDS_MAX = 8


def card(number: str, **fields: object) -> TokenRecord:
    return replace(TokenRecord(number, IdTokenType.ISO14443), **fields)  # type: ignore[arg-type]


def listed(*numbers: str) -> dict[str, ListEntry]:
    return wanted(Candidates(whitelisted=[card(number) for number in numbers]), NOON, RULES)


class Station:
    """A station's list by the specification, strict about versions and its own limits."""

    def __init__(self, rules: ListRules, room: int) -> None:
        self.rules, self.room = rules, room
        self.version = 0
        self.entries: dict[str, str] = {}

    def take(self, update: ListUpdate) -> UpdateStatus:
        items = self.rules.items_per_message
        assert items is None or update.items <= items, "a message larger than it takes"
        size = self.rules.bytes_per_message
        if size is not None and update.items > 1:
            entries = (*update.put, *update.removed)
            assert 200 + sum(entry.size_bytes for entry in entries) <= size
        assert 0 < update.version <= VERSION_MAX
        if not update.full and update.version <= self.version:
            return UpdateStatus.VERSION_MISMATCH
        after = {} if update.full else dict(self.entries)
        for entry in update.removed:
            after.pop(entry.key, None)
        after.update((entry.key, entry.digest) for entry in update.put)
        told = self.rules.entries_max
        assert told is None or len(after) <= told, "more cards than it says it takes"
        if len(after) > self.room:
            return UpdateStatus.FAILED
        self.entries, self.version = after, update.version
        return UpdateStatus.ACCEPTED


NUMBERS = st.lists(st.sampled_from([f"CARD{n:02}" for n in range(12)]), unique=True, max_size=12)
MISHAPS = st.sampled_from(
    ("", "", "", "answer lost", "message lost", "station forgets", "we forget", "refused", "other")
)


@given(
    rounds=st.lists(
        st.tuples(NUMBERS, NUMBERS, MISHAPS, st.integers(0, 3)), min_size=1, max_size=8
    ),
    entries_max=st.integers(1, 12) | st.none(),
    true_room=st.integers(1, 12),
    items=st.integers(1, 5) | st.none(),
    size=st.integers(100, 1500) | st.none(),
)
def test_any_story_of_changes_and_losses_ends_with_the_wanted_list(
    rounds: list[tuple[list[str], list[str], str, int]],
    entries_max: int | None,
    true_room: int,
    items: int | None,
    size: int | None,
) -> None:
    rules = replace(RULES, entries_max=entries_max, items_per_message=items, bytes_per_message=size)
    station = Station(rules, true_room if entries_max is None else entries_max)
    known, pending, learned = KnownList(), None, entries_max
    entries: dict[str, ListEntry] = {}
    for numbers, blocked, mishap, when in rounds:
        records = [card(number, blocked=number in blocked) for number in numbers]
        entries = wanted(Candidates(whitelisted=records), NOON, replace(rules, entries_max=learned))
        run = Synchronisation(known, pending, entries, rules)
        _play(run, station, mishap, when)
        known, pending = run.known, run.pending
        if run.room is not None:
            learned = run.room
        if mishap == "we forget":
            known, pending = KnownList(), None
    learned = entries_max  # what was learned of its room is tried again after some days
    for _ in range(ROUNDS_MAX):
        entries = wanted(Candidates(whitelisted=records), NOON, replace(rules, entries_max=learned))
        run = Synchronisation(known, pending, entries, rules)
        _play(run, station, "", 0)
        known, pending = run.known, run.pending
        if run.room is not None:
            learned = run.room
        elif run.gave_up is None:
            break
    assert run.gave_up is None
    assert station.entries == {key: entry.digest for key, entry in entries.items()}
    assert len(station.entries) == min(len(records), station.room), "no card left out without need"
    again = Synchronisation(known, pending, entries, rules)
    again.told(station.version)
    assert again.next() is None, "in step means that nothing more is sent"


def _play(run: Synchronisation, station: Station, mishap: str, when: int) -> None:
    """One attempt; the mishap strikes at its message number `when`."""
    if mishap == "station forgets":
        station.version, station.entries = 0, {}
    if mishap == "other":
        station.version, station.entries = station.version + 7, {"ISO14443/FOREIGN": "x"}
        if station.version > VERSION_MAX:
            station.version = 1
    run.told(station.version)
    for number in range(200):
        update = run.next()
        if update is None:
            return
        if number == when and mishap == "message lost":
            return
        if number == when and mishap == "refused":
            run.answered(UpdateStatus.FAILED)
            continue
        status = station.take(update)
        if number == when and mishap == "answer lost":
            return
        run.answered(status)
    raise AssertionError("an attempt that never ends")


@given(before=NUMBERS, after=NUMBERS, blocked=NUMBERS)
def test_a_change_sends_no_more_entries_than_have_changed_or_are_listed(
    before: list[str], after: list[str], blocked: list[str]
) -> None:
    station = Station(RULES, 100)
    run = Synchronisation(KnownList(), None, listed(*before), RULES)
    _play(run, station, "", 0)
    records = [card(number, blocked=number in blocked) for number in after]
    entries = wanted(Candidates(whitelisted=records), NOON, RULES)
    old, new = station.entries, {key: entry.digest for key, entry in entries.items()}
    changed = sum(old.get(key) != new.get(key) for key in old.keys() | new.keys())
    second = Synchronisation(run.known, None, entries, RULES)
    _play(second, station, "", 0)
    assert station.entries == new
    assert second.sent == min(changed, len(new))


def test_the_first_list_is_whole_and_the_next_only_what_changed() -> None:
    first = next_update(KnownList(), listed("A1", "B2"), RULES)
    assert first is not None
    assert first.full
    assert first.version == 1
    known = applied(KnownList(), first)
    second = next_update(known, listed("A1", "C3", "D4"), RULES)
    assert second is not None
    assert not second.full
    assert second.version == 2
    assert [entry.id_token for entry in second.put] == ["C3", "D4"]
    assert [entry.id_token for entry in second.removed] == ["B2"]


def test_an_answer_that_was_lost_costs_no_second_list() -> None:
    station = Station(RULES, 100)
    run = Synchronisation(KnownList(), None, listed("A1", "B2"), RULES)
    _play(run, station, "answer lost", 0)
    again = Synchronisation(run.known, run.pending, listed("A1", "B2"), RULES)
    _play(again, station, "", 0)
    assert again.sent == 0
    assert len(station.entries) == 2


def test_a_list_that_was_emptied_is_sent_empty() -> None:
    known = KnownList(4, {"ISO14443/A1": "x"})
    assert next_update(known, {}, RULES) == ListUpdate(True, 5)
    assert next_update(KnownList(4, None), {}, RULES) == ListUpdate(True, 5)


def test_a_station_without_a_list_of_its_own_is_sent_none_where_none_is_wanted() -> None:
    assert next_update(KnownList(0), {}, RULES) is None


def test_version_numbers_begin_again_before_they_run_out() -> None:
    known = KnownList(VERSION_MAX, {"ISO14443/A1": "x"})
    update = next_update(known, listed("A1", "B2"), RULES)
    assert update is not None
    assert update.full
    assert update.version == 1


def test_the_order_is_blocked_staff_residents_used_here_then_all_that_may_always() -> None:
    candidates = Candidates(
        blocked=[card("LOST", blocked=True)],
        staff=[card("STAFF", holder=TokenHolder.STAFF)],
        residents=[card("HOME", holder=TokenHolder.RESIDENT)],
        used_here=[card("GUEST", whitelist=Whitelist.ALLOWED)],
        whitelisted=[card("ROAM"), card("LATE")],
    )
    for room, expected in ((2, ["LOST", "STAFF"]), (5, ["LOST", "STAFF", "HOME", "GUEST", "ROAM"])):
        entries = wanted(candidates, NOON, replace(RULES, entries_max=room))
        assert [entry.id_token for entry in entries.values()] == expected
    assert entries["ISO14443/LOST"].status is AuthorizationStatus.BLOCKED


@pytest.mark.parametrize(
    "record",
    [
        card("OLD", expires_at=NOON - timedelta(seconds=1)),
        card("ASKME", whitelist=Whitelist.NEVER),
        card("TOO-LONG-FOR-THIS-CHARGER"),
        card("mit Blank"),
        card(" "),
    ],
    ids=lambda record: record.id_token,
)
def test_q24_what_can_not_be_on_the_list_is_left_out(record: TokenRecord) -> None:
    assert wanted(Candidates(used_here=[record], whitelisted=[record]), NOON, RULES) == {}


def test_a_card_is_listed_once_in_capitals_with_its_end_and_its_parent() -> None:
    record = card("abc1", expires_at=NOON + timedelta(days=1), parent_id_token="FLEET")
    entries = wanted(Candidates(staff=[record], whitelisted=[card("ABC1")]), NOON, RULES)
    assert list(entries.values()) == [
        ListEntry(
            "ABC1",
            IdTokenType.ISO14443,
            AuthorizationStatus.ACCEPTED,
            NOON + timedelta(days=1),
            "FLEET",
        )
    ]


def test_a_new_end_or_parent_of_a_card_is_a_change() -> None:
    known = applied(KnownList(), ListUpdate(True, 1, tuple(listed("A1").values())))
    for change in ({"expires_at": NOON + timedelta(days=1)}, {"parent_id_token": "P"}):
        entries = wanted(Candidates(staff=[card("A1", **change)]), NOON, RULES)
        update = next_update(known, entries, RULES)
        assert update is not None
        assert not update.full
        assert len(update.put) == 1


def test_a_station_that_never_takes_a_list_is_given_up_with_a_reason() -> None:
    run = Synchronisation(KnownList(), None, listed("A1", "B2", "C3"), RULES)
    run.told(0)
    messages = 0
    while run.next() is not None:
        run.answered(UpdateStatus.FAILED)
        messages += 1
    assert messages <= 3
    assert run.gave_up == "the charger refuses the list (Failed)"
