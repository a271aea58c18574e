"""OCPP 1.6's cases of reservations, as its compliance tool numbers and plays them."""

from datetime import datetime, timedelta

import pytest

from sitecontroller.domain.commands import CallStation, ChangeAvailability, CommandState
from sitecontroller.domain.errors import Conflict
from sitecontroller.domain.reservation import CancelReservation, ReservationState
from sitecontroller.services import reservation_keeping
from tests.wire.reservation.scenes import HOUR_S, staged
from tests.wire.site import CARDS, instant
from tests.wire.transactions.scenes import start

State = ReservationState
CARD = CARDS[0]
FIRST = {"connectorId": 1, "idTag": CARD, "reservationId": 1}


@pytest.fixture
def scene(run, tmp_path, monkeypatch):
    """`scene(play)` runs `await play(scene)` with a booted 1.6 charger."""
    monkeypatch.setattr(reservation_keeping, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(reservation_keeping, "READY_AFTER_S", 0.02)

    async def play_it(play):
        async with staged(tmp_path, "1.6") as scene:
            await play(scene)

    return lambda play: run(play_it(play))


def asked_to_reserve(scene):
    """The one ReserveNow, without its end."""
    (asked,) = scene.charger.asked_for("ReserveNow")
    return {name: value for name, value in asked.items() if name != "expiryDate"}


def test_a_reserved_connector_is_charged_at_by_its_card(scene):
    """Proves: TC_046_CSMS."""

    async def play(scene):
        key = await scene.reserved(CARD)
        assert asked_to_reserve(scene) == FIRST
        await scene.status(1, "Reserved")
        answer = await scene.charger.call("Authorize", {"idTag": CARD})
        assert answer["idTagInfo"]["status"] == "Accepted"
        await scene.status(1, "Preparing")
        begun = start(card=CARD, connector=1, timestamp=instant(scene.clock.now()))
        answer = await scene.charger.call("StartTransaction", {**begun, "reservationId": 1})
        assert answer["idTagInfo"]["status"] == "Accepted"
        await scene.status(1, "Charging")
        used = await scene.becomes(key, State.USED)
        assert used.transaction_key == (await scene.site.row()).key

    scene(play)


def test_a_reservation_whose_driver_stays_away_runs_out(scene):
    """Proves: TC_047_CSMS."""

    async def play(scene):
        ends_at = scene.after(HOUR_S).replace(microsecond=0)
        key = await scene.reserved(CARD, ends_at=ends_at)
        assert asked_to_reserve(scene) == FIRST
        (asked,) = scene.charger.asked_for("ReserveNow")
        assert datetime.fromisoformat(asked["expiryDate"]) == ends_at
        await scene.status(1, "Reserved")
        scene.clock.forward(HOUR_S + 1)
        await scene.status(1, "Available")
        await scene.becomes(key, State.NO_SHOW)
        assert scene.controller.station_view("CP-01").evses[0].activity == "available"

    scene(play)


@pytest.mark.parametrize("status", ["Faulted", "Rejected"])
def test_a_station_that_looks_free_may_refuse_a_reservation(scene, status):
    """Proves: TC_048_1_CSMS, TC_048_4_CSMS."""

    async def play(scene):
        scene.charger.answers["ReserveNow"] = lambda _: {"status": status}
        result = await scene.reserve(CARD)
        assert asked_to_reserve(scene) == FIRST
        reason = reservation_keeping.REFUSALS[status]
        assert (result.state, result.reason) == (CommandState.REJECTED, reason)
        assert [view.state for view in await scene.views()] == [State.REFUSED]

    scene(play)


@pytest.mark.parametrize(("shown", "answer"), [("Preparing", "Occupied"), ("Unavailable",) * 2])
def test_a_station_that_is_not_free_is_asked_by_a_technician_alone(scene, shown, answer):
    """The site knows better than to ask; the raw call goes out, and the refusal comes back.

    Proves: TC_048_2_CSMS, TC_048_3_CSMS.
    """

    async def play(scene):
        if shown == "Unavailable":
            closing = ChangeAvailability("CP-01", 1, operative=False)
            assert (await scene.controller.execute(closing)).state is CommandState.ACCEPTED
            assert scene.charger.asked_for("ChangeAvailability") == [
                {"connectorId": 1, "type": "Inoperative"}
            ]
        await scene.status(1, shown)
        with pytest.raises(Conflict):
            await scene.reserve(CARD)
        assert scene.charger.asked_for("ReserveNow") == []
        scene.charger.answers["ReserveNow"] = lambda _: {"status": answer}
        payload = {**FIRST, "expiryDate": instant(scene.clock.now() + timedelta(hours=1))}
        result = await scene.controller.execute(CallStation("CP-01", "ReserveNow", payload))
        assert scene.charger.asked_for("ReserveNow") == [payload]
        assert result.answer == {"status": answer}
        assert await scene.views() == ()

    scene(play)


def test_a_station_is_reserved_whichever_connector_it_is(scene):
    """Proves: TC_049_CSMS."""

    async def play(scene):
        key = {"key": "ReserveConnectorZeroSupported", "readonly": True, "value": "true"}
        scene.charger.answers["GetConfiguration"] = lambda _: {"configurationKey": [key]}
        held = await scene.reserved(CARD, evse_id=None)
        assert asked_to_reserve(scene) == {**FIRST, "connectorId": 0}
        await scene.status(0, "Reserved")
        assert (await scene.view(held)).state is State.HELD

    scene(play)


@pytest.mark.parametrize("answer", ["Accepted", "Rejected"])
def test_a_reservation_is_cancelled_also_where_the_station_knows_of_none(scene, answer):
    """Rejected says that the station has given it up by itself.

    Proves: TC_051_CSMS, TC_052_CSMS.
    """

    async def play(scene):
        key = await scene.reserved(CARD)
        assert asked_to_reserve(scene) == FIRST
        await scene.status(1, "Reserved")
        scene.charger.answers["CancelReservation"] = lambda _: {"status": answer}
        result = await scene.controller.execute(CancelReservation(key))
        assert result.state is CommandState.EFFECTIVE
        assert scene.charger.asked_for("CancelReservation") == [{"reservationId": 1}]
        await scene.status(1, "Available")
        assert (await scene.view(key)).state is State.CANCELLED
        assert scene.controller.station_view("CP-01").evses[0].activity == "available"

    scene(play)
