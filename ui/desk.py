"""What a screen has at hand: the live picture, the controller, and a way to tell the attendant.

Screens start work with `spawn` and never wait for it; what fails shows as a notice that says what
to do, never as a traceback.
"""

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, Signal

from sitecontroller.domain.commands import Command, CommandResult, CommandState
from sitecontroller.domain.errors import ControllerError
from sitecontroller.domain.live import EventFrame
from ui.api import ControllerApi
from ui.bridge import Bridge
from ui.i18n.texts import translate
from ui.presenters.words import Shape, Tone
from ui.state import Picture

FOLLOWED_MAX = 50

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence at the foot of the screen. `lasting`: it stays until it is closed."""

    text: str
    remedy: str = ""
    tone: Tone = Tone.NORMAL
    shape: Shape = Shape.CHECK
    lasting: bool = False


class Desk(QObject):
    """One for the console; handed to each screen."""

    noticed = Signal(object)
    station_wanted = Signal(str)
    back_wanted = Signal()
    service_wanted = Signal(str)
    """What technicians look after, of this charger."""

    def __init__(self, bridge: Bridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.bridge = bridge
        self._tasks: set[asyncio.Task[None]] = set()
        self._followed: dict[str, str] = {}
        bridge.happened.connect(self._hear)

    @property
    def picture(self) -> Picture:
        """The live picture."""
        return self.bridge.picture

    @property
    def api(self) -> ControllerApi:
        """The controller; ControllerUnreachable while it is away."""
        return self.bridge.api

    @property
    def busy(self) -> bool:
        """Whether something is under way."""
        return bool(self._tasks)

    async def execute(self, command: Command) -> CommandResult:
        """Send a command."""
        return await self.api.execute(command)

    def notice(self, notice: Notice) -> None:
        """Tell the attendant."""
        self.noticed.emit(notice)

    def fail(self, error: ControllerError, remedy: str = "") -> None:
        """Tell the attendant what went wrong and what to do."""
        self.notice(
            Notice(
                error.detail,
                remedy or error.remedy or translate("Desk", "Try again; call service if it stays"),
                Tone.MEDIUM,
                Shape.DIAMOND,
                lasting=True,
            )
        )

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` beside everything else."""
        task = asyncio.get_running_loop().create_task(self._guard(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def follow(self, command_id: str, subject: str) -> None:
        """Tell the attendant if this command turns out to have had no effect."""
        while len(self._followed) >= FOLLOWED_MAX:
            del self._followed[next(iter(self._followed))]
        self._followed[command_id] = subject

    async def close(self) -> None:
        """Give up what still runs."""
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except ControllerError as error:
            self.fail(error)
        except Exception as error:
            log.exception("desk: an action failed")
            self.notice(
                Notice(
                    translate("Desk", "The console failed at this: {error}").format(error=error),
                    translate("Desk", "Nothing was changed at the chargers; try again"),
                    Tone.MEDIUM,
                    Shape.DIAMOND,
                    lasting=True,
                )
            )

    def _hear(self, frame: EventFrame) -> None:
        if frame.name != "CommandFinished":
            return
        result = frame.payload.get("result", {})
        if result.get("state") not in (CommandState.INEFFECTIVE, CommandState.FAILED):
            return
        subject = self._followed.pop(str(result.get("command_id")), None)
        if subject is None:
            return
        self.notice(
            Notice(
                translate("Desk", "{subject}: the charger agreed, but nothing happened").format(
                    subject=subject
                ),
                translate("Desk", "Look at the charger; restart it from its page if it stays"),
                Tone.MEDIUM,
                Shape.DIAMOND,
                lasting=True,
            )
        )
