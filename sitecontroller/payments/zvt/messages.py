"""What a till says to a terminal and what comes back, as values. Pure.

A terminal's answers are read leniently: a field that is absent or can't be read is None.
"""

from dataclasses import dataclass

from sitecontroller.payments.zvt import fields, tlv
from sitecontroller.payments.zvt.apdu import Apdu, ZvtError
from sitecontroller.payments.zvt.fields import Field, Fields
from sitecontroller.payments.zvt.tlv import Tlv, container

REGISTRATION, AUTHORISATION, LOG_OFF = 0x0600, 0x0601, 0x0602
RESERVATION, PARTIAL_REVERSAL, BOOK_TOTAL, RESERVATION_REVERSAL = 0x0622, 0x0623, 0x0624, 0x0625
REPEAT_RECEIPT, REVERSAL, REFUND, END_OF_DAY, ABORT = 0x0620, 0x0630, 0x0631, 0x0650, 0x06B0
STATUS_ENQUIRY = 0x0501
STATUS, PROGRESS, COMPLETION, ABORTED = 0x040F, 0x04FF, 0x060F, 0x061E
PRINT_LINE, PRINT_BLOCK, SET_TIME = 0x06D1, 0x06D3, 0x0401

CONFIGURATION = 0x9E
"""The till prints all slips by print lines (02, 04, 80), wants to hear what goes on (08), and alone
enters amounts (10)."""
STATUS_WITHOUT_PRINT = 0x03
WITHOUT_VERSION = 0x02
PERMITTED = (PRINT_LINE, PRINT_BLOCK)

TAG_LINE, TAG_ATTRIBUTE, TAG_TEXTS, TAG_PERMITTED, TAG_COMMAND = 0x07, 0x09, 0x24, 0x26, 0x0A
TAG_PRINT, TAG_RECEIPT_TYPE, TAG_LONG_TRACE, TAG_CARD_TYPE = 0x25, 0x1F07, 0x1F2B, 0x41
LINE_CHARACTERS_MAX = 200

TOTALS_ORDER = ("girocard", "jcb", "mastercard", "amex", "visa", "diners", "other")
"""The lines of a day's totals (bitmap 60)."""
_TOTAL_BYTES = 7


@dataclass(frozen=True, slots=True)
class StatusInformation:
    """What a transaction came to (04 0F). `result` 0: approved. Amounts in minor units."""

    result: int
    amount: int | None
    receipt: int | None
    trace: int | None
    original_trace: int | None
    card_type: int | None
    card_name: str | None
    pan: str | None
    terminal_id: str | None
    vu_number: str | None
    aid: str | None
    text: str | None
    date: str | None
    time: str | None
    totals: "Totals | None"

    @property
    def place(self) -> tuple[int | None, int | None]:
        """What tells a transaction from the one before: receipt number and trace number."""
        return self.receipt, self.trace


@dataclass(frozen=True, slots=True)
class Totals:
    """A day's totals by line: count and sum in minor units."""

    first_receipt: int
    last_receipt: int
    lines: dict[str, tuple[int, int]]


def registration(password: int, currency: int) -> Apdu:
    """Say who is the till and what it can do (06 00)."""
    permitted = container(
        TAG_PERMITTED, [Tlv(TAG_COMMAND, each.to_bytes(2, "big")) for each in PERMITTED]
    )
    optional = [Field(fields.SERVICE_BYTE, b"\0"), Field(fields.CONTAINER, permitted.encode())]
    head = _password(password) + bytes((CONFIGURATION,)) + fields.to_bcd(currency, 2)
    return Apdu(REGISTRATION, head + fields.encode(optional))


def authorisation(amount: int, currency: int) -> Apdu:
    """Take an amount (06 01)."""
    return Apdu(AUTHORISATION, _sum(amount, currency))


def reservation(amount: int, currency: int) -> Apdu:
    """Hold an amount (06 22)."""
    return Apdu(RESERVATION, _sum(amount, currency))


def booking(
    receipt: int, used: int, currency: int, trace: int | None = None, aid: bytes = b""
) -> Apdu:
    """Book what was used of a reservation (06 24)."""
    return Apdu(BOOK_TOTAL, _of(receipt) + _sum(used, currency) + _witness(trace, aid))


def partial_reversal(
    receipt: int, unused: int, currency: int, trace: int | None = None, aid: bytes = b""
) -> Apdu:
    """Release what was not used of a reservation, and book the rest (06 23)."""
    return Apdu(PARTIAL_REVERSAL, _of(receipt) + _sum(unused, currency) + _witness(trace, aid))


def reservation_reversal(receipt: int, amount: int, currency: int) -> Apdu:
    """Release a reservation of which nothing was used (06 25)."""
    return Apdu(RESERVATION_REVERSAL, _of(receipt) + _sum(amount, currency))


def reversal(password: int, receipt: int, amount: int, currency: int) -> Apdu:
    """Take back a whole payment of the terminal's day (06 30); needs no card."""
    return Apdu(REVERSAL, _password(password) + _of(receipt) + _sum(amount, currency))


def refund(password: int, amount: int, currency: int) -> Apdu:
    """Give an amount to a card that is presented (06 31)."""
    return Apdu(REFUND, _password(password) + _sum(amount, currency))


def repeat_receipt(password: int) -> Apdu:
    """Tell the last transaction again, without paper (06 20)."""
    service = Field(fields.SERVICE_BYTE, bytes((STATUS_WITHOUT_PRINT,)))
    return Apdu(REPEAT_RECEIPT, _password(password) + service.encode())


def status_enquiry(password: int) -> Apdu:
    """Ask how the terminal is (05 01), without its software's version."""
    service = Field(fields.SERVICE_BYTE, bytes((WITHOUT_VERSION,)))
    return Apdu(STATUS_ENQUIRY, _password(password) + service.encode())


def end_of_day(password: int) -> Apdu:
    """Hand in and close the day (06 50)."""
    return Apdu(END_OF_DAY, _password(password))


def read_status(data: bytes) -> StatusInformation:
    """A 04 0F; never raises. Without a result code it is of a transaction that went well."""
    found = fields.decode(data)
    container_trace = found.tagged(TAG_LONG_TRACE)
    trace = fields.from_bcd(container_trace[0]) if container_trace else found.number(fields.TRACE)
    return StatusInformation(
        result=found.byte(fields.RESULT) or 0,
        amount=found.number(fields.AMOUNT),
        receipt=found.number(fields.RECEIPT),
        trace=trace,
        original_trace=found.number(fields.ORIGINAL_TRACE),
        card_type=_card_type(found),
        card_name=found.text(fields.CARD_NAME),
        pan=_masked(found.get(fields.PAN)),
        terminal_id=_digits(found, fields.TERMINAL_ID),
        vu_number=found.text(fields.VU_NUMBER),
        aid=found.text(fields.AID),
        text=found.text(fields.TEXT),
        date=_digits(found, fields.DATE),
        time=_digits(found, fields.TIME),
        totals=_totals(found.get(fields.TOTALS)),
    )


def read_abort(data: bytes) -> int:
    """The result code of a 06 1E; FF where it has none."""
    return data[0] if data else 0xFF


def read_terminal_status(data: bytes) -> int:
    """The terminal's status code of a completed status enquiry; 0 where it tells none."""
    if not data:
        return 0
    if len(data) > 4 and all(byte & 0xF0 == 0xF0 for byte in data[:3]):  # a version after all
        size = int("".join(str(min(byte & 0x0F, 9)) for byte in data[:3]))
        return data[3 + size] if len(data) > 3 + size else 0
    return data[0]


def read_progress(data: bytes) -> tuple[int, float | None, tuple[str, ...]]:
    """A 04 FF: the code, a new T4 in seconds, the terminal's own words."""
    minutes = fields.from_bcd(data[1:2]) if len(data) > 1 else None
    lines = fields.decode(data[2:]).tagged(TAG_LINE)
    words = tuple(text for line in lines if (text := fields.to_text(line)))
    return data[0] if data else 0xFF, minutes * 60.0 if minutes else None, words


def read_line(data: bytes) -> tuple[tuple[str, ...], bool]:
    """A 06 D1: its lines of print, and whether the slip ends with it."""
    if not data:
        return ("",), False
    attribute, text = data[0], data[1:]
    if attribute == 0xFF:
        return ("",) * min(text[0] if text else 1, 20), True
    return (_printed(attribute, text),), _ends(attribute)


def read_block(data: bytes) -> tuple[tuple[str, ...], bool, bool]:
    """A 06 D3: its lines, whether the slip ends with it, whether it is the customer's."""
    found = fields.decode(data)
    lines: list[str] = []
    ends, attribute = False, 0
    for block in found.tagged(TAG_PRINT):
        for each in _objects(block):
            if each.tag == TAG_ATTRIBUTE and each.value:
                attribute = each.value[0]
                ends = ends or _ends(attribute)
            elif each.tag == TAG_LINE:
                lines.append(_printed(attribute, each.value))
    kind = found.tagged(TAG_RECEIPT_TYPE)
    return tuple(lines), ends, bool(kind) and kind[0][-1:] == b"\x02"


def _objects(block: bytes) -> tuple[Tlv, ...]:
    try:
        return tlv.decode_all(block)
    except ZvtError:
        return ()


def _printed(attribute: int, text: bytes) -> str:
    indent = attribute & 0x0F if attribute < 0x80 else 0
    return (" " * indent + fields.to_text(text))[:LINE_CHARACTERS_MAX]


def _ends(attribute: int) -> bool:
    return attribute > 0x80


def _password(password: int) -> bytes:
    return fields.to_bcd(password, 3)


def _sum(amount: int, currency: int) -> bytes:
    return fields.encode(
        [
            Field(fields.AMOUNT, fields.to_bcd(amount, 6)),
            Field(fields.CURRENCY, fields.to_bcd(currency, 2)),
        ]
    )


def _of(receipt: int) -> bytes:
    return Field(fields.RECEIPT, fields.to_bcd(receipt, 2)).encode()


def _witness(trace: int | None, aid: bytes) -> bytes:
    """Trace number and the bank's authorisation mark, which booking a reservation needs."""
    known = []
    if trace is not None and trace <= 999_999:
        known.append(Field(fields.TRACE, fields.to_bcd(trace, 3)))
    elif trace is not None:
        digits = str(trace)
        long_trace = Tlv(TAG_LONG_TRACE, fields.to_bcd(trace, (len(digits) + 1) // 2))
        known.append(Field(fields.TRACE, bytes(3)))
        known.append(Field(fields.CONTAINER, long_trace.encode()))
    if aid:
        known.insert(1 if known else 0, Field(fields.AID, aid[:8].ljust(8, b"\0")))
    return fields.encode(known)


def _card_type(found: Fields) -> int | None:
    tagged = found.tagged(TAG_CARD_TYPE)
    if tagged and tagged[0]:
        return int.from_bytes(tagged[0][:2], "big")
    return found.byte(fields.CARD_TYPE)


def _masked(pan: bytes | None) -> str | None:
    """The last four digits: a whole card number is never kept, masked by the terminal or not."""
    if not pan:
        return None
    digits = pan.hex().rstrip("f")
    ending = digits[-4:]
    return f"**** {ending}" if ending.isdecimal() else "****"


def _digits(found: Fields, bitmap: int) -> str | None:
    value = found.get(bitmap)
    return value.hex() if value and value.hex().isdecimal() else None


def _totals(value: bytes | None) -> Totals | None:
    if value is None or len(value) < 4 + _TOTAL_BYTES * len(TOTALS_ORDER):
        return None
    lines: dict[str, tuple[int, int]] = {}
    for number, name in enumerate(TOTALS_ORDER):
        at = 4 + _TOTAL_BYTES * number
        amount = fields.from_bcd(value[at + 1 : at + _TOTAL_BYTES])
        if amount is None:
            return None
        lines[name] = (value[at], amount)
    return Totals(fields.from_bcd(value[:2]) or 0, fields.from_bcd(value[2:4]) or 0, lines)
