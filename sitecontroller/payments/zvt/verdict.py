"""What a terminal's answer means for a payment. Pure.

Only three things prove an outcome: an approved result with its completion, a refusal or abort
without an approved result, and the terminal's own last transaction compared with the one before.
All else is UNKNOWN.
"""

from sitecontroller.domain.money import Money
from sitecontroller.domain.payment import OperationKind, OperationState, ProviderAnswer
from sitecontroller.payments.zvt import fields, words
from sitecontroller.payments.zvt.client import Outcome
from sitecontroller.payments.zvt.memory import Pending
from sitecontroller.payments.zvt.messages import StatusInformation

_NOT_FOR_THIS_CARD = (0x43, 0x44, 0x67, 0x68, 0x83, 0xC5)
_OF_THE_CARD = frozenset({OperationKind.SALE, OperationKind.PREAUTHORIZE, OperationKind.REFUND})


def of_outcome(kind: OperationKind, outcome: Outcome, currency: str) -> ProviderAnswer:
    """What a command came to that was heard to its end."""
    status = outcome.status
    if outcome.refusal is not None:
        return _refused(OperationState.CANCELED, kind, outcome.refusal)
    if outcome.aborted is not None:
        if status is not None and status.result == 0:
            return unknown("the terminal gave up after it had approved")
        code = status.result if status is not None else outcome.aborted
        return _refused(_state_of(code), kind, code)
    if status is None:
        return unknown("the terminal told no result")
    if status.result:
        return _refused(_state_of(status.result), kind, status.result)
    if fields.decode(outcome.completion).byte(fields.RESULT):
        return unknown("the terminal approved and then reported an error")
    slip = "\n".join(outcome.customer_slip + outcome.merchant_slip)
    return _approved(kind, status, currency, slip)


def of_last(pending: Pending, last: StatusInformation | None, currency: str) -> ProviderAnswer:
    """What became of a command whose end was not heard, by the terminal's last transaction."""
    if last is None or pending.place is None or last.place == (None, None):
        return unknown("the terminal can't tell its last payment: compare its slips")
    if last.place == pending.place:
        return ProviderAnswer(
            OperationState.CANCELED, reason="it did not take place: the terminal has no record"
        )
    kind = OperationKind(pending.kind)
    if last.result:
        return _refused(_state_of(last.result), kind, last.result)
    if last.original_trace and last.original_trace != pending.of_trace:
        return ProviderAnswer(OperationState.CANCELED, reason="the terminal reversed it by itself")
    if last.totals is not None or last.amount not in pending.amounts:
        return unknown("another transaction is the terminal's last: compare its slips")
    return _approved(kind, last, currency, "")


def unknown(reason: str) -> ProviderAnswer:
    """Nobody knows."""
    return ProviderAnswer(OperationState.UNKNOWN, reason=reason)


def _approved(
    kind: OperationKind, status: StatusInformation, currency: str, slip: str
) -> ProviderAnswer:
    scheme = words.scheme_of(status.card_type)
    details = {
        "scheme": scheme.scheme,
        "card": status.card_name or scheme.name,
        "pan": status.pan,
        "receipt_number": _number(status.receipt, 4),
        "trace": _number(status.trace, 6),
        "aid": status.aid,
        "terminal_id": status.terminal_id,
        "vu_number": status.vu_number,
        "text": status.text,
        "slip": slip,
    }
    told = status.amount is not None and kind in _OF_THE_CARD
    return ProviderAnswer(
        OperationState.APPROVED,
        amount=Money.from_minor(status.amount or 0, currency) if told else None,
        reference=f"{_number(status.receipt, 4)}/{_number(status.trace, 6)}",
        details={name: value for name, value in details.items() if value},
    )


def _refused(state: OperationState, kind: OperationKind, code: int) -> ProviderAnswer:
    details = {"code": f"{code:02X}"}
    if kind is OperationKind.PREAUTHORIZE and code in _NOT_FOR_THIS_CARD:
        details["instead"] = "prepaid"
    return ProviderAnswer(state, reason=words.result_text(code), details=details)


def _state_of(code: int) -> OperationState:
    given_up = words.is_canceled(code) or words.is_no_acquirer(code) or words.is_busy(code)
    return OperationState.CANCELED if given_up else OperationState.DECLINED


def _number(value: int | None, digits: int) -> str:
    return "" if value is None else f"{value:0{digits}d}"
