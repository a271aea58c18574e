"""Files that a person wants to have: where to put them, and what is said when that fails."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QDir
from PySide6.QtWidgets import QFileDialog, QWidget

from sitecontroller.domain.errors import OperatingError
from ui.i18n.texts import translate


def ask_where(parent: QWidget, title: str, name: str, then: Callable[[Path], object]) -> None:
    """A dialog that suggests `name`; `then` is called with what was chosen, if anything was."""
    dialog = QFileDialog(parent, title, QDir.homePath())
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setDefaultSuffix(name.rpartition(".")[2])
    dialog.selectFile(name)
    dialog.fileSelected.connect(lambda path: then(Path(path)))
    dialog.finished.connect(dialog.deleteLater)
    dialog.open()


async def write(path: Path, data: bytes) -> None:
    """Write a file; OperatingError that says why it can't be."""
    try:
        await asyncio.get_running_loop().run_in_executor(None, path.write_bytes, data)
    except OSError as error:
        text = translate("Saving", "The file can't be written: {reason}")
        raise OperatingError(
            text.format(reason=error.strerror),
            remedy=translate("Saving", "Choose another folder, or free some space"),
        ) from error
