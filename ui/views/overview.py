"""F2: the whole site at a glance — power from the grid to the feeders, every charger, the hour."""

from PySide6.QtCore import QRect, QTimer
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from sitecontroller.domain.views import NewStationView
from ui import operations
from ui.desk import Desk
from ui.i18n.texts import translate
from ui.presenters import power, tiles, units
from ui.state import Changed
from ui.views.first_charger import FirstCharger
from ui.views.screen import MARGIN, Screen, panel, scrolled
from ui.widgets.board import Board
from ui.widgets.buttons import button
from ui.widgets.chart import PhaseChart
from ui.widgets.diagram import Diagram
from ui.widgets.labels import ElidedLabel, PlainLabel

CHART_MIN = 176
SPACIOUS = 860
"""From this height on, a small site gets larger tiles."""
NEW_SHOWN_MAX = 3


class Overview(Screen):
    """Diagram, tiles and chart."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(desk, parent=parent)
        self._new = NewChargers(desk)
        self.diagram = Diagram()
        self.board = Board()
        self.board.opened.connect(desk.station_wanted)
        self.board.focused.connect(self._bring_into_view)
        self._area: QScrollArea = scrolled(self.board, translate("Overview", "Chargers"))
        self.first = FirstCharger()
        self._chart_panel, column = panel(margins=12, spacing=2)
        self._chart_title = PlainLabel(bold=True)
        self.chart = PhaseChart()
        column.addWidget(self._chart_title)
        column.addWidget(self.chart, 1)
        for widget in (self._new, self.diagram, self._area, self.first, self._chart_panel):
            self.column.addWidget(widget)
        self.column.addStretch(0)

    def refresh(self, changed: Changed) -> None:
        picture = self.desk.picture
        if picture.site is None:
            return
        self.first.setVisible(not picture.stations)
        self._area.setVisible(bool(picture.stations))
        if changed.everything:
            self._new.show_stations(picture.site.new_stations)
            self.first.show_site(picture.site)
            self.board.show_groups(tiles.groups(picture))
            self._show_power()
            self._fit()
            return
        if changed.site:
            self._new.show_stations(picture.site.new_stations)
            self.first.show_site(picture.site)
        if changed.stations:
            self._show_stations(changed.stations)
        if changed.circuits:
            self._show_power()

    def tick(self) -> None:
        picture = self.desk.picture
        if picture.site is None:
            return
        self.board.show_groups(tiles.groups(picture))
        self._new.show_stations(picture.site.new_stations)
        self._show_power()
        self._fit()

    def begin_search(self) -> None:
        first = next(iter(self.board.tiles.values()), None)
        if first is not None:
            first.setFocus()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()
        QTimer.singleShot(0, self._fit)

    def _show_stations(self, station_ids: frozenset[str]) -> None:
        picture = self.desk.picture
        known = {key.station_id for key in self.board.tiles}
        there = {station_id for station_id in station_ids if station_id in picture.stations}
        if there != station_ids or not there <= known:
            self.board.show_groups(tiles.groups(picture))
            self._fit()
            return
        now, zone = picture.now(), picture.zone
        for station_id in there:
            station = picture.stations[station_id]
            for evse in station.evses:
                self.board.show_tile(tiles.tile(station, evse, now, zone, live=picture.live))

    def _show_power(self) -> None:
        picture = self.desk.picture
        self.diagram.show_nodes(power.nodes(picture))
        self.board.show_headings(
            tuple(
                (circuit_id, *tiles.group_heading(circuit, live=picture.live))
                for circuit_id, circuit in picture.circuits.items()
            )
        )
        main = picture.main_circuit()
        fuse_a = max((a for a in main.limit_a if a is not None), default=0.0) if main else 0.0
        self.chart.show_samples(picture.history, fuse_a, picture.zone, live=picture.live)
        self._chart_title.setText(_chart_title(self.desk))

    def _fit(self) -> None:
        """Tiles take what they need, the chart what is left, at least `CHART_MIN`."""
        self.board.set_spacious(self.height() >= SPACIOUS)
        spacing = self.column.spacing()
        used = 2 * MARGIN + self.diagram.sizeHint().height() + 2 * spacing
        if not self._new.isHidden():
            used += self._new.sizeHint().height() + spacing
        room = self.height() - used
        middle = self.board.minimumHeight() if self.first.isHidden() else self.first.need()
        middle = max(60, min(middle, room - CHART_MIN))
        for widget in (self._area, self.first):
            widget.setFixedHeight(middle)
        self._chart_panel.setFixedHeight(max(CHART_MIN, room - middle))

    def _bring_into_view(self, rect: QRect) -> None:
        center = rect.center()
        self._area.ensureVisible(center.x(), center.y(), 0, rect.height())


class NewChargers(QFrame):
    """Chargers that knocked in commissioning mode, each with its Accept button."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("newStations")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._desk = desk
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(14, 6, 8, 6)
        self._column.setSpacing(4)
        self._shown: tuple[NewStationView, ...] = ()
        self.hide()

    def show_stations(self, stations: tuple[NewStationView, ...]) -> None:
        """Show those that wait; hidden when none does."""
        if stations == self._shown:
            return
        self._shown = stations
        while (item := self._column.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.deleteLater()
        for station in stations[:NEW_SHOWN_MAX]:
            self._column.addWidget(self._row(station))
        more = len(stations) - NEW_SHOWN_MAX
        if more > 0:
            text = translate("Overview", "{count} more new chargers wait behind these")
            self._column.addWidget(PlainLabel(text.format(count=more), muted=True))
        self.setVisible(bool(stations))

    def _row(self, station: NewStationView) -> QWidget:
        row = QWidget()
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        maker = " ".join(filter(None, (station.vendor, station.model)))
        text = translate("Overview", "New charger {name}").format(name=station.station_id)
        facts = translate("Overview", "{maker} at {address}, knocked at {time}").format(
            maker=maker or translate("Overview", "unknown make"),
            address=station.address,
            time=units.clock_time(station.seen_at, self._desk.picture.zone),
        )
        title, detail = PlainLabel(text, bold=True), ElidedLabel(facts)
        layout.addWidget(title)
        layout.addWidget(detail, 1)
        accept = button(translate("Overview", "Accept"), "primary")
        accept.setAccessibleName(
            translate("Overview", "Accept {name}").format(name=station.station_id)
        )
        accept.clicked.connect(
            lambda _=False, name=station.station_id: operations.accept_charger(self._desk, name)
        )
        reject = button(translate("Overview", "Turn away"))
        reject.setAccessibleName(
            translate("Overview", "Turn {name} away").format(name=station.station_id)
        )
        reject.clicked.connect(
            lambda _=False, name=station.station_id: operations.reject_charger(self._desk, name)
        )
        layout.addWidget(reject)
        layout.addWidget(accept)
        return row


def _chart_title(desk: Desk) -> str:
    history, zone = desk.picture.history, desk.picture.zone
    if len(history) >= 2:
        span_s = (history[-1].at - history[0].at).total_seconds()
        if span_s < 59 * 60:
            return translate("Overview", "Current per phase, since {time}").format(
                time=units.clock_time(history[0].at, zone)
            )
    return translate("Overview", "Current per phase, last 60 minutes")
