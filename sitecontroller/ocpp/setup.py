"""Set-up of a station after it has come: its sample interval and what it measures.

One command after the other, paced, at housekeeping priority, given up after two time-outs (Q14).
What a station has been told is remembered with its model and firmware: on the next boot one
read-back proves that it still holds. Models that don't bear it are never probed for measurands
(Q15). Nothing here knows a version's words: the plan brings the names.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from sitecontroller.config import OfflineSettings
from sitecontroller.domain.errors import CallRefused, CallTimeout, StationOffline

log = logging.getLogger(__name__)

TIMEOUTS_MAX = 2
PAUSE_S_MIN = 0.25
COMMANDS_MAX = 60
"""Of one set-up; a station that refuses each measurand singly takes about twenty."""

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as a station has it; `value` None: it doesn't say."""

    value: str | None
    writable: bool = True


class Settings(Protocol):
    """A station's settings by name. Both raise what a CALL raises."""

    async def read_settings(self, names: tuple[str, ...]) -> dict[str, Setting]:
        """Those it has, by the names asked for; no names: all it tells."""

    async def write_setting(self, name: str, value: str) -> bool:
        """Whether it took it."""


class Memory(Protocol):
    """Facts that outlive a connection."""

    async def remembered(self, name: str) -> Any: ...
    async def remember(self, name: str, value: Any) -> None: ...
    async def warn(self, station_id: str, warning: str) -> None: ...


@dataclass(frozen=True, slots=True)
class SetUpPlan:
    """What a version's station is to be told, in its own names.

    `switches` are set where the station has them and says otherwise.
    """

    sample_interval: str
    sample_interval_s: int
    measurand_lists: tuple[str, ...]
    measurands: tuple[str, ...]
    """Most wanted first: a station may have room for few."""
    switches: dict[str, str] = field(default_factory=dict)
    also_read: tuple[str, ...] = ()
    read_first: tuple[str, ...] = ()
    """By themselves, before anything else: how much a message may hold (B06.FR.05)."""
    read_all: bool = False
    """Ask once without names (1.6 tells all it has)."""
    probe_measurands: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """Every setting it touches or wants to see."""
        lists = self.measurand_lists if self.probe_measurands else ()
        return (self.sample_interval, *lists, *self.switches, *self.also_read)


def offline_switches(offline: OfflineSettings, names: tuple[str, str, str]) -> dict[str, str]:
    """What a station may do without contact; `names` as in `OfflineSettings`, without the cap."""
    policy = (offline.unknown_cards, offline.known_cards, offline.before_asking)
    return {name: str(value).lower() for name, value in zip(names, policy, strict=True)}


class _GivenUp(Exception):
    """Two commands went unanswered."""


class SetUp:
    """One station's set-up, run once a connection."""

    def __init__(
        self,
        station_id: str,
        model: str,
        plan: SetUpPlan,
        settings: Settings,
        memory: Memory,
        *,
        pause_s: float = PAUSE_S_MIN,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._station_id = station_id
        self._model = model
        self._plan = plan
        self._settings = settings
        self._memory = memory
        self._pause_s = max(pause_s, PAUSE_S_MIN)
        self._sleep = sleep
        self._timeouts = 0
        self._commands = 0
        self.found: dict[str, Setting] = {}
        """What the station told of its settings."""
        self.interval_held: bool | None = None
        """Whether it samples as often as it should; None when the set-up didn't get so far."""

    async def run(self) -> None:
        """Bring the station to the plan; ends quietly when it leaves or doesn't answer."""
        try:
            await self._run()
        except _GivenUp:
            log.warning("%s: set-up given up, it leaves commands unanswered", self._station_id)
        except StationOffline:
            log.info("%s: set-up ended with the connection", self._station_id)

    async def _run(self) -> None:
        if await self._still_holds():
            self.interval_held = True
            return
        if self._plan.read_first:
            self.found |= await self._read(self._plan.read_first)
        names = () if self._plan.read_all and self._plan.probe_measurands else self._plan.names
        self.found |= await self._read(names)
        self.interval_held = await self._ensure(
            self._plan.sample_interval, str(self._plan.sample_interval_s)
        )
        if not self.interval_held:
            await self._memory.warn(
                self._station_id,
                f"doesn't take a sample interval of {self._plan.sample_interval_s} s",
            )
        if self._plan.probe_measurands:
            for name in self._plan.measurand_lists:
                await self._ensure_measurands(name)
        for name, value in self._plan.switches.items():
            if name in self.found:
                await self._ensure(name, value)
        if self.interval_held and not self._timeouts:
            await self._memory.remember(self._key, self._fact)

    async def _still_holds(self) -> bool:
        """One read instead of the whole set-up: flash keeps settings, a factory reset doesn't."""
        if await self._memory.remembered(self._key) != self._fact:
            return False
        self.found |= await self._read((self._plan.sample_interval, *self._plan.also_read))
        return self._holds(self._plan.sample_interval, str(self._plan.sample_interval_s))

    @property
    def _key(self) -> str:
        return f"set-up/{self._station_id}"

    @property
    def _fact(self) -> dict[str, Any]:
        plan = self._plan
        return {
            "model": self._model,
            "sample_interval_s": plan.sample_interval_s,
            "switches": dict(plan.switches),
        }

    async def _ensure(self, name: str, value: str) -> bool:
        if self._holds(name, value):
            return True
        known = self.found.get(name)
        if known is not None and not known.writable:
            return False
        return await self._write(name, value)

    def _holds(self, name: str, value: str) -> bool:
        known = self.found.get(name)
        return known is not None and _same(known.value, value)

    async def _ensure_measurands(self, name: str) -> None:
        """All in one list; else those taken singly; else the station's own list (Q15).

        What this model and firmware took before is tried first.
        """
        wanted = self._plan.measurands
        known = self.found.get(name)
        if known is not None and (not known.writable or _contains(known.value, wanted)):
            return
        key = f"measurands/{self._model}/{name}"
        learned = await self._memory.remembered(key)
        if learned == "":
            return
        for values in dict.fromkeys((str(learned or ""), ",".join(wanted))):
            if values and await self._write(name, values):
                await self._memory.remember(key, values)
                return
        single = [measurand for measurand in wanted if await self._write(name, measurand)]
        taken = await self._longest_list(name, single)
        await self._memory.remember(key, taken)
        if taken != ",".join(wanted):
            said = taken or "only its own choice"
            await self._memory.warn(self._station_id, f"measures {said} ({name})")

    async def _longest_list(self, name: str, single: list[str]) -> str:
        """The most of the singly taken measurands that go into one list."""
        for count in range(len(single), 0, -1):
            values = ",".join(single[:count])
            if await self._write(name, values):
                return values
        return ""

    async def _read(self, names: tuple[str, ...]) -> dict[str, Setting]:
        return await self._paced(lambda: self._settings.read_settings(names), {})

    async def _write(self, name: str, value: str) -> bool:
        return await self._paced(lambda: self._settings.write_setting(name, value), False)

    async def _paced(self, command: Callable[[], Awaitable[Answer]], refused: Answer) -> Answer:
        """One command after a pause; a CALLERROR is a refusal, the second time-out the end."""
        self._commands += 1
        assert self._commands <= COMMANDS_MAX, "a set-up has a bounded number of steps"
        if self._commands > 1:
            await self._sleep(self._pause_s)
        try:
            return await command()
        except CallRefused as refusal:
            log.info("%s: set-up step refused: %s", self._station_id, refusal.detail)
            return refused
        except CallTimeout:
            self._timeouts += 1
            if self._timeouts >= TIMEOUTS_MAX:
                raise _GivenUp from None
            return refused


def _same(known: str | None, wanted: str) -> bool:
    if known is None:
        return False
    if known.strip().casefold() == wanted.casefold():
        return True
    try:
        return float(known) == float(wanted)
    except ValueError:
        return False


def _contains(known: str | None, wanted: tuple[str, ...]) -> bool:
    has = {part.strip().casefold() for part in (known or "").split(",")}
    return {measurand.casefold() for measurand in wanted} <= has
