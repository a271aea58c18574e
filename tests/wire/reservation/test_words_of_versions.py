"""What a reservation is called in each version, and the conformance cases of block H."""

import pytest

from sitecontroller.domain.commands import CommandState
from sitecontroller.domain.errors import Conflict
from sitecontroller.domain.reservation import CancelReservation, ReservationState
from sitecontroller.services import reservation_keeping
from tests.support import eventually
from tests.wire.reservation.scenes import HOUR_S, staged
from tests.wire.site import instant
from tests.wire.transactions.scenes import start

State = ReservationState
CARD = {"idToken": "CARD0001", "type": "ISO14443"}


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr(reservation_keeping, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(reservation_keeping, "READY_AFTER_S", 0.02)


def scene_of(*versions):
    @pytest.fixture(params=versions)
    def scene(request, run, tmp_path):
        async def play_it(play, **ocpp):
            async with staged(tmp_path, request.param, **ocpp) as scene:
                await play(scene)

        return lambda play, **ocpp: run(play_it(play, **ocpp))

    return scene


scene16 = scene_of("1.6")
scene2x = scene_of("2.0.1", "2.1")


def any_connector(value: str):
    row = {"key": "ReserveConnectorZeroSupported", "readonly": True, "value": value}
    return lambda _: {"configurationKey": [row], "unknownKey": []}


def test_16_says_connector_card_parent_and_end(scene16):
    async def play(scene):
        ends_at = scene.after(HOUR_S)
        await scene.reserved("FAM00001", ends_at=ends_at)
        (asked,) = scene.charger.asked_for("ReserveNow")
        assert asked == {
            "connectorId": 1,
            "expiryDate": ends_at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
            "idTag": "FAM00001",
            "parentIdTag": "FAMILY",
            "reservationId": 1,
        }

    scene16(play)


def test_16_reserves_connector_0_only_where_the_station_knows_it(scene16):
    async def play(scene):
        scene.charger.answers["GetConfiguration"] = any_connector("true")
        key = await scene.reserved(evse_id=None)
        assert [asked["connectorId"] for asked in scene.charger.asked_for("ReserveNow")] == [0]
        assert (await scene.view(key)).evse_id is None
        card = start(card="CARD0001", connector=2, timestamp=instant(scene.clock.now()))
        await scene.charger.call("StartTransaction", {**card, "reservationId": 1})
        await scene.becomes(key, State.USED)

    scene16(play)


def test_16_else_keeps_a_free_connector_for_it(scene16):
    async def play(scene):
        scene.charger.answers["GetConfiguration"] = any_connector("false")
        await scene.status(1, "Charging")
        key = await scene.reserved(evse_id=None)
        assert [asked["connectorId"] for asked in scene.charger.asked_for("ReserveNow")] == [2]
        assert (await scene.view(key)).evse_id == 2
        with pytest.raises(Conflict, match="EVSE 1 has a car"):
            await scene.reserve("CARD0002", evse_id=None)

    scene16(play)


@pytest.mark.parametrize("status", ["Faulted", "Unavailable"])
def test_16_a_fault_ends_the_reservation_and_a_person_is_told(scene16, status):
    async def play(scene):
        key = await scene.reserved()
        await scene.status(1, "Reserved")
        await scene.status(1, status)
        await scene.becomes(key, State.REMOVED)
        await eventually(lambda: scene.alarm("reservation-lost", key))

    scene16(play)


def test_16_an_evse_that_is_free_for_long_is_reserved_again(scene16):
    async def play(scene):
        await scene.reserved()
        await scene.status(1, "Reserved")

        async def shown() -> bool:
            (known,) = scene.site.site.services.blocks.reservations._book.open()
            return known.shown

        await eventually(shown)
        await scene.status(1, "Available")
        scene.clock.forward(60)
        await scene.status(2, "Available")
        assert len(scene.charger.asked_for("ReserveNow")) == 1, "the driver may be plugging in"
        scene.clock.forward(180)
        await eventually(lambda: len(scene.charger.asked_for("ReserveNow")) == 2)

    scene16(play)


def test_a_station_that_does_not_answer_is_told_to_drop_it_later(scene2x):
    async def play(scene):
        scene.charger.answers["ReserveNow"] = lambda _: None
        result = await scene.reserve()
        assert result.state is CommandState.REJECTED
        assert "no answer to ReserveNow" in result.reason
        await eventually(lambda: scene.charger.asked_for("CancelReservation"))

    scene2x(play, call_timeout_s=1)


def test_an_evse_is_reserved_for_a_card(scene2x):
    """Proves: TC_H_01_CSMS"""

    async def play(scene):
        ends_at = scene.after(HOUR_S)
        await scene.reserved(ends_at=ends_at)
        (asked,) = scene.charger.asked_for("ReserveNow")
        assert asked == {
            "id": 1,
            "expiryDateTime": ends_at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
            "idToken": CARD,
            "evseId": 1,
        }
        await scene.status(1, "Reserved")

    scene2x(play)


def test_a_station_says_that_a_reservation_ran_out(scene2x):
    """Proves: TC_H_07_CSMS"""

    async def play(scene):
        key = await scene.reserved(ends_at=scene.after(60))
        await scene.status(1, "Reserved")
        await scene.status(1, "Available")
        told = {"reservationId": 1, "reservationUpdateStatus": "Expired"}
        assert await scene.charger.call("ReservationStatusUpdate", told) == {}
        view = await scene.view(key)
        assert (view.state, view.no_shows) == (State.NO_SHOW, 1)

    scene2x(play)


def test_any_evse_is_reserved_without_naming_one(scene2x):
    """Proves: TC_H_08_CSMS, TC_H_14_CSMS"""

    async def play(scene):
        await scene.reserved("CARD0001", evse_id=None)
        await scene.reserved("CARD0002", evse_id=None)
        asked = scene.charger.asked_for("ReserveNow")
        assert [request["idToken"]["idToken"] for request in asked] == ["CARD0001", "CARD0002"]
        assert all(request.keys() == {"id", "expiryDateTime", "idToken"} for request in asked)
        for evse_id in (1, 2):
            await scene.status(evse_id, "Reserved")
        with pytest.raises(Conflict, match="every EVSE that fits is reserved"):
            await scene.reserve("CARD0003", evse_id=None)

    scene2x(play)


def test_a_station_that_can_only_keep_a_certain_evse_keeps_a_free_one(scene2x):
    async def play(scene):
        scene.charger.answers["ReserveNow"] = lambda asked: {
            "status": "Accepted" if "evseId" in asked else "Rejected"
        }
        await scene.status(1, "Occupied")
        key = await scene.reserved(evse_id=None)
        assert (await scene.view(key)).evse_id == 2
        assert [asked.get("evseId") for asked in scene.charger.asked_for("ReserveNow")] == [None, 2]

    scene2x(play)


def test_a_kind_of_connector_is_reserved(scene2x):
    """Proves: TC_H_15_CSMS"""

    async def play(scene):
        await scene.reserved(connector_type="cType2")
        (asked,) = scene.charger.asked_for("ReserveNow")
        assert asked["connectorType"] == "cType2"
        assert asked["idToken"] == CARD
        assert "evseId" not in asked

    scene2x(play)


def test_a_reservation_is_cancelled_by_its_id(scene2x):
    """Proves: TC_H_17_CSMS"""

    async def play(scene):
        key = await scene.reserved()
        await scene.status(1, "Reserved")
        result = await scene.controller.execute(CancelReservation(key))
        assert result.state is CommandState.EFFECTIVE
        told = scene.charger.asked_for("ReserveNow")[0]["id"]
        assert scene.charger.asked_for("CancelReservation") == [{"reservationId": told}]
        await scene.status(1, "Available")

    scene2x(play)


def test_an_evse_is_reserved_for_a_group(scene2x):
    """Proves: TC_H_19_CSMS"""

    async def play(scene):
        await scene.reserved("FAM00001")
        (asked,) = scene.charger.asked_for("ReserveNow")
        assert asked["evseId"] == 1
        assert asked["groupIdToken"] == {"idToken": "FAMILY", "type": "Central"}
        assert asked["idToken"] == {"idToken": "FAM00001", "type": "ISO14443"}

    scene2x(play)


def test_a_reservation_that_the_station_gives_up_is_told_to_a_person(scene2x):
    """Proves: TC_H_20_CSMS"""

    async def play(scene):
        key = await scene.reserved()
        await scene.status(1, "Reserved")
        await scene.status(1, "Faulted")
        told = {"reservationId": 1, "reservationUpdateStatus": "Removed"}
        assert await scene.charger.call("ReservationStatusUpdate", told) == {}
        await scene.becomes(key, State.REMOVED)
        await eventually(lambda: scene.alarm("reservation-lost", key))

    scene2x(play)


def test_a_station_that_takes_no_reservations_says_so(scene2x):
    """Proves: TC_H_22_CSMS"""

    async def play(scene):
        scene.charger.answers["ReserveNow"] = lambda _: {"status": "Rejected"}
        result = await scene.reserve()
        assert result.state is CommandState.REJECTED
        assert result.reason == "the charger takes no reservations"

    scene2x(play)


def test_21_a_card_that_came_without_a_session_is_no_no_show(run, tmp_path):
    async def play():
        async with staged(tmp_path, "2.1") as scene:
            key = await scene.reserved()
            told = {"reservationId": 1, "reservationUpdateStatus": "NoTransaction"}
            await scene.charger.call("ReservationStatusUpdate", told)
            view = await scene.view(key)
            assert (view.state, view.no_shows) == (State.NOT_CHARGED, 0)

    run(play())


def test_a_station_can_not_end_anothers_reservation(scene2x):
    async def play(scene):
        key = await scene.reserved()
        async with scene.site.charger("CP-02", scene.charger.version) as other:
            boot = {"reason": "PowerUp", "chargingStation": {"vendorName": "T", "model": "W"}}
            await other.call("BootNotification", boot)
            told = {"reservationId": 1, "reservationUpdateStatus": "Removed"}
            assert await other.call("ReservationStatusUpdate", told) == {}
        assert (await scene.view(key)).state is State.HELD

    scene2x(play)


def test_a_reservation_is_used_by_an_update_that_names_it(scene2x):
    async def play(scene):
        key = await scene.reserved()
        event = {
            "eventType": "Started",
            "timestamp": instant(scene.clock.now()),
            "triggerReason": "CablePluggedIn",
            "seqNo": 0,
            "transactionInfo": {"transactionId": "tx-1"},
            "evse": {"id": 1, "connectorId": 1},
        }
        await scene.charger.call("TransactionEvent", event)
        assert (await scene.view(key)).state is State.HELD
        event |= {"eventType": "Updated", "triggerReason": "Authorized", "seqNo": 1}
        answer = await scene.charger.call(
            "TransactionEvent", {**event, "idToken": CARD, "reservationId": 1}
        )
        assert answer["idTokenInfo"]["status"] == "Accepted"
        await scene.becomes(key, State.USED)

    scene2x(play)


def test_another_card_on_a_session_without_one_is_kept_out_too(scene2x):
    async def play(scene):
        await scene.reserved()
        event = {
            "eventType": "Started",
            "timestamp": instant(scene.clock.now()),
            "triggerReason": "CablePluggedIn",
            "seqNo": 0,
            "transactionInfo": {"transactionId": "tx-1"},
            "evse": {"id": 1, "connectorId": 1},
        }
        await scene.charger.call("TransactionEvent", event)
        event |= {"eventType": "Updated", "triggerReason": "Authorized", "seqNo": 1}
        token = {"idToken": "CARD0002", "type": "ISO14443"}
        answer = await scene.charger.call("TransactionEvent", {**event, "idToken": token})
        assert answer["idTokenInfo"]["status"] == "NotAtThisTime"

    scene2x(play)
