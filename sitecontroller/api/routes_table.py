"""The endpoints of the rows in `sitecontroller.routes`: one a command, one a question.

A row's fields are checked like a hand-written body: unknown ones are refused, texts are bounded.
What a value may be beyond its type is for the service to say, naming the field.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import MISSING, Field, fields
from datetime import datetime
from typing import Annotated, Any, get_origin, get_type_hints

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, StringConstraints, create_model

from sitecontroller.api.encoding import json_response, page_response
from sitecontroller.api.routes_commands import COMMAND, send
from sitecontroller.api.schemas import (
    PAGE_ITEMS,
    Cursor,
    EvseId,
    IdempotencyKey,
    Instant,
    Key,
    Limit,
    StationId,
    StrictRoute,
)
from sitecontroller.api.seam import Site
from sitecontroller.api.words import summary
from sitecontroller.domain.views import Page
from sitecontroller.routes import COMMANDS, QUERIES, CommandRoute, QueryRoute

TEXT_CHARACTERS_MAX = 16_384
"""Of a text in a body: a certificate chain is the longest."""

VALUES_MAX = 100
"""Of one query parameter."""

_IN_PATH: dict[str, Any] = {
    "station_id": StationId,
    "evse_id": EvseId,
    "stream_id": Annotated[int, Path(ge=0, le=2**31 - 1)],
}
_IN_QUERY: dict[str, Any] = {"limit": Limit, "cursor": Cursor}
_TYPES: dict[Any, Any] = {
    datetime: Instant,
    str: Annotated[str, StringConstraints(max_length=TEXT_CHARACTERS_MAX)],
}
_KEYWORD = inspect.Parameter.KEYWORD_ONLY

router = APIRouter(route_class=StrictRoute)


def _command_endpoint(kind: type[Any], route: CommandRoute) -> Callable[..., Awaitable[Response]]:
    in_path = route.in_path
    body = _body(kind, in_path)

    async def endpoint(controller: Any, key: str | None, **given: Any) -> Response:
        posted = given.pop("body", None) or (None if body is None else body())
        rest = {} if posted is None else {name: getattr(posted, name) for name in _names(posted)}
        return await send(controller, kind(**given, **rest), key)

    parameters = [_parameter("controller", Site), *_path_parameters(in_path)]
    if body is not None:
        optional = not any(field.is_required() for field in body.model_fields.values())
        parameters.append(
            _parameter("body", body | None, None) if optional else _parameter("body", body)
        )
    parameters.append(_parameter("key", IdempotencyKey, None))
    return _described(endpoint, kind, parameters)


def _query_endpoint(kind: type[Any], route: QueryRoute) -> Callable[..., Awaitable[Response]]:
    in_path = route.in_path

    async def endpoint(controller: Any, **given: Any) -> Response:
        answer = await controller.query(kind(**given))
        return await page_response(answer) if isinstance(answer, Page) else json_response(answer)

    hints = get_type_hints(kind)
    asked = [
        _parameter(
            field.name,
            _IN_QUERY.get(field.name, _repeated(hints[field.name])),
            PAGE_ITEMS if field.name == "limit" else _default(field, inspect.Parameter.empty),
        )
        for field in fields(kind)
        if field.name not in in_path
    ]
    parameters = [_parameter("controller", Site), *_path_parameters(in_path), *asked]
    return _described(endpoint, kind, parameters)


def _body(kind: type[Any], in_path: tuple[str, ...]) -> type[BaseModel] | None:
    hints = get_type_hints(kind)
    rest: dict[str, Any] = {
        field.name: (_checked(hints[field.name]), _default(field, ...))
        for field in fields(kind)
        if field.name not in in_path
    }
    if not rest:
        return None
    config = ConfigDict(extra="forbid")
    return create_model(f"{kind.__name__}Body", __config__=config, __doc__=kind.__doc__, **rest)


def _repeated(hint: Any) -> Any:
    """A tuple is asked for by naming its parameter several times."""
    if get_origin(hint) is tuple:
        return Annotated[hint, Query(max_length=VALUES_MAX)]
    return _checked(hint)


def _checked(hint: Any) -> Any:
    return _TYPES.get(hint, hint)


def _default(field: Field[Any], missing: Any) -> Any:
    if field.default is not MISSING:
        return field.default
    return missing if field.default_factory is MISSING else field.default_factory()


def _names(body: BaseModel) -> Mapping[str, Any]:
    return type(body).model_fields


def _path_parameters(names: tuple[str, ...]) -> list[inspect.Parameter]:
    return [_parameter(name, _IN_PATH.get(name, Key)) for name in names]


def _parameter(
    name: str, annotation: Any, default: Any = inspect.Parameter.empty
) -> inspect.Parameter:
    return inspect.Parameter(name, _KEYWORD, annotation=annotation, default=default)


def _described(
    endpoint: Callable[..., Awaitable[Response]],
    kind: type[Any],
    parameters: list[inspect.Parameter],
) -> Callable[..., Awaitable[Response]]:
    endpoint.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    endpoint.__name__, endpoint.__doc__ = kind.__name__, kind.__doc__
    return endpoint


for _kind, _route in COMMANDS.items():
    if not _route.hand_written:
        router.add_api_route(
            _route.path,
            _command_endpoint(_kind, _route),
            methods=[_route.method],
            **{**COMMAND, "tags": [_route.tag], "summary": summary(_kind.__name__)},
        )
for _asked, _place in QUERIES.items():
    router.add_api_route(
        _place.path,
        _query_endpoint(_asked, _place),
        methods=["GET"],
        response_model=_place.answer,
        summary=summary(_asked.__name__),
        tags=[_place.tag],
    )
