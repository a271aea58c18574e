"""`[load]` of site.toml: how load management behaves."""

from dataclasses import dataclass

from sitecontroller.config.table import Table


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """Load management. `lease_s` 120 to 900; `fail_safe` "slow" (fallbacks) or "stop" (0 A)."""

    lease_s: int = 300
    fail_safe: str = "slow"
    reaction_s: float = 10.0


def read_load(table: Table) -> LoadSettings:
    """`[load]`."""
    return LoadSettings(
        lease_s=table.integer("lease_s", 300, low=120, high=900),
        fail_safe=table.text("fail_safe", "slow", pattern="slow|stop"),
        reaction_s=table.number("reaction_s", 10.0, low=2, high=60),
    )
