"""`[[groups]]` of site.toml: EVSEs that are no subtree and are limited together.

What a group's limit is for: controllable load alone (§ 14a EnWG), a power module that several
outlets share, a cable that is no circuit of its own.
"""

from collections.abc import Mapping

from sitecontroller.config.table import Table
from sitecontroller.domain.topology import ChargingStation, Circuit, EvseKey, Group

NAMED_MAX = 5
"""Faulty members named in one message."""


def read_groups(
    root: Table, circuits: Mapping[str, Circuit], stations: Mapping[str, ChargingStation]
) -> dict[str, Group]:
    """All groups by id, in the order of the file."""
    groups: dict[str, Group] = {}
    for table in root.tables("groups"):
        group = _group(table, stations)
        if group.group_id in groups or group.group_id in circuits:
            table.fault("id", f"'{group.group_id}' is the id of another group or of a circuit")
        groups[group.group_id] = group
    return groups


def _group(table: Table, stations: Mapping[str, ChargingStation]) -> Group:
    group = Group(
        group_id=table.text("id", None, pattern=r"[A-Za-z0-9_-]{1,40}"),
        name=table.text("name", table.peek("id")),
        members=_members(table, stations),
        limit_a=table.optional_per_phase("limit_a", low=1, high=6300),
        limit_w=table.optional_number("limit_w", low=1, high=10_000_000),
    )
    table.no_more()
    return group


def _members(table: Table, stations: Mapping[str, ChargingStation]) -> tuple[EvseKey, ...]:
    """ "CP-01" stands for all EVSEs of that station, "CP-01/2" for one."""
    known = {
        name: keys
        for station in stations.values()
        for name, keys in (
            (station.station_id, [evse.key for evse in station.evses]),
            *((str(evse.key), [evse.key]) for evse in station.evses),
        )
    }
    names = table.texts("evses", pattern=r".{1,60}")
    strange = [name for name in names if name not in known]
    if strange:
        table.fault(
            "evses",
            f"no charger or outlet is called {', '.join(strange[:NAMED_MAX])}; "
            'write a [[stations]] id, or "ID/1" for its outlet 1',
        )
    elif not names:
        table.fault("evses", 'is missing: write the outlets, such as ["CP-01", "CP-02/1"]')
    members = (key for name in names for key in known.get(name, ()))
    return tuple(dict.fromkeys(members))
