"""What became of orders: answers of stations, none of which proves what holds."""

from collections.abc import Mapping

from sitecontroller.domain.topology import EvseKey
from sitecontroller.ports import Clock, ScheduledLimit, StationLink
from sitecontroller.services.load.evse import EvseControl
from sitecontroller.services.load.fallbacks import Fallbacks
from sitecontroller.services.load.orders import (
    AskEvidence,
    ClearLimit,
    LimitOrder,
    Order,
    Outcome,
)
from sitecontroller.services.load.pace import CyclePace
from sitecontroller.services.load.state import LEASE_UNCERTAINTY_S

REFUSED_RETRY_S = 10.0
UNANSWERED_RETRY_S = 1.0


class Answers:
    """The dispatcher's listener."""

    def __init__(
        self,
        controls: Mapping[EvseKey, EvseControl],
        fallbacks: Fallbacks,
        clock: Clock,
        pace: CyclePace,
    ) -> None:
        self._controls = controls
        self._fallbacks = fallbacks
        self._clock = clock
        self._pace = pace
        self._asks: list[Order] = []

    def asks(self) -> list[Order]:
        """What is to be asked because of them; once."""
        asks, self._asks = self._asks, []
        return asks

    def limit_answered(self, order: LimitOrder, outcome: Outcome) -> None:
        """A limit was taken, refused, lost or overtaken. None of it proves what holds."""
        control, now_s = self._controls[order.key], self._clock.monotonic_s()
        if isinstance(order, ClearLimit):
            if outcome is Outcome.TAKEN:
                control.exposure = control.exposure.answered(order.number, None)
            elif outcome is Outcome.UNANSWERED and control.transaction is None:
                control.resend, control.retry_s = True, now_s + UNANSWERED_RETRY_S
            if outcome is not Outcome.NEVER_SENT:
                self._asks.append(AskEvidence(order.key, reading=False, schedule=True))
            return
        trial = control.trial
        if trial is not None and trial.number == order.number:
            trial.outcome = outcome
        # Whether a limit ends in a way that is only tested isn't known: it counts until replaced.
        lease_s = order.limit.lease_s if order.limit.way is None else None
        if outcome is not Outcome.NEVER_SENT:
            ends_s = None if lease_s is None else now_s + lease_s + LEASE_UNCERTAINTY_S
            taken = outcome is Outcome.TAKEN
            control.exposure = control.exposure.answered(order.number, ends_s, taken=taken)
        else:
            control.exposure = control.exposure.withdraw(order.number)
        if outcome is Outcome.REFUSED:
            control.exposure = control.exposure.refused(order.number, now_s)
            control.resend, control.retry_s = True, now_s + REFUSED_RETRY_S
        elif outcome is Outcome.UNANSWERED:
            control.resend, control.retry_s = True, now_s + UNANSWERED_RETRY_S

    def schedule_answered(self, key: EvseKey, scheduled: ScheduledLimit, asked_s: float) -> None:
        """A composite schedule came."""
        control = self._controls[key]
        if scheduled.current_a is not None:
            control.heard()
        self._fallbacks.read_back(control, scheduled, asked_s)

    async def push_fallbacks(self, link: StationLink) -> None:
        """S5 for one station; for the dispatcher."""
        await self._fallbacks.push(link)
        self._pace.ask()
