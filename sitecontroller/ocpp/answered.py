"""The answers a station was given lately, for CALLs that it sends again (Q18).

Of a CALL only a fingerprint is kept: sixty-four whole frames of a thousand stations would be
100 MB, and each would push others out of the processor's cache.
"""

from collections import OrderedDict
from typing import NamedTuple

from sitecontroller.ocpp.gate import InboundCall, MessageId

ANSWERS_KEPT = 64
REPEAT_S = 120.0
"""A CALL sent again within this time, id and body the same, gets the first answer (Q18). Stations
that use one id for ever are the reason for an end."""
ANSWERED_ANEW = frozenset({"Heartbeat", "BootNotification"})
"""Their answer is the time of day: an old one would set the station's clock back."""


class _Answer(NamedTuple):
    action: str
    fingerprint: int
    """64 bits, of a key of this process: nobody can make two bodies with the same one."""
    reply: bytes
    until_s: float


class Answered:
    """Of one connection, the newest `ANSWERS_KEPT`. Times are of the loop's clock, s."""

    def __init__(self) -> None:
        self._answers: OrderedDict[MessageId, _Answer] = OrderedDict()

    def __len__(self) -> int:
        return len(self._answers)

    def reply_to(self, call: InboundCall, now_s: float) -> bytes | None:
        """What this very CALL was answered with before; None for a new one."""
        earlier = self._answers.get(call.message_id)
        if earlier is None or now_s >= earlier.until_s or earlier.fingerprint != hash(call.body):
            return None
        return earlier.reply

    def action_of(self, message_id: MessageId) -> str | None:
        """Which action an answer of ours was for."""
        earlier = self._answers.get(message_id)
        return None if earlier is None else earlier.action

    def remember(self, call: InboundCall, reply: bytes, now_s: float) -> None:
        """`call` came at `now_s` and was answered with `reply`."""
        if call.action in ANSWERED_ANEW:
            return
        self._answers[call.message_id] = _Answer(
            call.action, hash(call.body), reply, now_s + REPEAT_S
        )
        if len(self._answers) > ANSWERS_KEPT:
            self._answers.popitem(last=False)
