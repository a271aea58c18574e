"""The emergency stop inside a unit of work: the latch's row, its facts for HQ, and whom it refuses.

Plain functions on `tx`: no await, no clock.
"""

import dataclasses
from datetime import datetime

from sitecontroller.domain.authorization import Authorization, AuthorizationStatus
from sitecontroller.domain.emergency import EmergencyStop
from sitecontroller.ports import Kept, UnitOfWork
from sitecontroller.wire import from_json, to_json

KIND = "emergency"
KIND_TAKEN_OUT = "emergency-taken-out"
SITE = "site"
"""The key of the only latch, and the subject of its alarm."""


def put_stop(tx: UnitOfWork, stop: EmergencyStop) -> None:
    """The latch holds over restarts from here on."""
    tx.put_kept(Kept(KIND, SITE, stop.since, to_json(stop), open=True))
    tx.add_outbox(KIND, stop.since.isoformat(), 1, "EmergencyTriggered", stop, stop.since)


def put_release(tx: UnitOfWork, stop: EmergencyStop, name: str, reason: str, at: datetime) -> None:
    """The latch is open again; who opened it, and why, is a fact."""
    tx.drop_kept(KIND, SITE)
    released = {"stop": to_json(stop), "name": name, "reason": reason}
    tx.add_outbox(KIND, stop.since.isoformat(), 2, "EmergencyReleased", released, at)


def unless_stopped(tx: UnitOfWork, authorization: Authorization, at: datetime) -> Authorization:
    """The same authorization, or a refusal of a card shown since the stop."""
    row = tx.kept(KIND, SITE) if authorization.accepted else None
    if row is None or at < from_json(EmergencyStop, row.body).since:
        return authorization
    return dataclasses.replace(authorization, status=AuthorizationStatus.NOT_AT_THIS_TIME)
