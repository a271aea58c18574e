"""`sitecontroller ocmf verify`: whether a signed meter reading is genuine, and what it says."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sitecontroller.cli.options import Commands
from sitecontroller.domain.ocmf import Finding, Reading, Record
from sitecontroller.domain.ocmf_rules import statement, time_words

if TYPE_CHECKING:
    from sitecontroller.signed.judge import Judgement

_INVALID_STATUS = 1
_USAGE_STATUS = 2


def add_ocmf(commands: Commands) -> None:
    """`ocmf verify FILE --public-key HEX`."""
    ocmf = commands.add_parser("ocmf", help="signed meter readings: check one")
    actions = ocmf.add_subparsers(title="commands", metavar="COMMAND", required=True)
    check = actions.add_parser(
        "verify",
        help="say whether a signed reading is genuine",
        description="Check OCMF records with the meter's public key: signature, pages, registers, "
        "times, the meter's state. FILE holds one record or several, plain, as hex or base64, or "
        "the transparency software's XML. Exit status: 0 valid, 1 not valid, 2 it couldn't be "
        "tried.",
    )
    check.add_argument("file", type=Path, metavar="FILE", help="'-' reads the standard input")
    check.add_argument(
        "--public-key",
        required=True,
        metavar="HEX",
        help="the meter's key, as printed on it: the point or its SubjectPublicKeyInfo",
    )
    check.set_defaults(work=verify)


def verify(options: argparse.Namespace) -> int:
    """Print what the records say, or what is wrong; 0, 1 or, where nothing was checked, 2."""
    from sitecontroller.signed.judge import judge_file  # its libraries serve no other command
    from sitecontroller.signed.keys import KeyFault, read_key
    from sitecontroller.signed.records import FILE_BYTES_MAX

    try:
        key = read_key(options.public_key)
        data = _read(options.file, FILE_BYTES_MAX + 1)
    except (KeyFault, OSError) as error:
        print(f"sitecontroller: {_sentence(error)}", file=sys.stderr)
        return _USAGE_STATUS
    judgement = judge_file(data, key)
    for line in _told(judgement):
        print(_printable(line))
    return 0 if judgement.is_valid else _INVALID_STATUS


def _read(path: Path, bytes_max: int) -> bytes:
    """The file, or its beginning; one longer than a file of records can be isn't judged."""
    if str(path) == "-":
        return sys.stdin.buffer.read(bytes_max)
    with path.open("rb") as file:
        return file.read(bytes_max)


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _told(judgement: "Judgement") -> Iterator[str]:
    if not judgement.is_valid:
        yield "invalid"
        if judgement.signatures_fit:
            yield "The signature fits, but nothing may be billed on it:"
        yield from (_line(finding) for finding in judgement.findings if finding.refuses)
        return
    yield "valid"
    for session in judgement.sessions:
        yield from _session(session)
    yield from (f"note: {_line(finding)}" for finding in judgement.findings)


def _line(finding: Finding) -> str:
    return f"{finding.text} ({finding.code})"


def _session(session: Sequence[Record]) -> Iterator[str]:
    first, said = session[0], statement(session)
    pages = ", ".join(str(record.page) for record in session)
    maker = " ".join(word for word in (first.meter_vendor, first.meter_model) if word)
    yield f"meter: {first.serial}" + (f" ({maker})" if maker else "")
    yield f"pages: {pages}"
    if said.begin is not None:
        yield f"from: {_reading(said.begin)}"
    if said.end is not None:
        yield f"to: {_reading(said.end)}"
    if said.begin is None and said.end is None:
        yield from (f"reading: {_reading(r)}" for record in session for r in record.readings)
    if said.energy_wh is not None:
        yield f"energy: {said.energy_wh / 1000:f} kWh"
    last = session[-1]
    if last.token:
        level = f", {last.assignment_level}" if last.assignment_level else ""
        yield f"token: {last.token} ({last.token_type or 'type not stated'}{level})"
    if last.charge_point:
        yield f"charge point: {last.charge_point}"


def _reading(reading: Reading) -> str:
    at = reading.at.isoformat(sep=" ", timespec="seconds") if reading.at else reading.time_text
    value = "no value" if reading.value is None else f"{reading.value} {reading.unit}"
    return f"{at} (clock {time_words(reading.time_status)}), {value}"


def _printable(line: str) -> str:
    """Records come from outside: no control characters of theirs reach the terminal, and letters
    that it can't show end nothing."""
    encoding = sys.stdout.encoding or "utf-8"
    plain = "".join(sign if sign.isprintable() else "?" for sign in line)
    return plain.encode(encoding, "replace").decode(encoding)
