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
from ui.widgets.labels import tip

_LEFT_TO_THE_BOARD = (
    Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Home,
    Qt.Key.Key_End,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Size:
    width_min: int
    height: int
    title_px: int
    text_px: int
    value_px: int


class Density(Enum):
    """How much room a tile has."""

    LARGE = _Size(236, 128, 15, 13, 19)
    ROOMY = _Size(176, 104, 13, 12, 15)
    COMPACT = _Size(150, 76, 13, 12, 12)
    DENSE = _Size(122, 46, 12, 11, 11)

    @staticmethod
    def for_count(count: int, *, spacious: bool) -> "Density":
        """The density at which a site of that many outlets stays readable."""
        if count <= 30:
            return Density.LARGE if spacious and count <= 16 else Density.ROOMY
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

    def set_density(self, density: Density) -> None:
        """Draw larger or smaller."""
        if density is not self._density:
            self._density = density
            self.updateGeometry()
            self.update()

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
        elif event.key() in _LEFT_TO_THE_BOARD:
            event.ignore()
        else:
            super().keyPressEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        self.update()
        super().changeEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_ground(painter)
        match self._density:
            case Density.DENSE:
                self._paint_dense(painter)
            case Density.COMPACT:
                self._paint_compact(painter)
            case _:
                self._paint_roomy(painter)
        painter.end()

    def _describe(self) -> None:
        self.setAccessibleName(self._tile.spoken)
        self.setToolTip(tip(self._tile.note))

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

    def _paint_roomy(self, painter: QPainter) -> None:
        tile, size = self._tile, self._density.value
        area = QRectF(self.rect()).adjusted(12, 8, -12, -9)
        row = area.height() / 4
        self._paint_title(painter, QRectF(area.x(), area.y(), area.width(), row))
        second = QRectF(area.x(), area.y() + row, area.width(), row)
        self._paint_state(painter, second, tile.energy)
        third = QRectF(area.x(), area.y() + 2 * row, area.width(), row)
        if tile.fill is None:
            rest = QRectF(area.x(), third.y() + 3, area.width(), 2 * row)
            words = tile.note or tile.value
            font = theme.font(size.text_px)
            paint.lines(painter, rest, words, font, theme.color("muted"), count=2)
            return
        value = paint.text(
            painter, third, tile.value, theme.font(size.value_px, bold=True), self._value_ink()
        )
        offset = max(value + 10, third.width() * 0.42)
        track = QRectF(area.x() + offset, third.center().y() - 3, area.width() - offset, 6)
        paint.bar(painter, track, tile.fill, tile.tick, self._bar_ink())
        self._paint_note(painter, QRectF(area.x(), area.bottom() - row + 3, area.width(), row))

    def _paint_compact(self, painter: QPainter) -> None:
        tile = self._tile
        area = QRectF(self.rect()).adjusted(12, 8, -12, -8)
        self._paint_title(painter, QRectF(area.x(), area.y(), area.width(), 15))
        self._paint_state(painter, QRectF(area.x(), area.y() + 19, area.width(), 15), tile.value)
        if tile.fill is not None:
            track = QRectF(area.x(), area.y() + 38, area.width(), 5)
            paint.bar(painter, track, tile.fill, tile.tick, self._bar_ink())
        self._paint_note(painter, QRectF(area.x(), area.bottom() - 14, area.width(), 15))

    def _paint_title(self, painter: QPainter, row: QRectF) -> None:
        tile, size = self._tile, self._density.value
        bay = theme.font(size.text_px, names=True)
        bay_width = min(paint.width(tile.bay, bay), row.width() * 0.5)
        paint.text(painter, row, tile.bay, bay, theme.color("muted"), paint.RIGHT)
        name = theme.font(size.title_px, bold=True, names=True)
        paint.text(painter, row.adjusted(0, 0, -bay_width - 8, 0), tile.title, name, self._ink())

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
        name_font = theme.font(12, bold=True, names=True)
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

    def _paint_state(self, painter: QPainter, row: QRectF, right: str) -> None:
        state, size = self._tile.state, self._density.value
        right_font = theme.font(size.text_px)
        used = paint.text(painter, row, right, right_font, self._value_ink(), paint.RIGHT)
        sign = QRectF(row.x(), row.center().y() - 5.5, 11, 11)
        paint.shape(painter, sign, state.shape, theme.tone_color(state.tone))
        offset = 17 if state.shape is not Shape.NONE else 0
        font = theme.font(max(13, size.text_px), bold=state.tone in (Tone.HIGH, Tone.MEDIUM))
        words = row.adjusted(offset, 0, -used - 8, 0)
        paint.text(painter, words, state.word, font, theme.word_color(state.tone))

    def _paint_note(self, painter: QPainter, rect: QRectF) -> None:
        font = theme.font(self._density.value.text_px)
        paint.text(painter, rect, self._tile.note, font, theme.color("muted"))

    def _ink(self) -> QColor:
        return theme.color("text")

    def _value_ink(self) -> QColor:
        return theme.color("muted" if self._tile.stale else "text")

    def _bar_ink(self) -> QColor:
        return theme.color("energy_stale" if self._tile.stale else "energy")
