"""In-process publish and subscribe: the commit is done, now the others hear of it.

Subscribers are plain functions that return at once and may not veto: one that fails is logged and
the rest still hear the event.
"""

import logging
from collections.abc import Callable

from sitecontroller.domain.events import Event

Subscriber = Callable[[Event], None]

log = logging.getLogger(__name__)


class Publisher:
    """Hands each event to every subscriber, in the order they subscribed."""

    def __init__(self) -> None:
        self._subscribers: list[Subscriber] = []

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Add a subscriber; the returned function takes it out again."""
        self._subscribers.append(subscriber)

        def unsubscribe() -> None:
            if subscriber in self._subscribers:
                self._subscribers.remove(subscriber)

        return unsubscribe

    def publish(self, event: Event) -> None:
        """Tell everyone."""
        for subscriber in tuple(self._subscribers):
            try:
                subscriber(event)
            except Exception:
                log.exception("publisher: a subscriber failed on %s", type(event).__name__)
