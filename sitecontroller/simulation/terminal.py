"""A simulated card terminal: the bytes of ZVT over TCP or a pty, cards, books, and every fault.

`presented` is the card that the next payments meet (None: nobody yet, it waits); `fail_next` makes
the next money command go wrong at one step. Its books are the truth that a till has to agree with.
"""

import asyncio
import contextlib
from enum import StrEnum

from sitecontroller.payments.zvt import fields, tlv
from sitecontroller.payments.zvt.apdu import OK, Apdu
from sitecontroller.payments.zvt.fields import Field, Fields
from sitecontroller.payments.zvt.tlv import Tlv
from sitecontroller.simulation.terminal_books import (
    ALREADY_REVERSED,
    AMOUNT_WRONG,
    NO_CARD_IN_TIME,
    NO_CONNECTION,
    NOT_FOR_BANK_CARDS,
    NOT_REVERSIBLE,
    RESERVATION_UNKNOWN,
    VISA,
    Books,
    Card,
    DayTotals,
    Entry,
    Kind,
)
from sitecontroller.simulation.terminal_lines import End, Hung, PtyEnd, TcpEnd

TERMINAL_ID = "52000001"
VU_NUMBER = "VU-SIMULATED-01"
TOTAL_LINES = ("girocard", "jcb", "mastercard", "amex", "visa", "diners", "other")
BUSY, SYSTEM_ERROR, PRINTER, UNSUPPORTED, DEACTIVATED = 0x9C, 0xFF, 0xCC, 0x83, 0x6B
_DAY_END, _ABORT, _ENQUIRE = 0x0650, 0x06B0, 0x0501
LOOK_S = 0.01
_KINDS = {
    0x0601: Kind.SALE,
    0x0622: Kind.RESERVATION,
    0x0623: Kind.BOOKING,
    0x0624: Kind.BOOKING,
    0x0625: Kind.RELEASE,
    0x0630: Kind.REVERSAL,
    0x0631: Kind.REFUND,
}
_WITH_PASSWORD = {0x0600, 0x0620, 0x0630, 0x0631, 0x0650, 0x0501}


class Fault(StrEnum):
    """At which step the next money command goes wrong, and what the books say then."""

    NO_ACK = "hears the command, says nothing and does nothing"
    NO_ACK_BUT_DONE = "books without a word"
    REFUSES = "does not take the command"
    LOST_BEFORE_BOOKING = "the line breaks before anything is booked"
    LOST_AFTER_BOOKING = "books, and the line breaks before the result"
    LOST_AFTER_STATUS = "books and tells the result, and the line breaks before the completion"
    SILENT_AFTER_BOOKING = "books, and says nothing more"
    SILENT_BEFORE_BOOKING = "says nothing more and books nothing"
    GARBAGE_INSTEAD_OF_ACK = "answers nonsense and does nothing"
    GARBAGE_AFTER_BOOKING = "books, and tells nonsense"
    SLOW = "takes long and says so"
    RESTART_BOOKED = "books, restarts, and has it booked"
    RESTART_REVERSED = "books, restarts, and reverses it by itself"
    RESTART_REVERSAL_BOOKED = "books, restarts, and books a reversal of it by itself"
    BOOKS_LATE = "the line breaks, and it books a little later"
    PRINTER_FAILS = "tells the result, can't print, reverses and aborts"
    NO_ACQUIRER = "has no line to its acquirer"


class SimulatedTerminal:
    """One terminal. `pause_s` lies between its steps; `late_s` is how long it is busy after a
    line broke."""

    def __init__(self, *, pause_s: float = 0.0, late_s: float = 0.05) -> None:
        self.books = Books()
        self.presented: Card | None = VISA
        self.registered_with: bytes | None = None
        self.commands: list[int] = []
        self.knows_repeat_receipt = True
        self._pause_s, self._late_s = pause_s, late_s
        self._fault: Fault | None = None
        self._busy = False
        self._abort_asked = False
        self._server: asyncio.Server | None = None
        self._pty: PtyEnd | None = None
        self._ends: set[End] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def fail_next(self, fault: Fault | None) -> None:
        """What becomes of the next money command."""
        self._fault = fault

    async def listen(self, port: int = 0, host: str = "127.0.0.1") -> int:
        """Serve TCP; the port."""
        self._server = await asyncio.start_server(self._accept, host, port)
        return int(self._server.sockets[0].getsockname()[1])

    def open_pty(self) -> PtyEnd:
        """Serve a serial line."""
        self._pty = PtyEnd()
        self._spawn(self._serve(self._pty))
        return self._pty

    async def stop(self) -> None:
        """End all of it."""
        if self._server is not None:
            self._server.close()
        for end in tuple(self._ends):
            end.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._pty is not None:
            self._pty.end()

    def hang_up(self) -> None:
        """Break every line now."""
        for end in tuple(self._ends):
            end.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        end = TcpEnd(reader, writer)
        with contextlib.suppress(asyncio.CancelledError):
            await self._serve(end)
        end.close()

    def _spawn(self, work: "asyncio._CoroutineLike[None]") -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, end: End) -> None:
        self._ends.add(end)
        try:
            while True:
                try:
                    await self._handle(end, await end.receive())
                except Hung:
                    if isinstance(end, TcpEnd):
                        return
        finally:
            self._ends.discard(end)

    async def _handle(self, end: End, command: Apdu) -> None:
        if command.is_answer:
            return
        self.commands.append(command.control)
        if self._busy and command.control != _ENQUIRE:
            await end.send(Apdu(0x8400 | BUSY))
            return
        found = fields.decode(_after_password(command))
        match command.control:
            case 0x0600:
                self.registered_with = command.data
                status = [Field(fields.STATUS_BYTE, b"\0"), _terminal_id()]
                await self._told(end, OK, Apdu(0x060F, fields.encode(status)))
            case 0x0602 | 0x06B0:
                await end.send(OK)
            case 0x0501:
                await self._told(end, OK, Apdu(0x060F, bytes((BUSY if self._busy else 0,))))
            case 0x0620:
                await self._repeat(end)
            case 0x0623 if found.get(fields.RECEIPT) == b"\xff\xff":
                await self._told(end, OK, self._open_reservations())
            case 0x0650 | 0x0601 | 0x0622 | 0x0623 | 0x0624 | 0x0625 | 0x0630 | 0x0631:
                await self._money(end, command.control, found)
            case _:
                await end.send(Apdu(0x8400 | UNSUPPORTED))

    async def _repeat(self, end: End) -> None:
        if not self.knows_repeat_receipt:
            await end.send(Apdu(0x8400 | UNSUPPORTED))
        elif self.books.last is None:
            await self._told(end, OK, Apdu(0x061E, bytes((SYSTEM_ERROR,))))
        else:
            status = Apdu(0x040F, fields.encode(_status(self.books.last)))
            await self._told(end, OK, status, Apdu(0x060F))

    async def _money(self, end: End, control: int, found: Fields) -> None:
        fault, self._fault = self._fault, None
        match fault:
            case Fault.NO_ACK:
                return
            case Fault.REFUSES:
                await end.send(Apdu(0x8400 | DEACTIVATED))
                return
            case Fault.GARBAGE_INSTEAD_OF_ACK:
                await end.send_raw(b"\x55\xaa\x02\x00\x00" * 3)
                return
            case Fault.NO_ACK_BUT_DONE:
                self._book(control, found)
                return
        await end.send(OK)
        await self._progress(end, 0x0A, slow=fault is Fault.SLOW)
        if await self._abandoned(end, control):
            return await self._tell_result(end, NO_CARD_IN_TIME, None, None)
        before = self.books.last
        match fault:
            case Fault.LOST_BEFORE_BOOKING:
                return self._drop(end)
            case Fault.SILENT_BEFORE_BOOKING:
                return
            case Fault.BOOKS_LATE:
                self._busy = True
                self._spawn(self._book_late(control, found))
                return self._drop(end)
        result = NO_CONNECTION if fault is Fault.NO_ACQUIRER else self._book(control, found)
        match fault:
            case Fault.LOST_AFTER_BOOKING | Fault.RESTART_BOOKED:
                return self._drop(end)
            case Fault.RESTART_REVERSED:
                if not isinstance(result, int):
                    self._undo(before)
                return self._drop(end)
            case Fault.RESTART_REVERSAL_BOOKED:
                if isinstance(result, Entry):
                    self.books.reverse_last()
                return self._drop(end)
            case Fault.SILENT_AFTER_BOOKING:
                return
            case Fault.GARBAGE_AFTER_BOOKING:
                await end.send_raw(b"\x55\xaa\xff\xff\xff" * 3)
                return
        await self._tell_result(end, result, fault, before)

    async def _tell_result(
        self,
        end: End,
        result: Entry | DayTotals | int,
        fault: Fault | None,
        before: Entry | DayTotals | None,
    ) -> None:
        if isinstance(result, int):
            refused = fields.encode([Field(fields.RESULT, bytes((result,)))])
            await self._told(end, Apdu(0x040F, refused), Apdu(0x061E, bytes((result,))))
            return
        await self._told(end, Apdu(0x040F, fields.encode(_status(result))))
        if fault is Fault.LOST_AFTER_STATUS:
            return self._drop(end)
        if fault is Fault.PRINTER_FAILS:
            self._undo(before)
            await self._told(end, Apdu(0x061E, bytes((PRINTER,))))
            return
        for line in _slip(result):
            await self._told(end, line)
        await self._told(end, Apdu(0x060F))

    async def _progress(self, end: End, code: int, *, slow: bool) -> None:
        for _ in range(5 if slow else 1):
            await self._told(end, Apdu(0x04FF, bytes((code,))))
            await asyncio.sleep(0.02 if slow else self._pause_s)

    async def _abandoned(self, end: End, control: int) -> bool:
        """Wait for a card where one is needed; whether the till gave up meanwhile."""
        if control not in (0x0601, 0x0622, 0x0631):
            return False
        while self.presented is None and not self._abort_asked:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._take_abort(end, await end.receive())
        asked, self._abort_asked = self._abort_asked, False
        return asked

    async def _take_abort(self, end: End, message: Apdu) -> None:
        if message.control == _ABORT:
            self._abort_asked = True
            await end.send(OK)

    async def _told(self, end: End, *messages: Apdu) -> None:
        """Send each, and wait for the till's acknowledgement of what isn't one itself."""
        for message in messages:
            await end.send(message)
            if not message.is_answer:
                while not (answer := await end.receive()).is_answer:
                    await self._take_abort(end, answer)

    def _drop(self, end: End) -> None:
        end.close()

    async def _book_late(self, control: int, found: Fields) -> None:
        await asyncio.sleep(self._late_s)
        self._book(control, found)
        self._busy = False

    def _undo(self, before: Entry | DayTotals | None) -> None:
        if isinstance(self.books.last, Entry):
            self.books.undo_last(before)

    def _book(self, control: int, found: Fields) -> Entry | DayTotals | int:
        """The line that was written, or the code it was refused with."""
        if control == _DAY_END:
            return self.books.close_day()
        kind, amount = _KINDS[control], found.number(fields.AMOUNT) or 0
        receipt = found.number(fields.RECEIPT)
        if kind in (Kind.SALE, Kind.RESERVATION, Kind.REFUND):
            return self._by_card(kind, amount)
        if kind is Kind.REVERSAL:
            return self._reverse(receipt, amount)
        held = next((e for e in self.books.reservations() if e.receipt == receipt), None)
        if held is None:
            return RESERVATION_UNKNOWN
        if amount > held.amount:
            return AMOUNT_WRONG
        if kind is Kind.RELEASE:
            return self.books.enter(kind, held.amount, held.card, held)
        used = held.amount - amount if control == 0x0623 else amount
        return self.books.enter(kind if used else Kind.RELEASE, used, held.card, held)

    def _by_card(self, kind: Kind, amount: int) -> Entry | int:
        card = self.presented
        if card is None:
            return NO_CARD_IN_TIME
        if card.result:
            return card.result
        if kind is Kind.RESERVATION and not card.can_reserve:
            return NOT_FOR_BANK_CARDS
        return self.books.enter(kind, amount, card)

    def _reverse(self, receipt: int | None, amount: int) -> Entry | int:
        taken = self.books.find(receipt, Kind.SALE, Kind.BOOKING)
        if taken is None or amount != taken.amount:
            return NOT_REVERSIBLE
        if taken.undone:
            return ALREADY_REVERSED
        return self.books.enter(Kind.REVERSAL, taken.amount, taken.card, taken)

    def _open_reservations(self) -> Apdu:
        receipts = [fields.to_bcd(entry.receipt, 2) for entry in self.books.reservations()]
        listed = tlv.container(0x23, [Tlv(0x08, each) for each in receipts])
        first = Field(fields.RECEIPT, receipts[0] if receipts else b"\xff\xff")
        items = [first, Field(fields.CONTAINER, listed.encode())]
        return Apdu(0x061E, bytes((RESERVATION_UNKNOWN,)) + fields.encode(items))


def _after_password(command: Apdu) -> bytes:
    return command.data[3:] if command.control in _WITH_PASSWORD else command.data


def _terminal_id() -> Field:
    return Field(fields.TERMINAL_ID, bytes.fromhex(TERMINAL_ID))


def _status(done: Entry | DayTotals) -> list[Field]:
    approved = Field(fields.RESULT, b"\0")
    trace = Field(fields.TRACE, fields.to_bcd(done.trace, 3))
    if isinstance(done, DayTotals):
        total = sum(amount for _, amount in done.lines.values())
        return [
            approved,
            Field(fields.AMOUNT, fields.to_bcd(max(total, 0), 6)),
            Field(fields.TOTALS, _totals(done)),
            trace,
        ]
    original = []
    if done.kind is Kind.REVERSAL and done.of is not None:
        original.append(Field(fields.ORIGINAL_TRACE, fields.to_bcd(done.of_trace, 3)))
    pan = done.card.pan if len(done.card.pan) % 2 == 0 else done.card.pan + "f"
    return [
        approved,
        Field(fields.AMOUNT, fields.to_bcd(done.amount, 6)),
        Field(fields.CURRENCY, fields.to_bcd(978, 2)),
        trace,
        Field(fields.TIME, bytes.fromhex("120000")),
        Field(fields.DATE, bytes.fromhex("1122")),
        Field(fields.PAN, bytes.fromhex(pan)),
        Field(fields.RECEIPT, fields.to_bcd(done.receipt, 2)),
        Field(fields.CARD_TYPE, bytes((done.card.card_type,))),
        Field(fields.CARD_NAME, fields.from_text(done.card.name) + b"\0"),
        _terminal_id(),
        Field(fields.VU_NUMBER, fields.from_text(VU_NUMBER).ljust(15)),
        Field(fields.AID, b"123456\0\0"),
        *original,
    ]


def _totals(day: DayTotals) -> bytes:
    head = fields.to_bcd(day.first, 2) + fields.to_bcd(day.last, 2)
    lines = [day.lines.get(name, (0, 0)) for name in TOTAL_LINES]
    return head + b"".join(
        bytes((min(count, 0xFF),)) + fields.to_bcd(max(amount, 0), 6) for count, amount in lines
    )


def _slip(done: Entry | DayTotals) -> list[Apdu]:
    """A line by itself, then the rest as a text block that ends the slip."""
    what = "Kassenschnitt" if isinstance(done, DayTotals) else done.kind.value
    amount = 0 if isinstance(done, DayTotals) else done.amount
    texts = [
        Tlv(0x09, b"\0"),
        Tlv(0x07, fields.from_text(f"EUR {amount / 100:.2f}")),
        Tlv(0x07, fields.from_text(f"Terminal-ID {TERMINAL_ID}")),
        Tlv(0x09, b"\x81"),
    ]
    block = [Tlv(0x1F07, b"\x02"), tlv.container(0x25, texts)]
    container = Field(fields.CONTAINER, tlv.encode_all(block))
    return [Apdu(0x06D1, b"\x40" + fields.from_text(what)), Apdu(0x06D3, container.encode())]
