"""One charger's outlet as a tile that can be pressed: state, power, limit and its reason.

Three densities: a site of a dozen gets air, one of hundreds gets a line per outlet. The state is
always a word and a shape; red and amber borders belong to faults and lost chargers alone.
"""

from dataclasses import dataclass
from enum import Enum

from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QWidget

from ui import theme
from ui.presenters.tiles import Tile
from ui.presenters.words import Shape, Tone
from ui.widgets import paint


@dataclass(frozen=True, slots=True)
class _Size:
    width_min: int
    height: int


class Density(Enum):
    """How much room a tile has."""

    ROOMY = _Size(172, 104)
    COMPACT = _Size(150, 76)
    DENSE = _Size(122, 46)

    @staticmethod
    def for_count(count: int) -> "Density":
        """The density at which a site of that many outlets stays readable."""
        if count <= 30:
            return Density.ROOMY
        return Density.COMPACT if count <= 72 else Density.DENSE


class StationTile(QAbstractButton):
    """Shows one `Tile`; pressing it (click, Enter, Space) emits `clicked`."""

    def __init__(self, tile: Tile, density: Density, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tile = tile
        self._density = density
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self._describe()

    @property
    def tile(self) -> Tile:
        """What is shown now."""
        return self._tile

    def show_tile(self, tile: Tile) -> None:
        """Show new values; repaints only when something differs."""
        if tile != self._tile:
            self._tile = tile
            self._describe()
            self.update()

    def sizeHint(self) -> QSize:
        size = self._density.value
        return QSize(size.width_min, size.height)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
        else:
            super().keyPressEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        self.update()
        super().changeEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_ground(painter)
        if self._density is Density.DENSE:
            self._paint_dense(painter)
        else:
            self._paint_full(painter, roomy=self._density is Density.ROOMY)
        painter.end()

    def _describe(self) -> None:
        self.setAccessibleName(self._tile.spoken)
        self.setToolTip("")

    def _paint_ground(self, painter: QPainter) -> None:
        tone = self._tile.state.tone
        fill = theme.color("hover" if self.underMouse() else "surface")
        border, line = theme.color("border"), 1.0
        if tone is Tone.HIGH:
            border, line = theme.color("high"), 2.0
        elif tone is Tone.MEDIUM:
            border, line = theme.color("medium"), 2.0
        if self.hasFocus():
            border, line = theme.color("focus"), 2.5
        paint.rounded(painter, QRectF(self.rect()), fill, border, line=line)

    def _paint_full(self, painter: QPainter, *, roomy: bool) -> None:
        tile = self._tile
        area = QRectF(self.rect()).adjusted(12, 9, -12, -9)
        muted = theme.color("muted")
        line = 17.0 if roomy else 15.0
        top = QRectF(area.x(), area.y(), area.width(), line)
        bay_font = theme.font(12)
        bay_width = min(paint.width(tile.bay, bay_font), area.width() * 0.5)
        paint.text(painter, top, tile.bay, bay_font, muted, paint.RIGHT)
        title_rect = top.adjusted(0, 0, -bay_width - 8, 0)
        paint.text(painter, title_rect, tile.title, theme.font(13, bold=True), self._ink())

        second = QRectF(area.x(), top.bottom() + (6 if roomy else 3), area.width(), line)
        right = tile.energy if roomy else tile.value
        right_color = self._value_ink()
        right_font = theme.font(12)
        right_width = paint.width(right, right_font)
        paint.text(painter, second, right, right_font, right_color, paint.RIGHT)
        self._paint_state(painter, second.adjusted(0, 0, -right_width - 8, 0))

        if roomy:
            third = QRectF(area.x(), second.bottom() + 4, area.width(), 18)
            if tile.fill is None:
                self._paint_note(painter, third)
                bottom = QRectF(area.x(), area.bottom() - line, area.width(), line)
                paint.text(painter, bottom, tile.value, theme.font(12), muted)
                return
            value_width = paint.text(
                painter, third, tile.value, theme.font(15, bold=True), self._value_ink()
            )
            track = third.adjusted(max(value_width + 10, third.width() * 0.42), 6, 0, -6)
            paint.bar(painter, track, tile.fill, tile.tick, self._bar_ink())
            bottom = QRectF(area.x(), area.bottom() - 15, area.width(), 15)
            self._paint_note(painter, bottom)
        else:
            bottom = QRectF(area.x(), area.bottom() - 14, area.width(), 14)
            if tile.fill is None:
                self._paint_note(painter, bottom)
                return
            track = QRectF(area.x(), second.bottom() + 6, area.width(), 5)
            paint.bar(painter, track, tile.fill, tile.tick, self._bar_ink())

    def _paint_dense(self, painter: QPainter) -> None:
        tile = self._tile
        area = QRectF(self.rect()).adjusted(8, 5, -8, -6)
        top = QRectF(area.x(), area.y(), area.width(), 17)
        color = theme.tone_color(tile.state.tone)
        paint.shape(painter, QRectF(top.x(), top.y() + 4, 9, 9), tile.state.shape, color)
        busy = tile.fill is not None
        right = tile.value if busy else tile.state.word
        font = theme.font(11)
        room = top.width() - 14
        name_font = theme.font(12, bold=True)
        name_width = min(paint.width(tile.title, name_font), room)
        paint.text(painter, top.adjusted(14, 0, 0, 0), tile.title, name_font, self._ink())
        ink = self._value_ink() if busy else theme.word_color(tile.state.tone)
        if room - name_width - 6 >= paint.width(right, font):
            paint.text(
                painter, top.adjusted(14 + name_width + 6, 0, 0, 0), right, font, ink, paint.RIGHT
            )
            right = ""
        low = QRectF(area.x(), top.bottom() + 2, area.width(), 14)
        if busy:
            track = QRectF(low.x(), low.center().y() - 1, low.width(), 4)
            paint.bar(painter, track, tile.fill, tile.tick, self._bar_ink())
        else:
            text = right or (tile.bay if tile.state.tone is Tone.MUTED else tile.note)
            paint.text(painter, low, text, font, theme.color("muted"))

    def _paint_state(self, painter: QPainter, rect: QRectF) -> None:
        state = self._tile.state
        sign = QRectF(rect.x(), rect.center().y() - 5.5, 11, 11)
        paint.shape(painter, sign, state.shape, theme.tone_color(state.tone))
        offset = 17 if state.shape is not Shape.NONE else 0
        strong = state.tone in (Tone.HIGH, Tone.MEDIUM)
        paint.text(
            painter,
            rect.adjusted(offset, 0, 0, 0),
            state.word,
            theme.font(13, bold=strong),
            theme.word_color(state.tone),
        )

    def _paint_note(self, painter: QPainter, rect: QRectF) -> None:
        paint.text(painter, rect, self._tile.note, theme.font(12), theme.color("muted"))

    def _ink(self) -> QColor:
        return theme.color("text")

    def _value_ink(self) -> QColor:
        return theme.color("muted" if self._tile.stale else "text")

    def _bar_ink(self) -> QColor:
        return theme.color("energy_stale" if self._tile.stale else "energy")
