"""A card terminal as `[till.terminal]` of site.toml has it."""

from pathlib import Path

from sitecontroller.config.till import TerminalSettings
from sitecontroller.payments.zvt.client import Times
from sitecontroller.payments.zvt.line import TerminalAddress
from sitecontroller.payments.zvt.memory import NotebookFile
from sitecontroller.payments.zvt.provider import CardTerminal, TerminalContract
from sitecontroller.ports import Clock

NOTEBOOK = "card-terminal.json"


def card_terminal(settings: TerminalSettings, state_dir: Path, clock: Clock) -> CardTerminal:
    """The provider; its notebook lies in the state folder. Nothing is opened yet."""
    return CardTerminal(
        TerminalAddress.parse(settings.url),
        settings.password,
        settings.currency,
        NotebookFile(state_dir / NOTEBOOK),
        clock,
        contract=TerminalContract(settings.preauthorize, settings.refund),
        times=Times(t3_s=settings.t3_s, t4_s=settings.t4_s),
    )
