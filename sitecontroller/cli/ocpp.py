"""`ocpp export` and `ocpp replay`: a charger's messages into a file, and played from it again."""

import argparse
import asyncio
import os
import re
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path

import orjson
from websockets.exceptions import InvalidStatus, WebSocketException

from sitecontroller.cli.options import Commands, add_config
from sitecontroller.cli.sites import config_path
from sitecontroller.client import ControllerClient
from sitecontroller.clock import SystemClock
from sitecontroller.config import load_config
from sitecontroller.domain.errors import (
    Conflict,
    ControllerError,
    ControllerUnreachable,
    InvalidInput,
    NotFound,
    Unauthorized,
)
from sitecontroller.domain.views import JournalEntry
from sitecontroller.simulation.__main__ import controller_url
from sitecontroller.simulation.description import SiteDescription, read_description
from sitecontroller.simulation.replay import Outcome, connections, read_recording, replay
from sitecontroller.wire import parse_instant, to_json

DIFFERENT_STATUS = 3
PAGE_ITEMS = 500
SHOWN_MAX = 50
AS_SOON_AS_POSSIBLE = "asap"


def add_ocpp(commands: Commands) -> None:
    """Its options and help."""
    messages = commands.add_parser("ocpp", help="a charger's messages: into a file, and replayed")
    actions = messages.add_subparsers(title="commands", metavar="COMMAND", required=True)
    export_ = actions.add_parser(
        "export",
        help="write a charger's journal to a file",
        description="Write a charger's messages from the running controller's journal to FILE, as "
        "JSON lines, without passwords. Card numbers are in it.",
    )
    add_config(export_)
    export_.add_argument("station", metavar="CHARGER")
    export_.add_argument("file", type=Path, metavar="FILE")
    export_.add_argument(
        "--since", type=since, metavar="12h", help="or 2026-03-01T12:00:00Z (default: all)"
    )
    export_.set_defaults(work=export)
    replay = actions.add_parser(
        "replay",
        help="play such a file against a controller",
        description="Connect as the charger of FILE, say what it said, and compare the answers. "
        "Sessions of the recording are made there too, so don't take a garage in business. Exit "
        "status 0: all answers as recorded, 3: some differ.",
    )
    add_config(replay)
    replay.add_argument("file", type=Path, metavar="FILE")
    replay.add_argument("--url", help="as ws://127.0.0.1:9000/ocpp (default: the demo site's)")
    replay.add_argument("--station", metavar="CHARGER", help="another id than the recording's")
    replay.add_argument("--password", help="the charger's there (default: the demo site's)")
    replay.add_argument(
        "--speed",
        type=speed,
        default=1.0,
        metavar="N",
        help="so many times as fast, or asap: without pauses (default 1, pauses of 30 s at most)",
    )
    replay.set_defaults(work=play)


def export(options: argparse.Namespace) -> int:
    """Write a charger's journal from the running controller, oldest first, a line each."""
    config = load_config(config_path(options))
    path: Path = options.file
    client = ControllerClient.from_state_dir(config.state_dir)
    entries = asyncio.run(_journal(client, options.station, options.since))
    if not entries:
        raise NotFound(
            f"the journal has nothing of '{options.station}'",
            remedy="Write its id as `sitecontroller status` shows it, or an earlier --since",
        )
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise Conflict(
            f"{path} can't be written: {error.strerror}",
            remedy="Choose another file: nothing is overwritten",
        ) from None
    with os.fdopen(descriptor, "wb") as file:
        file.writelines(orjson.dumps(to_json(entry)) + b"\n" for entry in entries)
    print(f"{len(entries)} entries of {options.station} since {entries[0].at:%Y-%m-%d %H:%M} UTC")
    return 0


async def _journal(
    client: ControllerClient, station_id: str, since: datetime | None
) -> list[JournalEntry]:
    """Oldest first, and first of all the connect that they belong to: it names the version."""
    found: list[JournalEntry] = []
    cursor = None
    try:
        while True:
            page = await client.journal(PAGE_ITEMS, cursor, station_id=station_id)
            for entry in page.items:
                if since is None or entry.at >= since:
                    found.append(entry)
                elif entry.kind == "connect" and found:
                    return [entry, *reversed(found)]
            cursor = page.next
            if cursor is None:
                return found[::-1]
    finally:
        await client.close()


def play(options: argparse.Namespace) -> int:
    """Play a recording; status 0 when every answer is as it was, 3 when one differs."""
    try:
        with options.file.open("rb") as file:
            entries = read_recording(file)
    except OSError as error:
        raise InvalidInput(
            f"{options.file} can't be read: {error.strerror}", remedy="Check the path"
        ) from None
    station_id = options.station or entries[0].station_id
    recorded = connections(entries)
    url, password = _where(options, station_id)
    try:
        outcome = asyncio.run(
            replay(
                recorded,
                url=url,
                station_id=station_id,
                password=password,
                speed=options.speed,
            )
        )
    except (OSError, TimeoutError, WebSocketException) as error:
        raise _not_let_in(url, station_id, error) from None
    print("\n".join(summary(station_id, outcome)))
    return DIFFERENT_STATUS if outcome.differences else 0


def summary(station_id: str, outcome: Outcome) -> list[str]:
    """What came of it, a page of text."""
    differences = outcome.differences
    lines = [
        f"{station_id}: {outcome.sent} messages sent, {outcome.same} answered as in the recording, "
        f"{len(differences)} {'difference' if len(differences) == 1 else 'differences'}."
    ]
    if outcome.skipped:
        lines.append(f"Not sent, because the journal hasn't kept them whole: {outcome.skipped}.")
    lines += [f"  {difference}" for difference in differences[:SHOWN_MAX]]
    if len(differences) > SHOWN_MAX:
        lines.append(f"  and {len(differences) - SHOWN_MAX} more")
    asked = sorted(outcome.asked | outcome.asked_then)
    if asked:
        counts = (f"{a} {outcome.asked[a]} ({outcome.asked_then[a]} then)" for a in asked)
        lines.append(f"The controller asked: {', '.join(counts)}.")
    return lines


def _where(options: argparse.Namespace, station_id: str) -> tuple[str, str | None]:
    """The address and the password: as given, else those of the running demo site."""
    url, password = options.url, options.password
    if url is None:
        path = config_path(options)
        ControllerClient.from_state_dir(load_config(path).state_dir)  # says how to start it
        demo = read_description(path.parent)
        url = controller_url(path.parent, demo)
        password = password or _password(demo, station_id)
    return url.rstrip("/"), password


def _password(demo: SiteDescription, station_id: str) -> str | None:
    return next((box.password for box in demo.boxes if box.station_id == station_id), None)


def _not_let_in(url: str, station_id: str, error: Exception) -> ControllerError:
    status = error.response.status_code if isinstance(error, InvalidStatus) else None
    if status == HTTPStatus.UNAUTHORIZED:
        return Unauthorized(
            f"the controller at {url} doesn't let {station_id} in",
            remedy="Give the --password that the charger has there",
        )
    if status == HTTPStatus.CONFLICT:
        return Conflict(
            f"{station_id} is connected to {url} itself",
            remedy="Take a controller of your own, or end the charger's connection",
        )
    return ControllerUnreachable(
        f"no connection to {url}: {error}", remedy="Check --url, as ws://127.0.0.1:9000/ocpp"
    )


def since(text: str) -> datetime:
    """An instant, or how long ago: 90m, 12h, 3d."""
    if (match := re.fullmatch(r"(\d{1,5})([smhd])", text)) is not None:
        ago_s = int(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[match[2]]
        return SystemClock().now() - timedelta(seconds=ago_s)
    try:
        return parse_instant(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"'{text}' is no time; write one as 90m, 12h, 3d or 2026-03-01T12:00:00Z"
        ) from None


def speed(text: str) -> float | None:
    """How many times as fast; None: as soon as possible."""
    if text == AS_SOON_AS_POSSIBLE:
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.1 <= value <= 1000:
        raise argparse.ArgumentTypeError(
            f"'{text}' is no speed; write 0.1 to 1000, or {AS_SOON_AS_POSSIBLE}"
        )
    return value
