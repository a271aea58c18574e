"""A card terminal as `[till.terminal]` of site.toml has it, and how it is as alarms."""

from pathlib import Path

from sitecontroller.config.till import TerminalSettings
from sitecontroller.payments.zvt.client import Times
from sitecontroller.payments.zvt.line import TerminalAddress
from sitecontroller.payments.zvt.memory import NotebookFile
from sitecontroller.payments.zvt.provider import CardTerminal, TerminalContract, TerminalState
from sitecontroller.ports import Clock
from sitecontroller.services.alarms import AlarmService

NOTEBOOK = "card-terminal.json"
SUBJECT = "card terminal"


def card_terminal(
    settings: TerminalSettings, state_dir: Path, clock: Clock, alarms: AlarmService
) -> CardTerminal:
    """The provider; its notebook lies in the state folder. Nothing is opened yet."""
    return CardTerminal(
        TerminalAddress.parse(settings.url),
        settings.password,
        settings.currency,
        NotebookFile(state_dir / NOTEBOOK),
        clock,
        contract=TerminalContract(settings.preauthorize, settings.refund),
        times=Times(t3_s=settings.t3_s, t4_s=settings.t4_s),
        changed=lambda state: _alarm(alarms, state),
    )


def _alarm(alarms: AlarmService, state: TerminalState) -> None:
    for code, well in (
        ("terminal-unreachable", state.reachable),
        ("terminal-without-bank", state.acquirer),
    ):
        if well is False:
            alarms.raise_(code, SUBJECT, reason=state.detail)
        elif well:
            alarms.clear(code, SUBJECT)
