"""`meter read`: live values of one meter, for the electrician in front of it."""

import argparse
import asyncio

from sitecontroller.domain.errors import InvalidInput, OperatingError
from sitecontroller.modbus.show import known_models, meter_model, read_once, render

_REMEDY = (
    "Check the meter's supply and wiring, its address and unit id, and that no other program "
    "has the bus (a controller that runs reads it every second)"
)


def read(options: argparse.Namespace) -> int:
    """Print a meter's values once, or again and again."""
    if options.model == "list":
        for name, model in sorted(known_models().items()):
            print(f"{name:22} {model.vendor}: {', '.join(model.models)}")
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
