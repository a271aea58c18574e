"""A simulated charging station, whatever its OCPP version: its life, its limits, its readings.

It decides as real stations do: who may charge stands in `sessions`, every limit comes from the
stored profiles, and a dialect says all of it on the wire. Told to misbehave it does so at the
joints where `bend` is asked.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any, TypeVar
from urllib.parse import quote

from sitecontroller.domain.station import ChargingState, OcppVersion
from sitecontroller.domain.topology import EvseKey, Supply
from sitecontroller.ports import Clock
from sitecontroller.simulation import samples
from sitecontroller.simulation.blocks import network, security
from sitecontroller.simulation.cars import Car
from sitecontroller.simulation.control import (
    EndReason,
    EvseControl,
    Fault,
    StationDescription,
    Transaction,
)
from sitecontroller.simulation.dialect import Dialect
from sitecontroller.simulation.line import SUBPROTOCOLS, Opening, basic_auth
from sitecontroller.simulation.misbehaviour import Mischief
from sitecontroller.simulation.plant import Amperes, Outlet
from sitecontroller.simulation.profiles import ProfileStore, StoredProfile
from sitecontroller.simulation.sessions import Sessions
from sitecontroller.simulation.settings import Settings
from sitecontroller.simulation.station16 import Station16
from sitecontroller.simulation.station21 import Station21
from sitecontroller.simulation.station201 import Station201
from sitecontroller.simulation.uplink import Answered, Payload, Uplink
from sitecontroller.wire import format_instant

TICK_S = 1.0
FLOWING_A = 0.05
WAKE_UP_S = 15.0
"""A car that takes nothing for so long after an offer has suspended itself."""
LATENCY_S = (0.2, 3.0)
REBOOT_S = 8.0
DRAIN_S_MAX = 5.0
DIARY_LINES = 2000

DIALECTS: dict[OcppVersion, type[Dialect]] = {
    dialect.VERSION: dialect for dialect in (Station16, Station201, Station21)
}

Part = TypeVar("Part")
Result = TypeVar("Result")


class SimulatedStation:
    """One station; `run` keeps it alive and talking until cancelled."""

    def __init__(
        self,
        description: StationDescription,
        outlets: Mapping[EvseKey, Outlet],
        voltage_v: Amperes,
        clock: Clock,
        random: Random,
    ) -> None:
        self.description = description
        self.quirks = Mischief(description.behaviour, self)
        self.station_id = description.station.station_id
        self.clock, self.clock_offset = clock, timedelta()
        self.voltage_v = voltage_v
        self.random = random
        self.firmware_version = description.firmware_version
        self.security_profile = description.security_profile
        self.boot_reason = "PowerUp"
        """BootReasonEnumType of the next boot."""
        self.diary: deque[str] = deque(maxlen=DIARY_LINES)
        """What happened, for those who fetch its log."""
        self.external_limit_a: float | None = None
        """What others than the CSMS allow each EVSE."""
        self.controls = {
            evse.evse_id: EvseControl(evse, outlets[evse.key]) for evse in description.station.evses
        }
        self._parts: dict[type[Any], Any] = {}
        self._dialects: dict[OcppVersion, Dialect] = {}
        self.dialect = self._dialect_of(description.version)
        self.profiles = ProfileStore(strict_stack=self.dialect.STRICT_STACK)
        self.sessions = Sessions(self)
        self.uplink = Uplink(self, clock, random, password=description.password)
        self._resets_when_idle = False
        self._latency_s = random.uniform(*LATENCY_S)
        self._after_answer: list[Callable[[], object]] = []
        self._errands: set[asyncio.Task[None]] = set()
        self._aligned_slot: int | None = None
        self.bend("begins", None)

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
        self.sessions.plug(self.controls[evse_id], car)

    def unplug(self, evse_id: int) -> Car | None:
        """The plug is drawn; a running transaction usually ends with it."""
        return self.sessions.unplug(self.controls[evse_id])

    async def tap(self, evse_id: int, id_token: str) -> bool:
        """A card is held to the reader: starts, or stops what the same card started."""
        return await self.sessions.tap(self.controls[evse_id], id_token)

    def break_down(self, evse_id: int, error_code: str, vendor_code: str = "") -> None:
        """An EVSE goes out of order; the code as in OCPP 1.6's ChargePointErrorCode."""
        self.sessions.break_down(self.controls[evse_id], Fault(error_code, vendor_code))

    def mend(self, evse_id: int) -> None:
        """It works again."""
        self.sessions.mend(self.controls[evse_id])

    # What the CSMS asks; the dialects translate

    def reset(self, reason: EndReason, *, boot_reason: str = "RemoteReset") -> None:
        """Reboot after the answer; soft tells of the stopped transactions before, hard after."""

        async def reboot() -> None:
            for control in self.controls.values():
                if control.waiting is not None:
                    self.sessions.stop_waiting(control)
                if control.transaction is not None:
                    self.sessions.end(control, reason)
            if reason is EndReason.SOFT_RESET:
                await asyncio.sleep(DRAIN_S_MAX)
            await self.reboot(boot_reason)

        self.after_answer(lambda: self.spawn(reboot()))

    def reset_when_idle(self) -> None:
        """Reboot once no transaction runs any more."""
        self._resets_when_idle = True

    async def reboot(self, reason: str, away_s: float = REBOOT_S) -> None:
        """Go down and come up again; transactions are the caller's business."""
        self.boot_reason = reason
        self.note(f"reboots: {reason}")
        network.use_order(self)
        await self.uplink.hang_up(away_s, reboot=True)

    def keep_profile(self, profile: StoredProfile) -> None:
        """Store a profile and obey it; raises ProfileRefused."""
        taken: StoredProfile | None = self.bend("profile", profile)
        if taken is not None:
            self.profiles.put(taken)
            self.obey_all()

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
        self.obey_all()
        return gone

    def charging_control(self, transaction_id: str) -> EvseControl | None:
        """The EVSE on which that transaction runs."""
        for control in self.controls.values():
            running = control.transaction
            if running is not None and running.transaction_id == transaction_id:
                return control
        return None

    def after_answer(self, follow: Callable[[], object]) -> None:
        """Do something once the answer that is being made has left."""
        self._after_answer.append(follow)

    def spawn(self, errand: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something beside; it ends with the station."""
        task = asyncio.create_task(errand, name=f"{self.station_id} errand")
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)
        return task

    async def in_thread(self, work: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
        """What blocks, off the loop; virtual time waits for it."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, partial(work, *args, **kwargs))

    # The uplink's owner

    @property
    def version(self) -> OcppVersion:
        """What it speaks now."""
        return self.dialect.VERSION

    @property
    def settings(self) -> Settings:
        """Those of the version it speaks."""
        return self.dialect.settings

    def opening(self, url: str) -> Opening:
        """How to open the line; `url` is the endpoint without the station's id."""
        url = security.endpoint(self, network.endpoint(self, url)).rstrip("/")
        offers = self.description.offers or (self.description.version,)
        opening = Opening(
            f"{url}/{quote(self.station_id, safe='')}",
            [", ".join(SUBPROTOCOLS[version] for version in offers)],
            ping_interval_s=self.uplink.ping_interval_s,
            tls=security.tls_context(self) if url.startswith("wss:") else None,
        )
        if self.uplink.password is not None and self.security_profile in (1, 2):
            password = self.uplink.password
            opening.headers["Authorization"] = basic_auth(self.station_id, password)
        bent: Opening = self.bend("opening", opening)
        return bent

    def opened(self, subprotocol: str | None) -> None:
        """Speak what was agreed; its own version where the CSMS names none that it knows."""
        security.connected(self)
        agreed = {word: version for version, word in SUBPROTOCOLS.items()}
        version = agreed.get(subprotocol or "", self.description.version)
        if version is not self.version:
            self.dialect = self._dialect_of(version)
            self.profiles.strict_stack = self.dialect.STRICT_STACK

    def boot_notification(self) -> Payload:
        """The payload of a BootNotification."""
        return self.dialect.boot_notification()

    def booted(self, answer: Payload, *, afresh: bool) -> None:
        """Take the CSMS's heartbeat interval; tell every EVSE's status."""
        if interval := answer.get("interval"):
            self.settings.set(self.dialect.NAMES.heartbeat_interval, str(interval))
        self.profiles.offline_since = None
        self.dialect.send_own_status()
        for control in self.controls.values():
            self.report(control, again=True)
        if afresh:
            self.note("booted")
            self.happened("booted")
        self.happened("online")
        self.bend("online", None, afresh)

    def answer(self, action: str, payload: Payload) -> Payload:
        """Answer a CALL that fits its schema; CallFault where there is no answer."""
        self.note(f"asked for {action}")
        forced: Payload | None = self.bend("asked", None, action, payload)
        said = self.dialect.answer(action, payload) if forced is None else forced
        answer: Payload = self.bend("answer", said, action, payload)
        return answer

    def answered(self) -> None:
        """The answer has left: do what had to wait for it."""
        following, self._after_answer = self._after_answer, []
        for follow in following:
            follow()

    # What dialects and blocks use

    def now(self) -> datetime:
        """The station's own clock."""
        return self.clock.now() + self.clock_offset

    def stamp(self, at: datetime | None = None) -> str:
        """An instant as it writes it; None: now."""
        text: str = self.bend("stamp", format_instant(at or self.now()))
        return text

    def bend(self, joint: str, value: Any, *context: Any) -> Any:
        """What a misbehaving station makes of it; of a good one the value itself."""
        return self.quirks.bend(joint, value, *context)

    def say(
        self,
        action: str,
        payload: Payload | Callable[[], Payload],
        *,
        lasting: bool = False,
        answered: Answered | None = None,
    ) -> None:
        """Queue a CALL; see `Uplink.send`."""
        self.uplink.send(action, payload, lasting=lasting, answered=answered)

    def part(self, kind: type[Part]) -> Part:
        """What a block keeps here, over reboots."""
        if kind not in self._parts:
            self._parts[kind] = kind()
        part: Part = self._parts[kind]
        return part

    def happened(self, event: str, *context: Any) -> None:
        """Tell the blocks."""
        for hook in self.dialect.tables.hooks.get(event, ()):
            hook(self, *context)

    def note(self, text: str) -> None:
        """Write a line of its own log."""
        self.diary.append(f"{format_instant(self.now())} {self.station_id} {text}")

    def chosen(self, evse_id: int) -> list[EvseControl]:
        """The EVSE of that number, all for 0; none for one it doesn't have."""
        if evse_id == 0:
            return list(self.controls.values())
        control = self.controls.get(evse_id)
        return [] if control is None else [control]

    def register_wh(self, control: EvseControl) -> int:
        """The EVSE's meter, as it is printed."""
        value: int = self.bend("register", samples.energy_wh(control.outlet), control)
        return value

    def taken_samples(
        self, control: EvseControl, measurands: tuple[str, ...] | None = None
    ) -> list[samples.Sample]:
        """The given measurands; None: the sampled data that the settings ask for."""
        if measurands is None:
            measurands = self.settings.names(self.dialect.NAMES.sampled_data)
        taken = samples.samples(control.outlet, self.voltage_v, measurands)
        bent: list[samples.Sample] = self.bend("samples", taken, control)
        return bent

    def charging_since(self, control: EvseControl) -> datetime | None:
        """When the running transaction began."""
        return None if control.transaction is None else control.transaction.started_at

    def report(self, control: EvseControl, *, again: bool = False) -> None:
        """Tell an EVSE's status where it is another than the last one told."""
        word = self.bend("status", self.dialect.status_word(control), control)
        if again or (word != control.reported and self.uplink.online):
            control.reported = word
            self.dialect.send_status(control)

    # Limits

    def obey_all(self) -> None:
        """Follow the profiles everywhere."""
        for control in self.controls.values():
            self.obey(control)

    def obey(self, control: EvseControl) -> None:
        """Offer the car what the profiles allow now, after the box's own delay."""
        charging = sum(other.outlet.closed for other in self.controls.values())
        running = control.transaction
        limit_a = self.profiles.limit_a(
            control.evse,
            self.now(),
            charging_since=self.charging_since(control),
            sharing=max(1, charging),
            priority=running is not None and running.priority,
        )
        if self.external_limit_a is not None:
            limit_a = min(limit_a, self.external_limit_a)
        limit_a = self.bend("limit", limit_a, control)
        if control.evse.supply is Supply.AC and limit_a < control.evse.current_a_min - 1e-6:
            limit_a = 0.0
        given_a = self.profiles.given_a(control.evse, self.now(), self.charging_since(control))
        if (limit_a, given_a) != (control.limit_a, control.given_a):
            control.limit_a, control.given_a = limit_a, given_a
            control.decided += 1
            offer = asyncio.get_running_loop().call_later
            offer(self._latency_s, self._offer, control, limit_a, given_a, control.decided)

    def _offer(self, control: EvseControl, limit_a: float, given_a: float, number: int) -> None:
        if number < control.offered:
            return  # timers of one instant come in any order
        control.offered = number
        if control.outlet.offered_a <= 0 and control.transaction is not None:
            control.transaction.offered_since_s = self.clock.monotonic_s()
        control.outlet.offered_a, control.outlet.asked_a = limit_a, given_a

    # Inside

    def _dialect_of(self, version: OcppVersion) -> Dialect:
        if version not in self._dialects:
            self._dialects[version] = DIALECTS[version](self)
        return self._dialects[version]

    async def _tick_forever(self) -> None:
        while True:
            if not self.uplink.online and self.profiles.offline_since is None:
                self.profiles.offline_since = self.now()
            self.obey_all()
            for control in self.controls.values():
                self._watch(control)
            self._read_by_the_clock()
            self.happened("second")
            self.bend("second", None)
            if self._resets_when_idle and not any(c.transaction for c in self.controls.values()):
                self._resets_when_idle = False
                self.spawn(self.reboot("ScheduledReset"))
            await asyncio.sleep(TICK_S)

    async def _beat_forever(self) -> None:
        while True:
            await asyncio.sleep(max(1, self.settings.number(self.dialect.NAMES.heartbeat_interval)))
            self.say("Heartbeat", {})

    def _watch(self, control: EvseControl) -> None:
        """Tell what changed in a transaction, and the samples that are due."""
        transaction = control.transaction
        if transaction is None:
            return
        state = self._charging_state(control, transaction)
        if state is ChargingState.CHARGING:
            transaction.charging_s += TICK_S
        else:
            transaction.idle_s += TICK_S
        if state is not transaction.state:
            transaction.state = state
            self.dialect.send_state(control, transaction)
            self.report(control)
        interval_s = self.settings.number(self.dialect.NAMES.sample_interval)
        now_s = self.clock.monotonic_s()
        if interval_s and now_s >= transaction.sampled_s + interval_s - 1e-6:
            transaction.sampled_s = now_s
            self.dialect.send_sample(control, transaction)
        self.dialect.collect(control, transaction)

    def _read_by_the_clock(self) -> None:
        """Samples at full intervals of the hour, with or without a transaction."""
        interval_s = self.settings.number(self.dialect.NAMES.aligned_interval)
        if not interval_s:
            self._aligned_slot = None
            return
        slot = int(self.now().timestamp()) // interval_s
        before, self._aligned_slot = self._aligned_slot, slot
        if before is None or slot == before:
            return
        for control in self.controls.values():
            if control.transaction is not None:
                self.dialect.send_sample(control, control.transaction, aligned=True)
            else:
                self.dialect.send_aligned(control)

    def _charging_state(self, control: EvseControl, transaction: Transaction) -> ChargingState:
        outlet = control.outlet
        if outlet.car is None:
            return ChargingState.IDLE
        if not outlet.closed:
            return ChargingState.EV_CONNECTED
        if abs(outlet.current_a) > FLOWING_A:
            return ChargingState.CHARGING
        if outlet.offered_a < control.evse.current_a_min - 1e-6:
            return ChargingState.SUSPENDED_EVSE
        waited_s = self.clock.monotonic_s() - transaction.offered_since_s
        return ChargingState.SUSPENDED_EV if waited_s >= WAKE_UP_S else transaction.state
