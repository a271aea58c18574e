"""A station's store of charging profiles: what it accepts, and what an EVSE may draw at an instant.

Evaluates purposes, stack levels, validity, durations and recurrence as OCPP 1.6 (5.16, "Smart
charging") and 2.0.1 (K01) say. Currents are per phase and on the grid's side; limits in watts are
those of the outlet. Pure; time is the station's clock and comes in.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sitecontroller.domain.topology import NOMINAL_V, Evse, Supply

STATION_MAXIMUMS = ("ChargePointMaxProfile", "ChargingStationMaxProfile")
TX_DEFAULT = "TxDefaultProfile"
TX = "TxProfile"
PRIORITY = "PriorityCharging"
LOCAL_GENERATION = "LocalGeneration"
PURPOSES = (*STATION_MAXIMUMS, TX_DEFAULT, TX, PRIORITY, LOCAL_GENERATION)
DYNAMIC = "Dynamic"
NO_LIMIT = 1e9
"""Of a period that names none (2.1: its operation mode says enough)."""
SETPOINTS = ("setpoint", "setpoint_L2", "setpoint_L3")
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)

STACK_LEVEL_MAX = 10
PERIODS_MAX = 24
PROFILES_MAX = 40
RECURRENCES = {"Daily": timedelta(days=1), "Weekly": timedelta(weeks=1)}


class ProfileRefused(Exception):
    """The station doesn't take this profile; the text says why."""


@dataclass(frozen=True, slots=True)
class Period:
    """From `start_s` into the schedule on; `limit` in the schedule's unit."""

    start_s: int
    limit: float
    phase_count: int | None
    given: float = 0.0
    """What the car shall give back, in the same unit: a set-point below 0 (2.1)."""


@dataclass(frozen=True, slots=True)
class StoredProfile:
    """One profile as a station keeps it. `evse_id` 0 is the whole station."""

    profile_id: int
    evse_id: int
    stack_level: int
    purpose: str
    kind: str
    unit: str
    periods: tuple[Period, ...]
    start_at: datetime | None = None
    duration_s: int | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    recurrence: timedelta | None = None
    transaction_id: str | None = None
    offline_s_max: int | None = None
    """Of no force when the line is down longer (2.1)."""
    update_every_s: int | None = None
    """A dynamic profile of 2.1 asks for its limit this often; None: it waits for it."""
    body: dict[str, Any] = field(default_factory=dict, compare=False)
    """As it came, for who asks for a report."""

    def updated(self, limit: float) -> "StoredProfile":
        """A dynamic profile with a new limit from now on (2.1 K28)."""
        return replace(self, periods=tuple(replace(p, limit=limit) for p in self.periods))

    def holds_offline(self, offline_s: float) -> bool:
        """Whether it still counts after so long without a line."""
        return self.offline_s_max is None or offline_s <= self.offline_s_max

    def period_at(self, at: datetime, charging_since: datetime | None) -> Period | None:
        """The period in force at an instant, None when the profile says nothing then."""
        if self.valid_from is not None and at < self.valid_from:
            return None
        if self.valid_to is not None and at >= self.valid_to:
            return None
        began = self._begin(at, charging_since)
        if began is None or at < began:
            return None
        passed_s = (at - began).total_seconds()
        if self.duration_s is not None and passed_s >= self.duration_s:
            return None
        found = None
        for period in self.periods:
            if period.start_s <= passed_s:
                found = period
        return found

    def changes(self, at: datetime, charging_since: datetime | None) -> Iterable[datetime]:
        """Instants at which what it says may change, as seen from `at`."""
        yield from (instant for instant in (self.valid_from, self.valid_to) if instant is not None)
        began = self._begin(at, charging_since)
        if began is None:
            return
        rounds = (began,) if self.recurrence is None else (began, began + self.recurrence)
        for start in rounds:
            yield from (start + timedelta(seconds=period.start_s) for period in self.periods)
            if self.duration_s is not None:
                yield start + timedelta(seconds=self.duration_s)

    def _begin(self, at: datetime, charging_since: datetime | None) -> datetime | None:
        if self.kind == DYNAMIC and self.start_at is None:
            return self.valid_from or LONG_AGO
        if self.kind == "Relative" or self.start_at is None:
            return charging_since
        if self.recurrence is None or at < self.start_at:
            return self.start_at
        return self.start_at + (at - self.start_at) // self.recurrence * self.recurrence


class ProfileStore:
    """Every profile of one station. `strict_stack` refuses EVSE 0 beside EVSE n (2.x, K01.FR.06).

    TxProfiles end with their transaction; the others stay for ever, over reboots too.
    """

    def __init__(self, *, strict_stack: bool) -> None:
        self.strict_stack = strict_stack
        self.offline_since: datetime | None = None
        """When the line went down, for profiles that end without it."""
        self._profiles: list[StoredProfile] = []

    def __iter__(self) -> Any:
        return iter(tuple(self._profiles))

    def put(self, profile: StoredProfile) -> None:
        """Keep it in place of the one with its id or its (EVSE, purpose, stack level)."""
        place = (profile.evse_id, profile.purpose, profile.stack_level)
        others = [
            known
            for known in self._profiles
            if known.profile_id != profile.profile_id
            and (known.evse_id, known.purpose, known.stack_level) != place
        ]
        if self.strict_stack and any(self._clashes(profile, known) for known in others):
            raise ProfileRefused("EVSE 0 and another EVSE share a stack level")
        if len(others) >= PROFILES_MAX:
            raise ProfileRefused(f"more than {PROFILES_MAX} profiles")
        self._profiles = [*others, profile]

    def clear(
        self,
        *,
        profile_id: int | None = None,
        evse_id: int | None = None,
        purpose: str | None = None,
        stack_level: int | None = None,
    ) -> int:
        """Drop those that fit everything given; how many went."""
        kept = [
            profile
            for profile in self._profiles
            if not (
                (profile_id is None or profile.profile_id == profile_id)
                and (evse_id is None or profile.evse_id == evse_id)
                and (purpose is None or profile.purpose == purpose)
                and (stack_level is None or profile.stack_level == stack_level)
            )
        ]
        gone = len(self._profiles) - len(kept)
        self._profiles = kept
        return gone

    def limit_a(
        self,
        evse: Evse,
        at: datetime,
        *,
        charging_since: datetime | None = None,
        sharing: int = 1,
        priority: bool = False,
    ) -> float:
        """What the EVSE may draw per phase. `sharing` EVSEs share the station's maximum.

        `charging_since` None: no transaction, so TxProfiles don't count. With `priority` a
        PriorityCharging profile takes their place (2.1 K22).
        """
        limit_a = evse.current_a_max
        station_a = self._leading_a(evse, at, charging_since, STATION_MAXIMUMS)
        if station_a is not None:
            limit_a = min(limit_a, station_a / sharing)
        own_a = None
        if priority:
            own_a = self._leading_a(evse, at, charging_since, (PRIORITY,))
        if own_a is None and charging_since is not None:
            own_a = self._leading_a(evse, at, charging_since, (TX,))
        if own_a is None:
            own_a = self._leading_a(evse, at, charging_since, (TX_DEFAULT,))
        return limit_a if own_a is None else min(limit_a, own_a)

    def given_a(self, evse: Evse, at: datetime, charging_since: datetime | None) -> float:
        """What the car shall give back, A per phase: as the transaction's profile says."""
        if charging_since is None:
            return 0.0
        leading = self._leading(evse, at, charging_since, (TX,))
        return 0.0 if leading is None else _amperes(leading[0].given, *leading, evse)

    def composite(
        self, evse: Evse, at: datetime, duration_s: int, charging_since: datetime | None
    ) -> list[tuple[int, float]]:
        """(seconds from `at`, A per phase) wherever the limit changes; the first is at 0."""
        end = at + timedelta(seconds=duration_s)
        instants = {at}
        for profile in self._profiles:
            instants.update(i for i in profile.changes(at, charging_since) if at < i < end)
        steps: list[tuple[int, float]] = []
        for instant in sorted(instants):
            limit_a = self.limit_a(evse, instant, charging_since=charging_since)
            if not steps or steps[-1][1] != limit_a:
                steps.append((round((instant - at).total_seconds()), limit_a))
        return steps

    def _clashes(self, new: StoredProfile, known: StoredProfile) -> bool:
        return (
            new.purpose == known.purpose == TX_DEFAULT
            and new.stack_level == known.stack_level
            and (new.evse_id == 0) != (known.evse_id == 0)
        )

    def _leading_a(
        self,
        evse: Evse,
        at: datetime,
        charging_since: datetime | None,
        purposes: tuple[str, ...],
    ) -> float | None:
        leading = self._leading(evse, at, charging_since, purposes)
        return None if leading is None else _amperes(leading[0].limit, *leading, evse)

    def _leading(
        self,
        evse: Evse,
        at: datetime,
        charging_since: datetime | None,
        purposes: tuple[str, ...],
    ) -> tuple[Period, str] | None:
        """The period of the highest stack level that says anything now, and its unit; own EVSE
        before EVSE 0."""
        down_at = self.offline_since
        offline_s = 0.0 if down_at is None else (at - down_at).total_seconds()
        candidates = [
            profile
            for profile in self._profiles
            if profile.purpose in purposes
            and profile.evse_id in (0, evse.evse_id)
            and profile.holds_offline(offline_s)
        ]
        candidates.sort(key=lambda p: (p.stack_level, p.evse_id), reverse=True)
        for profile in candidates:
            period = profile.period_at(at, charging_since)
            if period is not None:
                return period, profile.unit
        return None


def parse_profile(
    body: dict[str, Any], schedule: dict[str, Any], evse_id: int, profile_id: int
) -> StoredProfile:
    """A profile from a request that fits the schema; ProfileRefused when it makes no sense."""
    periods = tuple(
        Period(int(p["startPeriod"]), lowest(p), p.get("numberPhases"), given_back(p))
        for p in schedule["chargingSchedulePeriod"]
    )
    purpose, kind = body["chargingProfilePurpose"], body["chargingProfileKind"]
    recurrence = RECURRENCES.get(body.get("recurrencyKind", ""))
    start_at = _instant(schedule.get("startSchedule"))
    if purpose not in PURPOSES:
        raise ProfileRefused(f"{purpose} is not supported")
    if not periods or periods[0].start_s != 0 or len(periods) > PERIODS_MAX:
        raise ProfileRefused(f"needs 1 to {PERIODS_MAX} periods, the first at 0")
    if [p.start_s for p in periods] != sorted({p.start_s for p in periods}):
        raise ProfileRefused("periods are out of order")
    if not 0 <= body["stackLevel"] <= STACK_LEVEL_MAX:
        raise ProfileRefused(f"stack level above {STACK_LEVEL_MAX}")
    if any(period.limit < 0 for period in periods):
        raise ProfileRefused("a limit below 0")
    if purpose in STATION_MAXIMUMS and (evse_id != 0 or kind == "Relative"):
        raise ProfileRefused("a station's maximum is for EVSE 0 and not relative")
    if purpose == TX and evse_id == 0:
        raise ProfileRefused("a TxProfile is for one EVSE")
    if kind == "Recurring" and (recurrence is None or start_at is None):
        raise ProfileRefused("a recurring profile needs its recurrence and a start")
    transaction_id = body.get("transactionId")
    return StoredProfile(
        profile_id=profile_id,
        evse_id=evse_id,
        stack_level=body["stackLevel"],
        purpose=purpose,
        kind=kind,
        unit=schedule["chargingRateUnit"],
        periods=periods,
        start_at=start_at,
        duration_s=schedule.get("duration"),
        valid_from=_instant(body.get("validFrom")),
        valid_to=_instant(body.get("validTo")),
        recurrence=recurrence if kind == "Recurring" else None,
        transaction_id=None if transaction_id is None else str(transaction_id),
        offline_s_max=body.get("maxOfflineDuration"),
        update_every_s=body.get("dynUpdateInterval") if kind == DYNAMIC else None,
        body=body,
    )


def lowest(limits: dict[str, Any]) -> float:
    """The smallest of a period's limits: 2.1 knows one a phase, and a set-point beside them."""
    names = ("limit", "limit_L2", "limit_L3")
    known = [float(limits[name]) for name in names if name in limits]
    known += [max(0.0, float(limits[name])) for name in SETPOINTS if name in limits]
    return min(known, default=NO_LIMIT)


def given_back(period: dict[str, Any]) -> float:
    """The smallest of its set-points below 0, as far as its limit of discharge lets; else 0."""
    said = [max(0.0, -float(period[name])) for name in SETPOINTS if name in period]
    most = -float(period.get("dischargeLimit", -NO_LIMIT))
    return min([most, *said]) if said else 0.0


def in_unit(current_a: float, unit: str, evse: Evse) -> float:
    """A per phase in the unit of a composite schedule: watts over all wired phases."""
    if unit == "W":
        return round(current_a * NOMINAL_V * evse.phase_count * evse.efficiency)
    return round(current_a, 1)


def _amperes(value: float, period: Period, unit: str, evse: Evse) -> float:
    if unit != "W":
        return value
    phase_count = 3
    if evse.supply is not Supply.DC:
        phase_count = min(period.phase_count or 3, evse.phase_count)
    return value / (NOMINAL_V * phase_count * evse.efficiency)


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ProfileRefused(f"'{text}' is no instant") from None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
