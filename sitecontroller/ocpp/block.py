"""A block of OCPP: what it adds to one version's dialect, as tables of plain functions.

The core (boot, status, authorize, transactions, meter values, limits) stands in the dialects. The
rest, from firmware to tariffs, comes as blocks: `v16/files.py` and `v2x/files.py` hold the same
block in each version's words. An inbound function turns a message into one domain value and one
service call; a request function says one `StationRequest` and reads the answer.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sitecontroller.domain.commands import StationRequest
from sitecontroller.ports import CallAnswer

Answer = dict[str, Any]
Inbound = Callable[[Any, Answer, datetime], Awaitable[Answer]]
"""(dialect, payload, received_at) → the CALLRESULT's payload; CallFault for a CALLERROR."""
Request = Callable[[Any, Any], Awaitable[CallAnswer]]
"""(dialect, request) → the station's answer."""


@dataclass(frozen=True, slots=True)
class Block:
    """Three tables. `transfers`: DataTransfer by its vendorId, caseless."""

    inbound: dict[str, Inbound] = field(default_factory=dict)
    requests: dict[type[StationRequest], Request] = field(default_factory=dict)
    transfers: dict[str, Inbound] = field(default_factory=dict)


def merged(blocks: Iterable[Block]) -> Block:
    """All tables of a version in one; two blocks never claim the same message."""
    whole = Block()
    for block in blocks:
        for ours, theirs in (
            (whole.inbound, block.inbound),
            (whole.requests, block.requests),
            (whole.transfers, {name.casefold(): step for name, step in block.transfers.items()}),
        ):
            twice = ours.keys() & theirs.keys()
            assert not twice, f"two blocks claim {twice}"
            ours.update(theirs)  # type: ignore[arg-type]
    return whole
