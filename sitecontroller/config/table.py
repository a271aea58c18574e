"""One table of site.toml, read key by key: every fault is collected and named with its key."""

import re
from typing import Any

from sitecontroller.domain.errors import ConfigurationError, FieldError
from sitecontroller.domain.topology import PhaseMap


class Reader:
    """Collects faults so that all are told at once, and every key that was asked for."""

    def __init__(self) -> None:
        self.faults: list[FieldError] = []
        self.read: dict[str, tuple[Any, Any, bool]] = {}
        """By key: its value, its default (None: it has none), whether the file has it."""

    def fault(self, key: str, message: str) -> None:
        self.faults.append(FieldError(key, message))

    def raise_if_faulty(self, name: str) -> None:
        if not self.faults:
            return
        lines = "; ".join(f"{fault.field}: {fault.message}" for fault in self.faults)
        raise ConfigurationError(
            f"{name} has {len(self.faults)} fault(s): {lines}",
            remedy="Mend the keys named and start again; docs/configuration.md explains each",
            errors=tuple(self.faults),
        )


class Table:
    """One table of the file; remembers which keys were read, so that a misspelt one is named."""

    def __init__(self, data: dict[str, Any], path: str, reader: Reader) -> None:
        self._data, self._path, self._reader = data, path, reader
        self._read: set[str] = set()

    def fault(self, key: str, message: str) -> None:
        self._reader.fault(f"{self._path}.{key}".lstrip("."), message)

    def peek(self, key: str) -> str:
        return str(self._data.get(key, ""))

    def has(self, key: str) -> bool:
        return key in self._data

    def table(self, key: str) -> "Table":
        value = self._data.get(key, {})
        self._read.add(key)
        if not isinstance(value, dict):
            self.fault(key, f"is a table: write [{key}]")
            value = {}
        return Table(value, f"{self._path}.{key}".lstrip("."), self._reader)

    def tables(self, key: str) -> list["Table"]:
        value = self._data.get(key, [])
        self._read.add(key)
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self.fault(key, f"is a list of tables: write [[{key}]]")
            return []
        prefix = f"{self._path}.{key}".lstrip(".")
        return [
            Table(item, f"{prefix}[{item.get('id', number)}]", self._reader)
            for number, item in enumerate(value, start=1)
        ]

    def text(self, key: str, default: str | None, *, pattern: str | None = None) -> str:
        value = self._value(key, default)
        if value is None:
            self.fault(key, "is missing")
            return ""
        if not isinstance(value, str):
            self.fault(key, f"is text in quotes, not {value!r}")
            return default or ""
        if pattern is not None and re.fullmatch(pattern, value) is None:
            self.fault(key, f"'{value}' does not fit; allowed: {pattern}")
            return default or ""
        return value

    def optional_text(self, key: str, *, pattern: str | None = None) -> str | None:
        return self.text(key, None, pattern=pattern) if self._given(key) else None

    def texts(self, key: str, *, pattern: str) -> tuple[str, ...]:
        value = self._value(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.fault(key, f'is a list of texts in quotes: write ["…"], not {value!r}')
            return ()
        for item in value:
            if re.fullmatch(pattern, item) is None:
                self.fault(key, f"'{item}' does not fit; allowed: {pattern}")
        return tuple(value)

    def flag(self, key: str, *, default: bool) -> bool:
        value = self._value(key, default)
        if not isinstance(value, bool):
            self.fault(key, f"is true or false, not {value!r}")
            return default
        return value

    def number(self, key: str, default: float, *, low: float, high: float) -> float:
        value = self._value(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.fault(key, f"is a number, not {value!r}")
            return default
        if not low <= value <= high:
            self.fault(key, f"{value:g} is outside {low:g} to {high:g}")
            return default
        return float(value)

    def optional_number(self, key: str, *, low: float, high: float) -> float | None:
        return self.number(key, low, low=low, high=high) if self._given(key) else None

    def integer(self, key: str, default: int, *, low: int, high: int) -> int:
        value = self._value(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.fault(key, f"is a whole number from {low} to {high}, not {value!r}")
            return default
        return value

    def per_phase(
        self, key: str, default: float | None, *, low: float, high: float
    ) -> tuple[float, float, float]:
        value = self._value(key, default)
        values = value if isinstance(value, list) else [value] * 3
        fits = len(values) == 3 and all(
            isinstance(v, int | float) and not isinstance(v, bool) and low <= v <= high
            for v in values
        )
        if not fits:
            self.fault(
                key, f"is one number or three [L1, L2, L3] from {low:g} to {high:g}, not {value!r}"
            )
            return (low, low, low)
        return (float(values[0]), float(values[1]), float(values[2]))

    def optional_per_phase(
        self, key: str, *, low: float, high: float
    ) -> tuple[float, float, float] | None:
        return self.per_phase(key, None, low=low, high=high) if self._given(key) else None

    def phases(self, key: str, default: PhaseMap) -> PhaseMap:
        text = self.text(key, str(default))
        try:
            return PhaseMap.parse(text)
        except ValueError as error:
            self.fault(key, str(error))
            return default

    def no_more(self) -> None:
        for key in self._data.keys() - self._read:
            self.fault(key, "is not a key of this table: is it misspelt?")

    def _given(self, key: str) -> bool:
        """Whether the file has a key that needn't be there."""
        self._value(key, None)
        return key in self._data

    def _value(self, key: str, default: Any) -> Any:
        value = self._data.get(key, default)
        self._read.add(key)
        self._reader.read[f"{self._path}.{key}".lstrip(".")] = value, default, key in self._data
        return value
