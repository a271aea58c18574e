"""What can be done at one charger, with what it would do; the grave ones must be held."""

from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from sitecontroller.domain.commands import CommandState, GetVariables
from sitecontroller.domain.views import EvseActivity, EvseView, StationView
from ui import operations
from ui.desk import Desk
from ui.i18n.texts import translate
from ui.presenters import station as presenter
from ui.presenters.settings import read_settings
from ui.views.screen import labelled, panel
from ui.views.session_needs import SessionNeeds
from ui.widgets.buttons import HoldButton, button
from ui.widgets.labels import PlainLabel

ID_TOKEN_CHARS_MAX = 36
SETTING_CHARS_MAX = 500


class StationActions(QWidget):
    """The column of actions beside a charger."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._station: StationView | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(12)
        column.addWidget(self._session_panel())
        self.needs = SessionNeeds(desk)
        column.addWidget(self.needs)
        column.addWidget(self._charger_panel())
        column.addWidget(self._settings_panel())
        column.addStretch(1)

    def reset(self) -> None:
        """Another charger: forget what was typed."""
        self._outlets.clear()
        for field in (self._card, self._name, self._value):
            field.clear()
        self._answer.setText("")
        self._answer.hide()

    def show_station(self, station: StationView | None, *, live: bool) -> None:
        """Offer what can be done now."""
        self._station = station
        if station is None:
            self.setEnabled(False)
            return
        self.setEnabled(live)
        self._show_outlets(station)
        evse = self._evse()
        running = evse is not None and evse.transaction_key is not None
        reachable = station.online
        key = evse.transaction_key if evse is not None else None
        self.needs.show_session(key or "", station.station_id)
        self.start_button.setVisible(not running)
        self._card_row.setVisible(not running)
        self.start_button.setEnabled(reachable and bool(self._card.text().strip()))
        self.stop_button.setVisible(running)
        self._stop_note.setVisible(running)
        if evse is not None and running:
            self._stop_note.setText(presenter.stop_consequence(evse))
        self.unlock_button.setEnabled(reachable)
        self.restart_button.setEnabled(reachable)
        self._restart_note.setText(presenter.restart_consequence(station))
        out = all(e.activity is EvseActivity.UNAVAILABLE for e in station.evses)
        self.out_button.setVisible(not out)
        self._out_note.setVisible(not out)
        self._out_note.setText(presenter.out_of_service_consequence(station))
        self.back_button.setVisible(out)
        self.out_button.setEnabled(reachable)
        self.back_button.setEnabled(reachable)
        for widget in (self._read, self._write):
            widget.setEnabled(reachable)
        self._offline.setVisible(not reachable)

    def _session_panel(self) -> QWidget:
        frame, column = panel()
        column.addWidget(PlainLabel(translate("Station", "Session"), size_px=15, bold=True))
        self._offline = PlainLabel(
            translate("Station", "The charger is offline: it can't be told anything now."),
            wrap=True,
        )
        self._offline.setProperty("tone", "medium")
        column.addWidget(self._offline)
        self._outlets = QComboBox()
        self._outlets.setAccessibleName(translate("Station", "Outlet"))
        self._outlets.currentIndexChanged.connect(self._again)
        column.addWidget(self._outlets)
        self._card_row = QWidget()
        row = QVBoxLayout(self._card_row)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        self._card = QLineEdit()
        self._card.setMaxLength(ID_TOKEN_CHARS_MAX)
        self._card.setPlaceholderText(translate("Station", "hold the card to the reader, or type"))
        self._card.textChanged.connect(self._again)
        self._card.returnPressed.connect(self._start)
        row.addWidget(labelled(translate("Station", "Card number"), self._card))
        row.addWidget(self._card)
        column.addWidget(self._card_row)
        self.start_button = button(translate("Station", "Start charging"), "primary")
        self.start_button.clicked.connect(self._start)
        column.addWidget(self.start_button)
        self.stop_button = HoldButton(translate("Station", "Stop charging"))
        self.stop_button.confirmed.connect(self._stop)
        self._stop_note = PlainLabel(muted=True, wrap=True)
        column.addWidget(self.stop_button)
        column.addWidget(self._stop_note)
        self.unlock_button = button(translate("Station", "Release the cable"))
        self.unlock_button.clicked.connect(self._unlock)
        column.addWidget(self.unlock_button)
        return frame

    def _charger_panel(self) -> QWidget:
        frame, column = panel()
        column.addWidget(PlainLabel(translate("Station", "Charger"), size_px=15, bold=True))
        self.restart_button = HoldButton(translate("Station", "Restart"))
        self.restart_button.confirmed.connect(self._restart)
        self._restart_note = PlainLabel(muted=True, wrap=True)
        self.out_button = HoldButton(translate("Station", "Take out of service"))
        self.out_button.confirmed.connect(lambda: self._service(operative=False))
        self._out_note = PlainLabel(muted=True, wrap=True)
        self.back_button = button(translate("Station", "Put back into service"))
        self.back_button.clicked.connect(lambda: self._service(operative=True))
        for widget in (
            self.restart_button, self._restart_note, self.out_button, self._out_note,
            self.back_button,
        ):  # fmt: skip
            column.addWidget(widget)
        return frame

    def _settings_panel(self) -> QWidget:
        frame, column = panel()
        column.addWidget(
            PlainLabel(translate("Station", "The charger's own settings"), size_px=15, bold=True)
        )
        self._name, self._value = QLineEdit(), QLineEdit()
        self._name.setPlaceholderText("HeartbeatInterval")
        for field in (self._name, self._value):
            field.setMaxLength(SETTING_CHARS_MAX)
        column.addWidget(labelled(translate("Station", "Setting"), self._name))
        column.addWidget(self._name)
        column.addWidget(labelled(translate("Station", "New value"), self._value))
        column.addWidget(self._value)
        row = QHBoxLayout()
        self._read = button(translate("Station", "Read"))
        self._write = button(translate("Station", "Write"))
        self._read.clicked.connect(self._read_setting)
        self._write.clicked.connect(self._write_setting)
        self._name.returnPressed.connect(self._read_setting)
        row.addWidget(self._read)
        row.addWidget(self._write)
        column.addLayout(row)
        self._answer = PlainLabel(wrap=True)
        self._answer.hide()
        column.addWidget(self._answer)
        return frame

    def _show_outlets(self, station: StationView) -> None:
        names = [
            translate("Station", "Outlet {number} · {bay}").format(
                number=evse.evse_id, bay=evse.bay or station.station_id
            )
            for evse in station.evses
        ]
        known = [self._outlets.itemText(i) for i in range(self._outlets.count())]
        if names != known:
            self._outlets.blockSignals(True)
            self._outlets.clear()
            self._outlets.addItems(names)
            self._outlets.blockSignals(False)
        self._outlets.setVisible(len(names) > 1)

    def _evse(self) -> EvseView | None:
        if self._station is None or not self._station.evses:
            return None
        number = min(max(0, self._outlets.currentIndex()), len(self._station.evses) - 1)
        return self._station.evses[number]

    def _again(self) -> None:
        if self._station is not None:
            self.show_station(self._station, live=self._desk.picture.live)

    def _start(self) -> None:
        evse, card = self._evse(), self._card.text().strip()
        if self._station is not None and evse is not None and card and not evse.transaction_key:
            operations.start_charging(self._desk, self._station.station_id, evse.evse_id, card)
            self._card.clear()

    def _stop(self) -> None:
        evse = self._evse()
        if self._station is not None and evse is not None and evse.transaction_key:
            operations.stop_charging(self._desk, self._station.station_id, evse.transaction_key)

    def _unlock(self) -> None:
        evse = self._evse()
        if self._station is not None and evse is not None:
            operations.release_cable(self._desk, self._station.station_id, evse.evse_id)

    def _restart(self) -> None:
        if self._station is not None:
            operations.restart_charger(
                self._desk,
                self._station.station_id,
                at_once=presenter.running(self._station) > 0,
            )

    def _service(self, *, operative: bool) -> None:
        if self._station is not None:
            operations.set_in_service(self._desk, self._station.station_id, operative=operative)

    def _read_setting(self) -> None:
        if self._station is not None:
            self._desk.spawn(self._fetch_setting(self._station.station_id, self._name.text()))

    async def _fetch_setting(self, station_id: str, name: str) -> None:
        names = (name.strip(),) if name.strip() else ()
        result = await self._desk.execute(GetVariables(station_id, names))
        if self._station is None or self._station.station_id != station_id:
            return
        refused = result.state in (CommandState.REJECTED, CommandState.FAILED)
        text = (result.reason or "") if refused else read_settings(result.answer)
        self._answer.setText(text or translate("Station", "The charger knows no such setting"))
        self._answer.show()

    def _write_setting(self) -> None:
        name, value = self._name.text().strip(), self._value.text().strip()
        if self._station is not None and name:
            operations.write_setting(self._desk, self._station.station_id, name, value)
