"""Gives the API's description its words: what each field means and in which unit it is.

The meanings stand in `fields.toml`; what the code describes itself, stays. A field of an answer
gets the words of its type, or else the unit that its name ends in, as `_wh`.
"""

import re
import tomllib
from importlib.resources import files
from typing import Any

_Words = dict[str, dict[str, str]]


def describe(document: dict[str, Any]) -> None:
    """Add to an OpenAPI document what its parameters and properties don't say."""
    words = field_words()
    for operations in document["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                if "description" not in parameter["schema"]:
                    _describe(parameter, parameter["name"], words.get(operation["summary"]), words)
    for name, schema in document["components"]["schemas"].items():
        own = words.get(re.sub(r"Body$|-(Input|Output)$", "", name))
        asks = name.endswith(("Body", "-Input"))
        for field, property_ in schema.get("properties", {}).items():
            _describe(property_, field, own, words if asks else {"units": words["units"]})


def field_words() -> _Words:
    """`fields.toml`: meanings by table and field."""
    text = files("sitecontroller.api").joinpath("fields.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def summary(name: str) -> str:
    """A class's name as the words of a heading: `SettingsQuery` → Settings."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.removesuffix("Query"))


def _describe(part: dict[str, Any], field: str, own: dict[str, str] | None, words: _Words) -> None:
    ends = [end for end in words["units"] if field.endswith(end)]
    unit = words["units"][max(ends, key=len)] if ends else None
    said = (own or {}).get(field) or words.get("any", {}).get(field) or unit
    if said is not None:
        part.setdefault("description", said)
