"""Who hears of what."""

from datetime import UTC, datetime

from sitecontroller.domain.events import Event, StationChanged, StationReady
from sitecontroller.publisher import Publisher

READY = StationReady("CP-01", datetime(2026, 1, 1, tzinfo=UTC), rebooted=True)


def test_a_subscriber_hears_the_kinds_it_named_and_one_without_kinds_hears_all() -> None:
    publisher = Publisher()
    named: list[Event] = []
    all_: list[Event] = []
    publisher.subscribe(named.append, StationReady)
    publisher.publish(StationChanged("CP-01"))
    publisher.subscribe(all_.append)
    publisher.publish(READY)
    publisher.publish(StationChanged("CP-02"))
    assert named == [READY]
    assert all_ == [READY, StationChanged("CP-02")]


def test_who_has_left_hears_nothing_and_the_others_go_on() -> None:
    publisher = Publisher()
    heard: list[Event] = []
    leave = publisher.subscribe(heard.append, StationReady)
    publisher.subscribe(heard.append)
    publisher.publish(READY)
    leave()
    leave()
    publisher.publish(READY)
    assert heard == [READY] * 3


def test_one_that_fails_keeps_the_event_from_no_other() -> None:
    publisher = Publisher()
    heard: list[Event] = []

    def fail(event: Event) -> None:
        raise RuntimeError(event)

    publisher.subscribe(fail, StationReady)
    publisher.subscribe(heard.append)
    publisher.publish(READY)
    assert heard == [READY]
