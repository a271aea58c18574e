"""`sitecontroller …`: every command, its options and its help; the work is in the modules beside.

A fault of the reader's making ends with one sentence, the key or option it is about, and what to
do; never with a traceback.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sitecontroller import __version__
from sitecontroller.cli import (
    commission,
    configuration,
    emergency,
    firmware,
    limits,
    meters,
    ocpp,
    plan,
    price,
    run,
    selfcheck,
    sessions,
    signed,
    sites,
    status,
    tariff,
)
from sitecontroller.cli.options import Commands, add_config, duration, instant
from sitecontroller.domain.errors import ConfigurationError, ControllerError
from sitecontroller.keeper import UNUSABLE_STATUS

_EPILOG = """\
examples:
  sitecontroller run                          the demo site, with simulated chargers and cars
  sitecontroller init /srv/garage             a new site: then edit /srv/garage/site.toml
  sitecontroller run --config /srv/garage/site.toml --commissioning 30m
  sitecontroller meter read --model eastron-sdm630 --url tcp://192.168.1.20:502
  sitecontroller meter scan serial:///dev/ttyUSB0
  sitecontroller tariff set --kwh 0.49        a new price, from now on
  sitecontroller price tariff.json session.json    what a session costs, line by line
  sitecontroller limit set works --amps 20 --for 2h    the main circuit, by the attendant
  sitecontroller ocmf verify reading.xml --public-key 3059…    is it genuine
  sitecontroller status                       what the running controller does right now
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if not hasattr(options, "work"):
        parser.print_help()
        return 0
    try:
        status_code: int = options.work(options)
    except ControllerError as error:
        print(f"sitecontroller: {error.detail}", file=sys.stderr)
        if error.remedy:
            print(f"What to do: {error.remedy}", file=sys.stderr)
        return UNUSABLE_STATUS if isinstance(error, ConfigurationError) else 1
    except KeyboardInterrupt:
        return 130
    return status_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sitecontroller",
        description="The brain of a car park's charging: chargers, meters, fuses, sessions.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"sitecontroller {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _add_run(commands)
    _add_serve(commands)
    _add_init(commands)
    _add_simulate(commands)
    meters.add_meter(commands)
    tariff.add_tariff(commands)
    price.add_price(commands)
    limits.add_limit(commands)
    sessions.add_session(commands)
    configuration.add_config_command(commands)
    emergency.add_emergency(commands)
    commission.add_commission(commands)
    firmware.add_firmware(commands)
    ocpp.add_ocpp(commands)
    signed.add_ocmf(commands)
    plan.add_plan(commands)
    status.add_status(commands)
    selfcheck.add_selfcheck(commands)
    return parser


def _add_run(commands: Commands) -> None:
    command = commands.add_parser(
        "run",
        help="start the controller and keep it running; the console too where there is a screen",
        description="Start the controller under its keeper, and the console where there is a "
        "screen. Without --config a demo site is made at first start.",
    )
    add_config(command)
    _add_controller_options(command)
    command.add_argument("--headless", action="store_true", help="no console, even with a screen")
    _add_misbehave(command)
    command.set_defaults(work=run.run)


def _add_serve(commands: Commands) -> None:
    command = commands.add_parser(
        "serve",
        help="the controller alone, without its keeper (what run starts)",
        description="The controller itself, in the foreground. Use run: it starts this again "
        "when it dies.",
    )
    add_config(command)
    _add_controller_options(command)
    command.add_argument(
        "--debug-loop",
        action="store_true",
        help="for developers: log what holds the event loop for more than 5 ms of CPU time",
    )
    command.add_argument("--commissioning-until", type=instant, help=argparse.SUPPRESS)
    command.set_defaults(work=run.serve)


def _add_controller_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--commissioning",
        type=duration,
        metavar="30m",
        help="let unknown chargers knock for so long (s, m or h; at most 8h)",
    )
    command.add_argument("--log", choices=("text", "json"), default="text", help="form of the log")
    command.add_argument(
        "--status-lines", action="store_true", help="print one line on the site every 5 s"
    )


def _add_init(commands: Commands) -> None:
    command = commands.add_parser(
        "init",
        help="make a new site: a site.toml to edit, and its database",
        description="Write DIR/site.toml, with comments that say what goes where, and make the "
        "site's database. Nothing that exists is overwritten.",
    )
    command.add_argument("directory", type=Path, metavar="DIR")
    command.add_argument("--demo", action="store_true", help="the demo site with 12 chargers")
    command.add_argument("--price-per-kwh", metavar="0.49", help="including VAT, site currency")
    command.add_argument("--session-fee", metavar="0.00", default="0", help="including VAT")
    command.add_argument("--vat", metavar="19", default="19", help="per cent (default 19)")
    command.set_defaults(work=sites.init)


def _add_simulate(commands: Commands) -> None:
    command = commands.add_parser(
        "simulate",
        help="simulated chargers, cars and meters of a demo site",
        description="Run the virtual site beside a controller: real OCPP and Modbus over the "
        "network, simulated hardware. run does this by itself for a demo site.",
    )
    add_config(command)
    command.add_argument("--seed", type=int, default=1, help="which cars come when (default 1)")
    _add_misbehave(command)
    command.add_argument(
        "--list-misbehaviours", action="store_true", help="print what can be told, and end"
    )
    command.set_defaults(work=run.simulate)


def _add_misbehave(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--misbehave",
        action="append",
        default=[],
        metavar="[CHARGER=]NAME,…",
        help="simulated chargers do this wrong, as CP-03=no-stop; repeatable "
        "(simulate --list-misbehaviours: all names)",
    )
