"""OCPP-J frames: message types, encoding, error code names and the schemas of every action.

Payloads are plain dicts with the property names of the specification. Schemas are those of the
`ocpp` package, compiled on first use and kept; formats are not checked, because stations get time
stamps wrong and the edge reads them leniently. Nothing else of that package is used.
"""

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

import jsonschema_rs
import orjson

from sitecontroller.domain.errors import FieldError, InvalidInput
from sitecontroller.domain.station import OcppVersion

CALL = 2
CALLRESULT = 3
CALLERROR = 4
CALLRESULTERROR = 5
SEND = 6

NO_MESSAGE_ID = "-1"
"""Stands for a message id that could not be read (OCPP 2.0.1 part 4, 4.2.3)."""

DESCRIPTION_CHARS_MAX = 255
"""Of a CALLERROR's description (OCPP-J 1.6, 4.2.3)."""

_FOLDERS = {OcppVersion.V16: "v16", OcppVersion.V201: "v201", OcppVersion.V21: "v21"}
_REQUEST_ENDINGS = {OcppVersion.V16: "", OcppVersion.V201: "Request", OcppVersion.V21: "Request"}
_ENDING = re.compile("(Request|Response)$")

_CODES_OF_16 = {
    "FormatViolation": "FormationViolation",
    "OccurrenceConstraintViolation": "OccurenceConstraintViolation",
    "RpcFrameworkError": "FormationViolation",
    "MessageTypeNotSupported": "GenericError",
}
"""OCPP-J 1.6 spells two codes in its own way and lacks two."""


class CallFault(Exception):
    """A station's CALL that is answered with a CALLERROR. `code` is OCPP 2.0.1's name for it."""

    def __init__(
        self, code: str, description: str = "", details: dict[str, Any] | None = None
    ) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description
        self.details = details or {}


def error_code(version: OcppVersion, code: str) -> str:
    """OCPP 2.0.1's name of an error code in the spelling of `version`."""
    return _CODES_OF_16.get(code, code) if version is OcppVersion.V16 else code


def encode_call(message_id: str, action: str, payload: dict[str, Any]) -> bytes:
    """A CALL as it goes over the wire."""
    return orjson.dumps([CALL, message_id, action, payload])


def encode_result(message_id: str | int | float, payload: dict[str, Any]) -> bytes:
    """A CALLRESULT; the id as the station wrote it, number or text."""
    return orjson.dumps([CALLRESULT, message_id, payload])


def encode_error(
    version: OcppVersion,
    message_id: str | int | float,
    code: str,
    description: str = "",
    details: dict[str, Any] | None = None,
) -> bytes:
    """A CALLERROR; `code` in OCPP 2.0.1's spelling, the description cut to what stations accept."""
    return orjson.dumps(
        [
            CALLERROR,
            message_id,
            error_code(version, code),
            description[:DESCRIPTION_CHARS_MAX],
            details or {},
        ]
    )


def encode_result_error(message_id: str, code: str, description: str) -> bytes:
    """A CALLRESULTERROR (OCPP-J 2.1, 4.2.3): the answer to our CALL could not be read."""
    text = description[:DESCRIPTION_CHARS_MAX]
    return orjson.dumps([CALLRESULTERROR, message_id, code, text, {}])


@dataclass(frozen=True, slots=True)
class Action:
    """One action of one version: the schemas of its CALL and CALLRESULT, and their checks.

    `response` is None for what goes as a SEND and is never answered.
    """

    request_schema: dict[str, Any]
    response_schema: dict[str, Any] | None
    request: jsonschema_rs.Validator
    response: jsonschema_rs.Validator | None


def action(version: OcppVersion, name: str) -> Action | None:
    """The action of that name; None where the version has none."""
    known = _compiled[version].get(name)
    return known if known is not None else _compile(version, name)


def request_validator(version: OcppVersion, name: str) -> jsonschema_rs.Validator | None:
    """Checks the payload of an action's CALL; None where the version has no such action."""
    known = action(version, name)
    return None if known is None else known.request


def response_validator(version: OcppVersion, name: str) -> jsonschema_rs.Validator | None:
    """Checks the payload of an action's CALLRESULT; None where it has none, or the version has no
    such action."""
    known = action(version, name)
    return None if known is None else known.response


@cache
def actions(version: OcppVersion) -> frozenset[str]:
    """Every action of a version, those without an answer too."""
    return frozenset(_ENDING.sub("", name) for name in _schema_names(version))


@cache
def _answered(version: OcppVersion) -> tuple[str, ...]:
    names = _schema_names(version)
    return tuple(sorted(n.removesuffix("Response") for n in names if n.endswith("Response")))


def _schema_names(version: OcppVersion) -> list[str]:
    names = (file.name for file in _folder(version).iterdir())
    return [name.removesuffix(".json") for name in names if name.endswith(".json")]


def check_call(version: OcppVersion, name: str, payload: dict[str, Any]) -> None:
    """Raises InvalidInput, with what to mend, unless this can be sent to a station as a CALL.

    A transaction id that the station itself made too long is said back as it is (Q22).
    """
    known = action(version, name)
    if known is None or known.response is None:
        raise InvalidInput(
            f"OCPP {version} has no action '{name}' that a station answers",
            remedy="Choose an action that this version of OCPP has",
            errors=(FieldError("action", f"is one of {', '.join(_answered(version))}"),),
        )
    if known.request.is_valid(payload):
        return
    if all(map(_is_long_transaction_id, known.request.iter_errors(payload))):
        return
    raise InvalidInput(
        f"This is no valid {name} of OCPP {version}",
        remedy=f"Mend the fields named; they are those of OCPP's own {name}",
        errors=tuple(
            FieldError(*found.split(": ", 1)) for found in violations(known.request, payload)
        ),
    )


def _is_long_transaction_id(error: jsonschema_rs.ValidationError) -> bool:
    return error.instance_path[-1:] == ["transactionId"] and error.schema_path[-1] == "maxLength"


def violations(validator: jsonschema_rs.Validator, payload: Any, at_most: int = 5) -> list[str]:
    """What a payload breaks of its schema, in plain sentences with the path first."""
    found = []
    for error in validator.iter_errors(payload):
        path = ".".join(str(step) for step in error.instance_path) or "payload"
        found.append(f"{path}: {error.message}"[:DESCRIPTION_CHARS_MAX])
        if len(found) == at_most:
            break
    return found


_compiled: dict[OcppVersion, dict[str, Action]] = {version: {} for version in OcppVersion}
"""By known actions only: what a station invents must not grow this table."""


def _compile(version: OcppVersion, name: str) -> Action | None:
    if name not in actions(version):
        return None
    request = _schema(version, name + _REQUEST_ENDINGS[version]) or _schema(version, name)
    response = _schema(version, name + "Response")
    assert request is not None, f"{name} has no schema"
    _compiled[version][name] = Action(
        request,
        response,
        jsonschema_rs.validator_for(request, validate_formats=False),
        None if response is None else jsonschema_rs.validator_for(response, validate_formats=False),
    )
    return _compiled[version][name]


def _schema(version: OcppVersion, name: str) -> dict[str, Any] | None:
    file = _folder(version) / f"{name}.json"
    if not file.is_file():
        return None
    schema: dict[str, Any] = orjson.loads(file.read_text(encoding="utf-8-sig"))
    return schema


def _folder(version: OcppVersion) -> Traversable:
    return resources.files("ocpp") / _FOLDERS[version] / "schemas"
