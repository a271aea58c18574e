"""The hook through which every shown word passes, without Qt, so that presenters stay plain.

`translate` is what `pyside6-lupdate` looks for. Until `install` is called, texts stay English and
numbers have a decimal point.
"""

from collections.abc import Callable

Translator = Callable[[str, str], str]

_translator: Translator | None = None
_decimal_point = "."


def install(translator: Translator | None, *, decimal_point: str = ".") -> None:
    """Use `translator(context, text)` and this decimal sign from now on; None: English."""
    global _translator, _decimal_point
    _translator, _decimal_point = translator, decimal_point


def translate(context: str, text: str) -> str:
    """`text` in the attendant's language."""
    return text if _translator is None else _translator(context, text) or text


def number(value: float, digits: int = 0) -> str:
    """A number with the language's decimal sign and a real minus sign."""
    text = f"{value:.{digits}f}"
    if text.startswith("-"):
        text = text[1:] if not text.strip("-0.") else f"\N{MINUS SIGN}{text[1:]}"
    return text.replace(".", _decimal_point)
