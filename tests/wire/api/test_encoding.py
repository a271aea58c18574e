"""The fast encoder says what `wire.to_json` says, and lets the loop breathe."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from sitecontroller.api import encoding
from sitecontroller.api.encoding import SLICE_OBJECTS, encode, encode_list, encode_mapping
from sitecontroller.domain.views import AlarmView, StationView
from sitecontroller.wire import to_json
from tests.wire.api.site import FakeSite, alarm_view, station_view


@dataclass(frozen=True, slots=True)
class Odd:
    """Values that JSON has no word for."""

    at: datetime
    amount: Decimal
    flags: frozenset[str]
    nested: dict[str, tuple[int, ...]]


ODD = Odd(
    datetime(2026, 3, 1, 13, 0, 0, 999999, tzinfo=timezone(timedelta(hours=1))),
    Decimal("1E+3"),
    frozenset({"b", "a"}),
    {"x": (1, 2)},
)


@pytest.mark.parametrize("value", [ODD, FakeSite().snapshot(), alarm_view("x"), [AlarmView], None])
def test_the_fast_encoder_agrees_with_the_plain_one(value):
    if value == [AlarmView]:
        value = []
    assert json.loads(encode(value)) == to_json(value)


def test_times_are_written_in_utc_with_milliseconds():
    assert encode(datetime(2026, 3, 1, 12, tzinfo=UTC)) == b'"2026-03-01T12:00:00.000Z"'


def test_what_is_no_number_is_null():
    assert encode([float("nan"), float("inf")]) == b"[null,null]"


@pytest.mark.parametrize("count", [0, 1, SLICE_OBJECTS, SLICE_OBJECTS * 2 + 1])
def test_slices_join_to_the_whole(run, count):
    stations = {f"CP-{n}": station_view(f"CP-{n}") for n in range(count)}
    assert json.loads(run(encode_mapping(stations.items()))) == to_json(stations)
    assert json.loads(run(encode_list(stations.values()))) == to_json(list(stations.values()))


@pytest.mark.parametrize(("slice_s", "objects_a_turn"), [(60.0, SLICE_OBJECTS), (0.0, 1)])
def test_the_loop_turns_after_so_many_objects_or_so_long(run, monkeypatch, slice_s, objects_a_turn):
    monkeypatch.setattr(encoding, "SLICE_S", slice_s)
    turns = 0
    made: list[int] = []

    def stations() -> Iterator[StationView]:
        for _ in range(SLICE_OBJECTS * 3):
            made.append(turns)
            yield station_view("CP-01")

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def encode_meanwhile() -> None:
        counting = asyncio.create_task(count_turns())
        await asyncio.sleep(0)
        await encode_list(stations())
        counting.cancel()

    run(encode_meanwhile())
    assert set(Counter(made).values()) == {objects_a_turn}
