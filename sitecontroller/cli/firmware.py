"""`firmware`: the library, and roll-outs of it, at the running controller."""

import argparse
import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from sitecontroller.cli.asking import print_answer
from sitecontroller.cli.options import Commands, add_config
from sitecontroller.client import ControllerClient
from sitecontroller.domain.errors import FieldError, InvalidInput
from sitecontroller.domain.firmware import FirmwareImagesQuery, ImageTerms, SignFirmware
from sitecontroller.domain.rollout import RolloutsQuery, RolloutView, StartRollout

CHUNK_BYTES = 256 * 1024


def add_firmware(commands: Commands) -> None:
    """Its options and help."""
    images = commands.add_parser("firmware", help="chargers' firmware: add it, roll it out")
    actions = images.add_subparsers(title="commands", metavar="COMMAND", required=True)
    show_ = actions.add_parser("list", help="what is kept, and the last roll-outs")
    add_config(show_)
    show_.set_defaults(work=show)
    add_ = actions.add_parser(
        "add",
        help="upload a file for a model",
        description="Upload a firmware file to the running controller. Vendor and model are what "
        "the chargers tell (sitecontroller status --json); * and ? stand for what varies.",
    )
    add_config(add_)
    add_.add_argument("file", type=Path, metavar="FILE")
    for name in ("vendor", "model", "version"):
        add_.add_argument(f"--{name}", required=True)
    add_.add_argument("--notes", default="", help="for people")
    add_.add_argument("--signature", type=Path, metavar="FILE", help="the maker's, in base64")
    add_.add_argument("--certificate", type=Path, metavar="FILE", help="the maker's, as PEM")
    add_.set_defaults(work=add)
    roll_out_ = actions.add_parser(
        "roll-out",
        help="bring it to the chargers: one, a tenth, then all",
        description="Bring a firmware to all idle chargers of its model: one, a tenth, then all. "
        "It stops by itself when they fail.",
    )
    add_config(roll_out_)
    roll_out_.add_argument("image", metavar="KEY", help="as 'firmware list' shows it")
    roll_out_.add_argument("--charger", action="append", metavar="ID", help="only this; repeatable")
    roll_out_.add_argument("--at-once", type=int, default=2, metavar="N", help="(default 2)")
    roll_out_.add_argument("--between", metavar="22:00-05:00", help="local time")
    roll_out_.set_defaults(work=roll_out)


def add(options: argparse.Namespace) -> int:
    """Upload an image, with its signature where there is one."""
    file: Path = options.file
    if not file.is_file():
        raise _unreadable(file, FileNotFoundError("there is no such file"))
    terms = ImageTerms(options.vendor, options.model, options.version, file.name, options.notes)
    signature = [_text(path) for path in (options.signature, options.certificate) if path]
    if len(signature) == 1:
        raise InvalidInput(
            "--signature and --certificate go together",
            remedy="Give both, as the maker does",
            errors=(FieldError("--signature", "needs --certificate"),),
        )

    async def work(client: ControllerClient) -> list[str]:
        image = await client.add_firmware(terms, _pieces(file))
        if signature:
            await client.execute(SignFirmware(image.key, *signature))
        signed = "signed" if signature else "not signed"
        return [f"{image.key}  {image.vendor} {image.model} {image.version}, {signed}"]

    return print_answer(options, work)


def show(options: argparse.Namespace) -> int:
    """List images and roll-outs."""

    async def work(client: ControllerClient) -> list[str]:
        images = (await client.ask(FirmwareImagesQuery())).items
        rollouts = (await client.ask(RolloutsQuery(limit=10))).items
        lines = [
            f"{image.key}  {image.vendor} {image.model} {image.version}  "
            f"{image.size_bytes / 1024 / 1024:.1f} MiB" + ("  signed" if image.signature else "")
            for image in images
        ]
        return [*(lines or ["No firmware is kept."]), *map(_line, rollouts)]

    return print_answer(options, work)


def roll_out(options: argparse.Namespace) -> int:
    """Start a roll-out: one charger, a tenth, then all."""

    async def work(client: ControllerClient) -> list[str]:
        start, _, end = (options.between or "").partition("-")
        result = await client.execute(
            StartRollout(
                options.image,
                tuple(options.charger or ()),
                concurrency=options.at_once,
                window_start=start or None,
                window_end=end or None,
            )
        )
        answer = result.answer or {}
        chargers = ", ".join(answer.get("stations", ()))
        return [f"Roll-out {answer.get('rollout')} has begun: {chargers}"]

    return print_answer(options, work)


def _line(view: RolloutView) -> str:
    reason = f" ({view.reason})" if view.reason else ""
    return (
        f"{view.key}  roll-out of {view.version}: {view.state.value}{reason}; {view.installed} of "
        f"{view.total} installed, {view.failed} failed, {view.under_way} under way"
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    try:
        file = await asyncio.to_thread(path.open, "rb")
    except OSError as error:
        raise _unreadable(path, error) from None
    with file:
        while piece := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield piece


def _unreadable(path: Path, error: Exception) -> InvalidInput:
    return InvalidInput(
        f"{path} can't be read: {error}",
        remedy="Check the path and who may read it",
        errors=(FieldError(str(path), "can't be read"),),
    )
