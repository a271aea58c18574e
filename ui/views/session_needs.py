"""What a running session needs: when the car leaves, how much it takes, whether it goes first."""

from datetime import timedelta

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QComboBox, QFrame, QGridLayout, QLineEdit, QVBoxLayout, QWidget

from sitecontroller.domain.session_needs import SessionNeedsQuery, SessionNeedsView
from ui import operations
from ui.desk import Desk
from ui.i18n.texts import translate
from ui.presenters import needs as presenter
from ui.views.screen import labelled
from ui.widgets.buttons import button
from ui.widgets.labels import PlainLabel

EVERY_MS = 3000
BOOST = timedelta(hours=1)


class SessionNeeds(QFrame):
    """Shows and changes it for the session that `show_session` names."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self._desk = desk
        self._key, self._name = "", ""
        self._view: SessionNeedsView | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(14, 14, 14, 14)
        column.setSpacing(8)
        column.addWidget(
            PlainLabel(translate("Needs", "What the car needs"), size_px=15, bold=True)
        )
        self.summary = PlainLabel(muted=True, wrap=True)
        column.addWidget(self.summary)
        grid = QGridLayout()
        grid.setVerticalSpacing(4)
        self.leaves, self.energy = QLineEdit(), QLineEdit()
        self.leaves.setPlaceholderText("17:30")
        self.leaves.setMaxLength(5)
        self.energy.setPlaceholderText("12.5")
        self.energy.setMaxLength(6)
        self.service_class = QComboBox()
        self._classes = list(presenter.class_words())
        self.service_class.addItems(list(presenter.class_words().values()))
        fields = (
            (translate("Needs", "Leaves at"), self.leaves),
            (translate("Needs", "Needs, kWh"), self.energy),
            (translate("Needs", "Served"), self.service_class),
        )
        for number, (text, field) in enumerate(fields):
            row, side = 2 * (number // 2), number % 2
            grid.addWidget(labelled(text, field), row, side)
            grid.addWidget(field, row + 1, side)
        self.apply = button(translate("Needs", "Set"))
        self.apply.setAccessibleName(translate("Needs", "Set what the car needs"))
        self.apply.clicked.connect(self._set)
        grid.addWidget(self.apply, 3, 1)
        column.addLayout(grid)
        self.boost = button(translate("Needs", "First for 1 hour"))
        self.boost.clicked.connect(self._boost)
        self.end_boost = button(translate("Needs", "No longer first"))
        self.end_boost.clicked.connect(self._end_boost)
        column.addWidget(self.boost)
        column.addWidget(self.end_boost)
        self._timer = QTimer(self)
        self._timer.setInterval(EVERY_MS)
        self._timer.timeout.connect(self._load)
        self._timer.start()
        for field in (self.leaves, self.energy):
            field.textChanged.connect(lambda _text: self._enable())
        self._show()

    def show_session(self, transaction_key: str, name: str) -> None:
        """This session from now on; "": none."""
        if transaction_key != self._key:
            self._key, self._name, self._view = transaction_key, name, None
            for field in (self.leaves, self.energy):
                field.clear()
            self._show()
            self._load()
        self.setVisible(bool(transaction_key))

    def _load(self) -> None:
        if self._key and self._desk.picture.live and self.isVisible():
            self._desk.spawn(self._fetch(self._key))

    async def _fetch(self, key: str) -> None:
        view = await self._desk.api.ask(SessionNeedsQuery(key))
        if key == self._key:
            first = self._view is None
            self._view = view
            if first:
                self.service_class.setCurrentIndex(self._classes.index(view.service_class))
            self._show()

    def _show(self) -> None:
        view, picture = self._view, self._desk.picture
        self.summary.setText(
            "" if view is None else presenter.summary(view, picture.zone, picture.now())
        )
        boosted = view is not None and view.boost_until is not None
        self.boost.setVisible(not boosted)
        self.end_boost.setVisible(boosted)
        self._enable()

    def _enable(self) -> None:
        picture = self._desk.picture
        leaves, energy = self.leaves.text(), self.energy.text()
        at = presenter.time_ahead(leaves, picture.zone, picture.now())
        fits = (not leaves or at is not None) and (
            not energy or presenter.energy_wh(energy) is not None
        )
        ready = picture.live and self._view is not None
        self.apply.setEnabled(ready and fits)
        self.boost.setEnabled(ready)
        self.end_boost.setEnabled(ready)

    def _set(self) -> None:
        """What is typed counts; an empty field keeps what a person said before."""
        view, picture = self._view, self._desk.picture
        if view is None:
            return
        typed_at = presenter.time_ahead(self.leaves.text(), picture.zone, picture.now())
        said_at = view.departure_at if view.departure_from == "session" else None
        said_wh = view.energy_left_wh if view.energy_from == "session" else None
        typed_wh = presenter.energy_wh(self.energy.text())
        operations.set_needs(
            self._desk,
            self._name,
            view.transaction_key,
            departure_at=typed_at or said_at,
            energy_wh=said_wh if typed_wh is None else typed_wh,
            service_class=self._classes[max(0, self.service_class.currentIndex())],
        )
        for field in (self.leaves, self.energy):
            field.clear()

    def _boost(self) -> None:
        operations.boost(self._desk, self._name, self._key, self._desk.picture.now() + BOOST)
        self._view = None
        QTimer.singleShot(500, self._load)

    def _end_boost(self) -> None:
        operations.end_boost(self._desk, self._name, self._key)
        self._view = None
        QTimer.singleShot(500, self._load)
