"""Smart charging through the API: what the client sends is what the controller gets, and back."""

from datetime import UTC, datetime
from typing import Any

import pytest

from sitecontroller.domain.commands import CommandResult, CommandState
from sitecontroller.domain.grid import (
    ClearDerControls,
    DerControlType,
    ReadDerControls,
    SendAfrrSignal,
    SetDerControl,
)
from sitecontroller.domain.smart import (
    AllowEnergyTransfers,
    ChargingProfilesQuery,
    ClearChargingProfiles,
    EnergyTransfer,
    HeldProfile,
    ProfilePurpose,
    ProfilesView,
    ReadChargingProfiles,
    ReadSchedule,
    Schedule,
    SchedulePeriod,
    SetChargingProfile,
    StartLimited,
    UseDynamicLimits,
    UsePriorityCharging,
)
from sitecontroller.domain.streams import AdjustStream, ReadStreams
from sitecontroller.domain.swap import RequestBatterySwap
from sitecontroller.domain.topology import LimitUnit
from sitecontroller.routes import COMMANDS, QUERIES, filled
from sitecontroller.wire import from_json
from tests.wire.api.site import TX, FakeSite, api

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
PERIODS = (SchedulePeriod(0, 6.0, 3), SchedulePeriod(60, 8.0, limit_l2=7.0))
SAID: list[Any] = [
    ReadChargingProfiles("CP-01", 1, ProfilePurpose.TX_DEFAULT, 0, ("EMS",), (1, 2)),
    ReadChargingProfiles("CP-01"),
    SetChargingProfile(
        "CP-01", 1, 1000, ProfilePurpose.TX_DEFAULT, 1, LimitUnit.A, PERIODS, valid_to=AT
    ),
    ClearChargingProfiles("CP-01", 1000),
    ReadSchedule("CP-01", 0, 300, LimitUnit.W),
    StartLimited("CP-01", 1, "CARD", 6.0),
    UseDynamicLimits("CP-01", False, 10),
    UsePriorityCharging(TX, False),
    AllowEnergyTransfers(TX, (EnergyTransfer.DC_BPT,)),
    AdjustStream("CP-01", 7, 10),
    ReadStreams("CP-01"),
    SetDerControl("CP-01", DerControlType.FREQ_DROOP, {"priority": 0, "x": [1.5]}),
    ReadDerControls("CP-01", True),
    ClearDerControls("CP-01", False, DerControlType.VOLT_VAR, "A"),
    SendAfrrSignal("CP-01", -4),
    RequestBatterySwap("CP-01", "CARD"),
]


@pytest.mark.parametrize("command", SAID, ids=lambda command: type(command).__name__)
def test_a_command_arrives_as_it_was_sent(run: Any, command: Any) -> None:
    site = FakeSite()
    site.answer = CommandResult("C1", CommandState.ACCEPTED)
    route = COMMANDS[type(command)]
    path, body = filled(route.path, command)

    async def request() -> Any:
        async with api(site) as client:
            return await client.request(route.method, path, json=body or None)

    answer = run(request())
    assert answer.status_code == 200, answer.text
    assert site.executed == [(command, None)]


def test_what_a_station_holds_comes_back_whole(run: Any) -> None:
    schedule = Schedule(LimitUnit.A, PERIODS, AT, 3600)
    profile = HeldProfile(1, -5, "EMS", "TxProfile", "Dynamic", 0, (schedule,), stale=True)
    view = ProfilesView("CP-01", (profile,), AT)

    class Site(FakeSite):
        async def query(self, query: Any) -> Any:
            assert query == ChargingProfilesQuery("CP-01")
            return view

    async def request() -> Any:
        async with api(Site()) as client:
            return await client.get("/v1/stations/CP-01/charging-profiles")

    answer = run(request())
    assert answer.status_code == 200, answer.text
    answered: Any = QUERIES[ChargingProfilesQuery].answer
    assert from_json(answered, answer.json()) == view
