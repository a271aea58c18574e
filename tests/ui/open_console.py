"""A console around a fake controller, as an async context; shared by tests and screenshots."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from PySide6.QtCore import QSettings

from tests.support import eventually
from tests.ui.fake_client import FakeClient, FakeClock
from ui.api import ControllerApi
from ui.app import Console, Target

SMALL = (1366, 768)
LARGE = (1920, 1080)


@asynccontextmanager
async def open_console(
    client: FakeClient,
    settings: QSettings,
    *,
    size: tuple[int, int] = SMALL,
    clock: FakeClock | None = None,
) -> AsyncIterator[Console]:
    """A console that has its first picture; it is closed at the end."""

    def connect() -> ControllerApi:
        client.raise_if_away()
        return client

    console = Console(Target(connect, "the fake"), settings, clock or FakeClock())
    console.window.resize(*size)
    console.window.show()
    console.start()
    try:
        await eventually(lambda: console.picture.live)
        yield console
    finally:
        console.window.close()
        await console.close()
        console.window.deleteLater()
