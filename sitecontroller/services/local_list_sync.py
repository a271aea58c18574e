"""Brings one station's local list in step: asks what it holds, sends what it lacks, keeps what it
took, and backs off from what it refuses.
"""

import asyncio
import dataclasses
import logging
from datetime import datetime, timedelta

from sitecontroller.domain.errors import CallRefused, OperatingError, Unsupported
from sitecontroller.domain.local_list import (
    LEFT_ALONE,
    AskListVersion,
    EnableLocalList,
    KnownList,
    ListRules,
    ListState,
    ListUpdate,
    ReadListRules,
    UpdateStatus,
)
from sitecontroller.domain.local_list_plan import Synchronisation
from sitecontroller.ports import CallAnswer, StationLink
from sitecontroller.services.desk import Desk
from sitecontroller.services.local_list_books import KIND, KeptList, SeenCards, wanted_at
from sitecontroller.services.shelf import Shelf

log = logging.getLogger(__name__)

SOON_S = 5.0
BACK_OFF_S = 600.0
BACK_OFF_MAX_S = 24 * 3600.0
FAILURES_TOLD = 3
"""So often in a row a station refuses before a person is told."""
ROOM_TRIED_AGAIN = timedelta(days=7)
SWITCHED_OFF = "its list is switched off and can't be switched on"
NO_LIST = "the charger has no list of cards"
EMPTIED = "emptied by hand"


class ListSync:
    """Owner of what each station's list holds; one attempt at a time for each."""

    def __init__(self, desk: Desk, seen: SeenCards) -> None:
        self._desk = desk
        self._seen = seen
        self._shelf = Shelf(desk.store, KIND, KeptList)
        self.lists = {
            station_id: KeptList(station_id) for station_id in desk.config.topology.stations
        }
        self._pending: dict[str, ListUpdate | None] = {}
        self._one_each: dict[str, asyncio.Lock] = {}

    async def load(self) -> None:
        """Take up what was kept."""
        for kept in await self._shelf.all():
            if kept.station_id in self.lists:
                self.lists[kept.station_id] = kept

    async def is_hopeless(self, station_id: str) -> bool:
        """Whether a station of this model and firmware has said that it has no list."""
        if not await self._desk.stations.remembered(self._model_fact(station_id)):
            return False
        kept = self.lists[station_id]
        if kept.state is not ListState.UNSUPPORTED:
            await self._keep(_unsupported(kept, NO_LIST))
        return True

    async def sync(
        self, link: StationLink, *, anew: bool = False, unasked: bool = False
    ) -> tuple[KeptList, int]:
        """What the station holds afterwards, and how many entries it was sent for that. `unasked`:
        no person waits for it.

        Raises OperatingError when it leaves or doesn't answer; what it took is kept all the same.
        """
        station_id = link.station_id
        async with self._lock(station_id):
            sent = 0
            try:
                sent = await self._attempt(link, anew=anew, unasked=unasked)
            except (Unsupported, CallRefused) as refusal:
                if isinstance(refusal, Unsupported):
                    await self._desk.stations.remember(self._model_fact(station_id), True)
                await self._keep(_unsupported(self.lists[station_id], refusal.detail))
            except OperatingError as error:
                await self._failed(self.lists[station_id], error.detail)
                raise
            return self.lists[station_id], sent

    async def empty(self, link: StationLink) -> CallAnswer:
        """Send a whole list without entries (D01.FR.04)."""
        async with self._lock(link.station_id):
            kept = self.lists[link.station_id]
            version = int((await link.ask(AskListVersion())).body.get("version") or 0)
            update = ListUpdate(True, max(version, kept.version, 0) + 1)
            answer = await link.ask(update)
            if answer.accepted:
                await self._keep(
                    dataclasses.replace(
                        kept,
                        state=ListState.OFF,
                        version=update.version,
                        entries={},
                        wanted=0,
                        checked_at=self._desk.clock.now(),
                        reason=EMPTIED,
                        retry_at=None,
                    )
                )
            return answer

    async def _attempt(self, link: StationLink, *, anew: bool, unasked: bool) -> int:
        station_id = link.station_id
        rules = await self._rules(link, unasked=unasked)
        if rules is None:
            return 0
        if isinstance(rules, str):
            await self._keep(_unsupported(self.lists[station_id], rules))
            return 0
        version = int((await link.ask(AskListVersion())).body.get("version") or 0)
        if version < 0 and rules.enabled is None:
            raise Unsupported(NO_LIST)
        kept, now = self.lists[station_id], self._desk.clock.now()
        entries = await self._desk.store.read(
            wanted_at, station_id, now, _bounded(kept, rules, now), self._seen.numbers()
        )
        run = Synchronisation(kept.known, self._pending.get(station_id), entries, rules)
        run.told(version)
        if anew:
            run.known = KnownList(run.known.version, None)
        try:
            while (update := run.next()) is not None:
                status = _status((await link.ask(update)).status)
                if status is UpdateStatus.NOT_SUPPORTED:
                    raise Unsupported(NO_LIST)
                run.answered(status)
        finally:
            self._pending[station_id] = run.pending
            await self._note(kept, run, rules, now)
        return run.sent

    async def _rules(self, link: StationLink, *, unasked: bool) -> ListRules | str | None:
        """What the list is like, switched on; or why there is none. None: it was left alone."""
        answer = await link.ask(ReadListRules(unasked))
        if answer.status == LEFT_ALONE:
            return None
        rules: ListRules = answer.body["rules"]
        if not answer.accepted:
            return NO_LIST
        if rules.enabled is False and not (await link.ask(EnableLocalList())).accepted:
            return SWITCHED_OFF
        return rules

    async def _note(
        self, kept: KeptList, run: Synchronisation, rules: ListRules, now: datetime
    ) -> None:
        """Keep how an attempt ended."""
        entries = run.known.entries
        in_step = run.pending is None and run.gave_up is None
        kept = dataclasses.replace(
            kept,
            state=ListState.IN_STEP if in_step else ListState.BEHIND,
            version=run.known.version,
            entries=None if entries is None else dict(entries),
            wanted=len(run.entries),
            entries_max=rules.entries_max,
            room=kept.room if run.room is None else run.room,
            room_at=kept.room_at if run.room is None else now,
            checked_at=now,
            synced_at=now if in_step else kept.synced_at,
            reason=run.gave_up,
            failures=0 if in_step else kept.failures,
            retry_at=None,
        )
        if run.gave_up is not None:
            await self._failed(kept, run.gave_up, soon=run.room is not None)
            return
        if in_step:
            self._desk.alarms.clear("local-list-refused", kept.station_id)
        await self._keep(kept)
        if run.sent:
            log.info(
                "%s: local list version=%d entries=%d sent=%d",
                kept.station_id,
                kept.version,
                len(kept.entries or ()),
                run.sent,
            )

    async def _failed(self, kept: KeptList, reason: str, *, soon: bool = False) -> None:
        failures = kept.failures + 1
        wait_s = min(BACK_OFF_MAX_S, BACK_OFF_S * 2.0 ** min(failures - 1, 16))
        if soon:
            failures, wait_s = kept.failures, SOON_S
        await self._keep(
            dataclasses.replace(
                kept,
                state=ListState.BEHIND if soon else ListState.FAILING,
                reason=reason,
                failures=failures,
                retry_at=self._desk.clock.now() + timedelta(seconds=wait_s),
            )
        )
        log.warning("%s: local list not in step: %s", kept.station_id, reason)
        if failures >= FAILURES_TOLD:
            self._desk.alarms.raise_(
                "local-list-refused", kept.station_id, station=kept.station_id, reason=reason
            )

    async def _keep(self, kept: KeptList) -> KeptList:
        self.lists[kept.station_id] = kept
        await self._shelf.put(
            kept.station_id, kept, self._desk.clock.now(), kept.station_id, open=True
        )
        return kept

    def _lock(self, station_id: str) -> asyncio.Lock:
        return self._one_each.setdefault(station_id, asyncio.Lock())

    def _model_fact(self, station_id: str) -> str:
        state = self._desk.stations.state(station_id)
        boot = state.record.boot if state is not None else None
        if boot is None:
            return f"no-local-list/{station_id}"
        parts = (boot.vendor, boot.model, boot.firmware_version or "")
        return "no-local-list/" + "/".join(part.strip().casefold() for part in parts)


def _bounded(kept: KeptList, rules: ListRules, now: datetime) -> ListRules:
    """With what the station showed of its room; that is tried again after some days."""
    if kept.room is None or kept.room_at is None or now - kept.room_at > ROOM_TRIED_AGAIN:
        return rules
    return dataclasses.replace(rules, entries_max=kept.room)


def _unsupported(kept: KeptList, reason: str) -> KeptList:
    return dataclasses.replace(
        kept, state=ListState.UNSUPPORTED, entries=None, version=0, reason=reason, retry_at=None
    )


def _status(word: str) -> UpdateStatus:
    """A word that isn't one of the specification's is a refusal."""
    try:
        return UpdateStatus(word)
    except ValueError:
        return UpdateStatus.FAILED
