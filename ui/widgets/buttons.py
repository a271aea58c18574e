"""Buttons: plain ones, and one that must be held for a moment before it acts.

Holding works with mouse, touch, Space and Enter; letting go early undoes it. The consequence, with
its numbers, stands beside the button, so nothing has to ask "are you sure?".
"""

from PySide6.QtCore import QElapsedTimer, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QPainterPath, QPaintEvent
from PySide6.QtWidgets import QAbstractButton, QPushButton, QSizePolicy, QWidget

from ui import theme
from ui.i18n.texts import translate
from ui.widgets import paint

HOLD_MS = 900
_FRAME_MS = 16


def button(
    text: str, kind: str = "", *, keys: str = "", parent: QWidget | None = None
) -> QPushButton:
    """A push button; `kind` is primary, quiet or nothing."""
    made = QPushButton(text, parent)
    made.setProperty("kind", kind)
    made.setAccessibleName(text)
    made.setMinimumHeight(theme.TOUCH_PX)
    made.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
    if keys:
        made.setToolTip(f"{text} ({keys})")
    return made


class HoldButton(QAbstractButton):
    """Emits `confirmed` after it was held for `HOLD_MS`."""

    confirmed = Signal()

    def __init__(self, text: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setText(text)
        self.setAccessibleName(text)
        self.setAccessibleDescription(translate("Hold", "Hold for a second to confirm"))
        self.setToolTip(translate("Hold", "Hold for a second to confirm"))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumHeight(theme.TOUCH_PX)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self._held = QElapsedTimer()
        self._timer = QTimer(self)
        self._timer.setInterval(_FRAME_MS)
        self._timer.timeout.connect(self._advance)

    @property
    def progress(self) -> float:
        """How much of the hold is done, 0…1."""
        return min(1.0, self._held.elapsed() / HOLD_MS) if self._timer.isActive() else 0.0

    def sizeHint(self) -> QSize:
        font = theme.font(13, medium=True)
        text = paint.width(self.text(), font) + 2 * paint.width(self._hint(), theme.font(11))
        return QSize(round(text) + 48, theme.TOUCH_PX)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            if not event.isAutoRepeat():
                self._begin()
        else:
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            if not event.isAutoRepeat():
                self._stop()
        else:
            super().keyReleaseEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() is Qt.MouseButton.LeftButton:
            self._begin()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._stop()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self._stop()
        super().focusOutEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rect = QRectF(self.rect())
        enabled = self.isEnabled()
        ground = "raised" if not enabled else "hover" if self.underMouse() else "surface"
        border, line = theme.color("border_strong" if enabled else "border"), 1.0
        if self.hasFocus():
            border, line = theme.color("focus"), 2.0
        paint.rounded(painter, rect, theme.color(ground), border, radius=6, line=line)
        if self.progress:
            path = QPainterPath()
            path.addRoundedRect(rect.adjusted(1, 1, -1, -1), 6, 6)
            painter.setClipPath(path)
            done = QRectF(rect.x(), rect.y(), rect.width() * self.progress, rect.height())
            painter.fillRect(done, theme.color("accent_soft"))
            painter.setClipping(False)
        ink = theme.color("text" if enabled else "muted")
        inner = rect.adjusted(14, 0, -14, 0)
        hint = theme.font(11)
        paint.text(painter, inner, self._hint(), hint, theme.color("muted"), paint.RIGHT)
        side = paint.width(self._hint(), hint) + 8
        words = inner.adjusted(side, 0, -side, 0)
        paint.text(painter, words, self.text(), theme.font(13, medium=True), ink, paint.CENTER)
        painter.end()

    def _hint(self) -> str:
        return translate("Hold", "hold")

    def _begin(self) -> None:
        if self.isEnabled():
            self._held.start()
            self._timer.start()
            self.update()

    def _stop(self) -> None:
        if self._timer.isActive():
            self._timer.stop()
            self.update()

    def _advance(self) -> None:
        if self._held.elapsed() >= HOLD_MS:
            self._stop()
            self.confirmed.emit()
        self.update()
