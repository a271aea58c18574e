"""The top bar of every screen: site, counts, load of the fuse, connection and clock."""

from PySide6.QtCore import QRectF, QSize
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QSizePolicy, QWidget

from ui import theme
from ui.i18n.texts import translate
from ui.presenters import frame
from ui.presenters.words import State
from ui.state import Picture
from ui.widgets import paint
from ui.widgets.labels import ElidedLabel, PlainLabel, StateLabel

HEIGHT = 46


class LoadBar(QWidget):
    """The main fuse's load as a bar with its words."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._load: float | None = None
        self._text = ""
        self._stale = False
        self._font = theme.font(13, medium=True)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def show_load(self, load: float | None, text: str, *, stale: bool) -> None:
        """Show a share of the fuse, 0…1."""
        if (load, text, stale) != (self._load, self._text, self._stale):
            self._load, self._text, self._stale = load, text, stale
            self.setAccessibleName(text.replace("\N{NO-BREAK SPACE}", " "))
            self.updateGeometry()
            self.update()

    def sizeHint(self) -> QSize:
        return QSize(round(paint.width(self._text, self._font)) + 96, 22)

    def paintEvent(self, event: QPaintEvent) -> None:
        if not self._text:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rect = QRectF(self.rect())
        over = self._load is not None and self._load > 1 and not self._stale
        ink = theme.color("high_text" if over else "muted" if self._stale else "text")
        used = paint.text(painter, rect, self._text, self._font, ink)
        track = QRectF(used + 10, rect.center().y() - 3, rect.width() - used - 12, 6)
        fill = None if self._load is None else min(1.0, self._load)
        token = "high" if over else "energy_stale" if self._stale else "energy"
        paint.bar(painter, track, fill, None, theme.color(token))
        painter.end()


class TopBar(QFrame):
    """Shows `ui.presenters.frame.TopBar`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("topBar")
        self.setFixedHeight(HEIGHT)
        row = QHBoxLayout(self)
        row.setContentsMargins(16, 0, 16, 0)
        row.setSpacing(18)
        self._site = ElidedLabel(size_px=15, bold=True)
        self._demo = PlainLabel(translate("Frame", "Demo"), size_px=12)
        self._demo.setObjectName("pill")
        self._demo.setFixedHeight(22)
        self._counts = [StateLabel() for _ in range(4)]
        self._load = LoadBar()
        self._link = StateLabel()
        self._clock = PlainLabel(bold=True)
        row.addWidget(self._site)
        row.addWidget(self._demo)
        row.addSpacing(6)
        for count in self._counts:
            row.addWidget(count)
        row.addSpacing(6)
        row.addWidget(self._load)
        row.addStretch(1)
        row.addWidget(self._link)
        row.addWidget(self._clock)

    def show_picture(self, picture: Picture) -> None:
        """Show the site as it is now."""
        view = frame.top_bar(picture)
        self._site.setText(view.site)
        self._demo.setVisible(view.demo)
        for label, count in zip(self._counts, view.counts, strict=False):
            label.show_state(State(count.text, count.shape, count.tone))
        for label in self._counts:
            label.setVisible(bool(view.counts))
        self._load.setVisible(bool(view.load_text))
        self._load.show_load(view.load, view.load_text, stale=view.stale)
        self._link.show_state(view.link)
        self._clock.setText(view.clock)
