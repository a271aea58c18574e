"""Signed readings as OCPP brings them, judged: each for itself and all of a session together.

1.6 has the record as the value's text, as hex or base64 of it, or as JSON of 2.x's
SignedMeterValueType (OCA application note "Signed meter values in OCPP"); 2.x has that type itself.
"""

import base64
import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from sitecontroller.domain.ocmf import Code, Finding, OcmfFault, Record
from sitecontroller.domain.ocmf_rules import (
    Statement,
    check_energy,
    check_meter,
    check_sessions,
    check_token,
    sessions_of,
    statement,
)
from sitecontroller.domain.signed_reading import (
    JudgedReading,
    SignedJudgement,
    SignedReading,
    SignedVerdict,
)
from sitecontroller.signed.judge import judge_record
from sitecontroller.signed.keys import KeyFault, MeterKey, read_key
from sitecontroller.signed.records import SignedText, decode_text, to_xml

_MARK = b"OCMF|"
_ALFEN_MARK = b"AP;"
_KEY_PARTS = 4
_UNSUPPORTED = frozenset({Code.FORMAT_UNSUPPORTED, Code.ALGORITHM_UNKNOWN})
_HALVES = frozenset({Code.BEGIN_MISSING, Code.END_MISSING})
_WORST_FIRST = (
    SignedVerdict.INVALID,
    SignedVerdict.UNSUPPORTED,
    SignedVerdict.NO_KEY,
    SignedVerdict.VALID,
)


@dataclass(frozen=True, slots=True)
class Expected:
    """What a session's signed readings are held against. `energy_wh` None: it isn't known yet.

    `is_due`: its meter signs, so something signed has to be there. `shares_pages`: the station has
    more EVSEs, whose pages its gateway may count together.
    """

    public_key: str = ""
    meter_serial: str = ""
    token: str | None = None
    energy_wh: Decimal | None = None
    has_ended: bool = False
    is_due: bool = False
    shares_pages: bool = False


def check_key(text: str) -> str:
    """The key as plain hex, in the form it came in. Raises KeyFault with a sentence."""
    return read_key(text).encoded.hex()


def judge_session(readings: Sequence[SignedReading], expected: Expected) -> SignedJudgement:
    """Judge all signed readings of one session; importable, so that the workshop can run it."""
    key = read_key(expected.public_key) if expected.public_key else None
    records: list[Record] = []
    judged = []
    for reading in readings:
        one, record = _judge(reading, key)
        judged.append(one)
        if record is not None:
            records.append(record)
    findings = [finding for one in judged for finding in one.findings]
    sessions = sessions_of(records)
    said = _said(sessions)
    if records:
        findings += [f for f in check_sessions(sessions) if f.code not in _HALVES or f.refuses]
        findings += check_meter(records, expected.meter_serial)
        findings += check_token(records, expected.token)
    if expected.shares_pages and all(_is_by_gateway(record) for record in records):
        findings = [_less_grave(finding) for finding in findings]
    if expected.is_due and expected.has_ended and not readings:
        text = "A key is pinned for this meter, and nothing signed came from it."
        findings.append(Finding(Code.READING_MISSING, text))
    if expected.has_ended and records and not _has_refusal(findings):
        findings += _at_end(said, expected)
    verdict = _verdict(judged, findings)
    return SignedJudgement(
        verdict,
        tuple(sorted(dict.fromkeys(findings), key=lambda finding: not finding.refuses)),
        said.energy_wh if said is not None and verdict is SignedVerdict.VALID else None,
        tuple(judged),
    )


def export_xml(judged: Sequence[JudgedReading], public_key: str) -> bytes:
    """The transparency software's XML of a session's signed readings; with the pinned key, else
    with the one that the station named."""
    return to_xml(
        [
            (
                SignedText(_bytes(reading), reading.format, name=reading.context.value),
                public_key or reading.named_key,
            )
            for reading in judged
        ]
    )


def _said(sessions: Sequence[Sequence[Record]]) -> Statement | None:
    """What the records say of their one session; None if they tell of several, or of none.

    Many meters sign the begin alone when it comes, and again with the end in one record.
    """
    said = [statement(session) for session in sessions]
    whole = [one for one in said if one.energy_wh is not None]
    if len(said) < 2 or len(whole) != 1:
        return said[0] if len(said) == 1 else None
    begin = whole[0].begin
    assert begin is not None, "without a begin there is no energy"
    halves = [one for one in said if one is not whole[0]]
    fits = all(
        half.end is None
        and half.begin is not None
        and half.begin.energy_wh == begin.energy_wh
        and half.records[0].serial == whole[0].records[0].serial
        for half in halves
    )
    return whole[0] if fits else None


def _is_by_gateway(record: Record) -> bool:
    return record.gateway_serial not in ("", record.meter_serial)


def _less_grave(finding: Finding) -> Finding:
    """Pages that a gateway gave to another outlet meanwhile can't be told from a gap."""
    if finding.code is not Code.PAGE_GAP:
        return finding
    return replace(finding, text=f"{finding.text} They may be another outlet's.", refuses=False)


def _at_end(said: Statement | None, expected: Expected) -> list[Finding]:
    """What has to be there once a session is over."""
    if said is None:
        text = "The signed readings tell of more than one session."
        return [Finding(Code.BEGIN_TWICE, text)]
    findings = []
    if said.begin is None:
        text = "The session has ended, and its signed begin never came."
        findings.append(Finding(Code.BEGIN_MISSING, text))
    if said.end is None:
        text = "The session has ended, and its signed end never came."
        findings.append(Finding(Code.END_MISSING, text))
    if expected.energy_wh is not None:
        findings += check_energy(said, expected.energy_wh)
    return findings


def _judge(reading: SignedReading, key: MeterKey | None) -> tuple[JudgedReading, Record | None]:
    """One reading; without a key its form is judged, and no record of it is trusted."""
    text = _unpacked(reading.data)
    shown = _shown(reading, text)
    if text.format != "OCMF":
        finding = Finding(
            Code.FORMAT_UNSUPPORTED,
            f"The format {text.format[:60]} is kept, but can't be checked here.",
            refuses=False,
        )
        return replace(shown, verdict=SignedVerdict.UNSUPPORTED, findings=(finding,)), None
    if key is None:
        finding = Finding(
            Code.KEY_MISSING, "No public key is pinned for this meter.", refuses=False
        )
        return replace(shown, verdict=SignedVerdict.NO_KEY, findings=(finding,)), None
    try:
        record = judge_record(text, key)
    except OcmfFault as fault:
        unsupported = fault.finding.code in _UNSUPPORTED
        verdict = SignedVerdict.UNSUPPORTED if unsupported else SignedVerdict.INVALID
        finding = replace(fault.finding, refuses=not unsupported)
        return replace(shown, verdict=verdict, findings=(finding,)), None
    return shown, record


def _shown(reading: SignedReading, text: SignedText) -> JudgedReading:
    try:
        record = text.data.decode("utf-8")
    except UnicodeDecodeError:
        record = reading.data
    return JudgedReading(
        reading.at,
        reading.context,
        text.format,
        record,
        SignedVerdict.VALID,
        (),
        text.public_key,
    )


def _bytes(reading: JudgedReading) -> bytes:
    """A record that was no text stands in its JSON still."""
    if reading.format == "OCMF":
        return reading.record.encode()
    return _unpacked(reading.record).data


def _has_refusal(findings: Sequence[Finding]) -> bool:
    return any(finding.refuses for finding in findings)


def _verdict(judged: Sequence[JudgedReading], findings: Sequence[Finding]) -> SignedVerdict:
    if _has_refusal(findings):
        return SignedVerdict.INVALID
    verdicts = {one.verdict for one in judged}
    return next((verdict for verdict in _WORST_FIRST if verdict in verdicts), SignedVerdict.VALID)


def _unpacked(data: str) -> SignedText:
    """The record within what a station sent, its format, and the key that it named."""
    said = _signed_meter_value(data)
    if said is None:
        decoded = decode_text(data.encode("utf-8", "surrogatepass"))
        return SignedText(decoded, _format_of(decoded, ""))
    decoded = _decoded(str(said.get("signedMeterData", "")))
    encoding = said.get("encodingMethod")
    named = said.get("publicKey")
    return SignedText(
        decoded,
        _format_of(decoded, encoding if isinstance(encoding, str) else ""),
        _named_key(named if isinstance(named, str) else ""),
    )


def _signed_meter_value(data: str) -> dict[str, object] | None:
    if not data.lstrip().startswith("{"):
        return None
    try:
        said = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) and "signedMeterData" in said else None


def _decoded(text: str) -> bytes:
    plain = decode_text(text.encode("utf-8", "surrogatepass"))
    if plain.startswith(_MARK):
        return plain
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return plain


def _format_of(decoded: bytes, told: str) -> str:
    """By what it begins with; what a station calls it is often something else."""
    if decoded.lstrip().startswith(_MARK):
        return "OCMF"
    if decoded.startswith(_ALFEN_MARK):
        return "ALFEN"
    return told.strip()[:60] if told.strip().upper() not in ("", "OCMF") else "unknown"


def _named_key(text: str) -> str:
    """Hex of the key that a station names: plain, base64 of it, or `oca:base16:asn1:…` (OCA); ""
    if it is none."""
    candidates = [text]
    with contextlib.suppress(ValueError):
        candidates.append(base64.b64decode(text, validate=True).decode("ascii"))
    for candidate in candidates:
        parts = candidate.split(":")
        plain = parts[-1] if len(parts) == _KEY_PARTS and parts[0] == "oca" else candidate
        try:
            return check_key(plain)
        except KeyFault:
            continue
    return ""
