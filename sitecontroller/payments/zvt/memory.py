"""What the till remembers of a terminal over a crash: the command under way, and what came of those
before.

It is written before a command goes out. Where the file can't be read a new one begins, and of
operations from before nothing is claimed.
"""

import json
import os
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from sitecontroller.domain.money import Money
from sitecontroller.domain.payment import OperationState, ProviderAnswer

SETTLED_MAX = 200


@dataclass(frozen=True, slots=True)
class Pending:
    """A command that went out, or is about to. Amounts in minor units.

    `place`: receipt and trace number of the terminal's last transaction before it; None: it told
    none. `amounts`: what the terminal may call this one's sum. `of_trace`: of the transaction that
    it undoes or books.
    """

    key: str
    kind: str
    amounts: tuple[int, ...]
    place: tuple[int | None, int | None] | None
    started_at: datetime
    of_trace: int | None = None


@dataclass(slots=True)
class Memory:
    """`known_since`: every operation that started later went through this memory."""

    known_since: datetime
    pending: Pending | None = None
    settled: dict[str, dict[str, Any]] = field(default_factory=dict)

    def settle(self, key: str, answer: ProviderAnswer, started_at: datetime) -> None:
        """What came of an operation; the oldest are forgotten."""
        self.settled[key] = {
            "state": answer.state.value,
            "reference": answer.reference,
            "reason": answer.reason,
            "details": answer.details,
            "amount": None if answer.amount is None else answer.amount.amount_minor,
            "started_at": started_at.isoformat(),
        }
        while len(self.settled) > SETTLED_MAX:
            oldest = self.settled.pop(next(iter(self.settled)))
            gone = datetime.fromisoformat(oldest["started_at"])
            self.known_since = max(self.known_since, gone)
        if self.pending is not None and self.pending.key == key:
            self.pending = None

    def answer_to(self, key: str, currency: str) -> ProviderAnswer | None:
        """What came of an operation; None: it isn't known here."""
        found = self.settled.get(key)
        if found is None:
            return None
        amount = found["amount"]
        return ProviderAnswer(
            OperationState(found["state"]),
            amount=None if amount is None else Money.from_minor(amount, currency),
            reference=found["reference"],
            reason=found["reason"],
            details=dict(found["details"]),
        )

    def encode(self) -> str:
        """As a file's text."""
        pending = None
        if self.pending is not None:
            pending = asdict(self.pending) | {"started_at": self.pending.started_at.isoformat()}
        known = {"known_since": self.known_since.isoformat(), "pending": pending}
        return json.dumps(known | {"settled": self.settled}, ensure_ascii=False)

    @classmethod
    def decode(cls, text: str, now: datetime) -> "Memory":
        """A file's text; a new memory where it isn't one."""
        try:
            known = json.loads(text)
            pending = known["pending"]
            if pending is not None:
                place = pending["place"]
                pending = Pending(
                    key=pending["key"],
                    kind=pending["kind"],
                    amounts=tuple(pending["amounts"]),
                    place=None if place is None else (place[0], place[1]),
                    started_at=datetime.fromisoformat(pending["started_at"]),
                    of_trace=pending["of_trace"],
                )
            settled = {key: answer for key, answer in known["settled"].items() if answer["state"]}
            return cls(datetime.fromisoformat(known["known_since"]), pending, settled)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            return cls(now)


class Notebook(Protocol):
    """Where a memory is kept. Both may take a while: they are called off the loop."""

    def read(self) -> str: ...
    def write(self, text: str) -> None: ...


class NotebookFile:
    """A file that is whole or as it was, also after a power cut."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> str:
        """Its text; "" where there is none."""
        try:
            return self._path.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            return ""

    def write(self, text: str) -> None:
        """Replace it. Raises OSError."""
        new = self._path.with_suffix(".new")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
        if os.name == "posix":  # else a power cut may bring the old file back
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
