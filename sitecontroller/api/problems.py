"""Every error of the API as an RFC 9457 problem document.

`code` names the class in `domain/errors.py`, which the client raises again. An unexpected fault
becomes a 500 without its traceback, which goes to the log.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sitecontroller.api.encoding import encode
from sitecontroller.domain.errors import (
    CallRefused,
    ControllerError,
    FieldError,
    InvalidInput,
    NotFound,
    OperatingError,
    Unauthorized,
)

MEDIA_TYPE = "application/problem+json"
FIELD_ERRORS_MAX = 20
MEND = "Correct the named fields and send it again"
_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")


def problem(
    error: ControllerError, *, status: int | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """The document for an error; `status` where HTTP has a closer word than the class."""
    status = status or error.status
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": error.code,
        "detail": error.detail,
        "remedy": error.remedy or (MEND if error.errors else ""),
        "errors": [
            {"field": fault.field, "message": fault.message}
            for fault in error.errors[:FIELD_ERRORS_MAX]
        ],
    }
    if isinstance(error, CallRefused):
        body |= {
            "error_code": error.error_code,
            "description": error.description,
            "details": error.details,
        }
    if status == HTTPStatus.UNAUTHORIZED:
        headers = {"WWW-Authenticate": "Bearer", **(headers or {})}
    return Response(encode(body), status, headers, media_type=MEDIA_TYPE)


def unexpected_problem() -> Response:
    """What the caller hears of a fault of ours."""
    return problem(
        ControllerError("The controller failed on this request", remedy="Its log says why")
    )


def add_problem_handlers(app: FastAPI) -> None:
    """Replace FastAPI's own error bodies."""
    app.add_exception_handler(ControllerError, _controller_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)


async def _controller_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ControllerError)
    return problem(error)


async def _validation_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = tuple(_field_error(fault) for fault in error.errors()[:FIELD_ERRORS_MAX])
    names = ", ".join(fault.field for fault in faults)
    return problem(
        InvalidInput(
            f"The request can't be accepted: {names}",
            remedy="Correct the named fields; /docs shows what each request takes",
            errors=faults,
        )
    )


def _field_error(fault: Mapping[str, Any]) -> FieldError:
    location: Sequence[Any] = fault["loc"]
    if fault["type"] == "json_invalid":
        return FieldError("body", f"not JSON: {fault.get('ctx', {}).get('error', '')}")
    path = location[1:] if len(location) > 1 else location
    message = str(fault["msg"]).removeprefix("Value error, ")
    if fault["type"] in _UNKNOWN:
        message = "This request has no such field"
    return FieldError(".".join(str(part) for part in path), message)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem(
        _error_for(error.status_code, request, str(error.detail)),
        status=error.status_code,
        headers=error.headers,
    )


def _error_for(status: int, request: Request, detail: str) -> ControllerError:
    path = request.scope["path"]
    if status == HTTPStatus.NOT_FOUND:
        return NotFound(f"There is nothing at {path}", remedy="/docs lists what there is")
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        return InvalidInput(
            f"{path} does not take {request.method}",
            remedy="The header Allow and /docs say what it takes",
        )
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return Unauthorized(detail)
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return InvalidInput(detail)
    return OperatingError(detail)
