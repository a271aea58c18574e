"""The console as a program: finds its controller, builds the window, runs Qt and asyncio as one.

With `--config` (or nothing: the demo site) it starts the controller itself when none answers; with
`--state-dir` it is someone else's, and the attendant is offered a button.
"""

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import platformdirs
import qasync  # type: ignore[import-untyped]
from PySide6.QtCore import QCoreApplication, QLocale, QSettings, QTimer
from PySide6.QtWidgets import QApplication

from sitecontroller.client import ControllerClient
from sitecontroller.domain.errors import ControllerError, ControllerUnreachable
from ui import theme
from ui.api import Connect
from ui.bridge import Bridge
from ui.clock import Clock, SystemClock
from ui.desk import Desk, Notice
from ui.i18n import texts
from ui.i18n.texts import translate
from ui.presenters.words import Shape, Tone
from ui.starter import Starter
from ui.state import Picture
from ui.theme import Scheme
from ui.views.main_window import MainWindow

START_AFTER_MS = 3000
"""How long a controller may take to answer before the console starts one."""


@dataclass(frozen=True, slots=True)
class Target:
    """Which controller: how to connect, in words, and how to start it where that is ours to do."""

    connect: Connect
    words: str
    starter: Starter | None = None
    starts_itself: bool = False


class Console:
    """The running console; a test or a screenshot builds it around any `Connect`."""

    def __init__(self, target: Target, settings: QSettings, clock: Clock | None = None) -> None:
        self.picture = Picture(clock or SystemClock())
        self.bridge = Bridge(target.connect, self.picture)
        self.desk = Desk(self.bridge)
        self._starter = target.starter
        self._starts_itself = target.starts_itself
        self.window = MainWindow(
            self.desk, settings, target=target.words, may_start=target.starter is not None
        )
        self.window.start_wanted.connect(self.start_controller)

    def start(self) -> None:
        """Connect; needs a running loop."""
        self.bridge.start()
        if self._starts_itself:
            QTimer.singleShot(START_AFTER_MS, self.window, self._start_if_alone)

    def start_controller(self) -> None:
        """Start the keeper, detached."""
        if self._starter is None:
            return
        try:
            self._starter.start()
        except OSError as error:
            self.desk.fail(
                ControllerUnreachable(
                    translate("App", "The controller can't be started: {reason}").format(
                        reason=error.strerror
                    ),
                    remedy=translate("App", "Call service"),
                )
            )
            return
        text = translate("App", "The controller is starting; this takes a few seconds")
        self.desk.notice(Notice(text, tone=Tone.NORMAL, shape=Shape.CLOCK))

    async def close(self) -> None:
        """End every task."""
        await self.bridge.close()
        await self.desk.close()

    def _start_if_alone(self) -> None:
        if self.picture.site is None:
            self.start_controller()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the console until its window is closed."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        target = _target(options)
    except ControllerError as error:
        sys.stderr.write(f"{error.detail}\n{error.remedy}\n")
        return 2
    app = QApplication(sys.argv[:1])
    app.setApplicationName("sitecontroller-console")
    app.setOrganizationName("sitecontroller")
    app.setQuitOnLastWindowClosed(False)  # the loop ends after the tasks have
    settings = QSettings()
    texts.install(QCoreApplication.translate, decimal_point=QLocale().decimalPoint())
    theme.install(app, _scheme(settings))
    loop = qasync.QEventLoop(app)
    asyncio.set_event_loop(loop)
    with loop:
        loop.run_until_complete(_run(Console(target, settings)))
    return 0


async def _run(console: Console) -> None:
    closed = asyncio.Event()
    console.window.closed.connect(closed.set)
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(ValueError):
            signal.signal(number, lambda *_: console.window.close())
    console.window.show()
    console.start()
    await closed.wait()
    await console.close()


def _scheme(settings: QSettings) -> Scheme:
    try:
        return Scheme(str(settings.value("scheme", Scheme.SYSTEM.value)))
    except ValueError:
        return Scheme.SYSTEM


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sitecontroller-console",
        description="The attendant's console. Without options it shows the demo site.",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--config", type=Path, metavar="FILE",
        help="the site's site.toml; starts the controller if it does not run",
    )  # fmt: skip
    where.add_argument(
        "--state-dir", type=Path, metavar="DIR", help="the state directory of a running controller"
    )
    where.add_argument("--api", metavar="URL", help="another computer's controller")
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE", help="with --api: the file with the API token"
    )
    return parser


def _target(options: argparse.Namespace) -> Target:
    if options.api:
        if options.token_file is None:
            raise ControllerUnreachable(
                "--api needs the controller's token",
                remedy="Copy api-token from its state directory and name it with --token-file",
            )
        try:
            token = options.token_file.read_text(encoding="ascii").strip()
        except (OSError, ValueError) as error:
            raise ControllerUnreachable(
                f"{options.token_file} can't be read: {error}", remedy="Check --token-file"
            ) from error
        return Target(lambda: ControllerClient(options.api, token), options.api)
    if options.state_dir is not None:
        config = options.state_dir.parent / "site.toml"
        starter = Starter(options.state_dir, config) if config.is_file() else None
        return _local(options.state_dir, starter, starts_itself=False)
    config = options.config
    if config is None:
        folder = Path(platformdirs.user_data_dir("sitecontroller", appauthor=False)) / "demo"
        return _local(folder / "state", Starter(folder / "state", None), starts_itself=True)
    state_dir = config.resolve().parent / "state"
    return _local(state_dir, Starter(state_dir, config.resolve()), starts_itself=True)


def _local(state_dir: Path, starter: Starter | None, *, starts_itself: bool) -> Target:
    return Target(
        lambda: ControllerClient.from_state_dir(state_dir), str(state_dir), starter, starts_itself
    )
