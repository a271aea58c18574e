"""What an EVSE may draw at most, right now, while commands are on their way.

The station obeys one of: the last limit that was *proven*, one sent since then, or its fallback
once a lease may have run out. The exposure is the largest of them. Only evidence strikes earlier
ones off: a measured draw that fits the new limit, taken after the reaction time, or the station's
own composite schedule. "Accepted" proves nothing; a time-out or disconnect leaves everything as it
was.
"""

from dataclasses import dataclass, replace

EVIDENCE_TOLERANCE_A = 1.0
"""A measured draw up to this much above a limit still fits it."""
SCHEDULE_TOLERANCE_A = 0.5
"""By so much less a station may name a limit that it rounded down."""
ROUNDING_A = 0.05
CANDIDATES_MAX = 8
"""Limits kept while no evidence comes; beyond, the two oldest become one."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A limit on its way or in force; `number` tells it from others.

    `limit_a` None: the fallback, whatever it is. `ends_s` is when its lease has run out for
    certain; None: it holds until replaced.
    """

    number: int
    limit_a: float | None
    sent_s: float
    ends_s: float | None = None
    taken: bool = True
    """False: not answered yet, or not with yes. It may never have come."""


NOT_SENT = -1
"""The number of what holds without our having sent it."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """One EVSE's possible limits, oldest first: the proven one, then all sent since.

    `fallback_a` is what holds without a lease: the confirmed fallback, or the station's maximum
    while it is not confirmed. `beyond_a` is a draw measured above all of them: whatever is drawn
    may be drawn.
    """

    fallback_a: float
    possible: tuple[Sent, ...] = ()
    beyond_a: float | None = None

    def most_a(self, now_s: float) -> float:
        """The exposure: A per phase."""
        if len(self.possible) == 1:
            most_a = self._holds_a(self.possible[0], now_s)
        else:
            limits_a = [self._holds_a(sent, now_s) for sent in self.possible]
            most_a = max(limits_a, default=self.fallback_a)
        return most_a if self.beyond_a is None else max(most_a, self.beyond_a)

    def limit_a(self, now_s: float) -> float:
        """What the station was last told, or its fallback where that has run out."""
        return self._holds_a(self.possible[-1], now_s) if self.possible else self.fallback_a

    def least_a(self, now_s: float) -> float:
        """The least that may be in force: of what the station took last, and all sent since."""
        return min((self._holds_a(s, now_s) for s in self._since_taken), default=self.fallback_a)

    @property
    def known_s(self) -> float:
        """Since when nothing further may have come into force."""
        return max((sent.sent_s for sent in self._since_taken), default=float("-inf"))

    @property
    def _since_taken(self) -> tuple[Sent, ...]:
        told = (n for n, s in enumerate(self.possible) if s.taken and s.number != NOT_SENT)
        return self.possible[max(told, default=0) :]

    @property
    def told_fallback(self) -> bool:
        """Nothing but the fallback can be in force, or the station took it last: telling it again
        would change nothing. It proves nothing."""
        return all(sent.limit_a is None for sent in self.possible) or (
            self.possible[-1].limit_a is None and self.possible[-1].taken
        )

    def unproven_since_s(self, now_s: float) -> float | None:
        """Since when a lower limit has been waiting for evidence; None: nothing waits."""
        if len(self.possible) < 2:
            return None
        limits_a = [self._holds_a(sent, now_s) for sent in self.possible]
        if max(limits_a) <= limits_a[-1] + EVIDENCE_TOLERANCE_A:
            return None
        last_highest = max(range(len(limits_a)), key=lambda index: (limits_a[index], index))
        return max(sent.sent_s for sent in self.possible[last_highest : last_highest + 2])

    def send(self, sent: Sent) -> "Exposure":
        """A further limit goes out: from now on it may be in force."""
        possible = (*(self.possible or (Sent(NOT_SENT, None, sent.sent_s),)), sent)
        if len(possible) > CANDIDATES_MAX:
            possible = self._fewer(possible, sent.sent_s)
        return replace(self, possible=possible)

    def answered(self, number: int, ends_s: float | None, *, taken: bool = True) -> "Exposure":
        """The station took that limit, or (`taken` False) may have; its lease has ended for certain
        at `ends_s`."""
        possible = tuple(
            replace(sent, ends_s=ends_s, taken=sent.taken or taken)
            if sent.number == number
            else sent
            for sent in self.possible
        )
        return replace(self, possible=possible)

    def extended(self, ends_s: float) -> "Exposure":
        """The station renewed its lease itself: what holds, holds until `ends_s` at least."""
        possible = tuple(
            sent
            if sent.ends_s is None or sent.limit_a is None
            else replace(sent, ends_s=max(sent.ends_s, ends_s))
            for sent in self.possible
        )
        return replace(self, possible=possible)

    def withdraw(self, number: int) -> "Exposure":
        """That limit never left: it isn't in force."""
        kept = tuple(sent for sent in self.possible if sent.number != number)
        return replace(self, possible=kept) if kept else self

    def refused(self, number: int, now_s: float) -> "Exposure":
        """The station said no to that limit, which proves nothing.

        A lower one stays asked for, so that who keeps refusing lacks evidence. A higher one may be
        in force all the same until a reading shows otherwise, but it was not told.
        """
        index = next((i for i, sent in enumerate(self.possible) if sent.number == number), 0)
        if index == 0:
            return self
        refused, before = self.possible[index], self.possible[:index]
        told_a = self._holds_a(before[-1], now_s)
        if self._holds_a(refused, now_s) <= told_a:
            return self
        told = replace(before[-1], sent_s=refused.sent_s)
        after = self.possible[index + 1 :]
        return replace(self, possible=(refused, *before[:-1], told, *after))

    def restart(self, now_s: float) -> "Exposure":
        """The station may have lost its leases (disconnect, reboot): its fallback may hold now."""
        if not self.possible:
            return self
        *before, last = self.possible
        if last.number != NOT_SENT:
            last = replace(last, taken=False)
        if all(sent.limit_a is not None for sent in self.possible):
            before.append(Sent(NOT_SENT, None, now_s, taken=False))
        return replace(self, possible=(*before, last))

    def with_fallback(self, fallback_a: float) -> "Exposure":
        """The fallback is another one, or confirmed, or in doubt."""
        return replace(self, fallback_a=fallback_a)

    def lingering(self, now_s: float, until_s: float) -> "Exposure":
        """All that may flow now may flow until then, whatever becomes known meanwhile."""
        held = Sent(NOT_SENT, self.most_a(now_s), now_s, until_s)
        kept = tuple(sent for sent in self.possible if not self._is_within(sent, until_s))
        kept = kept or (Sent(NOT_SENT, None, now_s),)
        return replace(self, possible=(held, *kept))

    @staticmethod
    def _is_within(sent: Sent, until_s: float) -> bool:
        """A limit that nobody sent and that ends by then: what lingered before."""
        limited = sent.number == NOT_SENT and sent.limit_a is not None
        return limited and sent.ends_s is not None and sent.ends_s <= until_s

    def scaled(self, factor: float, most_a: float) -> "Exposure":
        """What was sent lets so many times the current flow, `most_a` at the most."""
        if factor == 1:
            return self
        possible = tuple(
            sent
            if sent.limit_a is None
            else replace(sent, limit_a=min(most_a, sent.limit_a * factor))
            for sent in self.possible
        )
        return replace(self, possible=possible)

    def measured(self, draw_a: float, measured_s: float, reaction_s: float) -> "Exposure":
        """A draw at an instant: the newest limit that it fits, sent long enough ago, is proven.

        A car may draw little by itself, so a draw proves no limit that the station hasn't taken.
        """
        allowed_a = replace(self, beyond_a=None).most_a(measured_s)
        beyond_a = draw_a if draw_a > allowed_a + EVIDENCE_TOLERANCE_A else None
        for index in range(len(self.possible) - 1, -1, -1):
            sent = self.possible[index]
            fits = draw_a <= self._holds_a(sent, measured_s) + EVIDENCE_TOLERANCE_A
            if fits and sent.taken and sent.sent_s + reaction_s <= measured_s:
                return replace(self, possible=self.possible[index:], beyond_a=beyond_a)
        return replace(self, beyond_a=beyond_a)

    def obeyed_a(self, at_s: float, reaction_s: float) -> float:
        """The most that one who obeys may draw at `at_s`: what was told a reaction time before, or
        since."""
        limits_a = [self.fallback_a]
        for sent in self.possible:
            if sent.sent_s + reaction_s <= at_s:
                limits_a.clear()
            limits_a.append(self._holds_a(sent, at_s))
        return max(limits_a)

    def scheduled(self, current_a: float, asked_s: float) -> "Exposure":
        """The station's composite schedule, asked for at `asked_s`, says what is in force.

        Where several fit, the highest counts; what was sent later than that one may still come. It
        may be like one that hasn't left yet, and hold when that one is withdrawn.
        """
        fitting = [
            (self._holds_a(sent, asked_s), index)
            for index, sent in enumerate(self.possible)
            if sent.sent_s <= asked_s
            and -ROUNDING_A <= self._holds_a(sent, asked_s) - current_a <= SCHEDULE_TOLERANCE_A
        ]
        if fitting:
            _, index = max(fitting)
            known = self.possible[index]
            later = [s for s in self.possible[index + 1 :] if s.number != NOT_SENT]
            if not known.taken:
                later.insert(0, known)
                known = replace(known, number=NOT_SENT, taken=True)
            return replace(self, possible=(known, *later))
        before = [sent for sent in self.possible if sent.sent_s <= asked_s and sent.taken]
        after = tuple(
            sent
            for sent in self.possible
            if sent.sent_s > asked_s or not (sent.taken or sent.number == NOT_SENT)
        )
        ends = [sent.ends_s for sent in before if sent.limit_a is not None]
        ends_s = None if not ends or None in ends else max(end for end in ends if end is not None)
        return replace(self, possible=(Sent(NOT_SENT, current_a, asked_s, ends_s), *after))

    def _holds_a(self, sent: Sent, now_s: float) -> float:
        lapsed = self._lapsed(sent, now_s)
        return self.fallback_a if lapsed or sent.limit_a is None else sent.limit_a

    @staticmethod
    def _lapsed(sent: Sent, now_s: float) -> bool:
        return sent.ends_s is not None and now_s >= sent.ends_s

    def _fewer(self, possible: tuple[Sent, ...], now_s: float) -> tuple[Sent, ...]:
        """Two of them become one, in the later's place: two fallbacks, which are alike, or the two
        oldest limits.

        A fallback and a limit stay apart: which of them is higher changes when the fallback is
        doubted or confirmed. What has lapsed is the fallback from now on.
        """
        sents = [
            replace(sent, limit_a=None, ends_s=None) if self._lapsed(sent, now_s) else sent
            for sent in possible
        ]
        fallbacks = [index for index, sent in enumerate(sents) if sent.limit_a is None]
        limits = [index for index, sent in enumerate(sents) if sent.limit_a is not None]
        first, second = (fallbacks if len(fallbacks) > 1 else limits)[:2]
        sents[second] = _higher(sents[first], sents[second])
        del sents[first]
        return tuple(sents)


def _higher(one: Sent, other: Sent) -> Sent:
    """Both may hold: the larger limit, until the later end, stands for both."""
    if one.limit_a is None or other.limit_a is None:
        return other
    ends_s = None
    if one.ends_s is not None and other.ends_s is not None:
        ends_s = max(one.ends_s, other.ends_s)
    return replace(one if one.limit_a >= other.limit_a else other, ends_s=ends_s)
