"""Columns of the message lists."""

from dataclasses import replace

from ui.i18n.texts import translate
from ui.models.table import Column
from ui.presenters.journal import JournalRow


def station_columns() -> list[Column[JournalRow]]:
    """For one charger's page, where room is short: the way and the kind share a column."""
    time, _, way, _, *rest = all_columns()
    way = replace(way, text=lambda row: f"{row.direction[:1]} {row.kind}", width="← disconnected")
    return [time, way, *rest]


def all_columns() -> list[Column[JournalRow]]:
    """For all chargers."""
    return [
        Column(translate("Journal", "Time"), lambda row: row.at, "00:00:00.000"),
        Column(translate("Journal", "Charger"), lambda row: row.station, "CP-00000-00"),
        Column(translate("Journal", "Way"), lambda row: row.direction, "← from charger"),
        Column(translate("Journal", "Kind"), lambda row: row.kind, "disconnected"),
        Column(translate("Journal", "Message"), lambda row: row.action, "SetChargingProfile__"),
        Column(translate("Journal", "Answered in"), lambda row: row.latency, "0000 ms", right=True),
        Column(translate("Journal", "Text"), lambda row: row.preview, stretch=True),
    ]
