"""Tables keep the selected row by its key and hold still while the mouse is over them."""

from dataclasses import dataclass

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from ui.models.table import Column, KeyedTable
from ui.widgets.table import Table


@dataclass(frozen=True)
class Row:
    key: str
    value: str


def rows(text: str) -> list[Row]:
    """ "a1 b2" is a row a with value 1 and a row b with value 2."""
    return [Row(word[0], word[1:]) for word in text.split()]


@pytest.fixture
def model(app: QApplication) -> KeyedTable[Row]:
    return KeyedTable(
        [Column("Key", lambda row: row.key), Column("Value", lambda row: row.value, stretch=True)],
        lambda row: row.key,
    )


def shown(model: KeyedTable[Row]) -> str:
    return " ".join(
        "".join(str(model.data(model.index(row, column))) for column in range(2))
        for row in range(model.rowCount())
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [("a1 b2", "a1 b3"), ("a1 b2", "b2 a1"), ("a1 b2", "b2"), ("a1", "c3 a1 b2"), ("a1 b2", ""),
     ("", "a1"), ("a1 b2 c3", "d4 c3 a9")],
)  # fmt: skip
def test_a_table_shows_the_rows_it_is_given(
    model: KeyedTable[Row], before: str, after: str
) -> None:
    model.set_rows(rows(before))
    model.set_rows(rows(after))
    assert shown(model) == after


def test_the_selection_follows_its_row(model: KeyedTable[Row]) -> None:
    table = Table(model, "Rows")
    model.set_rows(rows("a1 b2 c3"))
    table.select("b")
    model.set_rows(rows("d4 c3 b5"))
    assert table.current_key == "b"
    assert table.currentIndex().row() == 2


def test_under_the_mouse_rows_keep_their_places(model: KeyedTable[Row]) -> None:
    model.set_rows(rows("a1 b2 c3"))
    model.freeze()
    model.set_rows(rows("d4 c9 b2"))
    assert shown(model) == "a1 b2 c9 d4"
    gone = model.data(model.index(0, 0), Qt.ItemDataRole.ForegroundRole)
    still = model.data(model.index(1, 0), Qt.ItemDataRole.ForegroundRole)
    assert gone is not None
    assert still is None
    model.thaw()
    assert shown(model) == "d4 c9 b2"


def test_a_table_that_got_the_focus_first_still_selects_a_row(model: KeyedTable[Row]) -> None:
    table = Table(model, "Rows")
    table.show()
    model.set_rows(rows("a1 b2"))
    table.setCurrentIndex(model.index(0, 0))
    table.clearSelection()
    table.select_something()
    assert [model.key_at(index) for index in table.selectionModel().selectedRows()] == ["a"]
