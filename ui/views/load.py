"""F5: what flows through every fuse, what each car may draw and why, and who limits the site.

An attendant can limit a fuse by hand, with an end; nobody can raise a fuse from here.
"""

from datetime import timedelta

from PySide6.QtGui import QIntValidator
from PySide6.QtWidgets import QComboBox, QFrame, QGridLayout, QHBoxLayout, QLineEdit, QWidget

from sitecontroller.domain.limit_source import GroupsQuery, GroupView
from ui import operations
from ui.desk import Desk
from ui.i18n.texts import translate
from ui.models.load import columns
from ui.models.table import KeyedTable
from ui.presenters import load as presenter
from ui.presenters.load import LoadRow
from ui.state import Changed
from ui.views.load_pages import LoadPages
from ui.views.screen import Screen, labelled, panel
from ui.widgets.buttons import button
from ui.widgets.labels import PlainLabel
from ui.widgets.table import Table

FORM_WIDTH = 470
BELOW_HEIGHT = 252
REASON_CHARS_MAX = 100
FIRST_A = 32
CURRENT_A_MAX = 6300


class LoadScreen(Screen):
    """The tree, what stands below it, and the form for a limit by hand."""

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
        self.table.chosen.connect(lambda _key: self._choose())
        self.pages = LoadPages(desk)
        self.pages.setFixedHeight(BELOW_HEIGHT)
        frame, inside = panel(margins=1, spacing=0)
        inside.addWidget(self.table)
        self.column.addWidget(frame, 1)
        self.form = LimitForm(desk)
        self.primary = self.form.apply
        below = QHBoxLayout()
        below.setSpacing(12)
        below.addWidget(self.pages, 1)
        below.addWidget(self.form)
        self.column.addLayout(below)

    def entered(self) -> None:
        super().entered()
        self.pages.entered()
        self.desk.spawn(self._fetch_groups())
        self.table.setFocus()

    def left(self) -> None:
        self.pages.left()

    def refresh(self, changed: Changed) -> None:
        if changed.everything or changed.circuits or changed.stations:
            self._show()

    def tick(self) -> None:
        self._show()

    def begin_search(self) -> None:
        self.table.setFocus()

    def _show(self) -> None:
        picture = self.desk.picture
        self.model.set_rows(presenter.rows(picture, idle=self.idle.isChecked()))
        self.table.select_something()
        self.form.show_picture()

    async def _fetch_groups(self) -> None:
        page = await self.desk.api.ask(GroupsQuery())
        self.form.show_groups(page.items)

    def _row(self) -> LoadRow | None:
        key = self.table.current_key
        rows = presenter.rows(self.desk.picture, idle=True)
        return next((row for row in rows if row.key == key), None)

    def _choose(self) -> None:
        row = self._row()
        self.pages.show_outlet(row.outlet if row is not None else "")

    def _open(self, _key: str) -> None:
        row = self._row()
        if row is not None and row.station_id:
            self.desk.station_wanted.emit(row.station_id)


class LimitForm(QFrame):
    """Limits a fuse by hand; what it would change stands beside the button."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.setFixedSize(FORM_WIDTH, BELOW_HEIGHT)
        self._desk = desk
        self._places: list[tuple[str, str]] = []
        """Ids and names: fuses first, then groups."""
        self._groups: tuple[GroupView, ...] = ()
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
            (translate("Load", "Fuse or group"), self.place),
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
        wanted = [(c.circuit_id, c.name) for c in self._desk.picture.circuits.values()]
        wanted += [(group.group_id, group.name) for group in self._groups]
        if wanted != self._places:
            chosen = self.place.currentText()
            names = [name for _, name in wanted]
            self._places = wanted
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

    def show_groups(self, groups: tuple[GroupView, ...]) -> None:
        """Offer these groups, too."""
        self._groups = groups
        self.show_picture()

    @property
    def chosen(self) -> tuple[str, str] | None:
        """Id and name of the chosen fuse or group."""
        index = self.place.currentIndex()
        return self._places[index] if 0 <= index < len(self._places) else None

    @property
    def span(self) -> timedelta | None:
        """For how long; None: until withdrawn."""
        return self._lastings[max(0, self.lasting.currentIndex())].span

    def _explain(self) -> None:
        picture, current_a = self._desk.picture, self.current_a
        chosen = self.chosen
        self.apply.setEnabled(picture.live and chosen is not None and current_a is not None)
        self.consequence.setText(
            translate("Load", "Type whole amperes, 0 to {most}.").format(most=CURRENT_A_MAX)
            if current_a is None or chosen is None
            else presenter.consequence(picture, chosen[0], current_a)
        )

    def _set(self) -> None:
        picture, chosen, current_a = self._desk.picture, self.chosen, self.current_a
        if chosen is None or current_a is None:
            return
        place_id, name = chosen
        operations.limit_place(
            self._desk,
            place_id,
            name,
            current_a,
            is_group=place_id not in picture.circuits,
            until=None if self.span is None else picture.now() + self.span,
            reason=self.reason.text().strip(),
        )
        self.reason.clear()
