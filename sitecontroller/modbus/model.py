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


def meter_model(name: str) -> MeterModel:
    """The family of that name; InvalidInput names those there are."""
    models = known_models()
    model = models.get(name.strip().lower())
    if model is None:
        raise InvalidInput(
            f"no meter model is called '{name}'; known are: {', '.join(models)}",
            remedy="Write one of these, or add a file: docs/adding-a-meter.md",
            errors=(FieldError("model", f"'{name}' is not one of {', '.join(models)}"),),
        )
    return model


@cache
def known_models() -> dict[str, MeterModel]:
    """Every family in `models/` by the name of its file, sorted."""
    folder = resources.files(__package__) / "models"
    files = {file.name: file for file in folder.iterdir() if file.name.endswith(".toml")}
    names = sorted(name.removesuffix(".toml") for name in files)
    return {
        name: parse_model(files[f"{name}.toml"].read_text(encoding="utf-8"), f"{name}.toml")
        for name in names
    }
