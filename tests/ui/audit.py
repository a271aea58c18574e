"""What every screen must keep: nothing clipped or overlapping, everything named, reachable, large.

Each check returns the faults it finds, in words.
"""

from PySide6.QtCore import QRect
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractScrollArea,
    QComboBox,
    QHeaderView,
    QLabel,
    QLineEdit,
    QScrollBar,
    QSplitterHandle,
    QWidget,
)

from ui import theme
from ui.widgets.labels import ElidedLabel

TOUCHED = (QAbstractButton, QLineEdit, QComboBox)
SPOKEN = (*TOUCHED, QAbstractScrollArea)
FORBIDDEN = ("None", "nan", "NaN", "Suspended", "Traceback", "-1 ")


def visible(root: QWidget) -> list[QWidget]:
    """Every widget of ours that is on the screen."""
    qt_internal = (QScrollBar, QHeaderView, QSplitterHandle)
    return [
        widget
        for widget in root.findChildren(QWidget)
        if widget.isVisible()
        and not isinstance(widget, qt_internal)
        and not widget.objectName().startswith("qt_")
        and not isinstance(widget.parent(), QComboBox | QLineEdit)
    ]


def clipped(root: QWidget) -> list[str]:
    """Labels whose text needs more room than they have."""
    faults = []
    for widget in visible(root):
        if isinstance(widget, ElidedLabel) or not isinstance(widget, QLabel):
            continue
        if not widget.text():
            continue
        need = widget.sizeHint()
        height = widget.heightForWidth(widget.width()) if widget.wordWrap() else need.height()
        too_narrow = not widget.wordWrap() and widget.width() < need.width()
        if too_narrow or widget.height() < height:
            faults.append(f"'{widget.text()}' has {widget.size()}, needs {need}, {height} high")
    for widget in visible(root):
        if (
            isinstance(widget, QAbstractButton)
            and widget.width() < widget.minimumSizeHint().width()
        ):
            faults.append(f"button '{widget.text()}' is {widget.width()} wide")
    return faults


def overlapping(root: QWidget) -> list[str]:
    """Pairs of siblings that share pixels."""
    faults = []
    by_parent: dict[int, list[QWidget]] = {}
    for widget in visible(root):
        by_parent.setdefault(id(widget.parent()), []).append(widget)
    for siblings in by_parent.values():
        rows = sorted(siblings, key=lambda w: (w.y(), w.x()))
        for number, first in enumerate(rows):
            for second in rows[number + 1 :]:
                if second.y() >= first.geometry().bottom():
                    break
                shared = first.geometry().intersected(second.geometry())
                if shared.width() > 1 and shared.height() > 1:
                    faults.append(f"{_words(first)} and {_words(second)} share {shared}")
    return faults


def outside(root: QWidget) -> list[str]:
    """Widgets that stick out of their parent, scrolled ones apart."""
    faults = []
    for widget in visible(root):
        parent = widget.parentWidget()
        if parent is None or parent.objectName() == "qt_scrollarea_viewport":
            continue
        inside = QRect(0, 0, parent.width(), parent.height())
        if not inside.contains(widget.geometry()):
            faults.append(f"{_words(widget)} {widget.geometry()} sticks out of {inside}")
    return faults


def unnamed(root: QWidget) -> list[str]:
    """Things one can act on that a screen reader could not name."""
    return [
        repr(widget)
        for widget in visible(root)
        if isinstance(widget, SPOKEN)
        and widget.focusPolicy().value
        and not (widget.accessibleName() or getattr(widget, "text", str)())
    ]


def too_small(root: QWidget) -> list[str]:
    """Things one can press that are lower than a finger needs."""
    return [
        f"{_words(widget)} is {widget.height()} px high"
        for widget in visible(root)
        if isinstance(widget, TOUCHED) and widget.height() < theme.TOUCH_PX
    ]


def unreachable(root: QWidget) -> list[str]:
    """Things one can act on that Tab never reaches."""
    chain: set[int] = set()
    link: QWidget | None = root.window()
    while link is not None and id(link) not in chain:
        chain.add(id(link))
        link = link.nextInFocusChain()
    return [
        _words(widget)
        for widget in visible(root)
        if isinstance(widget, TOUCHED)
        and widget.isEnabled()
        and (not widget.focusPolicy().value or id(widget) not in chain)
    ]


def shown_texts(root: QWidget) -> list[str]:
    """Every text on the screen, as far as widgets tell it."""
    texts = []
    for widget in visible(root):
        texts += [widget.accessibleName(), widget.accessibleDescription()]
        if isinstance(widget, QLabel | QAbstractButton):
            texts.append(widget.text())
    return [text for text in texts if text]


def raw_words(root: QWidget) -> list[str]:
    """Texts that no attendant should see."""
    return [text for text in shown_texts(root) if any(word in text for word in FORBIDDEN)]


def _words(widget: QWidget) -> str:
    text = getattr(widget, "text", str)() if isinstance(widget, QLabel | QAbstractButton) else ""
    return f"{type(widget).__name__} '{text or widget.accessibleName()}'"
