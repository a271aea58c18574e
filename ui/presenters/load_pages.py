"""The lists below the tree: limits in force, changes of limits, what sets limits by itself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sitecontroller.domain.limit_history import LimitChange, LimitHistoryQuery
from sitecontroller.domain.limit_signal import LimitSourcesQuery, LimitSourceView
from sitecontroller.domain.limit_source import (
    GroupsQuery,
    GroupView,
    LimitSource,
    SiteLimitsQuery,
    SiteLimitView,
)
from sitecontroller.domain.queries import Query
from ui.i18n.texts import translate
from ui.presenters import units
from ui.presenters.load import amount, source
from ui.state import Picture

CHANGES = 100


@dataclass(frozen=True, slots=True)
class ListRow:
    """One row: its texts, column by column. `by_hand`: an attendant may withdraw it."""

    key: str
    cells: tuple[str, ...]
    by_hand: bool = False


@dataclass(frozen=True, slots=True)
class LoadList:
    """One list. `columns` are titles with a sample of the widest usual text, "" stretches.

    `query` is asked with the chosen outlet ("CP-01/1"), or "" for all of them.
    """

    name: str
    title: str
    empty: str
    columns: tuple[tuple[str, str], ...]
    query: Callable[[str], Query]
    row: Callable[[Any, Picture], ListRow]


def lists() -> tuple[LoadList, ...]:
    """All of them, in the order in which they are offered."""
    return (
        LoadList(
            "limits",
            translate("Load", "Limits in force"),
            translate("Load", "Nobody limits the site beyond its fuses."),
            (
                (translate("Load", "Who limits"), "Headquarters"),
                (translate("Load", "Where"), ""),
                (translate("Load", "At most"), "000.0 A · 000 kW"),
                (translate("Load", "Until"), "until 30 Sep 00:00"),
            ),
            lambda _outlet: SiteLimitsQuery(),
            _limit,
        ),
        LoadList(
            "changes",
            translate("Load", "Changes"),
            translate("Load", "No limit has changed yet. A row of the tree chosen: only its own."),
            (
                (translate("Load", "When"), "30 Sep 00:00:00"),
                (translate("Load", "Outlet"), "CP-000/0"),
                (translate("Load", "May draw"), "000.0 A"),
                (translate("Load", "Why"), ""),
            ),
            lambda outlet: LimitHistoryQuery(CHANGES, evse=outlet or None),
            _change,
        ),
        LoadList(
            "groups",
            translate("Load", "Groups"),
            translate("Load", "No outlets are limited as a group: there are no [[groups]]."),
            (
                (translate("Load", "Group"), "garage-level-1"),
                (translate("Load", "Outlets"), "000"),
                (translate("Load", "Takes"), "L1 00.0 A · L2 00.0 A · L3 00.0 A"),
                (translate("Load", "May draw"), "000.0 A"),
                (translate("Load", "Why"), ""),
            ),
            lambda _outlet: GroupsQuery(),
            _group,
        ),
        LoadList(
            "sources",
            translate("Load", "Sources"),
            translate("Load", "Nothing sets limits by itself: there are no [[limit_sources]]."),
            (
                (translate("Load", "Source"), "grid-operator-1"),
                (translate("Load", "State"), "silent: safe value"),
                (translate("Load", "At most"), "000.0 A · 000 kW"),
                (translate("Load", "Last heard"), "30 Sep 00:00:00"),
                (translate("Load", "What it says"), ""),
            ),
            lambda _outlet: LimitSourcesQuery(),
            _source,
        ),
    )


def _limit(view: SiteLimitView, picture: Picture) -> ListRow:
    limit, now = view.limit, picture.now()
    circuit = picture.circuits.get(limit.circuit_id or "")
    place = circuit.name if circuit is not None else limit.group_id or limit.circuit_id or ""
    until = translate("Load", "until {time}").format(
        time=units.moment(limit.until, picture.zone, now)
    )
    return ListRow(
        limit.limit_id,
        (
            source(limit.source),
            f"{place}: {limit.reason}" if limit.reason else place,
            amount(limit.current_a, limit.power_w),
            translate("Load", "until withdrawn") if limit.until is None else until,
        ),
        by_hand=limit.source is LimitSource.ATTENDANT,
    )


def _change(change: LimitChange, picture: Picture) -> ListRow:
    outlet = f"{change.station_id}/{change.evse_id}"
    return ListRow(
        f"{change.at.isoformat()} {outlet}",
        (
            units.moment(change.at, picture.zone, picture.now(), seconds=True),
            outlet,
            units.limit(change.current_a),
            change.reason,
        ),
    )


def _group(view: GroupView, _picture: Picture) -> ListRow:
    return ListRow(
        view.group_id,
        (
            view.name,
            str(len(view.members)),
            units.per_phase(view.current_a, 1),
            amount(view.cap_a, None) or translate("Load", "as it can"),
            view.limited_by or "",
        ),
    )


def _source(view: LimitSourceView, picture: Picture) -> ListRow:
    allowed = (view.current_a, view.current_a, view.current_a)
    return ListRow(
        view.source_id,
        (
            view.source_id,
            source_state(view.state),
            amount(allowed, view.power_w),
            units.moment(view.last_contact_at, picture.zone, picture.now(), seconds=True),
            view.fault or view.says,
        ),
    )


def source_state(code: str) -> str:
    """How a source stands."""
    table = {
        "init": translate("Load", "not heard yet"),
        "limited": translate("Load", "limits"),
        "unlimited/controlled": translate("Load", "allows all"),
        "failsafe": translate("Load", "silent: safe value"),
        "unlimited/autonomous": translate("Load", "silent: no limit"),
    }
    return table.get(code, code)
