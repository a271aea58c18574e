"""Commands: an effect is seen however early it shows, and secrets go to the caller alone."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from sitecontroller.domain.authorization import AuthorizationStatus
from sitecontroller.domain.commands import (
    AcceptStation,
    Command,
    CommandState,
    RejectStation,
    StartTransaction,
    StopTransaction,
)
from sitecontroller.domain.errors import CallTimeout
from sitecontroller.domain.events import CommandFinished, Event, TransactionChanged
from sitecontroller.domain.tariff import TariffTerms, tariff_of
from sitecontroller.domain.transaction import Transaction, TransactionState
from sitecontroller.ports import CallAnswer
from sitecontroller.publisher import Publisher
from sitecontroller.services import actions
from sitecontroller.services.actions import ActionService
from sitecontroller.services.alarms import AlarmService
from sitecontroller.services.background import Background
from sitecontroller.services.desk import Desk
from sitecontroller.services.onboarding import Admission
from sitecontroller.storage.store import Store
from tests.contract.fakes import HandClock
from tests.support import eventually

AT = datetime(2026, 1, 1, tzinfo=UTC)
RUNNING = Transaction(
    key="T1",
    station_id="CP-01",
    evse_id=1,
    connector_id=1,
    station_transaction_id="7",
    state=TransactionState.ACTIVE,
    authorization_status=AuthorizationStatus.ACCEPTED,
    started_at=AT,
    start_received_at=AT,
)
BEGAN = TransactionChanged(RUNNING, began=True)
ENDED = TransactionChanged(replace(RUNNING, state=TransactionState.ENDED), ended=True)
START = StartTransaction("CP-01", 1, "CARD")
STOP = StopTransaction("T1")
UNANSWERED = "remote-start-unanswered:CP-01/1"


@dataclass
class EagerLink:
    """A station on which everything happens before its answer is here."""

    publisher: Publisher
    before_answer: Event | None = None
    answer: CallAnswer | Exception = field(default_factory=lambda: CallAnswer(True, "Accepted", {}))

    async def start(self, *_: Any) -> CallAnswer:
        return self._answered()

    async def stop(self, *_: Any) -> CallAnswer:
        return self._answered()

    def _answered(self) -> CallAnswer:
        if self.before_answer is not None:
            self.publisher.publish(self.before_answer)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


IDLE = SimpleNamespace(evses={}, record=SimpleNamespace(boot=None))


@dataclass
class Scene:
    actions: ActionService
    alarms: AlarmService
    link: EagerLink
    publisher: Publisher
    told: list[Event]
    rejected: list[str]

    def states(self) -> list[CommandState]:
        return [event.result.state for event in self.told if isinstance(event, CommandFinished)]

    async def outcome(self, command: Command) -> CommandState:
        """What a command came to in the end."""
        result = await self.actions.execute(command)

        def known() -> CommandState | None:
            last = self.actions.result(result.command_id)
            return None if last is None or last.state is CommandState.ACCEPTED else last.state

        state: CommandState = await eventually(known)
        return state


@pytest.fixture
def scene(run, tmp_path, monkeypatch):
    """`scene(play)` runs `await play(scene)`; an effect is waited for 0.2 s."""
    monkeypatch.setattr(actions, "EFFECT_WITHIN_S", 0.2)

    async def staged(play):
        clock, publisher, background = HandClock(), Publisher(), Background()
        store = await Store.open(tmp_path / "site.db", clock)
        alarms = AlarmService(store, clock, publisher, background)
        price = tariff_of(TariffTerms("Standard", Decimal("0.49")), "EUR", clock.now())
        await store.commit(lambda tx: tx.add_tariff(price))
        link = EagerLink(publisher)
        told: list[Event] = []
        rejected: list[str] = []

        async def admit(command: AcceptStation) -> Admission:
            return Admission("Enter the password by hand", "secret")

        async def reject(command: RejectStation) -> None:
            rejected.append(command.station_id)

        async def nothing(*_: object) -> None:
            pass

        async def make_room(*_: object) -> None:
            pass

        service = ActionService(
            Desk(
                config=None,
                store=store,
                clock=clock,
                publisher=publisher,
                background=background,
                workshop=None,
                stations=SimpleNamespace(
                    state=lambda _: IDLE, link=lambda _: link, remembered=nothing
                ),
                transactions=SimpleNamespace(find=lambda _: RUNNING),
                alarms=alarms,
                load=None,
                trust=None,
                prices=None,
            ),
            SimpleNamespace(admit=admit, reject=reject),
            SimpleNamespace(make_room=make_room, hold=lambda *_: None),
        )
        publisher.subscribe(told.append)
        try:
            await play(Scene(service, alarms, link, publisher, told, rejected))
        finally:
            await background.close(within_s=5)
            await store.close()

    return lambda play: run(staged(play))


@pytest.mark.parametrize(("command", "effect"), [(START, BEGAN), (STOP, ENDED)])
def test_an_effect_that_comes_before_the_stations_answer_counts(scene, command, effect):
    async def play(scene):
        scene.link.before_answer = effect
        assert await scene.outcome(command) is CommandState.EFFECTIVE
        assert scene.alarms.open() == ()
        assert scene.states() == [CommandState.ACCEPTED, CommandState.EFFECTIVE]

    scene(play)


def test_an_effect_that_comes_after_the_answer_counts(scene):
    async def play(scene):
        result = await scene.actions.execute(START)
        assert result.state is CommandState.ACCEPTED
        scene.publisher.publish(BEGAN)
        last = scene.actions.result
        await eventually(lambda: last(result.command_id).state is CommandState.EFFECTIVE)

    scene(play)


def test_an_accepted_start_without_a_session_raises_an_alarm(scene):
    async def play(scene):
        assert await scene.outcome(START) is CommandState.INEFFECTIVE
        assert [alarm.key for alarm in scene.alarms.open()] == [UNANSWERED]

    scene(play)


def test_another_outlets_session_is_no_effect(scene):
    async def play(scene):
        scene.link.before_answer = replace(BEGAN, transaction=replace(RUNNING, evse_id=2))
        assert await scene.outcome(START) is CommandState.INEFFECTIVE

    scene(play)


@pytest.mark.parametrize(
    "answer", [CallAnswer(False, "Rejected", {}), CallTimeout("CP-01 did not answer")]
)
def test_nothing_is_waited_for_after_a_refusal_or_silence(scene, answer):
    async def play(scene):
        scene.link.answer = answer
        listening = len(scene.publisher._subscribers)
        if isinstance(answer, Exception):
            with pytest.raises(CallTimeout):
                await scene.actions.execute(START)
        else:
            assert (await scene.actions.execute(START)).state is CommandState.REJECTED
        assert len(scene.publisher._subscribers) == listening
        assert scene.alarms.open() == ()

    scene(play)


def test_a_password_goes_to_the_caller_and_into_no_event(scene):
    async def play(scene):
        result = await scene.actions.execute(AcceptStation("NEW-1"))
        assert result.answer == {"password": "secret"}
        assert "secret" not in (result.reason or "")
        assert "secret" not in repr(scene.told)
        assert scene.states() == [CommandState.ACCEPTED]

    scene(play)


def test_rejecting_a_station_is_effective_at_once(scene):
    async def play(scene):
        result = await scene.actions.execute(RejectStation("NEW-1"))
        assert result.state is CommandState.EFFECTIVE
        assert scene.rejected == ["NEW-1"]

    scene(play)
