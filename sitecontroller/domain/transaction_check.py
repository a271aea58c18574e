"""Asking a station what it still holds of a transaction, or of all (OCPP 2.x E14)."""

from dataclasses import dataclass

from sitecontroller.domain.commands import Command, StationRequest


@dataclass(frozen=True, slots=True)
class AskTransactionStatus(StationRequest):
    """GetTransactionStatus; None: of all transactions. The answer's body has "ongoing" and
    "queued": True, False, or None where the station doesn't say.

    `unasked`: no person waits for it.
    """

    station_transaction_id: str | None = None
    unasked: bool = False


@dataclass(frozen=True, slots=True)
class CheckTransaction(Command):
    """Ask the station whether a session still runs there, and whether it has more to tell of it.

    One that is over there, with nothing left to tell, is closed here too.
    """

    transaction_key: str


@dataclass(frozen=True, slots=True)
class CheckQueue(Command):
    """Ask a station whether it still has anything to tell of any session."""

    station_id: str
