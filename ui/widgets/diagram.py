"""The site as a single-line diagram: grid, main fuse, and what hangs on the bus behind it.

Every box has its power, its amperes per phase against its limit, and the age of what it shows.
Where not all feeders fit, the last box says how many more there are.
"""

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from ui import theme
from ui.i18n.texts import translate
from ui.presenters.power import Node, PhaseBar
from ui.presenters.words import Shape, Tone
from ui.widgets import paint

BOX_HEIGHT = 124
LINE_Y = 13
BOX_Y = 27
GAP = 12
WIDTH_MIN = 164


class Diagram(QWidget):
    """Paints the nodes of `ui.presenters.power.nodes`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._nodes: tuple[Node, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(translate("Power", "Power of the site"))

    def show_nodes(self, nodes: tuple[Node, ...]) -> None:
        """Show these; repaints when something differs."""
        if nodes != self._nodes:
            self._nodes = nodes
            self.setAccessibleDescription(". ".join(node.spoken for node in nodes))
            self.update()

    def sizeHint(self) -> QSize:
        return QSize(1000, BOX_Y + BOX_HEIGHT)

    def changeEvent(self, event: QEvent) -> None:
        self.update()
        super().changeEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        if not self._nodes:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        shown, hidden = self._fitting()
        boxes = self._boxes(len(shown) + bool(hidden))
        self._paint_line(painter, boxes)
        for node, box in zip(shown, boxes, strict=False):
            _paint_node(painter, node, box)
        if hidden:
            _paint_more(painter, hidden, boxes[-1])
        painter.end()

    def _fitting(self) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
        room = max(4, int((self.width() + GAP) // (WIDTH_MIN + GAP)))
        if len(self._nodes) <= room:
            return self._nodes, ()
        fixed, feeders = self._nodes[:3], self._nodes[3:]
        feeders = tuple(sorted(feeders, key=_is_normal))
        return (*fixed, *feeders[: room - 4]), feeders[room - 4 :]

    def _boxes(self, count: int) -> list[QRectF]:
        width = (self.width() - GAP * (count - 1)) / count
        return [QRectF(i * (width + GAP), BOX_Y, width, BOX_HEIGHT) for i in range(count)]

    def _paint_line(self, painter: QPainter, boxes: list[QRectF]) -> None:
        wire = theme.color("wire")
        thin, thick = QPen(wire, 2), QPen(wire, 5)
        thick.setCapStyle(Qt.PenCapStyle.RoundCap)
        x = [box.x() + 26 for box in boxes]
        painter.setPen(thin)
        for position in x:
            painter.drawLine(QPointF(position, LINE_Y), QPointF(position, BOX_Y))
        bus = x[2] - 16 if len(x) > 2 else x[-1]
        painter.drawLine(QPointF(x[0], LINE_Y), QPointF(bus, LINE_Y))
        if len(x) > 2:
            painter.setPen(thick)
            painter.drawLine(QPointF(bus, LINE_Y), QPointF(boxes[-1].right() - 4, LINE_Y))
        self._paint_grid_sign(painter, QPointF(x[0], LINE_Y))
        self._paint_fuse_sign(painter, (x[1] + bus) / 2)

    def _paint_grid_sign(self, painter: QPainter, at: QPointF) -> None:
        """A source: the circle with a wave of circuit diagrams."""
        painter.setPen(QPen(theme.color("wire"), 2))
        painter.setBrush(theme.color("surface"))
        painter.drawEllipse(at, 10, 10)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        wave = QRectF(at.x() - 6, at.y() - 3, 6, 6)
        painter.drawArc(wave, 0, 180 * 16)
        painter.drawArc(wave.translated(6, 0), 180 * 16, 180 * 16)

    def _paint_fuse_sign(self, painter: QPainter, x: float) -> None:
        """A fuse: the box with the line through it."""
        box = QRectF(x - 15, LINE_Y - 6, 30, 12)
        painter.setPen(QPen(theme.color("wire"), 2))
        painter.setBrush(theme.color("surface"))
        painter.drawRect(box)
        painter.drawLine(QPointF(box.left(), LINE_Y), QPointF(box.right(), LINE_Y))


def _is_normal(node: Node) -> bool:
    """Sorts what needs attention to the front; the rest keeps the file's order and stands still."""
    return node.tone not in (Tone.HIGH, Tone.MEDIUM)


def _paint_node(painter: QPainter, node: Node, box: QRectF) -> None:
    border, line = theme.color("border"), 1.0
    if node.tone in (Tone.HIGH, Tone.MEDIUM):
        border, line = theme.color(node.tone.value), 2.0
    paint.rounded(painter, box, theme.color("surface"), border, line=line)
    area = box.adjusted(12, 8, -12, -8)
    muted = theme.color("muted")
    ink = muted if node.stale else theme.color("text")

    title = QRectF(area.x(), area.y(), area.width(), 16)
    detail_width = paint.width(node.detail, theme.font(12))
    paint.text(painter, title, node.detail, theme.font(12), muted, paint.RIGHT)
    paint.text(
        painter,
        title.adjusted(0, 0, -detail_width - 6, 0),
        node.title,
        theme.font(13, bold=True),
        theme.color("text"),
    )

    value = QRectF(area.x(), title.bottom() + 3, area.width(), 25)
    used = paint.text(painter, value, node.value, theme.font(20, bold=True), ink)
    note_rect = value.adjusted(used + 8, 5, 0, 0)
    paint.text(painter, note_rect, node.value_note, theme.font(12), muted, paint.LEFT)

    y = value.bottom() + 2
    for bar in node.bars:
        _paint_phase(painter, bar, QRectF(area.x(), y, area.width(), 14), stale=node.stale)
        y += 14

    note = QRectF(area.x(), area.bottom() - 13, area.width(), 15)
    offset = 0
    if node.shape is not Shape.NONE:
        sign = QRectF(note.x(), note.center().y() - 5, 10, 10)
        paint.shape(painter, sign, node.shape, theme.tone_color(node.tone))
        offset = 15
    tone = node.tone if node.tone in (Tone.HIGH, Tone.MEDIUM) else Tone.MUTED
    paint.text(
        painter, note.adjusted(offset, 0, 0, 0), node.note, theme.font(11), theme.word_color(tone)
    )


def _paint_phase(painter: QPainter, bar: PhaseBar, rect: QRectF, *, stale: bool) -> None:
    font = theme.font(11)
    paint.text(painter, rect, bar.name, font, theme.color("muted"))
    ink = theme.color("high_text" if bar.over else "muted" if stale else "text")
    paint.text(painter, rect, bar.text, theme.font(11, bold=bar.over), ink, paint.RIGHT)
    track = rect.adjusted(22, 5, -44, -5)
    color = theme.color("high" if bar.over else "energy_stale" if stale else "energy")
    paint.bar(painter, track, bar.fill, bar.cap, color)


def _paint_more(painter: QPainter, nodes: tuple[Node, ...], box: QRectF) -> None:
    paint.rounded(painter, box, None, theme.color("border"))
    area = box.adjusted(12, 8, -12, -8)
    title = translate("Power", "{count} more feeders").format(count=len(nodes))
    paint.text(
        painter,
        QRectF(area.x(), area.y(), area.width(), 16),
        title,
        theme.font(13, bold=True),
        theme.color("text"),
    )
    y = area.y() + 24
    for node in nodes[:4]:
        row = QRectF(area.x(), y, area.width(), 17)
        value_width = paint.text(
            painter, row, node.value_note, theme.font(12), theme.color("text"), paint.RIGHT
        )
        paint.text(
            painter,
            row.adjusted(0, 0, -value_width - 6, 0),
            node.title,
            theme.font(12),
            theme.color("muted"),
        )
        y += 18
