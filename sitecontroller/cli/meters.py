"""`meter read` and `meter scan`: for the electrician in front of the meters."""

import argparse
import asyncio
import json
import re
from typing import Any

from sitecontroller.cli.options import Commands
from sitecontroller.domain.errors import InvalidInput, OperatingError
from sitecontroller.modbus.show import (
    FoundUnit,
    configured,
    known_models,
    meter_model,
    read_once,
    render,
    render_found,
    scan_line,
)
from sitecontroller.wire import to_json

_REMEDY = (
    "Check the meter's supply and wiring, its address and unit id, and that no other program "
    "has the bus (a controller that runs reads it every second)"
)


def add_meter(commands: Commands) -> None:
    """Its options and help."""
    meter = commands.add_parser("meter", help="read or find meters, for electricians")
    actions = meter.add_subparsers(title="commands", metavar="COMMAND", required=True)
    read_ = actions.add_parser(
        "read",
        help="print a meter's live values",
        description="Read one meter and print its values: voltage, current and power per phase, "
        "energy. Nothing is written to the meter.",
    )
    read_.add_argument("--model", required=True, help="as eastron-sdm630; 'list' shows all")
    read_.add_argument(
        "--url", default="", help="tcp://HOST:502, rtutcp://HOST:PORT or serial:///dev/ttyUSB0"
    )
    read_.add_argument("--unit", type=int, default=1, help="Modbus unit id (default 1)")
    read_.add_argument("--every", type=float, metavar="S", help="again every S seconds, to Ctrl-C")
    read_.set_defaults(work=read)
    scan_ = actions.add_parser(
        "scan",
        help="find the meters on a line",
        description="Ask one unit after the other, name the models that fit what answers and print "
        "the lines for site.toml. Nothing is written to any meter. Without a controller on the "
        "line; a whole serial line takes up to two minutes.",
    )
    scan_.add_argument("url", help="tcp://HOST:502, rtutcp://HOST:PORT or serial:///dev/ttyUSB0")
    scan_.add_argument(
        "--units",
        type=units,
        metavar="1-247",
        help="units to ask (default: all; one of a device that answers whatever unit is asked)",
    )
    scan_.add_argument(
        "--model", action="append", default=[], help="only this model, repeatable (default: all)"
    )
    scan_.add_argument("--json", action="store_true", help="everything, for scripts")
    scan_.set_defaults(work=scan)


def read(options: argparse.Namespace) -> int:
    """Print a meter's values once, or again and again."""
    if options.model == "list":
        for name, model in sorted(known_models().items()):
            print(f"{name:26} {model.vendor}: {', '.join(model.models)}")
        return 0
    if not options.url:
        raise InvalidInput(
            "--url is missing",
            remedy="Write --url tcp://HOST:502 or --url serial:///dev/ttyUSB0",
        )
    if note := meter_model(options.model).note:
        print(f"{options.model}: {note}", flush=True)
    while True:
        try:
            reading = asyncio.run(read_once(options.model, options.url, options.unit))
            print(render(reading), flush=True)
        except OperatingError as error:
            if options.every is None:
                raise type(error)(error.detail, remedy=error.remedy or _REMEDY) from None
            print(f"no answer: {error.detail}", flush=True)
        if options.every is None:
            return 0
        asyncio.run(asyncio.sleep(options.every))


def scan(options: argparse.Namespace) -> int:
    """Find the meters on a line; exit status 1 when there is none."""
    return asyncio.run(_scan(options))


async def _scan(options: argparse.Namespace) -> int:
    models = [meter_model(name) for name in options.model] or known_models().values()
    all_found: list[FoundUnit] = []
    async for found in scan_line(options.url, models, options.units):
        all_found.append(found)
        if not options.json:
            print(render_found(found), flush=True)
    if options.json:
        print(json.dumps({"url": options.url, "units": [_as_json(f) for f in all_found]}, indent=2))
    elif all_found:
        sections = [text for found in all_found if (text := configured(found, options.url))]
        print("\nFor site.toml (phases and ct_ratio as wired):\n\n" + "\n\n".join(sections))
    else:
        raise OperatingError(
            f"nothing answers on {options.url}",
            remedy=f"{_REMEDY}; try other settings of a serial line, as "
            "serial:///dev/ttyUSB0?baudrate=19200&parity=E, and --model where it is known",
        )
    return 0 if any(found.candidates for found in all_found) else 1


def _as_json(found: FoundUnit) -> dict[str, Any]:
    return {
        "unit_id": found.unit_id,
        "models": [
            {"model": each.model.name, "identified": each.identified, "score": each.score}
            for each in found.candidates
        ],
        "reading": to_json(found.candidates[0].reading) if found.candidates else None,
    }


def units(text: str) -> list[int]:
    """`1-10,71` as numbers; argparse tells the reader what is wrong."""
    numbers: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,3})(?:-(\d{1,3}))?", part.strip())
        low, high = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= low <= high <= 255:
            raise argparse.ArgumentTypeError(f"'{text}' is no list of units; write 1-247 or 1,2,71")
        numbers += range(low, high + 1)
    return list(dict.fromkeys(numbers))
