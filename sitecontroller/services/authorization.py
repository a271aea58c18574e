"""May this card charge? Decided from the site's own tokens, online or not."""

import dataclasses
from collections.abc import Awaitable, Callable
from datetime import datetime

from sitecontroller.domain.authorization import (
    Authorization,
    AuthorizationStatus,
    IdToken,
    authorize,
)
from sitecontroller.domain.errors import FieldError, InvalidInput
from sitecontroller.domain.events import CardRefused
from sitecontroller.domain.ids import fold, masked
from sitecontroller.domain.topology import Topology
from sitecontroller.domain.transaction import Transaction
from sitecontroller.ports import Clock, Store, UnitOfWork
from sitecontroller.publisher import Publisher
from sitecontroller.services.emergency_rows import unless_stopped
from sitecontroller.services.reservation_rows import unless_reserved


class AuthorizationService:
    """Answers Authorize requests; a start decides again inside its own commit.

    `make_room` is awaited before a card is accepted: from then on the station may let a car draw.
    """

    def __init__(
        self,
        topology: Topology,
        store: Store,
        clock: Clock,
        publisher: Publisher,
        make_room: Callable[[str], Awaitable[object]],
    ) -> None:
        self._topology = topology
        self._store = store
        self._clock = clock
        self._publisher = publisher
        self._make_room = make_room

    async def authorize(self, station_id: str, id_token: IdToken) -> Authorization:
        """Decide for a token shown at `station_id`, which may be stopping its own transaction:
        a running one there doesn't count against it."""
        now = self._clock.now()
        authorization = await self._store.read(
            _authorize_to_begin, station_id, id_token, now, self._evse_ids(station_id)
        )
        if authorization.accepted:
            await self._make_room(station_id)
        else:
            refused = CardRefused(station_id, id_token.id_token, authorization.status, now)
            self._publisher.publish(refused)
        return authorization

    def _evse_ids(self, station_id: str) -> tuple[int, ...]:
        station = self._topology.stations.get(station_id)
        return () if station is None else tuple(evse.evse_id for evse in station.evses)


def _authorize_to_begin(
    tx: UnitOfWork, station_id: str, id_token: IdToken, at: datetime, evse_ids: tuple[int, ...]
) -> Authorization:
    """A card that runs a transaction here, or whose group does, may be stopping it: whatever is
    reserved, and whatever it runs elsewhere (Q29)."""
    authorization = authorize_at(tx, station_id, id_token, at)
    if _runs_here(tx, station_id, id_token):
        return authorization
    if any(in_group(item, authorization) for item in tx.open_transactions(station_id)):
        return may_stop(authorization)
    authorization = unless_stopped(tx, authorization, at)
    return unless_reserved(tx, authorization, station_id, None, id_token, at, evse_ids)


def authorize_at(
    tx: UnitOfWork, station_id: str | None, id_token: IdToken, at: datetime
) -> Authorization:
    """Decide inside a unit of work; transactions at `station_id` itself are left out."""
    running = tx.active_count(id_token.id_token)
    if station_id is not None and running:
        running -= _runs_here(tx, station_id, id_token)
    return authorize(tx.token(id_token.id_token), at, running)


async def check_usable(store: Store, id_token: str, at: datetime) -> None:
    """Nobody begins a session from afar on a card that may not charge: some stations don't ask.

    InvalidInput for a blocked or expired one; one that the site doesn't know is the station's to
    show, and told so then.
    """
    judged = await store.read(authorize_at, None, IdToken(id_token), at)
    if judged.status in (AuthorizationStatus.BLOCKED, AuthorizationStatus.EXPIRED):
        said = f"is {judged.status.value.lower()}"
        raise InvalidInput(
            f"Card {masked(id_token)} {said}: it can't charge",
            remedy="Use another card, or let this one in again",
            errors=(FieldError("id_token", said),),
        )


def in_group(transaction: Transaction, authorization: Authorization) -> bool:
    """Whether a card is of the group that a transaction runs on."""
    mine, its = authorization.parent_id_token, transaction.parent_id_token
    return mine is not None and its is not None and fold(mine) == fold(its)


def may_stop(authorization: Authorization) -> Authorization:
    """For a card of the group: its own session elsewhere doesn't count against it."""
    if authorization.status is not AuthorizationStatus.CONCURRENT_TX:
        return authorization
    return dataclasses.replace(authorization, status=AuthorizationStatus.ACCEPTED)


def _runs_here(tx: UnitOfWork, station_id: str, id_token: IdToken) -> int:
    """How many transactions at a station run on a card."""
    return sum(
        1
        for transaction in tx.open_transactions(station_id)
        if transaction.id_token is not None
        and fold(transaction.id_token.id_token) == fold(id_token.id_token)
    )
