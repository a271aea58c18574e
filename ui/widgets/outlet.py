"""One outlet of a charger in full: state, power, phases, session facts and the chain of limits."""

from PySide6.QtCore import QEvent, QRectF, QSize
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from ui import theme
from ui.i18n.texts import translate
from ui.presenters.power import PhaseBar
from ui.presenters.station import ChainLink, Fact, Outlet
from ui.presenters.words import Shape, Tone
from ui.widgets import paint

_ROW = 22.0
_CHAIN_ROW = 24.0
_HEAD = 66.0
_PAD = 16.0


class OutletCard(QWidget):
    """Paints one `Outlet` in two columns: what happens, and what limits it."""

    def __init__(self, outlet: Outlet, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._outlet = outlet
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.show_outlet(outlet)

    def show_outlet(self, outlet: Outlet) -> None:
        """Show new values."""
        resized = self._height(outlet) != self._height(self._outlet)
        self._outlet = outlet
        parts = [outlet.title, outlet.state.word, outlet.value, outlet.limit]
        parts += [f"{fact.label} {fact.value}" for fact in outlet.facts]
        self.setAccessibleName(", ".join(parts).replace("\N{NO-BREAK SPACE}", " "))
        if resized:
            self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(640, self._height(self._outlet))

    def changeEvent(self, event: QEvent) -> None:
        self.update()
        super().changeEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rect = QRectF(self.rect())
        paint.rounded(painter, rect, theme.color("surface"), self._border(), line=self._line())
        area = rect.adjusted(_PAD, 14, -_PAD, -12)
        self._paint_head(painter, area)
        body = QRectF(area.x(), area.y() + _HEAD, area.width(), area.height() - _HEAD)
        middle = body.width() * 0.46
        left = QRectF(body.x(), body.y(), middle - 18, body.height())
        right = QRectF(body.x() + middle, body.y(), body.width() - middle, body.height())
        y = self._paint_bars(painter, left, self._outlet.bars)
        self._paint_facts(painter, left, y, self._outlet.facts)
        self._paint_chain(painter, right, self._outlet.chain)
        painter.end()

    @staticmethod
    def _height(outlet: Outlet) -> int:
        left = len(outlet.bars) * 20 + 8 + len(outlet.facts) * _ROW
        right = 24 + len(outlet.chain) * _CHAIN_ROW * 1.55
        return round(_HEAD + max(left, right) + 30)

    def _border(self) -> QColor:
        tone = self._outlet.state.tone
        return theme.color(tone.value if tone in (Tone.HIGH, Tone.MEDIUM) else "border")

    def _line(self) -> float:
        return 2.0 if self._outlet.state.tone in (Tone.HIGH, Tone.MEDIUM) else 1.0

    def _paint_head(self, painter: QPainter, area: QRectF) -> None:
        outlet, muted = self._outlet, theme.color("muted")
        top = QRectF(area.x(), area.y(), area.width(), 20)
        font = theme.font(13, medium=True)
        width = paint.width(outlet.state.word, font)
        word = QRectF(top.right() - width - 1, top.y(), width + 1, top.height())
        paint.text(painter, word, outlet.state.word, font, theme.word_color(outlet.state.tone))
        if outlet.state.shape is not Shape.NONE:
            sign = QRectF(word.x() - 18, top.center().y() - 5.5, 11, 11)
            ink = theme.tone_color(outlet.state.tone)
            paint.shape(painter, sign, outlet.state.shape, ink)
        title = top.adjusted(0, 0, -width - 30, 0)
        paint.text(painter, title, outlet.title, theme.font(15, bold=True), theme.color("text"))
        value = QRectF(area.x(), top.bottom() + 4, area.width(), 30)
        ink = muted if outlet.stale else theme.color("text")
        used = paint.text(painter, value, outlet.value, theme.font(24, bold=True), ink)
        note = translate("Station", "limit {limit}").format(limit=outlet.limit)
        paint.text(painter, value.adjusted(used + 12, 6, 0, 0), note, theme.font(13), muted)

    def _paint_bars(self, painter: QPainter, rect: QRectF, bars: tuple[PhaseBar, ...]) -> float:
        y = rect.y()
        token = "energy_stale" if self._outlet.stale else "energy"
        for bar in bars:
            row = QRectF(rect.x(), y, rect.width(), 18)
            font = theme.font(12)
            paint.text(painter, row, bar.name, font, theme.color("muted"))
            paint.text(painter, row, bar.text, font, theme.color("text"), paint.RIGHT)
            track = row.adjusted(28, 6, -56, -6)
            paint.bar(painter, track, bar.fill, bar.cap, theme.color(token))
            y += 20
        return y + 8

    def _paint_facts(
        self, painter: QPainter, rect: QRectF, y: float, facts: tuple[Fact, ...]
    ) -> None:
        widest = max((paint.width(fact.label, theme.font(13)) for fact in facts), default=0.0)
        label_width = min(widest + 14, rect.width() * 0.5)
        for fact in facts:
            row = QRectF(rect.x(), y, rect.width(), _ROW)
            label = QRectF(row.x(), y, label_width, _ROW)
            paint.text(painter, label, fact.label, theme.font(13), theme.color("muted"))
            ink = theme.color("muted" if self._outlet.stale else "text")
            paint.text(painter, row.adjusted(label_width, 0, 0, 0), fact.value, theme.font(13), ink)
            y += _ROW

    def _paint_chain(self, painter: QPainter, rect: QRectF, chain: tuple[ChainLink, ...]) -> None:
        heading = QRectF(rect.x(), rect.y() - 2, rect.width(), 20)
        text = translate("Station", "What limits it")
        paint.text(painter, heading, text, theme.font(13, bold=True), theme.color("text"))
        y = heading.bottom() + 5
        height = _CHAIN_ROW * 1.55
        painter.setPen(theme.color("border_strong"))
        for number, link in enumerate(chain):
            dot = QRectF(rect.x(), y + 4, 11, 11)
            if number + 1 < len(chain):
                x = round(dot.center().x())
                painter.fillRect(
                    QRectF(x, dot.bottom() + 2, 1, height - 14), theme.color("border_strong")
                )
            shape = Shape.DOT if link.binds else Shape.RING
            paint.shape(painter, dot, shape, theme.color("accent" if link.binds else "muted"))
            row = QRectF(rect.x() + 20, y, rect.width() - 20, 19)
            ink = theme.color("text")
            used = paint.text(
                painter, row, link.value, theme.font(13, bold=link.binds), ink, paint.RIGHT
            )
            name = row.adjusted(0, 0, -used - 8, 0)
            paint.text(painter, name, link.name, theme.font(13, bold=link.binds), ink)
            detail = link.detail
            if link.binds:
                detail = translate("Station", "sets the limit · {detail}").format(detail=detail)
            paint.text(
                painter, QRectF(row.x(), y + 18, row.width(), 16), detail, theme.font(12),
                theme.color("accent" if link.binds else "muted"),
            )  # fmt: skip
            y += height
