"""Whose session it is when words about its card come late, in disorder or with a wrong clock."""

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from sitecontroller.domain.authorization import AuthorizationStatus, IdTokenType, TokenRecord
from sitecontroller.domain.commands import StartTransaction
from sitecontroller.domain.errors import InvalidInput
from sitecontroller.domain.reservation import ReservationQuery, ReservationState, ReserveEvse
from sitecontroller.domain.smart import StartLimited
from sitecontroller.domain.transaction import TransactionFlag
from tests.support import eventually
from tests.wire.site import TARIFF, boot16, boot201, instant, running_site
from tests.wire.transactions.test_cards_2x import CARDS, token
from tests.wire.transactions.test_transactions_201 import event

Flag = TransactionFlag


@pytest.fixture
def scene(run, tmp_path):
    """`scene(play, version)` runs `await play(site, charger)` with blocked and expired cards."""

    async def staged(play, version, policy):
        async with (
            running_site(tmp_path, offline=policy) as site,
            site.charger(version=version) as charger,
        ):
            for card in CARDS:
                await site.site.controller.put_token(card)
            await (boot16 if version == "1.6" else boot201)(charger)
            await play(site, charger)

    return lambda play, version="2.0.1", **policy: run(staged(play, version, policy))


def bare_start(**more):
    """A start without a card: the cable came first."""
    began = event("Started", 0, 1000, triggerReason="CablePluggedIn", **more)
    del began["idToken"]
    return began


def test_a_start_without_a_card_that_comes_late_frees_no_blocked_card(scene):
    async def play(site, charger):
        shown = event("Updated", 1, 1100, idToken=token("BLOCKED1"), evse={"id": 1})
        answer = await charger.call("TransactionEvent", shown)
        assert answer["idTokenInfo"]["status"] == "Blocked"
        await charger.call("TransactionEvent", bare_start())
        row = await site.row()
        assert row.authorization_status is AuthorizationStatus.BLOCKED
        assert not row.may_charge
        assert Flag.REFUSED_TOKEN in row.flags

    scene(play)


@pytest.mark.parametrize(("card", "refused"), [("BLOCKED1", True), ("CARD0001", False)])
def test_a_start_that_comes_late_says_whether_its_card_was_refused(scene, card, refused):
    async def play(site, charger):
        await charger.call("TransactionEvent", event("Updated", 1, 1100, evse={"id": 1}))
        await charger.call("TransactionEvent", event("Started", 0, 1000, idToken=token(card)))
        row = await site.row()
        assert (Flag.REFUSED_TOKEN in row.flags) is refused
        assert row.may_charge is not refused

    scene(play)


def test_a_start_that_comes_late_with_a_good_card_is_no_refused_one(scene):
    async def play(site, charger):
        shown = event("Updated", 1, 1100, idToken=token("BLOCKED1"), evse={"id": 1})
        await charger.call("TransactionEvent", shown)
        await charger.call("TransactionEvent", event("Started", 0, 1000))
        row = await site.row()
        assert row.id_token.id_token == "CARD0001"
        assert row.may_charge
        assert Flag.REFUSED_TOKEN not in row.flags

    scene(play)


def reserve(site, card="CARD0001"):
    ends_at = datetime.now(UTC) + timedelta(hours=1)
    return site.site.controller.execute(ReserveEvse("CP-01", card, ends_at, evse_id=1))


def now_event(kind, seq_no, **more):
    return {**event(kind, seq_no, **more), "timestamp": instant()}


def test_a_third_card_does_not_take_over_a_reserved_evse_from_a_refused_one(scene):
    async def play(site, charger):
        await reserve(site)
        for seq_no, (kind, card) in enumerate((("Started", "CARD0002"), ("Updated", "CARD0003"))):
            shown = now_event(kind, seq_no, idToken=token(card))
            answer = await charger.call("TransactionEvent", shown)
            assert answer["idTokenInfo"]["status"] == "NotAtThisTime"
        assert not (await site.row()).may_charge

    scene(play)


@pytest.mark.parametrize("late", [True, False])
def test_a_reservation_is_used_though_the_start_was_lost_or_late(scene, late):
    async def play(site, charger):
        key = (await reserve(site)).answer["reservation_key"]
        events = [now_event("Updated", 1, idToken=token("CARD0001"), evse={"id": 1})]
        if late:
            del events[0]["idToken"]
            events.append(now_event("Started", 0, reservationId=1))
        for said in events:
            await charger.call("TransactionEvent", said)

        async def used():
            view = await site.site.controller.query(ReservationQuery(key))
            return view.state is ReservationState.USED

        await eventually(used)

    scene(play)


DAY = 24 * 60


def test_a_clock_that_is_ahead_sells_at_the_price_of_now_to_cards_that_are_valid_now(scene):
    async def play(site, charger):
        tomorrow = datetime.now(UTC) + timedelta(hours=12)
        dearer = dataclasses.replace(TARIFF, version=2, valid_from=tomorrow)
        await site.site.store.commit(lambda tx: tx.add_tariff(dearer))
        await site.site.controller.put_token(
            TokenRecord("CARD0001", IdTokenType.ISO14443, expires_at=tomorrow)
        )
        began = event("Started", 0, 1000, minutes=DAY)
        answer = await charger.call("TransactionEvent", began)
        assert answer["idTokenInfo"]["status"] == "Accepted"
        assert (await site.row()).tariff == TARIFF

    scene(play)


def test_a_clock_that_is_behind_makes_no_expired_card_good(scene):
    async def play(site, charger):
        began = event("Started", 0, 1000, idToken=token("EXPIRED1"), minutes=-3 * DAY)
        answer = await charger.call("TransactionEvent", began)
        assert answer["idTokenInfo"]["status"] == "Expired"

    scene(play)


def test_a_card_that_was_good_when_it_charged_without_contact_is_good(scene):
    async def play(site, charger):
        began = event("Started", 0, 1000, idToken=token("EXPIRED1"), minutes=-3 * DAY)
        answer = await charger.call("TransactionEvent", {**began, "offline": True})
        assert answer["idTokenInfo"]["status"] == "Accepted"

    scene(play)


def test_a_card_refused_with_contact_is_reviewed_though_its_stop_comes_late(scene):
    """The cap is for cards that nobody could ask about."""

    async def play(site, charger):
        began = event("Started", 0, 1000, idToken=token("STRANGER"))
        await charger.call("TransactionEvent", began)
        await charger.call("TransactionEvent", event("Ended", 1, 5000, offline=True))
        row = await site.row()
        assert Flag.REFUSED_TOKEN in row.flags
        assert site.site.controller.alarm_view(f"transaction-review:{row.key}") is not None

    scene(play, unknown_cards=True, amount_max=50)


@pytest.mark.parametrize(("version", "group"), [("1.6", "G" * 21), ("2.0.1", "G" * 37)])
def test_a_group_too_long_for_a_station_is_left_out_not_cut_to_anothers(scene, version, group):
    async def play(site, charger):
        await site.site.controller.put_token(
            TokenRecord("CARD0001", IdTokenType.ISO14443, parent_id_token=group)
        )
        shown = {"idTag": "CARD0001"} if version == "1.6" else {"idToken": token("CARD0001")}
        (info,) = (await charger.call("Authorize", shown)).values()
        assert info == {"status": "Accepted"}
        await reserve(site)
        (asked,) = charger.asked_for("ReserveNow")
        assert not {"parentIdTag", "groupIdToken"} & asked.keys()

    scene(play, version)


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
@pytest.mark.parametrize("card", ["BLOCKED1", "expired1"])
@pytest.mark.parametrize("limited", [True, False])
def test_nobody_begins_a_session_from_afar_on_a_card_that_may_not_charge(
    scene, version, card, limited
):
    async def play(site, charger):
        plain = StartTransaction("CP-01", 1, card)
        with pytest.raises(InvalidInput):
            await site.site.controller.execute(
                StartLimited("CP-01", 1, card, 0) if limited else plain
            )
        assert not charger.asked_for("RequestStartTransaction")
        assert not charger.asked_for("RemoteStartTransaction")

    scene(play, version)
