"""Reservations that a station refuses when their time comes, and cancellations in between."""

from datetime import timedelta

import pytest

from sitecontroller.domain.commands import CommandState
from sitecontroller.domain.reservation import CancelReservation, ReservationState
from sitecontroller.services import reservation_keeping
from tests.support import eventually
from tests.wire.reservation.scenes import HOUR_S, staged

State = ReservationState


@pytest.fixture(params=["1.6", "2.0.1"])
def scene(request, run, tmp_path, monkeypatch):
    """`scene(play)` runs `await play(scene)`; reservations are looked at all the time."""
    monkeypatch.setattr(reservation_keeping, "LOOK_EVERY_S", 0.02)

    async def play_it(play):
        async with staged(tmp_path, request.param) as scene:
            await play(scene)

    return lambda play: run(play_it(play))


async def planned(scene) -> str:
    starts_at = scene.after(HOUR_S)
    return await scene.reserved(starts_at=starts_at, ends_at=starts_at + timedelta(hours=1))


def test_a_planned_reservation_that_is_refused_is_told_of_and_tried_again(scene):
    async def play(scene):
        key = await planned(scene)
        scene.charger.answers["ReserveNow"] = lambda _: {"status": "Occupied"}
        scene.clock.forward(HOUR_S + 1)
        await eventually(lambda: scene.alarm("reservation-unmet", key))
        assert (await scene.view(key)).state is State.PLANNED
        del scene.charger.answers["ReserveNow"]
        scene.clock.forward(reservation_keeping.AGAIN_AFTER_S)
        await scene.becomes(key, State.HELD)
        await eventually(lambda: scene.alarm("reservation-unmet", key).cleared_at is not None)

    scene(play)


def test_a_planned_reservation_that_is_always_refused_is_given_up_aloud(scene, monkeypatch):
    monkeypatch.setattr(reservation_keeping, "SENT_MAX", 3)
    monkeypatch.setattr(reservation_keeping, "AGAIN_AFTER_S", 0.0)

    async def play(scene):
        key = await planned(scene)
        scene.charger.answers["ReserveNow"] = lambda _: {"status": "Rejected"}
        scene.clock.forward(HOUR_S + 1)
        await scene.becomes(key, State.REFUSED)
        assert len(scene.charger.asked_for("ReserveNow")) == 3
        assert scene.alarm("reservation-lost", key) is not None
        assert (await scene.view(key)).no_shows == 0

    scene(play)


def test_a_cancelled_reservation_is_cancelled_once(scene, monkeypatch):
    monkeypatch.setattr(reservation_keeping, "LOOK_EVERY_S", 0.0)

    async def play(scene):
        key = await scene.reserved()
        result = await scene.controller.execute(CancelReservation(key))
        assert result.state is CommandState.EFFECTIVE
        assert len(scene.charger.asked_for("CancelReservation")) == 1

    scene(play)
