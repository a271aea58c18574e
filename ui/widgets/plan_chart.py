"""A plan for the site: what is expected at the grid connection, quarter hour by quarter hour.

The building's share is dark, the cars' on top of it light; the day-ahead price is a stepped line
with its own scale at the right. Where the price is only assumed the line is dashed.
"""

from collections.abc import Sequence
from datetime import timedelta

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from ui import theme
from ui.i18n.texts import number, translate
from ui.presenters import units
from ui.presenters.plan import Plan
from ui.widgets import paint

QUARTER = timedelta(minutes=15)
AXIS_PX = 58
PRICE_PX = 74
FOOT_PX = 20
HEAD_PX = 20


class PlanChart(QWidget):
    """Draws a `Plan`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._plan: Plan | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(120)
        self.setAccessibleName(translate("Plan", "Plan of the next hours"))

    def show_plan(self, plan: Plan | None) -> None:
        """Draw this one."""
        if plan != self._plan:
            self._plan = plan
            self.setAccessibleDescription(plan.spoken if plan is not None else "")
            self.update()

    def sizeHint(self) -> QSize:
        return QSize(600, 180)

    def changeEvent(self, event: QEvent) -> None:
        self.update()
        super().changeEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        plan = self._plan
        if plan is None or not plan.site_w:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        plot = QRectF(self.rect()).adjusted(AXIS_PX, HEAD_PX, -PRICE_PX, -FOOT_PX)
        top_w = max(1000.0, *plan.site_w, *plan.base_w) * 1.08
        self._paint_key(painter, plan)
        self._paint_scale(painter, plot, top_w)
        self._paint_bars(painter, plot, plan, top_w)
        self._paint_price(painter, plot, plan)
        self._paint_times(painter, plot, plan)
        painter.end()

    def _paint_key(self, painter: QPainter, plan: Plan) -> None:
        x = float(AXIS_PX)
        entries = (
            ("tick", translate("Plan", "building")),
            ("energy", translate("Plan", "cars")),
            ("medium_text", translate("Plan", "price a kWh")),
        )
        for token, text in entries:
            painter.fillRect(QRectF(x, 4, 10, 10), theme.color(token))
            box = QRectF(x + 15, 1, 160, 16)
            x += 15 + paint.text(painter, box, text, theme.font(11), theme.color("muted")) + 18

    def _paint_scale(self, painter: QPainter, plot: QRectF, top_w: float) -> None:
        for part in (0.0, 0.5, 1.0):
            y = plot.bottom() - plot.height() * part
            painter.setPen(QPen(theme.color("gridline"), 1))
            painter.drawLine(QPointF(plot.left(), y), QPointF(plot.right(), y))
            label = QRectF(0, y - 8, AXIS_PX - 6, 16)
            text = units.power(top_w * part)
            paint.text(painter, label, text, theme.font(11), theme.color("muted"), paint.RIGHT)

    def _paint_bars(self, painter: QPainter, plot: QRectF, plan: Plan, top_w: float) -> None:
        width = plot.width() / len(plan.site_w)
        for index, (site_w, base_w) in enumerate(zip(plan.site_w, plan.base_w, strict=True)):
            x = plot.left() + index * width
            base = plot.height() * min(max(0.0, base_w), top_w) / top_w
            whole = plot.height() * min(max(0.0, site_w), top_w) / top_w
            bar = max(1.0, width - 1)
            if whole > base:
                cars = QRectF(x, plot.bottom() - whole, bar, whole - base)
                painter.fillRect(cars, theme.color("energy"))
            building = QRectF(x, plot.bottom() - base, bar, base)
            painter.fillRect(building, theme.color("tick"))

    def _paint_price(self, painter: QPainter, plot: QRectF, plan: Plan) -> None:
        low, high = min(plan.prices), max(plan.prices)
        span = (high - low) or 1.0
        width = plot.width() / len(plan.prices)

        def y_of(price: float) -> float:
            return plot.bottom() - plot.height() * (0.1 + 0.8 * (price - low) / span)

        before: QPointF | None = None
        for index, (price, known) in enumerate(zip(plan.prices, plan.known, strict=True)):
            pen = QPen(theme.color("medium_text"), 1.8)
            pen.setStyle(Qt.PenStyle.SolidLine if known else Qt.PenStyle.DotLine)
            painter.setPen(pen)
            begin = QPointF(plot.left() + index * width, y_of(price))
            end = QPointF(begin.x() + width, begin.y())
            if before is not None:
                painter.drawLine(before, begin)
            painter.drawLine(begin, end)
            before = end
        for price in {low, high}:
            box = QRectF(plot.right() + 6, y_of(price) - 8, PRICE_PX - 6, 16)
            text = f"{number(price, 2)}{units.NBSP}{plan.currency}"
            paint.text(painter, box, text, theme.font(11), theme.color("medium_text"))

    def _paint_times(self, painter: QPainter, plot: QRectF, plan: Plan) -> None:
        zone = units.zone_of(plan.zone)
        width = plot.width() / len(plan.site_w)
        every = _hours(len(plan.site_w), plot.width())
        for index in range(len(plan.site_w)):
            at = (plan.start_at + index * QUARTER).astimezone(zone)
            if at.minute or at.hour % every:
                continue
            x = plot.left() + index * width
            painter.setPen(QPen(theme.color("border_strong"), 1))
            painter.drawLine(QPointF(x, plot.bottom()), QPointF(x, plot.bottom() + 4))
            box = QRectF(x - 24, plot.bottom() + 3, 48, 16)
            text = f"{at:%H:%M}"
            paint.text(painter, box, text, theme.font(11), theme.color("muted"), paint.CENTER)


def _hours(quarters: int, width: float) -> int:
    """How many hours between two times of day so that they don't touch."""
    room: Sequence[int] = (1, 2, 3, 4, 6, 12)
    most = max(1.0, width / 60)
    return next((hours for hours in room if quarters / 4 / hours <= most), 24)
