"""`sitecontroller …`: every command, its options and its help; the work is in the modules beside.

A fault of the reader's making ends with one sentence, the key or option it is about, and what to
do; never with a traceback.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeAlias

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
from sitecontroller.domain.errors import ConfigurationError, ControllerError
from sitecontroller.domain.limit_source import LimitSource
from sitecontroller.keeper import UNUSABLE_STATUS
from sitecontroller.wire import parse_instant

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
    _add_meter(commands)
    _add_tariff(commands)
    price.add_price(commands)
    _add_limit(commands)
    sessions.add_session(commands, _add_config)
    configuration.add_config_command(commands, _add_config)
    _add_emergency(commands)
    _add_commission(commands)
    _add_firmware(commands)
    _add_ocpp(commands)
    signed.add_ocmf(commands)
    _add_plan(commands)
    _add_status(commands)
    _add_selfcheck(commands)
    return parser


_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def _add_run(commands: _Commands) -> None:
    command = commands.add_parser(
        "run",
        help="start the controller and keep it running; the console too where there is a screen",
        description="Start the controller under its keeper, and the console where there is a "
        "screen. Without --config a demo site is made at first start.",
    )
    _add_config(command)
    _add_controller_options(command)
    command.add_argument("--headless", action="store_true", help="no console, even with a screen")
    _add_misbehave(command)
    command.set_defaults(work=run.run)


def _add_serve(commands: _Commands) -> None:
    command = commands.add_parser(
        "serve",
        help="the controller alone, without its keeper (what run starts)",
        description="The controller itself, in the foreground. Use run: it starts this again "
        "when it dies.",
    )
    _add_config(command)
    _add_controller_options(command)
    command.add_argument(
        "--debug-loop",
        action="store_true",
        help="for developers: log what holds the event loop for more than 5 ms of CPU time",
    )
    command.add_argument("--commissioning-until", type=_instant, help=argparse.SUPPRESS)
    command.set_defaults(work=run.serve)


def _add_controller_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--commissioning",
        type=_duration,
        metavar="30m",
        help="let unknown chargers knock for so long (s, m or h; at most 8h)",
    )
    command.add_argument("--log", choices=("text", "json"), default="text", help="form of the log")
    command.add_argument(
        "--status-lines", action="store_true", help="print one line on the site every 5 s"
    )


def _add_init(commands: _Commands) -> None:
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


def _add_simulate(commands: _Commands) -> None:
    command = commands.add_parser(
        "simulate",
        help="simulated chargers, cars and meters of a demo site",
        description="Run the virtual site beside a controller: real OCPP and Modbus over the "
        "network, simulated hardware. run does this by itself for a demo site.",
    )
    _add_config(command)
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


def _add_meter(commands: _Commands) -> None:
    meter = commands.add_parser("meter", help="read or find meters, for electricians")
    actions = meter.add_subparsers(title="commands", metavar="COMMAND", required=True)
    read = actions.add_parser(
        "read",
        help="print a meter's live values",
        description="Read one meter and print its values: voltage, current and power per phase, "
        "energy. Nothing is written to the meter.",
    )
    read.add_argument("--model", required=True, help="as eastron-sdm630; 'list' shows all")
    read.add_argument(
        "--url", default="", help="tcp://HOST:502, rtutcp://HOST:PORT or serial:///dev/ttyUSB0"
    )
    read.add_argument("--unit", type=int, default=1, help="Modbus unit id (default 1)")
    read.add_argument("--every", type=float, metavar="S", help="again every S seconds, to Ctrl-C")
    read.set_defaults(work=meters.read)
    scan = actions.add_parser(
        "scan",
        help="find the meters on a line",
        description="Ask one unit after the other, name the models that fit what answers and print "
        "the lines for site.toml. Nothing is written to any meter. Without a controller on the "
        "line; a whole serial line takes up to two minutes.",
    )
    scan.add_argument("url", help="tcp://HOST:502, rtutcp://HOST:PORT or serial:///dev/ttyUSB0")
    scan.add_argument(
        "--units",
        type=meters.units,
        metavar="1-247",
        help="units to ask (default: all; one of a device that answers whatever unit is asked)",
    )
    scan.add_argument(
        "--model", action="append", default=[], help="only this model, repeatable (default: all)"
    )
    scan.add_argument("--json", action="store_true", help="everything, for scripts")
    scan.set_defaults(work=meters.scan)


def _add_tariff(commands: _Commands) -> None:
    prices = commands.add_parser("tariff", help="what charging costs: show it, set it")
    actions = prices.add_subparsers(title="commands", metavar="COMMAND", required=True)
    show = actions.add_parser(
        "show",
        help="the price in force",
        description="Print the price in force, from the running controller.",
    )
    _add_config(show)
    show.set_defaults(work=tariff.show)
    change = actions.add_parser(
        "set",
        help="set a price from now on",
        description="Set a price at the running controller, valid for sessions that start from "
        "now on; those that run keep theirs.",
    )
    _add_config(change)
    change.add_argument("--kwh", required=True, metavar="0.49", help="per kWh, site currency")
    change.add_argument("--fee", default="0", metavar="0.00", help="per session (default none)")
    change.add_argument("--vat", default="19", metavar="19", help="per cent (default 19)")
    change.add_argument("--net", action="store_true", help="the prices don't include VAT")
    change.add_argument("--name", default="Standard", help="on receipts (default Standard)")
    change.set_defaults(work=tariff.change)


def _add_limit(commands: _Commands) -> None:
    site_limits = commands.add_parser("limit", help="site limits: list them, set one, end one")
    actions = site_limits.add_subparsers(title="commands", metavar="COMMAND", required=True)
    show = actions.add_parser("list", help="those in force")
    _add_config(show)
    show.set_defaults(work=limits.show)
    change = actions.add_parser(
        "set",
        help="limit a circuit or a group of outlets, or replace a limit",
        description="Limit a circuit (all that flows there) or a group of outlets at the running "
        "controller. The smallest limit wins; none raises the fuse.",
    )
    _add_config(change)
    change.add_argument("limit_id", metavar="ID", help="of your choice; the same one replaces")
    value = change.add_mutually_exclusive_group(required=True)
    value.add_argument("--amps", type=float, metavar="20", help="on each phase")
    value.add_argument("--watts", type=float, metavar="11000", help="over all phases")
    place = change.add_mutually_exclusive_group()
    place.add_argument("--circuit", metavar="ID", help="as in site.toml (default: the main one)")
    place.add_argument("--group", metavar="ID", help="as in site.toml")
    end = change.add_mutually_exclusive_group()
    end.add_argument("--for", dest="lasts", type=_duration, metavar="2h", help="at most 8h")
    end.add_argument("--until", type=_instant, metavar="2026-03-01T18:00:00Z")
    sources = [source.value for source in LimitSource]
    change.add_argument(
        "--source", choices=sources, default="ATTENDANT", help="all but ATTENDANT need an end"
    )
    change.add_argument("--reason", default="", help="for people")
    change.set_defaults(work=limits.change)
    by_themselves = actions.add_parser("sources", help="what sets limits by itself")
    _add_config(by_themselves)
    by_themselves.set_defaults(work=limits.sources)
    proofs = actions.add_parser("proofs", help="how the grid operator's limits were kept, as CSV")
    _add_config(proofs)
    proofs.set_defaults(work=limits.proofs)
    clear = actions.add_parser("clear", help="end a limit now")
    _add_config(clear)
    clear.add_argument("limit_id", metavar="ID", help="as limit list shows it")
    clear.set_defaults(work=limits.withdraw)
    sessions.add_history(actions, _add_config)


def _add_emergency(commands: _Commands) -> None:
    stop = commands.add_parser("emergency", help="the emergency stop: look, trigger, release")
    actions = stop.add_subparsers(title="commands", metavar="COMMAND", required=True)
    show = actions.add_parser("status", help="whether the site is stopped, and how far it is")
    _add_config(show)
    show.set_defaults(work=emergency.show)
    trigger = actions.add_parser(
        "trigger",
        help="stop everything at once",
        description="Stop all charging at the running controller: 0 A, sessions ended, chargers "
        "out of service. It holds, over restarts too, until a named person releases it.",
    )
    release = actions.add_parser(
        "release",
        help="let charging go on",
        description="Release the emergency stop at the running controller. Refused while a contact "
        "is open. Sessions that were ended don't go on by themselves.",
    )
    for action, work in ((trigger, emergency.trigger), (release, emergency.release)):
        _add_config(action)
        action.add_argument("--name", required=True, help="who you are; it is on record")
        action.add_argument("--reason", required=True, help="why; it is on record")
        action.set_defaults(work=work)


def _add_commission(commands: _Commands) -> None:
    steps = commands.add_parser(
        "commission",
        help="check a newly wired site: meters, phases, leases, limits; its record",
        description="Checks of a newly wired site at the running controller, one at a time; "
        "docs/commissioning.md goes through them.",
    )
    actions = steps.add_subparsers(title="commands", metavar="COMMAND", required=True)
    show = actions.add_parser("show", help="what is done and what is left")
    _add_config(show)
    show.set_defaults(work=commission.show)
    check = actions.add_parser(
        "check",
        help="do one check, and wait for it",
        description="meter METER, fallbacks, phases CHARGER/EVSE, lease CHARGER/EVSE, limits "
        "CHARGER/EVSE. Exit status 0: passed, 3: not. Ctrl-C ends it.",
    )
    skip = actions.add_parser("skip", help="leave a check out; the record says why")
    for each in (check, skip):
        _add_config(each)
        each.add_argument("kind", choices=tuple(commission.KINDS))
        each.add_argument("subject", nargs="?", default="", metavar="SUBJECT")
        each.add_argument("--by", required=True, metavar="NAME", help="who does it")
    check.add_argument(
        "--lease", type=int, default=120, metavar="S", help="of a lease test (60 to 300, 120)"
    )
    check.set_defaults(work=commission.check)
    skip.add_argument("--reason", required=True, metavar="TEXT")
    skip.set_defaults(work=commission.skip)
    fallbacks = actions.add_parser("fallbacks", help="which EVSEs should keep a fallback")
    _add_config(fallbacks)
    fallbacks.set_defaults(work=commission.fallbacks)
    record = actions.add_parser("record", help="write the record as PDF")
    _add_config(record)
    record.add_argument("file", type=Path, metavar="FILE.pdf")
    record.set_defaults(work=commission.record)


def _add_firmware(commands: _Commands) -> None:
    images = commands.add_parser("firmware", help="chargers' firmware: add it, roll it out")
    actions = images.add_subparsers(title="commands", metavar="COMMAND", required=True)
    show = actions.add_parser("list", help="what is kept, and the last roll-outs")
    _add_config(show)
    show.set_defaults(work=firmware.show)
    add = actions.add_parser(
        "add",
        help="upload a file for a model",
        description="Upload a firmware file to the running controller. Vendor and model are what "
        "the chargers tell (sitecontroller status --json); * and ? stand for what varies.",
    )
    _add_config(add)
    add.add_argument("file", type=Path, metavar="FILE")
    for name in ("vendor", "model", "version"):
        add.add_argument(f"--{name}", required=True)
    add.add_argument("--notes", default="", help="for people")
    add.add_argument("--signature", type=Path, metavar="FILE", help="the maker's, in base64")
    add.add_argument("--certificate", type=Path, metavar="FILE", help="the maker's, as PEM")
    add.set_defaults(work=firmware.add)
    roll_out = actions.add_parser(
        "roll-out",
        help="bring it to the chargers: one, a tenth, then all",
        description="Bring a firmware to all idle chargers of its model: one, a tenth, then all. "
        "It stops by itself when they fail.",
    )
    _add_config(roll_out)
    roll_out.add_argument("image", metavar="KEY", help="as 'firmware list' shows it")
    roll_out.add_argument("--charger", action="append", metavar="ID", help="only this; repeatable")
    roll_out.add_argument("--at-once", type=int, default=2, metavar="N", help="(default 2)")
    roll_out.add_argument("--between", metavar="22:00-05:00", help="local time")
    roll_out.set_defaults(work=firmware.roll_out)


def _add_ocpp(commands: _Commands) -> None:
    messages = commands.add_parser("ocpp", help="a charger's messages: into a file, and replayed")
    actions = messages.add_subparsers(title="commands", metavar="COMMAND", required=True)
    export = actions.add_parser(
        "export",
        help="write a charger's journal to a file",
        description="Write a charger's messages from the running controller's journal to FILE, as "
        "JSON lines, without passwords. Card numbers are in it.",
    )
    _add_config(export)
    export.add_argument("station", metavar="CHARGER")
    export.add_argument("file", type=Path, metavar="FILE")
    export.add_argument(
        "--since", type=ocpp.since, metavar="12h", help="or 2026-03-01T12:00:00Z (default: all)"
    )
    export.set_defaults(work=ocpp.export)
    replay = actions.add_parser(
        "replay",
        help="play such a file against a controller",
        description="Connect as the charger of FILE, say what it said, and compare the answers. "
        "Sessions of the recording are made there too, so don't take a garage in business. Exit "
        "status 0: all answers as recorded, 3: some differ.",
    )
    _add_config(replay)
    replay.add_argument("file", type=Path, metavar="FILE")
    replay.add_argument("--url", help="as ws://127.0.0.1:9000/ocpp (default: the demo site's)")
    replay.add_argument("--station", metavar="CHARGER", help="another id than the recording's")
    replay.add_argument("--password", help="the charger's there (default: the demo site's)")
    replay.add_argument(
        "--speed",
        type=ocpp.speed,
        default=1.0,
        metavar="N",
        help="so many times as fast, or asap: without pauses (default 1, pauses of 30 s at most)",
    )
    replay.set_defaults(work=ocpp.play)


def _add_plan(commands: _Commands) -> None:
    command = commands.add_parser(
        "plan",
        help="when each car is to charge, what it costs, and how far off forecasts were",
        description="The running controller's plan by [planning] of site.toml.",
    )
    _add_config(command)
    command.add_argument("--json", action="store_true", help="every quarter hour, for scripts")
    command.set_defaults(work=plan.show)


def _add_status(commands: _Commands) -> None:
    command = commands.add_parser("status", help="what the running controller does right now")
    _add_config(command)
    command.add_argument("--json", action="store_true", help="everything, for scripts")
    command.set_defaults(work=status.show)


def _add_selfcheck(commands: _Commands) -> None:
    command = commands.add_parser(
        "selfcheck",
        help="check this PC, the configuration and the running controller",
        description="Check one thing after the other and say what to do where one fails. Exit "
        "status 0 when all is well.",
    )
    _add_config(command)
    command.set_defaults(work=selfcheck.check)


def _add_config(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="the site's site.toml (default: the demo site in your data folder)",
    )


def _duration(text: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,5})([smh])", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"'{text}' is no time; write one like 90s, 30m or 2h")
    seconds = int(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]]
    if not 0 < seconds <= 8 * 3600:
        raise argparse.ArgumentTypeError("from 1s to 8h")
    return timedelta(seconds=seconds)


def _instant(text: str) -> datetime:
    try:
        return parse_instant(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no time as 2026-03-01T12:00:00Z") from None
