"""Which way a file goes: what worked, what the station says, and TLS where it trusts us."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from sitecontroller.domain.errors import CallTimeout
from sitecontroller.domain.files import TransferScheme
from sitecontroller.ports import CallAnswer
from sitecontroller.services.transfers import Transfers

ALL = ("http", "ftp", "https", "ftps")


@dataclass
class Station:
    """What `Transfers` asks of a link and of the services about its station."""

    says: list[str] | Exception
    profile: int | None = 1
    facts: dict[str, Any] = field(default_factory=dict)
    station_id: str = "CP-01"

    async def ask(self, request: object) -> CallAnswer:
        if isinstance(self.says, Exception):
            raise self.says
        return CallAnswer(True, "Accepted", {"schemes": self.says})

    async def remembered(self, name: str) -> Any:
        return self.facts.get(name)

    async def remember(self, name: str, value: Any) -> None:
        self.facts[name] = value

    def state(self, station_id: str) -> Any:
        boot = SimpleNamespace(vendor="Test ", model="Wallbox")
        return SimpleNamespace(record=SimpleNamespace(boot=boot), address="10.0.0.7")

    def transfers(self, open_doors: tuple[str, ...] = ALL) -> Transfers:
        guard = SimpleNamespace(profile_now=lambda station_id: self.profile)
        stations = SimpleNamespace(
            guard=guard, remembered=self.remembered, remember=self.remember, state=self.state
        )
        clock = SimpleNamespace(now=lambda: datetime(2026, 3, 1, tzinfo=UTC))
        transfers = Transfers(SimpleNamespace(stations=stations, clock=clock))  # type: ignore[arg-type]
        doors = tuple(map(TransferScheme, open_doors))
        transfers.open(SimpleNamespace(schemes=doors))  # type: ignore[arg-type]
        return transfers


@pytest.mark.parametrize(
    ("says", "profile", "tried", "order"),
    [
        ([], 1, (), "http ftp https ftps"),
        (["ftp"], 1, (), "ftp"),
        (["ftp", "http"], 1, (), "http ftp"),
        (["ftp", "http"], 1, ("http",), "ftp"),
        (["ftp"], 1, ("ftp",), ""),
        (CallTimeout("x"), 1, (), "http ftp https ftps"),
        ([], 3, (), "https ftps http ftp"),
        (["http", "ftps"], 2, (), "ftps http"),
        (["http"], 2, (), "http"),
    ],
)
def test_ways_in_the_order_in_which_they_are_tried(
    run: Callable[..., Any],
    says: Any,
    profile: int,
    tried: tuple[str, ...],
    order: str,
) -> None:
    station = Station(says, profile)
    before = tuple(map(TransferScheme, tried))
    found = run(station.transfers().schemes_for(station, "logs", before))  # type: ignore[arg-type]
    assert " ".join(found) == order


def test_what_worked_for_the_model_comes_first(run: Callable[..., Any]) -> None:
    async def scenario() -> None:
        station = Station([])
        transfers = station.transfers()
        await transfers.worked("CP-01", "logs", TransferScheme.FTP)
        assert list(station.facts) == ["file-transfer:logs:test/wallbox"]
        assert (await transfers.schemes_for(station, "logs"))[0] == "ftp"  # type: ignore[arg-type]
        assert (await transfers.schemes_for(station, "firmware"))[0] == "http"  # type: ignore[arg-type]

    run(scenario())


def test_request_ids_never_come_twice_and_stay_in_range() -> None:
    transfers = Station([]).transfers()
    transfers._request_id = 2**31 - 3
    ids = [transfers.new_request_id() for _ in range(5)]
    assert len(set(ids)) == 5
    assert all(1 <= number <= 2**31 - 1 for number in ids)
