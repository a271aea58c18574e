"""What requests may carry, and the few answers that are no domain value.

Views need no model here: their schemas come from the domain's dataclasses. Every text has a
longest length and no control characters; unknown fields are refused, so that a misspelt one is
not silently ignored.
"""

import re
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import orjson
from fastapi import Header, Path, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StringConstraints

from sitecontroller.domain.authorization import (
    IdTokenType,
    TokenHolder,
    TokenRecord,
    Whitelist,
)
from sitecontroller.domain.commands import ResetType
from sitecontroller.domain.tariff import TariffTerms
from sitecontroller.domain.topology import ServiceClass
from sitecontroller.wire import parse_instant

PAGE_ITEMS = 50
PAGE_ITEMS_MAX = 500
EVSE_ID_MAX = 999
VARIABLES_MAX = 100
NESTING_MAX = 32
"""Levels of a raw OCPP payload; the deepest schema of OCPP 2.1 has 9."""

AMOUNT_MAX = 1000
"""No price per kWh or session reaches this."""

_AMOUNT = re.compile(r"[0-9]{1,4}(\.[0-9]{1,6})?")
_PRINTABLE = r"^[^\x00-\x1f\x7f]*$"
_STATION_ID = r"^[A-Za-z0-9*_=:+|@.-]{1,48}$"


def _instant(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError("write a time as RFC 3339, such as 2026-03-01T12:00:00Z")
    try:
        return parse_instant(value)
    except OverflowError as error:
        raise ValueError("this time is out of range") from error


def _shallow(value: object) -> object:
    """Refuse a payload nested deeper than NESTING_MAX, without recursion."""
    level: list[object] = [value]
    for _ in range(NESTING_MAX):
        level = [
            child
            for parent in level
            if isinstance(parent, dict | list)
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
        if not level:
            return value
    raise ValueError(f"nested deeper than {NESTING_MAX} levels")


def _decimal(value: object) -> Decimal:
    """Text or a JSON number, which stands for what was written, not for its binary neighbour."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise ValueError('write an amount such as "0.49"')
    if not _AMOUNT.fullmatch(str(value)):
        raise ValueError('write an amount such as "0.49", with at most 6 digits after the point')
    return Decimal(str(value))


Instant = Annotated[datetime, BeforeValidator(_instant)]
IdTokenText = Annotated[str, StringConstraints(min_length=1, max_length=36, pattern=_PRINTABLE)]
ShortText = Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=_PRINTABLE)]
Amount = Annotated[Decimal, BeforeValidator(_decimal), Field(ge=0, lt=AMOUNT_MAX)]
EvseNumber = Annotated[int, Field(strict=True, ge=1, le=EVSE_ID_MAX)]
RawPayload = Annotated[dict[str, Any], BeforeValidator(_shallow)]

StationId = Annotated[str, Path(pattern=_STATION_ID, description="The station's OCPP identity")]
EvseId = Annotated[int, Path(ge=1, le=EVSE_ID_MAX, description="1.6: the connector's number")]
Key = Annotated[str, Path(min_length=1, max_length=200, pattern=_PRINTABLE)]
TokenPath = Annotated[str, Path(min_length=1, max_length=36, pattern=_PRINTABLE)]
Action = Annotated[str, Path(pattern=r"^[A-Za-z0-9]{1,64}$", description="Such as GetVariables")]
Limit = Annotated[int, Query(ge=1, le=PAGE_ITEMS_MAX)]
Cursor = Annotated[
    str | None, Query(max_length=200, pattern=_PRINTABLE, description="`next` of the last page")
]
SearchText = Annotated[str | None, Query(max_length=200)]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=128,
        pattern=r"^[\x21-\x7e]+$",
        description="The same key within 24 h gives the same result and acts once",
    ),
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class StartBody(_Body):
    """Begin charging on a token."""

    id_token: IdTokenText
    connector_id: EvseNumber = 1


class UnlockBody(_Body):
    """Which cable to release."""

    connector_id: EvseNumber = 1


class AvailabilityBody(_Body):
    """Whether it may serve cars; `note` says why not, `by` who decided."""

    operative: StrictBool
    connector_id: EvseNumber | None = None
    note: Annotated[str, StringConstraints(max_length=200, pattern=_PRINTABLE)] = ""
    by: ShortText = "console"


class ResetBody(_Body):
    """How to restart; with `evse_id` one EVSE of a 2.x station."""

    type: ResetType = ResetType.ON_IDLE
    evse_id: EvseNumber | None = None


class TriggerBody(_Body):
    """The message to ask for, by its 2.x name."""

    message: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,64}$")]
    evse_id: EvseNumber | None = None


class AcceptBody(_Body):
    """Where a new station hangs; null: the main circuit."""

    circuit_id: ShortText | None = None


class VariableBody(_Body):
    """One setting: a 1.6 key, or a 2.x "Component.Variable"."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=_PRINTABLE)]
    value: Annotated[str, StringConstraints(max_length=2500)]


class AcknowledgeBody(_Body):
    """Who has seen it."""

    by: ShortText


class TokenBody(_Body):
    """A token the site shall know. `transactions_max` null: any number at once.

    `holder` and `whitelist` decide whether it comes on stations' local lists, and how early.
    """

    type: IdTokenType = IdTokenType.ISO14443
    label: Annotated[str, StringConstraints(max_length=80, pattern=_PRINTABLE)] = ""
    parent_id_token: IdTokenText | None = None
    blocked: StrictBool = False
    expires_at: Instant | None = None
    transactions_max: Annotated[int, Field(strict=True, ge=1, le=1000)] | None = 1
    holder: TokenHolder = TokenHolder.GUEST
    whitelist: Whitelist = Whitelist.ALWAYS
    service_class: ServiceClass | None = None

    def record(self, id_token: str) -> TokenRecord:
        """As the domain keeps it."""
        return TokenRecord(
            id_token=id_token,
            type=self.type,
            label=self.label,
            parent_id_token=self.parent_id_token,
            blocked=self.blocked,
            expires_at=self.expires_at.astimezone(UTC) if self.expires_at else None,
            transactions_max=self.transactions_max,
            holder=self.holder,
            whitelist=self.whitelist,
            service_class=self.service_class,
        )


class TariffBody(_Body):
    """A price, in the currency of the site. `tax_included`: the prices contain VAT."""

    name: ShortText = "Standard"
    price_per_kwh: Amount
    session_fee: Amount = Decimal(0)
    vat_percent: Annotated[Decimal, BeforeValidator(_decimal), Field(ge=0, le=100)] = Decimal(0)
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] | None = None
    tax_included: StrictBool = True

    def terms(self) -> TariffTerms:
        """As the domain takes it."""
        return TariffTerms(
            name=self.name,
            price_per_kwh=self.price_per_kwh,
            session_fee=self.session_fee,
            vat_percent=self.vat_percent,
            tax_included=self.tax_included,
            currency=self.currency,
        )


class Health(BaseModel):
    """The controller answers. `at` is its clock."""

    status: Literal["ok"]
    version: str
    at: datetime


class Stopping(BaseModel):
    """The controller is on its way out."""

    state: Literal["stopping"]


class ProblemField(BaseModel):
    """One field that can't be accepted."""

    field: str
    message: str


class Problem(BaseModel):
    """An error (RFC 9457). `code` is stable, `remedy` says what to do."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    remedy: str
    errors: list[ProblemField]


class _StrictRequest(Request):
    """Reads JSON by RFC 8259: no NaN, no lone surrogates, no bottomless nesting."""

    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            self._json = orjson.loads(await self.body())
        return self._json


class StrictRoute(APIRoute):
    """A route that reads its body strictly."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler on our kind of request."""
        handler = super().get_route_handler()

        async def strict_handler(request: Request) -> Response:
            return await handler(_StrictRequest(request.scope, request.receive))

        return strict_handler
