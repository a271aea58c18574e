"""Every key of the console, once: navigation, tool tips and the help page all read this table."""

from dataclasses import dataclass
from enum import StrEnum

from ui.i18n.texts import translate


class Action(StrEnum):
    """What a key does."""

    HELP = "help"
    OVERVIEW = "overview"
    SESSIONS = "sessions"
    LOAD = "load"
    ALARMS = "alarms"
    SERVICE = "service"
    DIAGNOSTICS = "diagnostics"
    ACKNOWLEDGE = "acknowledge"
    FIND = "find"
    BACK = "back"
    PRIMARY = "primary"
    SCHEME = "scheme"


@dataclass(frozen=True, slots=True)
class Shortcut:
    """One row. `keys` in Qt's portable spelling."""

    action: Action
    keys: str
    text: str
    screen: bool = False
    """Whether it is a screen of its own, with a place in the navigation."""

    @property
    def label(self) -> str:
        """The key as keyboards have it."""
        return self.keys.replace("Return", "Enter")


def shortcuts() -> tuple[Shortcut, ...]:
    """The table, in the attendant's language and in the order of the navigation."""
    return (
        Shortcut(Action.OVERVIEW, "F2", translate("Keys", "Overview"), True),
        Shortcut(Action.SESSIONS, "F4", translate("Keys", "Sessions"), True),
        Shortcut(Action.LOAD, "F5", translate("Keys", "Load"), True),
        Shortcut(Action.ALARMS, "F8", translate("Keys", "Alarms"), True),
        Shortcut(Action.SERVICE, "F10", translate("Keys", "Service"), True),
        Shortcut(Action.DIAGNOSTICS, "F11", translate("Keys", "Diagnostics"), True),
        Shortcut(Action.HELP, "F1", translate("Keys", "Help"), True),
        Shortcut(Action.ACKNOWLEDGE, "Alt+A", translate("Keys", "Acknowledge the alarm on top")),
        Shortcut(Action.FIND, "Ctrl+F", translate("Keys", "Find on this screen")),
        Shortcut(Action.PRIMARY, "Return", translate("Keys", "The screen's main button")),
        Shortcut(Action.BACK, "Esc", translate("Keys", "Back")),
        Shortcut(Action.SCHEME, "Ctrl+D", translate("Keys", "Light or dark")),
    )


def keys_of(action: Action) -> str:
    """An action's key, as it is written."""
    return next(row.keys for row in shortcuts() if row.action is action)
