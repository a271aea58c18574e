"""Network connection profiles of a simulated 2.x station: slots, their order, falling back.

A slot is used from the next boot on, in the order of NetworkConfigurationPriority. After so many
failed attempts the next one has its turn; behind the last comes what the station was set up with.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sitecontroller.simulation.blocks.block import Block, accepted, refused
from sitecontroller.simulation.settings import Setting
from sitecontroller.simulation.uplink import Payload

if TYPE_CHECKING:
    from sitecontroller.simulation.station import SimulatedStation

SLOTS = range(1, 5)
PRIORITY = "OCPPCommCtrlr.NetworkConfigurationPriority"
ATTEMPTS = "OCPPCommCtrlr.NetworkProfileConnectionAttempts"


class Slots:
    """The profiles by slot; `active` are those in use since the last boot, in order."""

    def __init__(self) -> None:
        self.kept: dict[int, dict[str, Any]] = {}
        self.active: list[int] = []
        self.used: int | None = None


def endpoint(station: SimulatedStation, default: str) -> str:
    """Where to connect now: the endpoint of the slot whose turn it is, else the default."""
    slots = station.part(Slots)
    attempts = max(1, station.settings.number(ATTEMPTS, 3))
    turns = [slot for slot in slots.active if slot in slots.kept]
    if not turns:
        return default
    turn = station.uplink.failures // attempts % (len(turns) + 1)
    slots.used = None if turn == len(turns) else turns[turn]
    if slots.used is None:
        station.security_profile = station.description.security_profile
        return default
    profile = slots.kept[slots.used]
    station.security_profile = profile["securityProfile"]
    return str(profile["ocppCsmsUrl"])


def use_order(station: SimulatedStation) -> None:
    """Before a boot: what was set since the last one counts from now on."""
    slots = station.part(Slots)
    names = station.settings.names(PRIORITY)
    slots.active = [int(name) for name in names if name.isdigit() and int(name) in slots.kept]


def _set(station: SimulatedStation, payload: Payload) -> Payload:
    slot, profile = payload["configurationSlot"], payload["connectionData"]
    if slot not in SLOTS:
        return refused(f"slots are {SLOTS.start} to {SLOTS.stop - 1}", code="InvalidNetworkConf")
    parts = urlsplit(profile["ocppCsmsUrl"])
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        return refused("the address is none of a CSMS", code="InvalidURL")
    if profile["securityProfile"] < station.security_profile:
        return refused("a lower security profile", code="NoSecurityDowngrade")  # B09.FR.04
    if (parts.scheme == "wss") != (profile["securityProfile"] > 1):
        return refused("profile and address don't fit", code="InvalidNetworkConf")
    if slot == station.part(Slots).used:
        return refused("this slot is in use", code="PriorityNetworkConf")
    station.part(Slots).kept[slot] = profile
    return accepted()


def _settings(station: SimulatedStation) -> Iterable[Setting]:
    def active() -> str:
        return str(station.part(Slots).used or 0)

    slots = ",".join(str(slot) for slot in SLOTS)
    yield Setting(PRIORITY, slots, r"\d(?:,\d)*", reboots=True)
    yield Setting(ATTEMPTS, "3", r"\d{1,4}")
    yield Setting("OCPPCommCtrlr.ActiveNetworkProfile", "", writable=False, live=active)


BLOCK = Block(answers={"SetNetworkProfile": _set}, settings=_settings)
