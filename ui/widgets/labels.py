"""Small labels: text that elides, a state with its shape, a count with its shape.

All of them take plain text only: what a charger sends is never read as markup.
"""

from html import escape

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QLabel, QSizePolicy, QWidget

from sitecontroller.domain.alarm import AlarmPriority
from ui import theme
from ui.presenters import words
from ui.presenters.words import Shape, State, Tone
from ui.widgets import paint


def tip(text: str) -> str:
    """A tool tip for any text: Qt would read "<b>" in it as markup."""
    return f"<span>{escape(text)}</span>" if text else ""


class PlainLabel(QLabel):
    """A label for any text, never as markup."""

    def __init__(
        self,
        text: str = "",
        *,
        size_px: int = 13,
        bold: bool = False,
        muted: bool = False,
        wrap: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setFont(theme.font(size_px, bold=bold))
        self.setProperty("muted", muted)
        self.setWordWrap(wrap)
        self.setText(text)

    def set_tone(self, tone: Tone) -> None:
        """Colour the text as the tone says."""
        wanted = {Tone.HIGH: "high", Tone.MEDIUM: "medium"}.get(tone, "")
        muted = tone is Tone.MUTED
        if self.property("tone") != wanted or self.property("muted") != muted:
            self.setProperty("tone", wanted)
            self.setProperty("muted", muted)
            self.style().polish(self)


class ElidedLabel(PlainLabel):
    """One line that ends in "…" when there is no room; the tool tip has all of it."""

    def __init__(
        self,
        text: str = "",
        *,
        size_px: int = 13,
        bold: bool = False,
        muted: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        self._full = ""
        super().__init__(size_px=size_px, bold=bold, muted=muted, parent=parent)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setText(text)

    def setText(self, text: str) -> None:
        if text != self._full or not self.text():
            self._full = text
            self.setAccessibleName(text.replace("\N{NO-BREAK SPACE}", " "))
            self.updateGeometry()
            self._elide()

    def full_text(self) -> str:
        """The whole text."""
        return self._full

    def sizeHint(self) -> QSize:
        metrics = self.fontMetrics()
        return QSize(metrics.horizontalAdvance(self._full) + 3, metrics.height() + 4)

    def minimumSizeHint(self) -> QSize:
        return QSize(min(24, self.sizeHint().width()), self.fontMetrics().height() + 4)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._elide()

    def _elide(self) -> None:
        shown = self.fontMetrics().elidedText(self._full, Qt.TextElideMode.ElideRight, self.width())
        super().setText(shown)
        self.setToolTip(tip(self._full) if shown != self._full else "")


class StateLabel(QWidget):
    """A state as shape and word."""

    def __init__(self, *, size_px: int = 13, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state = State("", Shape.NONE, Tone.MUTED)
        self._font = theme.font(size_px, medium=True)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    @property
    def state(self) -> State:
        """What is shown now."""
        return self._state

    def show_state(self, state: State) -> None:
        """Show another state."""
        if state != self._state:
            self._state = state
            self.setAccessibleName(state.word.replace("\N{NO-BREAK SPACE}", " "))
            self.updateGeometry()
            self.update()

    def sizeHint(self) -> QSize:
        extra = 0 if self._state.shape is Shape.NONE else 18
        return QSize(round(paint.width(self._state.word, self._font)) + extra + 3, 22)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        rect = QRectF(self.rect())
        offset = 0
        if self._state.shape is not Shape.NONE:
            sign = QRectF(0, rect.center().y() - 5.5, 11, 11)
            paint.shape(painter, sign, self._state.shape, theme.tone_color(self._state.tone))
            offset = 17
        ink = theme.word_color(self._state.tone)
        paint.text(painter, rect.adjusted(offset, 0, 0, 0), self._state.word, self._font, ink)
        painter.end()


class PriorityBadge(QWidget):
    """How many alarms of one priority: shape, number and word on the priority's colour."""

    def __init__(self, priority: AlarmPriority, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._priority = priority
        self._count = 0
        self._font = theme.font(12, bold=True)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def show_count(self, count: int) -> None:
        """Show a number; 0 hides the badge."""
        self._count = count
        self.setAccessibleName(self._words())
        self.setVisible(count > 0)
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(round(paint.width(self._words(), self._font)) + 38, 28)

    def paintEvent(self, event: QPaintEvent) -> None:
        ground, ink = {
            AlarmPriority.HIGH: ("high", "on_high"),
            AlarmPriority.MEDIUM: ("medium", "on_medium"),
            AlarmPriority.LOW: ("low", "on_low"),
        }[self._priority]
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rect = QRectF(self.rect())
        paint.rounded(painter, rect, theme.color(ground), radius=6, line=0)
        sign = QRectF(10, rect.center().y() - 5.5, 11, 11)
        paint.shape(painter, sign, words.priority(self._priority).shape, theme.color(ink))
        paint.text(
            painter, rect.adjusted(27, 0, -8, 0), self._words(), self._font, theme.color(ink)
        )
        painter.end()

    def _words(self) -> str:
        return f"{self._count} {words.priority(self._priority).word}"


def line(parent: QWidget | None = None) -> QFrame:
    """A thin horizontal rule."""
    rule = QFrame(parent)
    rule.setObjectName("line")
    rule.setFixedHeight(1)
    return rule
