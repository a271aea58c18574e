"""The style sheet: a template over the tokens, so that standard widgets look like painted ones.

A button's kind is its dynamic property `kind`: primary, danger, quiet or none.
"""

from string import Template

_SHEET = Template("""
QWidget { color: $text; }
QMainWindow, QWidget#page { background: $window; }
QToolTip { background: $surface; color: $text; border: 1px solid $border_strong; padding: 6px; }

QFrame#panel { background: $surface; border: 1px solid $border; border-radius: ${radius}px; }
QFrame#topBar { background: $bar; border: none; border-bottom: 1px solid $border; }
QFrame#navigation { background: $bar; border: none; border-right: 1px solid $border; }
QFrame#banner { background: $surface; border: none; border-bottom: 1px solid $border; }
QFrame#banner[tone="high"] { background: $high_soft; }
QFrame#banner[tone="medium"] { background: $medium_soft; }
QFrame#lost { background: $medium_soft; border: none; border-bottom: 1px solid $border_strong; }
QFrame#notice { background: $surface; border: 1px solid $border_strong;
    border-radius: ${radius}px; }
QFrame#line { background: $border; border: none; }
QFrame#newStations { background: $accent_soft; border: none; border-radius: ${radius}px; }

QLabel { background: transparent; }
QLabel[muted="true"] { color: $muted; }
QLabel[tone="high"] { color: $high_text; }
QLabel[tone="medium"] { color: $medium_text; }
QLabel[tone="accent"] { color: $on_accent_soft; }
QLabel#pill { background: $low; color: $on_low; border-radius: 9px; padding: 1px 8px; }
QLabel#keycap { background: $raised; color: $muted; border: 1px solid $border;
    border-radius: 4px; padding: 2px 6px; }

QPushButton { background: $surface; color: $text; border: 1px solid $border_strong;
    border-radius: 6px; padding: 0 16px; min-height: ${touch_inner}px; font-weight: 500; }
QPushButton:hover { background: $hover; }
QPushButton:pressed { background: $pressed; }
QPushButton:disabled { color: $muted; background: $raised; border-color: $border; }
QPushButton:focus { border: 2px solid $focus; padding: 0 15px; min-height: ${touch_focus}px; }
QPushButton[kind="primary"] { background: $accent; color: $on_accent; border-color: $accent; }
QPushButton[kind="primary"]:hover { background: $accent_hover; }
QPushButton[kind="primary"]:focus { border-color: $text; }
QPushButton[kind="primary"]:disabled { background: $raised; color: $muted; border-color: $border; }
QPushButton[kind="quiet"] { background: transparent; border-color: transparent; color: $muted; }
QPushButton[kind="quiet"]:hover { background: $hover; color: $text; }
QPushButton[kind="quiet"]:focus { border-color: $focus; }
QPushButton:checked { background: $accent_soft; color: $on_accent_soft; border-color: $accent; }
QPushButton:checked:focus { border: 2px solid $focus; }

QPushButton[kind="nav"] { background: transparent; border: 2px solid transparent;
    border-radius: 8px; text-align: left; padding: 0 10px; min-height: ${touch_focus}px;
    color: $text; }
QPushButton[kind="nav"]:hover { background: $hover; }
QPushButton[kind="nav"]:checked { background: $accent_soft; color: $on_accent_soft;
    font-weight: 600; }
QPushButton[kind="nav"]:focus { border-color: $focus; }

QLineEdit, QComboBox, QPlainTextEdit { background: $surface; color: $text;
    border: 1px solid $border_strong; border-radius: 6px; padding: 0 10px;
    selection-background-color: $accent; selection-color: $on_accent; }
QLineEdit { placeholder-text-color: $muted; }
QLineEdit, QComboBox { min-height: ${touch_inner}px; }
QLineEdit:focus, QComboBox:focus { border: 2px solid $focus; padding: 0 9px;
    min-height: ${touch_focus}px; }
QPlainTextEdit { padding: 8px; }
QPlainTextEdit:focus { border: 2px solid $focus; padding: 7px; }
QLineEdit:disabled, QComboBox:disabled { background: $raised; color: $muted; }
QComboBox::drop-down { border: none; width: 26px; }
QComboBox QAbstractItemView { background: $surface; border: 1px solid $border_strong;
    selection-background-color: $accent_soft; selection-color: $on_accent_soft; outline: 0; }

QTableView { background: $surface; alternate-background-color: $surface; border: none;
    gridline-color: $border; selection-background-color: $accent_soft;
    selection-color: $text; outline: 0; }
QTableView::item { padding: 0 10px; border-bottom: 1px solid $gridline; }
QTableView::item:hover { background: $hover; }
QTableView::item:selected { background: $accent_soft; color: $text; }
QListWidget#subjects { background: $surface; border: 1px solid $border;
    border-radius: ${radius}px; padding: 5px; outline: 0; }
QListWidget#subjects:focus { border: 2px solid $focus; padding: 4px; }
QListWidget#subjects::item { padding: 0 8px; border-radius: 6px; }
QListWidget#subjects::item:hover { background: $hover; }
QListWidget#subjects::item:selected { background: $accent_soft; color: $text; }
QHeaderView { background: $surface; border: none; }
QHeaderView::section { background: $surface; color: $muted; border: none;
    border-bottom: 1px solid $border_strong; padding: 0 13px; min-height: 34px;
    font-weight: 500; }
QTableCornerButton::section { background: $surface; border: none; }

QScrollArea { background: transparent; border: none; }
QScrollArea > QWidget > QWidget#scrolled { background: transparent; }
QScrollBar:vertical { background: transparent; width: 12px; margin: 0; }
QScrollBar::handle:vertical { background: $border_strong; border-radius: 4px; min-height: 44px;
    margin: 2px; }
QScrollBar:horizontal { background: transparent; height: 12px; margin: 0; }
QScrollBar::handle:horizontal { background: $border_strong; border-radius: 4px; min-width: 44px;
    margin: 2px; }
QScrollBar::handle:hover { background: $muted; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }
""")


def style_sheet(tokens: dict[str, str], *, touch_px: int, radius_px: int) -> str:
    """The sheet for one table of tokens; KeyError if it names a token that isn't there."""
    return _SHEET.substitute(
        tokens, radius=radius_px, touch_inner=touch_px - 2, touch_focus=touch_px - 4
    )
