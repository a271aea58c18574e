"""S6: an EVSE that draws more than it was told, or of which nothing proves that it obeys.

It counts with what it draws, so the others are lowered at once; then its session is ended; then it
is taken out of service. A step is taken only when the one before had time to show.
"""

from collections.abc import Iterator

from sitecontroller.ports import StationLink
from sitecontroller.services.alarms import AlarmService
from sitecontroller.services.load.evse import EvseControl, Obedience, Timing
from sitecontroller.services.load.orders import (
    AskEvidence,
    EndTransaction,
    Order,
    TakeOutOfService,
)

OVER_S = 10.0
NEXT_STEP_S = 30.0
PATIENCE = 3
"""A car that draws little anyhow leaves so much more time to prove a lower limit."""
READING_EVERY_S = 12.0
"""A station that sends readings less often is asked for them."""


def watch(
    control: EvseControl, alarms: AlarmService, timing: Timing, now_s: float
) -> Iterator[Order]:
    """What is to be done about one EVSE in this cycle."""
    key, transaction = control.key, control.transaction
    if transaction is None or not control.online:
        return
    lacking_s = control.lacks_evidence_s(now_s)
    if _is_unheard(control, lacking_s, timing, now_s) and now_s >= control.ask_s:
        control.ask(now_s)
        overdue = not control.is_fresh(now_s, timing)
        yield AskEvidence(key, reading=True, schedule=overdue)
    patience_s = timing.evidence_s * (PATIENCE if control.fits(now_s, timing) else 1)
    disobeys = _is_over(control, timing, now_s) or lacking_s >= patience_s
    if not disobeys:
        if control.obedience is Obedience.OBEYS:
            alarms.clear("station-disobedient", str(key))
        return
    if control.obedience is Obedience.OBEYS:
        control.obedience, control.obedience_since_s = Obedience.STOPPED, now_s
        alarms.raise_(
            "station-disobedient",
            str(key),
            evse=str(key),
            current_a=_amperes(control.draw.most_a if control.draw else None),
            limit_a=_amperes(control.exposure.limit_a(now_s)),
        )
        yield EndTransaction(key, transaction.station_transaction_id)
    elif (
        control.obedience is Obedience.STOPPED and now_s - control.obedience_since_s >= NEXT_STEP_S
    ):
        control.obedience, control.obedience_since_s = Obedience.UNAVAILABLE, now_s
        yield TakeOutOfService(key)


def tell_obedience(control: EvseControl, link: StationLink) -> None:
    """Q44: whether the way in which limits are told works."""
    followed, control.followed = control.followed, None
    if followed is True:
        link.limit_obeyed(control.key.evse_id)
    elif followed is False:
        link.limit_disobeyed(control.key.evse_id)


def _is_over(control: EvseControl, timing: Timing, now_s: float) -> bool:
    """Whether it drew too much for 10 s, or was never heard of again since it did."""
    since_s = control.over_since_s
    if since_s is None:
        return False
    return _draw_s(control) - since_s >= OVER_S or now_s - since_s >= timing.evidence_s


def _is_unheard(control: EvseControl, lacking_s: float, timing: Timing, now_s: float) -> bool:
    """Whether a reading is overdue, or wanted as evidence for a lower limit."""
    heard_s = max(_draw_s(control), control.transaction_since_s)
    if lacking_s >= timing.reaction_s and heard_s < now_s - lacking_s + timing.reaction_s:
        return True
    return now_s - heard_s > READING_EVERY_S


def _draw_s(control: EvseControl) -> float:
    return control.draw.received_s if control.draw is not None else float("-inf")


def _amperes(value: float | None) -> str:
    return "an unknown current" if value is None else f"{value:.1f}"
