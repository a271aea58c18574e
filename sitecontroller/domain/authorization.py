"""Who may charge: tokens and the answer to "may this one?"."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sitecontroller.domain.topology import ServiceClass


class IdTokenType(StrEnum):
    """OCPP 2.0.1 IdTokenEnumType."""

    CENTRAL = "Central"
    E_MAID = "eMAID"
    ISO14443 = "ISO14443"
    ISO15693 = "ISO15693"
    KEY_CODE = "KeyCode"
    LOCAL = "Local"
    MAC_ADDRESS = "MacAddress"
    NO_AUTHORIZATION = "NoAuthorization"


@dataclass(frozen=True, slots=True)
class IdToken:
    """A card number or other proof of identity, as the station sent it, control characters out."""

    id_token: str
    type: IdTokenType = IdTokenType.ISO14443


class AuthorizationStatus(StrEnum):
    """OCPP 2.0.1 AuthorizationStatusEnumType, as far as a site decides it."""

    ACCEPTED = "Accepted"
    BLOCKED = "Blocked"
    EXPIRED = "Expired"
    INVALID = "Invalid"
    UNKNOWN = "Unknown"
    CONCURRENT_TX = "ConcurrentTx"
    NOT_AT_THIS_TIME = "NotAtThisTime"
    """The place is reserved for another card."""


@dataclass(frozen=True, slots=True)
class Authorization:
    """The answer for one token."""

    status: AuthorizationStatus
    expires_at: datetime | None = None
    parent_id_token: str | None = None

    @property
    def accepted(self) -> bool:
        """Whether this token may charge now."""
        return self.status is AuthorizationStatus.ACCEPTED


class TokenHolder(StrEnum):
    """Who carries a token: decides who is first on a station's local list."""

    STAFF = "staff"
    RESIDENT = "resident"
    GUEST = "guest"


class Whitelist(StrEnum):
    """Whether a station may accept a token by itself (OCPI 2.2.1 WhitelistType).

    `ALLOWED` ones come on a station's list when they are used there; `NEVER` ones are always asked
    for here.
    """

    ALWAYS = "always"
    ALLOWED = "allowed"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """A token the site knows. `transactions_max` None: any number at once.

    `service_class` None: that of its group (the token `parent_id_token`), or of the EVSE.
    """

    id_token: str
    type: IdTokenType
    label: str = ""
    parent_id_token: str | None = None
    blocked: bool = False
    expires_at: datetime | None = None
    transactions_max: int | None = 1
    holder: TokenHolder = TokenHolder.GUEST
    whitelist: Whitelist = Whitelist.ALWAYS
    service_class: ServiceClass | None = None


def authorize(record: TokenRecord | None, at: datetime, active_transactions: int) -> Authorization:
    """Decide for a token at an instant; `active_transactions` run on it elsewhere right now."""
    if record is None:
        return Authorization(AuthorizationStatus.INVALID)
    status = AuthorizationStatus.ACCEPTED
    if record.blocked:
        status = AuthorizationStatus.BLOCKED
    elif record.expires_at is not None and record.expires_at <= at:
        status = AuthorizationStatus.EXPIRED
    elif record.transactions_max is not None and active_transactions >= record.transactions_max:
        status = AuthorizationStatus.CONCURRENT_TX
    return Authorization(status, record.expires_at, record.parent_id_token)
