"""The local authorization list of a simulated station: versions, limits, full and differential.

OCPP 1.6 chapter 5 (SendLocalList, GetLocalListVersion), 2.x block D.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sitecontroller.domain.ids import fold
from sitecontroller.simulation.blocks.block import Block, refused
from sitecontroller.simulation.control import Known
from sitecontroller.simulation.settings import FLAG, Setting
from sitecontroller.simulation.uplink import Payload
from sitecontroller.simulation.variables2x import live

if TYPE_CHECKING:
    from sitecontroller.simulation.station import SimulatedStation

ENTRIES_MAX = 200
ITEMS_PER_MESSAGE_MAX = 50


class LocalList:
    """The list and its version; 0 is an empty one."""

    def __init__(self) -> None:
        self.version = 0
        self.entries: dict[str, Known] = {}

    def find(self, id_token: str) -> Known | None:
        """What the list says of a card."""
        return self.entries.get(fold(id_token))

    def changed(self, rows: Iterable[tuple[str, Known | None]], *, full: bool) -> dict[str, Known]:
        """The entries as they would be; a row without a verdict takes its card off."""
        entries = {} if full else dict(self.entries)
        for id_token, known in rows:
            if known is None:
                entries.pop(fold(id_token), None)
            else:
                entries[fold(id_token)] = known
        return entries


def _send_local_list_16(station: SimulatedStation, payload: Payload) -> Payload:
    if not station.settings.flag("LocalAuthListEnabled"):
        return {"status": "NotSupported"}
    rows = [
        (row["idTag"], _known_16(row.get("idTagInfo")))
        for row in payload.get("localAuthorizationList", ())
    ]
    return {"status": _take(station, payload, rows, payload["listVersion"])}


def _known_16(info: dict[str, Any] | None) -> Known | None:
    if info is None:
        return None
    return Known(info["status"] == "Accepted", info.get("parentIdTag"))


def _send_local_list_2x(station: SimulatedStation, payload: Payload) -> Payload:
    if not station.settings.flag("LocalAuthListCtrlr.Enabled"):
        return refused("the list is switched off", code="NotEnabled", status="Failed")
    rows = [
        (row["idToken"]["idToken"], _known_2x(row.get("idTokenInfo")))
        for row in payload.get("localAuthorizationList", ())
    ]
    return {"status": _take(station, payload, rows, payload["versionNumber"])}


def _known_2x(info: dict[str, Any] | None) -> Known | None:
    if info is None:
        return None
    return Known(info["status"] == "Accepted", info.get("groupIdToken", {}).get("idToken"))


def _take(
    station: SimulatedStation,
    payload: Payload,
    rows: list[tuple[str, Known | None]],
    version: int,
) -> str:
    """All of it or nothing: too long a message or list fails, a version of the past mismatches."""
    kept = station.part(LocalList)
    full = payload["updateType"] == "Full"
    if len(rows) > ITEMS_PER_MESSAGE_MAX:
        return "Failed"
    if len({fold(id_token) for id_token, _ in rows}) < len(rows):
        return "Failed"  # a card twice: D01.FR.04
    if not full and version <= kept.version:
        return "VersionMismatch"
    entries = kept.changed(rows, full=full)
    if len(entries) > ENTRIES_MAX or version < 1:
        return "Failed"
    kept.entries, kept.version = entries, version
    return "Accepted"


def _version_16(station: SimulatedStation, payload: Payload) -> Payload:
    """−1 where there is no list (1.6, 5.10)."""
    known = station.settings.flag("LocalAuthListEnabled")
    return {"listVersion": station.part(LocalList).version if known else -1}


def _version_2x(station: SimulatedStation, payload: Payload) -> Payload:
    """0 where there is no list (D02.FR.03)."""
    known = station.settings.flag("LocalAuthListCtrlr.Enabled")
    return {"versionNumber": station.part(LocalList).version if known else 0}


def _settings_16(station: SimulatedStation) -> Iterable[Setting]:
    yield Setting("LocalAuthListEnabled", "true", FLAG)
    yield Setting("LocalAuthListMaxLength", str(ENTRIES_MAX), writable=False)
    yield Setting("SendLocalListMaxLength", str(ITEMS_PER_MESSAGE_MAX), writable=False)


def _settings_2x(station: SimulatedStation) -> Iterable[Setting]:
    def count() -> str:
        return str(len(station.part(LocalList).entries))

    yield Setting("LocalAuthListCtrlr.Enabled", "true", FLAG)
    yield Setting("LocalAuthListCtrlr.Available", "true", FLAG, writable=False)
    yield Setting("LocalAuthListCtrlr.BytesPerMessage", "65536", r"\d+", writable=False)
    items = str(ITEMS_PER_MESSAGE_MAX)
    yield Setting("LocalAuthListCtrlr.ItemsPerMessage", items, r"\d+", writable=False)
    entries = live("LocalAuthListCtrlr.Entries", count, highest=ENTRIES_MAX)
    entries.data_type = "integer"
    yield entries


BLOCK_16 = Block(
    answers={"SendLocalList": _send_local_list_16, "GetLocalListVersion": _version_16},
    settings=_settings_16,
)
BLOCK_2X = Block(
    answers={"SendLocalList": _send_local_list_2x, "GetLocalListVersion": _version_2x},
    settings=_settings_2x,
)
