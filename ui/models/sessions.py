"""Columns of the session list."""

from ui.i18n.texts import translate
from ui.models.table import Column
from ui.presenters.sessions import SessionRow


def columns() -> list[Column[SessionRow]]:
    """Started, where, card, duration, energy, price, state."""
    return [
        Column(translate("Sessions", "Started"), lambda row: row.started, "30 Sep 00:00"),
        Column(translate("Sessions", "Charger · bay"), lambda row: row.where, "CP-000 · P0-000"),
        Column(translate("Sessions", "Card"), lambda row: row.card, "…00000"),
        Column(
            translate("Sessions", "Duration"), lambda row: row.duration, "00 h 00 min", right=True
        ),
        Column(translate("Sessions", "Energy"), lambda row: row.energy, "000.00 kWh", right=True),
        Column(translate("Sessions", "Price"), lambda row: row.price, "000.00 €", right=True),
        Column(
            translate("Sessions", "State"), lambda row: row.state.word, state=lambda row: row.state,
            stretch=True,
        ),
    ]  # fmt: skip
