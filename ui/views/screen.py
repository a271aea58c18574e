"""What every screen is: a page with a title, one main button, and three occasions to repaint."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from ui import theme
from ui.desk import Desk
from ui.state import Changed
from ui.widgets.labels import ElidedLabel, PlainLabel

MARGIN = 16


class Screen(QWidget):
    """A page of the console. `primary` is the button that Enter presses, if there is one."""

    def __init__(self, desk: Desk, title: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.desk = desk
        self.primary: QPushButton | None = None
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        self.column.setSpacing(theme.GAP_PX)
        self.heading = QHBoxLayout()
        self.heading.setSpacing(8)
        self.title = ElidedLabel(title, size_px=18, bold=True)
        self.title.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        if title:
            self.heading.addWidget(self.title, 1)
            self.column.addLayout(self.heading)

    def refresh(self, changed: Changed) -> None:
        """New values came; called while the screen is shown and when it appears."""

    def tick(self) -> None:
        """A second has passed: ages grow."""

    def entered(self) -> None:
        """The screen appears."""
        self.refresh(Changed(everything=True))

    def left(self) -> None:
        """Another screen appears."""

    def begin_search(self) -> None:
        """Put the cursor where something can be looked for."""


def panel(*, margins: int = 14, spacing: int = 10) -> tuple[QFrame, QVBoxLayout]:
    """A bordered box with a column inside."""
    frame = QFrame()
    frame.setObjectName("panel")
    column = QVBoxLayout(frame)
    column.setContentsMargins(margins, margins, margins, margins)
    column.setSpacing(spacing)
    return frame, column


def scrolled(inner: QWidget, name: str) -> QScrollArea:
    """A column that scrolls up and down, never sideways."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.setAccessibleName(name)
    inner.setObjectName("scrolled")
    area.setWidget(inner)
    area.viewport().setAutoFillBackground(False)
    return area


def labelled(text: str, field: QWidget) -> PlainLabel:
    """A label that belongs to a field, for eyes and screen readers."""
    label = PlainLabel(text)
    label.setBuddy(field)
    field.setAccessibleName(text)
    return label
