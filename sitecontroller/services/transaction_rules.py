"""What a station's word does to the stored transactions: the rules, inside one unit of work.

Plain functions on `tx`: no await, no clock, no network. Reports may be late, doubled, out of order
or missing, and energy is recorded whatever the token was. Criteria Q25 to Q37 live here; which
transaction a report means is `transaction_matching`'s.
"""

import dataclasses
from dataclasses import dataclass
from datetime import datetime, timedelta

from sitecontroller.domain.authorization import Authorization, AuthorizationStatus, IdToken
from sitecontroller.domain.ids import new_ulid
from sitecontroller.domain.metering import TimeQuality
from sitecontroller.domain.session_usage import SessionMark
from sitecontroller.domain.station import StationTime
from sitecontroller.domain.tariff import Tariff
from sitecontroller.domain.topology import EvseKey, Topology
from sitecontroller.domain.transaction import (
    Transaction,
    TransactionEnded,
    TransactionFlag,
    TransactionReport,
    TransactionStarted,
    TransactionState,
    TransactionUpdated,
)
from sitecontroller.ports import UnitOfWork
from sitecontroller.services.authorization import authorize_at, in_group, may_stop
from sitecontroller.services.emergency_rows import unless_stopped
from sitecontroller.services.reservation_rows import unless_reserved, use_reservation
from sitecontroller.services.session_facts import note_mark, note_state
from sitecontroller.services.tariff_choice import tariff_of_session
from sitecontroller.services.transaction_figures import (
    SEQ_NO_MISSING_MAX,
    brings_more,
    fact,
    first_known,
    priced,
    progressed,
    seen,
    tell,
    with_readings,
    with_trusted_energy,
)
from sitecontroller.services.transaction_matching import (
    CORRECTABLE,
    Match,
    meant_by_end,
    meant_by_update,
    orphan_stop_of,
    orphans_told_by,
    said_before,
    same_token_as,
    started_before,
)

CLOCK_TOLERANCE = timedelta(minutes=5)
OPEN_PER_STATION_MAX = 50
"""No station serves so many cars; what it makes up beyond is closed, oldest first."""

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


def record_start(tx: UnitOfWork, report: TransactionStarted, topology: Topology) -> Outcome:
    """A station began a transaction: exactly one row, however often it says so (Q25, Q26)."""
    known = started_before(tx, report)
    if known is not None:
        return _start_again(tx, known, report, topology)
    closed = _close_older(tx, report, topology)
    authorization = _start_authorization(tx, report)
    transaction = _new_transaction(tx, report, authorization)
    tx.add_transaction(transaction)
    tx.add_report(transaction.key, report)
    note_state(tx, transaction, report.charging_state, report.time, report.received_at)
    _note_fallback(tx, transaction, topology)
    if report.reading is not None:
        tx.add_reading(transaction.key, report.reading)
        transaction = with_readings(transaction, (report.reading,))
        tx.update_transaction(transaction)
    tell(tx, transaction, "TransactionStarted")
    use_reservation(tx, transaction, report.reservation_id)
    orphan = orphan_stop_of(tx, transaction)
    if orphan is None:
        return Outcome(transaction, authorization, (*closed, transaction), began=True)
    row_id, stop = orphan
    tx.adopt_report(row_id, transaction.key)
    ended = _ended(tx, Match(transaction, guessed=True), stop, topology)
    return Outcome(ended, authorization, (*closed, ended), began=True, ended=True)


def record_update(tx: UnitOfWork, report: TransactionUpdated, topology: Topology) -> Outcome:
    """Readings, another state or a token for a transaction (Q34, Q35)."""
    known = meant_by_update(tx, report)
    if known is None and report.station_transaction_id is not None and report.seq_no is not None:
        return _open_unannounced(tx, report, topology)
    if known is None:
        return Outcome(None)
    if seen(known, report.seq_no) and not brings_more(known, report):
        return Outcome(known, _answer(tx, known, report), repeated=True)
    for reading in report.readings:
        tx.add_reading(known.key, reading)
    is_news = report.charging_state is not known.charging_state
    if is_news or report.offline or not known.active:
        note_state(tx, known, report.charging_state, report.time, report.received_at)
    updated = progressed(_placed(known, report), report.seq_no, offline=report.offline)
    updated = with_readings(updated, report.readings, ending=not known.active)
    if known.active and not report.offline and report.charging_state is not None:
        updated = dataclasses.replace(updated, charging_state=report.charging_state)
    if report.remote_start_id is not None:
        updated = dataclasses.replace(updated, remote_start_id=report.remote_start_id)
    authorization = _answer(tx, updated, report)
    if authorization is not None and _takes_over(known, report, authorization):
        assert report.id_token is not None, "without a card there is no answer"
        authorization = unless_reserved(
            tx,
            authorization,
            updated.station_id,
            updated.evse_id,
            report.id_token,
            _judged_at(report),
        )
    if authorization is not None and _takes_over(known, report, authorization):
        updated = _with_token(updated, report.id_token, authorization)
        updated = _under_tariff_of_group(tx, updated)
        use_reservation(tx, updated, report.reservation_id)
    if not known.active:
        updated = _settled(tx, updated, topology)
        updated = fact(tx, updated, "TransactionCorrected")
    elif updated.id_token is not known.id_token:
        updated = fact(tx, updated, "TransactionUpdated")
    else:
        tx.update_transaction(updated)
    return Outcome(updated, authorization, (updated,))


def record_end(tx: UnitOfWork, report: TransactionEnded, topology: Topology) -> Outcome:
    """A station ended a transaction; always kept, if need be as an orphan (Q28)."""
    told = said_before(tx, report)
    if told is not None or tx.kept_report(report) is not None:
        return Outcome(told, _answer(tx, told, report), repeated=True)
    station = topology.stations.get(report.station_id)
    match = meant_by_end(tx, report, len(station.evses) if station is not None else 1)
    if match is None and report.station_transaction_id is not None and report.seq_no is not None:
        return _end_unannounced(tx, report, topology)
    if match is None:
        tx.add_report(None, report)
        return Outcome(None)
    known = match.transaction
    authorization = _answer(tx, known, report)
    tx.add_report(known.key, report)
    if not known.active and not CORRECTABLE & known.flags:
        return Outcome(known, authorization, repeated=True)
    ended = _ended(tx, match, report, topology)
    if not match.guessed:
        for row_id in orphans_told_by(tx, ended):
            tx.adopt_report(row_id, ended.key)
    return Outcome(ended, authorization, (ended,), ended=True)


def close_without_stop(
    tx: UnitOfWork, transaction: Transaction, at: datetime, topology: Topology
) -> Transaction:
    """Q32: end a transaction whose stop never came, at its last trusted register."""
    ended_at = max(transaction.started_at, transaction.meter_last_at or transaction.started_at)
    ended = dataclasses.replace(
        transaction,
        state=TransactionState.ENDED,
        ended_at=min(ended_at, max(at, transaction.started_at)),
        charging_state=None,
        flags=transaction.flags | {Flag.MISSING_STOP},
    )
    return fact(tx, _settled(tx, ended, topology), "TransactionEnded")


def _start_again(
    tx: UnitOfWork, known: Transaction, report: TransactionStarted, topology: Topology
) -> Outcome:
    tx.add_report(known.key, report)
    if Flag.NO_START not in known.flags:
        same = Authorization(known.authorization_status, None, known.parent_id_token)
        return Outcome(known, same, repeated=True)
    same = Authorization(known.authorization_status, None, known.parent_id_token)
    tariff = _tariff(tx, report, same)
    unpriced = {Flag.UNPRICED} if tariff is None else set()
    completed = dataclasses.replace(
        known,
        evse_id=report.evse_id,
        connector_id=report.connector_id,
        started_at=report.time.at,
        remote_start_id=(
            known.remote_start_id if report.remote_start_id is None else report.remote_start_id
        ),
        meter_start_wh=first_known(_start_register(report), known.meter_start_wh),
        tariff=tariff,
        flags=known.flags - {Flag.NO_START, Flag.UNPRICED} | unpriced,
    )
    authorization = Authorization(known.authorization_status, None, known.parent_id_token)
    if report.id_token is not None and not same_token_as(known, report.id_token):
        authorization = _start_authorization(tx, report)
        taken_over = known.id_token is not None and Flag.REFUSED_TOKEN not in known.flags
        if authorization.accepted or not taken_over:
            completed = _with_token(completed, report.id_token, authorization)
    if report.reading is not None:
        tx.add_reading(known.key, report.reading)
    completed = progressed(completed, report.seq_no, offline=report.offline)
    if not completed.active:
        completed = _settled(tx, completed, topology)
    completed = fact(tx, completed, "TransactionCorrected")
    use_reservation(tx, completed, report.reservation_id)
    return Outcome(completed, authorization, (completed,))


def _close_older(
    tx: UnitOfWork, report: TransactionStarted, topology: Topology
) -> tuple[Transaction, ...]:
    """Q32: an EVSE serves one car; a new start ends what began before it and never ended.

    So does a start that uses an open transaction's id again: ids are unique among open ones.
    """
    reused = report.station_transaction_id
    open_here = tx.open_transactions(report.station_id)
    too_many = len(open_here) - OPEN_PER_STATION_MAX + 1
    return tuple(
        close_without_stop(tx, older, report.time.at, topology)
        for number, older in enumerate(open_here)
        if (older.evse_id == report.evse_id and older.started_at <= report.time.at)
        or older.station_transaction_id == reused
        or number < too_many
    )


def _start_authorization(tx: UnitOfWork, report: TransactionStarted) -> Authorization:
    if report.id_token is None:
        return Authorization(AuthorizationStatus.UNKNOWN)
    at = _judged_at(report)
    return unless_reserved(
        tx,
        unless_stopped(tx, authorize_at(tx, None, report.id_token, at), at),
        report.station_id,
        report.evse_id,
        report.id_token,
        at,
    )


def _judged_at(report: TransactionReport) -> datetime:
    """When its card was shown: what just happened is judged by our clock, not by the station's."""
    return min(report.time.at, report.received_at) if report.offline else report.received_at


def _tariff(
    tx: UnitOfWork, report: TransactionStarted, authorization: Authorization
) -> Tariff | None:
    """The one in force at the start; none of the future's, however far ahead a clock is."""
    at = min(report.time.at, report.received_at)
    return tariff_of_session(tx, report.station_id, authorization.parent_id_token, at)


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
    tariff = _tariff(tx, report, authorization)
    if tariff is None:
        flags.add(Flag.UNPRICED)
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
        meter_start_wh=_start_register(report),
        charging_state=report.charging_state,
        remote_start_id=report.remote_start_id,
        seq_no_max=report.seq_no,
        seq_no_missing=tuple(range(min(report.seq_no or 0, SEQ_NO_MISSING_MAX))),
        tariff=tariff,
        flags=frozenset(flags),
    )


def _note_fallback(tx: UnitOfWork, transaction: Transaction, topology: Topology) -> None:
    """Until load management knows a session its fallback holds: where no car charges with that, the
    site holds it back from the start. What is told late went by other limits."""
    evse = topology.evse(EvseKey(transaction.station_id, transaction.evse_id))
    is_late = transaction.start_received_at - transaction.started_at > CLOCK_TOLERANCE
    if evse is None or evse.fallback_a >= evse.current_a_min or is_late:
        return
    at, reason = transaction.started_at, "until load management knew the session"
    mark = SessionMark(at, transaction.start_received_at, paused=True, reason=reason)
    note_mark(tx, transaction, mark)


def _open_unannounced(
    tx: UnitOfWork, report: TransactionUpdated | TransactionEnded, topology: Topology
) -> Outcome:
    """Q34: an Updated or Ended without its Started opens the transaction."""
    started = TransactionStarted(
        station_id=report.station_id,
        evse_id=report.evse_id or 1,
        connector_id=report.connector_id or 1,
        id_token=report.id_token,
        time=report.time,
        received_at=report.received_at,
        station_transaction_id=report.station_transaction_id,
        charging_state=report.charging_state if isinstance(report, TransactionUpdated) else None,
        seq_no=report.seq_no,
        offline=report.offline,
        reservation_id=report.reservation_id if isinstance(report, TransactionUpdated) else None,
    )
    closed = _close_older(tx, started, topology)
    authorization = _start_authorization(tx, started)
    transaction = _new_transaction(tx, started, authorization)
    ending = isinstance(report, TransactionEnded)
    transaction = with_readings(transaction, report.readings, ending=ending)
    transaction = dataclasses.replace(transaction, flags=transaction.flags | {Flag.NO_START})
    tx.add_transaction(transaction)
    for reading in report.readings:
        tx.add_reading(transaction.key, reading)
    note_state(tx, transaction, started.charging_state, report.time, report.received_at)
    tell(tx, transaction, "TransactionStarted")
    use_reservation(tx, transaction, started.reservation_id)
    answered = authorization if report.id_token is not None else None
    return Outcome(transaction, answered, (*closed, transaction), began=True)


def _end_unannounced(tx: UnitOfWork, report: TransactionEnded, topology: Topology) -> Outcome:
    opened = _open_unannounced(tx, report, topology)
    assert opened.transaction is not None
    tx.add_report(opened.transaction.key, report)
    bare = dataclasses.replace(report, readings=())
    ended = _ended(tx, Match(opened.transaction), bare, topology)
    return Outcome(
        ended, opened.authorization, (*opened.changed[:-1], ended), began=True, ended=True
    )


def _ended(
    tx: UnitOfWork, match: Match, report: TransactionEnded, topology: Topology
) -> Transaction:
    """The transaction with its end applied, priced and told."""
    known = match.transaction
    corrected = not known.active
    for reading in report.readings:
        tx.add_reading(known.key, reading)
    ended = progressed(_placed(known, report), report.seq_no, offline=report.offline)
    ended = with_readings(ended, report.readings, ending=True)
    flags = ended.flags - CORRECTABLE
    if corrected:
        flags |= {Flag.STOP_CORRECTED}
    if match.guessed:
        flags |= {Flag.STOP_GUESSED}
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
    ended = _settled(tx, ended, topology)
    return fact(tx, ended, "TransactionCorrected" if corrected else "TransactionEnded")


def _settled(tx: UnitOfWork, transaction: Transaction, topology: Topology) -> Transaction:
    """An ended transaction with its energy and price worked out (again)."""
    evse = topology.evse(EvseKey(transaction.station_id, transaction.evse_id))
    power_w_max = None if evse is None else evse.power_w_max
    believed = with_trusted_energy(tx, transaction, power_w_max)
    return priced(tx, believed, power_w_max, topology.time_zone)


def _placed(known: Transaction, report: TransactionUpdated | TransactionEnded) -> Transaction:
    """A transaction opened without its start takes the EVSE that an event names at last."""
    if Flag.NO_START not in known.flags or report.evse_id is None:
        return known
    return dataclasses.replace(
        known, evse_id=report.evse_id, connector_id=report.connector_id or known.connector_id
    )


def _answer(
    tx: UnitOfWork, known: Transaction | None, report: TransactionUpdated | TransactionEnded
) -> Authorization | None:
    """What a card shown with an event is worth; None when none was shown."""
    id_token = report.id_token
    if id_token is None:
        return None
    if known is not None and known.id_token is not None and same_token_as(known, id_token):
        return Authorization(known.authorization_status, None, known.parent_id_token)
    authorization = authorize_at(tx, None, id_token, _judged_at(report))
    if known is not None and known.active and in_group(known, authorization):
        return may_stop(authorization)
    return authorization


def _takes_over(
    known: Transaction, report: TransactionUpdated, authorization: Authorization
) -> bool:
    """A first card always counts; a good one replaces one that was refused. So does one that was
    shown before the end and told of after it."""
    in_time = known.active or report.seq_no in known.seq_no_missing
    if not in_time or same_token_as(known, report.id_token):
        return False
    refused = Flag.REFUSED_TOKEN in known.flags
    return known.id_token is None or (refused and authorization.accepted)


def _with_token(
    known: Transaction, id_token: IdToken | None, authorization: Authorization
) -> Transaction:
    flags = known.flags - {Flag.REFUSED_TOKEN}
    return dataclasses.replace(
        known,
        id_token=id_token,
        authorization_status=authorization.status,
        parent_id_token=authorization.parent_id_token,
        flags=flags if authorization.accepted else flags | {Flag.REFUSED_TOKEN},
    )


def _under_tariff_of_group(tx: UnitOfWork, transaction: Transaction) -> Transaction:
    """Who plugs first and shows the card then is under the tariff of the card's group."""
    group = transaction.parent_id_token
    if group is None or transaction.tariff is None:
        return transaction
    at = min(transaction.started_at, transaction.start_received_at)
    tariff = tariff_of_session(tx, transaction.station_id, group, at)
    return transaction if tariff is None else dataclasses.replace(transaction, tariff=tariff)


def _start_register(report: TransactionStarted) -> float | None:
    """The register at the start: said outright, or the reading that came with it."""
    if report.meter_start_wh is not None or report.reading is None:
        return report.meter_start_wh
    return report.reading.energy_import_wh


def _in_future(time: StationTime, received_at: datetime) -> bool:
    return time.at > received_at + CLOCK_TOLERANCE
