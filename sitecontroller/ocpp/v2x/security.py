"""Security of a 2.x station: events, its owner's name, and a higher security profile (block A)."""

from typing import Any

from sitecontroller.domain.device import SetNetworkProfile, StoreNetworkProfile
from sitecontroller.domain.security import SetOwnerName, SwitchProfile
from sitecontroller.ocpp.block import Block
from sitecontroller.ocpp.certificate_words import security_event
from sitecontroller.ocpp.values import rows, text
from sitecontroller.ports import CallAnswer

PRIORITY = "OCPPCommCtrlr.NetworkConfigurationPriority"
OWNER = "SecurityCtrlr.OrganizationName"
SLOTS = ("1", "2", "3", "0", "4")
"""Tried in this order for one that is not listed; which a station has, only a report tells."""


async def _switch_profile(dialect: Any, request: SwitchProfile) -> CallAnswer:
    """A05: a new slot of its network profiles, put first; the old one stays behind it as a way
    back. It holds after a restart (A05.FR.05).

    Some list every slot they have, filled or not: then the last one is taken, never the first.
    """
    told = await dialect.get_variables((PRIORITY,))
    results = rows(told.body.get("getVariableResult"), 1)
    said = text(results[0].get("attributeValue")) if results else None
    listed = [slot.strip() for slot in (said or "").split(",") if slot.strip().isdigit()]
    stored = CallAnswer(False, "no free slot", {})
    for slot in [slot for slot in SLOTS if slot not in listed] + listed[:0:-1]:
        wanted = SetNetworkProfile(
            dialect.station_id,
            int(slot),
            request.url,
            request.profile,
            interface=request.interface,
        )
        stored = await dialect.ask(StoreNetworkProfile(wanted))
        if stored.accepted:
            others = [one for one in listed if one != slot]
            answer = await dialect.set_variable(PRIORITY, ",".join((slot, *others)))
            status = "RebootRequired" if answer.accepted else answer.status
            return CallAnswer(answer.accepted, status, answer.body)
    return stored


async def _set_owner_name(dialect: Any, request: SetOwnerName) -> CallAnswer:
    answer: CallAnswer = await dialect.set_variable(OWNER, request.name)
    return answer


BLOCK = Block(
    inbound={"SecurityEventNotification": security_event},
    requests={SwitchProfile: _switch_profile, SetOwnerName: _set_owner_name},
)
