"""A charger's answer about its own settings, from any OCPP version, as lines of name = value."""

from typing import Any

LINES_MAX = 60


def read_settings(answer: dict[str, Any] | None) -> str:
    """The settings of an answer (1.6 GetConfiguration, 2.x GetVariables); "" when it has none."""
    if not answer:
        return ""
    lines = [*_of_16(answer), *_of_2x(answer)]
    hidden = len(lines) - LINES_MAX
    if hidden > 0:
        lines = [*lines[:LINES_MAX], f"… +{hidden}"]
    return "\n".join(lines)


def _of_16(answer: dict[str, Any]) -> list[str]:
    keys = answer.get("configurationKey")
    return [
        f"{item.get('key')} = {item.get('value', '')}"
        for item in (keys if isinstance(keys, list) else [])
        if isinstance(item, dict)
    ]


def _of_2x(answer: dict[str, Any]) -> list[str]:
    results = answer.get("getVariableResult")
    lines = []
    for item in results if isinstance(results, list) else []:
        if not isinstance(item, dict):
            continue
        component = (item.get("component") or {}).get("name", "")
        variable = (item.get("variable") or {}).get("name", "")
        value = item.get("attributeValue", item.get("attributeStatus", ""))
        lines.append(f"{component}.{variable} = {value}")
    return lines
