"""A simulated charging station, whatever its OCPP version: plugs, cards, transactions, limits.

It decides as real stations do: a transaction starts when a car is plugged and somebody is
authorized, power flows when the CSMS agrees (or is away), every limit comes from the stored
profiles. A dialect (`station16`, `station201`) says all of it on the wire.
"""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any

from sitecontroller.domain.ids import fold
from sitecontroller.domain.station import ChargingState
from sitecontroller.domain.topology import EvseKey, Supply
from sitecontroller.ocpp.frames import CallFault
from sitecontroller.ports import Clock
from sitecontroller.simulation import samples
from sitecontroller.simulation.cars import Car
from sitecontroller.simulation.control import (
    EndReason,
    EvseControl,
    SettingNames,
    StationDescription,
    Transaction,
    Waiting,
)
from sitecontroller.simulation.plant import Amperes, Outlet
from sitecontroller.simulation.profiles import TX, ProfileRefused, ProfileStore, StoredProfile
from sitecontroller.simulation.settings import Settings
from sitecontroller.simulation.uplink import Payload, Uplink

TICK_S = 1.0
FLOWING_A = 0.05
WAKE_UP_S = 15.0
"""A car that takes nothing for so long after an offer has suspended itself."""
LATENCY_S = (0.2, 3.0)
REBOOT_S = 8.0
DRAIN_S_MAX = 5.0


class SimulatedStation(ABC):
    """One station; `run` keeps it alive and talking until cancelled."""

    NAMES: SettingNames
    STRICT_STACK: bool

    def __init__(
        self,
        description: StationDescription,
        outlets: Mapping[EvseKey, Outlet],
        voltage_v: Amperes,
        clock: Clock,
        random: Random,
    ) -> None:
        self.description = description
        self.station_id = description.station.station_id
        self.clock_offset = timedelta()
        self.settings = self.factory_settings()
        self.profiles = ProfileStore(strict_stack=self.STRICT_STACK)
        self.controls = {
            evse.evse_id: EvseControl(evse, outlets[evse.key]) for evse in description.station.evses
        }
        self.uplink = Uplink(
            self.station_id, description.version, self, clock, random, password=description.password
        )
        self.random = random
        self._clock, self._voltage_v = clock, voltage_v
        self.boot_reason = "PowerUp"
        """BootReasonEnumType of the next boot."""
        self._resets_when_idle = False
        self._latency_s = random.uniform(*LATENCY_S)
        self._known_tokens: dict[str, bool] = {}
        self._after_answer: list[Callable[[], None]] = []
        self._errands: set[asyncio.Task[None]] = set()

    # What happens at the station

    async def run(self, url: Callable[[], str]) -> None:
        """Live and talk to the CSMS at `url()` (without the station's id) until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.uplink.run(url), name=f"{self.station_id} uplink")
                group.create_task(self._tick_forever(), name=f"{self.station_id} tick")
                group.create_task(self._beat_forever(), name=f"{self.station_id} heartbeat")
        finally:
            for errand in self._errands:
                errand.cancel()
            await asyncio.gather(*self._errands, return_exceptions=True)

    def plug(self, evse_id: int, car: Car) -> None:
        """A car is plugged in."""
        control = self.controls[evse_id]
        control.outlet.plug(car)
        control.finishing = False
        self._report(control)
        if (waiting := control.waiting) is not None:
            self._stop_waiting(control)
            self._begin(control, waiting.id_token, waiting.remote_start_id, waiting.profile)

    def unplug(self, evse_id: int) -> Car | None:
        """The plug is drawn; a running transaction ends with it."""
        control = self.controls[evse_id]
        if control.transaction is not None:
            self.end(control, EndReason.EV_DISCONNECTED)
        car = control.outlet.unplug()
        control.finishing = False
        self._report(control)
        return car

    async def tap(self, evse_id: int, id_token: str) -> bool:
        """A card is held to the reader: starts, or stops what the same card started."""
        control = self.controls[evse_id]
        if control.transaction is not None:
            if fold(control.transaction.id_token) != fold(id_token):
                return False
            self.end(control, EndReason.LOCAL, id_token)
            return True
        if not control.is_free or not await self._authorize(id_token) or not control.is_free:
            return False
        self._admit(control, id_token)
        return True

    def end(self, control: EvseControl, reason: EndReason, id_token: str | None = None) -> None:
        """End the running transaction of an EVSE."""
        transaction = control.transaction
        assert transaction is not None
        control.outlet.closed = False
        control.transaction = None
        control.finishing = control.outlet.car is not None
        self.profiles.clear(evse_id=control.evse.evse_id, purpose=TX)
        self.send_ended(control, transaction, reason, id_token)
        if control.becomes_operative is not None:
            control.operative, control.becomes_operative = control.becomes_operative, None
        self._report(control)

    # What the CSMS asks; the dialects translate

    def remote_start(
        self,
        control: EvseControl,
        id_token: str,
        remote_start_id: int | None,
        profile: StoredProfile | None,
    ) -> bool:
        """Whether the start is accepted; it follows after the answer."""
        if not control.is_free:
            return False

        async def start() -> None:
            must_ask = self.settings.flag(self.NAMES.authorize_remote)
            if (not must_ask or await self._authorize(id_token)) and control.is_free:
                self._admit(control, id_token, remote_start_id, profile)

        self.after_answer(lambda: self.spawn(start()))
        return True

    def set_availability(self, controls: list[EvseControl], *, operative: bool) -> str:
        """ "Accepted", or "Scheduled" while a transaction runs."""
        status = "Accepted"
        for control in controls:
            if control.transaction is not None:
                control.becomes_operative, status = operative, "Scheduled"
            else:
                control.operative, control.becomes_operative = operative, None
            self.after_answer(partial(self._report, control))
        return status

    def reset(self, reason: EndReason) -> None:
        """Reboot after the answer; soft tells of the stopped transactions before, hard after."""

        async def reboot() -> None:
            for control in self.controls.values():
                if control.waiting is not None:
                    self._stop_waiting(control)
                if control.transaction is not None:
                    self.end(control, reason)
            if reason is EndReason.SOFT_RESET:
                await asyncio.sleep(DRAIN_S_MAX)
            await self._reboot()

        self.after_answer(lambda: self.spawn(reboot()))

    def reset_when_idle(self) -> None:
        """Reboot once no transaction runs any more."""
        self._resets_when_idle = True

    def keep_profile(self, profile: StoredProfile) -> None:
        """Store a profile and obey it; raises ProfileRefused."""
        self.profiles.put(profile)
        self._obey_all()

    def clear_profiles(
        self,
        *,
        profile_id: int | None,
        evse_id: int | None,
        purpose: str | None,
        stack_level: int | None,
    ) -> int:
        """Drop what fits everything given; how many went."""
        gone = self.profiles.clear(
            profile_id=profile_id, evse_id=evse_id, purpose=purpose, stack_level=stack_level
        )
        self._obey_all()
        return gone

    def charging_control(self, transaction_id: str) -> EvseControl | None:
        """The EVSE on which that transaction runs."""
        for control in self.controls.values():
            running = control.transaction
            if running is not None and running.transaction_id == transaction_id:
                return control
        return None

    def end_if(
        self, control: EvseControl, transaction: Transaction | None, reason: EndReason
    ) -> None:
        """End this transaction unless it has ended meanwhile."""
        if transaction is not None and control.transaction is transaction:
            self.end(control, reason)

    def forget_tokens(self) -> None:
        """Empty the authorization cache."""
        self._known_tokens.clear()

    def after_answer(self, follow: Callable[[], None]) -> None:
        """Do something once the answer that is being made has left."""
        self._after_answer.append(follow)

    def spawn(self, errand: Coroutine[Any, Any, None]) -> None:
        """Run something beside; it ends with the station."""
        task = asyncio.create_task(errand, name=f"{self.station_id} errand")
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    # The uplink's owner

    def booted(self, answer: Payload, *, afresh: bool) -> None:
        """Take the CSMS's heartbeat interval; tell every EVSE's status."""
        if interval := answer.get("interval"):
            self.settings.set(self.NAMES.heartbeat_interval, str(interval))
        for control in self.controls.values():
            self._report(control, again=True)

    def answer(self, action: str, payload: Payload) -> Payload:
        """Answer a CALL that fits its schema; NotSupported for what no dialect answers."""
        answerer = self.answerers().get(action)
        if answerer is None:
            raise CallFault("NotSupported", f"this station has no {action}")
        return answerer(payload)

    def answered(self) -> None:
        """The answer has left: do what had to wait for it."""
        following, self._after_answer = self._after_answer, []
        for follow in following:
            follow()

    # What dialects use and fill in

    def now(self) -> datetime:
        """The station's own clock."""
        return self._clock.now() + self.clock_offset

    def taken_samples(self, control: EvseControl) -> list[samples.Sample]:
        """The sampled data that the settings ask for."""
        measurands = self.settings.names(self.NAMES.sampled_data)
        return samples.samples(control.outlet, self._voltage_v, measurands)

    def agreed(self, control: EvseControl, transaction: Transaction, accepted: bool | None) -> None:
        """The CSMS's word on a started transaction; None: it couldn't be asked."""
        if control.transaction is not transaction:
            return
        if accepted is not False:
            control.outlet.closed = True
            transaction.offered_since_s = self._clock.monotonic_s()
            self._obey(control)
        elif self.settings.flag(self.NAMES.stop_on_invalid):
            self.end(control, EndReason.DEAUTHORIZED)

    def charging_since(self, control: EvseControl) -> datetime | None:
        """When the running transaction began."""
        return None if control.transaction is None else control.transaction.started_at

    @abstractmethod
    def factory_settings(self) -> Settings: ...
    @abstractmethod
    def answerers(self) -> Mapping[str, Callable[[Payload], Payload]]: ...
    @abstractmethod
    def boot_notification(self) -> Payload: ...
    @abstractmethod
    def status_word(self, control: EvseControl) -> str: ...
    @abstractmethod
    def send_status(self, control: EvseControl) -> None: ...
    @abstractmethod
    def send_started(self, control: EvseControl, transaction: Transaction) -> None: ...
    @abstractmethod
    def send_sample(self, control: EvseControl, transaction: Transaction) -> None: ...
    @abstractmethod
    def send_state(self, control: EvseControl, transaction: Transaction) -> None: ...
    @abstractmethod
    def send_ended(
        self,
        control: EvseControl,
        transaction: Transaction,
        reason: EndReason,
        id_token: str | None,
    ) -> None: ...
    @abstractmethod
    async def ask_authorization(self, id_token: str) -> bool | None:
        """The CSMS's word on a card; None when it can't be asked."""

    # Inside

    async def _reboot(self) -> None:
        self.boot_reason = "RemoteReset"
        await self.uplink.hang_up(REBOOT_S, reboot=True)

    async def _authorize(self, id_token: str) -> bool:
        known = self._known_tokens.get(fold(id_token))
        if known and self.settings.flag(self.NAMES.pre_authorize):
            return True
        accepted = await self.ask_authorization(id_token) if self.uplink.online else None
        if accepted is not None:
            self._known_tokens[fold(id_token)] = accepted
            return accepted
        return bool(known) and self.settings.flag(self.NAMES.authorize_offline)

    def _admit(
        self,
        control: EvseControl,
        id_token: str,
        remote_start_id: int | None = None,
        profile: StoredProfile | None = None,
    ) -> None:
        """Somebody may charge: begin, or wait for the plug."""
        if control.outlet.car is not None:
            self._begin(control, id_token, remote_start_id, profile)
            return
        wait_s = self.settings.number(self.NAMES.plug_timeout)
        timeout = asyncio.get_running_loop().call_later(wait_s, self._stop_waiting, control)
        control.waiting = Waiting(id_token, remote_start_id, profile, timeout)
        self._report(control)

    def _stop_waiting(self, control: EvseControl) -> None:
        if control.waiting is not None:
            control.waiting.timeout.cancel()
            control.waiting = None
            self._report(control)

    def _begin(
        self,
        control: EvseControl,
        id_token: str,
        remote_start_id: int | None,
        profile: StoredProfile | None,
    ) -> None:
        transaction = Transaction(id_token, self.now(), remote_start_id=remote_start_id)
        now_s = self._clock.monotonic_s()
        transaction.offered_since_s = now_s
        transaction.sampled_s = now_s
        control.transaction, control.finishing = transaction, False
        if profile is not None:
            with contextlib.suppress(ProfileRefused):
                self.profiles.put(profile)
        self.send_started(control, transaction)
        self._report(control)
        if not self.uplink.online:
            self.agreed(control, transaction, None)

    def _report(self, control: EvseControl, *, again: bool = False) -> None:
        word = self.status_word(control)
        if again or (word != control.reported and self.uplink.online):
            control.reported = word
            self.send_status(control)

    async def _tick_forever(self) -> None:
        while True:
            self._obey_all()
            for control in self.controls.values():
                self._watch(control)
            if self._resets_when_idle and not any(c.transaction for c in self.controls.values()):
                self._resets_when_idle = False
                self.spawn(self._reboot())
            await asyncio.sleep(TICK_S)

    async def _beat_forever(self) -> None:
        while True:
            await asyncio.sleep(max(1, self.settings.number(self.NAMES.heartbeat_interval)))
            self.uplink.send("Heartbeat", {})

    def _obey_all(self) -> None:
        for control in self.controls.values():
            self._obey(control)

    def _obey(self, control: EvseControl) -> None:
        """Offer the car what the profiles allow now, after the box's own delay."""
        charging = sum(other.outlet.closed for other in self.controls.values())
        limit_a = self.profiles.limit_a(
            control.evse,
            self.now(),
            charging_since=self.charging_since(control),
            sharing=max(1, charging),
        )
        if control.evse.supply is Supply.AC and limit_a < control.evse.current_a_min - 1e-6:
            limit_a = 0.0
        if limit_a != control.limit_a:
            control.limit_a = limit_a
            control.decided += 1
            offer = asyncio.get_running_loop().call_later
            offer(self._latency_s, self._offer, control, limit_a, control.decided)

    def _offer(self, control: EvseControl, limit_a: float, number: int) -> None:
        if number < control.offered:
            return  # timers of one instant come in any order
        control.offered = number
        if control.outlet.offered_a <= 0 and control.transaction is not None:
            control.transaction.offered_since_s = self._clock.monotonic_s()
        control.outlet.offered_a = limit_a

    def _watch(self, control: EvseControl) -> None:
        """Tell what changed in a transaction, and the samples that are due."""
        transaction = control.transaction
        if transaction is None:
            return
        state = self._charging_state(control, transaction)
        if state is not transaction.state:
            transaction.state = state
            self.send_state(control, transaction)
            self._report(control)
        interval_s = self.settings.number(self.NAMES.sample_interval)
        now_s = self._clock.monotonic_s()
        if interval_s and now_s >= transaction.sampled_s + interval_s - 1e-6:
            transaction.sampled_s = now_s
            self.send_sample(control, transaction)

    def _charging_state(self, control: EvseControl, transaction: Transaction) -> ChargingState:
        outlet = control.outlet
        if not outlet.closed:
            return ChargingState.EV_CONNECTED
        if outlet.current_a > FLOWING_A:
            return ChargingState.CHARGING
        if outlet.offered_a < control.evse.current_a_min - 1e-6:
            return ChargingState.SUSPENDED_EVSE
        waited_s = self._clock.monotonic_s() - transaction.offered_since_s
        return ChargingState.SUSPENDED_EV if waited_s >= WAKE_UP_S else transaction.state
