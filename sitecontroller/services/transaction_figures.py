"""The figures of a transaction: readings, sequence numbers, energy, price, and telling HQ.

What every rule of `transaction_rules` shares; pure but for `fact` and `tell`, which write.
"""

import dataclasses
import itertools
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from sitecontroller.domain.metering import MeterReading, ReadingContext, TimeQuality
from sitecontroller.domain.rating import Price
from sitecontroller.domain.transaction import (
    REGISTER_JITTER_WH,
    Transaction,
    TransactionFlag,
    TransactionState,
    TransactionUpdated,
)
from sitecontroller.ports import UnitOfWork
from sitecontroller.services.session_facts import price_of_session

SEQ_NO_MISSING_MAX = 100
ENERGY_WH_MAX = Decimal(1_000_000)
"""No car takes more in a session; beyond it a person looks before anything is billed."""
POWER_TOLERANCE = Decimal("1.2")
FIRST_READINGS = 8
"""Of a transaction, looked at for where its register began."""
ENERGY_SLACK_WH = Decimal(2_000)
"""What an outlet may seem to exceed its power by: rounding, clocks, late first readings."""

Flag = TransactionFlag


def with_readings(
    transaction: Transaction, readings: Sequence[MeterReading], *, ending: bool = False
) -> Transaction:
    """Take over the registers of new readings, in the order of their time.

    Where the start's register isn't known the first reading stands for it, but never one that
    came with the end, unless it says that it is from the beginning.
    """
    for reading in sorted(readings, key=lambda item: item.at):
        register_wh = reading.energy_import_wh
        if register_wh is None:
            continue
        begins = reading.context is ReadingContext.BEGIN or not ending
        if transaction.meter_start_wh is None and begins:
            transaction = dataclasses.replace(transaction, meter_start_wh=register_wh)
        last_at = transaction.meter_last_at
        if last_at is None or reading.at >= last_at:
            fell = transaction.meter_last_wh is not None and register_wh < transaction.meter_last_wh
            flags = transaction.flags | {Flag.REGISTER_DOUBTFUL} if fell else transaction.flags
            transaction = dataclasses.replace(
                transaction, meter_last_wh=register_wh, meter_last_at=reading.at, flags=flags
            )
    return transaction


def progressed(known: Transaction, seq_no: int | None, *, offline: bool) -> Transaction:
    """The transaction with an event's sequence number accounted for (Q34).

    What comes late makes no offline session of one whose card was refused with contact: the
    site's policy for cards that nobody could ask about is not meant for it.
    """
    became_offline = offline and Flag.REFUSED_TOKEN not in known.flags
    flags = known.flags | {Flag.OFFLINE} if became_offline else known.flags
    if seq_no is None:
        return dataclasses.replace(known, flags=flags)
    highest = known.seq_no_max if known.seq_no_max is not None else -1
    missing = set(known.seq_no_missing) - {seq_no}
    missing.update(range(highest + 1, min(seq_no, highest + 1 + SEQ_NO_MISSING_MAX)))
    kept = tuple(sorted(missing)[:SEQ_NO_MISSING_MAX])
    return dataclasses.replace(
        known,
        seq_no_max=max(highest, seq_no),
        seq_no_missing=kept,
        flags=flags | {Flag.SEQUENCE_GAP} if kept else flags - {Flag.SEQUENCE_GAP},
    )


def seen(known: Transaction, seq_no: int | None) -> bool:
    """Whether an event of this sequence number has surely been recorded.

    Beyond the tracked gaps nothing is sure: then it is taken, rather twice than never.
    """
    if seq_no is None or known.seq_no_max is None or seq_no > known.seq_no_max:
        return False
    missing = known.seq_no_missing
    if len(missing) >= SEQ_NO_MISSING_MAX and seq_no > missing[-1]:
        return seq_no == known.seq_no_max
    return seq_no not in missing


def with_trusted_energy(
    tx: UnitOfWork, transaction: Transaction, power_w_max: float | None
) -> Transaction:
    """Q31: stop less start where that can be right, else the sum of what the readings rose by.

    It can't be right where the stop lies below the start, or below the highest register that
    lasted: then the meter began anew in between. Nor where the first reading lies further above
    the start than the outlet (`power_w_max`, None: unknown) delivers in that time: then the start
    was told of another register (Q40). One odd reading changes nothing.
    """
    transaction = dataclasses.replace(transaction, energy_corrected_wh=None)
    start_wh = transaction.meter_start_wh
    stop_wh = first_known(transaction.meter_stop_wh, transaction.meter_last_wh)
    doubtful = Flag.REGISTER_DOUBTFUL in transaction.flags
    if start_wh is None or stop_wh is None:
        return dataclasses.replace(transaction, flags=transaction.flags | {Flag.REGISTER_DOUBTFUL})
    if stop_wh >= start_wh - REGISTER_JITTER_WH and not doubtful:
        begins_wh = _other_register(tx, transaction, start_wh, power_w_max)
        if begins_wh is None or stop_wh < begins_wh:
            return transaction
        return dataclasses.replace(
            transaction,
            energy_corrected_wh=stop_wh - begins_wh,
            flags=transaction.flags | {Flag.REGISTER_DOUBTFUL},
        )
    registers = lasting_registers(start_wh, tx.readings(transaction.key), stop_wh)
    began_anew = stop_wh < max(registers) - REGISTER_JITTER_WH
    return dataclasses.replace(
        transaction,
        energy_corrected_wh=energy_from_registers(registers) if began_anew else None,
        flags=transaction.flags | {Flag.REGISTER_DOUBTFUL},
    )


def _other_register(
    tx: UnitOfWork, transaction: Transaction, start_wh: float, power_w_max: float | None
) -> float | None:
    """Where the readings began, if that can't be the register of the start; None: it can."""
    if power_w_max is None or Flag.CLOCK_DOUBTFUL in transaction.flags:
        return None
    first = next(
        (r for r in tx.readings(transaction.key, FIRST_READINGS) if r.energy_import_wh is not None),
        None,
    )
    if first is None or first.energy_import_wh is None:
        return None
    elapsed_s = max(0.0, (first.at - transaction.started_at).total_seconds())
    risen_wh = Decimal(first.energy_import_wh - start_wh)
    return first.energy_import_wh if risen_wh > _deliverable_wh(elapsed_s, power_w_max) else None


def _deliverable_wh(seconds: float, power_w_max: float) -> Decimal:
    """The most an outlet may seem to deliver in a time."""
    hours = Decimal(seconds) / 3600
    return hours * Decimal(power_w_max) * POWER_TOLERANCE + ENERGY_SLACK_WH


def lasting_registers(
    start_wh: float, readings: Sequence[MeterReading], stop_wh: float
) -> list[float]:
    """The registers from start to stop, in order of time, without single odd ones.

    A value is odd when its neighbours agree with each other but not with it.
    """
    between = [
        reading.energy_import_wh
        for reading in sorted(readings, key=lambda item: item.at)
        if reading.energy_import_wh is not None
    ]
    kept = [start_wh]
    for value, after in itertools.pairwise([*between, stop_wh]):
        if kept[-1] <= after and not kept[-1] <= value <= after:
            continue
        kept.append(value)
    return [*kept, stop_wh]


def energy_from_registers(registers: Sequence[float]) -> float | None:
    """Energy over registers that may restart at a lower value: the sum of what they rose by.

    None where nothing was read between start and stop: then a fall says nothing about energy.
    """
    if len(registers) < 3:
        return None
    return sum(max(0.0, after - before) for before, after in itertools.pairwise(registers))


def priced(
    tx: UnitOfWork,
    transaction: Transaction,
    power_w_max: float | None,
    time_zone: str,
    *,
    ended: bool = True,
) -> Transaction:
    """Priced once it has ended and tariff and energy are known; never at 0 for want of one.

    Energy that its outlet can't have delivered (`power_w_max`, None: unknown) isn't billed
    unseen: it is flagged and waits for a person. `ended` False: it only is looked at so.
    """
    energy_wh = transaction.energy_wh
    if transaction.active:
        return transaction
    if energy_wh is None or _unbelievable(transaction, energy_wh, power_w_max):
        doubtful = transaction.flags | {Flag.REGISTER_DOUBTFUL}
        return dataclasses.replace(transaction, price=None, flags=doubtful)
    if transaction.tariff is None:
        return transaction
    assert transaction.ended_at is not None, "what has ended has an end"
    price = price_of_session(tx, transaction, time_zone, transaction.ended_at, ended=ended)
    return dataclasses.replace(transaction, price=price)


def price_so_far(
    tx: UnitOfWork,
    transaction: Transaction,
    at: datetime,
    power_w_max: float | None,
    time_zone: str,
) -> Price | None:
    """What a running transaction would be billed if it ended now, without the least price: its
    readings are doubted as a bill's are, so that nobody is shown what nobody would be billed."""
    ended_at = max(at, transaction.started_at)
    over = dataclasses.replace(transaction, state=TransactionState.ENDED, ended_at=ended_at)
    believed = with_trusted_energy(tx, over, power_w_max)
    return priced(tx, believed, power_w_max, time_zone, ended=False).price


def _unbelievable(transaction: Transaction, energy_wh: Decimal, power_w_max: float | None) -> bool:
    if energy_wh > ENERGY_WH_MAX:
        return True
    clock_unknown = Flag.CLOCK_DOUBTFUL in transaction.flags or Flag.NO_START in transaction.flags
    if power_w_max is None or clock_unknown or transaction.ended_at is None:
        return False
    until = max(transaction.ended_at, transaction.meter_last_at or transaction.ended_at)
    return energy_wh > _deliverable_wh(
        (until - transaction.started_at).total_seconds(), power_w_max
    )


def fact(tx: UnitOfWork, transaction: Transaction, kind: str) -> Transaction:
    """Store a new version and tell HQ of it, in the same commit."""
    told = dataclasses.replace(transaction, version=transaction.version + 1)
    tx.update_transaction(told)
    tell(tx, told, kind)
    return told


def tell(tx: UnitOfWork, transaction: Transaction, kind: str) -> None:
    """The outbox row of the transaction's present version."""
    tx.add_outbox(
        "transaction",
        transaction.key,
        transaction.version,
        kind,
        transaction,
        transaction.ended_at or transaction.started_at,
    )


def first_known(*values: float | None) -> float | None:
    """The first value that is known."""
    return next((value for value in values if value is not None), None)


def brings_more(known: Transaction, report: TransactionUpdated) -> bool:
    """Whether an event with a number used before counts on: what it counted would be lost (Q22).

    Solidstudio's virtual charge point numbers every event 0.
    """
    last_at = known.meter_last_at or known.started_at
    return report.time.quality is not TimeQuality.RECEIVED and any(
        reading.energy_import_wh is not None and reading.at > last_at for reading in report.readings
    )
