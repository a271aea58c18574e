"""The meter families there are: one file each in `models/`, known by the file's name."""

from functools import cache
from importlib import resources

from sitecontroller.domain.errors import FieldError, InvalidInput
from sitecontroller.modbus.family import (
    CURRENTS,
    Block,
    Identity,
    MeterModel,
    SerialSettings,
    Values,
)
from sitecontroller.modbus.modelfile import parse_model

__all__ = [
    "CURRENTS",
    "Block",
    "Identity",
    "MeterModel",
    "SerialSettings",
    "Values",
    "known_models",
    "meter_model",
    "parse_model",
]


_FOLDER = resources.files(__package__) / "models"


def meter_model(name: str) -> MeterModel:
    """The family of that name, the only file that is read; InvalidInput names those there are."""
    names = _names()
    known = name.strip().lower()
    if known not in names:
        raise InvalidInput(
            f"no meter model is called '{name}'; known are: {', '.join(names)}",
            remedy="Write one of these, or add a file: docs/adding-a-meter.md",
            errors=(FieldError("model", f"'{name}' is not one of {', '.join(names)}"),),
        )
    return _read(known)


def known_models() -> dict[str, MeterModel]:
    """Every family in `models/` by the name of its file, sorted. Reading all takes a while."""
    return {name: _read(name) for name in _names()}


@cache
def _names() -> tuple[str, ...]:
    files = (file.name for file in _FOLDER.iterdir() if file.name.endswith(".toml"))
    return tuple(sorted(name.removesuffix(".toml") for name in files))


@cache
def _read(name: str) -> MeterModel:
    file = _FOLDER / f"{name}.toml"
    return parse_model(file.read_text(encoding="utf-8"), file.name)
