"""A limit from a topic of an MQTT broker: a number, a switch, or JSON.

A retained message is as old as nobody knows: unless it says when it was said, it holds beside what
is known until something new comes. Where the connection to the broker is contact enough, retained
messages are the state of things.
"""

import asyncio
import contextlib
import ssl

import aiomqtt

from sitecontroller.config import MqttSignal
from sitecontroller.domain.limit_signal import SaidLimit, SenselessSignal
from sitecontroller.ports import Clock, SignalListener
from sitecontroller.signals.reading import (
    TEXT_BYTES_MAX,
    at,
    instant,
    limit_of,
    number,
    parsed,
    said_in,
)
from sitecontroller.signals.secrets import reveal

AGAIN_AFTER_S = 5.0
KEEPALIVE_S = 15
CONNECT_WITHIN_S = 10.0
WAITING_MAX = 100
"""Messages that came and weren't looked at; newer ones are dropped then."""
AHEAD_S = 60.0
"""So much the sender's clock may be fast."""
OFFLINE = frozenset({"offline", "0", "false", ""})


class MqttSource:
    """Listens for ever, connecting again when the broker goes."""

    def __init__(
        self,
        source_id: str,
        signal: MqttSignal,
        heartbeat_s: float,
        clock: Clock,
        listener: SignalListener,
    ) -> None:
        self._source_id, self._signal, self._heartbeat_s = source_id, signal, heartbeat_s
        self._clock, self._listener = clock, listener
        self._sender_is_there = True

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._listen()
            except SenselessSignal as fault:
                self._listener.failed(self._source_id, str(fault))
            except (aiomqtt.MqttError, OSError) as error:
                text = f"the broker {self._signal.host} can't be reached: {str(error)[:80]}"
                self._listener.failed(self._source_id, text)
            await asyncio.sleep(AGAIN_AFTER_S)

    async def _listen(self) -> None:
        signal = self._signal
        async with aiomqtt.Client(
            signal.host,
            signal.port,
            username=signal.username,
            password=await reveal(signal.password),
            tls_context=await self._trust(),
            keepalive=KEEPALIVE_S,
            timeout=CONNECT_WITHIN_S,
            max_queued_incoming_messages=WAITING_MAX,
        ) as client:
            self._sender_is_there = True
            named = (signal.topic, signal.heartbeat_topic, signal.will_topic)
            topics = {topic for topic in named if topic is not None}
            await client.subscribe([(topic, 1) for topic in sorted(topics)])
            async with asyncio.TaskGroup() as tasks:
                beats = tasks.create_task(self._beat())
                with contextlib.suppress(aiomqtt.MqttError):
                    async for message in client.messages:
                        self._take(message)
                beats.cancel()
        raise aiomqtt.MqttError("the connection is lost")

    async def _trust(self) -> ssl.SSLContext | None:
        if not self._signal.tls:
            return None
        return await asyncio.to_thread(ssl.create_default_context, cafile=self._signal.ca_file)

    async def _beat(self) -> None:
        while self._signal.by_connection:
            if self._sender_is_there:
                self._listener.alive(self._source_id)
            await asyncio.sleep(self._heartbeat_s / 4)

    def _take(self, message: aiomqtt.Message) -> None:
        """One message; whatever is wrong with it is told, not raised."""
        payload = message.payload if isinstance(message.payload, bytes) else b""
        topic, signal = message.topic.value, self._signal
        try:
            if topic == signal.will_topic:
                self._heed_will(payload)
            if topic == signal.heartbeat_topic and not message.retain:
                self._listener.alive(self._source_id)
            if topic == signal.topic:
                self._tell(payload, retained=message.retain)
        except SenselessSignal as fault:
            self._listener.failed(self._source_id, str(fault))

    def _heed_will(self, payload: bytes) -> None:
        offline = payload[:10].decode(errors="replace").strip().lower() in OFFLINE
        self._sender_is_there = not offline
        if offline:
            self._listener.lost(self._source_id, "its sender is offline")
        elif self._signal.by_connection:
            self._listener.alive(self._source_id)

    def _tell(self, payload: bytes, *, retained: bool) -> None:
        said, fresh = self._said(payload)
        if not retained:
            self._sender_is_there = True
        if fresh is False and not retained:
            raise SenselessSignal("what it says is too old")
        if self._signal.by_connection or fresh or (not retained and fresh is None):
            heartbeat = self._signal.heartbeat_topic is None and self._sender_is_there
            self._listener.told(self._source_id, said, heartbeat=heartbeat)
        else:
            self._listener.recalled(self._source_id, said)

    def _said(self, payload: bytes) -> tuple[tuple[SaidLimit, ...], bool | None]:
        """What a message says, and whether it is fresh; None: it doesn't say when it was said."""
        signal = self._signal
        if len(payload) > TEXT_BYTES_MAX:
            raise SenselessSignal(f"a message has more than {TEXT_BYTES_MAX} bytes")
        text = payload.decode(errors="replace")
        if signal.value is None and not text.lstrip().startswith("{"):
            is_switch = signal.reading.dimmed is not None
            value = text if is_switch else None if text.strip() == "null" else number(text)
            return limit_of(value, signal.reading), None
        document = parsed(payload)
        said = said_in(document, signal.reading, signal.value, signal.until)
        if signal.said_at is None:
            return said, None
        said_at = instant(at(document, signal.said_at))
        if said_at is None:
            raise SenselessSignal(f"the JSON has no time at {signal.said_at}")
        age_s = (self._clock.now() - said_at).total_seconds()
        return said, -AHEAD_S <= age_s <= self._heartbeat_s
