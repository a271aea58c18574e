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
    """Hands each event to everyone who wants its kind, in the order they subscribed."""

    def __init__(self) -> None:
        self._subscribers: list[tuple[Subscriber, tuple[type, ...]]] = []
        self._of_kind: dict[type, tuple[Subscriber, ...]] = {}

    def subscribe(self, subscriber: Subscriber, *kinds: type) -> Callable[[], None]:
        """Add a subscriber to events of these kinds (none: all); the returned function takes it
        out again."""
        entry = subscriber, kinds
        self._subscribers.append(entry)
        self._of_kind.clear()

        def unsubscribe() -> None:
            if entry in self._subscribers:
                self._subscribers.remove(entry)
                self._of_kind.clear()

        return unsubscribe

    def publish(self, event: Event) -> None:
        """Tell everyone."""
        kind = type(event)
        subscribers = self._of_kind.get(kind)
        if subscribers is None:
            subscribers = self._of_kind[kind] = tuple(
                subscriber for subscriber, kinds in self._subscribers if not kinds or kind in kinds
            )
        for subscriber in subscribers:
            try:
                subscriber(event)
            except Exception:
                log.exception("publisher: a subscriber failed on %s", type(event).__name__)
