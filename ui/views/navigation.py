"""The navigation at the left: one entry a screen, with its key; only screens that work."""

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QButtonGroup, QFrame, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from ui import theme
from ui.i18n.texts import translate
from ui.shortcuts import Action, Shortcut, keys_of, shortcuts
from ui.widgets import paint
from ui.widgets.buttons import button
from ui.widgets.labels import ElidedLabel

WIDTH = 176


class Entry(QPushButton):
    """One screen's entry: key, name and a count."""

    def __init__(self, row: Shortcut, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.row = row
        self._count = 0
        self.setProperty("kind", "nav")
        self.setCheckable(True)
        self.setAutoExclusive(False)
        self.setFixedHeight(theme.TOUCH_PX)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip(f"{row.text} ({row.keys})")
        self.show_count(0)

    def show_count(self, count: int) -> None:
        """A number behind the name; 0 shows none."""
        self._count = count
        name = f"{self.row.text}, {count}" if count else self.row.text
        self.setAccessibleName(f"{name} ({self.row.keys})")
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(WIDTH - 20, theme.TOUCH_PX)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rect = QRectF(self.rect()).adjusted(12, 0, -12, 0)
        on = self.isChecked()
        ink = theme.color("on_accent_soft" if on else "text")
        faint = theme.color("on_accent_soft" if on else "muted")
        paint.text(painter, rect, self.row.keys, theme.font(11, medium=True, names=True), faint)
        if self._count:
            text = str(self._count)
            font = theme.font(11, bold=True)
            side = max(20.0, paint.width(text, font) + 12)
            pill = QRectF(rect.right() - side, rect.center().y() - 10, side, 20)
            paint.rounded(painter, pill, theme.color("low"), radius=10, line=0)
            paint.text(painter, pill, text, font, theme.color("on_low"), paint.CENTER)
            rect.setRight(pill.left() - 6)
        paint.text(painter, rect.adjusted(34, 0, 0, 0), self.row.text,
                   theme.font(14, bold=on, medium=not on), ink)  # fmt: skip
        painter.end()


class Navigation(QFrame):
    """Emits the action of the screen that was asked for."""

    wanted = Signal(str)
    scheme_wanted = Signal()

    def __init__(self, version: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("navigation")
        self.setFixedWidth(WIDTH)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 12, 8, 12)
        column.setSpacing(4)
        self._group = QButtonGroup(self)
        self._group.setExclusive(True)
        self._entries: dict[Action, Entry] = {}
        for row in shortcuts():
            if not row.screen:
                continue
            entry = Entry(row)
            entry.clicked.connect(lambda _=False, action=row.action: self.wanted.emit(action))
            self._group.addButton(entry)
            self._entries[row.action] = entry
            column.addWidget(entry)
        column.addStretch(1)
        scheme = button(translate("Frame", "Light or dark"), "quiet",
                        keys=keys_of(Action.SCHEME))  # fmt: skip
        scheme.clicked.connect(self.scheme_wanted)
        column.addWidget(scheme)
        self._version = ElidedLabel(version, size_px=11, muted=True)
        self._version.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self._version.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        column.addWidget(self._version)

    def show_current(self, action: Action | None) -> None:
        """Mark the screen that is shown."""
        if action in self._entries:
            self._entries[action].setChecked(True)

    def show_alarms(self, count: int) -> None:
        """How many alarms nobody has acknowledged."""
        self._entries[Action.ALARMS].show_count(count)

    def show_version(self, text: str) -> None:
        """The controller's version."""
        self._version.setText(text)
