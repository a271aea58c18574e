"""Tickets: who knows one may fetch one file, or bring one, for a while. Nothing else is served.

A ticket's token is 128 random bits. Tickets are looked up from the doors' threads and made and
withdrawn from the controller's, so the table has a lock and no call here waits for anything else.
"""

import re
import secrets
import threading
from dataclasses import dataclass

from sitecontroller.ports import Clock

TICKETS_MAX = 5000
LIFETIME_S = 60 * 86400.0
"""Beyond what any job may take; jobs withdraw theirs when they end."""
TOKEN = re.compile(r"[0-9a-f]{32}")


def new_token() -> str:
    """128 random bits, as a path, a user's name or a password may carry them."""
    return secrets.token_hex(16)


@dataclass(slots=True)
class Ticket:
    """One file that may be fetched (`brings` False) or brought. `name` is its own in the depot."""

    token: str
    name: str
    brings: bool
    file_name: str
    size_max_bytes: int
    ends_s: float
    """Monotonic."""
    moved_bytes: int = 0
    """The most that went over in one try; read by others for progress alone."""
    done: bool = False
    """A file was brought: the ticket is used up."""


class Tickets:
    """The tickets that are out; the oldest goes when there are too many."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_token: dict[str, Ticket] = {}
        self._lock = threading.Lock()

    def put(
        self, token: str, name: str, *, brings: bool, file_name: str, size_max_bytes: int
    ) -> None:
        """Give one out; one with the same token is replaced."""
        assert TOKEN.fullmatch(token), "a token is 128 bits in hex"
        ends_s = self._clock.monotonic_s() + LIFETIME_S
        ticket = Ticket(token, name, brings, file_name, size_max_bytes, ends_s)
        with self._lock:
            self._by_token.pop(token, None)
            self._by_token[token] = ticket
            while len(self._by_token) > TICKETS_MAX:
                del self._by_token[next(iter(self._by_token))]

    def withdraw(self, token: str) -> None:
        """It opens nothing any more. What is under way goes on to its end."""
        with self._lock:
            self._by_token.pop(token, None)

    def find(self, token: str, *, brings: bool) -> Ticket | None:
        """One that is valid for this now."""
        ticket = self.known(token)
        return ticket if ticket is not None and ticket.brings is brings else None

    def known(self, token: str) -> Ticket | None:
        """One that is valid now, for whatever."""
        with self._lock:
            ticket = self._by_token.get(token)
        if ticket is None or ticket.done or self._clock.monotonic_s() >= ticket.ends_s:
            return None
        return ticket

    def take(self, ticket: Ticket) -> bool:
        """Use it up for a file that was brought; False: another was quicker."""
        with self._lock:
            if ticket.done:
                return False
            ticket.done = True
            return True
