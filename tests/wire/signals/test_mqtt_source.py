"""A limit from an MQTT topic, through a real broker: numbers, JSON, old news, wills, TLS."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from sitecontroller.clock import SystemClock
from sitecontroller.config import MqttSignal, parse_config
from sitecontroller.domain.limit_signal import Said, SaidLimit
from sitecontroller.signals import mqtt
from sitecontroller.signals.mqtt import MqttSource
from tests.support import eventually
from tests.wire.signals.brokers import PASSWORD, USER, Broker, broker
from tests.wire.site import running_site

TOPIC = "dso/limit"


@dataclass(slots=True)
class Heard:
    """What the listener was told, in order."""

    told_: list[tuple[tuple[SaidLimit, ...], bool]] = field(default_factory=list)
    recalled_: list[tuple[SaidLimit, ...]] = field(default_factory=list)
    beats: int = 0
    failures: list[str] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)

    def told(self, source_id: str, said: Said, *, heartbeat: bool = True) -> None:
        self.told_.append((tuple(said), heartbeat))

    def recalled(self, source_id: str, said: Said) -> None:
        self.recalled_.append(tuple(said))

    def alive(self, source_id: str) -> None:
        self.beats += 1

    def failed(self, source_id: str, why: str) -> None:
        self.failures.append(why)

    def lost(self, source_id: str, why: str) -> None:
        self.losses.append(why)


def settings(made: Broker, **more: Any) -> dict[str, Any]:
    (made.directory / "mqtt-password").write_text(PASSWORD)
    return {
        "id": "dso",
        "kind": "mqtt",
        "host": "127.0.0.1",
        "port": made.port,
        "topic": TOPIC,
        "username": USER,
        "password_file": "mqtt-password",
        "heartbeat_s": 60,
        **more,
    }


@contextlib.asynccontextmanager
async def listening(made: Broker, **more: Any) -> AsyncIterator[Heard]:
    """A source at that broker; entered as soon as it has subscribed."""
    config = parse_config(
        {
            "circuits": [{"id": "main", "limit_a": 63}],
            "limit_sources": [settings(made, **more)],
        },
        base_dir=made.directory,
    )
    (source,) = config.limit_sources
    assert isinstance(source.signal, MqttSignal)
    heard = Heard()
    task = asyncio.create_task(
        MqttSource("dso", source.signal, source.terms.heartbeat_s, SystemClock(), heard).run()
    )
    asked = 0

    async def is_heard() -> bool:
        nonlocal asked
        asked += 1
        await made.say(TOPIC, f"question {asked}")
        return any("question" in why for why in heard.failures)

    await eventually(is_heard)
    await eventually(lambda: f"'question {asked}'" in heard.failures[-1])
    heard.failures.clear()
    try:
        yield heard
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def play(run: Any, tmp_path: Path) -> Callable[..., None]:
    """`play(story, **settings)` runs `await story(broker, heard)` in real time."""

    async def played(story: Any, tls: bool, more: dict[str, Any]) -> None:
        async with broker(tmp_path, tls=tls) as made:
            before = more.pop("before", None)
            if before is not None:
                await before(made)
            if tls:
                more |= {"tls": True, "ca_file": "ca.pem"}
            async with listening(made, **more) as heard:
                await story(made, heard)

    return lambda story, tls=False, **more: run(played(story, tls, more))


def watts(power_w: float) -> tuple[SaidLimit, ...]:
    return (SaidLimit(power_w),)


def test_a_number_is_a_limit_and_null_is_none_over_tls_and_with_a_password(play: Any) -> None:
    async def story(made: Broker, heard: Heard) -> None:
        for payload in ("9.5", " 0 ", "null"):
            await made.say(TOPIC, payload)
        await eventually(lambda: len(heard.told_) == 3)
        assert heard.told_ == [(watts(9500), True), (watts(0), True), ((), True)]

    play(story, tls=True, unit="kW")


def test_what_is_no_limit_is_refused(play: Any) -> None:
    wrong = ["", "nan", "-1", "inf", "1e99", "0x10", "9000 W", "[]", "{", '{"power_w": "1"}', "1_0"]

    async def story(made: Broker, heard: Heard) -> None:
        for payload in wrong:
            await made.say(TOPIC, payload)
        await eventually(lambda: len(heard.failures) == len(wrong))
        assert heard.told_ == []

    play(story)


def test_a_retained_message_of_unknown_age_is_recalled_and_a_fresh_one_told(play: Any) -> None:
    async def before(made: Broker) -> None:
        await made.say(TOPIC, '{"power_w": 8000}', retain=True)

    async def story(made: Broker, heard: Heard) -> None:
        assert heard.recalled_ == [watts(8000)]
        assert heard.told_ == []

    play(story, before=before)


@pytest.mark.parametrize(("age_s", "fresh"), [(5, True), (500, False), (-500, False)])
def test_a_message_that_says_when_it_was_said_counts_by_its_age(
    play: Any, age_s: float, fresh: bool
) -> None:
    async def before(made: Broker) -> None:
        at = datetime.now(UTC) - timedelta(seconds=age_s)
        payload = f'{{"power_w": 8000, "at": "{at.isoformat()}"}}'
        await made.say(TOPIC, payload, retain=True)

    async def story(made: Broker, heard: Heard) -> None:
        assert heard.told_ == ([(watts(8000), True)] if fresh else [])
        assert heard.recalled_ == ([] if fresh else [watts(8000)])
        await made.say(TOPIC, '{"power_w": 1, "at": "2020-01-01T00:00:00Z"}')
        await eventually(lambda: heard.failures == ["what it says is too old"])

    play(story, before=before, said_at="/at")


def test_heartbeats_may_come_on_a_topic_of_their_own(play: Any) -> None:
    async def story(made: Broker, heard: Heard) -> None:
        await made.say(TOPIC, "8000")
        await made.say("dso/beat", "tick")
        await eventually(lambda: heard.beats == 1)
        assert heard.told_ == [(watts(8000), False)]

    play(story, heartbeat_topic="dso/beat")


def test_a_last_will_is_silence_at_once(play: Any) -> None:
    async def story(made: Broker, heard: Heard) -> None:
        will = aiomqtt.Will("dso/state", "offline", qos=1, retain=True)
        with contextlib.suppress(aiomqtt.MqttError):
            async with made.client(will=will) as sender:
                await sender.publish(TOPIC, "8000", qos=1)
                sender._client._sock_close()
        await eventually(lambda: heard.losses == ["its sender is offline"])
        assert heard.told_ == [(watts(8000), True)]

    play(story, will_topic="dso/state")


def test_where_the_connection_is_contact_retained_messages_are_the_state_of_things(
    play: Any,
) -> None:
    async def before(made: Broker) -> None:
        await made.say(TOPIC, "on", retain=True)

    async def story(made: Broker, heard: Heard) -> None:
        assert heard.told_ == [((SaidLimit(4200.0),), True)]
        assert heard.beats >= 1

    play(story, before=before, contact="connection", dimmed_w=4200)


def test_a_broker_that_comes_back_is_found_again(
    play: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "AGAIN_AFTER_S", 0.02)

    async def story(made: Broker, heard: Heard) -> None:
        await made.stop()
        await eventually(lambda: any("can't be reached" in why for why in heard.failures))
        await made.start()

        async def is_told() -> bool:
            await made.say(TOPIC, "8000")
            return bool(heard.told_)

        await eventually(is_told)

    play(story)


def test_a_topic_limits_the_site(run: Any, tmp_path: Path) -> None:
    async def story() -> None:
        async with broker(tmp_path) as made:
            sections = {"limit_sources": [settings(made)]}
            async with running_site(tmp_path, sections=sections) as site:

                async def is_limited() -> bool:
                    await made.say(TOPIC, "15180")
                    cap_a = site.site.services.load.circuit_view("main").cap_a[0]
                    return cap_a == pytest.approx(18.74)

                await eventually(is_limited)

    run(story())
