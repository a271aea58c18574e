"""Load management as people see it: limits with their reason, circuits, the last hour, alarms."""

from collections import deque
from collections.abc import Iterable, Mapping
from datetime import datetime

from sitecontroller.dlm.limits import Limit, limited_by
from sitecontroller.domain.limit_source import GroupView
from sitecontroller.domain.topology import PHASE_NAMES, PHASES, EvseKey, PerPhase
from sitecontroller.domain.views import (
    CircuitView,
    DemandView,
    LimitView,
    PhaseSample,
    SurplusView,
)
from sitecontroller.services.alarms import AlarmService
from sitecontroller.services.load.circuits import CircuitControl, Circuits, Sight
from sitecontroller.services.load.evse import EvseControl
from sitecontroller.services.load.limits import UNLIMITED_A, GroupControl

HISTORY_EVERY_S = 5.0
HISTORY_POINTS = 720
"""60 min."""
OVERLOADED_AFTER_S = 12.0
"""As long as a step of the base load may take to be answered."""
RISING_A = 1.0


def limit_view(control: EvseControl, target: Limit | None, now_s: float, policy: str) -> LimitView:
    """What an EVSE may draw and why."""
    told_a = control.limit_a(now_s)
    exposure_a = round(control.exposure_a(now_s), 1)
    if control.transaction is None:
        text = f"{control.evse.fallback_a:g} A: until load management knows the session"
        return LimitView(control.evse.fallback_a, text, "fallback", exposure_a)
    if not control.online:
        return LimitView(told_a, f"{told_a:g} A: last told, no contact", "station", exposure_a)
    if not control.transaction.may_charge:
        return LimitView(told_a, f"{told_a:g} A: its card was refused", "fallback", exposure_a)
    if target is None and not control.steerable:
        text = f"{told_a:g} A told, draws more: the others make room"
        return LimitView(told_a, text, "station", exposure_a)
    if target is None:
        return LimitView(told_a, f"{told_a:g} A: as before, starting up", "fallback", exposure_a)
    reason = control.claim.reason(control.evse, target, policy, now_s)
    if target.current_a > told_a + RISING_A:
        text = f"{told_a:g} A, rising to {target.current_a:g} A: {reason}"
    else:
        text = f"{told_a:g} A: {reason}"
    if control.cap_a is not None or control.trial is not None:
        text += "; being commissioned"
    return LimitView(told_a, text, target.bound_by, exposure_a)


def circuit_view(
    control: CircuitControl,
    below: Iterable[EvseControl],
    now_s: float,
    fail_safe: str | None,
    *,
    demand: DemandView | None = None,
    surplus: SurplusView | None = None,
) -> CircuitView:
    """One circuit; where it has no meter its current is the sum of what is known below it."""
    exposure, drawn = [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]
    for evse in below:
        exposure_a = evse.exposure_a(now_s)
        if exposure_a == 0 and evse.draw is None:
            continue
        for phase in evse.phases.phases:
            exposure[phase] += exposure_a
            if evse.draw is not None:
                drawn[phase] += evse.draw.drawn_a[phase] or 0.0
    sample, circuit = control.measured, control.circuit
    current_a: PerPhase = (drawn[0], drawn[1], drawn[2])
    if circuit.meter_id is not None:
        current_a = sample.reading.current_a if sample else (None, None, None)
    one, two, three = (
        None if current is None else round(cap - current, 2)
        for cap, current in zip(control.cap_a, current_a, strict=True)
    )
    return CircuitView(
        circuit_id=circuit.circuit_id,
        name=circuit.name,
        parent_id=circuit.parent_id,
        limit_a=circuit.limit_a,
        cap_a=control.cap_a,
        current_a=_rounded(current_a),
        base_a=_rounded(control.base_a),
        exposure_a=_rounded((exposure[0], exposure[1], exposure[2])),
        headroom_a=(one, two, three),
        power_w=sample.reading.power_w if sample else None,
        measured_at=sample.reading.at if sample else None,
        stale=control.sight is not Sight.GOOD,
        fail_safe=fail_safe,
        limited_by=limited_by(circuit.name, control.binding),
        demand=demand,
        surplus=surplus,
    )


def group_view(control: GroupControl, now_s: float) -> GroupView:
    """One group: the sum of what is known of its EVSEs, against what it may take."""
    exposure, drawn = [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]
    for evse in control.members:
        exposure_a = evse.exposure_a(now_s)
        for phase in evse.phases.phases:
            exposure[phase] += exposure_a
            if evse.draw is not None:
                drawn[phase] += evse.draw.drawn_a[phase] or 0.0
    one, two, three = (
        None if limit.current_a >= UNLIMITED_A else round(limit.current_a, 2)
        for limit in control.binding
    )
    return GroupView(
        group_id=control.group.group_id,
        name=control.group.name,
        members=tuple(str(key) for key in control.group.members),
        cap_a=(one, two, three),
        current_a=_rounded((drawn[0], drawn[1], drawn[2])),
        exposure_a=_rounded((exposure[0], exposure[1], exposure[2])),
        limited_by=limited_by(control.group.name, control.binding),
    )


def fail_safe_reason(control: CircuitControl) -> str | None:
    """Why a circuit is held at a safe value; None in normal operation."""
    if control.sight < Sight.ASSUMED:
        return None
    silent = f"meter {control.circuit.meter_id} silent for {control.age_s:.0f} s"
    if control.sight is Sight.ASSUMED:
        return f"{silent}: the worst base load is assumed"
    return f"{silent}: fallbacks only"


class Chart:
    """The main circuit's last hour."""

    def __init__(self) -> None:
        self._points: deque[PhaseSample] = deque(maxlen=HISTORY_POINTS)
        self._next_s = float("-inf")

    def note(self, root: CircuitView, now: datetime, now_s: float) -> None:
        """One point per 5 s."""
        if now_s < self._next_s:
            return
        self._next_s = now_s + HISTORY_EVERY_S
        caps = [cap for cap in root.cap_a if cap is not None]
        self._points.append(PhaseSample(now, root.current_a, min(caps)))

    def points(self) -> tuple[PhaseSample, ...]:
        """Oldest first."""
        return tuple(self._points)


class CircuitAlarms:
    """Raises and clears what concerns circuits and their meters."""

    def __init__(self, alarms: AlarmService) -> None:
        self._alarms = alarms
        self._over_since_s: dict[tuple[str, int], float] = {}

    def update(self, circuits: Circuits, now_s: float) -> None:
        """Once per cycle."""
        for control in circuits.by_id.values():
            self._watch_meter(control)
            self._watch_load(control, now_s)

    def _watch_meter(self, control: CircuitControl) -> None:
        meter_id = control.circuit.meter_id
        if meter_id is None:
            return
        if control.sight is Sight.BLIND:
            self._alarms.raise_(
                "meter-stale", meter_id, meter=meter_id, age_s=f"{control.age_s // 60 * 60:.0f}"
            )
        elif control.sight is Sight.GOOD:
            self._alarms.clear("meter-stale", meter_id)

    def _watch_load(self, control: CircuitControl, now_s: float) -> None:
        sample, circuit = control.measured, control.circuit
        if sample is None or control.sight >= Sight.ASSUMED:
            return
        for phase in PHASES:
            place, subject = (circuit.circuit_id, phase), f"{circuit.circuit_id} L{phase + 1}"
            current_a = sample.reading.current_a[phase]
            if current_a is None or current_a <= circuit.limit_a[phase]:
                if self._over_since_s.pop(place, None) is not None:
                    self._alarms.clear("circuit-overloaded", subject)
                continue
            since_s = self._over_since_s.setdefault(place, now_s)
            if now_s - since_s > OVERLOADED_AFTER_S:
                self._alarms.raise_(
                    "circuit-overloaded",
                    subject,
                    circuit=circuit.name,
                    phase=PHASE_NAMES[phase],
                    current_a=f"{current_a:.0f}",
                    limit_a=f"{circuit.limit_a[phase]:.0f}",
                )


def changed(before: Mapping[EvseKey, LimitView], now: Mapping[EvseKey, LimitView]) -> set[EvseKey]:
    """The EVSEs whose limit is shown differently now."""
    return {key for key, view in now.items() if before.get(key) != view}


def _rounded(values: PerPhase) -> PerPhase:
    one, two, three = (None if value is None else round(value, 2) for value in values)
    return (one, two, three)
