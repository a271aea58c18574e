"""One session beside the list: every figure, what is odd about it, its price and receipt."""

from PySide6.QtCore import Qt, Signal, SignalInstance
from PySide6.QtWidgets import QFrame, QGridLayout, QSizePolicy, QVBoxLayout, QWidget

from sitecontroller.domain.views import TransactionView
from ui.i18n.texts import translate
from ui.presenters import sessions as presenter
from ui.presenters import units
from ui.state import Picture
from ui.widgets.buttons import button
from ui.widgets.labels import ElidedLabel, PlainLabel, StateLabel, line

FACTS = 9


class SessionDetail(QFrame):
    """Shows one session, or says that none is selected."""

    open_wanted = Signal(str)
    save_wanted = Signal(str)
    station_wanted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self._view: TransactionView | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 14, 16, 14)
        column.setSpacing(10)
        self._title = ElidedLabel(size_px=15, bold=True)
        self._state = StateLabel()
        column.addWidget(self._title)
        column.addWidget(self._state)
        column.addWidget(line())
        grid = QGridLayout()
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(4)
        grid.setColumnStretch(1, 1)
        self._facts = [(PlainLabel(muted=True), ElidedLabel()) for _ in range(FACTS)]
        for row, (label, value) in enumerate(self._facts):
            value.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            grid.addWidget(label, row, 0)
            grid.addWidget(value, row, 1)
        column.addLayout(grid)
        self._notes = PlainLabel(wrap=True)
        column.addWidget(self._notes)
        column.addStretch(1)
        column.addWidget(line())
        self._price_label = PlainLabel(muted=True)
        self._price = PlainLabel(size_px=26, bold=True)
        self._price.setAlignment(Qt.AlignmentFlag.AlignRight)
        column.addWidget(self._price_label)
        column.addWidget(self._price)
        self.open_button = button(translate("Sessions", "Open the receipt"), "primary")
        self.save_button = button(translate("Sessions", "Save the receipt …"))
        self.station_button = button(translate("Sessions", "Open the charger"))
        self.open_button.clicked.connect(lambda: self._emit(self.open_wanted))
        self.save_button.clicked.connect(lambda: self._emit(self.save_wanted))
        self.station_button.clicked.connect(self._open_station)
        for made in (self.open_button, self.save_button, self.station_button):
            column.addWidget(made)

    def show_session(self, view: TransactionView | None, picture: Picture) -> None:
        """Show this one."""
        self._view = view
        for widget in (self._state, self._price, self._price_label, self._notes):
            widget.setVisible(view is not None)
        if view is None:
            self._title.setText(translate("Sessions", "No session is selected"))
            for label, value in self._facts:
                label.setText("")
                value.setText("")
            for made in (self.open_button, self.save_button, self.station_button):
                made.setEnabled(False)
            return
        self._title.setText(presenter.where(view))
        self._state.show_state(presenter.state(view, picture))
        for (label, value), fact in zip(
            self._facts, presenter.facts(view, picture.now(), picture.zone), strict=True
        ):
            label.setText(fact.label)
            value.setText(fact.value)
        notes = presenter.notes(view)
        self._notes.setText("\n".join(f"• {note}" for note in notes))
        self._notes.setVisible(bool(notes))
        ended = not presenter.active(view)
        self._price_label.setText(
            translate("Sessions", "Total with VAT")
            if ended
            else translate("Sessions", "So far, with VAT")
        )
        self._price.setText(units.money(view.price))
        for made in (self.open_button, self.save_button):
            made.setEnabled(ended and view.price is not None and picture.live)
        self.station_button.setEnabled(True)

    def _emit(self, signal: SignalInstance) -> None:
        if self._view is not None:
            signal.emit(self._view.key)

    def _open_station(self) -> None:
        if self._view is not None:
            self.station_wanted.emit(self._view.station_id)
