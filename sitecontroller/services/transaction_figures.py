"""The figures of a transaction: readings, sequence numbers, energy, price, and telling HQ.

What every rule of `transaction_rules` shares; pure but for `fact` and `tell`, which write.
"""

import dataclasses
import itertools
from collections.abc import Sequence

from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.rating import rate
from sitecontroller.domain.transaction import Transaction, TransactionFlag
from sitecontroller.ports import UnitOfWork

SEQ_NO_MISSING_MAX = 100

Flag = TransactionFlag


def with_readings(transaction: Transaction, readings: Sequence[MeterReading]) -> Transaction:
    """Take over the registers of new readings, in the order of their time."""
    for reading in readings:
        register_wh = reading.energy_import_wh
        if register_wh is None:
            continue
        if transaction.meter_start_wh is None:
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
    """The transaction with an event's sequence number accounted for (Q34)."""
    flags = known.flags | {Flag.OFFLINE} if offline else known.flags
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
    """Whether an event of this sequence number has been recorded."""
    if seq_no is None or known.seq_no_max is None:
        return False
    return seq_no <= known.seq_no_max and seq_no not in known.seq_no_missing


def priced(transaction: Transaction) -> Transaction:
    """Priced once it has ended and tariff and energy are known; never at 0 for want of one."""
    energy_wh = transaction.energy_wh
    if transaction.active or transaction.tariff is None or energy_wh is None:
        return transaction
    return dataclasses.replace(transaction, price=rate(transaction.tariff, energy_wh))


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


def with_trusted_energy(tx: UnitOfWork, transaction: Transaction) -> Transaction:
    """Q31: where the registers can't be right, the sum of what the readings between rose by."""
    start_wh = transaction.meter_start_wh
    stop_wh = first_known(transaction.meter_stop_wh, transaction.meter_last_wh)
    fell = start_wh is not None and stop_wh is not None and stop_wh < start_wh
    unknown = start_wh is None or stop_wh is None
    if not (fell or unknown or Flag.REGISTER_DOUBTFUL in transaction.flags):
        return transaction
    readings = tx.readings(transaction.key)
    return dataclasses.replace(
        transaction,
        energy_corrected_wh=energy_from_readings(start_wh, readings, transaction.meter_stop_wh),
        flags=transaction.flags | {Flag.REGISTER_DOUBTFUL},
    )


def energy_from_readings(
    start_wh: float | None, readings: Sequence[MeterReading], stop_wh: float | None
) -> float | None:
    """Energy over registers that may restart at a lower value: the sum of what they rose by.

    None when fewer than two registers are known.
    """
    between = [
        reading.energy_import_wh
        for reading in sorted(readings, key=lambda item: item.at)
        if reading.energy_import_wh is not None
    ]
    registers = [value for value in (start_wh, *between, stop_wh) if value is not None]
    if len(registers) < 2:
        return None
    return sum(max(0.0, after - before) for before, after in itertools.pairwise(registers))


def first_known(*values: float | None) -> float | None:
    """The first value that is known."""
    return next((value for value in values if value is not None), None)
