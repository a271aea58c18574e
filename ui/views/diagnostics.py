"""F11: every message between chargers and controller, filtered, paused, read and exported."""

from pathlib import Path

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLineEdit,
    QPlainTextEdit,
    QSplitter,
    QWidget,
)

from sitecontroller.domain.views import JournalEntry
from ui import saving, theme
from ui.desk import Desk, Notice
from ui.i18n.texts import translate
from ui.models.journal import all_columns
from ui.models.table import KeyedTable
from ui.presenters import journal as presenter
from ui.presenters.journal import JournalRow
from ui.views.screen import Screen, panel
from ui.widgets.buttons import button
from ui.widgets.labels import PlainLabel
from ui.widgets.table import Table

PAGE = 100
ROWS_MAX = 2000
EVERY_MS = 2000
TYPING_MS = 350
FILTER_CHARS_MAX = 100


class DiagnosticsScreen(Screen):
    """The journal; while not paused the newest messages come by themselves."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(desk, translate("Journal", "Diagnostics: messages (OCPP)"), parent)
        self._entries: dict[int, JournalEntry] = {}
        self._cursor: str | None = None
        self._loading = False
        self.pause = button(translate("Journal", "Pause"))
        self.pause.setCheckable(True)
        self.pause.toggled.connect(self._pause)
        self.export = button(translate("Journal", "Export …"))
        self.export.clicked.connect(self._choose_file)
        self.heading.addWidget(self.pause)
        self.heading.addWidget(self.export)
        self.column.addLayout(self._filter_row())
        self.model: KeyedTable[JournalRow] = KeyedTable(
            all_columns(), lambda row: row.key, strong=lambda row: row.faulty
        )
        self.table = Table(self.model, translate("Journal", "Messages"))
        self.table.verticalHeader().setDefaultSectionSize(36)
        self.table.chosen.connect(lambda _key: self._show_text())
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        self.text.setFont(theme.mono())
        self.text.setAccessibleName(translate("Journal", "The selected message"))
        self.text.setTabChangesFocus(True)
        self.column.addWidget(self._body(), 1)
        self._timer = QTimer(self)
        self._timer.setInterval(EVERY_MS)
        self._timer.timeout.connect(self.poll)
        self._typing = QTimer(self)
        self._typing.setSingleShot(True)
        self._typing.setInterval(TYPING_MS)
        self._typing.timeout.connect(self._restart)

    def entered(self) -> None:
        self._fill_stations()
        self._restart()
        self._timer.start()
        self.table.setFocus()

    def left(self) -> None:
        self._timer.stop()

    def begin_search(self) -> None:
        self._text.setFocus()
        self._text.selectAll()

    def _filter_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(8)
        self._station = QComboBox()
        self._station.setAccessibleName(translate("Journal", "Charger"))
        self._station.setMinimumWidth(180)
        self._station.currentIndexChanged.connect(self._restart)
        self._action = QLineEdit()
        self._action.setPlaceholderText(translate("Journal", "Message, such as MeterValues"))
        self._action.setAccessibleName(translate("Journal", "Message name"))
        self._text = QLineEdit()
        self._text.setPlaceholderText(translate("Journal", "Text in the message"))
        self._text.setAccessibleName(translate("Journal", "Text in the message"))
        for field in (self._action, self._text):
            field.setMaxLength(FILTER_CHARS_MAX)
            field.setClearButtonEnabled(True)
            field.textChanged.connect(lambda _text: self._typing.start())
        row.addWidget(self._station)
        row.addWidget(self._action, 1)
        row.addWidget(self._text, 1)
        return row

    def _body(self) -> QWidget:
        frame, inside = panel(margins=1, spacing=0)
        self._none = PlainLabel(translate("Journal", "No messages match"), muted=True)
        self._none.setAlignment(Qt.AlignmentFlag.AlignCenter)
        inside.addWidget(self._none)
        inside.addWidget(self.table, 1)
        self.more = button(translate("Journal", "Load older messages"), "quiet")
        self.more.clicked.connect(self._load_older)
        inside.addWidget(self.more)
        split = QSplitter(Qt.Orientation.Vertical)
        split.setChildrenCollapsible(False)
        split.setHandleWidth(12)
        split.addWidget(frame)
        split.addWidget(self.text)
        split.setStretchFactor(0, 3)
        split.setStretchFactor(1, 2)
        self.text.setMinimumHeight(140)
        return split

    def _fill_stations(self) -> None:
        wanted = [translate("Journal", "All chargers"), *self.desk.picture.stations]
        known = [self._station.itemText(i) for i in range(self._station.count())]
        if wanted != known:
            chosen = self._station.currentText()
            self._station.blockSignals(True)
            self._station.clear()
            self._station.addItems(wanted)
            self._station.setCurrentIndex(max(0, self._station.findText(chosen)))
            self._station.blockSignals(False)

    def _pause(self, paused: bool) -> None:
        if not paused:
            self.poll()

    def _restart(self) -> None:
        self._entries, self._cursor = {}, None
        self._show()
        self._load(None, newest=True)

    def poll(self) -> None:
        """Ask for the newest messages, unless paused."""
        if not self.pause.isChecked():
            self._load(None, newest=True)

    def _load_older(self) -> None:
        self._load(self._cursor, newest=False)

    def _load(self, cursor: str | None, *, newest: bool) -> None:
        if not self._loading and self.desk.picture.live:
            self._loading = True
            self.desk.spawn(self._fetch(self._filter(), cursor, newest=newest))

    def _filter(self) -> tuple[str | None, str | None, str | None]:
        station = self._station.currentText() if self._station.currentIndex() > 0 else None
        return station, self._action.text().strip() or None, self._text.text().strip() or None

    async def _fetch(
        self, wanted: tuple[str | None, str | None, str | None], cursor: str | None, *, newest: bool
    ) -> None:
        station_id, action, text = wanted
        try:
            page = await self.desk.api.journal(
                PAGE, cursor, station_id=station_id, action=action, text=text
            )
        finally:
            self._loading = False
        if wanted != self._filter():
            self._restart()
            return
        if not newest or self._cursor is None:
            self._cursor = page.next
        self._entries |= {entry.seq: entry for entry in page.items}
        for seq in sorted(self._entries)[: max(0, len(self._entries) - ROWS_MAX)]:
            del self._entries[seq]
        self._show()

    def _show(self) -> None:
        zone = self.desk.picture.zone
        newest_first = sorted(self._entries.values(), key=lambda e: e.seq, reverse=True)
        self.model.set_rows([presenter.row(entry, zone) for entry in newest_first])
        self.table.setVisible(bool(newest_first))
        self._none.setVisible(not newest_first)
        self.more.setVisible(self._cursor is not None and len(newest_first) < ROWS_MAX)
        self.export.setEnabled(bool(newest_first))
        self.table.select_something()

    def _show_text(self) -> None:
        key = self.table.current_key
        entry = self._entries.get(int(key)) if key else None
        self.text.setPlainText(presenter.pretty(entry.text) if entry else "")

    def _choose_file(self) -> None:
        title = translate("Journal", "Export messages")
        saving.ask_where(
            self,
            title,
            "ocpp-messages.jsonl",
            lambda path: self.desk.spawn(self.write_messages(path)),
        )

    async def write_messages(self, path: Path) -> None:
        """Write what is listed, oldest first, one JSON object a line."""
        lines = [presenter.as_line(self._entries[seq]) for seq in sorted(self._entries)]
        data = ("\n".join(lines) + "\n").encode()
        await saving.write(path, data)
        text = translate("Journal", "{count} messages written to {path}")
        self.desk.notice(Notice(text.format(count=len(lines), path=path)))
