"""A block of OCPP at a station: tables of plain functions beside what every dialect does itself.

The mirror of the controller's `ocpp/block.py`. What a block has to remember it keeps in a part of
its own: `station.part(LocalList)` is the station's one LocalList, made at first use and kept over
reboots as in flash.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from sitecontroller.simulation.control import EvseControl
from sitecontroller.simulation.settings import Setting
from sitecontroller.simulation.uplink import Payload

Answerer = Callable[[Any, Payload], Payload]
"""(station, payload) → the answer to a CALL that fits its schema; raises CallFault."""
Trigger = Callable[[Any, list[EvseControl]], bool]
"""Sends the message that was asked for after the answer; False: there is nothing to send."""
Hook = Callable[..., None]
"""(station, …) when something happened; see `EVENTS`."""

EVENTS = frozenset({"booted", "online", "second", "plugged", "started", "ended", "faulted"})
"""booted, online, second: (station). The others: (station, control); started and ended with the
transaction besides."""


def _no_settings(_: Any) -> Iterable[Setting]:
    return ()


@dataclass(frozen=True, slots=True)
class Block:
    """The tables. `transfers`: DataTransfer by its vendorId, caseless."""

    answers: dict[str, Answerer] = field(default_factory=dict)
    triggers: dict[str, Trigger] = field(default_factory=dict)
    transfers: dict[str, Answerer] = field(default_factory=dict)
    hooks: dict[str, Hook] = field(default_factory=dict)
    settings: Callable[[Any], Iterable[Setting]] = _no_settings


@dataclass(frozen=True, slots=True)
class Tables:
    """All blocks of a version in one; two never claim the same message."""

    answers: dict[str, Answerer]
    triggers: dict[str, Trigger]
    transfers: dict[str, Answerer]
    hooks: dict[str, tuple[Hook, ...]]


def merged(blocks: Iterable[Block]) -> Tables:
    """The tables of every block together."""
    whole = Tables({}, {}, {}, {})
    for block in blocks:
        for ours, theirs in (
            (whole.answers, block.answers),
            (whole.triggers, block.triggers),
            (whole.transfers, {name.casefold(): step for name, step in block.transfers.items()}),
        ):
            assert not ours.keys() & theirs.keys(), "two blocks claim a message"
            ours.update(theirs)  # type: ignore[arg-type]
        assert block.hooks.keys() <= EVENTS, f"no such event: {block.hooks.keys() - EVENTS}"
        for event, hook in block.hooks.items():
            whole.hooks[event] = (*whole.hooks.get(event, ()), hook)
    return whole


def refused(reason: str, *, code: str = "InvalidValue", status: str = "Rejected") -> Payload:
    """A refusal of 2.x with the reason that helps who reads it."""
    return {"status": status, "statusInfo": {"reasonCode": code, "additionalInfo": reason[:512]}}


def accepted(when: bool = True) -> Payload:
    """The plainest answer."""
    return {"status": "Accepted" if when else "Rejected"}
