"""What a session's price depends on beside its registers, kept in the commit of each fact.

When the station said that the car does something else, and when the site held it back: one row a
session, so that a restart loses nothing and a bill can be worked out again. Plain functions on
`tx`: no await, no clock.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sitecontroller.domain.metering import TimeQuality
from sitecontroller.domain.pricing.plan import HOUR_US, needs_times
from sitecontroller.domain.rating import Price, decimal_of, rate
from sitecontroller.domain.session_usage import (
    SessionFacts,
    SessionMark,
    paused_for,
    reasons_of,
    usage_of,
)
from sitecontroller.domain.station import ChargingState, StationTime
from sitecontroller.domain.tariff import PausedTime
from sitecontroller.domain.transaction import Transaction, energy_of
from sitecontroller.domain.usage import Usage
from sitecontroller.ports import Kept, UnitOfWork
from sitecontroller.wire import from_json, to_json

KIND = "session-marks"
TOLD_FROM = timedelta(minutes=1)
"""Shorter pauses stand on no receipt: each session may begin with some seconds of one."""
MARKS_MAX = 2000
"""Of one session: a station that flickers for ever must not slow its own end down."""


def marks_of(tx: UnitOfWork, transaction_key: str) -> tuple[SessionMark, ...]:
    """In the order in which they were noted."""
    row = tx.kept(KIND, transaction_key)
    return () if row is None else tuple(from_json(SessionMark, each) for each in row.body)


def note_mark(tx: UnitOfWork, transaction: Transaction, mark: SessionMark) -> None:
    """Add it to the session's; what changes nothing is left out."""
    row = tx.kept(KIND, transaction.key)
    known = [] if row is None else [from_json(SessionMark, each) for each in row.body]
    same_kind = [each for each in known if (each.paused is None) == (mark.paused is None)]
    last = same_kind[-1] if same_kind else None
    changes_nothing = (
        last is not None
        and last.at <= mark.at
        and (last.charging_state, last.paused) == (mark.charging_state, mark.paused)
    )
    if changes_nothing or len(known) >= MARKS_MAX:
        return
    body = to_json((*known, mark))
    tx.put_kept(Kept(KIND, transaction.key, transaction.started_at, body, transaction.station_id))


def note_state(
    tx: UnitOfWork,
    transaction: Transaction,
    state: ChargingState | None,
    time: StationTime,
    received_at: datetime,
) -> None:
    """What the station says that the car does; None: it said nothing of it."""
    if state is not None:
        at = received_at if time.quality is TimeQuality.RECEIVED else time.at
        note_mark(tx, transaction, SessionMark(at, received_at, charging_state=state))


def usage_of_session(
    tx: UnitOfWork, transaction: Transaction, time_zone: str, until: datetime
) -> Usage | None:
    """The session's periods; `until`: now, for one that runs. None: its energy isn't known."""
    energy_wh = transaction.energy_wh
    if energy_wh is None:
        return None
    start_wh = transaction.meter_start_wh
    end_at = transaction.ended_at or until
    facts = SessionFacts(
        start_at=transaction.started_at,
        end_at=max(end_at, transaction.started_at),
        start_wh=None if start_wh is None else energy_of(start_wh),
        energy_wh=energy_wh,
        readings=tx.readings(transaction.key),
        marks=marks_of(tx, transaction.key),
    )
    return usage_of(facts, ZoneInfo(time_zone))


def price_of_session(
    tx: UnitOfWork, transaction: Transaction, time_zone: str, until: datetime, *, ended: bool
) -> Price | None:
    """What the session costs under its own tariff: the one price that is shown, printed and told.

    None: without a tariff or its energy nobody knows. Where no price depends on times, periods are
    not looked at.
    """
    tariff, energy_wh = transaction.tariff, transaction.energy_wh
    if tariff is None or energy_wh is None:
        return None
    if not needs_times(tariff):
        return rate(tariff, energy_wh, ended=ended)
    usage = usage_of_session(tx, transaction, time_zone, until)
    assert usage is not None, "its energy is known"
    price = rate(tariff, usage, ended=ended)
    paused = paused_for(usage)
    if paused < TOLD_FROM or tariff.paused is not PausedTime.FREE:
        return price
    reasons = reasons_of(marks_of(tx, transaction.key))
    hours = decimal_of(paused // timedelta(microseconds=1), HOUR_US)
    return replace(price, paused_hours=hours, paused_reasons=reasons)
