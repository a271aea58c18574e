"""What a session may claim beside others: its class, its departure, the energy that it needs."""

from dataclasses import dataclass

from sitecontroller.dlm.limits import Limit
from sitecontroller.dlm.snapshot import EQUAL_SHARE, DemandClass
from sitecontroller.domain.topology import Evse, ServiceClass
from sitecontroller.domain.transaction import Transaction

CLASSES = {
    ServiceClass.VIP: DemandClass.VIP,
    ServiceClass.FLEET: DemandClass.FLEET,
    ServiceClass.NORMAL: DemandClass.NORMAL,
}
OWN_BOUNDS = ("station", "car", "fallback", "meter", "emergency", "plan", "discharge")
"""Who or what binds without any sharing."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One session's, by its key. Ends are on the monotonic clock; None: nobody said."""

    transaction_key: str = ""
    service_class: ServiceClass | None = None
    departs_s: float | None = None
    departs_words: str = ""
    """As "leaves 18:00"."""
    served_wh: float | None = None
    """What the session will have had when it has what it needs."""
    boost_ends_s: float | None = None
    boost_words: str = ""
    """As "boost until 18:00"."""
    discharge_ends_s: float | None = None
    """Until then it may give back; None: nobody agreed."""
    discharge_w_max: float | None = None
    """What the car says it can give; None: it doesn't say."""

    def boosts(self, now_s: float) -> bool:
        """Whether it comes first for now."""
        return self.boost_ends_s is not None and now_s < self.boost_ends_s

    def class_at(self, evse: Evse, now_s: float) -> ServiceClass:
        """Its own, else its EVSE's."""
        if self.boosts(now_s):
            return ServiceClass.VIP
        return self.service_class or evse.service_class

    def departs_in_s(self, now_s: float) -> float | None:
        """A departure in the past is none: who stays longer than said isn't urgent for that."""
        if self.departs_s is None or self.departs_s <= now_s:
            return None
        return self.departs_s - now_s

    def need_wh(self, transaction: Transaction | None, gave_wh: float = 0.0) -> float | None:
        """What it still needs: less what was delivered since it was said, and what it gave back."""
        if self.served_wh is None or transaction is None:
            return None
        return max(0.0, self.served_wh - float(transaction.energy_wh or 0) + gave_wh)

    def reason(self, evse: Evse, target: Limit, policy: str, now_s: float) -> str:
        """Why this EVSE should have what it should: who it is, then what binds."""
        shares = target.bound_by not in OWN_BOUNDS
        is_kept = 0 < target.current_a <= evse.guaranteed_a + evse.step_a
        service_class = self.class_at(evse, now_s)
        words = []
        if self.boosts(now_s):
            words.append(self.boost_words)
        elif service_class is not ServiceClass.NORMAL:
            words.append(service_class.value)
        if shares and is_kept:
            words.append(f"{evse.guaranteed_a:g} A guaranteed")
        if shares and policy != EQUAL_SHARE:
            words.append(policy)
            if self.departs_in_s(now_s) is not None:
                words.append(self.departs_words)
        return "; ".join([*words, target.source])


NO_CLAIM = Claim()
