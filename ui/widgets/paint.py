"""What painted widgets share: text that elides instead of clipping, shapes, bars.

`observer` hears of every text that had to be elided, with its font; the tests listen.
"""

from collections.abc import Callable

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPainterPath, QPen, QPolygonF

from ui import theme
from ui.presenters.words import Shape

observer: Callable[[str, QFont], None] | None = None

_V_CENTER = Qt.AlignmentFlag.AlignVCenter
LEFT = Qt.AlignmentFlag.AlignLeft | _V_CENTER
RIGHT = Qt.AlignmentFlag.AlignRight | _V_CENTER
CENTER = Qt.AlignmentFlag.AlignHCenter | _V_CENTER


def text(
    painter: QPainter,
    rect: QRectF,
    words: str,
    font: QFont,
    color: QColor,
    alignment: Qt.AlignmentFlag = LEFT,
) -> float:
    """Draw one line inside `rect`, elided if it must be; returns the width it took."""
    if not words or rect.width() <= 0:
        return 0.0
    metrics = QFontMetricsF(font)
    shown = words
    if metrics.horizontalAdvance(words) > rect.width() + 0.5:
        shown = metrics.elidedText(words, Qt.TextElideMode.ElideRight, rect.width())
        if observer is not None:
            observer(words, font)
    painter.setFont(font)
    painter.setPen(color)
    painter.drawText(rect, int(alignment | Qt.TextFlag.TextSingleLine), shown)
    return metrics.horizontalAdvance(shown)


def lines(
    painter: QPainter, rect: QRectF, words: str, font: QFont, color: QColor, *, count: int
) -> None:
    """Draw up to `count` lines broken at words; the last one elides."""
    metrics = QFontMetricsF(font)
    height = metrics.height() + 1
    rest = words.split(" ")
    for number in range(count):
        line = ""
        while rest and (
            number + 1 == count
            or not line
            or metrics.horizontalAdvance(f"{line} {rest[0]}") <= rect.width()
        ):
            line = f"{line} {rest.pop(0)}".strip()
        text(
            painter,
            QRectF(rect.x(), rect.y() + number * height, rect.width(), height),
            line,
            font,
            color,
        )
        if not rest:
            return


def width(words: str, font: QFont) -> float:
    """How wide a line is."""
    return QFontMetricsF(font).horizontalAdvance(words)


def rounded(
    painter: QPainter,
    rect: QRectF,
    fill: QColor | None,
    border: QColor | None = None,
    *,
    radius: float = theme.RADIUS_PX,
    line: float = 1.0,
) -> None:
    """A rounded box whose border lies inside `rect`."""
    inner = rect.adjusted(line / 2, line / 2, -line / 2, -line / 2)
    painter.setBrush(fill if fill is not None else Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(border, line) if border is not None else Qt.PenStyle.NoPen)
    painter.drawRoundedRect(inner, radius, radius)


def bar(
    painter: QPainter,
    rect: QRectF,
    fill: float | None,
    tick: float | None,
    color: QColor,
) -> None:
    """A track, filled to `fill`, with a tick at the limit; both are shares of its width."""
    radius = rect.height() / 2
    rounded(painter, rect, theme.color("track"), radius=radius, line=0)
    if fill:
        path = QPainterPath()
        path.addRoundedRect(rect, radius, radius)
        painter.save()
        painter.setClipPath(path)
        painter.fillRect(QRectF(rect.x(), rect.y(), rect.width() * fill, rect.height()), color)
        painter.restore()
    if tick is not None:
        x = rect.x() + min(max(rect.width() * tick, 1.0), rect.width() - 1.0)
        painter.fillRect(QRectF(x - 1, rect.y() - 3, 2, rect.height() + 6), theme.color("tick"))


def shape(painter: QPainter, rect: QRectF, kind: Shape, color: QColor) -> None:
    """A state's sign inside a square."""
    if kind is Shape.NONE:
        return
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    pen = QPen(color, max(1.4, rect.width() / 7))
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    side = min(rect.width(), rect.height())
    center = rect.center()
    box = QRectF(center.x() - side / 2, center.y() - side / 2, side, side)
    _SHAPES[kind](painter, box, color)
    painter.restore()


def _dot(painter: QPainter, box: QRectF, color: QColor) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(color)
    painter.drawEllipse(box.adjusted(1, 1, -1, -1))


def _ring(painter: QPainter, box: QRectF, _color: QColor) -> None:
    painter.drawEllipse(box.adjusted(1.5, 1.5, -1.5, -1.5))


def _plug(painter: QPainter, box: QRectF, color: QColor) -> None:
    inner = box.adjusted(1.5, 1.5, -1.5, -1.5)
    painter.drawEllipse(inner)
    painter.setBrush(color)
    painter.drawChord(inner, 90 * 16, 180 * 16)


def _pause(painter: QPainter, box: QRectF, color: QColor) -> None:
    third = box.width() / 3
    painter.fillRect(QRectF(box.x() + 1, box.y() + 1, third, box.height() - 2), color)
    painter.fillRect(QRectF(box.right() - third - 1, box.y() + 1, third, box.height() - 2), color)


def _check(painter: QPainter, box: QRectF, _color: QColor) -> None:
    painter.drawPolyline(
        QPolygonF(
            [
                QPointF(box.x() + 1, box.center().y() + 0.5),
                QPointF(box.x() + box.width() * 0.4, box.bottom() - 1.5),
                QPointF(box.right() - 0.5, box.y() + 1.5),
            ]
        )
    )


def _triangle(painter: QPainter, box: QRectF, color: QColor) -> None:
    painter.setBrush(color)
    painter.setPen(QPen(color, 1, j=Qt.PenJoinStyle.RoundJoin))
    painter.drawPolygon(
        QPolygonF(
            [
                QPointF(box.center().x(), box.y() + 1),
                QPointF(box.right() - 0.5, box.bottom() - 1),
                QPointF(box.x() + 0.5, box.bottom() - 1),
            ]
        )
    )


def _diamond(painter: QPainter, box: QRectF, color: QColor) -> None:
    painter.setBrush(color)
    painter.setPen(QPen(color, 1, j=Qt.PenJoinStyle.RoundJoin))
    center = box.center()
    painter.drawPolygon(
        QPolygonF(
            [
                QPointF(center.x(), box.y()),
                QPointF(box.right(), center.y()),
                QPointF(center.x(), box.bottom()),
                QPointF(box.x(), center.y()),
            ]
        )
    )


def _bar(painter: QPainter, box: QRectF, color: QColor) -> None:
    painter.drawEllipse(box.adjusted(1.5, 1.5, -1.5, -1.5))
    height = box.height() / 6
    painter.fillRect(
        QRectF(box.x() + 3.5, box.center().y() - height / 2, box.width() - 7, height), color
    )


def _clock(painter: QPainter, box: QRectF, _color: QColor) -> None:
    painter.drawEllipse(box.adjusted(1.5, 1.5, -1.5, -1.5))
    center = box.center()
    painter.drawLine(center, QPointF(center.x(), box.y() + 3))
    painter.drawLine(center, QPointF(box.right() - 3.5, center.y()))


_SHAPES: dict[Shape, Callable[[QPainter, QRectF, QColor], None]] = {
    Shape.DOT: _dot,
    Shape.RING: _ring,
    Shape.PLUG: _plug,
    Shape.PAUSE: _pause,
    Shape.CHECK: _check,
    Shape.TRIANGLE: _triangle,
    Shape.DIAMOND: _diamond,
    Shape.BAR: _bar,
    Shape.CLOCK: _clock,
}
