"""What stands below the tree of fuses: limits in force, their changes, their sources, the plan."""

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from sitecontroller.domain.planning import PlanQuery
from ui import operations
from ui.desk import Desk
from ui.i18n.texts import translate
from ui.models.load import list_columns
from ui.models.table import KeyedTable
from ui.presenters import plan as plans
from ui.presenters.load_pages import ListRow, LoadList, lists
from ui.widgets.buttons import HoldButton, button
from ui.widgets.labels import ElidedLabel, PlainLabel
from ui.widgets.plan_chart import PlanChart
from ui.widgets.table import Table

EVERY_MS = 3000


class ListPage(QWidget):
    """One list, or a sentence where it has no rows."""

    def __init__(self, page: LoadList, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.page = page
        self.rows: dict[str, ListRow] = {}
        self.model: KeyedTable[ListRow] = KeyedTable(list_columns(page), lambda row: row.key)
        self.table = Table(self.model, page.title)
        self._none = PlainLabel(page.empty, muted=True, wrap=True)
        self._none.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._none, 1)
        column.addWidget(self.table, 1)
        self.show_rows([])

    @property
    def chosen(self) -> ListRow | None:
        """The row that is selected."""
        return self.rows.get(self.table.current_key or "")

    def show_rows(self, rows: list[ListRow]) -> None:
        """Show these."""
        self.rows = {row.key: row for row in rows}
        self.model.set_rows(rows)
        self.table.setVisible(bool(rows))
        self._none.setVisible(not rows)
        self.table.select_something()


class PlanPage(QWidget):
    """The plan as a sentence and a chart."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.headline = ElidedLabel(muted=True)
        self.chart = PlanChart()
        column = QVBoxLayout(self)
        column.setContentsMargins(14, 0, 8, 6)
        column.setSpacing(2)
        column.addWidget(self.headline)
        column.addWidget(self.chart, 1)


class LoadPages(QFrame):
    """One page at a time; `show_outlet` narrows the changes to one outlet."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self._desk = desk
        self._outlet = ""
        self.lists = {page.name: ListPage(page) for page in lists()}
        self.plan = PlanPage()
        self._stack = QStackedWidget()
        self._group = QButtonGroup(self)
        self.tabs: dict[str, QPushButton] = {}
        heading = QHBoxLayout()
        heading.setContentsMargins(6, 4, 6, 4)
        heading.setSpacing(4)
        pages = {name: (page.page.title, page) for name, page in self.lists.items()}
        for name, (title, page) in {
            **pages,
            "plan": (translate("Load", "Plan"), self.plan),
        }.items():
            tab = button(title, "quiet")
            tab.setCheckable(True)
            tab.clicked.connect(lambda _=False, page=page: self._turn(page))
            self._group.addButton(tab)
            self._stack.addWidget(page)
            self.tabs[name] = tab
            heading.addWidget(tab)
        heading.addStretch(1)
        self.withdraw = HoldButton(translate("Load", "Withdraw"))
        self.withdraw.confirmed.connect(self._withdraw)
        heading.addWidget(self.withdraw)
        column = QVBoxLayout(self)
        column.setContentsMargins(1, 1, 1, 1)
        column.setSpacing(0)
        column.addLayout(heading)
        column.addWidget(self._stack, 1)
        self._limits = self.lists["limits"]
        self._limits.table.chosen.connect(lambda _key: self._enable())
        self.tabs["limits"].setChecked(True)
        self._enable()
        self._timer = QTimer(self)
        self._timer.setInterval(EVERY_MS)
        self._timer.timeout.connect(self.load)

    def entered(self) -> None:
        """The screen appears."""
        self.load()
        self._timer.start()

    def left(self) -> None:
        """Another screen appears."""
        self._timer.stop()

    def show_outlet(self, outlet: str) -> None:
        """Changes of this outlet from now on; "": of all."""
        if outlet != self._outlet:
            self._outlet = outlet
            if self._stack.currentWidget() is self.lists["changes"]:
                self.load()

    def load(self) -> None:
        """Ask for what the page in front shows."""
        if self._desk.picture.live and self.isVisible():
            self._desk.spawn(self._fetch())

    def _turn(self, page: QWidget) -> None:
        self._stack.setCurrentWidget(page)
        self._enable()
        self.load()

    async def _fetch(self) -> None:
        page, outlet = self._stack.currentWidget(), self._outlet
        if isinstance(page, ListPage):
            answer = await self._desk.api.ask(page.page.query(outlet))
            if outlet == self._outlet:
                page.show_rows([page.page.row(item, self._desk.picture) for item in answer.items])
        else:
            view = await self._desk.api.ask(PlanQuery())
            self.plan.headline.setText(plans.headline(view, self._desk.picture))
            self.plan.chart.show_plan(plans.plan(view, self._desk.picture))
        self._enable()

    def _enable(self) -> None:
        chosen = self._limits.chosen
        self.withdraw.setVisible(self._stack.currentWidget() is self._limits)
        self.withdraw.setEnabled(chosen is not None and chosen.by_hand and self._desk.picture.live)

    def _withdraw(self) -> None:
        chosen = self._limits.chosen
        if chosen is not None:
            operations.withdraw_limit(self._desk, chosen.key, chosen.cells[1])
            QTimer.singleShot(500, self.load)
