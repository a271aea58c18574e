"""`[load]` of site.toml: how load management behaves."""

from dataclasses import dataclass

from sitecontroller.config.demand import DemandSettings, read_demand
from sitecontroller.config.discharge import DischargeSettings, read_discharge
from sitecontroller.config.surplus import SurplusSettings, read_surplus
from sitecontroller.config.table import Table
from sitecontroller.dlm.policy import POLICIES
from sitecontroller.dlm.snapshot import EQUAL_SHARE
from sitecontroller.domain.topology import Topology


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """Load management. `lease_s`, `lease_s_max` 120 to 900; `fail_safe` "slow" (fallbacks) or
    "stop" (0 A); `policy` one of `dlm.policy.POLICIES`."""

    lease_s: int = 300
    lease_s_max: int = 300
    """Of an EVSE that has spent half of its day's profile writes; never below `lease_s`."""
    fail_safe: str = "slow"
    reaction_s: float = 10.0
    policy: str = EQUAL_SHARE
    demand: DemandSettings | None = None
    surplus: SurplusSettings | None = None
    discharge: DischargeSettings | None = None
    """None: no car gives back."""

    @property
    def longest_lease_s(self) -> int:
        """After this and some uncertainty no limit above a fallback holds without us (S3)."""
        return max(self.lease_s, self.lease_s_max)


def read_load(table: Table, topology: Topology, time_zone: str) -> LoadSettings:
    """`[load]`, checked against what it names."""
    surplus = table.table("surplus")
    demand = None
    if table.has("demand"):
        demand = read_demand(table.table("demand"), topology, time_zone)
    return LoadSettings(
        lease_s=(lease_s := table.integer("lease_s", 300, low=120, high=900)),
        lease_s_max=table.integer("lease_s_max", lease_s, low=120, high=900),
        fail_safe=table.text("fail_safe", "slow", pattern="slow|stop"),
        reaction_s=table.number("reaction_s", 10.0, low=2, high=60),
        policy=table.text("policy", EQUAL_SHARE, pattern="|".join(POLICIES)),
        demand=demand,
        surplus=read_surplus(surplus, topology) if table.has("surplus") else None,
        discharge=read_discharge(table.table("discharge"), topology, demand),
    )
