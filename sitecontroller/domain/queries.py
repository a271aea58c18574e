"""What the API and HQ may ask for in pages, newest first; answered by `controller.query`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TransactionsQuery:
    """Transactions; `active` None: both running and ended."""

    limit: int = 50
    cursor: str | None = None
    active: bool | None = None


@dataclass(frozen=True, slots=True)
class AlarmsQuery:
    """Alarms, cleared ones too."""

    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class TokensQuery:
    """Tokens the site knows."""

    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class JournalQuery:
    """OCPP frames; `text` is searched in the frame, caseless."""

    limit: int = 50
    cursor: str | None = None
    station_id: str | None = None
    action: str | None = None
    text: str | None = None


Query = TransactionsQuery | AlarmsQuery | TokensQuery | JournalQuery
