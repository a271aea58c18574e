"""OCPP-J frames: message types, encoding, error code names and the schemas of every action.

Payloads are plain dicts with the property names of the specification. Schemas are those of the
`ocpp` package, compiled on first use and kept; formats are not checked, because stations get time
stamps wrong and the edge reads them leniently. Nothing else of that package is used.
"""

from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

import jsonschema_rs
import orjson

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

_FOLDERS = {OcppVersion.V16: "v16", OcppVersion.V201: "v201"}
_REQUEST_ENDINGS = {OcppVersion.V16: "", OcppVersion.V201: "Request"}

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


@dataclass(frozen=True, slots=True)
class Action:
    """One action of one version: the schemas of its CALL and CALLRESULT, and their checks."""

    request_schema: dict[str, Any]
    response_schema: dict[str, Any]
    request: jsonschema_rs.Validator
    response: jsonschema_rs.Validator


def action(version: OcppVersion, name: str) -> Action | None:
    """The action of that name; None where the version has none."""
    known = _compiled[version].get(name)
    return known if known is not None else _compile(version, name)


def request_validator(version: OcppVersion, name: str) -> jsonschema_rs.Validator | None:
    """Checks the payload of an action's CALL; None where the version has no such action."""
    known = action(version, name)
    return None if known is None else known.request


def response_validator(version: OcppVersion, name: str) -> jsonschema_rs.Validator | None:
    """Checks the payload of an action's CALLRESULT; None where the version has no such action."""
    known = action(version, name)
    return None if known is None else known.response


@cache
def actions(version: OcppVersion) -> frozenset[str]:
    """Every action of a version."""
    files = (file.name.removesuffix(".json") for file in _folder(version).iterdir())
    return frozenset(name.removesuffix("Response") for name in files if name.endswith("Response"))


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
    request = _schema(version, name + _REQUEST_ENDINGS[version])
    response = _schema(version, name + "Response")
    _compiled[version][name] = Action(
        request,
        response,
        jsonschema_rs.validator_for(request, validate_formats=False),
        jsonschema_rs.validator_for(response, validate_formats=False),
    )
    return _compiled[version][name]


def _schema(version: OcppVersion, name: str) -> dict[str, Any]:
    text = (_folder(version) / f"{name}.json").read_text(encoding="utf-8-sig")
    schema: dict[str, Any] = orjson.loads(text)
    return schema


def _folder(version: OcppVersion) -> Traversable:
    return resources.files("ocpp") / _FOLDERS[version] / "schemas"
