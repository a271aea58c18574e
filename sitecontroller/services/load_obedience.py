"""S6: an EVSE that draws more than it was told, or of which nothing proves that it obeys.

It counts with what it draws, so the others are lowered at once; then its session is ended; then it
is taken out of service. A step is taken only when the one before had time to show.
"""

from collections.abc import Iterator

from sitecontroller.services.alarms import AlarmService
from sitecontroller.services.load_evse import EvseControl, Obedience, Timing
from sitecontroller.services.load_orders import (
    AskEvidence,
    EndTransaction,
    Order,
    TakeOutOfService,
)

OVER_S = 10.0
NEXT_STEP_S = 30.0
ASK_EVERY_S = 10.0


def watch(
    control: EvseControl, alarms: AlarmService, timing: Timing, now_s: float
) -> Iterator[Order]:
    """What is to be done about one EVSE in this cycle."""
    key, transaction = control.evse.key, control.transaction
    if transaction is None or not control.online:
        return
    lacking_s = control.lacks_evidence_s(now_s)
    waits = (
        lacking_s >= timing.reaction_s and _draw_s(control) < now_s - lacking_s + timing.reaction_s
    )
    if waits and now_s - control.asked_s >= ASK_EVERY_S:
        control.asked_s = now_s
        yield AskEvidence(key, reading=True, schedule=not control.is_fresh(now_s, timing))
    over = control.over_since_s is not None and _draw_s(control) - control.over_since_s >= OVER_S
    disobeys = over or lacking_s >= timing.evidence_s
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


def _draw_s(control: EvseControl) -> float:
    return control.draw.received_s if control.draw is not None else float("-inf")


def _amperes(value: float | None) -> str:
    return "an unknown current" if value is None else f"{value:.1f}"
