"""The foot of the screen: what came of the last action, with what to do if it failed."""

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QFrame, QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from ui.desk import Notice
from ui.i18n.texts import translate
from ui.presenters.words import State
from ui.widgets.buttons import button
from ui.widgets.labels import ElidedLabel, StateLabel

SHOWN_MS = 7000


class NoticeBar(QFrame):
    """One notice at a time; a good one leaves by itself, a bad one stays until it is closed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("notice")
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        row = QHBoxLayout(self)
        row.setContentsMargins(14, 6, 8, 6)
        words = QVBoxLayout()
        words.setSpacing(0)
        self._text = StateLabel()
        self._remedy = ElidedLabel(muted=True)
        words.addWidget(self._text)
        words.addWidget(self._remedy)
        row.addLayout(words, 1)
        self._close = button(translate("Notice", "Close"), "quiet")
        self._close.clicked.connect(self.hide)
        row.addWidget(self._close)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.hide)
        self.hide()

    @property
    def text(self) -> str:
        """What it says, "" when it says nothing."""
        return "" if self.isHidden() else self._text.state.word

    @property
    def remedy(self) -> str:
        """What to do."""
        return "" if self.isHidden() else self._remedy.full_text()

    def show_notice(self, notice: Notice) -> None:
        """Say this."""
        self._text.show_state(State(notice.text, notice.shape, notice.tone))
        self._remedy.setText(notice.remedy)
        self._remedy.setVisible(bool(notice.remedy))
        self.setAccessibleName(f"{notice.text}. {notice.remedy}")
        self.show()
        if notice.lasting:
            self._timer.stop()
        else:
            self._timer.start(SHOWN_MS)
