"""What the console shows before the first picture: what it waits for, and what to do."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from ui.desk import Desk
from ui.i18n.texts import translate
from ui.presenters import units
from ui.state import Link
from ui.views.screen import Screen
from ui.widgets.buttons import button
from ui.widgets.labels import PlainLabel


class ConnectingScreen(Screen):
    """A few calm words in the middle."""

    start_wanted = Signal()

    def __init__(
        self, desk: Desk, target: str, *, may_start: bool, parent: QWidget | None = None
    ) -> None:
        super().__init__(desk, parent=parent)
        self._target = target
        self._may_start = may_start
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setSpacing(10)
        self._headline = PlainLabel(size_px=20, bold=True)
        self._why = PlainLabel(wrap=True, muted=True)
        self._what = PlainLabel(wrap=True)
        self._start = button(translate("Connecting", "Start the controller"), "primary")
        self._start.clicked.connect(self.start_wanted)
        for widget in (self._headline, self._what, self._why, self._start):
            column.addWidget(widget)
        inner.setFixedWidth(560)
        self.primary = self._start
        self.column.addStretch(2)
        self.column.addWidget(inner, 0, Qt.AlignmentFlag.AlignHCenter)
        self.column.addStretch(3)
        self.tick()

    def tick(self) -> None:
        picture = self.desk.picture
        lost = picture.link is Link.LOST
        self._start.setVisible(lost and self._may_start)
        if not lost or picture.link_since is None:
            self._headline.setText(translate("Connecting", "Connecting to the controller …"))
            self._what.setText(self._target)
            self._why.setText("")
            return
        waited = units.span((picture.clock.now() - picture.link_since).total_seconds())
        self._headline.setText(translate("Connecting", "The controller does not answer"))
        self._what.setText(
            translate(
                "Connecting",
                "Tried for {waited}, and keeps trying. Chargers look after themselves meanwhile. "
                "Check that the controller's computer is on and the controller is started.",
            ).format(waited=waited)
        )
        self._why.setText(" · ".join(filter(None, (self._target, picture.failure))))
