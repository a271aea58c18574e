"""F4: running and past sessions, page by page, and the selected one in full with its receipt."""

from pathlib import Path

from PySide6.QtCore import QStandardPaths, Qt, QTimer, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from sitecontroller.domain.views import TransactionView
from ui import saving
from ui.desk import Desk, Notice
from ui.i18n.texts import translate
from ui.models.sessions import columns
from ui.models.table import KeyedTable
from ui.presenters import sessions as presenter
from ui.presenters.sessions import SessionRow
from ui.state import Changed
from ui.views.screen import Screen, panel
from ui.views.session_detail import SessionDetail
from ui.widgets.buttons import button
from ui.widgets.labels import PlainLabel
from ui.widgets.table import Table

PAGE = 50
ROWS_MAX = 2000
REPAINT_MS = 250
DETAIL_WIDTH = 324


class SessionsScreen(Screen):
    """All, running or ended; more pages come when the list is scrolled to its end."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(desk, translate("Sessions", "Sessions"), parent)
        self._known: dict[str, TransactionView] = {}
        self._cursor: str | None = None
        self._loading = False
        self._active: bool | None = None
        self.filters = [
            self._filter(translate("Sessions", "All"), None),
            self._filter(translate("Sessions", "Running"), True),
            self._filter(translate("Sessions", "Ended"), False),
        ]
        self.filters[0].setChecked(True)
        self.model: KeyedTable[SessionRow] = KeyedTable(columns(), lambda row: row.key)
        self.table = Table(self.model, translate("Sessions", "Sessions"))
        self.table.chosen.connect(lambda _key: self._show_detail())
        self.table.verticalScrollBar().valueChanged.connect(self._near_the_end)
        self.detail = SessionDetail()
        self.detail.setFixedWidth(DETAIL_WIDTH)
        self.detail.open_wanted.connect(self._open_receipt)
        self.detail.save_wanted.connect(self._save_receipt)
        self.detail.station_wanted.connect(desk.station_wanted)
        self.primary = self.detail.open_button
        body = QHBoxLayout()
        body.setSpacing(12)
        frame, inside = panel(margins=1, spacing=0)
        self._none = PlainLabel(
            translate("Sessions", "No sessions yet. The first begins when a car charges."),
            muted=True,
        )
        self._none.setAlignment(Qt.AlignmentFlag.AlignCenter)
        inside.addWidget(self._none)
        inside.addWidget(self.table, 1)
        self._more = button(translate("Sessions", "Load older sessions"), "quiet")
        self._more.clicked.connect(self._load)
        inside.addWidget(self._more)
        body.addWidget(frame, 1)
        body.addWidget(self.detail)
        self.column.addLayout(body, 1)
        self._repaint = QTimer(self)
        self._repaint.setSingleShot(True)
        self._repaint.setInterval(REPAINT_MS)
        self._repaint.timeout.connect(self._show)

    def entered(self) -> None:
        self._restart()
        self._show()
        self.table.setFocus()

    def refresh(self, changed: Changed) -> None:
        if (changed.everything or changed.transactions) and not self._repaint.isActive():
            self._repaint.start()

    def tick(self) -> None:
        self._show()

    def begin_search(self) -> None:
        self.table.setFocus()

    def _filter(self, text: str, active: bool | None) -> QPushButton:
        made = button(text)
        made.setCheckable(True)
        made.setAutoExclusive(True)
        made.clicked.connect(lambda: self._choose(active))
        self.heading.addWidget(made)
        return made

    def _choose(self, active: bool | None) -> None:
        self._active = active
        self._restart()
        self._show()

    def _restart(self) -> None:
        self._known, self._cursor = {}, None
        self._load()

    def _load(self) -> None:
        if not self._loading and self.desk.picture.live:
            self._loading = True
            self.desk.spawn(self._fetch(self._active, self._cursor))

    async def _fetch(self, active: bool | None, cursor: str | None) -> None:
        try:
            page = await self.desk.api.transactions(PAGE, cursor, active)
        finally:
            self._loading = False
        if active == self._active:
            self._known |= {view.key: view for view in page.items}
            self._cursor = page.next
            self._show()

    def _near_the_end(self, value: int) -> None:
        if self._cursor is not None and value >= self.table.verticalScrollBar().maximum() - 200:
            self._load()

    def _views(self) -> list[TransactionView]:
        """What the pages brought, with live values on top, newest first."""
        live = {
            key: view
            for key, view in self.desk.picture.transactions.items()
            if self._active is None or presenter.active(view) == self._active
        }
        known = {
            key: view
            for key, view in self._known.items()
            if key not in self.desk.picture.transactions
        }
        merged = sorted(
            {**known, **live}.values(), key=lambda view: (view.started_at, view.key), reverse=True
        )
        return merged[:ROWS_MAX]

    def _show(self) -> None:
        picture = self.desk.picture
        views = self._views()
        self.model.set_rows([presenter.row(view, picture) for view in views])
        running = sum(1 for view in picture.transactions.values() if presenter.active(view))
        title = translate("Sessions", "Sessions: {count} running")
        self.title.setText(title.format(count=running))
        self.table.setVisible(bool(views))
        self._none.setVisible(not views)
        self._more.setVisible(self._cursor is not None and len(views) < ROWS_MAX)
        self.table.select_something()
        self._show_detail()

    def _view(self) -> TransactionView | None:
        key = self.table.current_key
        if key is None:
            return None
        return self.desk.picture.transactions.get(key) or self._known.get(key)

    def _show_detail(self) -> None:
        self.detail.show_session(self._view(), self.desk.picture)

    def _open_receipt(self, key: str) -> None:
        folder = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.TempLocation)
        self.desk.spawn(self.write_receipt(key, Path(folder) / f"receipt-{key}.pdf", shown=True))

    def _save_receipt(self, key: str) -> None:
        title = translate("Sessions", "Save the receipt")
        saving.ask_where(
            self,
            title,
            f"receipt-{key}.pdf",
            lambda path: self.desk.spawn(self.write_receipt(key, path, shown=False)),
        )

    async def write_receipt(self, key: str, path: Path, *, shown: bool) -> None:
        """Fetch a receipt and write it to `path`; `shown`: open it, too."""
        pdf = await self.desk.api.receipt_pdf(key)
        await saving.write(path, pdf)
        if shown:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))
        self.desk.notice(
            Notice(translate("Sessions", "Receipt written to {path}").format(path=path))
        )
