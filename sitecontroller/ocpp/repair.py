"""Payloads that break their schema, mended as far as their meaning is plain, and counted (Q22).

Numbers written as text and text written as numbers are converted, nulls and unknown properties
taken out, known words in the wrong case put right; unknown words and over-long texts are kept.
What can't be mended is taken out and, where the schema requires it, named in `missing`. The frame
as it came stays in the journal.
"""

import math
from dataclasses import dataclass, field
from typing import Any

TEXT_CHARS_MAX = 2500
"""Over-long texts are kept up to here: cutting an idTag at 20 would make it another card's."""
VIOLATIONS_MAX = 20
"""Of one message; more say nothing new."""
INTEGER_LIMIT = 2**53

_Schema = dict[str, Any]
_NOTHING = object()
"""A value that can't be mended."""
_TRUE = ("true", "1", "yes")
_FALSE = ("false", "0", "no")


@dataclass(frozen=True, slots=True)
class Mended:
    """`violations` in plain words; `missing` are the required properties that are not there."""

    payload: dict[str, Any]
    violations: tuple[str, ...]
    missing: tuple[str, ...]


def mend(schema: _Schema, payload: dict[str, Any]) -> Mended:
    """The payload as it was probably meant by the schema of its action."""
    pass_ = _Pass(schema)
    mended = pass_.object(schema, payload, "")
    return Mended(mended, tuple(pass_.violations), tuple(pass_.missing))


@dataclass(slots=True)
class _Pass:
    """One walk along schema and payload."""

    root: _Schema
    violations: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def object(self, schema: _Schema, value: dict[str, Any], path: str) -> dict[str, Any]:
        properties: dict[str, _Schema] = schema.get("properties", {})
        closed = schema.get("additionalProperties") is False
        spellings = {name.casefold(): name for name in properties}
        mended: dict[str, Any] = {}
        for given, item in value.items():
            name = given if given in properties else spellings.get(given.casefold())
            if name is None or (name != given and name in value):
                if closed:
                    self._note(path, f"unknown property '{given:.50}'")
                else:
                    mended[given] = item
                continue
            if name != given:
                self._note(path, f"property '{name}' written '{given:.50}'")
            inner = self.value(properties[name], item, f"{path}.{name}" if path else name)
            if inner is not _NOTHING:
                mended[name] = inner
        for name in schema.get("required", ()):
            if name not in mended:
                self._note(path, f"'{name}' is missing")
                self.missing.append(f"{path}.{name}" if path else name)
        return mended

    def value(self, schema: _Schema, value: Any, path: str) -> Any:
        """The mended value, or _NOTHING."""
        if "$ref" in schema:
            schema = self._resolved(schema["$ref"])
        if value is None:
            self._note(path, "null")
            return _NOTHING
        kind = schema.get("type")
        if kind == "object":
            if isinstance(value, dict):
                return self.object(schema, value, path)
            return self._hopeless(path, "object", value)
        if kind == "array":
            return self._array(schema, value, path)
        if kind == "string":
            return self._text(schema, value, path)
        if kind in ("integer", "number"):
            return self._number(kind, value, path)
        if kind == "boolean":
            return self._boolean(value, path)
        return value

    def _array(self, schema: _Schema, value: Any, path: str) -> Any:
        if not isinstance(value, list):
            self._note(path, f"{_name(value)} instead of a list")
            value = [value]
        items: _Schema = schema.get("items", {})
        mended = [self.value(items, item, path) for item in value]
        kept = [item for item in mended if item is not _NOTHING]
        if len(kept) < schema.get("minItems", 0):
            self._note(path, "too few elements")
        if len(kept) > schema.get("maxItems", math.inf):
            self._note(path, "too many elements")
        return kept

    def _text(self, schema: _Schema, value: Any, path: str) -> Any:
        if isinstance(value, bool):
            text = "true" if value else "false"
        elif isinstance(value, int | float | str):
            text = str(value)
        else:
            return self._hopeless(path, "text", value)
        if text is not value:
            self._note(path, f"{_name(value)} instead of text")
        words = schema.get("enum")
        if words is not None and text not in words:
            return self._word(words, text, path)
        if len(text) > schema.get("maxLength", math.inf):
            self._note(path, f"longer than {schema['maxLength']} characters")
            text = text[:TEXT_CHARS_MAX]
        return text

    def _word(self, words: list[str], text: str, path: str) -> str:
        """The schema's spelling of a word, or the word as it is."""
        meant = text.strip().casefold()
        for word in words:
            if word.casefold() == meant:
                self._note(path, f"'{word}' written '{text:.50}'")
                return word
        self._note(path, f"unknown value '{text:.50}'")
        return text[:TEXT_CHARS_MAX]

    def _number(self, kind: str, value: Any, path: str) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return self._hopeless(path, kind, value)
        if isinstance(value, str):
            number = _parsed(value)
            if number is None:
                return self._hopeless(path, kind, value)
            self._note(path, "text instead of a number")
            value = number
        if kind == "integer" and isinstance(value, float):
            if not value.is_integer():
                self._note(path, "fraction instead of a whole number")
            value = round(value)
        return value

    def _boolean(self, value: Any, path: str) -> Any:
        if isinstance(value, bool):
            return value
        word = str(value).strip().casefold()
        if word not in _TRUE and word not in _FALSE:
            return self._hopeless(path, "boolean", value)
        self._note(path, f"{_name(value)} instead of true or false")
        return word in _TRUE

    def _hopeless(self, path: str, wanted: str, value: Any) -> Any:
        self._note(path, f"{_name(value)} instead of {wanted}")
        return _NOTHING

    def _resolved(self, reference: str) -> _Schema:
        schema: Any = self.root
        for step in reference.removeprefix("#/").split("/"):
            schema = schema[step]
        resolved: _Schema = schema
        return resolved

    def _note(self, path: str, what: str) -> None:
        if len(self.violations) < VIOLATIONS_MAX:
            self.violations.append(f"{path}: {what}" if path else what)


def _parsed(text: str) -> int | float | None:
    """A number written as text, with a decimal point or comma; None: it isn't one."""
    plain = text.strip().replace(",", ".")
    try:
        number = float(plain)
    except ValueError:
        return None
    if not math.isfinite(number) or abs(number) >= INTEGER_LIMIT:
        return None
    return int(number) if number.is_integer() and "." not in plain else number


def _name(value: Any) -> str:
    if isinstance(value, dict):
        return "object"
    if isinstance(value, list):
        return "list"
    if isinstance(value, bool):
        return "boolean"
    return "text" if isinstance(value, str) else "number"
