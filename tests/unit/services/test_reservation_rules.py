"""What stands against a reservation, and which cards one keeps out: the rules, as tables."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from sitecontroller.domain.authorization import IdTokenType
from sitecontroller.domain.reservation import (
    Outlet,
    Reservation,
    ReservationState,
    in_the_way,
    keeps_out,
)
from sitecontroller.domain.station import ConnectorStatus

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
FREE = ConnectorStatus.AVAILABLE
OUTLETS = (Outlet(1, "Type2", FREE), Outlet(2, "Type2", FREE), Outlet(3, "CCS", FREE))


def wish(evse_id: int | None = None, kind: str | None = None, **fields: object) -> Reservation:
    made = Reservation(
        key=f"R{evse_id}{kind}{fields}",
        number=1,
        station_id="CP-01",
        id_token="CARD0001",
        type=IdTokenType.ISO14443,
        starts_at=NOON,
        ends_at=NOON + HOUR,
        made_at=NOON,
        evse_id=evse_id,
        connector_type=kind,
        state=ReservationState.HELD,
    )
    return replace(made, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("others", "asked", "fits"),
    [
        ([], wish(1), True),
        ([wish(2)], wish(1), True),
        ([wish(1)], wish(1, key="N"), False),
        ([wish(1, state=ReservationState.USED)], wish(1), True),
        ([wish(1, ends_at=NOON)], wish(1), True),
        ([wish(1), wish(2)], wish(), True),
        ([wish(1), wish(2), wish(3)], wish(), False),
        ([wish(1), wish(2)], wish(kind="cType2"), False),
        ([wish(1), wish()], wish(kind="sType2"), True),
        ([wish(kind="cCCS2")], wish(3), False),
        ([wish()], wish(3), True),
        ([wish(), wish(key="B")], wish(3), True),
        ([wish(), wish(key="B"), wish(key="C")], wish(3), False),
        ([wish(told_evse_id=2)], wish(2), False),
    ],
)
def test_as_many_reservations_as_there_are_evses_for_them(others, asked, fits):
    assert (in_the_way(asked, others, OUTLETS, now=False) is None) is fits


@pytest.mark.parametrize(
    ("evse_id", "statuses", "busy", "words"),
    [
        (1, (ConnectorStatus.OCCUPIED, FREE, FREE), (), "EVSE 1 has a car"),
        (1, (FREE, FREE, FREE), (1,), "EVSE 1 has a car"),
        (1, (ConnectorStatus.FAULTED, FREE, FREE), (), "EVSE 1 has a fault"),
        (None, (ConnectorStatus.FAULTED, FREE, FREE), (), None),
        (
            None,
            (ConnectorStatus.FAULTED, ConnectorStatus.OCCUPIED, ConnectorStatus.UNAVAILABLE),
            (),
            "EVSE 1 has a fault; EVSE 2 has a car; EVSE 3 is out of service",
        ),
    ],
)
def test_what_an_evse_does_now_counts_for_what_begins_now(evse_id, statuses, busy, words):
    outlets = [
        replace(outlet, status=status, busy=outlet.evse_id in busy)
        for outlet, status in zip(OUTLETS, statuses, strict=True)
    ]
    assert in_the_way(wish(evse_id), [], outlets, now=True) == words
    assert in_the_way(wish(evse_id), [], outlets, now=False) is None


ANN, BOB, CHILD = ("CARD0001", None), ("CARD0002", None), ("CARD0003", "FAMILY")


@pytest.mark.parametrize(
    ("reservations", "evse_id", "card", "is_kept_out"),
    [
        ([wish(1)], 1, ANN, False),
        ([wish(1)], 1, ("card0001 ", None), False),
        ([wish(1)], 1, BOB, True),
        ([wish(1)], 2, BOB, False),
        ([wish(1, parent_id_token="family")], 1, CHILD, False),
        ([wish(1, starts_at=NOON + HOUR)], 1, BOB, False),
        ([wish(1, ends_at=NOON)], 1, BOB, False),
        ([wish(1, state=ReservationState.CANCELLED)], 1, BOB, False),
        ([wish(1), wish(2)], None, BOB, False),
        ([wish(1), wish(2), wish(3)], None, BOB, True),
        ([wish(1), wish(2), wish(3, id_token="CARD0002")], None, BOB, False),
        ([wish(1, id_token="CARD0002"), wish(id_token="CARD0001")], 1, ANN, True),
        ([wish(1, id_token="CARD0002"), wish(id_token="CARD0001")], 2, ANN, False),
    ],
)
def test_a_reservation_keeps_out_others_at_its_place_and_time(
    reservations, evse_id, card, is_kept_out
):
    found = keeps_out(reservations, (1, 2, 3), evse_id, card, NOON)
    assert (found is not None) is is_kept_out
