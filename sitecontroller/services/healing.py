"""One treatment of one fault: its steps in their order, each kept before it is taken and judged by
whether the EVSE is well again, not by the station's answer.

A step waits until it disturbs nobody: no restart while a transaction runs on the station or its
firmware is being changed, none while another outlet of it reports a fault that a person has to look
at first. An EVSE that was taken out of service is put back whatever happens.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol

from sitecontroller.domain.alarm import Alarm, AlarmPriority
from sitecontroller.domain.availability import AvailabilityWish
from sitecontroller.domain.commands import ResetType
from sitecontroller.domain.errors import ControllerError
from sitecontroller.domain.faults import Healing, HealingState, HealingStep, HealingTry
from sitecontroller.domain.station import ConnectorStatus
from sitecontroller.ports import CallAnswer, StationLink
from sitecontroller.services.desk import Desk
from sitecontroller.services.fault_catalogue import fault_named
from sitecontroller.services.shelf import Shelf

log = logging.getLogger(__name__)

STEP_SHOWS_S = 60.0
RESTART_SHOWS_S = 300.0
STEADY_S = 10.0
"""So long an EVSE has to be well: many say Available first and test themselves then."""
FREE_WITHIN_S = 4 * 3600.0
"""So long a step waits for the cars to leave; then it is a person's turn."""
LOOK_S = 15.0
OUT_FOR_S = 5.0
PUT_BACK_TRIES = 3
PUT_BACK_PAUSE_S = 10.0
FIRMWARE_JOBS, WISHES = "firmware-job", "availability"
"""Shelves of the services that change firmware, and take places out of service."""

STEP_WORDS = {
    HealingStep.UNLOCK: "unlock",
    HealingStep.TOGGLE: "off and on",
    HealingStep.RESET: "restart",
}
_WELL = (ConnectorStatus.AVAILABLE, ConnectorStatus.OCCUPIED, ConnectorStatus.RESERVED)


class Record(Protocol):
    """Who keeps what is tried."""

    def may_begin(self, station_id: str) -> bool:
        """Whether the station's share of this hour and day is not used up."""

    async def keep(self, healing: Healing) -> None:
        """Returns after the commit."""


class Treatment:
    """Of the fault that stands under `alarm_key`."""

    def __init__(self, desk: Desk, record: Record, healing: Healing, alarm_key: str) -> None:
        self._desk = desk
        self._record = record
        self._alarm_key = alarm_key
        self.healing = healing

    async def run(self, steps: tuple[HealingStep, ...]) -> Healing:
        """Take the steps until one helps; the finished record. Without a try nothing was done."""
        state = HealingState.IN_VAIN
        for step in steps:
            if not await self._free(step):
                state = HealingState.BROKEN_OFF
                break
            if not self._stands() or not (self.healing.tries or self._may_begin()):
                break
            if step is HealingStep.TOGGLE and await self._kept_out():
                continue
            await self._try(step)
            if await self._well(within_s=_shows_s(step)):
                state = HealingState.HEALED
                break
        if self.healing.tries:
            await self._keep(replace(self.healing, state=state, ended_at=self._desk.clock.now()))
        return self.healing

    async def put_back(self) -> None:
        """Take an EVSE into service again that a treatment left out of it."""
        for attempt in range(PUT_BACK_TRIES):
            if attempt:
                await asyncio.sleep(PUT_BACK_PAUSE_S)
            answer = await self._asked(
                lambda link: link.change_availability(self.healing.evse_id, operative=True)
            )
            if answer == "":
                await self._keep(replace(self.healing, out_of_service=False))
                return
        log.error(
            "%s/%d: is still out of service after a treatment: %s; tried again when it reconnects",
            self.healing.station_id,
            self.healing.evse_id,
            answer,
        )

    # before a step

    def _may_begin(self) -> bool:
        stop = self._desk.alarms.get("emergency-stop:site")
        return (stop is None or not stop.active) and self._record.may_begin(self.healing.station_id)

    async def _free(self, step: HealingStep) -> bool:
        """Wait until the step disturbs nobody; False: that did not come about."""
        for _ in range(int(FREE_WITHIN_S / LOOK_S)):
            if not self._stands():
                return True
            if not (self._occupied(step) or await self._firmware_changes()):
                return not (step is HealingStep.RESET and self._danger_elsewhere())
            await asyncio.sleep(LOOK_S)
        return False

    def _stands(self) -> bool:
        alarm = self._desk.alarms.get(self._alarm_key)
        return alarm is not None and alarm.active

    def _occupied(self, step: HealingStep) -> bool:
        """A restart disturbs every transaction of the station, the rest those of the EVSE."""
        return any(
            transaction.station_id == self.healing.station_id
            and (step is HealingStep.RESET or transaction.evse_id == self.healing.evse_id)
            for transaction in self._desk.transactions.running()
        )

    async def _firmware_changes(self) -> bool:
        rows = await self._desk.store.read(
            lambda tx: tx.all_kept(FIRMWARE_JOBS, self.healing.station_id)
        )
        return any(row.open for row in rows)

    async def _kept_out(self) -> bool:
        """Whether a person wants the EVSE out of service, whatever it says of itself."""
        wishes = await Shelf(self._desk.store, WISHES, AvailabilityWish).all(
            self.healing.station_id
        )
        return any(
            not wish.operative and wish.place.evse_id in (None, self.healing.evse_id)
            for wish in wishes
        )

    def _danger_elsewhere(self) -> bool:
        """A restart re-arms the whole station, also what must not be without a look at it, and an
        outlet that draws what it may not."""
        return any(
            alarm.code in ("station-faulted", "station-event", "station-disobedient")
            and alarm.active
            and alarm.key != self._alarm_key
            and alarm.subject.partition("/")[0] == self.healing.station_id
            and _for_a_person(alarm)
            for alarm in self._desk.alarms.open()
        )

    # a step

    async def _try(self, step: HealingStep) -> None:
        tries = (*self.healing.tries, HealingTry(step, self._desk.clock.now()))
        out = step is HealingStep.TOGGLE
        await self._keep(replace(self.healing, tries=tries, out_of_service=out))
        outcome = await self._take(step)
        log.info(
            "audit self-healing: station=%s evse=%d fault=%s step=%s outcome=%s",
            self.healing.station_id,
            self.healing.evse_id,
            self.healing.fault,
            step,
            outcome or "accepted",
        )
        done = replace(self.healing.tries[-1], outcome=outcome)
        await self._keep(replace(self.healing, tries=(*self.healing.tries[:-1], done)))

    async def _take(self, step: HealingStep) -> str:
        """What the station made of it, in words; empty: it did it."""
        evse_id = self.healing.evse_id
        if step is HealingStep.UNLOCK:
            return await self._asked(lambda link: link.unlock(evse_id, 1))
        if step is HealingStep.RESET:
            return await self._asked(lambda link: link.reset(ResetType.ON_IDLE))
        outcome = await self._asked(lambda link: link.change_availability(evse_id, operative=False))
        if outcome == "":
            await asyncio.sleep(OUT_FOR_S)
        await self.put_back()
        return outcome

    async def _asked(self, say: Callable[[StationLink], Awaitable[CallAnswer]]) -> str:
        try:
            answer = await say(self._desk.link(self.healing.station_id))
        except ControllerError as error:
            return error.detail
        return "" if answer.accepted else f"refused: {answer.status}"

    # after a step

    async def _well(self, *, within_s: float) -> bool:
        """Whether the EVSE gets well in time and stays so for a while."""
        well_s = 0.0
        for _ in range(int(within_s + STEADY_S)):
            await asyncio.sleep(1.0)
            well_s = well_s + 1.0 if self._is_well() else 0.0
            if well_s >= STEADY_S:
                return True
        return False

    def _is_well(self) -> bool:
        state = self._desk.stations.state(self.healing.station_id)
        if state is None or not state.ready or self._stands():
            return False
        evse = state.evses.get(self.healing.evse_id)
        return state.faulted is None if evse is None else evse.connector_status in _WELL

    async def _keep(self, healing: Healing) -> None:
        self.healing = healing
        await self._record.keep(healing)


def told(healings: tuple[Healing, ...]) -> str:
    """What was tried, for the alarm: "Already tried from here: unlock 14:03 UTC (refused: …)"."""
    steps = [
        f"{STEP_WORDS[each.step]} {each.at.strftime('%H:%M')} UTC"
        + (f" ({each.outcome})" if each.outcome else "")
        for healing in healings
        for each in healing.tries
    ]
    return f"Already tried from here: {', '.join(steps)}" if steps else ""


def _shows_s(step: HealingStep) -> float:
    return RESTART_SHOWS_S if step is HealingStep.RESET else STEP_SHOWS_S


def _for_a_person(alarm: Alarm) -> bool:
    fault = fault_named(alarm.parameters.get("fault", ""))
    return alarm.priority is AlarmPriority.HIGH and (fault is None or not fault.heal)
