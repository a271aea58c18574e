"""`price`: what a session costs under an OCPI tariff, for support and for audits, from two files.

Needs no controller. Faults of the files are told with their field, on stderr, with exit status 2.
"""

import argparse
import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from sitecontroller.cli.options import Commands
from sitecontroller.domain.errors import FieldError, InvalidInput
from sitecontroller.domain.ocpi.cost import cost_json
from sitecontroller.domain.ocpi.reader import OcpiVersion, tariff_from_ocpi
from sitecontroller.domain.ocpi.session import usage_from_json

FAULTY_STATUS = 2
FILE_BYTES_MAX = 32 * 2**20


def add_price(commands: Commands) -> None:
    """The command and its options."""
    command = commands.add_parser(
        "price",
        help="what a session costs under an OCPI tariff, line by line",
        description="Print what a session costs under a tariff, as JSON with the lines behind it. "
        "Needs no controller. docs/tariffs.md says how a price comes about and what the files are. "
        "Exit status 2: a file can't be used.",
    )
    command.add_argument("tariff", type=Path, metavar="TARIFF.json", help="an OCPI Tariff")
    command.add_argument("session", type=Path, metavar="SESSION.json", help="its periods")
    command.add_argument(
        "--ocpi",
        choices=[version.value for version in OcpiVersion],
        help="the tariff's version (default: told by its fields)",
    )
    command.set_defaults(work=price)


def price(options: argparse.Namespace) -> int:
    """Print the cost of SESSION.json under TARIFF.json, as JSON."""
    path = options.tariff
    try:
        version = None if options.ocpi is None else OcpiVersion(options.ocpi)
        tariff = tariff_from_ocpi(_json(path), version)
        path = options.session
        usage = usage_from_json(_json(path))
    except InvalidInput as error:
        print(f"sitecontroller: {path}: {error.detail}", file=sys.stderr)
        print(f"What to do: {error.remedy}", file=sys.stderr)
        return FAULTY_STATUS
    print(json.dumps(cost_json(tariff, usage), ensure_ascii=False, indent=2))
    return 0


def _json(path: Path) -> Any:
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise _unreadable(f"is larger than {FILE_BYTES_MAX // 2**20} MiB")
        return json.loads(
            path.read_bytes(),
            parse_float=Decimal,
            parse_constant=_no_number,
            object_pairs_hook=_object,
        )
    except OSError as error:
        raise _unreadable(f"can't be read: {error.strerror}") from None
    except (ValueError, RecursionError, ArithmeticError) as error:
        raise _unreadable(f"is not JSON: {error}") from None


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A field that is there twice says two things."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"'{next(n for n in names if names.count(n) > 1)}' is there twice")
    return found


def _unreadable(message: str) -> InvalidInput:
    return InvalidInput(
        f"the file {message}",
        remedy="Give the path of a file as docs/tariffs.md describes it",
        errors=(FieldError("", message),),
    )
