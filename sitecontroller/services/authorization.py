"""May this card charge? Decided from the site's own tokens, online or not."""

from datetime import datetime

from sitecontroller.domain.authorization import Authorization, IdToken, authorize
from sitecontroller.ports import Clock, Store, UnitOfWork


class AuthorizationService:
    """Answers Authorize requests; a start decides again inside its own commit."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def authorize(self, station_id: str, id_token: IdToken) -> Authorization:
        """Decide for a token shown at `station_id`, which may be stopping its own transaction:
        a running one there doesn't count against it."""
        return await self._store.read(authorize_at, station_id, id_token, self._clock.now())


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
            and transaction.id_token.id_token.casefold() == id_token.id_token.casefold()
        )
    return authorize(tx.token(id_token.id_token), at, running)
