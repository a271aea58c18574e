"""Whether somebody outside limits us, and what holds when he falls silent: EEBUS LPC's states.

The states and their order follow the use case Limitation of Power Consumption (LPC UC TS 1.0.0,
2.3; VDE-AR-E 2829-6), for any source of limits, not for EEBUS alone. It is stricter in four places,
each on the side of less current:

- LPC leaves *init* for *unlimited/autonomous* after 120 s; here *init* lasts as *failsafe* does, so
  that a restart is no way out of a limit.
- What was said last holds on till its end in *init* and *failsafe*, beside the failsafe limit.
- A limit that can't be understood changes nothing (in LPC it proves that somebody is there).
- Without a failsafe duration the failsafe limit holds until the source is heard again.

Pure: seconds of a monotonic clock come in, what holds comes out.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf

HEARTBEAT_LOST_S = 120.0
"""Without a heartbeat for so long the failsafe limit holds (LPC-911, LPC-912)."""
WRITE_WITHIN_S = 60.0
"""So long after a heartbeat a limit counts that comes in init, failsafe or autonomous (LPC-913)."""
RESUMED_S = 120.0
"""Heartbeats again for so long and no limit: the source is there and doesn't limit (LPC-921)."""
FAILSAFE_FOR_S = (2 * 3600.0, 24 * 3600.0)
"""Least and most of LPC's failsafe duration minimum (LPC-022)."""


class ControlState(StrEnum):
    """LPC's names."""

    INIT = "init"
    LIMITED = "limited"
    UNLIMITED_CONTROLLED = "unlimited/controlled"
    FAILSAFE = "failsafe"
    UNLIMITED_AUTONOMOUS = "unlimited/autonomous"


CONTROLLED = frozenset({ControlState.LIMITED, ControlState.UNLIMITED_CONTROLLED})
"""The source is heard."""
_SAFE = frozenset({ControlState.INIT, ControlState.FAILSAFE})


@dataclass(frozen=True, slots=True)
class LimitValue:
    """W over all phases, or A on each; None: not limited so. 0 stops everything."""

    power_w: float | None = None
    current_a: float | None = None


@dataclass(frozen=True, slots=True)
class Spell:
    """A limit from one instant to another. `ends_s` inf: till something else is said."""

    value: LimitValue
    starts_s: float
    ends_s: float = inf

    def holds(self, now_s: float) -> bool:
        """Whether it is in force then."""
        return self.starts_s <= now_s < self.ends_s


@dataclass(frozen=True, slots=True)
class Terms:
    """How a source is watched. `heartbeat_s`: silence after so long.

    `failsafe` None: none is known, what was said last holds. `failsafe_for_s` None: until heard.
    """

    heartbeat_s: float = HEARTBEAT_LOST_S
    failsafe: LimitValue | None = None
    failsafe_for_s: float | None = None


@dataclass(frozen=True, slots=True)
class Control:
    """One source, as of the last event; `passed` brings it to an instant."""

    terms: Terms
    state: ControlState
    since_s: float
    spells: tuple[Spell, ...] = ()
    heartbeat_at_s: float | None = None
    waiting: tuple[Spell, ...] | None = None
    """Said without a heartbeat just before; the next heartbeat puts it in force."""
    resumed_s: float | None = None
    """The first heartbeat since failsafe began, as long as no limit followed."""

    @classmethod
    def start(cls, terms: Terms, now_s: float, remembered: Iterable[Spell] = ()) -> "Control":
        """After a (re)start; `remembered`: what was said before it."""
        return cls(terms, ControlState.INIT, now_s, tuple(remembered))

    def told(self, spells: Iterable[Spell], now_s: float, *, heartbeat: bool = True) -> "Control":
        """The source says what limits from now on; nothing: unlimited. `heartbeat`: its saying so
        is one too (a source whose heartbeats are no messages of their own)."""
        now = self.passed(now_s)
        if heartbeat:
            now = replace(now, heartbeat_at_s=now_s)
        elif now.state not in CONTROLLED and not now._is_heard(now_s):
            return replace(now, waiting=tuple(spells))
        told = replace(now, spells=tuple(spells), waiting=None, resumed_s=None)
        return told._entered(told._by_what_was_said(now_s), now_s)

    def recalled(self, spells: Iterable[Spell], now_s: float) -> "Control":
        """What it said at a time unknown, older or newer than what is known: both hold until it
        says something new."""
        now = self.passed(now_s)
        if now.state not in CONTROLLED:
            return replace(now, waiting=tuple(spells))
        return replace(now, spells=tuple(dict.fromkeys((*now.spells, *spells)))).passed(now_s)

    def lost(self, now_s: float) -> "Control":
        """It is known to be gone: no need to wait for its heartbeats."""
        now = self.passed(now_s)
        if now.state not in CONTROLLED:
            return now
        return replace(now, resumed_s=None)._entered(ControlState.FAILSAFE, now_s)

    def heartbeat(self, now_s: float) -> "Control":
        """The source is there; alone this establishes no control, but a limit that waits counts."""
        heard = replace(self.passed(now_s), heartbeat_at_s=now_s)
        if heard.waiting is not None:
            return heard.told(heard.waiting, now_s)
        if heard.state is ControlState.FAILSAFE and heard.resumed_s is None:
            return replace(heard, resumed_s=now_s)
        return heard

    def passed(self, now_s: float) -> "Control":
        """Time alone has gone by until then."""
        if self.state in CONTROLLED:
            heard_s = self.since_s if self.heartbeat_at_s is None else self.heartbeat_at_s
            lost_s = heard_s + self.terms.heartbeat_s
            if now_s < lost_s:
                return self._entered(self._by_what_was_said(now_s), now_s)
            silent = replace(self, resumed_s=None)
            return silent._entered(ControlState.FAILSAFE, lost_s).passed(now_s)
        if self.state in _SAFE and now_s >= self._safe_until_s():
            return self._entered(ControlState.UNLIMITED_AUTONOMOUS, self._safe_until_s())
        return self

    def in_force(self, now_s: float) -> tuple[Spell, ...]:
        """All that limits then, of which the smallest counts; call `passed` first."""
        said = tuple(spell for spell in self.spells if spell.holds(now_s))
        if self.state in CONTROLLED:
            return said
        if self.state is ControlState.UNLIMITED_AUTONOMOUS:
            return ()
        said += tuple(spell for spell in self.waiting or () if spell.holds(now_s))
        if self.terms.failsafe is None:
            return said
        return (Spell(self.terms.failsafe, self.since_s, self._safe_until_s()), *said)

    def _safe_until_s(self) -> float:
        minimum_s = self.terms.failsafe_for_s
        ends_s = inf if minimum_s is None else self.since_s + minimum_s
        return ends_s if self.resumed_s is None else min(ends_s, self.resumed_s + RESUMED_S)

    def _is_heard(self, now_s: float) -> bool:
        return self.heartbeat_at_s is not None and now_s - self.heartbeat_at_s <= WRITE_WITHIN_S

    def _by_what_was_said(self, now_s: float) -> ControlState:
        limited = any(spell.holds(now_s) for spell in self.spells)
        return ControlState.LIMITED if limited else ControlState.UNLIMITED_CONTROLLED

    def _entered(self, state: ControlState, at_s: float) -> "Control":
        return self if state is self.state else replace(self, state=state, since_s=at_s)
