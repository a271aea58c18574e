"""What a simulated card terminal knows: the card that is presented next, and its own books."""

from dataclasses import dataclass, field
from enum import StrEnum

NO_CARD_IN_TIME, NOT_FOR_BANK_CARDS, RESERVATION_UNKNOWN, AMOUNT_WRONG = 0x6C, 0x43, 0xB8, 0xB7
ALREADY_REVERSED, NOT_REVERSIBLE, NO_CONNECTION = 0xB4, 0xB5, 0xA3
RECEIPT_MAX, TRACE_MAX = 9999, 999_999


class Kind(StrEnum):
    """What a line of the books is."""

    SALE = "sale"
    RESERVATION = "reservation"
    BOOKING = "booking"
    RELEASE = "release"
    REVERSAL = "reversal"
    REFUND = "refund"


@dataclass(frozen=True, slots=True)
class Card:
    """A card as the terminal meets it. `result` 0: approved; else the code it is refused with.

    `card_type` by ZVT's list, `line` of the day's totals.
    """

    name: str
    card_type: int
    line: str
    pan: str = "4012888888881881"
    result: int = 0
    can_reserve: bool = True


VISA = Card("Visa Credit", 10, "visa")
MASTERCARD = Card("Debit Mastercard", 6, "mastercard", "5413330089020011")
GIROCARD = Card("girocard", 5, "girocard", "6726402012345678904", can_reserve=False)
GIROCARD_THAT_RESERVES = Card("girocard", 5, "girocard", "6726402012345678904")
DECLINED = Card("Visa Credit", 10, "visa", result=0x05)
WITHOUT_MONEY = Card("girocard", 5, "girocard", "6726402012345678904", result=0x71)
NOBODY = Card("", 0, "other", result=NO_CARD_IN_TIME)


@dataclass(slots=True)
class Entry:
    """One line. `amount` in minor units; `undone` once it was reversed, booked or released."""

    receipt: int
    trace: int
    kind: Kind
    amount: int
    card: Card
    of: int | None = None
    of_trace: int = 0
    undone: bool = False
    sign: int = 0
    """1: money taken, −1: given back, 0: neither."""


@dataclass(frozen=True, slots=True)
class DayTotals:
    """A closed day: count and sum by line, in minor units; receipts from and to."""

    lines: dict[str, tuple[int, int]]
    first: int
    last: int
    trace: int


_SIGN = {Kind.SALE: 1, Kind.BOOKING: 1, Kind.REVERSAL: -1, Kind.REFUND: -1}


@dataclass(slots=True)
class Books:
    """Everything the terminal ever did, since its last day end and before."""

    entries: list[Entry] = field(default_factory=list)
    days: list[DayTotals] = field(default_factory=list)
    last: Entry | DayTotals | None = None
    trace: int = 0
    receipt: int = 0
    _open_from: int = 0

    def enter(self, kind: Kind, amount: int, card: Card, of: Entry | None = None) -> Entry:
        """Write a line."""
        self.receipt = self.receipt % RECEIPT_MAX + 1
        entry = Entry(
            self.receipt,
            self._next_trace(),
            kind,
            amount,
            card,
            of.receipt if of else None,
            of.trace if of else 0,
            sign=_SIGN.get(kind, 0),
        )
        if of is not None:
            of.undone = True
        self.entries.append(entry)
        self.last = entry
        return entry

    def reverse_last(self) -> None:
        """Book the reversal of the last line, as terminals do by themselves after a power cut."""
        last = self.entries[-1]
        reversal = self.enter(Kind.REVERSAL, last.amount, last.card, last)
        reversal.sign = -last.sign
        self._reopen(last.of)

    def undo_last(self, before: Entry | DayTotals | None) -> None:
        """Strike the last line, as if it had never been."""
        entry = self.entries.pop()
        self.last = before
        self._reopen(entry.of)

    def _reopen(self, receipt: int | None) -> None:
        for known in self.entries:
            if known.receipt == receipt:
                known.undone = False

    def find(self, receipt: int | None, *kinds: Kind) -> Entry | None:
        """A line that is not undone; only the terminal's open day is searched."""
        return next(
            (
                entry
                for entry in reversed(self._open)
                if entry.receipt == receipt and entry.kind in kinds
            ),
            None,
        )

    def reservations(self) -> list[Entry]:
        """Those neither booked nor released."""
        return [
            entry for entry in self.entries if entry.kind is Kind.RESERVATION and not entry.undone
        ]

    def taken(self) -> int:
        """All money that was ever taken less what was given back, in minor units."""
        return sum(entry.sign * entry.amount for entry in self.entries)

    def close_day(self) -> DayTotals:
        """Add up what is open, and begin anew."""
        lines: dict[str, tuple[int, int]] = {}
        for entry in self._open:
            if entry.sign:
                count, amount = lines.get(entry.card.line, (0, 0))
                lines[entry.card.line] = (count + 1, amount + entry.sign * entry.amount)
        receipts = [entry.receipt for entry in self._open] or [0]
        day = DayTotals(lines, receipts[0], receipts[-1], self._next_trace())
        self._open_from = len(self.entries)
        self.days.append(day)
        self.last = day
        return day

    @property
    def _open(self) -> list[Entry]:
        return self.entries[self._open_from :]

    def _next_trace(self) -> int:
        self.trace = self.trace % TRACE_MAX + 1
        return self.trace
