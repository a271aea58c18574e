"""Messages that a 2.x station is asked for, as the specification's cases play them (F06)."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from sitecontroller.domain import commands
from sitecontroller.domain.commands import CommandState
from sitecontroller.domain.metering import ReadingContext
from sitecontroller.domain.topology import EvseKey
from tests.support import eventually
from tests.wire.conformance.station import CARD, Station, samples, station_at
from tests.wire.site import TestSite, instant, running_site

Play = Callable[[TestSite, Station], Awaitable[None]]


@pytest.fixture(params=["2.0.1", "2.1"])
def play(request: Any, run: Any, tmp_path: Path) -> Callable[[Play], None]:
    """`play(story)` runs `await story(site, station)` for each 2.x version."""

    async def played(story: Play) -> None:
        async with running_site(tmp_path) as site, station_at(site, request.param) as station:
            await story(site, station)

    return lambda story: run(played(story))


async def trigger(site: TestSite, station: Station, message: str, evse_id: int | None) -> Any:
    """The station accepts; where it was told to report of."""
    result = await site.site.controller.execute(commands.TriggerMessage("CP-01", message, evse_id))
    assert result.state is CommandState.ACCEPTED
    asked = dict(station.charger.asked_for("TriggerMessage")[-1])
    assert asked.pop("requestedMessage") == message
    return asked


PLACES = pytest.mark.parametrize(
    ("evse_id", "place"), [(1, {"evse": {"id": 1}}), (None, {})], ids=["one EVSE", "all EVSEs"]
)


@PLACES
def test_meter_values_are_asked_for_at_one_evse_or_all(play: Any, evse_id: Any, place: Any):
    """Proves: TC_F_11_CSMS, TC_F_12_CSMS."""

    async def story(site: TestSite, station: Station) -> None:
        assert await trigger(site, station, "MeterValues", evse_id) == place
        for reporting in (1,) if evse_id else (1, 2):
            values = samples(9.5 + reporting, "Trigger", measurand="Current.Import", phase="L1")
            payload = {"evseId": reporting, "meterValue": values}
            assert await station.charger.call("MeterValues", payload) == {}
            measured = site.site.services.metering.evse(EvseKey("CP-01", reporting))
            assert measured is not None
            assert measured.reading.current_a[0] == 9.5 + reporting

    play(story)


@PLACES
def test_a_transactions_state_is_asked_for_at_one_evse_or_all(play: Any, evse_id: Any, place: Any):
    """Proves: TC_F_13_CSMS, TC_F_14_CSMS."""

    async def story(site: TestSite, station: Station) -> None:
        charging = {"chargingState": "Charging"}
        begin = samples(1000, "Transaction.Begin")
        await station.event("Started", "Authorized", idToken=CARD, meterValue=begin)
        await station.event("Updated", "ChargingStateChanged", charging)
        assert await trigger(site, station, "TransactionEvent", evse_id) == place
        values = samples(1234.0, "Trigger")
        rest = {} if evse_id else {"evse": None}
        await station.event("Updated", "Trigger", charging, meterValue=values, **rest)
        row = await site.row()
        readings = await site.site.store.read(lambda tx: tx.readings(row.key))
        kept = {(reading.context, reading.energy_import_wh) for reading in readings}
        assert (ReadingContext.TRIGGER, 1234.0) in kept

    play(story)


@pytest.mark.parametrize("message", ["LogStatusNotification", "FirmwareStatusNotification"])
def test_a_station_that_is_idle_says_so(play: Any, message: str):
    """Proves: TC_F_15_CSMS, TC_F_18_CSMS."""

    async def story(site: TestSite, station: Station) -> None:
        assert await trigger(site, station, message, None) == {}
        assert await station.charger.call(message, {"status": "Idle"}) == {}

    play(story)


@pytest.mark.parametrize(("word", "free"), [("Available", True), ("Occupied", False)])
def test_a_connectors_status_is_asked_for_with_its_evse(play: Any, word: str, free: bool):
    """By StatusNotification, and the same as an event of the connector.

    Proves: TC_F_23_CSMS, TC_F_24_CSMS.
    """

    async def shown(site: TestSite) -> bool:
        view = site.site.controller.station_view("CP-01")
        return view is not None and (view.evses[0].activity == "available") is free

    async def story(site: TestSite, station: Station) -> None:
        await station.status(word)
        place = {"evse": {"id": 1, "connectorId": 1}}
        assert await trigger(site, station, "StatusNotification", 1) == place
        await station.status(word)
        await eventually(lambda: shown(site))
        assert await station.charger.call("NotifyEvent", availability(word)) == {}
        assert await shown(site)

    play(story)


def availability(word: str) -> dict[str, Any]:
    """A connector's state as an event of its component."""
    event = {
        "eventId": 1,
        "timestamp": instant(),
        "trigger": "Delta",
        "actualValue": word,
        "eventNotificationType": "HardWiredNotification",
        "component": {"name": "Connector", "evse": {"id": 1, "connectorId": 1}},
        "variable": {"name": "AvailabilityState"},
    }
    return {"generatedAt": instant(), "seqNo": 0, "eventData": [event]}
