"""The console's table view: whole rows, selection by key, still while the mouse is over it."""

from typing import Any

from PySide6.QtCore import QEvent, QModelIndex, QPersistentModelIndex, QRectF, Qt, Signal
from PySide6.QtGui import QEnterEvent, QFontMetrics, QKeyEvent, QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from ui import theme
from ui.models.table import STATE_ROLE, KeyedTable
from ui.presenters.words import Shape, State
from ui.widgets import paint

_PADDING = 26


class _Cells(QStyledItemDelegate):
    """Paints states as shape and word; leaves the rest to the style."""

    def paint(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:
        state = index.data(STATE_ROLE)
        if not isinstance(state, State):
            super().paint(painter, option, index)
            return
        blank = QStyleOptionViewItem(option)
        self.initStyleOption(blank, index)
        blank.text = ""
        view: Any = option.widget
        view.style().drawControl(view.style().ControlElement.CE_ItemViewItem, blank, painter, view)
        rect = QRectF(option.rect).adjusted(10, 0, -6, 0)
        if state.shape is not Shape.NONE:
            sign = QRectF(rect.x(), rect.center().y() - 5.5, 11, 11)
            paint.shape(painter, sign, state.shape, theme.tone_color(state.tone))
            rect.setLeft(rect.left() + 18)
        paint.text(painter, rect, state.word, blank.font, theme.word_color(state.tone))


class Table(QTableView):
    """Shows a `KeyedTable`."""

    chosen = Signal(str)
    """The current row became this key ("" for none)."""
    opened = Signal(str)
    """Enter or a double click on this key."""

    def __init__(self, model: KeyedTable[Any], name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self.setModel(model)
        self.setAccessibleName(name)
        self.setItemDelegate(_Cells(self))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(theme.TOUCH_PX)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.horizontalHeader().setHighlightSections(False)
        self.horizontalHeader().setAccessibleName(name)
        self.verticalHeader().setAccessibleName(name)
        self._size_columns()
        self.selectionModel().currentRowChanged.connect(self._choose)
        self.doubleClicked.connect(lambda index: self.opened.emit(model.key_at(index) or ""))

    @property
    def current_key(self) -> str | None:
        """The selected row."""
        return self._model.key_at(self.currentIndex())

    def select(self, key: str) -> None:
        """Make a row the current one, if it is there."""
        position = self._model.row_of(key)
        if position is not None:
            self.setCurrentIndex(self._model.index(position, 0))

    def select_something(self) -> None:
        """Select the current row, or the first, where none is selected; Qt alone doesn't when a
        table gets the focus."""
        if self._model.rowCount() and not self.selectionModel().hasSelection():
            self.selectRow(max(0, self.currentIndex().row()))

    def enterEvent(self, event: QEnterEvent) -> None:
        self._model.freeze()
        super().enterEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        self._model.thaw()
        super().leaveEvent(event)

    def hideEvent(self, event: Any) -> None:
        self._model.thaw()
        super().hideEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.current_key:
            self.opened.emit(self.current_key)
        else:
            super().keyPressEvent(event)

    def _choose(self, current: QModelIndex, _previous: QModelIndex) -> None:
        self.chosen.emit(self._model.key_at(current) or "")

    def _size_columns(self) -> None:
        header = self.horizontalHeader()
        metrics = QFontMetrics(theme.font(bold=True))
        header.setMinimumSectionSize(40)
        for number, column in enumerate(self._model.columns):
            if column.stretch:
                header.setSectionResizeMode(number, QHeaderView.ResizeMode.Stretch)
                continue
            header.setSectionResizeMode(number, QHeaderView.ResizeMode.Interactive)
            widest = max(
                metrics.horizontalAdvance(column.width), metrics.horizontalAdvance(column.title)
            )
            extra = 18 if column.state else 0
            header.resizeSection(number, widest + _PADDING + extra)
