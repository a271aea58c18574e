"""The alarms: one owner of what is wrong right now and who has seen it.

Raising and clearing are idempotent and return at once; the row and its outbox row follow in order.
"""

import asyncio
import dataclasses
import logging
from datetime import datetime

from sitecontroller.domain.alarm import ALARMS, Alarm
from sitecontroller.domain.errors import NotFound, StoreUnavailable
from sitecontroller.domain.events import AlarmChanged
from sitecontroller.domain.views import AlarmView
from sitecontroller.ports import Clock, Store, UnitOfWork
from sitecontroller.publisher import Publisher
from sitecontroller.services.background import Background

CAME_AGAIN = "came again"
"""Stands for a person on the row of an alarm that was raised anew before anyone had seen it."""

log = logging.getLogger(__name__)


class AlarmService:
    """Raise, clear, acknowledge; `open()` is what a console shows."""

    def __init__(
        self, store: Store, clock: Clock, publisher: Publisher, background: Background
    ) -> None:
        self._store = store
        self._clock = clock
        self._publisher = publisher
        self._background = background
        self._open: dict[str, Alarm] = {}
        self._last_raised_s: dict[str, float] = {}
        """Monotonic, by key, of those whose end nobody reports."""

    async def load(self) -> None:
        """Take up the alarms that were open when the controller last ran.

        Another version may have left some that this one doesn't know, or events that were seen.
        """
        for alarm in await self._store.read(_open_alarms):
            if alarm.code not in ALARMS:
                log.warning("alarm %s: unknown to this version, left out", alarm.key)
                continue
            self._open[alarm.key] = alarm
            self._note_time(alarm)
            if alarm.definition.until_acknowledged and alarm.acknowledged_at is not None:
                self.clear(alarm.code, alarm.subject)

    def raise_(self, code: str, subject: str, **parameters: str) -> None:
        """Something is wrong with `subject`; a standing alarm gets the new parameters.

        An alarm that comes again after it was cleared counts up and must be acknowledged anew.
        """
        assert code in ALARMS, f"no alarm '{code}' in domain/alarm.py"
        key = f"{code}:{subject}"
        known = self._open.get(key)
        now = self._clock.now()
        if known is None:
            alarm = Alarm(key, code, subject, now, parameters)
        elif known.active:
            self._note_time(known)
            if known.parameters != parameters:
                self._keep(dataclasses.replace(known, parameters=parameters), stored=False)
            return
        else:
            self._store_later(_acknowledged(known, now, CAME_AGAIN))
            alarm = dataclasses.replace(
                known,
                parameters=parameters,
                raised_at=now,
                count=known.count + 1,
                cleared_at=None,
                acknowledged_at=None,
                acknowledged_by=None,
            )
        log.warning("alarm %s: %s. Do: %s", key, alarm.text.removesuffix("."), alarm.remedy)
        self._note_time(alarm)
        self._keep(alarm)

    def clear(self, code: str, subject: str) -> None:
        """It is right again; the alarm stays on screen until someone has acknowledged it."""
        known = self._open.get(f"{code}:{subject}")
        if known is None or not known.active:
            return
        log.info("alarm %s: over", known.key)
        self._keep(dataclasses.replace(known, cleared_at=self._clock.now()))

    def end_old(self) -> None:
        """Clear what nobody reports the end of and what has not come again for its time; called
        every few seconds."""
        now_s = self._clock.monotonic_s()
        for key, last_s in tuple(self._last_raised_s.items()):
            alarm = self._open.get(key)
            if alarm is None or not alarm.active:
                del self._last_raised_s[key]
            elif now_s - last_s >= (alarm.definition.ends_after_s or 0.0):
                self.clear(alarm.code, alarm.subject)

    async def acknowledge(self, key: str, by: str) -> None:
        """A person has seen it; an event is over with that. Raises NotFound, StoreUnavailable."""
        known = self._open.get(key)
        if known is None:
            raise NotFound(f"no open alarm '{key}'", remedy="It may be over; refresh the list")
        if known.acknowledged_at is not None:
            return
        now = self._clock.now()
        error = await self._store_later(_acknowledged(known, now, by))
        if error is not None:
            raise error
        current = self._open.get(key)
        if current is None or current.raised_at != known.raised_at:
            return
        self._keep(_acknowledged(current, now, by), stored=current is not known)

    def open(self) -> tuple[Alarm, ...]:
        """Active or not yet acknowledged."""
        return tuple(self._open.values())

    def get(self, key: str) -> Alarm | None:
        """An open alarm."""
        return self._open.get(key)

    def _keep(self, alarm: Alarm, *, stored: bool = True) -> None:
        if alarm.active or alarm.acknowledged_at is None:
            self._open[alarm.key] = alarm
        else:
            self._open.pop(alarm.key, None)
        if stored:
            self._store_later(alarm)
        self._publisher.publish(AlarmChanged(alarm))

    def _note_time(self, alarm: Alarm) -> None:
        if alarm.active and alarm.definition.ends_after_s is not None:
            self._last_raised_s[alarm.key] = self._clock.monotonic_s()

    def _store_later(self, alarm: Alarm) -> asyncio.Task[StoreUnavailable | None]:
        """Write a row after all that were handed in before; the task tells what went wrong."""
        return self._background.spawn(self._write(alarm), f"store alarm {alarm.key}")

    async def _write(self, alarm: Alarm) -> StoreUnavailable | None:
        try:
            await self._store.commit(_put_alarm, alarm)
        except StoreUnavailable as error:
            log.error("alarm %s: not stored: %s", alarm.key, error)
            return error
        return None


def _acknowledged(alarm: Alarm, at: datetime, by: str) -> Alarm:
    over_at = at if alarm.definition.until_acknowledged else None
    return dataclasses.replace(
        alarm,
        acknowledged_at=at,
        acknowledged_by=by,
        cleared_at=alarm.cleared_at or over_at,
    )


def alarm_view(alarm: Alarm) -> AlarmView:
    """An alarm as people see it."""
    return AlarmView(
        key=alarm.key,
        code=alarm.code,
        priority=alarm.priority,
        subject=alarm.subject,
        text=alarm.text,
        remedy=alarm.remedy,
        parameters=alarm.parameters,
        raised_at=alarm.raised_at,
        cleared_at=alarm.cleared_at,
        acknowledged_at=alarm.acknowledged_at,
        acknowledged_by=alarm.acknowledged_by,
        count=alarm.count,
    )


def _open_alarms(tx: UnitOfWork) -> tuple[Alarm, ...]:
    return tuple(tx.open_alarms())


def _put_alarm(tx: UnitOfWork, alarm: Alarm) -> None:
    tx.put_alarm(alarm)
    version = tx.setting(f"alarm-version:{alarm.key}") or 0
    tx.put_setting(f"alarm-version:{alarm.key}", version + 1)
    tx.add_outbox("alarm", alarm.key, version + 1, "AlarmChanged", alarm, alarm.raised_at)
