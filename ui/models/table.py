"""A table of rows that are known by a key: updates keep selection, focus and scroll position.

While frozen (the mouse is over it) rows keep their places: values change where they stand, new
rows come last, rows that are gone stay greyed until `thaw`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from ui import theme
from ui.presenters.words import State, Tone

Row = TypeVar("Row")
Index = QModelIndex | QPersistentModelIndex

KEY_ROLE = Qt.ItemDataRole.UserRole
STATE_ROLE = Qt.ItemDataRole.UserRole + 1
"""A `State` to be painted as shape and word."""


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """One column. `width` is a sample of the widest usual text; one column may `stretch`."""

    title: str
    text: Callable[[Row], str]
    width: str = ""
    right: bool = False
    stretch: bool = False
    state: Callable[[Row], State] | None = None


class KeyedTable(QAbstractTableModel, Generic[Row]):
    """Rows of one kind in the order they are given."""

    def __init__(
        self,
        columns: Sequence[Column[Row]],
        key: Callable[[Row], str],
        *,
        strong: Callable[[Row], bool] = lambda row: False,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.columns = columns
        self._key = key
        self._strong = strong
        self._keys: list[str] = []
        self._rows: dict[str, Row] = {}
        self._frozen = False
        self._waiting: dict[str, Row] | None = None

    def set_rows(self, rows: Sequence[Row]) -> None:
        """Show these rows, in this order."""
        wanted = {self._key(row): row for row in rows}
        if self._frozen:
            self._waiting = wanted
            self._refresh(wanted)
            self._append(wanted)
            return
        self._remove([key for key in self._keys if key not in wanted])
        self._refresh(wanted)
        self._append(wanted)
        self._order(list(wanted))

    def freeze(self) -> None:
        """Keep every row where it is."""
        self._frozen = True

    def thaw(self) -> None:
        """Take in what came meanwhile."""
        self._frozen = False
        if self._waiting is not None:
            rows, self._waiting = self._waiting, None
            self.set_rows(list(rows.values()))

    def key_at(self, index: Index) -> str | None:
        """The key of the row at `index`."""
        return self._keys[index.row()] if index.isValid() else None

    def row_of(self, key: str) -> int | None:
        """Where a row is."""
        return self._keys.index(key) if key in self._rows else None

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._keys)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.columns)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        row, column = self._rows[self._keys[index.row()]], self.columns[index.column()]
        match role:
            case Qt.ItemDataRole.DisplayRole | Qt.ItemDataRole.AccessibleTextRole:
                return column.state(row).word if column.state else column.text(row)
            case Qt.ItemDataRole.ToolTipRole:
                return None
            case Qt.ItemDataRole.TextAlignmentRole:
                side = Qt.AlignmentFlag.AlignRight if column.right else Qt.AlignmentFlag.AlignLeft
                return side | Qt.AlignmentFlag.AlignVCenter
            case Qt.ItemDataRole.FontRole:
                return theme.font(bold=self._strong(row))
            case Qt.ItemDataRole.ForegroundRole:
                key = self._keys[index.row()]
                gone = self._waiting is not None and key not in self._waiting
                return theme.word_color(Tone.MUTED) if gone else None
        if role == STATE_ROLE:
            return column.state(row) if column.state else None
        return self._keys[index.row()] if role == KEY_ROLE else None

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        if orientation is not Qt.Orientation.Horizontal:
            return None
        column = self.columns[section]
        if role == Qt.ItemDataRole.DisplayRole:
            return column.title
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignRight if column.right else Qt.AlignmentFlag.AlignLeft
            return side | Qt.AlignmentFlag.AlignVCenter
        return None

    def _remove(self, keys: list[str]) -> None:
        for key in keys:
            position = self._keys.index(key)
            self.beginRemoveRows(QModelIndex(), position, position)
            del self._keys[position], self._rows[key]
            self.endRemoveRows()

    def _refresh(self, wanted: dict[str, Row]) -> None:
        last = len(self.columns) - 1
        for position, key in enumerate(self._keys):
            row = wanted.get(key)
            if row is not None and row != self._rows[key]:
                self._rows[key] = row
                self.dataChanged.emit(self.index(position, 0), self.index(position, last))

    def _append(self, wanted: dict[str, Row]) -> None:
        new = [key for key in wanted if key not in self._rows]
        if not new:
            return
        begin = len(self._keys)
        self.beginInsertRows(QModelIndex(), begin, begin + len(new) - 1)
        self._keys += new
        self._rows |= {key: wanted[key] for key in new}
        self.endInsertRows()

    def _order(self, keys: list[str]) -> None:
        if keys == self._keys:
            return
        self.layoutAboutToBeChanged.emit()
        before = self.persistentIndexList()
        position = {key: i for i, key in enumerate(keys)}
        after = [self.index(position[self._keys[i.row()]], i.column()) for i in before]
        self._keys = keys
        self.changePersistentIndexList(before, after)
        self.layoutChanged.emit()
