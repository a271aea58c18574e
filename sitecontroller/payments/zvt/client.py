"""The till's end of ZVT: one command at a time, from its first byte to the terminal's last word.

Every command connects and registers if need be. While a command runs the terminal is the master:
it tells how it goes, prints and ends with a completion or an abort, and each of its messages is
acknowledged. A line that breaks, garbage and silence end in LineBroken, which says whether the
command had gone out: then nobody here knows what it came to. Nothing is ever sent twice.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from sitecontroller.payments.zvt import messages, words
from sitecontroller.payments.zvt.apdu import OK, Apdu
from sitecontroller.payments.zvt.line import Line, LineBroken, TerminalAddress, connect
from sitecontroller.payments.zvt.messages import StatusInformation

T3_S = 5.0
"""From a command to its 80-00 or 84-xx."""
T4_S = 180.0
"""From then on between two words of the terminal."""
T4_MAX_S = 30 * 60.0
"""What a terminal may make of T4."""
COMMAND_S_MAX = 60 * 60.0
MESSAGES_MAX = 2_000
LINES_MAX = 500
_NOT_POSSIBLE = Apdu(0x8483)

log = logging.getLogger(__name__)


class Lost(Exception):
    """The line broke. `sent`: the command had gone out, and may have been carried out."""

    def __init__(self, why: str, *, sent: bool) -> None:
        super().__init__(why)
        self.sent = sent


@dataclass(frozen=True, slots=True)
class Times:
    """How long is waited, in seconds."""

    connect_s: float = 5.0
    t3_s: float = T3_S
    t4_s: float = T4_S


@dataclass(slots=True)
class Outcome:
    """What a command came to. `refusal`: the terminal did not take it; `aborted`: it gave it up,
    with this result; both None: completed, with `completion` as its data."""

    refusal: int | None = None
    aborted: int | None = None
    completion: bytes = b""
    status: StatusInformation | None = None
    """The last that was told."""
    customer_slip: list[str] = field(default_factory=list)
    merchant_slip: list[str] = field(default_factory=list)


class TerminalClient:
    """One terminal. `told` hears in words what the terminal is doing."""

    def __init__(
        self,
        address: TerminalAddress,
        password: int,
        currency: int,
        *,
        times: Times | None = None,
        told: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self._address, self._password, self._currency = address, password, currency
        self._times = times or Times()
        self._told = told
        self._line: Line | None = None
        self._lock = asyncio.Lock()
        self._at_work = False

    @property
    def is_connected(self) -> bool:
        """Whether there is a line on which the till is registered."""
        return self._line is not None

    async def perform(self, command: Apdu) -> Outcome:
        """Carry out one command. Raises Lost."""
        async with self._lock:
            line = await self._registered()
            return await self._asked(line, command)

    async def connect(self) -> None:
        """Connect and register, if it isn't. Raises Lost, never `sent`."""
        async with self._lock:
            await self._registered()

    async def abort(self) -> bool:
        """Ask the terminal to give up the command at work; whether there was one to give up.

        What came of it is what that command's `perform` returns.
        """
        line = self._line
        if line is None or not self._at_work:
            return False
        try:
            async with asyncio.timeout(self._times.t3_s):
                await line.send(Apdu(messages.ABORT))
        except (LineBroken, TimeoutError):
            return False
        return True

    async def log_off(self) -> None:
        """Say goodbye (06 02) where there is a line, and close it."""
        async with self._lock:
            line = self._line
            if line is not None:
                with contextlib.suppress(LineBroken, TimeoutError):
                    async with asyncio.timeout(self._times.t3_s):
                        await line.send(Apdu(messages.LOG_OFF))
                        await line.receive()
            self.close()

    def close(self) -> None:
        """Close the line; the next command opens another."""
        line, self._line = self._line, None
        if line is not None:
            line.close()

    async def _registered(self) -> Line:
        if self._line is not None and self._line.is_gone:
            self.close()
        if self._line is not None:
            return self._line
        try:
            self._line = line = await connect(self._address, self._times.connect_s)
        except LineBroken as error:
            raise Lost(str(error), sent=False) from None
        try:
            outcome = await self._asked(line, messages.registration(self._password, self._currency))
        except Lost as error:
            raise Lost(str(error), sent=False) from None
        code = outcome.refusal if outcome.refusal is not None else outcome.aborted
        if code is not None:
            self.close()
            raise Lost(f"the terminal doesn't take the till: {words.result_text(code)}", sent=False)
        return line

    async def _asked(self, line: Line, command: Apdu) -> Outcome:
        """On any failure, a cancelled call included, the line is closed: what comes late on it is
        never taken for another command's."""
        self._at_work = True
        try:
            async with asyncio.timeout(COMMAND_S_MAX):
                return await self._exchange(line, command)
        except BaseException as error:
            self.close()
            if isinstance(error, LineBroken):
                raise Lost(str(error), sent=True) from None
            if isinstance(error, TimeoutError):
                raise Lost(f"the terminal was silent during {command}", sent=True) from None
            raise
        finally:
            self._at_work = False

    async def _exchange(self, line: Line, command: Apdu) -> Outcome:
        outcome = Outcome()
        async with asyncio.timeout(self._times.t3_s):
            await line.send(command)
            answer = await line.receive()
        if not answer.is_answer:
            raise LineBroken(f"the terminal says {answer} instead of an acknowledgement")
        if answer.refusal is not None:
            outcome.refusal = answer.refusal
            return outcome
        silence_s = self._times.t4_s
        for _ in range(MESSAGES_MAX):
            async with asyncio.timeout(silence_s):
                message = await line.receive()
                if message.is_answer:  # an Abort's, or a late one
                    continue
                ended, longer_s = self._heard(outcome, message)
                await line.send(_acknowledgement(message))
            silence_s = longer_s or silence_s
            if ended:
                return outcome
        raise LineBroken("the terminal talks without end")

    def _heard(self, outcome: Outcome, message: Apdu) -> tuple[bool, float | None]:
        """Whether that was the command's end, and a new T4."""
        match message.control:
            case messages.PROGRESS:
                code, longer_s, said = messages.read_progress(message.data)
                self._told(" ".join(said) or words.progress_text(code))
                return False, min(longer_s, T4_MAX_S) if longer_s else None
            case messages.STATUS:
                outcome.status = messages.read_status(message.data)
            case messages.PRINT_LINE:
                lines, _ = messages.read_line(message.data)
                _keep(outcome.customer_slip, lines)
            case messages.PRINT_BLOCK:
                lines, _, customers = messages.read_block(message.data)
                _keep(outcome.customer_slip if customers else outcome.merchant_slip, lines)
            case messages.COMPLETION:
                outcome.completion = message.data
                return True, None
            case messages.ABORTED:
                outcome.aborted = messages.read_abort(message.data)
                return True, None
            case _:
                log.info("card terminal: a message that is not known command=%s", message)
        return False, None


def _acknowledgement(message: Apdu) -> Apdu:
    known = {
        messages.PROGRESS,
        messages.STATUS,
        messages.PRINT_LINE,
        messages.PRINT_BLOCK,
        messages.COMPLETION,
        messages.ABORTED,
        messages.SET_TIME,
    }
    return OK if message.control in known else _NOT_POSSIBLE


def _keep(slip: list[str], lines: tuple[str, ...]) -> None:
    slip.extend(lines[: LINES_MAX - len(slip)])
