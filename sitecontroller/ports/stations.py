"""The seam to stations: what is said to one, whatever it speaks."""

from dataclasses import dataclass
from typing import Any, Protocol

from sitecontroller.domain.commands import ResetType, StationRequest
from sitecontroller.domain.station import OcppVersion


@dataclass(frozen=True, slots=True)
class CallAnswer:
    """A station's answer to a command: accepted or not, its own word for it, and the raw body."""

    accepted: bool
    status: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Discharge:
    """What a car shall give back (2.1), A per grid phase; after `lease_s` it charges at 0."""

    current_a: float
    lease_s: int


@dataclass(frozen=True, slots=True)
class ChargingLimit:
    """A limit for one EVSE on its way to the station.

    `lease_s` None: until replaced. With a lease the station returns to its fallback by itself
    `lease_s` after `station_start_at` (station clock); `transaction_id` is the station's own. `way`
    is the only one in which a lease test tells it, one of `lease_ways`; None: the one in use.
    `discharge` is beside a limit of 0 only; who can't be told it, is told the limit alone.
    """

    evse_id: int
    current_a: float
    phase_count: int
    lease_s: int | None = None
    fallback_a: float = 0.0
    transaction_id: str | None = None
    way: str | None = None
    discharge: Discharge | None = None


@dataclass(frozen=True, slots=True)
class ScheduledLimit:
    """What a composite schedule says an EVSE may draw now; None where it does not say. `proven`:
    schedules of this model and firmware were true in the limit test."""

    current_a: float | None
    duration_s: int | None
    body: dict[str, Any]
    proven: bool = False


class StationLink(Protocol):
    """What we can say to one connected station, in the domain's words, whatever its version.

    Every method sends one CALL (or a fixed short sequence) and raises StationOffline,
    ConnectionLost, CallTimeout or CallRefused when there is no ordinary answer. A refusal by the
    station ("Rejected") is an answer. `generation` tells this connection from earlier ones.
    """

    @property
    def station_id(self) -> str: ...
    @property
    def version(self) -> OcppVersion: ...
    @property
    def generation(self) -> int: ...
    @property
    def clock_offset_s(self) -> float | None:
        """Station clock less ours; None until measured."""

    async def start(
        self, evse_id: int, connector_id: int, id_token: str, remote_start_id: int
    ) -> CallAnswer: ...
    async def stop(self, station_transaction_id: str, *, urgent: bool = False) -> CallAnswer:
        """`urgent`: an emergency stop, before everything else that waits."""

    async def unlock(self, evse_id: int, connector_id: int) -> CallAnswer: ...
    async def reset(self, reset_type: ResetType) -> CallAnswer: ...
    async def change_availability(
        self,
        evse_id: int | None,
        *,
        operative: bool,
        connector_id: int | None = None,
        urgent: bool = False,
    ) -> CallAnswer:
        """The whole station, an EVSE, or (2.x) one of its connectors; `urgent` as in `stop`."""

    async def trigger(self, message: str, evse_id: int | None) -> CallAnswer: ...
    async def get_variables(self, names: tuple[str, ...]) -> CallAnswer: ...
    async def set_variable(self, name: str, value: str) -> CallAnswer: ...
    def is_limit(self, name: str) -> bool:
        """Whether it is told its limits in this setting of the maker's (Q44)."""

    async def set_fallback(self, evse_id: int, current_a: float, phase_count: int) -> CallAnswer:
        """A permanent TxDefaultProfile, stack level 0."""

    async def set_station_maximum(self, current_a: float) -> CallAnswer:
        """ChargePointMaxProfile / ChargingStationMaxProfile: what the box can do, permanent."""

    @property
    def holds_leases(self) -> bool:
        """Whether a limit, told in the way in use now, ends by itself in the station."""

    async def lease_ways(self) -> tuple[str, ...]:
        """The ways of telling a limit that could end by itself, by name, best first."""

    async def learn_limits(self) -> None:
        """What commissioning found out about its model and firmware counts from now on."""

    def may_raise(self, evse_id: int) -> bool:
        """False: it has just said that it takes no higher limit for a while (2.1, K01.FR.57)."""

    async def set_limit(self, limit: ChargingLimit) -> CallAnswer:
        """Safety priority; a newer limit for the same EVSE replaces one still waiting (Q50).

        Where the station refuses one way of telling it, the others are tried (Q44).

        The replaced call raises `LimitSuperseded`.
        """

    async def clear_limit(self, evse_id: int) -> CallAnswer:
        """Take the lease back: the fallback holds at once."""

    def limit_obeyed(self, evse_id: int) -> None:
        """The last limit was seen to hold: the way it was told in works (Q44)."""

    def limit_disobeyed(self, evse_id: int) -> None:
        """It was taken and not obeyed: the next one is told in another way (Q44)."""

    async def composite_limit(self, evse_id: int) -> ScheduledLimit: ...
    async def ask_for_missing(self, station_transaction_id: str) -> None:
        """Ask the station for what it still holds of a transaction (Q34); 1.6 can't be asked."""

    async def ask(self, request: StationRequest) -> CallAnswer:
        """A request of one of the blocks (files, lists, security, …). Raises Unsupported too."""

    def supports(self, kind: type[StationRequest]) -> bool:
        """Whether `ask` can say requests of this kind to this station, as far as is known."""

    async def call(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """A technician's raw call; the raw answer."""

    async def close(self, reason: str) -> None:
        """End the connection (1001)."""


class LimitSuperseded(Exception):
    """A newer limit took this one's place before it was sent."""
