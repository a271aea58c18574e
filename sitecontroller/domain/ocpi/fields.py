"""The fields of a JSON object from outside, read one by one; what is wrong with any of them is
collected and told at once, each with its path and what to write instead.
"""

import math
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

from sitecontroller.domain.errors import FieldError, InvalidInput

DIGITS_MAX = 24
NUMBER_MAX = Decimal(10) ** 12
FAULTS_TOLD_MAX = 10

_Word = TypeVar("_Word", bound=StrEnum)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")


class Faults:
    """What is wrong so far."""

    def __init__(self) -> None:
        self.found: list[FieldError] = []

    def add(self, field: str, message: str) -> None:
        """One more."""
        self.found.append(FieldError(field, message))

    def check(self, what: str) -> None:
        """Raises InvalidInput naming the fields, if any is wrong."""
        if not self.found:
            return
        told = self.found[:FAULTS_TOLD_MAX]
        more = len(self.found) - len(told)
        said = "; ".join(f"{fault.field or 'it'} {fault.message}" for fault in told)
        raise InvalidInput(
            f"{what} can't be used: {said}" + (f"; and {more} more" if more else ""),
            remedy="Correct what is named, and try again",
            errors=tuple(self.found),
        )


class Fields:
    """One object; `path` is where it stands, as in `elements[0].restrictions`."""

    def __init__(self, data: Any, path: str, faults: Faults) -> None:
        self._data: dict[str, Any] = data if isinstance(data, dict) else {}
        self._path = path
        self._faults = faults
        if not isinstance(data, dict):
            faults.add(path, "must be an object { … }")

    def fault(self, name: str, message: str) -> None:
        """Tell what is wrong with a field."""
        self._faults.add(self._at(name), message)

    def has(self, name: str) -> bool:
        """Whether it is there; null is as good as absent."""
        return self._data.get(name) is not None

    def only(self, names: Iterable[str]) -> None:
        """A field that isn't known would change a price, and mustn't be passed over."""
        known = sorted(names)
        for name in self._data:
            if name not in known:
                self.fault(name, f"isn't known here: there are {', '.join(known)}")

    def text(
        self, name: str, *, required: bool = False, blank_is_absent: bool = False
    ) -> str | None:
        """A text that isn't empty."""
        value = self._value(name, required=required)
        if blank_is_absent and value == "":
            return None
        if value is None or (isinstance(value, str) and value.strip()):
            return value
        self.fault(name, f"must be text in quotes, not {_said(value)}")
        return None

    def matching(self, name: str, pattern: str, like: str, *, required: bool = False) -> str | None:
        """A text of a form."""
        value = self.text(name, required=required)
        if value is None or re.fullmatch(pattern, value):
            return value
        self.fault(name, f"must be like {like}, not '{value}'")
        return None

    def word(self, name: str, words: type[_Word], *, required: bool = False) -> _Word | None:
        """One of a closed list."""
        value = self._value(name, required=required)
        return None if value is None else self._word(name, value, words)

    def words(self, name: str, words: type[_Word]) -> frozenset[_Word]:
        """A list of them; absent: none."""
        found = (self._word(name, value, words) for value in self._list(name))
        return frozenset(word for word in found if word is not None)

    def number(
        self,
        name: str,
        *,
        required: bool = False,
        least: int | None = None,
        most: int | None = None,
    ) -> Decimal | None:
        """A number, or a text that is one."""
        value = self._value(name, required=required)
        if value is None:
            return None
        number = _number(value)
        if number is None:
            self.fault(name, f"must be a number, not {_said(value)}")
        elif len(number.as_tuple().digits) > DIGITS_MAX or abs(number) >= NUMBER_MAX:
            self.fault(name, f"must have at most {DIGITS_MAX} digits and be less than 10^12")
        elif _exponent(number) < -DIGITS_MAX:
            self.fault(name, f"must have at most {DIGITS_MAX} digits behind the point")
        elif least is not None and number < least:
            self.fault(name, f"must not be less than {least}, but is {number}")
        elif most is not None and number > most:
            self.fault(name, f"must be at most {most}, but is {number}")
        else:
            return number
        return None

    def whole(self, name: str, *, least: int = 0) -> int | None:
        """A whole number."""
        number = self.number(name, least=least)
        if number is None or number == number.to_integral_value():
            return None if number is None else int(number)
        self.fault(name, f"must be a whole number, not {number}")
        return None

    def truth(self, name: str) -> bool:
        """true or false; absent: false."""
        value = self._value(name)
        if value is not None and not isinstance(value, bool):
            self.fault(name, f"must be true or false, not {_said(value)}")
        return value is True

    def instant(
        self, name: str, *, required: bool = False, naive_is_utc: bool = False
    ) -> datetime | None:
        """An instant with its offset from UTC; OCPI's (`naive_is_utc`) may leave it out."""
        value = self.text(name, required=required)
        if value is None:
            return None
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            self.fault(name, f"must be like 2026-03-01T12:00:00Z, not '{value}'")
            return None
        if naive_is_utc and at.tzinfo is None:
            at = at.replace(tzinfo=UTC)
        if at.tzinfo is None:
            self.fault(name, f"names no time zone: write '{value}Z' if it is UTC")
            return None
        try:
            return at.astimezone(UTC)
        except (OverflowError, ValueError):
            self.fault(name, f"is too far from now: '{value}'")
            return None

    def object(self, name: str) -> "Fields | None":
        """An object in a field."""
        value = self._value(name)
        return None if value is None else Fields(value, self._at(name), self._faults)

    def objects(self, name: str, most: int, *, required: bool = False) -> Iterator["Fields"]:
        """The objects of a list, at most so many; if required at least one."""
        values = self._list(name, required=required)
        if len(values) > most:
            self.fault(name, f"has {len(values)} entries, at most {most} are read")
        for number, value in enumerate(values[:most]):
            yield Fields(value, f"{self._at(name)}[{number}]", self._faults)

    def _list(self, name: str, *, required: bool = False) -> list[Any]:
        value = self._value(name, required=required)
        if isinstance(value, list):
            if required and not value:
                self.fault(name, "is empty")
            return value
        if value is not None:
            self.fault(name, f"must be a list [ … ], not {_said(value)}")
        return []

    def _word(self, name: str, value: Any, words: type[_Word]) -> _Word | None:
        try:
            return words(value)
        except ValueError:
            known = ", ".join(words)
            self.fault(name, f"is {_said(value)}: it must be one of {known}")
            return None

    def _value(self, name: str, *, required: bool = False) -> Any:
        value = self._data.get(name)
        if value is None and required:
            self.fault(name, "is missing")
        return value

    def _at(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name


def _number(value: Any) -> Decimal | None:
    if isinstance(value, Decimal):
        return value if value.is_finite() else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Decimal(str(value)) if math.isfinite(value) else None
    if isinstance(value, str) and len(value) <= 60 and _NUMBER.fullmatch(value.strip()):
        return Decimal(value.strip())
    return None


def _exponent(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int), "a finite number"
    return exponent


def _said(value: Any) -> str:
    text = {True: "true", False: "false"}.get(value) if isinstance(value, bool) else None
    said = text or (f"'{value}'" if isinstance(value, str) else str(value))
    return said if len(said) <= 60 else f"{said[:60]}…"
