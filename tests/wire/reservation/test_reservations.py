"""Reservations over a real socket, the same story in every version: told to the station, kept over
time and restarts, used by the right card, refused to others."""

from datetime import timedelta

import pytest

from sitecontroller.domain.authorization import IdTokenType, TokenRecord
from sitecontroller.domain.commands import CommandState
from sitecontroller.domain.errors import Conflict, InvalidInput, NotFound, StationOffline
from sitecontroller.domain.reservation import CancelReservation, ReservationState, ReserveEvse
from sitecontroller.services import reservation_keeping
from tests.support import eventually
from tests.wire.reservation.scenes import HOUR_S, staged
from tests.wire.site import boot16, boot201, instant, running_site
from tests.wire.transactions.scenes import start

State = ReservationState
NUMBER = {"1.6": "reservationId", "2.0.1": "id", "2.1": "id"}


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr(reservation_keeping, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(reservation_keeping, "READY_AFTER_S", 0.02)


@pytest.fixture(params=["1.6", "2.0.1", "2.1"])
def version(request):
    return request.param


@pytest.fixture
def scene(run, tmp_path, version):
    async def play_it(play):
        async with staged(tmp_path, version) as scene:
            await play(scene)

    return lambda play: run(play_it(play))


async def begin(scene, card: str, evse_id: int = 1, **more):
    """A session begins at an EVSE; the card's status."""
    if scene.charger.version == "1.6":
        fields = {"reservationId": more["number"]} if "number" in more else {}
        payload = start(card=card, connector=evse_id, timestamp=instant(scene.clock.now()))
        answer = await scene.charger.call("StartTransaction", {**payload, **fields})
        return answer["idTagInfo"]["status"]
    fields = {"reservationId": more["number"]} if "number" in more else {}
    answer = await scene.charger.call(
        "TransactionEvent",
        {
            "eventType": "Started",
            "timestamp": instant(scene.clock.now()),
            "triggerReason": "Authorized",
            "seqNo": 0,
            "transactionInfo": {"transactionId": f"tx-{card}-{evse_id}"},
            "evse": {"id": evse_id, "connectorId": 1},
            "idToken": {"idToken": card, "type": "ISO14443"},
            **fields,
        },
    )
    return answer["idTokenInfo"]["status"]


async def authorized(scene, card: str) -> str:
    if scene.charger.version == "1.6":
        return (await scene.charger.call("Authorize", {"idTag": card}))["idTagInfo"]["status"]
    token = {"idToken": card, "type": "ISO14443"}
    answer = await scene.charger.call("Authorize", {"idToken": token})
    return answer["idTokenInfo"]["status"]


def kept_out(version: str) -> str:
    return "Invalid" if version == "1.6" else "NotAtThisTime"


def test_a_reservation_is_told_to_the_station_and_shows(scene):
    async def play(scene):
        ends_at = scene.after(HOUR_S)
        result = await scene.reserve(ends_at=ends_at)
        assert result.state is CommandState.ACCEPTED
        (asked,) = scene.charger.asked_for("ReserveNow")
        assert asked[NUMBER[scene.charger.version]] == 1
        await scene.status(1, "Reserved")

        def effective() -> bool:
            later = scene.controller.command_result(result.command_id)
            return later is not None and later.state is CommandState.EFFECTIVE

        await eventually(effective)
        station = scene.controller.station_view("CP-01")
        assert station.evses[0].activity == "reserved"
        (view,) = await scene.views()
        assert (view.state, view.evse_id, view.id_token) == (State.HELD, 1, "…0001")

    scene(play)


def test_a_station_that_shows_nothing_is_told_of(scene, monkeypatch):
    monkeypatch.setattr(reservation_keeping, "EFFECT_WITHIN_S", 0.05)

    async def play(scene):
        result = await scene.reserve()

        def ineffective() -> bool:
            later = scene.controller.command_result(result.command_id)
            return later is not None and later.state is CommandState.INEFFECTIVE

        await eventually(ineffective)

    scene(play)


def test_the_right_card_uses_it(scene):
    async def play(scene):
        key = await scene.reserved()
        assert await authorized(scene, "CARD0001") == "Accepted"
        assert await begin(scene, "CARD0001", number=1) == "Accepted"
        used = await scene.becomes(key, State.USED)
        row = await scene.site.row()
        assert used.transaction_key == row.key

    scene(play)


def test_a_card_of_the_same_group_uses_it_even_without_its_number(scene):
    async def play(scene):
        key = await scene.reserved("FAM00001")
        assert await begin(scene, "FAM00002") == "Accepted"
        await scene.becomes(key, State.USED)

    scene(play)


def test_another_card_is_refused_on_a_reserved_evse_and_not_on_the_next(scene, version):
    async def play(scene):
        key = await scene.reserved()
        assert await authorized(scene, "CARD0002") == "Accepted", "EVSE 2 is free"
        assert await begin(scene, "CARD0002", 1) == kept_out(version)
        assert await begin(scene, "CARD0003", 2) == "Accepted"
        assert (await scene.view(key)).state is State.HELD
        rows = await scene.site.rows()
        assert [row.may_charge for row in rows] == [False, True]

    scene(play)


def test_a_card_is_refused_at_a_station_of_which_every_evse_is_anothers(scene, version):
    async def play(scene):
        await scene.reserved("CARD0001", evse_id=1)
        await scene.reserved("CARD0002", evse_id=2)
        assert await authorized(scene, "CARD0003") == kept_out(version)
        assert await authorized(scene, "CARD0002") == "Accepted"

    scene(play)


def test_a_reservation_that_nobody_uses_runs_out_by_our_clock_and_counts(scene):
    async def play(scene):
        key = await scene.reserved()
        scene.clock.forward(HOUR_S + 1)
        view = await scene.becomes(key, State.NO_SHOW)
        assert view.no_shows == 1
        assert await begin(scene, "CARD0002") == "Accepted"

    scene(play)


def test_a_station_whose_clock_is_behind_is_told_that_it_ran_out(scene):
    async def play(scene):
        await scene.reserved()
        await scene.status(1, "Reserved")
        scene.clock.forward(HOUR_S + 1)
        await eventually(lambda: scene.charger.asked_for("CancelReservation"))

    scene(play)


def test_a_cancelled_reservation_is_cancelled_at_the_station(scene):
    async def play(scene):
        key = await scene.reserved()
        result = await scene.controller.execute(CancelReservation(key))
        assert result.state is CommandState.EFFECTIVE
        assert scene.charger.asked_for("CancelReservation") == [{"reservationId": 1}]
        assert (await scene.view(key)).state is State.CANCELLED
        assert await begin(scene, "CARD0002") == "Accepted"
        with pytest.raises(Conflict):
            await scene.controller.execute(CancelReservation(key))

    scene(play)


def test_a_station_away_learns_of_the_cancellation_when_it_is_back(run, tmp_path, version):
    async def play():
        async with staged(tmp_path, version) as scene:
            key = await scene.reserved()
            await scene.charger.socket.close()
            await eventually(lambda: scene.site.site.services.stations.link("CP-01") is None)
            result = await scene.controller.execute(CancelReservation(key))
            assert result.state is CommandState.ACCEPTED
            assert (await scene.view(key)).state is State.CANCELLED
            async with scene.site.charger(version=version) as back:
                await (boot16 if version == "1.6" else boot201)(back)
                await eventually(lambda: back.asked_for("CancelReservation"))
                assert back.asked_for("CancelReservation") == [{"reservationId": 1}]

    run(play())


def test_a_station_that_restarted_is_told_again(run, tmp_path, version):
    async def play():
        async with staged(tmp_path, version) as scene:
            key = await scene.reserved()
            await scene.charger.socket.close()
            async with scene.site.charger(version=version) as back:
                await (boot16 if version == "1.6" else boot201)(back)
                await eventually(lambda: back.asked_for("ReserveNow"))
                (asked,) = back.asked_for("ReserveNow")
                assert asked[NUMBER[version]] == 1
                assert (await scene.view(key)).state is State.HELD

    run(play())


def test_our_own_restart_forgets_no_reservation(run, tmp_path, version):
    async def first():
        async with staged(tmp_path, version) as scene:
            return await scene.reserved()

    async def second(key):
        async with staged(tmp_path, version, planted=True) as scene:
            assert (await scene.view(key)).state is State.HELD
            assert await begin(scene, "CARD0002") == kept_out(version)
            await eventually(lambda: scene.charger.asked_for("ReserveNow"))
            next_number = await scene.reserved("CARD0002", evse_id=2)
            assert next_number != key
            numbers = [asked[NUMBER[version]] for asked in scene.charger.asked_for("ReserveNow")]
            assert sorted(numbers) == [1, 2]

    run(second(run(first())))


def test_a_later_reservation_is_told_when_its_time_comes(scene):
    async def play(scene):
        starts_at = scene.after(HOUR_S)
        key = await scene.reserved(starts_at=starts_at, ends_at=starts_at + timedelta(hours=1))
        assert (await scene.view(key)).state is State.PLANNED
        assert scene.charger.asked_for("ReserveNow") == []
        assert await authorized(scene, "CARD0002") == "Accepted"
        scene.clock.forward(HOUR_S + 1)
        await scene.becomes(key, State.HELD)
        assert len(scene.charger.asked_for("ReserveNow")) == 1

    scene(play)


def test_a_planned_reservation_waits_for_the_car_before_it(scene):
    async def play(scene):
        starts_at = scene.after(60)
        key = await scene.reserved(starts_at=starts_at, ends_at=starts_at + timedelta(hours=1))
        await scene.status(1, "Occupied" if scene.charger.version != "1.6" else "Charging")
        scene.clock.forward(61)
        await eventually(lambda: scene.alarm("reservation-unmet", key))
        assert scene.alarm("reservation-unmet", key).text == (
            "CP-01/1 is reserved for card …0001 from now, but EVSE 1 has a car"
        )
        assert scene.charger.asked_for("ReserveNow") == []
        await scene.status(1, "Available")
        await scene.becomes(key, State.HELD)
        await eventually(lambda: scene.alarm("reservation-unmet", key).cleared_at is not None)

    scene(play)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("Occupied", "EVSE 1 has a car"),
        ("Faulted", "EVSE 1 has a fault"),
        ("Unavailable", "EVSE 1 is out of service"),
    ],
)
def test_what_stands_against_a_reservation_is_said_in_words(scene, status, words):
    async def play(scene):
        occupied = "Preparing" if scene.charger.version == "1.6" else "Occupied"
        await scene.status(1, occupied if status == "Occupied" else status)
        with pytest.raises(Conflict) as refused:
            await scene.reserve()
        assert refused.value.detail == words
        assert scene.charger.asked_for("ReserveNow") == []

    scene(play)


def test_two_reservations_never_overlap_on_one_evse(scene):
    async def play(scene):
        await scene.reserved()
        with pytest.raises(Conflict) as refused:
            await scene.reserve("CARD0002", starts_at=scene.after(1800), ends_at=scene.after(7200))
        assert "EVSE 1 is reserved for card …0001" in refused.value.detail
        await scene.reserved(
            "CARD0002", starts_at=scene.after(HOUR_S + 10), ends_at=scene.after(2 * HOUR_S)
        )

    scene(play)


@pytest.mark.parametrize("status", ["Occupied", "Faulted", "Unavailable", "Rejected"])
def test_a_refusal_of_the_station_is_told_and_keeps_nobody_out(scene, status):
    async def play(scene):
        scene.charger.answers["ReserveNow"] = lambda _: {"status": status}
        result = await scene.reserve()
        assert result.state is CommandState.REJECTED
        assert result.reason == reservation_keeping.REFUSALS[status]
        (view,) = await scene.views()
        assert view.state is State.REFUSED
        assert await begin(scene, "CARD0002") == "Accepted"

    scene(play)


def test_a_station_without_reservations_is_told_of_as_such(scene):
    async def play(scene):
        scene.charger.errors["ReserveNow"] = "NotImplemented"
        result = await scene.reserve()
        assert result.state is CommandState.REJECTED
        assert "has no ReserveNow" in result.reason

    scene(play)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"card": "STRANGER"}, "id_token"),
        ({"card": "BLOCKED1"}, "id_token"),
        ({"card": "OLD00001"}, "id_token"),
        ({"evse_id": 7}, "evse_id"),
        ({"connector_type": "cCCS2"}, "connector_type"),
        ({"ends_at": -10.0}, "ends_at"),
        ({"starts_at": 7200.0}, "ends_at"),
        ({"starts_at": 40 * 86400.0, "ends_at": 40 * 86400.0 + 60}, "starts_at"),
        ({"ends_at": 3 * 86400.0}, "ends_at"),
    ],
)
def test_a_reservation_that_can_not_be_is_refused_by_its_field(run, tmp_path, fields, field):
    async def play():
        async with staged(tmp_path, "1.6") as scene:
            kind = IdTokenType.ISO14443
            for record in (
                TokenRecord("BLOCKED1", kind, blocked=True),
                TokenRecord("OLD00001", kind, expires_at=scene.after(1)),
            ):
                await scene.controller.put_token(record)
            scene.clock.forward(2)
            given = {
                name: scene.after(value) if name.endswith("_at") else value
                for name, value in fields.items()
            }
            with pytest.raises(InvalidInput) as refused:
                await scene.reserve(**given)
            assert [error.field for error in refused.value.errors] == [field]
            assert scene.charger.asked_for("ReserveNow") == []

    run(play())


def test_unknown_reservations_and_stations_are_named(run, tmp_path):
    async def play():
        async with running_site(tmp_path) as site:
            controller = site.site.controller
            with pytest.raises(NotFound):
                await controller.execute(CancelReservation("nothing"))
            later = site.site.services.clock.now() + timedelta(hours=1)
            with pytest.raises(NotFound):
                await controller.execute(ReserveEvse("CP-99", "CARD0001", later, 1))
            with pytest.raises(StationOffline):
                await controller.execute(ReserveEvse("CP-01", "CARD0001", later, 1))

    run(play())
