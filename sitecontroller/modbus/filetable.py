"""Reading a meter file key by key: the first fault is told with file, key and remedy."""

from typing import Any

from sitecontroller.domain.errors import ConfigurationError, FieldError


def fault(file: str, key: str, message: str) -> ConfigurationError:
    """What is wrong with a key of a file."""
    return ConfigurationError(
        f"{file}: {key} {message}" if key else f"{file} {message}",
        remedy="Mend the key named; docs/adding-a-meter.md explains each",
        errors=(FieldError(key, message),),
    )


class Table:
    """One table of the file; remembers which keys were read, so that a misspelt one is named."""

    def __init__(self, data: dict[str, Any], file: str, path: str = "") -> None:
        self._data, self.file, self._path = data, file, path
        self._read: set[str] = set()

    def wrong(self, key: str, message: str) -> ConfigurationError:
        return fault(self.file, f"{self._path}.{key}".strip("."), message)

    def names(self) -> tuple[str, ...]:
        return tuple(self._data)

    def table(self, key: str, default: dict[str, Any] | None = None) -> "Table":
        value = self._value(key, default)
        if not isinstance(value, dict):
            raise self.wrong(key, "is a table")
        return Table(value, self.file, f"{self._path}.{key}".strip("."))

    def text(self, key: str, default: str | None = None) -> str:
        value = self._value(key, default)
        if not isinstance(value, str) or not (value or value == default):
            raise self.wrong(key, f"is text in quotes, not {value!r}")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._value(key, None)
        if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
            raise self.wrong(key, f"is a list of texts, not {value!r}")
        return tuple(value)

    def flag(self, key: str, *, default: bool) -> bool:
        value = self._value(key, default)
        if not isinstance(value, bool):
            raise self.wrong(key, f"is true or false, not {value!r}")
        return value

    def integer(self, key: str, default: int | None, *, low: int, high: int) -> int:
        value = self._value(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self.wrong(key, f"is a whole number from {low} to {high}, not {value!r}")
        return value

    def optional_integer(self, key: str, *, low: int, high: int) -> int | None:
        return self.integer(key, None, low=low, high=high) if key in self._data else None

    def integers(
        self, key: str, default: tuple[int, ...], *, low: int, high: int
    ) -> tuple[int, ...]:
        value = self._value(key, list(default))
        if not isinstance(value, list) or not all(
            isinstance(v, int) and not isinstance(v, bool) and low <= v <= high for v in value
        ):
            raise self.wrong(key, f"is a list of whole numbers, {low} to {high}, not {value!r}")
        return tuple(value)

    def number(self, key: str, default: float, *, low: float, high: float) -> float:
        value = self._value(key, default)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not low <= value <= high:
            raise self.wrong(key, f"is a number from {low:g} to {high:g}, not {value!r}")
        return float(value)

    def choice(self, key: str, allowed: tuple[Any, ...], default: Any = None) -> Any:
        value = self._value(key, default)
        if isinstance(value, bool) or value not in allowed:
            raise self.wrong(key, f"is one of {', '.join(map(str, allowed))}, not {value!r}")
        return value

    def no_more(self) -> None:
        for key in self._data.keys() - self._read:
            raise self.wrong(key, "is not a key of this table: is it misspelt?")

    def _value(self, key: str, default: Any) -> Any:
        self._read.add(key)
        value = self._data.get(key, default)
        if value is None:
            raise self.wrong(key, "is missing")
        return value
