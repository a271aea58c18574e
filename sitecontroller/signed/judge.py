"""A file of signed records against a public key: what it says, or what is wrong with it."""

from dataclasses import dataclass, field, replace

from sitecontroller.domain.ocmf import Code, Finding, OcmfFault, Record, parse_record
from sitecontroller.domain.ocmf_rules import check_sessions, sessions_of
from sitecontroller.signed.keys import KeyFault, MeterKey, read_key
from sitecontroller.signed.records import SignedText, read_records
from sitecontroller.signed.verify import check_signature

FORMAT = "OCMF"


@dataclass(frozen=True, slots=True)
class Judgement:
    """`sessions` are those of records whose signatures fit; `findings` of all, the grave first."""

    sessions: tuple[tuple[Record, ...], ...] = ()
    findings: tuple[Finding, ...] = ()
    signatures_fit: bool = field(default=False)

    @property
    def is_valid(self) -> bool:
        return not any(finding.refuses for finding in self.findings)


def judge_file(data: bytes, key: MeterKey) -> Judgement:
    """Judge all records of a file, each for itself and as sessions."""
    try:
        texts = read_records(data)
    except OcmfFault as fault:
        return Judgement(findings=(fault.finding,))
    records, faults = [], []
    for number, text in enumerate(texts, start=1):
        try:
            records.append(judge_record(text, key))
        except OcmfFault as fault:
            where = f"Record {number}: " if len(texts) > 1 else ""
            faults.append(replace(fault.finding, text=where + fault.finding.text))
    sessions = sessions_of(records)
    if faults:
        return Judgement(tuple(sessions), tuple(faults))
    findings = check_sessions(sessions)
    ordered = sorted(dict.fromkeys(findings), key=lambda finding: not finding.refuses)
    return Judgement(tuple(sessions), tuple(ordered), signatures_fit=True)


def judge_record(text: SignedText, key: MeterKey) -> Record:
    """The record, if it is signed by this key. OcmfFault says why it isn't trusted."""
    if text.format.casefold() != FORMAT.casefold():
        raise OcmfFault(
            Code.FORMAT_UNSUPPORTED,
            f"The format {text.format[:60]} can't be checked here; only OCMF can.",
        )
    record = parse_record(text.data)
    _check_named_key(text.public_key, key)
    check_signature(record, key)
    return record


def _check_named_key(named: str, key: MeterKey) -> None:
    """A file that names another key than the one given says something else than it seems to."""
    if not named:
        return
    try:
        is_same = read_key(named).is_same(key)
    except KeyFault:
        raise OcmfFault(
            Code.KEY_MISMATCH, "The public key that the file itself names can't be read."
        ) from None
    if not is_same:
        raise OcmfFault(
            Code.KEY_MISMATCH, "The file itself names another public key than the one given."
        )
