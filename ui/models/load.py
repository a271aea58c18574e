"""Columns of the tree of fuses and of the lists below it."""

from functools import partial

from ui.i18n.texts import translate
from ui.models.table import Column
from ui.presenters.load import LoadRow
from ui.presenters.load_pages import ListRow, LoadList


def columns() -> list[Column[LoadRow]]:
    """Fuse or outlet, amperes per phase, what may flow, what is free, state, why."""
    return [
        Column(translate("Load", "Fuse or outlet"), lambda row: row.name, "0000 CP-000/0 · P0-000"),
        Column("L1", lambda row: row.phases[0], "000.0 A", right=True),
        Column("L2", lambda row: row.phases[1], "000.0 A", right=True),
        Column("L3", lambda row: row.phases[2], "000.0 A", right=True),
        Column(translate("Load", "May draw"), lambda row: row.cap, "000.0 A", right=True),
        Column(translate("Load", "Free"), lambda row: row.free, "000 A", right=True),
        Column(
            translate("Load", "State"), lambda row: row.state.word, "Out of service",
            state=lambda row: row.state,
        ),
        Column(translate("Load", "Why"), lambda row: row.why, stretch=True),
    ]  # fmt: skip


def list_columns(page: LoadList) -> list[Column[ListRow]]:
    """A list's columns."""
    return [
        Column(title, partial(_cell, number), sample, stretch=not sample)
        for number, (title, sample) in enumerate(page.columns)
    ]


def _cell(number: int, row: ListRow) -> str:
    return row.cells[number]
