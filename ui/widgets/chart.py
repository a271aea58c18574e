"""The main circuit's current per phase over the last hour, against the fuse and the cap.

Lines carry their names and values at their right end instead of a legend; where no value was
measured the line has a gap. A shorter record is stretched and says since when it runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from sitecontroller.domain.topology import PHASE_NAMES
from sitecontroller.domain.views import PhaseSample
from ui import theme
from ui.i18n.texts import translate
from ui.presenters import units
from ui.widgets import paint

SPAN_MIN = timedelta(minutes=2)
GAP_MAX = timedelta(seconds=45)
"""A longer silence between two samples is drawn as a gap."""
LABEL_HEIGHT = 16
_PHASE_TOKENS = ("phase_1", "phase_2", "phase_3")
_TICKS_MIN = (1, 2, 5, 10, 15, 30)


@dataclass(frozen=True, slots=True)
class _Label:
    y: float
    text: str
    color: QColor
    bold: bool


class PhaseChart(QWidget):
    """Draws `PhaseSample`s."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._samples: Sequence[PhaseSample] = ()
        self._fuse_a = 0.0
        self._zone = "UTC"
        self._live = True
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(118)
        self.setAccessibleName(translate("Chart", "Current per phase, last hour"))

    def show_samples(
        self, samples: Sequence[PhaseSample], fuse_a: float, zone: str, *, live: bool
    ) -> None:
        """Draw these against a fuse of `fuse_a`."""
        self._samples, self._fuse_a, self._zone, self._live = samples, fuse_a, zone, live
        if samples:
            self.setAccessibleDescription(units.per_phase(samples[-1].current_a))
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(800, 190)

    def changeEvent(self, event: QEvent) -> None:
        self.update()
        super().changeEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if len(self._samples) < 2:
            waiting = translate("Chart", "The chart begins with the first meter values")
            paint.text(
                painter,
                QRectF(self.rect()),
                waiting,
                theme.font(13),
                theme.color("muted"),
                paint.CENTER,
            )
            painter.end()
            return
        top_a = self._top()
        axis = paint.width(units.current(top_a), theme.font(11)) + 16
        plot = QRectF(self.rect()).adjusted(axis, 8, -self._label_width(), -20)
        self._paint_scale(painter, plot, top_a)
        self._paint_times(painter, plot)
        labels = self._paint_limits(painter, plot, top_a)
        labels += self._paint_phases(painter, plot, top_a)
        self._paint_labels(painter, plot, labels)
        painter.end()

    def _label_width(self) -> float:
        """Room for the widest label at the right, whatever the values become."""
        top = units.current(self._top())
        words = (self._cap_text(), self._fuse_text(), f"{PHASE_NAMES[0]}{units.NBSP}{top}")
        return max(paint.width(text, theme.font(12, bold=True)) for text in words) + 18

    def _cap_text(self) -> str:
        return translate("Chart", "cap {limit}").format(limit=units.limit(self._samples[-1].cap_a))

    def _fuse_text(self) -> str:
        return translate("Chart", "fuse {limit}").format(limit=units.limit(self._fuse_a))

    def _top(self) -> float:
        highest = max(
            (a for sample in self._samples for a in sample.current_a if a is not None), default=0.0
        )
        return max(self._fuse_a * 1.12, highest * 1.08, 1.0)

    def _begin(self) -> datetime:
        first, last = self._samples[0].at, self._samples[-1].at
        return min(first, last - SPAN_MIN)

    def _x(self, plot: QRectF, at: datetime) -> float:
        begin, last = self._begin(), self._samples[-1].at
        return plot.x() + plot.width() * ((at - begin) / (last - begin))

    def _paint_scale(self, painter: QPainter, plot: QRectF, top_a: float) -> None:
        step = _step(top_a, max(3, int(plot.height() // 34)))
        value = 0.0
        painter.setPen(QPen(theme.color("gridline"), 1))
        while value <= top_a:
            y = round(plot.bottom() - plot.height() * value / top_a) + 0.5
            painter.setPen(QPen(theme.color("gridline"), 1))
            painter.drawLine(QPointF(plot.left(), y), QPointF(plot.right(), y))
            label = QRectF(0, y - 8, plot.left() - 8, 16)
            paint.text(
                painter,
                label,
                units.current(value),
                theme.font(11),
                theme.color("muted"),
                paint.RIGHT,
            )
            value += step

    def _paint_times(self, painter: QPainter, plot: QRectF) -> None:
        begin, last = self._begin(), self._samples[-1].at
        span_min = (last - begin) / timedelta(minutes=1)
        room = max(2, int(plot.width() // 90))
        step = next((t for t in _TICKS_MIN if span_min / t <= room), 60)
        zone = units.zone_of(self._zone)
        local = begin.astimezone(zone).replace(second=0, microsecond=0)
        at = local.replace(minute=0)
        while at <= last:
            if at >= begin:
                x = self._x(plot, at)
                painter.setPen(QPen(theme.color("border_strong"), 1))
                painter.drawLine(QPointF(x, plot.bottom()), QPointF(x, plot.bottom() + 4))
                box = QRectF(x - 30, plot.bottom() + 4, 60, 16)
                if box.right() < plot.right() + 20:
                    paint.text(
                        painter,
                        box,
                        f"{at:%H:%M}",
                        theme.font(11),
                        theme.color("muted"),
                        paint.CENTER,
                    )
            at += timedelta(minutes=step)

    def _paint_limits(self, painter: QPainter, plot: QRectF, top_a: float) -> list[_Label]:
        def y_of(value: float) -> float:
            return plot.bottom() - plot.height() * value / top_a

        fuse, cap = theme.color("fuse"), theme.color("cap")
        painter.setPen(QPen(fuse, 1.6))
        y = y_of(self._fuse_a)
        painter.drawLine(QPointF(plot.left(), y), QPointF(plot.right(), y))
        pen = QPen(cap, 1.4)
        pen.setDashPattern([5, 4])
        painter.setPen(pen)
        painter.drawPolyline(
            QPolygonF([QPointF(self._x(plot, s.at), y_of(s.cap_a)) for s in self._samples])
        )
        return [
            _Label(y, self._fuse_text(), fuse, True),
            _Label(y_of(self._samples[-1].cap_a), self._cap_text(), cap, False),
        ]

    def _paint_phases(self, painter: QPainter, plot: QRectF, top_a: float) -> list[_Label]:
        labels = []
        for phase, token in enumerate(_PHASE_TOKENS):
            color = theme.color(token if self._live else "muted")
            pen = QPen(color, 1.8)
            pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
            painter.setPen(pen)
            for piece in self._pieces(phase):
                points = [
                    QPointF(self._x(plot, at), plot.bottom() - plot.height() * max(0.0, a) / top_a)
                    for at, a in piece
                ]
                painter.drawPolyline(QPolygonF(points))
            last = self._samples[-1].current_a[phase]
            y = plot.bottom() - plot.height() * max(0.0, last or 0.0) / top_a
            text = f"{PHASE_NAMES[phase]}{units.NBSP}{units.current(last)}"
            labels.append(_Label(y, text, color, True))
        return labels

    def _pieces(self, phase: int) -> list[list[tuple[datetime, float]]]:
        """The phase's values between gaps."""
        pieces: list[list[tuple[datetime, float]]] = []
        piece: list[tuple[datetime, float]] = []
        for sample in self._samples:
            value = sample.current_a[phase]
            if value is None or (piece and sample.at - piece[-1][0] > GAP_MAX):
                pieces.append(piece)
                piece = []
            if value is not None:
                piece.append((sample.at, value))
        pieces.append(piece)
        return [p for p in pieces if len(p) > 1]

    def _paint_labels(self, painter: QPainter, plot: QRectF, labels: list[_Label]) -> None:
        placed = sorted(labels, key=lambda label: label.y)
        tops = [label.y - LABEL_HEIGHT / 2 for label in placed]
        for i in range(1, len(tops)):
            tops[i] = max(tops[i], tops[i - 1] + LABEL_HEIGHT)
        overflow = tops[-1] + LABEL_HEIGHT - (plot.bottom() + 8)
        if overflow > 0:
            tops[-1] -= overflow
            for i in range(len(tops) - 2, -1, -1):
                tops[i] = min(tops[i], tops[i + 1] - LABEL_HEIGHT)
        for label, top in zip(placed, tops, strict=True):
            painter.setPen(QPen(theme.color("border_strong"), 1))
            y = top + LABEL_HEIGHT / 2
            painter.drawLine(QPointF(plot.right() + 1, label.y), QPointF(plot.right() + 9, y))
            box = QRectF(plot.right() + 12, top, self.width() - plot.right() - 12, LABEL_HEIGHT)
            paint.text(painter, box, label.text, theme.font(12, bold=label.bold), label.color)


def _step(top: float, count: int) -> float:
    """A round distance between grid lines so that at most `count` fit below `top`."""
    size = 1.0
    while True:
        for factor in (1.0, 2.0, 2.5, 5.0):
            if top / (size * factor) <= count and (factor != 2.5 or size > 1):
                return size * factor
        size *= 10
