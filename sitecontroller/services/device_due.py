"""Settings that a station took for after its next restart: looked at after it."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from sitecontroller.domain.device import Outcome, WrittenVariable
from sitecontroller.domain.device_rules import held, is_secret, same
from sitecontroller.domain.errors import OperatingError
from sitecontroller.services.desk import Desk
from sitecontroller.services.device_readings import DeviceReadings
from sitecontroller.services.shelf import Shelf

log = logging.getLogger(__name__)

VALUES_MAX = 100
"""Of one station; the oldest are forgotten."""
NAMED_MAX = 3
"""Settings that an alarm names."""


@dataclass(frozen=True, slots=True)
class Due:
    """Values by name."""

    station_id: str
    values: dict[str, str]


class DueSettings:
    """What each station should have after its next restart."""

    def __init__(self, desk: Desk, readings: DeviceReadings) -> None:
        self._desk = desk
        self._readings = readings
        self._shelf = Shelf(desk.store, "settings-due", Due)
        self._due: dict[str, Due] = {}

    async def load(self) -> None:
        """Take up what the database knows."""
        self._due = {due.station_id: due for due in await self._shelf.all()}

    async def note(self, station_id: str, rows: Sequence[WrittenVariable]) -> None:
        """Values were written; a later one takes an earlier one's place."""
        known = self._due.get(station_id)
        values = dict(known.values) if known is not None else {}
        for row in rows:
            values.pop(row.name, None)
            if row.outcome is Outcome.AFTER_RESTART and not is_secret(row.name):
                values[row.name] = row.wanted
        if values or known is not None:
            await self._put(Due(station_id, dict(tuple(values.items())[-VALUES_MAX:])))

    async def judge(self, station_id: str) -> None:
        """A station has booted: an alarm where it doesn't have what it took for then."""
        due = self._due.get(station_id)
        if due is None:
            return
        try:
            found = held((await self._readings.now(station_id, tuple(due.values))).values())
        except OperatingError as error:
            log.warning("%s: settings not read back: %s", station_id, error.detail)
            return
        now = {name.casefold(): value.value for name, value in found.items()}
        unlike = [
            name for name, value in due.values.items() if not same(now.get(name.casefold()), value)
        ]
        log.info("%s: settings after its restart held=%s", station_id, not unlike)
        if unlike:
            names = ", ".join(unlike[:NAMED_MAX])
            self._desk.alarms.raise_(
                "settings-not-held", station_id, station=station_id, settings=names
            )
        await self._put(Due(station_id, {}))

    async def _put(self, due: Due) -> None:
        if due.values:
            self._due[due.station_id] = due
            await self._shelf.put(
                due.station_id, due, self._desk.clock.now(), due.station_id, open=True
            )
        else:
            self._due.pop(due.station_id, None)
            await self._shelf.drop(due.station_id)
