"""Signed meter readings in OCMF: what a record says, read without changing one byte of it.

A record is `OCMF|{payload}|{signature}` (SAFE e.V., OCMF 1.4). `payload` is what the meter signed:
it is kept as the bytes that came and never written anew. Meters of the field write some fields
otherwise than the specification (a number as text, a version as a number); such a record can be
read, and its signature decides. Whether the signature fits is for `sitecontroller.signed` to say,
whether a transaction may be billed on it for `ocmf_rules`.
"""

import json
import re
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

RECORD_BYTES_MAX = 65_536
READINGS_MAX = 500
NUMBER_DIGITS_MAX = 30
DEFAULT_ALGORITHM = "ECDSA-secp256r1-SHA256"
DEFAULT_ENCODING = "hex"
DER_MIME_TYPE = "application/x-der"

_HEADER = b"OCMF"
_SPACE = " \t\r\n"
_NUMBER = re.compile(r"[+-]?\d{1,30}(\.\d{1,30})?", re.ASCII)
_PAGE = re.compile(r"([TF])(0|[1-9]\d{0,18})", re.ASCII)
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[,.](\d{1,6}))?(Z|[+-]\d\d:?\d\d)(?: ?([A-Za-z]))?",
    re.ASCII,
)
_OBIS = re.compile(
    r"(?:(?P<a>[0-9a-f]+)-(?P<b>[0-9a-f]+):)?(?P<c>[0-9a-f]+)\.(?P<d>[0-9a-f]+)"
    r"(?:\.(?P<e>[0-9a-f]+))?(?:[.*](?P<f>[0-9a-f]+))?",
    re.ASCII | re.IGNORECASE,
)


class Code(StrEnum):
    """What may be wrong with a record, or worth a word about it."""

    NO_OCMF = "NO_OCMF"
    PAYLOAD_UNREADABLE = "PAYLOAD_UNREADABLE"
    SIGNATURE_UNREADABLE = "SIGNATURE_UNREADABLE"
    ALGORITHM_UNKNOWN = "ALGORITHM_UNKNOWN"
    READING_MISSING = "READING_MISSING"
    KEY_MISSING = "KEY_MISSING"
    KEY_MISMATCH = "KEY_MISMATCH"
    SIGNATURE_WRONG = "SIGNATURE_WRONG"
    CHECKS_DISAGREE = "CHECKS_DISAGREE"
    FORMAT_UNSUPPORTED = "FORMAT_UNSUPPORTED"
    PAGE_MISSING = "PAGE_MISSING"
    PAGE_TWICE = "PAGE_TWICE"
    PAGE_GAP = "PAGE_GAP"
    TIME_UNREADABLE = "TIME_UNREADABLE"
    TIME_FELL = "TIME_FELL"
    TIME_STATUS = "TIME_STATUS"
    TIME_ERROR = "TIME_ERROR"
    METER_STATUS = "METER_STATUS"
    ENERGY_ERROR = "ENERGY_ERROR"
    EXCEPTION = "EXCEPTION"
    REGISTER_UNREADABLE = "REGISTER_UNREADABLE"
    REGISTER_FELL = "REGISTER_FELL"
    BEGIN_MISSING = "BEGIN_MISSING"
    END_MISSING = "END_MISSING"
    BEGIN_TWICE = "BEGIN_TWICE"
    END_TWICE = "END_TWICE"
    METER_UNNAMED = "METER_UNNAMED"
    METER_DIFFERS = "METER_DIFFERS"
    TOKEN_DIFFERS = "TOKEN_DIFFERS"
    TOKEN_ASSIGNMENT = "TOKEN_ASSIGNMENT"
    ENERGY_DIFFERS = "ENERGY_DIFFERS"
    ENDED_BY = "ENDED_BY"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about a record in a plain sentence. `refuses`: it isn't billed by itself."""

    code: Code
    text: str
    refuses: bool = True


class OcmfFault(ValueError):
    """No record can be read from this, or its signature can't be checked; `finding` says why."""

    def __init__(self, code: Code, text: str) -> None:
        super().__init__(text)
        self.finding = Finding(code, text)


@dataclass(frozen=True, slots=True)
class Page:
    """PG: the counter of a meter's records, one for transactions (T), one for fiscal ones (F)."""

    context: str
    number: int

    def __str__(self) -> str:
        return f"{self.context}{self.number}"


@dataclass(frozen=True, slots=True)
class Register:
    """RI, an OBIS code: `quantity` is its C field, `is_energy` that D says a register (8)."""

    text: str
    quantity: int
    is_energy: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """One element of RD, with what it inherits from the one before it.

    `at` is None where TM can't be read; `time_status` is U, I, S, R or "" where nothing is said.
    `value` has the digits that were written, in `unit`; None with an event alone.
    """

    time_text: str
    at: datetime | None
    time_status: str
    reason: str
    value: Decimal | None
    register: Register | None
    unit: str
    current_type: str
    error_flags: str
    status: str

    @property
    def energy_wh(self) -> Decimal | None:
        """The register in Wh; None where it says no energy."""
        factor = {"kwh": 1000, "wh": 1}.get(self.unit.casefold())
        return None if factor is None or self.value is None else self.value * factor

    @property
    def is_begin(self) -> bool:
        return self.reason == "B"

    @property
    def is_end(self) -> bool:
        return self.reason in ("E", "L", "R", "A", "P")


@dataclass(frozen=True, slots=True)
class SignatureSection:
    """What the third section says: `data` is SD, still as text in `encoding`."""

    algorithm: str
    encoding: str
    mime_type: str
    data: str


@dataclass(frozen=True, slots=True)
class Record:
    """One OCMF record. `payload` is what was signed, byte for byte; a text is "" where absent."""

    payload: bytes
    signature: SignatureSection
    embedded_key: str
    format_version: str
    gateway: str
    gateway_serial: str
    gateway_version: str
    page: Page | None
    meter_vendor: str
    meter_model: str
    meter_serial: str
    meter_firmware: str
    is_assigned: bool | None
    assignment_level: str
    assignment_flags: tuple[str, ...]
    token_type: str
    token: str
    tariff_text: str
    charge_point_type: str
    charge_point: str
    readings: tuple[Reading, ...]

    @property
    def serial(self) -> str:
        """Of whom the signature is: the meter, else the gateway that signs for it."""
        return self.meter_serial or self.gateway_serial


def parse_record(data: bytes) -> Record:
    """The record of these bytes; white space around it isn't its own. OcmfFault says why not."""
    if len(data) > RECORD_BYTES_MAX:
        raise OcmfFault(Code.NO_OCMF, f"It is longer than {RECORD_BYTES_MAX} bytes.")
    sections = data.strip(_SPACE.encode()).split(b"|")
    if sections[0] != _HEADER:
        raise OcmfFault(Code.NO_OCMF, 'It doesn\'t begin with "OCMF|": it is no OCMF record.')
    if len(sections) not in (3, 4):
        raise OcmfFault(
            Code.NO_OCMF,
            'An OCMF record has three sections parted by "|": the word OCMF, the payload and the '
            f"signature. This one has {len(sections)}.",
        )
    payload = _json_object(sections[1], Code.PAYLOAD_UNREADABLE, "payload")
    signature = _json_object(sections[2], Code.SIGNATURE_UNREADABLE, "signature")
    embedded = sections[3].decode("ascii", "replace").strip(_SPACE) if len(sections) == 4 else ""
    if len(sections) == 4 and not embedded:
        raise OcmfFault(Code.NO_OCMF, 'After the signature a "|" follows, and nothing after it.')
    return _record(sections[1], payload, _signature(signature), embedded)


def _json_object(section: bytes, code: Code, name: str) -> dict[str, Any]:
    """The section's JSON. A name given twice is refused: readers would see different values."""
    try:
        value = json.loads(
            section.decode("utf-8"),
            object_pairs_hook=_without_doubles,
            parse_float=_decimal,
            parse_int=_decimal,
            parse_constant=_no_constant,
        )
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, _Unfit) else "it is no JSON"
        raise OcmfFault(code, f"The {name} section can't be read: {reason}.") from None
    if not isinstance(value, dict):
        raise OcmfFault(code, f"The {name} section is no JSON object.")
    return value


class _Unfit(ValueError):
    """JSON that we don't take, with the reason."""


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        names = [name for name, _ in pairs]
        double = next(name for name in names if names.count(name) > 1)
        raise _Unfit(f"it gives {double!r} twice")
    return values


def _decimal(text: str) -> Decimal:
    if len(text) > NUMBER_DIGITS_MAX:
        raise _Unfit("it has an endless number")
    number = Decimal(text)
    if abs(number.adjusted()) > NUMBER_DIGITS_MAX:
        raise _Unfit("it has a number beyond all measure")
    return number


def _no_constant(text: str) -> None:
    raise _Unfit(f"{text} is no number")


def _signature(section: dict[str, Any]) -> SignatureSection:
    said = {name: section.get(name) for name in ("SA", "SE", "SM", "SD")}
    for name, value in said.items():
        if value is not None and not isinstance(value, str):
            raise OcmfFault(Code.SIGNATURE_UNREADABLE, f"{name} of the signature is no text.")
    if not said["SD"]:
        raise OcmfFault(Code.SIGNATURE_UNREADABLE, "There is no signature (SD).")
    return SignatureSection(
        algorithm=said["SA"] or DEFAULT_ALGORITHM,
        encoding=said["SE"] or DEFAULT_ENCODING,
        mime_type=said["SM"] or DER_MIME_TYPE,
        data=said["SD"],
    )


def _record(
    payload: bytes, said: dict[str, Any], signature: SignatureSection, embedded_key: str
) -> Record:
    flags = said.get("IF")
    assigned = said.get("IS")
    return Record(
        payload=payload,
        signature=signature,
        embedded_key=embedded_key,
        format_version=_text(said.get("FV")),
        gateway=_text(said.get("GI")),
        gateway_serial=_text(said.get("GS")),
        gateway_version=_text(said.get("GV")),
        page=_page(_text(said.get("PG"))),
        meter_vendor=_text(said.get("MV")),
        meter_model=_text(said.get("MM")),
        meter_serial=_text(said.get("MS")),
        meter_firmware=_text(said.get("MF")),
        is_assigned=assigned if isinstance(assigned, bool) else None,
        assignment_level=_text(said.get("IL")),
        assignment_flags=tuple(map(_text, flags)) if isinstance(flags, list) else (),
        token_type=_text(said.get("IT")),
        token=_text(said.get("ID")),
        tariff_text=_text(said.get("TT")),
        charge_point_type=_text(said.get("CT")),
        charge_point=_text(said.get("CI")),
        readings=_readings(said.get("RD")),
    )


def _text(value: object) -> str:
    """As it was written; numbers where a text belongs are common, and harmless here."""
    if isinstance(value, str):
        return value.strip(_SPACE)
    return str(value) if isinstance(value, Decimal) else ""


def _page(text: str) -> Page | None:
    found = _PAGE.fullmatch(text)
    return Page(found[1], int(found[2])) if found else None


def _readings(said: object) -> tuple[Reading, ...]:
    """What RD lists. A field that is left out is that of the reading before (table 7)."""
    if not isinstance(said, list) or len(said) > READINGS_MAX:
        raise OcmfFault(
            Code.PAYLOAD_UNREADABLE,
            f"It has no list of readings (RD), or more than {READINGS_MAX}.",
        )
    readings: list[Reading] = []
    before = Reading("", None, "", "", None, None, "", "", "", "")
    for element in said:
        if not isinstance(element, dict):
            raise OcmfFault(Code.PAYLOAD_UNREADABLE, "A reading (RD) is no JSON object.")
        before = _reading(element, before)
        readings.append(before)
    return tuple(readings)


def _reading(said: dict[str, Any], before: Reading) -> Reading:
    reading = before
    if "TM" in said:
        time_text = _text(said["TM"])
        at, status = parse_time(time_text)
        reading = replace(reading, time_text=time_text, at=at, time_status=status)
    if "RV" in said:
        reading = replace(reading, value=_number(said["RV"]))
    if "RI" in said:
        reading = replace(reading, register=parse_register(_text(said["RI"])))
    texts = {
        name: _text(said[key])
        for key, name in (
            ("TX", "reason"),
            ("RU", "unit"),
            ("RT", "current_type"),
            ("EF", "error_flags"),
            ("ST", "status"),
        )
        if key in said
    }
    return replace(reading, **texts)  # type: ignore[arg-type]


def _number(said: object) -> Decimal | None:
    """RV: a number, of some meters as text with spaces before it."""
    if isinstance(said, Decimal):
        return said
    text = _text(said)
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def parse_time(text: str) -> tuple[datetime | None, str]:
    """TM as (instant with its own offset, status letter): `2018-07-24T13:22:04,000+0200 S`."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None, ""
    clock, fraction, zone, status = found.groups()
    try:
        at = datetime.fromisoformat(f"{clock}.{(fraction or '').ljust(6, '0')}{zone}")
    except ValueError:
        return None, ""
    return at, (status or "").upper()


def parse_register(text: str) -> Register | None:
    """RI as `1-0:1.8.0`, `01-00:B3.08.00*FF`, `1-b:1.8.e`: fields are hexadecimal. None if none."""
    found = _OBIS.fullmatch(text)
    if found is None:
        return Register(text, 0, is_energy=False) if text else None
    return Register(text, int(found["c"], 16), is_energy=int(found["d"], 16) == 8)
