"""F1: every key and every sign of the console on one page."""

from PySide6.QtCore import QRectF, QSize
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QSizePolicy, QWidget

from sitecontroller.domain.views import EvseActivity
from ui import theme
from ui.desk import Desk
from ui.i18n.texts import translate
from ui.presenters import words
from ui.shortcuts import shortcuts
from ui.views.screen import Screen, panel
from ui.widgets import paint
from ui.widgets.labels import PlainLabel, StateLabel


class LimitPicture(QWidget):
    """A bar with its tick, large, as the tiles have it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(translate("Help", "A bar with a tick at the limit"))

    def sizeHint(self) -> QSize:
        return QSize(220, 22)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rect = QRectF(self.rect()).adjusted(0, 8, 0, -8)
        paint.bar(painter, rect, 0.48, 0.55, theme.color("energy"))
        painter.end()


class HelpScreen(Screen):
    """Keys, signs, and how to read a tile."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(desk, translate("Help", "Help"), parent)
        row = QHBoxLayout()
        row.setSpacing(12)
        row.addWidget(self._keys(), 1)
        row.addWidget(self._signs(), 1)
        self.column.addLayout(row)
        self.column.addStretch(1)

    def _keys(self) -> QWidget:
        frame, column = panel()
        column.addWidget(PlainLabel(translate("Help", "Keys"), size_px=15, bold=True))
        grid = QGridLayout()
        grid.setColumnStretch(1, 1)
        grid.setVerticalSpacing(8)
        grid.setHorizontalSpacing(16)
        rows = [(row.label, row.text) for row in shortcuts()]
        rows.append(("← ↑ → ↓", translate("Help", "From charger to charger, from row to row")))
        rows.append(("Tab", translate("Help", "To the next field or button")))
        for number, (keys, text) in enumerate(rows):
            key = PlainLabel(keys, size_px=12)
            key.setObjectName("keycap")
            grid.addWidget(key, number, 0)
            grid.addWidget(PlainLabel(text), number, 1)
        column.addLayout(grid)
        column.addStretch(1)
        return frame

    def _signs(self) -> QWidget:
        frame, column = panel()
        column.addWidget(PlainLabel(translate("Help", "Signs"), size_px=15, bold=True))
        for activity in EvseActivity:
            label = StateLabel()
            label.show_state(words.activity(activity))
            column.addWidget(label)
        column.addSpacing(6)
        column.addWidget(LimitPicture())
        column.addWidget(
            PlainLabel(
                translate(
                    "Help",
                    "The bar is what the car draws, the tick what it may draw now; the line below "
                    "says which fuse, feeder or charger sets that limit. Grey is normal. Amber and "
                    "red mean that someone should look; values in grey letters are old.",
                ),
                wrap=True,
                muted=True,
            )
        )
        column.addStretch(1)
        return frame
