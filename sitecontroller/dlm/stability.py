"""What keeps load management calm: rising slowly, holding peaks, resting contactors, reclaiming.

Safety doesn't depend on anything here; it makes decisions last. Each class holds the memory of one
EVSE or one circuit-phase; all instants are monotonic seconds that come in.
"""

from collections import deque
from dataclasses import dataclass, field

RAMP_A = 6.0
RAMP_ROOM_SHARE = 0.25
INCREASE_EVERY_S = 10.0
INCREASE_UNUSED_EVERY_S = 60.0
"""Of who was seen to take less than it has."""
DEAD_BAND_A = 1.0
CALM_S = 60.0
CALM_DEAD_BAND_A = 0.5
"""After a minute without a change a smaller step is worth a message: many small rests add up."""

HOLD_S = 30.0
RELEASE_A_PER_S = 2.0

STARTS_PER_HOUR_MAX = 4
REST_S = 900.0
CREDIT_S_MAX = 3600.0

LEFT_A_MIN = 1.0
LEFT_SHARE = 0.08
"""A car that takes all it is given leaves less of it: so much of what it draws, and `CLOSER_A`."""
CLOSER_A = 0.2
UNDER_A = 0.5
"""Who leaves so much more takes less than it is given."""
UNDER_S = 30.0
RIDING_S = 10.0
DRAWS_A = 1.0
SLEEPS_AFTER_S = 60.0
FIRST_SLEEPS_AFTER_S = 180.0
KNOCK_EVERY_S = 900.0
CLOSE_S = 20.0
"""Between two readings: whoever is read more seldom would wait too long for the next."""
REFUSES_AFTER_S = 90.0
BEGINS_A_MAX = 10.0
"""Some cars begin at 8 or 10 A only: a new one that takes nothing of less is offered so much."""


def raised_limit_a(
    limit_a: float, target_a: float, free_a: float, minimum_a: float, calm_s: float = 0.0
) -> float:
    """The next limit on the way up; `limit_a` itself where a step isn't worth a message.

    A step is a quarter of the free room, or 6 A where that is more; from below the minimum (a
    pause, a fallback) it is at least up to it. It never goes beyond `free_a`. `calm_s`: how long
    the limit hasn't changed.
    """
    step_a = max(RAMP_A, RAMP_ROOM_SHARE * free_a, minimum_a - limit_a)
    raised_a = limit_a + min(step_a, free_a, target_a - limit_a)
    dead_band_a = DEAD_BAND_A if calm_s < CALM_S else CALM_DEAD_BAND_A
    if raised_a < minimum_a or raised_a - limit_a < dead_band_a:
        return limit_a
    return raised_a


@dataclass(slots=True)
class Hold:
    """The greatest value of the last 30 s, then slowly down to what is."""

    value_a: float | None = None
    _window: deque[tuple[float, float]] = field(default_factory=deque)
    _at_s: float = 0.0

    def update(self, value_a: float, now_s: float) -> float:
        """Take a new value; returns what to count with."""
        window = self._window
        while window and window[-1][1] <= value_a:
            window.pop()
        window.append((now_s, value_a))
        while window[0][0] < now_s - HOLD_S:
            window.popleft()
        peak_a = window[0][1]
        if self.value_a is not None and peak_a < self.value_a:
            peak_a = max(peak_a, self.value_a - RELEASE_A_PER_S * max(0.0, now_s - self._at_s))
        self.value_a, self._at_s = peak_a, now_s
        return peak_a


@dataclass(slots=True)
class Dwell:
    """How long an EVSE runs or pauses, what it is owed, and how often its contactor closed."""

    running: bool = False
    since_s: float | None = None
    credit_s: float = 0.0
    _starts: deque[float] = field(default_factory=lambda: deque(maxlen=STARTS_PER_HOUR_MAX))
    _at_s: float | None = None

    def update(self, *, running: bool, wants: bool, now_s: float) -> None:
        """Its state in this cycle; only time in which it wants to charge earns or costs credit."""
        if self.since_s is None or running is not self.running:
            if running:
                self._starts.append(now_s)
            self.running, self.since_s = running, now_s
        if self._at_s is not None and wants:
            passed_s = now_s - self._at_s
            credit_s = self.credit_s + (-passed_s if running else passed_s)
            self.credit_s = min(CREDIT_S_MAX, max(-CREDIT_S_MAX, credit_s))
        self._at_s = now_s

    def settled_s(self, now_s: float) -> float | None:
        """How long it has been as it is; None before the first update."""
        return None if self.since_s is None else now_s - self.since_s

    def may_start(self, now_s: float) -> bool:
        """Whether its contactor may close again: below 4 cycles an hour, or 15 min rested."""
        if len(self._starts) < STARTS_PER_HOUR_MAX or self._starts[0] <= now_s - 3600.0:
            return True
        return self.since_s is not None and not self.running and now_s - self.since_s >= REST_S


@dataclass(slots=True)
class Need:
    """What a car takes, seen from its readings: all it is given, less, or nothing at all."""

    minimum_a: float
    begins_a_max: float = BEGINS_A_MAX
    need_a: float | None = None
    """Its recent draw and a little more; None: it takes what it is given."""
    asleep: bool = False
    least_a: float = field(init=False)
    """The least worth offering: more than `minimum_a` while it is tried what it begins at."""
    _more_since_s: float = 0.0
    _measured_s: float = float("-inf")
    _draws: deque[tuple[float, float]] = field(default_factory=deque)
    _under_since_s: float | None = None
    _riding_since_s: float | None = None
    _nothing_since_s: float | None = None
    _asleep_since_s: float = 0.0
    _has_drawn: bool = False

    def __post_init__(self) -> None:
        self.least_a = self.minimum_a

    def observe(self, draw_a: float, limit_a: float, measured_s: float) -> None:
        """A reading and the limit it was taken under."""
        before_s, self._measured_s = self._measured_s, measured_s
        if draw_a >= DRAWS_A:
            if not self._has_drawn:
                self.need_a = None
            self._has_drawn, self.asleep, self._nothing_since_s = True, False, None
            if self.minimum_a <= limit_a < self.least_a:
                self.least_a = self.minimum_a
        if limit_a < self.least_a:
            self._under_since_s = self._riding_since_s = self._nothing_since_s = None
            self._draws.clear()
            return
        self._watch_nothing(draw_a, limit_a, measured_s)
        if not self._has_drawn and self.need_a is None and measured_s - before_s <= CLOSE_S:
            self.need_a = limit_a  # before it begins it is raised no further
        self._watch_riding(draw_a, measured_s)
        self._watch_under(draw_a, limit_a, measured_s)

    @property
    def takes_less(self) -> bool:
        """Whether it draws, but the last reading showed less than it has."""
        return self._under_since_s is not None and self._nothing_since_s is None

    def suspended(self, limit_a: float, now_s: float) -> None:
        """The station says that the car takes nothing, and there is no reading to tell."""
        if limit_a >= self.least_a:
            self._watch_nothing(0.0, limit_a, now_s)

    def knock(self, now_s: float) -> None:
        """A sleeping car is offered current again every 15 min; one for which there was no more
        than it had, what it had."""
        if self.asleep and now_s - self._asleep_since_s >= KNOCK_EVERY_S:
            self.asleep, self._nothing_since_s = False, None
        if not self._has_drawn and now_s - self._more_since_s >= KNOCK_EVERY_S:
            self.least_a = self.minimum_a

    def _watch_nothing(self, draw_a: float, limit_a: float, measured_s: float) -> None:
        if draw_a >= DRAWS_A or self.asleep:
            return
        if self._nothing_since_s is None:
            self._nothing_since_s = measured_s
        nothing_s = measured_s - self._nothing_since_s
        if not self._has_drawn and limit_a < self.begins_a_max:
            if nothing_s >= REFUSES_AFTER_S:
                self.need_a = self.least_a = self.begins_a_max
                self._more_since_s, self._nothing_since_s = measured_s, None
            return
        after_s = SLEEPS_AFTER_S if self._has_drawn else FIRST_SLEEPS_AFTER_S
        if self.least_a > self.minimum_a:
            after_s = FIRST_SLEEPS_AFTER_S - REFUSES_AFTER_S
        if nothing_s >= after_s:
            self.asleep, self._asleep_since_s = True, measured_s
            self.least_a = self.minimum_a

    def _watch_riding(self, draw_a: float, measured_s: float) -> None:
        """Close to what it was seen to need. A limit below that tells nothing new: it would be
        lifted although the car takes no more than before."""
        if self.need_a is None or draw_a + left_a(draw_a) < self.need_a + CLOSER_A:
            self._riding_since_s = None
            return
        if self._riding_since_s is None:
            self._riding_since_s = measured_s
        if measured_s - self._riding_since_s >= RIDING_S:
            self.need_a = None

    def _watch_under(self, draw_a: float, limit_a: float, measured_s: float) -> None:
        draws = self._draws
        draws.append((measured_s, draw_a))
        while draws[0][0] < measured_s - UNDER_S:
            draws.popleft()
        if draw_a + left_a(draw_a) + UNDER_A > limit_a:
            self._under_since_s = None
            return
        if self._under_since_s is None:
            self._under_since_s = measured_s
        if measured_s - self._under_since_s >= UNDER_S:
            peak_a = max(draw for _, draw in draws)
            self.need_a = max(self.least_a, peak_a + left_a(peak_a))


def left_a(draw_a: float) -> float:
    """What a car that needs so much is given on top: if it takes more of it, it needs more."""
    return max(LEFT_A_MIN, CLOSER_A + LEFT_SHARE * draw_a)
