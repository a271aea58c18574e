"""The fault catalogue: `faults.toml` read once, and asked what a station's codes mean.

The first row that fits a station's signs wins, so special rows stand before general ones. A code
that nobody described yet keeps its own name in the words and gets a remedy that is always right.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import translate
from functools import cache
from importlib.resources import files
from typing import Any

from sitecontroller.domain.alarm import Alarm, AlarmPriority
from sitecontroller.domain.faults import Fault, FaultFound, FaultSigns, HealingStep, Mending
from sitecontroller.domain.station import ConnectorStatus, StationBooted, StatusReported

NO_CODE = "no-code"
"""The row for a station that says it is faulted, and nothing more."""
UNKNOWN = "unknown-code"
"""The row for a code that no other row describes."""

CODES_MAX = 10
"""Of those that one report names; the field has room for no more."""

_URGENCY = {priority: urgency for urgency, priority in enumerate(AlarmPriority)}
_SIGNS = (
    *("vendor", "model", "code", "vendor_id", "vendor_code", "info"),
    *("component", "variable", "value"),
)
_SAID = frozenset(_SIGNS)
_FACTS = frozenset({"name", "words", "remedy", "mending", "priority", "heal", "source"})


@dataclass(frozen=True, slots=True)
class CatalogueRow:
    """A fault, the patterns by which it is known, and where that knowledge comes from."""

    fault: Fault
    patterns: Mapping[str, tuple[str, ...]]
    source: str
    signs: tuple[tuple[str, re.Pattern[str]], ...]
    """The patterns of each sign in one."""

    def fits(self, said: Mapping[str, str]) -> bool:
        """Whether every sign that the row names is there; texts compare caseless."""
        return all(pattern.fullmatch(said[name]) is not None for name, pattern in self.signs)


@cache
def catalogue() -> tuple[CatalogueRow, ...]:
    """All rows, in the order in which they are tried."""
    text = files("sitecontroller.services").joinpath("faults.toml").read_text(encoding="utf-8")
    return read_rows(tomllib.loads(text)["fault"])


def read_rows(rows: list[dict[str, Any]]) -> tuple[CatalogueRow, ...]:
    """Our own data file: every row is whole, has a source and a name of its own."""
    read = tuple(_row(row) for row in rows)
    names = [row.fault.name for row in read]
    assert len(names) == len(set(names)), "faults.toml: two rows have one name"
    return read


def fault_named(name: str) -> Fault | None:
    """A fault by the name of its row."""
    return next((row.fault for row in catalogue() if row.fault.name == name), None)


def fault_shown(signs: FaultSigns) -> FaultFound:
    """What the signs mean; an unknown code is told as it is."""
    fault = known_fault(signs) or fault_named(UNKNOWN if _code(signs) else NO_CODE)
    assert fault is not None, "faults.toml has rows for what it does not know"
    return fault_told(fault, signs)


def fault_told(fault: Fault, signs: FaultSigns) -> FaultFound:
    """A fault's words with what the station said filled in."""
    code = _code(signs)
    words = fault.words.replace("{code}", code).replace("{value}", signs.value or "?")
    return FaultFound(fault, words, code)


def known_fault(signs: FaultSigns) -> Fault | None:
    """The first row that fits; None: nobody has described this yet.

    Of several codes at once the most urgent that has a row of its own counts.
    """
    codes = signs.vendor_code.split(",", CODES_MAX)[:CODES_MAX]
    singly = [replace(signs, vendor_code=code) for code in codes]
    rows = [row for row in map(_first, singly) if row is not None]
    own = [row for row in rows if "vendor_code" in row.patterns] or rows
    return min((row.fault for row in own), key=lambda fault: _URGENCY[fault.priority], default=None)


def fault_reported(report: StatusReported, boot: StationBooted | None) -> FaultFound | None:
    """What is wrong by a StatusNotification; None: nothing is."""
    signs = FaultSigns(
        vendor=boot.vendor if boot else "",
        model=boot.model if boot else "",
        code=_unless_fine(report.error_code),
        vendor_id=report.vendor_id or "",
        vendor_code=_unless_fine(report.vendor_error_code),
        info=_unless_fine(report.info),
    )
    nothing_said = not (signs.code or signs.vendor_code or signs.info)
    if nothing_said and report.status is not ConnectorStatus.FAULTED:
        return None
    if not signs.code and report.status is not ConnectorStatus.FAULTED and not known_fault(signs):
        return None  # "info" alone is often small talk: a firmware's name, a meter's state
    return fault_shown(signs)


def fault_parameters(evse: str, found: FaultFound, standing: Alarm | None) -> dict[str, str]:
    """An alarm's parameters; what was tried about the same fault stays with it."""
    parameters = {
        "evse": evse,
        "error": found.words,
        "said": found.code,
        "fault": found.fault.name,
        "mending": found.fault.mending.value,
        "priority": found.fault.priority.value,
        "remedy": found.fault.remedy,
    }
    same = standing is not None and standing.parameters.get("fault") == found.fault.name
    tried = standing.parameters.get("tried", "") if standing is not None and same else ""
    return with_tries(parameters, tried)


def with_tries(parameters: Mapping[str, str], tried: str) -> dict[str, str]:
    """The same parameters, with a sentence on what the controller has done already."""
    if not tried:
        return dict(parameters)
    fault = fault_named(parameters.get("fault", ""))
    remedy = fault.remedy if fault is not None else parameters.get("remedy", "")
    return {**parameters, "tried": tried, "remedy": f"{tried}. {remedy}"}


def _first(signs: FaultSigns) -> CatalogueRow | None:
    said = {name: getattr(signs, name).strip() for name in _SIGNS}
    given = frozenset(name for name, text in said.items() if text)
    for row in _rows_about(given):
        if row.fits(said):
            return row
    return None


@cache
def _rows_about(given: frozenset[str]) -> tuple[CatalogueRow, ...]:
    """Rows that name no other signs than these, in their order."""
    return tuple(row for row in catalogue() if row.patterns and row.patterns.keys() <= given)


def _row(row: dict[str, Any]) -> CatalogueRow:
    name = row.get("name", "?")
    assert row.keys() <= _FACTS | _SAID, f"faults.toml: {name}: {sorted(row.keys() - _SAID)}"
    for fact in ("name", "words", "remedy", "mending", "priority", "source"):
        assert row.get(fact), f"faults.toml: {name} has no {fact}"
    fault = Fault(
        name=row["name"],
        words=row["words"],
        remedy=row["remedy"],
        mending=Mending(row["mending"]),
        priority=AlarmPriority(row["priority"]),
        heal=tuple(HealingStep(step) for step in row.get("heal", ())),
    )
    patterns = {
        name: tuple(text.casefold() for text in _listed(row[name]))
        for name in _SIGNS
        if name in row
    }
    assert patterns or row["name"] in (NO_CODE, UNKNOWN), f"faults.toml: {name} fits everything"
    signs = tuple((name, _pattern(texts)) for name, texts in patterns.items())
    return CatalogueRow(fault, patterns, row["source"], signs)


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _pattern(texts: tuple[str, ...]) -> re.Pattern[str]:
    """Read once: `fnmatch` itself remembers fewer patterns than the catalogue has."""
    return re.compile("|".join(map(translate, texts)), re.IGNORECASE)


def _code(signs: FaultSigns) -> str:
    """The station's own words, for a technician."""
    place = ".".join(filter(None, (signs.component, signs.variable)))
    said = (signs.code, signs.vendor_code, signs.info, place, signs.value if place else "")
    return " · ".join(filter(None, said))


def _unless_fine(said: str | None) -> str:
    return "" if said is None or said.casefold() == "noerror" else said
