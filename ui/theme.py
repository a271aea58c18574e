"""Colours, type and spacing of the console: two tables of the same tokens, light and dark.

Widgets name a token, never a colour. Grey is normal; the `high` and `medium` tokens belong to
alarms and faults alone. `tests/ui` checks every pair of text and ground in `TEXT_ON` for a
contrast of at least 4.5:1.
"""

from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFont, QFontDatabase, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication

from ui.presenters.words import Tone
from ui.theme_style import style_sheet

FAMILY = "Inter"
TOUCH_PX = 44
"""The least height of anything that can be pressed."""
GAP_PX = 12
RADIUS_PX = 8


class Scheme(StrEnum):
    """What the attendant chose."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True, slots=True)
class Tokens:
    """One table. Grounds first, then what is drawn on them."""

    window: str
    bar: str
    surface: str
    raised: str
    hover: str
    pressed: str
    border: str
    border_strong: str
    text: str
    muted: str
    accent: str
    accent_hover: str
    on_accent: str
    accent_soft: str
    on_accent_soft: str
    focus: str
    energy: str
    energy_stale: str
    track: str
    tick: str
    wire: str
    high: str
    on_high: str
    high_text: str
    high_soft: str
    medium: str
    on_medium: str
    medium_text: str
    medium_soft: str
    low: str
    on_low: str
    phase_1: str
    phase_2: str
    phase_3: str
    gridline: str
    fuse: str
    cap: str


LIGHT = Tokens(
    window="#eff1f4", bar="#ffffff", surface="#ffffff", raised="#f7f8fa", hover="#eef2f6",
    pressed="#e1e7ee", border="#dfe3e9", border_strong="#b9c1cc", text="#18212c", muted="#566273",
    accent="#24567f", accent_hover="#1c466a", on_accent="#ffffff", accent_soft="#e3ecf4",
    on_accent_soft="#1a4468", focus="#2f7fc1", energy="#4d7396", energy_stale="#aab4c0",
    track="#e6eaef", tick="#18212c", wire="#4d6277", high="#c22a24", on_high="#ffffff",
    high_text="#b3211c", high_soft="#fdf0ef", medium="#f0b429", on_medium="#241a00",
    medium_text="#855700", medium_soft="#fdf6e3", low="#dde2e8", on_low="#2b3643",
    phase_1="#1f62a5", phase_2="#7b4794", phase_3="#16756c", gridline="#e9ecf0", fuse="#18212c",
    cap="#566273",
)  # fmt: skip

DARK = Tokens(
    window="#10151b", bar="#161c24", surface="#19212a", raised="#1f2832", hover="#232e3a",
    pressed="#2b3846", border="#2a3541", border_strong="#465565", text="#e8ecf1", muted="#9eabba",
    accent="#7db4e6", accent_hover="#97c4ee", on_accent="#0b1a29", accent_soft="#22384d",
    on_accent_soft="#c4dff7", focus="#7db4e6", energy="#7299bd", energy_stale="#4c5a69",
    track="#2b3642", tick="#e8ecf1", wire="#7c91a6", high="#cf3a33", on_high="#ffffff",
    high_text="#ff918a", high_soft="#38201f", medium="#e6b03a", on_medium="#221800",
    medium_text="#efbf57", medium_soft="#332a17", low="#35414e", on_low="#dbe2ea",
    phase_1="#74b2ec", phase_2="#c99be0", phase_3="#5fc2b5", gridline="#26303b", fuse="#e8ecf1",
    cap="#9eabba",
)  # fmt: skip

TEXT_ON: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("text", ("window", "bar", "surface", "raised", "hover", "pressed", "high_soft",
              "medium_soft", "accent_soft")),
    ("muted", ("window", "bar", "surface", "raised", "hover", "high_soft", "medium_soft")),
    ("on_accent", ("accent", "accent_hover")),
    ("on_accent_soft", ("accent_soft",)),
    ("accent", ("surface", "bar", "window")),
    ("on_high", ("high",)),
    ("high_text", ("surface", "high_soft", "raised", "bar", "window")),
    ("on_medium", ("medium",)),
    ("medium_text", ("surface", "medium_soft", "raised", "bar", "window")),
    ("on_low", ("low",)),
    ("phase_1", ("surface",)),
    ("phase_2", ("surface",)),
    ("phase_3", ("surface",)),
    ("fuse", ("surface",)),
    ("cap", ("surface",)),
)  # fmt: skip
"""Every text token with the grounds it may stand on."""

_active = LIGHT


def tokens() -> Tokens:
    """The table in force."""
    return _active


def color(name: str) -> QColor:
    """A token's colour; AttributeError for an unknown token."""
    return QColor(getattr(_active, name))


def tone_color(tone: Tone) -> QColor:
    """The colour of a word or shape of that tone."""
    names = {
        Tone.NORMAL: "text",
        Tone.ACTIVE: "energy",
        Tone.MUTED: "muted",
        Tone.MEDIUM: "medium_text",
        Tone.HIGH: "high_text",
    }
    return color(names[tone])


def word_color(tone: Tone) -> QColor:
    """As `tone_color`, for text: an active state's word is ordinary text."""
    return color("text") if tone is Tone.ACTIVE else tone_color(tone)


def font(
    size_px: int = 13, *, bold: bool = False, medium: bool = False, names: bool = False
) -> QFont:
    """The console's type with figures of equal width, so that values don't jitter.

    `names` is for words that stand still, such as "P1-11": their figures keep their own widths.
    """
    made = QFont(FAMILY)
    made.setPixelSize(size_px)
    made.setWeight(
        QFont.Weight.DemiBold if bold else QFont.Weight.Medium if medium else QFont.Weight.Normal
    )
    if not names:
        made.setFeature(QFont.Tag("tnum"), 1)
    made.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
    return made


def mono(size_px: int = 12) -> QFont:
    """For JSON."""
    made = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
    made.setPixelSize(size_px)
    return made


def install(app: QApplication, scheme: Scheme = Scheme.SYSTEM) -> None:
    """Fusion style, our type, and the tokens of `scheme`."""
    app.setStyle("Fusion")
    for file in sorted((Path(__file__).parent / "fonts").glob("*.ttf")):
        QFontDatabase.addApplicationFont(str(file))
    app.setFont(font())
    activate(app, scheme)


def is_dark(scheme: Scheme) -> bool:
    """Whether `scheme` comes out dark on this desk."""
    if scheme is Scheme.SYSTEM:
        hints = QGuiApplication.styleHints()
        return hints.colorScheme() is Qt.ColorScheme.Dark
    return scheme is Scheme.DARK


def activate(app: QApplication, scheme: Scheme) -> None:
    """Put the tokens of `scheme` in force; every widget repaints."""
    global _active
    _active = DARK if is_dark(scheme) else LIGHT
    app.setPalette(_palette())
    app.setStyleSheet(style_sheet(asdict(_active), touch_px=TOUCH_PX, radius_px=RADIUS_PX))


def _palette() -> QPalette:
    palette = QPalette()
    role = QPalette.ColorRole
    for target, name in (
        (role.Window, "window"), (role.WindowText, "text"), (role.Base, "surface"),
        (role.AlternateBase, "raised"), (role.Text, "text"), (role.Button, "surface"),
        (role.ButtonText, "text"), (role.ToolTipBase, "surface"), (role.ToolTipText, "text"),
        (role.PlaceholderText, "muted"), (role.Highlight, "accent_soft"),
        (role.HighlightedText, "on_accent_soft"), (role.Link, "accent"),
        (role.Mid, "border"), (role.Light, "surface"), (role.Dark, "border_strong"),
    ):  # fmt: skip
        palette.setColor(target, color(name))
    for target in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, target, color("muted"))
    return palette
