"""The window: the frame that is on every screen, and the screen that is shown in it.

It moves between screens, hands on what the bridge brings to the screen that is visible, and
remembers its size and theme. It knows no domain rule.
"""

from PySide6.QtCore import QByteArray, QEvent, QSettings, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QApplication,
    QComboBox,
    QHBoxLayout,
    QLineEdit,
    QMainWindow,
    QPlainTextEdit,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from ui import operations, theme
from ui.desk import Desk, Notice
from ui.i18n.texts import translate
from ui.shortcuts import Action, shortcuts
from ui.state import Changed
from ui.theme import Scheme
from ui.views.alarms import AlarmsScreen
from ui.views.banner import AlarmBanner, EmergencyBanner, LostBanner
from ui.views.connecting import ConnectingScreen
from ui.views.diagnostics import DiagnosticsScreen
from ui.views.help import HelpScreen
from ui.views.load import LoadScreen
from ui.views.navigation import Navigation
from ui.views.overview import Overview
from ui.views.screen import Screen
from ui.views.service import ServiceScreen
from ui.views.sessions import SessionsScreen
from ui.views.station import StationScreen
from ui.views.top_bar import TopBar
from ui.widgets.buttons import HoldButton
from ui.widgets.notice import NoticeBar
from ui.widgets.table import Table
from ui.widgets.tile import StationTile

SIZE_MIN = QSize(1180, 680)
SIZE_FIRST = QSize(1366, 768)
TICK_MS = 1000
_OWN_ENTER = (QPushButton, HoldButton, QLineEdit, QPlainTextEdit, QComboBox, Table, StationTile)


class MainWindow(QMainWindow):
    """The console's one window. `start_wanted`: the attendant asks to start the controller."""

    start_wanted = Signal()
    closed = Signal()

    def __init__(
        self, desk: Desk, settings: QSettings, *, target: str = "", may_start: bool = False
    ) -> None:
        super().__init__()
        self.desk = desk
        self._settings = settings
        self.setMinimumSize(SIZE_MIN)
        self.top_bar = TopBar()
        self.lost = LostBanner(may_start=may_start)
        self.emergency = EmergencyBanner()
        self.banner = AlarmBanner()
        self.navigation = Navigation("")
        self.notices = NoticeBar()
        self.connecting = ConnectingScreen(desk, target, may_start=may_start)
        self.station = StationScreen(desk)
        self.screens: dict[Action, Screen] = {
            Action.OVERVIEW: Overview(desk),
            Action.SESSIONS: SessionsScreen(desk),
            Action.LOAD: LoadScreen(desk),
            Action.ALARMS: AlarmsScreen(desk),
            Action.SERVICE: ServiceScreen(desk),
            Action.DIAGNOSTICS: DiagnosticsScreen(desk),
            Action.HELP: HelpScreen(desk),
        }
        self._stack = QStackedWidget()
        for screen in (self.connecting, self.station, *self.screens.values()):
            self._stack.addWidget(screen)
        self._stack.setCurrentWidget(self.connecting)
        self._wanted: Action = Action.OVERVIEW
        self._build()
        self._connect()
        self._add_shortcuts()
        self._restore()
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._tick)
        self._timer.start()
        self._refresh(Changed(everything=True))

    @property
    def current(self) -> Screen:
        """The screen that is shown."""
        screen = self._stack.currentWidget()
        assert isinstance(screen, Screen)
        return screen

    def go(self, action: Action) -> None:
        """Show a screen of the navigation."""
        self._wanted = action
        if self.desk.picture.site is not None or action is Action.HELP:
            self._show(self.screens[action])
        self.navigation.show_current(action)

    def open_station(self, station_id: str) -> None:
        """Show a charger."""
        self.station.open(station_id)
        self._show(self.station)

    def open_service(self, station_id: str) -> None:
        """Show what technicians look after, of a charger."""
        screen = self.screens[Action.SERVICE]
        assert isinstance(screen, ServiceScreen)
        screen.open(station_id)
        self.go(Action.SERVICE)

    def set_scheme(self, scheme: Scheme) -> None:
        """Light, dark, or as the system has it; remembered."""
        self._settings.setValue("scheme", scheme.value)
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        theme.activate(app, scheme)

    def closeEvent(self, event: QCloseEvent) -> None:
        self._settings.setValue("geometry", self.saveGeometry())
        self.closed.emit()
        super().closeEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        if event.type() is QEvent.Type.PaletteChange:
            for widget in self.findChildren(QWidget):
                widget.update()
        super().changeEvent(event)

    def _build(self) -> None:
        whole = QWidget()
        column = QVBoxLayout(whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.top_bar)
        column.addWidget(self.lost)
        column.addWidget(self.emergency)
        column.addWidget(self.banner)
        row = QHBoxLayout()
        row.setSpacing(0)
        row.addWidget(self.navigation)
        right = QVBoxLayout()
        right.setSpacing(0)
        right.addWidget(self._stack, 1)
        foot = QHBoxLayout()
        foot.setContentsMargins(16, 0, 16, 0)
        foot.addWidget(self.notices)
        right.addLayout(foot)
        self._foot_space = QWidget()
        self._foot_space.setFixedHeight(12)
        self._foot_space.hide()
        right.addWidget(self._foot_space)
        row.addLayout(right, 1)
        column.addLayout(row, 1)
        self.setCentralWidget(whole)

    def _connect(self) -> None:
        bridge = self.desk.bridge
        bridge.changed.connect(self._refresh)
        bridge.linked.connect(self._relink)
        bridge.history_loaded.connect(self._tick)
        self.desk.noticed.connect(self._notice)
        self.desk.station_wanted.connect(self.open_station)
        self.desk.back_wanted.connect(self._go_back)
        self.desk.service_wanted.connect(self.open_service)
        self.navigation.wanted.connect(lambda action: self.go(Action(action)))
        self.navigation.scheme_wanted.connect(self._flip_scheme)
        self.banner.acknowledged.connect(lambda key: operations.acknowledge_alarm(self.desk, key))
        self.emergency.released.connect(
            lambda name, found: operations.release_emergency(self.desk, name, found)
        )
        for source in (self.lost, self.connecting):
            source.start_wanted.connect(self.start_wanted)

    def _add_shortcuts(self) -> None:
        slots = {
            Action.ACKNOWLEDGE: self.banner.acknowledge,
            Action.FIND: lambda: self.current.begin_search(),
            Action.PRIMARY: self._press_primary,
            Action.BACK: self._go_back,
            Action.SCHEME: self._flip_scheme,
        }
        for row in shortcuts():
            shortcut = QShortcut(QKeySequence(row.keys), self)
            slot = slots.get(row.action)
            if slot is None:
                shortcut.activated.connect(lambda action=row.action: self.go(action))
            else:
                shortcut.activated.connect(slot)
            if row.action is Action.PRIMARY:
                self._primary_key = shortcut
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        app.focusChanged.connect(self._free_enter)

    def _free_enter(self, _old: QWidget | None, new: QWidget | None) -> None:
        """Enter belongs to the focused button, field or row; elsewhere to the main button."""
        self._primary_key.setEnabled(not isinstance(new, _OWN_ENTER))

    def _show(self, screen: Screen) -> None:
        if screen is self.current:
            screen.entered()
            return
        self.current.left()
        self._stack.setCurrentWidget(screen)
        screen.entered()
        if screen.focusWidget() is None:
            screen.setFocus(Qt.FocusReason.OtherFocusReason)

    def _refresh(self, changed: Changed) -> None:
        picture = self.desk.picture
        if picture.site is not None and self.current is self.connecting:
            self.go(self._wanted)
        elif changed.everything or self.current is not self.connecting:
            self.current.refresh(changed)
        if changed.everything or changed.site or changed.alarms:
            self._refresh_frame()

    def _refresh_frame(self) -> None:
        picture = self.desk.picture
        self.top_bar.show_picture(picture)
        self.banner.show_picture(picture)
        self.banner.setVisible(picture.site is not None)
        self.lost.show_picture(picture)
        self.emergency.show_picture(picture)
        waiting = sum(1 for a in picture.alarms.values() if a.acknowledged_at is None)
        self.navigation.show_alarms(waiting)
        if picture.site is not None:
            version = translate("Frame", "Version {version}").format(version=picture.site.version)
            self.navigation.show_version(version)
            self.setWindowTitle(picture.site.name)

    def _relink(self) -> None:
        self._refresh_frame()
        self.current.refresh(Changed(everything=True))
        self.current.tick()

    def _tick(self) -> None:
        self._refresh_frame()
        self.current.tick()

    def _notice(self, notice: Notice) -> None:
        self.notices.show_notice(notice)
        self._foot_space.show()

    def _press_primary(self) -> None:
        primary = self.current.primary
        if primary is not None and primary.isEnabled() and primary.isVisible():
            primary.click()

    def _go_back(self) -> None:
        if self.notices.isVisible():
            self.notices.hide()
        elif self.current is self.station:
            self.go(self._wanted)
        elif self._wanted is not Action.OVERVIEW:
            self.go(Action.OVERVIEW)

    def _flip_scheme(self) -> None:
        dark = theme.tokens() is theme.DARK
        self.set_scheme(Scheme.LIGHT if dark else Scheme.DARK)

    def _restore(self) -> None:
        geometry = self._settings.value("geometry")
        if not (isinstance(geometry, QByteArray) and self.restoreGeometry(geometry)):
            self.resize(SIZE_FIRST)
