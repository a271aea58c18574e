"""Who may charge at a simulated station, and when: plugs, cards, reservations, transactions.

A transaction starts when a car is plugged and somebody is authorized; power flows when the CSMS
agrees, or is away.
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING

from sitecontroller.domain.ids import fold
from sitecontroller.simulation.blocks import local_list, payments, reservation
from sitecontroller.simulation.cars import Car
from sitecontroller.simulation.control import (
    EndReason,
    EvseControl,
    Fault,
    Known,
    Transaction,
    Waiting,
)
from sitecontroller.simulation.profiles import TX, ProfileRefused, StoredProfile

if TYPE_CHECKING:
    from sitecontroller.simulation.station import SimulatedStation

TOKENS_KEPT = 1000
"""Cards in the authorization cache; the oldest goes first."""


class Sessions:
    """The sessions of one station."""

    def __init__(self, station: SimulatedStation) -> None:
        self._station = station
        self.known_tokens: dict[str, Known] = {}

    # At the station

    def plug(self, control: EvseControl, car: Car) -> None:
        """A car is plugged in."""
        station = self._station
        control.outlet.plug(car)
        control.finishing = False
        if control.transaction is not None:
            control.outlet.closed = True  # its own car is back
        station.report(control)
        station.happened("plugged", control)
        station.bend("plugged", None, control)
        if (waiting := control.waiting) is not None:
            self.stop_waiting(control)
            self._begin(control, waiting.id_token, waiting.remote_start_id, waiting.profile)

    def unplug(self, control: EvseControl) -> Car | None:
        """The plug is drawn; a running transaction ends with it where the settings say so."""
        station = self._station
        if control.transaction is not None:
            if station.settings.flag(station.dialect.NAMES.stop_on_unplug):
                self.end(control, EndReason.EV_DISCONNECTED)
            else:
                control.outlet.closed = False
        car = control.outlet.unplug()
        control.finishing = False
        station.report(control)
        return car

    async def tap(self, control: EvseControl, id_token: str, token_type: str | None = None) -> bool:
        """A card is held to the reader: starts, or stops what it or one of its group started."""
        station, running = self._station, control.transaction
        if running is not None:
            own = fold(running.id_token) == fold(id_token)
            if not own and (
                running.group is None or (await self.authorize(id_token)).group != running.group
            ):
                return False
            self.end_if(control, running, EndReason.LOCAL, id_token)
            return True
        if not control.is_free or payments.is_locked(station, control.evse.evse_id):
            return False
        known = await self.authorize(id_token)
        if not known.accepted or not control.is_free:
            return False
        if not reservation.lets_in(station, control, id_token, known.group):
            return False
        self.admit(control, id_token, group=known.group, token_type=token_type)
        return True

    async def authorize(self, id_token: str) -> Known:
        """By the local list, the cache or the CSMS, as the settings say (OCPP 2.0.1 C01, C13)."""
        station = self._station
        names, settings = station.dialect.NAMES, station.settings
        forced: Known | None = station.bend("authorization", None, id_token)
        if forced is not None:
            return forced
        listed = None
        if settings.flag(names.list_enabled):
            listed = station.part(local_list.LocalList).find(id_token)
        cached = self.known_tokens.get(fold(id_token))
        local = listed or cached
        if local is not None and local.accepted and settings.flag(names.pre_authorize):
            return local
        if station.uplink.online:
            said = await station.dialect.ask_authorization(id_token)
            if said is not None:
                self.remember(id_token, said)
                return said
        if local is not None:
            allowed = local.accepted and settings.flag(names.authorize_offline)
            return Known(allowed, local.group)
        return Known(settings.flag(names.unknown_offline))

    def remember(self, id_token: str, known: Known) -> None:
        """Put it into the cache."""
        self.known_tokens.pop(fold(id_token), None)
        self.known_tokens[fold(id_token)] = known
        while len(self.known_tokens) > TOKENS_KEPT:
            del self.known_tokens[next(iter(self.known_tokens))]

    def admit(
        self,
        control: EvseControl,
        id_token: str,
        remote_start_id: int | None = None,
        profile: StoredProfile | None = None,
        *,
        group: str | None = None,
        token_type: str | None = None,
    ) -> None:
        """Somebody may charge: begin, or wait for the plug."""
        if control.outlet.car is not None:
            self._begin(control, id_token, remote_start_id, profile, group, token_type)
            return
        wait_s = self._station.settings.number(self._station.dialect.NAMES.plug_timeout)
        timeout = asyncio.get_running_loop().call_later(wait_s, self.stop_waiting, control)
        control.waiting = Waiting(id_token, remote_start_id, profile, timeout)
        self._station.report(control)

    def end(self, control: EvseControl, reason: EndReason, id_token: str | None = None) -> None:
        """End the running transaction of an EVSE."""
        station, transaction = self._station, control.transaction
        assert transaction is not None
        control.outlet.closed = False
        control.transaction = None
        control.finishing = control.outlet.car is not None
        station.profiles.clear(evse_id=control.evse.evse_id, purpose=TX)
        station.note(f"transaction {transaction.transaction_id} ended: {reason.value}")
        station.dialect.send_ended(control, transaction, reason, id_token)
        if control.becomes_operative is not None:
            control.operative, control.becomes_operative = control.becomes_operative, None
        station.report(control)
        station.happened("ended", control, transaction)
        station.bend("ended", None, control, transaction)

    def end_if(
        self,
        control: EvseControl,
        transaction: Transaction | None,
        reason: EndReason,
        id_token: str | None = None,
    ) -> None:
        """End this transaction unless it has ended meanwhile."""
        if transaction is not None and control.transaction is transaction:
            self.end(control, reason, id_token)

    # What the CSMS asks

    def remote_start(
        self,
        control: EvseControl,
        id_token: str,
        remote_start_id: int | None,
        profile: StoredProfile | None,
        *,
        group: str | None = None,
        token_type: str | None = None,
    ) -> bool:
        """Whether the start is accepted; it follows after the answer."""
        station = self._station
        if not control.is_free or not reservation.lets_in(station, control, id_token, group):
            return False

        async def start() -> None:
            must_ask = station.settings.flag(station.dialect.NAMES.authorize_remote)
            if must_ask and not (await self.authorize(id_token)).accepted:
                return
            if control.is_free and station.bend("starts", True, "remotely"):
                self.admit(
                    control, id_token, remote_start_id, profile, group=group, token_type=token_type
                )

        station.after_answer(lambda: station.spawn(start()))
        return True

    def set_availability(self, controls: list[EvseControl], *, operative: bool) -> str:
        """ "Accepted", or "Scheduled" while a transaction runs."""
        status = "Accepted"
        for control in controls:
            if control.transaction is not None:
                control.becomes_operative, status = operative, "Scheduled"
            else:
                control.operative, control.becomes_operative = operative, None
            self._station.after_answer(partial(self._station.report, control))
        return status

    def agreed(self, control: EvseControl, transaction: Transaction, accepted: bool | None) -> None:
        """The CSMS's word on a started transaction; None: it couldn't be asked."""
        station = self._station
        if control.transaction is not transaction:
            return
        accepted = station.bend("agreed", accepted, control)
        if accepted is not False:
            control.outlet.closed = control.outlet.car is not None
            transaction.offered_since_s = station.clock.monotonic_s()
            station.obey(control)
        elif station.settings.flag(station.dialect.NAMES.stop_on_invalid):
            self.end(control, EndReason.DEAUTHORIZED)

    # Faults

    def break_down(self, control: EvseControl, fault: Fault) -> None:
        """It stops charging and says why."""
        control.fault = fault
        if control.waiting is not None:
            self.stop_waiting(control)
        if control.transaction is not None:
            self.end(control, EndReason.OTHER)
        self._station.note(f"EVSE {control.evse.evse_id}: {fault.error_code} {fault.info}")
        self._station.report(control)
        self._station.happened("faulted", control)

    def mend(self, control: EvseControl) -> None:
        """The fault is gone."""
        control.fault = None
        self._station.report(control)
        self._station.happened("faulted", control)

    # Inside

    def stop_waiting(self, control: EvseControl) -> None:
        """Nobody plugged in, or it doesn't matter any more."""
        if control.waiting is not None:
            control.waiting.timeout.cancel()
            control.waiting = None
            self._station.report(control)

    def _begin(
        self,
        control: EvseControl,
        id_token: str,
        remote_start_id: int | None,
        profile: StoredProfile | None,
        group: str | None = None,
        token_type: str | None = None,
    ) -> None:
        station = self._station
        now_s = station.clock.monotonic_s()
        transaction = Transaction(
            id_token,
            station.now(),
            remote_start_id=remote_start_id,
            offered_since_s=now_s,
            sampled_s=now_s,
            group=group,
            token_type=token_type,
            reservation_id=reservation.used(station, control, id_token, group),
            register_wh=control.outlet.energy_wh,
        )
        control.transaction, control.finishing = transaction, False
        if profile is not None:
            with contextlib.suppress(ProfileRefused):
                station.profiles.put(profile)
        station.note(f"transaction begins at EVSE {control.evse.evse_id}")
        station.dialect.send_started(control, transaction)
        station.report(control)
        station.happened("started", control, transaction)
        if not station.uplink.online:
            self.agreed(control, transaction, None)
