"""Which stored transaction a report means: the same words first, the exact id second, a guess last.

Stations resend, reuse ids, lose ids, and stamp 1970. A guess is marked as one, so that the exact
word can still correct it. Reads only. Criteria Q25, Q28, Q30, Q33 to Q35.
"""

from dataclasses import dataclass
from datetime import timedelta

from sitecontroller.domain.authorization import IdToken
from sitecontroller.domain.ids import fold
from sitecontroller.domain.metering import TimeQuality
from sitecontroller.domain.transaction import (
    Transaction,
    TransactionEnded,
    TransactionFlag,
    TransactionReport,
    TransactionStarted,
    TransactionUpdated,
)
from sitecontroller.ports import UnitOfWork
from sitecontroller.services.transaction_figures import seen

RESENT_WITHIN = timedelta(days=30)
"""How far back a resent start or an orphaned stop is looked for."""
COMPLETES_WITHIN = timedelta(minutes=15)
"""How long after its end a transaction still takes readings (Q35)."""
SLACK = timedelta(minutes=1)
"""By how much a station's stamps may disagree with each other."""

Flag = TransactionFlag
CORRECTABLE = frozenset({Flag.MISSING_STOP, Flag.STOP_GUESSED})
"""Ends that the station's own exact word replaces."""


@dataclass(frozen=True, slots=True)
class Match:
    """A transaction, and whether it is only the likeliest."""

    transaction: Transaction
    guessed: bool = False


def said_before(tx: UnitOfWork, report: TransactionReport) -> Transaction | None:
    """The transaction that took the very same report before."""
    kept = tx.kept_report(report)
    if kept is None or kept.transaction_key is None:
        return None
    return tx.transaction(kept.transaction_key)


def started_before(tx: UnitOfWork, report: TransactionStarted) -> Transaction | None:
    """The transaction whose start this is, told again or told late."""
    known = said_before(tx, report)
    if known is not None and not _stood_still(known, report):
        return known
    if report.station_transaction_id is None:
        return _started_before_16(tx, report)
    return _started_before_2x(tx, report, report.station_transaction_id)


def meant_by_update(tx: UnitOfWork, report: TransactionUpdated) -> Transaction | None:
    """The transaction an update belongs to: by id, else the one at its EVSE at that time (Q35)."""
    if report.station_transaction_id is not None:
        for known in tx.transactions_by_station_id(
            report.station_id, report.station_transaction_id
        ):
            if known.active or Flag.MISSING_STOP in known.flags or _still_concerns(known, report):
                return known
        if report.seq_no is not None:
            return None
    if report.evse_id is None or not report.readings:
        return None
    at = min(reading.at for reading in report.readings)
    for known in reversed(tx.open_transactions(report.station_id, report.evse_id)):
        if at >= known.started_at - SLACK:
            return known
    since = report.received_at - RESENT_WITHIN
    last = tx.last_transaction(report.station_id, report.evse_id, since)
    if last is None or at < last.started_at - SLACK or not _still_concerns(last, report):
        return None
    return last


def meant_by_end(tx: UnitOfWork, report: TransactionEnded, evse_count: int) -> Match | None:
    """The transaction a stop ends. Without a known id it is guessed, if one alone can be meant.

    On a station of several EVSEs a stop that names neither EVSE nor card is nobody's.
    """
    if report.station_transaction_id is not None:
        known = tx.transactions_by_station_id(report.station_id, report.station_transaction_id)
        exact = [item for item in known if item.active or _may_have_ended(item, report)]
        if exact:
            return Match(next((item for item in exact if item.active), exact[0]))
        if report.seq_no is not None:
            return None
    if report.id_token is None and report.evse_id is None and evse_count > 1:
        return None
    fitting = [
        item
        for item in tx.open_transactions(report.station_id, report.evse_id)
        if could_end(item, report)
    ]
    same_token = [item for item in fitting if same_token_as(item, report.id_token)]
    chosen = same_token or fitting
    return Match(chosen[0], guessed=True) if len(chosen) == 1 else None


def orphan_stop_of(tx: UnitOfWork, transaction: Transaction) -> tuple[int, TransactionEnded] | None:
    """A kept stop without a transaction that came before this start and is its own (Q30, Q33)."""
    since = transaction.start_received_at - RESENT_WITHIN
    for row_id, report in tx.orphan_reports(transaction.station_id, since):
        if isinstance(report, TransactionEnded) and could_end(transaction, report):
            return row_id, report
    return None


def orphans_told_by(tx: UnitOfWork, ended: Transaction) -> list[int]:
    """Kept stops that say what this exact end says too: they must not end anyone else."""
    since = ended.start_received_at - RESENT_WITHIN
    return [
        row_id
        for row_id, report in tx.orphan_reports(ended.station_id, since)
        if isinstance(report, TransactionEnded)
        and report.meter_stop_wh is not None
        and report.meter_stop_wh == ended.meter_stop_wh
        and (report.id_token is None or same_token_as(ended, report.id_token))
    ]


def could_end(transaction: Transaction, report: TransactionEnded) -> bool:
    """Whether a stop without a known id can be this transaction's: EVSE, card, meter, time.

    With a readable clock it may not lie before the start. Without one the meter must have moved
    on: the previous driver's stop and this start stand on the same register.
    """
    if report.evse_id is not None and report.evse_id != transaction.evse_id:
        return False
    if report.id_token is not None and not same_token_as(transaction, report.id_token):
        return False
    start_wh, stop_wh = transaction.meter_start_wh, report.meter_stop_wh
    least_wh = max(
        (wh for wh in (start_wh, transaction.meter_last_wh) if wh is not None), default=0
    )
    if stop_wh is not None and stop_wh < least_wh:
        return False
    if _is_unreadable(report) or Flag.CLOCK_DOUBTFUL in transaction.flags:
        return stop_wh is not None and start_wh is not None and stop_wh > start_wh
    return report.time.at >= transaction.started_at


def same_token_as(known: Transaction, id_token: IdToken | None) -> bool:
    """Whether a card is the one the transaction runs on; none equals none."""
    if known.id_token is None or id_token is None:
        return known.id_token is id_token
    return fold(known.id_token.id_token) == fold(id_token.id_token)


def _started_before_16(tx: UnitOfWork, report: TransactionStarted) -> Transaction | None:
    """The start that a 1.6 station sends again names the same instant, meter and card."""
    if _is_unreadable(report) or report.time.at < report.received_at - RESENT_WITHIN:
        return None
    for known in tx.transactions_begun_at(report.station_id, report.evse_id, report.time.at):
        same_meter = report.meter_start_wh in (None, known.meter_start_wh)
        if same_meter and same_token_as(known, report.id_token) and not _stood_still(known, report):
            return known
    return None


def _started_before_2x(
    tx: UnitOfWork, report: TransactionStarted, station_transaction_id: str
) -> Transaction | None:
    for known in tx.transactions_by_station_id(report.station_id, station_transaction_id):
        if Flag.NO_START in known.flags:
            if known.active or _is_unreadable(report) or _not_after(report, known):
                return known
            continue
        same_meter = report.meter_start_wh in (None, known.meter_start_wh)
        told_again = seen(known, report.seq_no) and same_meter and not _stood_still(known, report)
        if told_again and (known.active or _is_unreadable(report) or _not_after(report, known)):
            return known
    return None


def _stood_still(known: Transaction, report: TransactionStarted) -> bool:
    """Whether a new start could stand where an ended one stood: no energy flowed in between.

    Then only a readable, equal time makes it the same.
    """
    if known.active or (not _is_unreadable(report) and known.started_at == report.time.at):
        return False
    return not known.energy_wh


def _still_concerns(known: Transaction, report: TransactionUpdated) -> bool:
    """Whether an ended transaction may be meant: not by what happened after its end."""
    if known.ended_at is None:
        return True
    if _is_unreadable(report):
        just_ended = (
            known.end_received_at is not None
            and report.received_at - known.end_received_at <= COMPLETES_WITHIN
        )
        return just_ended or report.seq_no in known.seq_no_missing
    return _not_after(report, known)


def _may_have_ended(known: Transaction, report: TransactionEnded) -> bool:
    """Whether an ended transaction's stop may come (again): 2.x ids are used anew after an end."""
    if report.seq_no is None or _is_unreadable(report) or CORRECTABLE & known.flags:
        return True
    return _not_after(report, known)


def _not_after(report: TransactionReport, known: Transaction) -> bool:
    return known.ended_at is None or report.time.at <= known.ended_at + SLACK


def _is_unreadable(report: TransactionReport) -> bool:
    return report.time.quality is TimeQuality.RECEIVED
