"""Columns of the tree of fuses and of the limits in force."""

from ui.i18n.texts import translate
from ui.models.table import Column
from ui.presenters.load import LimitRow, LoadRow


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


def limit_columns() -> list[Column[LimitRow]]:
    """Who limits, where, to what, until when."""
    return [
        Column(translate("Load", "Who limits"), lambda row: row.who, "Headquarters"),
        Column(translate("Load", "Where"), lambda row: row.where, stretch=True),
        Column(
            translate("Load", "At most"), lambda row: row.how_much, "000.0 A · 000 kW", right=True
        ),
        Column(translate("Load", "Until"), lambda row: row.until, "until 30 Sep 00:00"),
    ]
