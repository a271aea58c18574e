"""What the API and HQ may ask for in pages, newest first; answered by `controller.query`."""

from dataclasses import dataclass


class Query:
    """What `controller.query` takes. Each block brings its own beside its values."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class TransactionsQuery(Query):
    """Transactions; `active` None: both running and ended."""

    limit: int = 50
    cursor: str | None = None
    active: bool | None = None


@dataclass(frozen=True, slots=True)
class AlarmsQuery(Query):
    """Alarms, cleared ones too."""

    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class TokensQuery(Query):
    """Tokens the site knows."""

    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class JournalQuery(Query):
    """OCPP frames; `text` is searched in the frame, caseless."""

    limit: int = 50
    cursor: str | None = None
    station_id: str | None = None
    action: str | None = None
    text: str | None = None
