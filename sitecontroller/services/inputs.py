"""Digital inputs: what the contacts of the site show, and what follows from it.

Samples come from `modbus/inputs.py`. An emergency contact that acts triggers the emergency stop; a
dimming contact keeps a site limit of the grid operator for as long as it acts. A contact that can't
be read raises an alarm, and acts only where site.toml says so.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import timedelta

from sitecontroller.domain.commands import Command
from sitecontroller.domain.digital_input import (
    Contact,
    DigitalInput,
    InputKind,
    InputsQuery,
    InputView,
    WhenLost,
)
from sitecontroller.domain.errors import ControllerError, NotFound
from sitecontroller.domain.limit_source import LimitSource, SetSiteLimit
from sitecontroller.domain.queries import Query
from sitecontroller.domain.views import Page
from sitecontroller.services.desk import Answerer, Desk, Handler
from sitecontroller.services.emergency import Emergency
from sitecontroller.services.load.sources import LimitSources

DIMMED_FOR = timedelta(minutes=15)
"""A dimming contact's limit ends so long after it was last renewed."""
RENEW_S = 300.0
RETRY_S = 5.0

log = logging.getLogger(__name__)


class Inputs:
    """Owner of what is known of every contact."""

    def __init__(self, desk: Desk, emergency: Emergency, limits: LimitSources) -> None:
        self._desk = desk
        self._emergency = emergency
        self._limits = limits
        self._inputs = {each.input_id: each for each in desk.config.inputs}
        self._contacts: dict[str, Contact] = {}
        self._errors: dict[str, str] = {}
        self._dims: dict[str, bool] = {}
        """Dimming inputs: whether they act, as last told to site limits or about to be."""
        self._changed = asyncio.Event()
        self.handlers: Mapping[type[Command], Handler] = {}
        self.answerers: Mapping[type[Query], Answerer] = {InputsQuery: self._page}

    async def load(self) -> None:
        """Nothing is known of any contact yet."""
        now_s = self._desk.clock.monotonic_s()
        for contact in self._inputs.values():
            self._contacts[contact.input_id] = Contact(now_s)
            if contact.kind is InputKind.EMERGENCY:
                self._emergency.contact(contact.input_id, at_rest=None)
                if not contact.rests_closed:
                    log.warning(
                        "input %s: rests open, so a cut wire goes unnoticed: use a contact that "
                        "rests closed",
                        contact.input_id,
                    )

    # what the reader tells

    def sampled(self, input_id: str, *, closed: bool) -> bool:
        """A contact was read. False: what it shows must be confirmed by a second sample soon."""
        before = self._contacts[input_id]
        after = before.sampled(closed, self._desk.clock.monotonic_s())
        self._contacts[input_id] = after
        if self._errors.pop(input_id, None) is not None:
            log.info("input %s: is read again", input_id)
            self._desk.alarms.clear("input-lost", input_id)
        if after.closed is not None and after.closed != before.closed:
            level = logging.INFO if before.closed is None else logging.WARNING
            log.log(level, "input %s: %s", input_id, "closed" if after.closed else "open")
            self._act(self._inputs[input_id])
        return after.is_settled

    def failed(self, input_id: str, reason: str) -> None:
        """A contact could not be read."""
        contact, before = self._inputs[input_id], self._contacts[input_id]
        now_s = self._desk.clock.monotonic_s()
        after = before.missed(now_s, contact.lost_s)
        self._contacts[input_id] = after
        if now_s - before.heard_s < contact.lost_s:
            return
        if input_id not in self._errors:
            self._desk.alarms.raise_(
                "input-lost", input_id, input=contact.name, kind=contact.kind, reason=reason
            )
            self._errors[input_id] = reason
            self._act(contact)

    # what follows

    def acts(self, contact: DigitalInput) -> bool | None:
        """Whether it is in the state that means something; None: not known."""
        closed = self._contacts[contact.input_id].closed
        return None if closed is None else closed != contact.rests_closed

    def _act(self, contact: DigitalInput) -> None:
        acts = self.acts(contact)
        if acts is None and contact.when_lost is WhenLost.TRIGGER:
            acts = True
        if contact.kind is InputKind.EMERGENCY:
            at_rest = None if acts is None else not acts
            self._emergency.contact(contact.input_id, at_rest=at_rest)
        elif acts is not None:
            self._dims[contact.input_id] = acts
            self._changed.set()

    async def run(self) -> None:
        """Keep the limits of dimming contacts in step with them, until cancelled."""
        while True:
            self._changed.clear()
            done = [await self._keep_limit(input_id) for input_id in tuple(self._dims)]
            try:
                async with asyncio.timeout(RENEW_S if all(done) else RETRY_S):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _keep_limit(self, input_id: str) -> bool:
        """Set, renew or withdraw; False: that failed and is tried again."""
        contact = self._inputs[input_id]
        try:
            if self._dims[input_id]:
                await self._limits.set(self._limit(contact))
            else:
                await self._limits.withdraw(contact.limit_id)
        except NotFound:
            return True  # it has ended by itself
        except ControllerError as error:
            log.error("input %s: its site limit: %s", input_id, error.detail)
            return False
        return True

    def _limit(self, contact: DigitalInput) -> SetSiteLimit:
        return SetSiteLimit(
            contact.limit_id,
            LimitSource.GRID_OPERATOR,
            contact.circuit_id,
            contact.group_id,
            contact.limit_a,
            contact.limit_w,
            self._desk.clock.now() + DIMMED_FOR,
            f"dimming contact {contact.name}",
            f"input {contact.input_id}",
        )

    async def _page(self, query: InputsQuery) -> Page[InputView]:
        return Page(
            tuple(
                InputView(
                    each.input_id,
                    each.name,
                    each.kind,
                    each.url,
                    self._contacts[each.input_id].closed,
                    self.acts(each),
                    self._errors.get(each.input_id),
                )
                for each in self._inputs.values()
            ),
            None,
        )
