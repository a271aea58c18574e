"""The alarm banner and, above it, a lost controller and an emergency stop: on every screen."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from sitecontroller.domain.alarm import AlarmPriority
from sitecontroller.domain.emergency import NAME_CHARACTERS_MIN, TEXT_CHARACTERS_MAX
from ui.i18n.texts import translate
from ui.presenters import frame
from ui.presenters.words import Shape, State, Tone
from ui.shortcuts import Action, keys_of
from ui.state import Picture
from ui.widgets.buttons import HoldButton, button
from ui.widgets.labels import ElidedLabel, PriorityBadge, StateLabel

HEIGHT = 58


class AlarmBanner(QFrame):
    """How many alarms, and the most urgent with what to do. Its height never changes."""

    acknowledged = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("banner")
        self.setFixedHeight(HEIGHT)
        row = QHBoxLayout(self)
        row.setContentsMargins(16, 0, 16, 0)
        row.setSpacing(8)
        self._badges = {priority: PriorityBadge(priority) for priority in AlarmPriority}
        for badge in self._badges.values():
            row.addWidget(badge)
            badge.hide()
        words = QVBoxLayout()
        words.setSpacing(0)
        self._text = ElidedLabel(bold=True)
        self._remedy = ElidedLabel()
        words.addStretch(1)
        words.addWidget(self._text)
        words.addWidget(self._remedy)
        words.addStretch(1)
        row.addSpacing(4)
        row.addLayout(words, 1)
        self._button = button(translate("Frame", "Acknowledge"), keys=keys_of(Action.ACKNOWLEDGE))
        self._button.clicked.connect(self.acknowledge)
        row.addWidget(self._button)
        self._key: str | None = None

    def acknowledge(self) -> None:
        """Acknowledge the alarm on top."""
        if self._key is not None and self._button.isEnabled():
            self.acknowledged.emit(self._key)

    def show_picture(self, picture: Picture) -> None:
        """Show the alarms as they are now."""
        view = frame.banner(picture)
        counts = dict(view.counts)
        for priority, badge in self._badges.items():
            badge.show_count(counts.get(priority, 0))
        self._key = view.key
        self._text.setText(f"{view.when}  {view.text}" if view.when else view.text)
        self._text.set_tone(Tone.MUTED if view.key is None else Tone.NORMAL)
        remedy = translate("Frame", "Do: {remedy}").format(remedy=view.remedy)
        self._remedy.setText(remedy if view.remedy else "")
        self._remedy.setVisible(bool(view.remedy))
        self._button.setVisible(view.key is not None)
        self._button.setEnabled(picture.live)
        self._set_tone(view.tone.value)

    def _set_tone(self, tone: str) -> None:
        if self.property("tone") != tone:
            self.setProperty("tone", tone)
            self.style().polish(self)


class LostBanner(QFrame):
    """Says since when the controller is away, what still holds and what to do."""

    start_wanted = Signal()

    def __init__(self, *, may_start: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("lost")
        self._may_start = may_start
        row = QHBoxLayout(self)
        row.setContentsMargins(16, 8, 16, 8)
        row.setSpacing(12)
        words = QVBoxLayout()
        words.setSpacing(1)
        self._title = StateLabel()
        self._holds = ElidedLabel()
        self._remedy = ElidedLabel()
        words.addWidget(self._title)
        words.addWidget(self._holds)
        words.addWidget(self._remedy)
        row.addLayout(words, 1)
        self._start = button(translate("Frame", "Start the controller"), "primary")
        self._start.clicked.connect(self.start_wanted)
        row.addWidget(self._start)
        self.hide()

    def show_picture(self, picture: Picture) -> None:
        """Show or hide."""
        view = frame.lost(picture)
        if view is not None:
            self._title.show_state(State(view.title, Shape.DIAMOND, Tone.MEDIUM))
            self._holds.setText(view.holds)
            self._remedy.setText(view.remedy)
            self._start.setVisible(self._may_start and view.may_start)
        self.setVisible(view is not None and picture.site is not None)


class EmergencyBanner(QFrame):
    """Says that the site is stopped, and lets a named person release it."""

    released = Signal(str, str)
    """By whom, and what was found."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("banner")
        self.setProperty("tone", "high")
        row = QHBoxLayout(self)
        row.setContentsMargins(16, 8, 16, 8)
        row.setSpacing(8)
        words = QVBoxLayout()
        words.setSpacing(1)
        self._title = StateLabel()
        self._holds = ElidedLabel(
            translate("Frame", "Nothing charges and nothing starts until it is released.")
        )
        words.addWidget(self._title)
        words.addWidget(self._holds)
        row.addLayout(words, 1)
        self.name = _field(translate("Frame", "Your name"))
        self.found = _field(translate("Frame", "What you found"))
        row.addWidget(self.name)
        row.addWidget(self.found)
        self.release = HoldButton(translate("Frame", "Release"))
        self.release.confirmed.connect(self._release)
        row.addWidget(self.release)
        for field in (self.name, self.found):
            field.textChanged.connect(lambda _text: self._enable())
        self._live = False
        self.hide()

    def show_picture(self, picture: Picture) -> None:
        """Show or hide."""
        stop = picture.site.emergency if picture.site is not None else None
        self._live = picture.live
        if stop is not None:
            self._title.show_state(State(stop[:1].upper() + stop[1:], Shape.TRIANGLE, Tone.HIGH))
        self.setVisible(stop is not None)
        self._enable()

    def _enable(self) -> None:
        typed = len(self.name.text().strip()) >= NAME_CHARACTERS_MIN
        self.release.setEnabled(self._live and typed and bool(self.found.text().strip()))

    def _release(self) -> None:
        self.released.emit(self.name.text().strip(), self.found.text().strip())
        self.found.clear()


def _field(name: str) -> QLineEdit:
    field = QLineEdit()
    field.setPlaceholderText(name)
    field.setAccessibleName(name)
    field.setMaxLength(TEXT_CHARACTERS_MAX)
    field.setFixedWidth(190)
    return field
