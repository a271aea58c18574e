"""One charger: its outlets and sessions, why its limit is what it is, its messages, its actions."""

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from sitecontroller.domain.views import JournalEntry
from ui.desk import Desk
from ui.i18n.texts import translate
from ui.models.journal import station_columns
from ui.models.table import KeyedTable
from ui.presenters import journal as journal_rows
from ui.presenters import station as presenter
from ui.presenters.journal import JournalRow
from ui.shortcuts import Action, keys_of
from ui.state import Changed
from ui.views.screen import Screen, panel, scrolled
from ui.views.station_actions import StationActions
from ui.widgets.buttons import button
from ui.widgets.labels import ElidedLabel, PlainLabel, StateLabel
from ui.widgets.outlet import OutletCard
from ui.widgets.table import Table

MESSAGES = 20
MESSAGES_EVERY_MS = 3000
ACTIONS_WIDTH = 336


class StationScreen(Screen):
    """Shows the charger named by `open`."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(desk, parent=parent)
        self.station_id = ""
        self._cards: list[OutletCard] = []
        self.column.addLayout(self._header())
        body = QHBoxLayout()
        body.setSpacing(12)
        body.addWidget(self._left(), 1)
        self.controls = StationActions(desk)
        self.controls.setFixedWidth(ACTIONS_WIDTH)
        self._actions_area = scrolled(self.controls, translate("Station", "Actions"))
        self._actions_area.setFixedWidth(ACTIONS_WIDTH + 12)
        body.addWidget(self._actions_area)
        self.column.addLayout(body, 1)
        self.primary = self.controls.start_button
        self._timer = QTimer(self)
        self._timer.setInterval(MESSAGES_EVERY_MS)
        self._timer.timeout.connect(self._load_messages)

    def open(self, station_id: str) -> None:
        """Show this charger from now on."""
        if station_id != self.station_id:
            self.station_id = station_id
            self._messages.set_rows([])
            self.controls.reset()

    def entered(self) -> None:
        super().entered()
        self._load_messages()
        self._timer.start()
        self._back.setFocus()

    def left(self) -> None:
        self._timer.stop()

    def refresh(self, changed: Changed) -> None:
        if changed.everything or self.station_id in changed.stations or changed.circuits:
            self._show()

    def tick(self) -> None:
        self._show()

    def _header(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(12)
        self._back = button(translate("Station", "‹ Back"), keys=keys_of(Action.BACK))
        self._back.setAccessibleName(translate("Station", "Back"))
        self._back.clicked.connect(self.desk.back_wanted)
        names = QVBoxLayout()
        names.setSpacing(0)
        self._name = ElidedLabel(size_px=18, bold=True)
        self._subtitle = ElidedLabel(muted=True)
        names.addWidget(self._name)
        names.addWidget(self._subtitle)
        self._state = StateLabel()
        row.addWidget(self._back)
        row.addLayout(names, 1)
        row.addWidget(self._state)
        self._service = button(translate("Station", "Service ›"))
        self._service.setAccessibleName(translate("Station", "Service"))
        self._service.clicked.connect(lambda: self.desk.service_wanted.emit(self.station_id))
        row.addWidget(self._service)
        return row

    def _left(self) -> QWidget:
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(12)
        self._warnings = PlainLabel(wrap=True)
        self._warnings.setProperty("tone", "medium")
        column.addWidget(self._warnings)
        self._card_column = QVBoxLayout()
        self._card_column.setSpacing(12)
        column.addLayout(self._card_column)
        frame, inside = panel(margins=1, spacing=0)
        heading = PlainLabel(translate("Station", "Last messages"), bold=True)
        heading.setContentsMargins(16, 12, 0, 6)
        inside.addWidget(heading)
        self._messages: KeyedTable[JournalRow] = KeyedTable(
            station_columns(), lambda row: row.key, strong=lambda row: row.faulty
        )
        self._table = Table(self._messages, translate("Station", "Last messages"))
        self._table.setMinimumHeight(150)
        inside.addWidget(self._table, 1)
        column.addWidget(frame, 1)
        return scrolled(inner, translate("Station", "Outlets and messages"))

    def _show(self) -> None:
        picture = self.desk.picture
        station = picture.stations.get(self.station_id)
        if station is None:
            self._name.setText(self.station_id)
            self._subtitle.setText(translate("Station", "This charger is no longer listed"))
            self.controls.show_station(None, live=picture.live)
            return
        page = presenter.page(station, picture)
        self._name.setText(page.title)
        self._subtitle.setText(page.subtitle)
        self._state.show_state(page.state)
        self._warnings.setText("\n".join(page.warnings))
        self._warnings.setVisible(bool(page.warnings))
        self._show_cards(page.outlets)
        self.controls.show_station(station, live=picture.live)

    def _show_cards(self, outlets: tuple[presenter.Outlet, ...]) -> None:
        while len(self._cards) > len(outlets):
            self._cards.pop().deleteLater()
        for number, outlet in enumerate(outlets):
            if number == len(self._cards):
                card = OutletCard(outlet)
                self._cards.append(card)
                self._card_column.addWidget(card)
            else:
                self._cards[number].show_outlet(outlet)

    def _load_messages(self) -> None:
        if self.station_id and self.desk.picture.live:
            self.desk.spawn(self._fetch_messages(self.station_id))

    async def _fetch_messages(self, station_id: str) -> None:
        page = await self.desk.api.journal(MESSAGES, station_id=station_id)
        if station_id == self.station_id:
            self._messages.set_rows([self._row(entry) for entry in page.items])

    def _row(self, entry: JournalEntry) -> JournalRow:
        return journal_rows.row(entry, self.desk.picture.zone)
