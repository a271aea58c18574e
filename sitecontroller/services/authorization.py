"""May this card charge? Decided from the site's own tokens, online or not."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from sitecontroller.domain.authorization import Authorization, IdToken, authorize
from sitecontroller.domain.ids import fold
from sitecontroller.ports import Clock, Store, UnitOfWork


class AuthorizationService:
    """Answers Authorize requests; a start decides again inside its own commit.

    `make_room` is awaited before a card is accepted: from then on the station may let a car draw.
    """

    def __init__(
        self, store: Store, clock: Clock, make_room: Callable[[str], Awaitable[object]]
    ) -> None:
        self._store = store
        self._clock = clock
        self._make_room = make_room

    async def authorize(self, station_id: str, id_token: IdToken) -> Authorization:
        """Decide for a token shown at `station_id`, which may be stopping its own transaction:
        a running one there doesn't count against it."""
        authorization = await self._store.read(
            authorize_at, station_id, id_token, self._clock.now()
        )
        if authorization.accepted:
            await self._make_room(station_id)
        return authorization


def authorize_at(
    tx: UnitOfWork, station_id: str | None, id_token: IdToken, at: datetime
) -> Authorization:
    """Decide inside a unit of work; transactions at `station_id` itself are left out."""
    running = tx.active_count(id_token.id_token)
    if station_id is not None and running:
        running -= sum(
            1
            for transaction in tx.open_transactions(station_id)
            if transaction.id_token is not None
            and fold(transaction.id_token.id_token) == fold(id_token.id_token)
        )
    return authorize(tx.token(id_token.id_token), at, running)
