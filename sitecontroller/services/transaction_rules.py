"""What a station's word does to the stored transactions: the rules, inside one unit of work.

Plain functions on `tx`: no await, no clock, no network. Reports may be late, doubled, out of order
or missing, and energy is recorded whatever the token was. Criteria Q25 to Q37 live here.
"""

import dataclasses
from dataclasses import dataclass
from datetime import datetime, timedelta

from sitecontroller.domain.authorization import Authorization, AuthorizationStatus
from sitecontroller.domain.ids import fold, new_ulid
from sitecontroller.domain.metering import TimeQuality
from sitecontroller.domain.station import StationTime
from sitecontroller.domain.transaction import (
    Transaction,
    TransactionEnded,
    TransactionFlag,
    TransactionStarted,
    TransactionState,
    TransactionUpdated,
)
from sitecontroller.ports import UnitOfWork
from sitecontroller.services.authorization import authorize_at
from sitecontroller.services.transaction_figures import (
    SEQ_NO_MISSING_MAX,
    fact,
    first_known,
    priced,
    progressed,
    seen,
    tell,
    with_readings,
    with_trusted_energy,
)

RESENT_WITHIN = timedelta(days=30)
"""How far back a resent start or an orphaned stop is looked for."""
COMPLETES_WITHIN = timedelta(minutes=15)
"""How long after its end a transaction still takes readings (Q35)."""
CLOCK_TOLERANCE = timedelta(minutes=5)

Flag = TransactionFlag


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a report did. `changed` are the rows to tell of; `repeated`: it was known already."""

    transaction: Transaction | None
    authorization: Authorization | None = None
    changed: tuple[Transaction, ...] = ()
    began: bool = False
    ended: bool = False
    repeated: bool = False


# starts


def record_start(tx: UnitOfWork, report: TransactionStarted) -> Outcome:
    """A station began a transaction: exactly one row, however often it says so (Q25, Q26)."""
    known = _same_start(tx, report)
    if known is not None:
        return _start_again(tx, known, report)
    closed = _close_older(tx, report)
    authorization = _start_authorization(tx, report)
    transaction = _new_transaction(tx, report, authorization)
    tx.add_transaction(transaction)
    tx.add_report(transaction.key, report)
    if report.reading is not None:
        tx.add_reading(transaction.key, report.reading)
    tell(tx, transaction, "TransactionStarted")
    adopted = _adopt_orphan_stop(tx, transaction)
    changed = (*closed, adopted or transaction)
    return Outcome(
        adopted or transaction, authorization, changed, began=True, ended=adopted is not None
    )


def _same_start(tx: UnitOfWork, report: TransactionStarted) -> Transaction | None:
    if report.station_transaction_id is not None:
        for known in tx.transactions_by_station_id(
            report.station_id, report.station_transaction_id
        ):
            unreadable = known.active and report.time.quality is TimeQuality.RECEIVED
            same_time = known.started_at == report.time.at
            if same_time or unreadable or Flag.NO_START in known.flags:
                return known
        return None
    for known in tx.recent_transactions(
        report.station_id, report.evse_id, report.received_at - RESENT_WITHIN
    ):
        if known.meter_start_wh != report.meter_start_wh or not _same_token(known, report.id_token):
            continue
        if known.started_at == report.time.at:
            return known
        unreadable = report.time.quality is TimeQuality.RECEIVED
        if unreadable and known.active and Flag.CLOCK_DOUBTFUL in known.flags:
            return known
    return None


def _start_again(tx: UnitOfWork, known: Transaction, report: TransactionStarted) -> Outcome:
    authorization = Authorization(known.authorization_status, None, known.parent_id_token)
    tx.add_report(known.key, report)
    if Flag.NO_START not in known.flags:
        return Outcome(known, authorization, repeated=True)
    authorization = _start_authorization(tx, report, but=known)
    completed = dataclasses.replace(
        known,
        started_at=report.time.at,
        id_token=report.id_token or known.id_token,
        authorization_status=authorization.status,
        meter_start_wh=first_known(report.meter_start_wh, known.meter_start_wh),
        flags=known.flags - {Flag.NO_START},
    )
    completed = progressed(completed, report.seq_no, offline=report.offline)
    completed = fact(tx, priced(completed), "TransactionCorrected")
    return Outcome(completed, authorization, (completed,))


def _close_older(tx: UnitOfWork, report: TransactionStarted) -> tuple[Transaction, ...]:
    """Q32: an EVSE serves one car; a new start ends what began before it and never ended.

    So does a start that uses an open transaction's id again: ids are unique among open ones.
    """
    reused = report.station_transaction_id
    return tuple(
        close_without_stop(tx, older, report.time.at)
        for older in tx.open_transactions(report.station_id)
        if (older.evse_id == report.evse_id and older.started_at <= report.time.at)
        or older.station_transaction_id == reused
    )


def _start_authorization(
    tx: UnitOfWork, report: TransactionStarted, but: Transaction | None = None
) -> Authorization:
    if report.id_token is None:
        return Authorization(AuthorizationStatus.UNKNOWN)
    authorization = authorize_at(tx, None, report.id_token, report.time.at)
    own = but is not None and but.active and _same_token(but, report.id_token)
    if own and authorization.status is AuthorizationStatus.CONCURRENT_TX:
        return Authorization(AuthorizationStatus.ACCEPTED, authorization.expires_at)
    return authorization


def _new_transaction(
    tx: UnitOfWork, report: TransactionStarted, authorization: Authorization
) -> Transaction:
    flags: set[TransactionFlag] = set()
    if report.id_token is not None and not authorization.accepted:
        flags.add(Flag.REFUSED_TOKEN)
    if report.offline:
        flags.add(Flag.OFFLINE)
    if report.time.quality is TimeQuality.RECEIVED or _in_future(report.time, report.received_at):
        flags.add(Flag.CLOCK_DOUBTFUL)
    tariff = tx.tariff_at(report.time.at)
    if tariff is None:
        flags.add(Flag.UNPRICED)
    register_wh = report.reading.energy_import_wh if report.reading else None
    meter_start_wh = first_known(report.meter_start_wh, register_wh)
    return Transaction(
        key=new_ulid(report.received_at),
        station_id=report.station_id,
        evse_id=report.evse_id,
        connector_id=report.connector_id,
        station_transaction_id=(
            report.station_transaction_id or str(tx.next_station_transaction_id())
        ),
        state=TransactionState.ACTIVE,
        authorization_status=authorization.status,
        started_at=report.time.at,
        start_received_at=report.received_at,
        id_token=report.id_token,
        parent_id_token=authorization.parent_id_token,
        meter_start_wh=meter_start_wh,
        meter_last_wh=meter_start_wh,
        meter_last_at=report.time.at if meter_start_wh is not None else None,
        charging_state=report.charging_state,
        remote_start_id=report.remote_start_id,
        seq_no_max=report.seq_no,
        seq_no_missing=tuple(range(min(report.seq_no or 0, SEQ_NO_MISSING_MAX))),
        tariff=tariff,
        flags=frozenset(flags),
    )


def _adopt_orphan_stop(tx: UnitOfWork, transaction: Transaction) -> Transaction | None:
    """A stop that came before its start (Q30, Q33)."""
    since = transaction.start_received_at - RESENT_WITHIN
    for row_id, report in tx.orphan_reports(transaction.station_id, since):
        if isinstance(report, TransactionEnded) and _fits(transaction, report):
            tx.adopt_report(row_id, transaction.key)
            return _ended(tx, transaction, report)
    return None


# updates


def record_update(tx: UnitOfWork, report: TransactionUpdated) -> Outcome:
    """Readings, another state or a token for a transaction, found by id or by EVSE (Q34, Q35)."""
    known = _find_for_update(tx, report)
    if known is None and report.station_transaction_id is not None and report.seq_no is not None:
        return _open_unannounced(tx, report)
    if known is None:
        return Outcome(None)
    if seen(known, report.seq_no):
        return Outcome(known, repeated=True)
    for reading in report.readings:
        tx.add_reading(known.key, reading)
    updated = progressed(known, report.seq_no, offline=report.offline)
    updated = with_readings(updated, report.readings)
    if known.active and not report.offline and report.charging_state is not None:
        updated = dataclasses.replace(updated, charging_state=report.charging_state)
    if report.remote_start_id is not None:
        updated = dataclasses.replace(updated, remote_start_id=report.remote_start_id)
    authorization = None
    if report.id_token is not None and known.id_token is None:
        authorization = authorize_at(tx, None, report.id_token, report.time.at)
        updated = dataclasses.replace(
            updated,
            id_token=report.id_token,
            authorization_status=authorization.status,
            parent_id_token=authorization.parent_id_token,
            flags=updated.flags if authorization.accepted else updated.flags | {Flag.REFUSED_TOKEN},
        )
        updated = fact(tx, updated, "TransactionUpdated")
    elif not known.active:
        updated = fact(tx, priced(updated), "TransactionCorrected")
    else:
        tx.update_transaction(updated)
    return Outcome(updated, authorization, (updated,))


def _find_for_update(tx: UnitOfWork, report: TransactionUpdated) -> Transaction | None:
    if report.station_transaction_id is not None:
        for known in tx.transactions_by_station_id(
            report.station_id, report.station_transaction_id
        ):
            if known.active or _just_ended(known, report.received_at) or report.seq_no is not None:
                return known
        if report.seq_no is not None:
            return None
    if report.evse_id is None:
        return None
    open_here = tx.open_transactions(report.station_id, report.evse_id)
    return open_here[-1] if open_here else None


def _just_ended(known: Transaction, at: datetime) -> bool:
    return known.end_received_at is not None and at - known.end_received_at <= COMPLETES_WITHIN


def _open_unannounced(tx: UnitOfWork, report: TransactionUpdated | TransactionEnded) -> Outcome:
    """Q34: an Updated or Ended without its Started opens the transaction."""
    registers = [r.energy_import_wh for r in report.readings if r.energy_import_wh is not None]
    started = TransactionStarted(
        station_id=report.station_id,
        evse_id=report.evse_id or 1,
        connector_id=report.connector_id or 1,
        id_token=report.id_token,
        time=report.time,
        received_at=report.received_at,
        station_transaction_id=report.station_transaction_id,
        meter_start_wh=registers[0] if registers else None,
        charging_state=getattr(report, "charging_state", None),
        seq_no=report.seq_no,
        offline=report.offline,
    )
    authorization = _start_authorization(tx, started)
    transaction = _new_transaction(tx, started, authorization)
    transaction = dataclasses.replace(transaction, flags=transaction.flags | {Flag.NO_START})
    tx.add_transaction(transaction)
    for reading in report.readings:
        tx.add_reading(transaction.key, reading)
    tell(tx, transaction, "TransactionStarted")
    return Outcome(transaction, authorization, (transaction,), began=True)


# ends


def record_end(tx: UnitOfWork, report: TransactionEnded) -> Outcome:
    """A station ended a transaction; always kept, if need be as an orphan (Q28)."""
    known = _find_for_end(tx, report)
    if known is None and report.station_transaction_id is not None and report.seq_no is not None:
        opened = _open_unannounced(tx, report)
        assert opened.transaction is not None
        tx.add_report(opened.transaction.key, report)
        ended = _ended(tx, opened.transaction, report)
        return Outcome(ended, opened.authorization, (ended,), began=True, ended=True)
    if known is None:
        tx.add_report(None, report)
        return Outcome(None)
    fresh = tx.add_report(known.key, report)
    if not known.active and Flag.MISSING_STOP not in known.flags:
        return Outcome(known, repeated=True)
    for reading in report.readings if fresh else ():
        tx.add_reading(known.key, reading)
    ended = _ended(tx, known, report)
    return Outcome(ended, None, (ended,), ended=True)


def _find_for_end(tx: UnitOfWork, report: TransactionEnded) -> Transaction | None:
    if report.station_transaction_id is not None:
        known = tx.transactions_by_station_id(report.station_id, report.station_transaction_id)
        if known:
            return next((item for item in known if item.active), known[0])
        if report.seq_no is not None:
            return None
    fitting = [
        item
        for item in tx.open_transactions(report.station_id, report.evse_id)
        if _fits(item, report)
    ]
    if not fitting:
        return None
    same_token = [item for item in fitting if _same_token(item, report.id_token)]
    return (same_token or fitting)[-1] if len(fitting) == 1 or same_token else None


def _fits(transaction: Transaction, report: TransactionEnded) -> bool:
    """Whether a stop that names no known id can be this transaction's: EVSE, tag, meter, time."""
    if report.evse_id is not None and report.evse_id != transaction.evse_id:
        return False
    if report.id_token is not None and not _same_token(transaction, report.id_token):
        return False
    start_wh, stop_wh = transaction.meter_start_wh, report.meter_stop_wh
    if start_wh is not None and stop_wh is not None and stop_wh < start_wh:
        return False
    return report.time.at >= transaction.started_at - CLOCK_TOLERANCE


def _ended(tx: UnitOfWork, known: Transaction, report: TransactionEnded) -> Transaction:
    """The transaction with its end applied, priced and told."""
    corrected = not known.active
    ended = progressed(known, report.seq_no, offline=report.offline)
    ended = with_readings(ended, report.readings)
    flags = ended.flags - {Flag.MISSING_STOP}
    if corrected:
        flags |= {Flag.STOP_CORRECTED}
    doubtful = (
        report.time.quality is TimeQuality.RECEIVED
        or _in_future(report.time, report.received_at)
        or report.time.at < known.started_at
    )
    if doubtful:
        flags |= {Flag.CLOCK_DOUBTFUL}
    ended = dataclasses.replace(
        ended,
        state=TransactionState.ENDED,
        ended_at=max(report.time.at, known.started_at),
        end_received_at=report.received_at,
        stop_reason=report.stop_reason,
        meter_stop_wh=report.meter_stop_wh,
        charging_state=None,
        flags=flags,
    )
    ended = with_trusted_energy(tx, ended)
    return fact(tx, priced(ended), "TransactionCorrected" if corrected else "TransactionEnded")


def close_without_stop(tx: UnitOfWork, transaction: Transaction, at: datetime) -> Transaction:
    """Q32: end a transaction whose stop never came, at its last trusted register."""
    ended_at = max(transaction.started_at, transaction.meter_last_at or transaction.started_at)
    ended = dataclasses.replace(
        transaction,
        state=TransactionState.ENDED,
        ended_at=min(ended_at, max(at, transaction.started_at)),
        charging_state=None,
        flags=transaction.flags | {Flag.MISSING_STOP},
    )
    ended = with_trusted_energy(tx, ended)
    return fact(tx, priced(ended), "TransactionEnded")


def _same_token(known: Transaction, id_token: object) -> bool:
    ours = known.id_token.id_token if known.id_token is not None else None
    theirs = getattr(id_token, "id_token", None)
    if ours is None or theirs is None:
        return ours is theirs
    return fold(ours) == fold(theirs)


def _in_future(time: StationTime, received_at: datetime) -> bool:
    return time.at > received_at + CLOCK_TOLERANCE
