"""A start that carries its limit, in every version (1.6 section 5.11; 2.x K05, F01.FR.08)."""

from dataclasses import replace
from typing import Any

from sitecontroller.domain.smart import LimitedStart
from sitecontroller.domain.topology import LimitUnit, Supply
from sitecontroller.ocpp import profiles
from sitecontroller.ocpp.block import Block
from sitecontroller.ocpp.profiles import Purpose
from sitecontroller.ports import CallAnswer


async def _start_limited(dialect: Any, request: LimitedStart) -> CallAnswer:
    """A TxProfile without a transaction id, under the number of its later limit.

    Relative, as case TC_K_37_CSMS asks: it needs no clock, is no lease and holds until the first
    limit of the session replaces it. Watts are those of one phase: the car may use no more.
    """
    evse = next(each for each in dialect.evses if each.evse_id == request.evse_id)
    in_watts = evse.limit_unit is LimitUnit.W and evse.supply is Supply.AC
    limit = profiles.lease(
        evse,
        request.current_a,
        1 if in_watts else evse.phase_count,
        purpose=Purpose.TX_DEFAULT,
        lease_s=None,
        station_now=None,
        transaction_id=None,
        integer=dialect.quirks.integer_limits,
    )
    of_start = replace(limit, purpose=Purpose.TX, stack_level=profiles.TX_STACK_LEVEL)
    answer: CallAnswer = await dialect.start_with(
        request.evse_id, request.id_token, request.remote_start_id, of_start
    )
    return answer


BLOCK = Block(requests={LimitedStart: _start_limited})
