"""What may be billed on signed readings whose signatures fit: the rules beyond the signature.

A session is one record with begin and end, or a begin and an end record with those between them.
Its pages follow each other without a gap, its registers and times don't fall, one meter said all of
it, and the meter was well throughout (OCMF 1.4, "Signing and verification process"). Nothing here
changes a record or guesses what is missing; whoever bills decides by `Finding.refuses`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from sitecontroller.domain.ocmf import Code, Finding, Reading, Record

IMPORT_QUANTITIES = (0xB3, 0xB1, 0x98, 0xB2, 0xB0, 0x9E, 0x01)
"""C of the OBIS code, best first: what the car got (losses of the cable off), else what was fed."""
TOKEN_CHARACTERS_MIN = 6
"""Shorter ones are found in other texts by chance."""

_STATUS_WORDS = {
    "N": "it was not there",
    "T": "it didn't answer in time",
    "D": "it was disconnected",
    "R": "it was gone",
    "M": "it was tampered with",
    "X": "it was exchanged",
    "I": "it was incompatible",
    "O": "its value was out of range",
    "S": "a substitute value was formed",
    "E": "it had an error",
    "F": "its register was not read rightly",
}
_TIME_WORDS = {"U": "unknown", "I": "informative", "S": "synchronized", "R": "relative"}
_BAD_ASSIGNMENTS = frozenset({"MISMATCH", "INVALID", "OUTDATED", "UNKNOWN"})
_OWN_TOKEN_TYPES = frozenset({"ISO14443", "ISO15693", "EMAID", "EVCOID"})
"""Types of ID that are what was shown at the charger, and so what the charger told us."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What the records of one session say. `energy_wh` is None where begin or end is missing."""

    records: tuple[Record, ...]
    begin: Reading | None
    end: Reading | None
    energy_wh: Decimal | None

    @property
    def resolution_wh(self) -> Decimal:
        """The last digit that its registers are written with."""
        steps = [_step_wh(reading) for reading in (self.begin, self.end) if reading is not None]
        return max(steps, default=Decimal(0))


def time_words(status: str) -> str:
    """The time status of a reading in a word."""
    return _TIME_WORDS.get(status, "not stated")


def sessions_of(records: Iterable[Record]) -> list[tuple[Record, ...]]:
    """Records in their sessions, whatever order they come in; one given twice counts once."""
    unique = {(record.payload, record.serial): record for record in records}
    ordered = sorted(unique.values(), key=_position)
    sessions: list[list[Record]] = []
    is_open = False
    for record in ordered:
        begins = any(reading.is_begin for reading in record.readings)
        ends = any(reading.is_end for reading in record.readings)
        joins = is_open and not begins and record.serial == sessions[-1][-1].serial
        if joins and _is_of_transaction(record):
            sessions[-1].append(record)
        else:
            sessions.append([record])
        is_open = (begins or joins) and not ends
    return [tuple(session) for session in sessions]


def statement(session: Sequence[Record]) -> Statement:
    """What one session's records say of the register that counts."""
    readings = billed_readings(session)
    begin = next((reading for reading in readings if reading.is_begin), None)
    end = next((reading for reading in reversed(readings) if reading.is_end), None)
    energy_wh = None
    if begin is not None and end is not None:
        first_wh, last_wh = begin.energy_wh, end.energy_wh
        if first_wh is not None and last_wh is not None:
            energy_wh = last_wh - first_wh
    return Statement(tuple(session), begin, end, energy_wh)


def billed_readings(session: Sequence[Record]) -> list[Reading]:
    """Those of the best register that the session's records have; [] if none is of import."""
    readings = [reading for record in session for reading in record.readings]
    for quantity in IMPORT_QUANTITIES:
        found = [r for r in readings if _is_of(r, quantity)]
        if found:
            return found
    return [r for r in readings if r.register is None and r.unit.casefold() in ("", "kwh", "wh")]


def check_sessions(sessions: Sequence[Sequence[Record]]) -> list[Finding]:
    """All that is to be said of the sessions of one file."""
    findings = [finding for session in sessions for finding in check_session(session)]
    said = [statement(session) for session in sessions if _is_of_transaction(session[0])]
    only_begins = [s for s in said if s.begin is not None and s.end is None]
    only_ends = [s for s in said if s.end is not None and s.begin is None]
    if only_begins and only_ends:
        serials = {_serials(only_begins[0].records), _serials(only_ends[0].records)}
        code = Code.METER_DIFFERS if len(serials) > 1 else Code.BEGIN_MISSING
        findings.append(
            Finding(
                code,
                "The begin and the end don't belong to one session: "
                + ("different meters signed them." if len(serials) > 1 else "the end comes first."),
            )
        )
    return findings + _pages_twice([record for session in sessions for record in session])


def check_session(session: Sequence[Record]) -> list[Finding]:
    """All that is to be said of one session, the grave first."""
    checks: tuple[Callable[[Sequence[Record]], list[Finding]], ...] = (
        _pages,
        _meters,
        _tokens,
        _registers,
        _times,
        _states,
        _begin_and_end,
    )
    findings = dict.fromkeys(finding for check in checks for finding in check(session))
    return sorted(findings, key=lambda finding: not finding.refuses)


def check_meter(session: Sequence[Record], pinned_serial: str) -> list[Finding]:
    """That the meter is the one that was pinned at commissioning; "" is none pinned."""
    others = {record.serial for record in session} - {pinned_serial}
    if not pinned_serial or not others:
        return []
    told = ", ".join(sorted(others))
    return [
        Finding(Code.METER_DIFFERS, f"Meter {told} signed it; {pinned_serial} is known to be here.")
    ]


def check_token(session: Sequence[Record], token: str | None) -> list[Finding]:
    """That the record is about the token that the session was started with; None: not known."""
    for record in session:
        if token is None or not record.token or record.is_assigned is False:
            continue
        signed, ours = record.token.casefold(), token.casefold()
        if signed == ours or (len(ours) >= TOKEN_CHARACTERS_MIN and ours in signed):
            continue
        refuses = record.token_type in _OWN_TOKEN_TYPES
        return [
            Finding(
                Code.TOKEN_DIFFERS,
                f"The record is about the card {record.token}, the session was started with "
                f"{token}.",
                refuses,
            )
        ]
    return []


def check_energy(said: Statement, billed_wh: Decimal) -> list[Finding]:
    """That the billed energy is the signed one, but for the last digit that the meter signs."""
    if said.energy_wh is None or abs(said.energy_wh - billed_wh) <= said.resolution_wh + 1:
        return []
    return [
        Finding(
            Code.ENERGY_DIFFERS,
            f"The meter signed {_kwh(said.energy_wh)} kWh, the bill would say {_kwh(billed_wh)}.",
        )
    ]


def _position(record: Record) -> tuple[str, str, int]:
    page = record.page
    return (record.serial, page.context if page else "", page.number if page else 0)


def _is_of_transaction(record: Record) -> bool:
    return record.page is None or record.page.context == "T"


def _is_of(reading: Reading, quantity: int) -> bool:
    register = reading.register
    return register is not None and register.is_energy and register.quantity == quantity


def _serials(session: Sequence[Record]) -> tuple[str, str]:
    return (session[0].gateway_serial, session[0].meter_serial)


def _step_wh(reading: Reading) -> Decimal:
    if reading.value is None:
        return Decimal(0)
    exponent = reading.value.as_tuple().exponent
    step = Decimal(1).scaleb(exponent if isinstance(exponent, int) else 0)
    return step * 1000 if reading.unit.casefold() == "kwh" else step


def _kwh(energy_wh: Decimal) -> str:
    return f"{energy_wh / 1000:f}"


def _pages(session: Sequence[Record]) -> list[Finding]:
    if any(record.page is None for record in session):
        return [Finding(Code.PAGE_MISSING, "A record has no page number (PG): none can be missed.")]
    pages = [record.page for record in session if record.page is not None]
    return [
        Finding(
            Code.PAGE_GAP,
            f"Between page {before} and page {after} of one session records are missing.",
        )
        for before, after in pairwise(pages)
        if after.number > before.number + 1
    ]


def _pages_twice(records: Sequence[Record]) -> list[Finding]:
    seen: set[tuple[str, str]] = set()
    findings = []
    for record in records:
        key = (record.serial, str(record.page))
        if record.page is not None and key in seen:
            findings.append(
                Finding(Code.PAGE_TWICE, f"Two records that differ are both page {record.page}.")
            )
        seen.add(key)
    return findings


def _meters(session: Sequence[Record]) -> list[Finding]:
    if not all(record.serial for record in session):
        text = "It names neither a meter (MS) nor a gateway (GS)."
        return [Finding(Code.METER_UNNAMED, text, refuses=False)]
    if len({(record.gateway_serial, record.meter_serial) for record in session}) > 1:
        return [Finding(Code.METER_DIFFERS, "Different meters signed the records of one session.")]
    return []


def _tokens(session: Sequence[Record]) -> list[Finding]:
    findings = []
    named = {(r.token_type, r.token) for r in session if r.token and r.is_assigned is not False}
    if len(named) > 1:
        told = ", ".join(sorted(token for _, token in named))
        findings.append(
            Finding(Code.TOKEN_DIFFERS, f"The records are about different cards: {told}.")
        )
    for record in session:
        if record.assignment_level in _BAD_ASSIGNMENTS:
            text = f"The meter couldn't tell who charged (IL {record.assignment_level})."
            findings.append(Finding(Code.TOKEN_ASSIGNMENT, text))
        elif record.is_assigned is False:
            text = "The meter knows of nobody who charged."
            findings.append(Finding(Code.TOKEN_ASSIGNMENT, text, refuses=False))
    return findings


def _registers(session: Sequence[Record]) -> list[Finding]:
    readings = billed_readings(session)
    if not readings:
        return [Finding(Code.REGISTER_UNREADABLE, "It has no reading of energy taken.")]
    findings = [
        Finding(Code.REGISTER_UNREADABLE, f"The register at {r.time_text} can't be read as energy.")
        for r in readings
        if r.energy_wh is None and (r.is_begin or r.is_end or r.value is not None)
    ]
    known = [r for r in readings if r.energy_wh is not None]
    for before, after in pairwise(known):
        if (after.energy_wh or 0) < (before.energy_wh or 0):
            text = f"The register falls from {before.value} to {after.value} {after.unit}."
            findings.append(Finding(Code.REGISTER_FELL, text))
    return findings


def _times(session: Sequence[Record]) -> list[Finding]:
    findings: list[Finding] = []
    readings = billed_readings(session)
    for reading in readings:
        if reading.at is None:
            text = f"The time {reading.time_text!r} can't be read."
            findings.append(Finding(Code.TIME_UNREADABLE, text))
        elif reading.time_status not in _TIME_WORDS:
            text = f"The time {reading.time_text} doesn't say how sure it is."
            findings.append(Finding(Code.TIME_STATUS, text))
        elif reading.time_status in "UI":
            findings.append(
                Finding(
                    Code.TIME_STATUS,
                    f"The meter's clock is {time_words(reading.time_status)}: energy may be billed "
                    "on this reading, time may not.",
                    refuses=False,
                )
            )
    for before, after in pairwise(readings):
        if before.at is not None and after.at is not None and after.at < before.at:
            text = f"The time falls from {before.time_text} to {after.time_text}."
            findings.append(Finding(Code.TIME_FELL, text))
    said = statement(session)
    begin, end = said.begin, said.end
    if begin and end and begin.time_status == "R" and end.time_status != "R":
        text = "The clock of the begin is relative, that of the end isn't: no duration follows."
        findings.append(Finding(Code.TIME_STATUS, text))
    return findings


def _states(session: Sequence[Record]) -> list[Finding]:
    findings = []
    for reading in billed_readings(session):
        if reading.status != "G":
            why = _STATUS_WORDS.get(reading.status, f"its state is {reading.status or 'not said'}")
            text = f"The meter was not well at {reading.time_text}: {why}."
            findings.append(Finding(Code.METER_STATUS, text))
        if "E" in reading.error_flags:
            text = f"The meter says that its energy at {reading.time_text} may not be billed."
            findings.append(Finding(Code.ENERGY_ERROR, text))
        if "t" in reading.error_flags:
            text = f"The meter says that its time at {reading.time_text} may not be billed."
            findings.append(Finding(Code.TIME_ERROR, text, refuses=False))
        if reading.reason == "X":
            text = f"An error during charging at {reading.time_text}: nothing after it counts."
            findings.append(Finding(Code.EXCEPTION, text))
    return findings


def _begin_and_end(session: Sequence[Record]) -> list[Finding]:
    if not _is_of_transaction(session[0]):
        return []
    readings = billed_readings(session)
    begins = [reading for reading in readings if reading.is_begin]
    ends = [reading for reading in readings if reading.is_end]
    findings = []
    if len(begins) > 1:
        findings.append(Finding(Code.BEGIN_TWICE, "One session begins twice."))
    if len(ends) > 1:
        findings.append(Finding(Code.END_TWICE, "One session ends twice."))
    if not begins:
        text = "The begin of the session isn't among the records."
        findings.append(Finding(Code.BEGIN_MISSING, text, refuses=False))
    if not ends:
        text = "The end of the session isn't among the records."
        findings.append(Finding(Code.END_MISSING, text, refuses=False))
    words = {"A": "an error ended it", "P": "a power failure ended it"}
    if ends and ends[-1].reason in words:
        text = f"The session was cut short: {words[ends[-1].reason]}."
        findings.append(Finding(Code.ENDED_BY, text, refuses=False))
    return findings
