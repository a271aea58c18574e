"""May this card charge? The station's own session on it never counts against it."""

from datetime import timedelta

import pytest

from sitecontroller.domain.authorization import (
    AuthorizationStatus,
    IdToken,
    IdTokenType,
    TokenRecord,
)
from sitecontroller.domain.topology import Topology
from sitecontroller.domain.transaction import Transaction, TransactionState
from sitecontroller.publisher import Publisher
from sitecontroller.services.authorization import AuthorizationService
from sitecontroller.storage.store import Store
from tests.contract.fakes import START, HandClock

CARD = "04a1b2c3"
KNOWN = TokenRecord(CARD, IdTokenType.ISO14443)


def running(station_id, shown):
    return Transaction(
        key=f"T-{station_id}",
        station_id=station_id,
        evse_id=1,
        connector_id=1,
        station_transaction_id="1",
        state=TransactionState.ACTIVE,
        authorization_status=AuthorizationStatus.ACCEPTED,
        started_at=START,
        start_received_at=START,
        id_token=IdToken(shown),
    )


@pytest.fixture
def decided(run, tmp_path):
    """`decided(shown, …)` is the answer at CP-01, and for which stations room was made."""

    async def staged(shown, transactions, card):
        store = await Store.open(tmp_path / "site.db", HandClock())
        room_for = []

        async def make_room(station_id):
            room_for.append(station_id)

        try:
            if card is not None:
                await store.commit(lambda tx: tx.put_token(card))
            for transaction in transactions:
                await store.commit(lambda tx, row=transaction: tx.add_transaction(row))
            service = AuthorizationService(
                Topology({}, {}, {}), store, HandClock(), Publisher(), make_room
            )
            answer = await service.authorize("CP-01", IdToken(shown))
            return answer.status, room_for
        finally:
            await store.close()

    def decide(shown, *transactions, card=KNOWN):
        return run(staged(shown, transactions, card))

    return decide


@pytest.mark.parametrize("shown", [CARD, "04A1B2C3", " 04A1b2c3 "])
@pytest.mark.parametrize("used", [CARD, "04A1B2C3", " 04A1B2C3"])
def test_a_card_may_stop_its_own_session_however_it_is_written(decided, shown, used):
    status, room_for = decided(shown, running("CP-01", used))
    assert status is AuthorizationStatus.ACCEPTED
    assert room_for == ["CP-01"]


def test_a_card_in_use_elsewhere_is_refused_and_no_room_is_made(decided):
    status, room_for = decided(CARD, running("CP-02", CARD))
    assert status is AuthorizationStatus.CONCURRENT_TX
    assert room_for == []


@pytest.mark.parametrize(
    ("card", "status"),
    [
        (None, AuthorizationStatus.INVALID),
        (TokenRecord(CARD, IdTokenType.ISO14443, blocked=True), AuthorizationStatus.BLOCKED),
        (
            TokenRecord(CARD, IdTokenType.ISO14443, expires_at=START - timedelta(days=1)),
            AuthorizationStatus.EXPIRED,
        ),
    ],
)
def test_a_card_that_is_no_good_is_told_why(decided, card, status):
    assert decided(CARD, card=card) == (status, [])
