"""F8: what is wrong, since when, where, and what to do about it."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QWidget

from sitecontroller.domain.views import AlarmView
from ui import operations
from ui.desk import Desk
from ui.i18n.texts import translate
from ui.models.alarms import columns
from ui.models.table import KeyedTable
from ui.presenters import alarms as presenter
from ui.presenters.alarms import AlarmRow
from ui.presenters.frame import urgency
from ui.state import Changed
from ui.views.screen import Screen, panel
from ui.widgets.buttons import button
from ui.widgets.labels import PlainLabel
from ui.widgets.table import Table

HISTORY_PAGE = 100


class AlarmsScreen(Screen):
    """The standing alarms, or with the history the cleared ones too."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(desk, translate("Alarms", "Alarms"), parent)
        self._past: dict[str, AlarmView] = {}
        self.history = button(translate("Alarms", "With history"))
        self.history.setCheckable(True)
        self.history.toggled.connect(self._toggle)
        self.heading.addWidget(self.history)
        self.model: KeyedTable[AlarmRow] = KeyedTable(
            columns(), lambda row: row.key, strong=lambda row: row.waiting
        )
        self.table = Table(self.model, translate("Alarms", "Alarms"))
        self.table.chosen.connect(lambda _key: self._show_detail())
        self.table.opened.connect(lambda _key: self._acknowledge())
        frame, inside = panel(margins=1, spacing=0)
        self._none = PlainLabel(
            translate("Alarms", "No alarms. New ones appear here and in the banner above."),
            muted=True,
        )
        self._none.setAlignment(Qt.AlignmentFlag.AlignCenter)
        inside.addWidget(self._none)
        inside.addWidget(self.table, 1)
        self.column.addWidget(frame, 1)
        self._detail = self._detail_panel()
        self.column.addWidget(self._detail)

    def refresh(self, changed: Changed) -> None:
        if changed.everything or changed.alarms or changed.site:
            self._show()

    def entered(self) -> None:
        super().entered()
        self.table.setFocus()

    def tick(self) -> None:
        self._show()

    def begin_search(self) -> None:
        self.table.setFocus()

    def _detail_panel(self) -> QWidget:
        frame, column = panel()
        self._what = PlainLabel(size_px=15, bold=True, wrap=True)
        self._remedy = PlainLabel(wrap=True)
        column.addWidget(self._what)
        column.addWidget(self._remedy)
        row = QHBoxLayout()
        row.setSpacing(8)
        self.primary = button(translate("Alarms", "Acknowledge"), "primary", keys="Enter")
        self.primary.clicked.connect(self._acknowledge)
        self._open = button(translate("Alarms", "Open the charger"))
        self._open.clicked.connect(self._open_station)
        row.addWidget(self.primary)
        row.addWidget(self._open)
        row.addStretch(1)
        column.addLayout(row)
        return frame

    def _alarm(self) -> AlarmView | None:
        key = self.table.current_key
        if key is None:
            return None
        return self.desk.picture.alarms.get(key) or self._past.get(key)

    def _show(self) -> None:
        picture = self.desk.picture
        standing = sorted(
            picture.alarms.values(), key=lambda a: (a.acknowledged_at is not None, *urgency(a))
        )
        past = [a for key, a in self._past.items() if key not in picture.alarms]
        shown = [*standing, *(past if self.history.isChecked() else [])]
        self.model.set_rows([presenter.row(alarm, picture) for alarm in shown])
        waiting = sum(1 for alarm in standing if alarm.acknowledged_at is None)
        title = translate("Alarms", "Alarms: {count} standing, {waiting} not acknowledged")
        none = translate("Alarms", "Alarms: none")
        self.title.setText(title.format(count=len(standing), waiting=waiting) if shown else none)
        self._detail.setVisible(bool(shown))
        self.table.setVisible(bool(shown))
        self._none.setVisible(not shown)
        self.table.select_something()
        self._show_detail()

    def _show_detail(self) -> None:
        alarm, picture = self._alarm(), self.desk.picture
        waiting = alarm is not None and alarm.acknowledged_at is None
        assert self.primary is not None
        self.primary.setEnabled(waiting and picture.live)
        if alarm is None:
            self._what.setText(translate("Alarms", "Nothing is selected"))
            self._remedy.setText("")
            self._open.setEnabled(False)
            return
        row = presenter.row(alarm, picture)
        self._what.setText(f"{row.where}: {row.what}")
        self._remedy.setText(translate("Alarms", "Do: {remedy}").format(remedy=row.remedy))
        self._open.setEnabled(presenter.station_of(alarm.subject, picture) is not None)

    def _acknowledge(self) -> None:
        alarm = self._alarm()
        if alarm is not None and alarm.acknowledged_at is None:
            operations.acknowledge_alarm(self.desk, alarm.key)

    def _open_station(self) -> None:
        alarm = self._alarm()
        station_id = presenter.station_of(alarm.subject, self.desk.picture) if alarm else None
        if station_id is not None:
            self.desk.station_wanted.emit(station_id)

    def _toggle(self, shown: bool) -> None:
        self._show()
        if shown:
            self.desk.spawn(self._fetch())

    async def _fetch(self) -> None:
        page = await self.desk.api.alarms(HISTORY_PAGE)
        self._past = {alarm.key: alarm for alarm in page.items}
        self._show()
