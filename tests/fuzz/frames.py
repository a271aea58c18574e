"""Generated frames: messages of every action that fit their schema, then broken in the ways in
which wires, firmware and attackers break them. The same seed gives the same frames, as far as the
site answers the same.
"""

from collections import deque
from random import Random
from typing import Any

import orjson

from sitecontroller.domain.station import OcppVersion
from sitecontroller.ocpp import frames
from tests.fuzz.breakers import bend, break_bytes
from tests.fuzz.values import TEXTS, Values

AS_IS = 0.35
"""Part of the frames that are left as they are; the others are bent, or their bytes broken."""
REMEMBERED = 40
ERROR_CODES = (
    "NotImplemented", "NotSupported", "InternalError", "ProtocolError", "SecurityError",
    "FormationViolation", "FormatViolation", "GenericError", "Nonsense", "", "x" * 300,
)  # fmt: skip


class Frames:
    """An endless supply of frames of one version."""

    def __init__(self, version: OcppVersion, seed: int) -> None:
        self.random = Random(seed)
        self._version = version
        self._actions = sorted(frames.actions(version))
        self._values = Values(self.random)
        self._sent: deque[bytes] = deque(maxlen=REMEMBERED)
        self._number = 0

    def next(self) -> bytes:
        """One frame."""
        self._number += 1
        random = self.random
        kind = random.random()
        if kind < 0.02:
            return random.randbytes(random.randrange(80))
        if kind < 0.06 and self._sent:
            return random.choice(self._sent)
        raw = self._broken(self._answer() if kind < 0.1 else self._call())
        self._sent.append(raw)
        return raw

    def call(self, action: str) -> bytes:
        """A message of that action that fits its schema, mostly."""
        return orjson.dumps([frames.CALL, "m1", action, self._request(action)])

    def hear(self, payload: dict[str, Any]) -> None:
        """Something that the site said: its ids are used from now on."""
        self._values.learn(payload)

    def answers(self, message_id: str, action: str) -> list[bytes]:
        """What the station says to a CALL of ours: at most times something, seldom the right."""
        random = self.random
        known = frames.action(self._version, action)
        assert known is not None
        assert known.response_schema is not None
        body = self._values.of(known.response_schema, known.response_schema)
        right = orjson.dumps([frames.CALLRESULT, message_id, body])
        how = random.random()
        if how < 0.4:
            return [right]
        if how < 0.75:
            return [self._broken([frames.CALLRESULT, message_id, body])]
        if how < 0.8:
            return [right, self._error(message_id), right]
        if how < 0.85:
            another = random.choice(self._actions)
            return [orjson.dumps([frames.CALLRESULT, message_id, self._request(another)])]
        if how < 0.998:
            return [self._error(message_id)]
        return []

    def _broken(self, message: list[Any]) -> bytes:
        random = self.random
        how = random.random()
        payload = message[-1]
        if how > AS_IS and how < 0.75 and isinstance(payload, dict):
            for _ in range(random.choice((1, 1, 1, 2, 4))):
                bend(payload, random, self._values.odd)
        raw = orjson.dumps(message)
        if how >= 0.75:
            for _ in range(random.choice((1, 1, 1, 2, 4))):
                raw = break_bytes(raw, random)
        return raw

    def _call(self) -> list[Any]:
        random = self.random
        action = random.choice(self._actions) if random.random() < 0.97 else "Nonsense"
        message_id: Any = f"m{self._number}"
        if random.random() < 0.05:
            message_id = random.choice((self._number, "", "m1", "x" * 300, None, 1.5, [], "\x00"))
        known = frames.action(self._version, action)
        kind = frames.CALL if known is None or known.response is not None else frames.SEND
        if random.random() < 0.04:
            kind = random.choice((1, 2, 3, 4, 5, 6, 6, 6, 7, -1, 2.0, "2", None, True))
        return [kind, message_id, action, self._request(action)]

    def _request(self, action: str) -> Any:
        known = frames.action(self._version, action)
        return {} if known is None else self._values.of(known.request_schema, known.request_schema)

    def _answer(self) -> list[Any]:
        """An answer to nothing that we asked."""
        random = self.random
        message_id = random.choice((f"m{self._number}", "-1", "0", random.choice(TEXTS)))
        body = random.choice(
            ({}, {"status": "Accepted"}, None, [], {"status": random.choice(TEXTS)})
        )
        kind = random.choice((frames.CALLERROR, frames.CALLRESULTERROR))
        return random.choice(
            (
                [frames.CALLRESULT, message_id, body],
                [frames.CALLRESULT, message_id],
                [kind, message_id, random.choice(ERROR_CODES), random.choice(TEXTS), {}],
                [kind, message_id],
                [kind],
            )
        )

    def _error(self, message_id: str) -> bytes:
        random = self.random
        error = [message_id, random.choice(ERROR_CODES), random.choice(TEXTS), {}]
        kind = frames.CALLERROR if random.random() < 0.9 else frames.CALLRESULTERROR
        return orjson.dumps([kind, *error[: random.choice((1, 2, 3, 4, 4, 4))]])
