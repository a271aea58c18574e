"""F5: what flows through every fuse, what each car may draw and why, and who limits the site.

An attendant can limit a fuse by hand, with an end; nobody can raise a fuse from here.
"""

from datetime import timedelta

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QIntValidator
from PySide6.QtWidgets import QComboBox, QFrame, QGridLayout, QHBoxLayout, QLineEdit, QWidget

from sitecontroller.domain.limit_source import SiteLimitsQuery
from ui import operations
from ui.desk import Desk
from ui.i18n.texts import translate
from ui.models.load import columns, limit_columns
from ui.models.table import KeyedTable
from ui.presenters import load as presenter
from ui.presenters.load import LimitRow, LoadRow
from ui.state import Changed
from ui.views.screen import Screen, labelled, panel
from ui.widgets.buttons import HoldButton, button
from ui.widgets.labels import PlainLabel
from ui.widgets.table import Table

EVERY_MS = 3000
FORM_WIDTH = 470
BELOW_HEIGHT = 252
REASON_CHARS_MAX = 100
FIRST_A = 32
CURRENT_A_MAX = 6300


class LoadScreen(Screen):
    """The tree, the limits in force, and the form for a new one."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(desk, translate("Load", "Load"), parent)
        self.idle = button(translate("Load", "Idle outlets too"))
        self.idle.setCheckable(True)
        self.idle.toggled.connect(lambda _on: self._show())
        self.heading.addWidget(self.idle)
        self.model: KeyedTable[LoadRow] = KeyedTable(
            columns(), lambda row: row.key, strong=lambda row: row.is_circuit
        )
        self.table = Table(self.model, translate("Load", "Fuses and outlets"))
        self.table.opened.connect(self._open)
        self.limits: KeyedTable[LimitRow] = KeyedTable(limit_columns(), lambda row: row.key)
        self.limits_table = Table(self.limits, translate("Load", "Limits in force"))
        self.limits_table.chosen.connect(lambda _key: self._enable())
        frame, inside = panel(margins=1, spacing=0)
        inside.addWidget(self.table)
        self.column.addWidget(frame, 1)
        self.form = LimitForm(desk)
        self.primary = self.form.apply
        below = QHBoxLayout()
        below.setSpacing(12)
        below.addWidget(self._limits_panel(), 1)
        below.addWidget(self.form)
        self.column.addLayout(below)
        self._rows: list[LimitRow] = []
        self._timer = QTimer(self)
        self._timer.setInterval(EVERY_MS)
        self._timer.timeout.connect(self._load)

    def entered(self) -> None:
        super().entered()
        self._load()
        self._timer.start()
        self.table.setFocus()

    def left(self) -> None:
        self._timer.stop()

    def refresh(self, changed: Changed) -> None:
        if changed.everything or changed.circuits or changed.stations:
            self._show()

    def tick(self) -> None:
        self._show()

    def begin_search(self) -> None:
        self.table.setFocus()

    def _limits_panel(self) -> QWidget:
        frame, column = panel(margins=1, spacing=0)
        frame.setFixedHeight(BELOW_HEIGHT)
        row = QHBoxLayout()
        row.setContentsMargins(14, 4, 8, 4)
        row.addWidget(PlainLabel(translate("Load", "Limits in force"), size_px=15, bold=True), 1)
        self.withdraw = HoldButton(translate("Load", "Withdraw"))
        self.withdraw.confirmed.connect(self._withdraw)
        row.addWidget(self.withdraw)
        column.addLayout(row)
        self._none = PlainLabel(
            translate("Load", "Nobody limits the site beyond its fuses."), muted=True
        )
        self._none.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column.addWidget(self._none, 1)
        column.addWidget(self.limits_table, 1)
        return frame

    def _show(self) -> None:
        picture = self.desk.picture
        self.model.set_rows(presenter.rows(picture, idle=self.idle.isChecked()))
        self.table.select_something()
        self.form.show_picture()
        self._enable()

    def _load(self) -> None:
        if self.desk.picture.live and self.isVisible():
            self.desk.spawn(self._fetch())

    async def _fetch(self) -> None:
        page = await self.desk.api.ask(SiteLimitsQuery())
        self._rows = presenter.limit_rows(page.items, self.desk.picture)
        self.limits.set_rows(self._rows)
        self.limits_table.setVisible(bool(self._rows))
        self._none.setVisible(not self._rows)
        self.limits_table.select_something()
        self._enable()

    def _chosen(self) -> LimitRow | None:
        key = self.limits_table.current_key
        return next((row for row in self._rows if row.key == key), None)

    def _enable(self) -> None:
        chosen = self._chosen()
        self.withdraw.setEnabled(chosen is not None and chosen.by_hand and self.desk.picture.live)

    def _withdraw(self) -> None:
        chosen = self._chosen()
        if chosen is not None:
            operations.withdraw_limit(self.desk, chosen.key, chosen.where)
            QTimer.singleShot(500, self._load)

    def _open(self, key: str) -> None:
        row = next((r for r in presenter.rows(self.desk.picture, idle=True) if r.key == key), None)
        if row is not None and row.station_id:
            self.desk.station_wanted.emit(row.station_id)


class LimitForm(QFrame):
    """Limits a fuse by hand; what it would change stands beside the button."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.setFixedSize(FORM_WIDTH, BELOW_HEIGHT)
        self._desk = desk
        self._circuits: list[str] = []
        self._lastings = presenter.lastings()
        grid = QGridLayout(self)
        grid.setContentsMargins(14, 10, 14, 10)
        grid.setVerticalSpacing(4)
        grid.setHorizontalSpacing(10)
        title = PlainLabel(translate("Load", "Limit by hand"), size_px=15, bold=True)
        grid.addWidget(title, 0, 0, 1, 2)
        self.place = QComboBox()
        self.place.currentIndexChanged.connect(lambda _index: self._explain())
        self.amperes = QLineEdit(str(FIRST_A))
        self.amperes.setValidator(QIntValidator(0, CURRENT_A_MAX, self))
        self.amperes.textChanged.connect(lambda _text: self._explain())
        self.lasting = QComboBox()
        self.lasting.addItems([lasting.text for lasting in self._lastings])
        self.reason = QLineEdit()
        self.reason.setMaxLength(REASON_CHARS_MAX)
        fields = (
            (translate("Load", "Fuse"), self.place),
            (translate("Load", "At most, A per phase"), self.amperes),
            (translate("Load", "How long"), self.lasting),
            (translate("Load", "Why"), self.reason),
        )
        for number, (text, field) in enumerate(fields):
            row, side = 1 + 2 * (number // 2), number % 2
            grid.addWidget(labelled(text, field), row, side)
            grid.addWidget(field, row + 1, side)
        self.consequence = PlainLabel(muted=True, wrap=True)
        grid.addWidget(self.consequence, 5, 0)
        self.apply = button(translate("Load", "Set the limit"), "primary")
        self.apply.clicked.connect(self._set)
        grid.addWidget(self.apply, 5, 1)
        grid.setRowStretch(5, 1)
        grid.setColumnStretch(0, 1)
        grid.setColumnStretch(1, 1)

    def show_picture(self) -> None:
        """Offer the fuses that there are."""
        picture = self._desk.picture
        wanted = list(picture.circuits)
        if wanted != self._circuits:
            chosen = self.place.currentText()
            names = [circuit.name for circuit in picture.circuits.values()]
            self._circuits = wanted
            self.place.blockSignals(True)
            self.place.clear()
            self.place.addItems(names)
            self.place.setCurrentIndex(names.index(chosen) if chosen in names else 0)
            self.place.blockSignals(False)
        self._explain()

    @property
    def current_a(self) -> float | None:
        """What was typed; None: no number."""
        text = self.amperes.text()
        return float(text) if self.amperes.hasAcceptableInput() else None

    @property
    def circuit_id(self) -> str:
        """The chosen fuse; "" without any."""
        index = self.place.currentIndex()
        return self._circuits[index] if 0 <= index < len(self._circuits) else ""

    @property
    def span(self) -> timedelta | None:
        """For how long; None: until withdrawn."""
        return self._lastings[max(0, self.lasting.currentIndex())].span

    def _explain(self) -> None:
        picture, current_a = self._desk.picture, self.current_a
        self.apply.setEnabled(picture.live and bool(self._circuits) and current_a is not None)
        self.consequence.setText(
            translate("Load", "Type whole amperes, 0 to {most}.").format(most=CURRENT_A_MAX)
            if current_a is None
            else presenter.consequence(picture, self.circuit_id, current_a)
        )

    def _set(self) -> None:
        picture, current_a = self._desk.picture, self.current_a
        circuit = picture.circuits.get(self.circuit_id)
        if circuit is None or current_a is None:
            return
        operations.limit_circuit(
            self._desk,
            circuit.circuit_id,
            circuit.name,
            current_a,
            until=None if self.span is None else picture.now() + self.span,
            reason=self.reason.text().strip(),
        )
        self.reason.clear()
