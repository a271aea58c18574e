"""Columns of the alarm list."""

from ui.i18n.texts import translate
from ui.models.table import Column
from ui.presenters.alarms import AlarmRow


def columns() -> list[Column[AlarmRow]]:
    """Priority, since, where, what, what to do, state, count."""
    return [
        Column(
            translate("Alarms", "Priority"), lambda row: row.priority.word, "MEDIUM",
            state=lambda row: row.priority,
        ),
        Column(translate("Alarms", "Since"), lambda row: row.since, "30 Sep 00:00"),
        Column(translate("Alarms", "Where"), lambda row: row.where, "CP-00 · P0-000"),
        Column(translate("Alarms", "What"), lambda row: row.what, stretch=True),
        Column(translate("Alarms", "What to do"), lambda row: row.remedy, stretch=True),
        Column(translate("Alarms", "State"), lambda row: row.state, "Acknowledged 00:00"),
        Column(translate("Alarms", "Count"), lambda row: row.count, "000×", right=True),
    ]  # fmt: skip
