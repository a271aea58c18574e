"""F10: what technicians look after, one page a subject: commands, reservations, card lists,
firmware, logs, settings, events, security.

It knows no subject: `ui.presenters.service` brings each page's question, columns and actions.
"""

from functools import partial
from pathlib import Path

from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QVBoxLayout,
    QWidget,
)

from ui import saving
from ui.desk import Desk, Notice
from ui.i18n.texts import translate
from ui.models.table import Column, KeyedTable
from ui.operations import Operation
from ui.presenters import service as presenter
from ui.presenters.service import Asked, ServiceAction, ServicePage, ServiceRow
from ui.presenters.service_pages import pages
from ui.state import Changed
from ui.views.screen import Screen, labelled, panel, scrolled
from ui.widgets.buttons import HoldButton, button
from ui.widgets.labels import PlainLabel
from ui.widgets.table import Table

EVERY_MS = 3000
PAGES_WIDTH = 190
ACTIONS_WIDTH = 300
SUBJECT_PX = 38
FIELD_CHARS_MAX = 100


class ServiceScreen(Screen):
    """The chosen subject for one charger or for all; `open` chooses a charger."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(desk, translate("Service", "Service"), parent)
        self._pages = pages()
        self._models: dict[str, KeyedTable[ServiceRow]] = {}
        self._wanted_station = ""
        self._buttons: list[tuple[QAbstractButton, ServiceAction]] = []
        self._fields: dict[str, QLineEdit] = {}
        self._station = QComboBox()
        self._station.setAccessibleName(translate("Service", "Charger"))
        self._station.setMinimumWidth(220)
        self._station.currentIndexChanged.connect(lambda _index: self._reload())
        self.heading.addWidget(self._station)
        self.save = button(translate("Service", "Save …"))
        self.save.clicked.connect(self._choose_file)
        self.heading.addWidget(self.save)
        self.file: tuple[str, bytes] | None = None
        """What is listed, as a file: its name and content."""
        body = QHBoxLayout()
        body.setSpacing(12)
        self.subjects = QListWidget()
        self.subjects.setAccessibleName(translate("Service", "Subjects"))
        self.subjects.setFixedWidth(PAGES_WIDTH)
        self.subjects.setObjectName("subjects")
        for page in self._pages:
            self.subjects.addItem(page.title)
            item = self.subjects.item(self.subjects.count() - 1)
            item.setSizeHint(QSize(PAGES_WIDTH - 20, SUBJECT_PX))
        self.subjects.setCurrentRow(0)
        self.subjects.currentRowChanged.connect(lambda _row: self._turn())
        body.addWidget(self.subjects)
        body.addWidget(self._list(), 1)
        self._actions_box = QWidget()
        self._actions = QVBoxLayout(self._actions_box)
        self._actions.setContentsMargins(0, 0, 0, 0)
        self._actions.setSpacing(10)
        self._actions_area = scrolled(self._actions_box, translate("Service", "Actions"))
        self._actions_area.setFixedWidth(ACTIONS_WIDTH)
        body.addWidget(self._actions_area)
        self.column.addLayout(body, 1)
        self._timer = QTimer(self)
        self._timer.setInterval(EVERY_MS)
        self._timer.timeout.connect(self._load)
        self._turn()

    @property
    def page(self) -> ServicePage:
        """The subject that is shown."""
        return self._pages[max(0, self.subjects.currentRow())]

    @property
    def table(self) -> Table:
        """The rows that are shown."""
        return self._tables[self.page.name]

    @property
    def station_id(self) -> str:
        """The chosen charger; "" for all."""
        return self._station.currentText() if self._station.currentIndex() > 0 else ""

    def open(self, station_id: str) -> None:
        """Choose a charger when the screen appears."""
        self._wanted_station = station_id

    def entered(self) -> None:
        self._fill_stations()
        self._load()
        self._timer.start()
        self.subjects.setFocus()

    def left(self) -> None:
        self._timer.stop()

    def refresh(self, changed: Changed) -> None:
        if changed.everything:
            self._fill_stations()
        self._enable()

    def _list(self) -> QWidget:
        frame, inside = panel(margins=1, spacing=0)
        self._note = PlainLabel(muted=True, wrap=True)
        self._note.setContentsMargins(16, 12, 16, 8)
        inside.addWidget(self._note)
        self._none = PlainLabel(muted=True, wrap=True)
        self._none.setAlignment(Qt.AlignmentFlag.AlignCenter)
        inside.addWidget(self._none, 1)
        self._tables: dict[str, Table] = {}
        for page in self._pages:
            columns = [
                Column(
                    title, partial(_cell, number), _sample(name), stretch=number == _widest(page)
                )
                for number, (title, name) in enumerate(page.columns)
            ]
            model: KeyedTable[ServiceRow] = KeyedTable(
                columns, lambda row: row.key, strong=lambda row: row.strong
            )
            table = Table(model, page.title)
            table.chosen.connect(lambda _key: self._enable())
            table.hide()
            self._models[page.name], self._tables[page.name] = model, table
            inside.addWidget(table, 1)
        return frame

    def _fill_stations(self) -> None:
        wanted = [translate("Service", "All chargers"), *self.desk.picture.stations]
        known = [self._station.itemText(i) for i in range(self._station.count())]
        chosen = self._wanted_station or self.station_id
        if wanted != known:
            self._station.blockSignals(True)
            self._station.clear()
            self._station.addItems(wanted)
            self._station.blockSignals(False)
        if chosen in wanted:
            self._station.setCurrentIndex(wanted.index(chosen))
        self._wanted_station = ""

    def _turn(self) -> None:
        """Another subject: its note, its actions, its rows."""
        page = self.page
        self._note.setText(page.note)
        while (item := self._actions.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.deleteLater()
        self._buttons, self._fields = [], {}
        for action in page.actions:
            self._actions.addWidget(self._action_panel(action))
        self._actions.addStretch(1)
        self._actions_area.setVisible(bool(page.actions))
        self._reload()

    def _action_panel(self, action: ServiceAction) -> QWidget:
        frame, column = panel()
        if action.asks:
            field = QLineEdit()
            field.setMaxLength(FIELD_CHARS_MAX)
            field.textChanged.connect(lambda _text: self._enable())
            column.addWidget(labelled(action.asks, field))
            column.addWidget(field)
            self._fields[action.title] = field
        if action.grave:
            held = HoldButton(action.title)
            held.confirmed.connect(partial(self._act, action))
            push: QAbstractButton = held
        else:
            push = button(action.title)
            push.clicked.connect(partial(self._act, action))
        column.addWidget(push)
        self._buttons.append((push, action))
        return frame

    def _reload(self) -> None:
        for name, table in self._tables.items():
            table.setVisible(False)
            if name == self.page.name:
                self._models[name].set_rows([])
        self._show_none(translate("Service", "Loading …"))
        self._enable()
        self._load()

    def _load(self) -> None:
        if not self.desk.picture.live or not self.isVisible():
            return
        if self.page.needs_station and not self.station_id:
            self._show_none(translate("Service", "Choose a charger above"))
            return
        self.desk.spawn(self._fetch(self.page, self.station_id))

    async def _fetch(self, page: ServicePage, station_id: str) -> None:
        answer = await self.desk.api.ask(page.query(station_id))
        if page is not self.page or station_id != self.station_id:
            return
        picture = self.desk.picture
        zone, now = picture.zone, picture.now()
        found = presenter.rows(page, answer, zone, now)
        self.file = presenter.file_of(page, answer, station_id, zone, now) if found else None
        self._models[page.name].set_rows(found)
        self._tables[page.name].setVisible(bool(found))
        self._none.setVisible(not found)
        self._none.setText(page.empty)
        self._enable()

    def _choose_file(self) -> None:
        if self.file is None:
            return
        name, content = self.file
        title = translate("Service", "Save {subject}").format(subject=self.page.title)
        saving.ask_where(
            self, title, name, lambda path: self.desk.spawn(self.write_file(path, content))
        )

    async def write_file(self, path: Path, content: bytes) -> None:
        """Write what is listed: a table, or the report for a charger's maker."""
        await saving.write(path, content)
        text = translate("Service", "Written to {path}")
        self.desk.notice(Notice(text.format(path=path)))

    def _show_none(self, text: str) -> None:
        self.file = None
        self._none.setText(text)
        self._none.show()
        self._tables[self.page.name].hide()

    def _key(self) -> str:
        return self._tables[self.page.name].current_key or ""

    def _enable(self) -> None:
        live = self.desk.picture.live
        self.save.setEnabled(self.file is not None)
        for push, action in self._buttons:
            field = self._fields.get(action.title)
            ready = live and (self.station_id or not action.needs_station)
            ready = ready and (bool(self._key()) or not action.needs_row)
            typed = field is None or action.asks == "" or bool(field.text().strip())
            push.setEnabled(bool(ready and typed))

    def _act(self, action: ServiceAction) -> None:
        field = self._fields.get(action.title)
        text = field.text().strip() if field is not None else ""
        now = self.desk.picture.now()
        command = action.command(Asked(self.station_id, self._key(), text, now))
        subject = self.station_id or self.page.title
        Operation(self.desk, command, subject).success(action.done).start()
        if field is not None:
            field.clear()
        QTimer.singleShot(EVERY_MS // 3, self._load)


def _cell(number: int, row: ServiceRow) -> str:
    return row.cells[number]


def _sample(name: str) -> str:
    """The widest usual text of a column."""
    if name in ("kind", "type", "file_name"):
        return "Startup of the device"
    if name.endswith("at"):
        return "22 Nov 00:00"
    if name in ("count", "entries", "wanted", "entries_max", "severity", "evse_id"):
        return "0000 00"
    return "CP-00000-00"


def _widest(page: ServicePage) -> int:
    """The column that takes the room that is left: the one that explains."""
    names = [name for _, name in page.columns]
    telling = ("reason", "result", "words", "info", "fault", "note", "tries", "source", "file_name")
    return next((names.index(name) for name in telling if name in names), len(names) - 1)
