"""What single models do otherwise: a small typed profile looked up in `quirks.toml`.

A finding about a station is a row of data with its source, never an `if` in a dialect.
"""

import re
import tomllib
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from sitecontroller.domain.errors import ConfigurationError, FieldError
from sitecontroller.domain.station import StationBooted
from sitecontroller.domain.station import model_key as model_key
from sitecontroller.ocpp.values import LETTERS_AND_DIGITS, SENT_CHARACTERS_MAX

_MATCH_KEYS = frozenset({"vendor", "model", "firmware_max", "source"})
SUFFIX_PART_MIN = 4
"""A serial number that was cut off is recognised from this many characters."""


@dataclass(frozen=True, slots=True)
class Quirks:
    """How one model differs. The defaults are a station that follows the specification."""

    probe_measurands: bool = True
    """Measurands may be set and tried; False leaves the station's own list untouched (Q15)."""
    id_token_suffix: str = ""
    """Cut off card numbers; ``{serial}`` is the station's serial number (Q23)."""
    id_token_characters: str = LETTERS_AND_DIGITS
    """What card numbers it takes are made of, letters in capitals (Q24)."""
    id_token_length_max: int = SENT_CHARACTERS_MAX
    """Of a card number it takes (Q24)."""
    limit_setting: str = ""
    """A setting of the maker's that takes a limit in amperes, where profiles don't work (Q44)."""
    integer_limits: bool = False
    """Takes whole amperes only (Q47)."""
    limits_by: str = ""
    """The way of telling it limits that is tried first, by its name in `ladder` (Q44)."""
    one_stack_level: bool = False
    """Takes profiles of stack level 0 only, whatever its settings of OCPP 1.6 say (Q44)."""
    limit_unit: str = ""
    """A or W: takes limits in that unit only, whatever its settings of OCPP 1.6 say (Q48)."""
    settings: dict[str, str] = field(default_factory=dict)
    """What set-up gives its settings of OCPP 1.6, where it has them (Q53)."""
    missing_zone_is_local: bool = False
    """Time stamps without a zone are the site's local time, not UTC (Q42)."""
    timestamp_digits: int = 3
    """Digits of a second in the time stamps we send: 0 or 3 (Q43)."""
    command_pause_s: float = 0.25
    """Between two set-up commands (Q14)."""
    takes_pings: bool = True
    """False: it drops connections that ping, or leaves pings unanswered (Q08, Q09)."""
    requests: str = ""
    """strict, repair or accept, where the site's way is not right for it (Q22)."""
    answers: str = ""
    """The same for its answers to ours."""
    login_names: tuple[str, ...] = ()
    """Other user names it logs in with; ``{serial}`` is its serial number (Q07)."""
    ping_interval_s: float | None = None
    """Between two pings of a silent link, where the site's is not right for it (Q09)."""
    reconnects_after_close: bool = True
    """False: after a close frame it stays away (Q10)."""

    def without_suffix(self, id_token: str, serial_number: str | None) -> str:
        """A card number as the card says it. The specification's 20 characters may have cut the
        suffix short."""
        if not self.id_token_suffix or not serial_number:
            return id_token
        suffix = self.id_token_suffix.format(serial=serial_number).casefold()
        mark = suffix[0]
        at = id_token.rfind(mark)
        end = id_token[at:].casefold()
        is_whole = end == suffix
        is_part = len(end) > SUFFIX_PART_MIN and len(id_token) == 20 and suffix.startswith(end)
        return id_token[:at] if at > 0 and (is_whole or is_part) else id_token


def quirks_of(boot: StationBooted | None, own: Path | None = None) -> Quirks:
    """The profile for what a station says it is; the default as long as it has said nothing.
    `own`: the site's file of more findings."""
    quirks = Quirks()
    for row in load_rows(own) if boot is not None else ():
        if boot is not None and _matches(row, boot):
            changes: dict[str, Any] = {k: v for k, v in row.items() if k not in _MATCH_KEYS}
            quirks = replace(quirks, **changes)
    return quirks


def firmware_number(text: str | None) -> tuple[int, ...]:
    """The last dotted number: (1, 8, 21) of "TAC3Z9119006710273::V1.8.21"; () without one."""
    found = re.findall(r"\d{1,6}(?:\.\d{1,6})+", text or "")
    return tuple(int(part) for part in found[-1].split(".")) if found else ()


def _matches(row: dict[str, Any], boot: StationBooted) -> bool:
    for key, said in (("vendor", boot.vendor), ("model", boot.model)):
        if not fnmatchcase(said.strip().casefold(), row.get(key, "*").casefold()):
            return False
    newest = firmware_number(row.get("firmware_max"))
    if not newest:
        return True
    # A station that hides its firmware is treated as the old one: the quirk does no harm.
    return firmware_number(boot.firmware_version) <= newest


@cache
def load_rows(own: Path | None = None) -> tuple[dict[str, Any], ...]:
    """The data file, then the site's own, which therefore wins; read and checked once.

    ConfigurationError when the site's can't be used.
    """
    text = files("sitecontroller.ocpp").joinpath("quirks.toml").read_text(encoding="utf-8")
    rows = check_rows(tomllib.loads(text).get("station", []))
    return rows if own is None else (*rows, *_own_rows(own))


def check_rows(rows: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Our own data file: every row has a source and knows only what `Quirks` knows."""
    for row in rows:
        assert row.get("source"), f"quirks.toml: {row} has no source"
        fault = _fault(row)
        assert fault is None, f"quirks.toml: {fault}"
    return tuple(rows)


def _own_rows(path: Path) -> tuple[dict[str, Any], ...]:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unusable(path, str(error)) from error
    rows = data.get("station", [])
    if not isinstance(rows, list) or data.keys() - {"station"}:
        raise _unusable(path, "it may hold [[station]] tables only")
    for number, row in enumerate(rows, start=1):
        if (fault := _fault(row)) is not None:
            raise _unusable(path, f"[[station]] number {number}: {fault}")
    return tuple(rows)


def _fault(row: dict[str, Any]) -> str | None:
    """What is wrong with a row, in words."""
    normal = {field.name: getattr(Quirks(), field.name) for field in fields(Quirks)}
    if unknown := sorted(row.keys() - normal.keys() - _MATCH_KEYS):
        return f"there is no field {', '.join(unknown)}"
    for name, value in row.items():
        wanted = _kind(normal.get(name, ""))
        if _kind(value) is not wanted:
            return f"{name} must be a {wanted.__name__}, not {value!r}"
    return None


def _kind(value: object) -> type:
    """Numbers are one kind, with None for "the site's"; lists are written for tuples."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return float
    return list if isinstance(value, tuple) else type(value)


def _unusable(path: Path, fault: str) -> ConfigurationError:
    return ConfigurationError(
        f"{path.name} can't be used: {fault}",
        remedy="Mend the file; docs/quirks.md says what may stand in it",
        errors=(FieldError("ocpp.quirks", fault),),
    )
