"""Columns of the message lists."""

from ui.i18n.texts import translate
from ui.models.table import Column
from ui.presenters.journal import JournalRow


def station_columns() -> list[Column[JournalRow]]:
    """For one charger's page."""
    return [
        Column(translate("Journal", "Time"), lambda row: row.at, "00:00:00.000"),
        Column(translate("Journal", "Way"), lambda row: row.direction, "← from charger"),
        Column(translate("Journal", "Kind"), lambda row: row.kind, "disconnected"),
        Column(translate("Journal", "Message"), lambda row: row.action, "SetChargingProfile__"),
        Column(translate("Journal", "Answered in"), lambda row: row.latency, "0000 ms", right=True),
        Column(translate("Journal", "Text"), lambda row: row.preview, stretch=True),
    ]  # fmt: skip


def all_columns() -> list[Column[JournalRow]]:
    """For all chargers."""
    columns = station_columns()
    station: Column[JournalRow] = Column(
        translate("Journal", "Charger"), lambda row: row.station, "CP-00000-00"
    )
    return [columns[0], station, *columns[1:]]
