"""What both doors do with a file that a station brings: bound it, keep it, tell of it, once."""

import logging
from collections.abc import Callable

from sitecontroller.domain.files import TransferScheme, clean_name
from sitecontroller.fileserver.depot import Depot, Part
from sitecontroller.fileserver.tickets import Ticket, Tickets
from sitecontroller.ports import FileArrived, FileEvent, FileFetched

log = logging.getLogger(__name__)

Tell = Callable[[FileEvent], None]


class Intake:
    """The depot and the tickets as a door sees them. `tell` may be called from any thread."""

    def __init__(self, depot: Depot, tickets: Tickets, tell: Tell) -> None:
        self.depot = depot
        self.tickets = tickets
        self._tell = tell

    def begin(self, ticket: Ticket) -> "Upload":
        """Raises NoRoom."""
        return Upload(self, ticket, self.depot.part(ticket.name, ticket.size_max_bytes))

    def arrived(self, ticket: Ticket, part: Part, file_name: str, scheme: TransferScheme) -> bool:
        """Keep a whole file, unless another came first under the same ticket. Raises OSError."""
        if part.size_bytes == 0 or not self.tickets.take(ticket):
            part.discard()
            return False
        try:
            stored = part.finish()
        except OSError:
            ticket.done = False  # it may be brought again
            raise
        log.info("file server: a file came size=%d B by=%s", stored.size_bytes, scheme)
        self._tell(FileArrived(ticket.token, stored, clean_name(file_name, ""), scheme))
        return True

    def fetched(self, ticket: Ticket, scheme: TransferScheme) -> None:
        """Its last byte has gone out."""
        self._tell(FileFetched(ticket.token, scheme))


class Upload:
    """One try to bring a file."""

    def __init__(self, intake: Intake, ticket: Ticket, part: Part) -> None:
        self._intake = intake
        self._ticket = ticket
        self._part = part

    @property
    def size_bytes(self) -> int:
        """So far."""
        return self._part.size_bytes

    def write(self, data: bytes) -> None:
        """Raises TooLarge, NoRoom or another OSError."""
        self._part.write(data)
        self._ticket.moved_bytes = max(self._ticket.moved_bytes, self._part.size_bytes)

    def finish(self, file_name: str, scheme: TransferScheme) -> bool:
        """It is whole; False: empty, or another came first. Raises OSError."""
        return self._intake.arrived(self._ticket, self._part, file_name, scheme)

    def discard(self) -> None:
        """It ended before its time."""
        self._part.discard()
