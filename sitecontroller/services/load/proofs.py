"""Writes down how each limit of the grid operator was kept, whoever brought it, for two years."""

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from sitecontroller.domain.commands import Command
from sitecontroller.domain.errors import StoreUnavailable
from sitecontroller.domain.events import Event, EvseMeasured, SiteLimitChanged
from sitecontroller.domain.ids import new_ulid
from sitecontroller.domain.limit_proof import (
    KEPT_FOR,
    Flow,
    LimitProof,
    LimitProofsQuery,
    is_within,
)
from sitecontroller.domain.limit_source import LimitSource, SiteLimit
from sitecontroller.domain.metering import MeterReading
from sitecontroller.domain.queries import Query
from sitecontroller.domain.topology import NOMINAL_V, PHASES, Evse, EvseKey
from sitecontroller.domain.views import Page
from sitecontroller.ports import UnitOfWork
from sitecontroller.services.desk import Answerer, Desk, Handler
from sitecontroller.services.load.draw import grid_current
from sitecontroller.services.load.sources import LimitSources
from sitecontroller.services.shelf import Shelf

EVERY_S = 1.0
FORGET_EVERY_S = 86_400.0
KIND = "limit-proof"
EPSILON_A = 0.01

log = logging.getLogger(__name__)


class LimitProofs:
    """Owner of the proofs of limits in force."""

    def __init__(self, desk: Desk, limits: LimitSources) -> None:
        self._desk, self._limits = desk, limits
        self._shelf = Shelf(desk.store, KIND, LimitProof)
        self._running: dict[str, LimitProof] = {}
        """By limit id."""
        self._unstored: dict[str, LimitProof] = {}
        self._readings: dict[EvseKey, tuple[MeterReading, float]] = {}
        self.handlers: Mapping[type[Command], Handler] = {}
        self.answerers: Mapping[type[Query], Answerer] = {LimitProofsQuery: self._page}
        desk.publisher.subscribe(self._on_event, SiteLimitChanged, EvseMeasured)

    async def load(self) -> None:
        """Go on with limits that still stand; what ended while nobody ran ends now."""
        for proof in await self._shelf.all(open_only=True):
            limit = self._limits.standing(proof.limit_id)
            if limit is not None and limit.since == proof.received_at:
                self._running[proof.limit_id] = proof
            else:
                self._note(replace(proof, ended_at=self._desk.clock.now()))

    async def run(self) -> None:
        """Look every second until cancelled; once a day forget what is older than two years."""
        forget_s = self._desk.clock.monotonic_s()
        while True:
            for proof in tuple(self._running.values()):
                self._look(proof)
            with contextlib.suppress(StoreUnavailable):  # kept in memory, tried again
                await self._store()
                if self._desk.clock.monotonic_s() >= forget_s:
                    forget_s += FORGET_EVERY_S
                    await self._desk.store.commit(_forget, self._desk.clock.now() - KEPT_FOR)
            await asyncio.sleep(EVERY_S)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, EvseMeasured):
            self._readings[event.key] = event.reading, event.received_s
        elif isinstance(event, SiteLimitChanged):
            self._end(event.limit.limit_id)
            if event.in_force and event.limit.source is LimitSource.GRID_OPERATOR:
                self._begin(event.limit)

    def _begin(self, limit: SiteLimit) -> None:
        topology = self._desk.config.topology
        group_id = limit.group_id
        phase_count = len(PHASES) if group_id is None else topology.phase_count(group_id)
        proof = LimitProof(
            proof_key=new_ulid(limit.since),
            limit_id=limit.limit_id,
            set_by=limit.set_by,
            circuit_id=limit.circuit_id,
            group_id=group_id,
            power_w=limit.power_w,
            allowed_a=limit.allowed_a(phase_count),
            received_at=limit.since,
            until=limit.until,
        )
        self._running[limit.limit_id] = proof
        self._note(proof)

    def _end(self, limit_id: str) -> None:
        proof = self._running.pop(limit_id, None)
        if proof is not None:
            self._note(replace(proof, ended_at=self._desk.clock.now()))

    def _look(self, proof: LimitProof) -> None:
        now, seen = self._desk.clock.now(), proof
        if seen.commanded_at is None and self._is_commanded(seen):
            seen = replace(seen, commanded_at=now)
        flow = self._flow(seen)
        kept = is_within(seen, flow)
        if seen.below_at is None and kept and seen.commanded_at is not None:
            seen = replace(seen, below_at=now, below_w=flow.power_w)
        elif seen.below_at is not None and kept is False:
            self._running[seen.limit_id] = replace(seen, above_s=seen.above_s + EVERY_S)
            return
        if seen != proof:
            self._running[seen.limit_id] = seen
            self._note(seen)

    def _is_commanded(self, proof: LimitProof) -> bool:
        """Whether what the chargers are told, beside the base load, is within the limit; with a
        base load above it, whether they are told nothing."""
        evses, load = self._evses(proof), self._desk.load
        told = {evse.key: load.told_a(evse.key) or 0.0 for evse in evses}
        if not any(told.values()):
            return True
        base_a = (0.0,) * 3
        if proof.circuit_id is not None:
            one, two, three = load.circuit_view(proof.circuit_id).base_a
            base_a = (one or 0.0, two or 0.0, three or 0.0)
        sums = _sums((evse, told[evse.key]) for evse in evses)
        return all(
            allowed_a is None or base_a[phase] + sums[phase] <= allowed_a + EPSILON_A
            for phase, allowed_a in zip(PHASES, proof.allowed_a, strict=True)
        )

    def _flow(self, proof: LimitProof) -> Flow:
        if proof.circuit_id is not None:
            view = self._desk.load.circuit_view(proof.circuit_id)
            return Flow() if view.stale else Flow(view.current_a, view.power_w)
        charging = [e for e in self._evses(proof) if self._desk.load.told_a(e.key) is not None]
        readings = {evse: self._fresh(evse.key) for evse in charging}
        if None in readings.values():
            return Flow()
        known = {evse: reading for evse, reading in readings.items() if reading is not None}
        currents_a = [grid_current(evse, reading).current_a for evse, reading in known.items()]
        one, two, three = (sum(max(0.0, a[phase] or 0.0) for a in currents_a) for phase in PHASES)
        powers_w = [_power_w(reading) for reading in known.values()]
        power_w = None if None in powers_w else sum(each or 0.0 for each in powers_w)
        return Flow((one, two, three), power_w)

    def _fresh(self, key: EvseKey) -> MeterReading | None:
        reading, received_s = self._readings.get(key, (None, 0.0))
        stale_s = 2.0 * self._desk.config.ocpp.sample_interval_s + EVERY_S
        age_s = self._desk.clock.monotonic_s() - received_s
        return reading if age_s <= stale_s else None

    def _evses(self, proof: LimitProof) -> tuple[Evse, ...]:
        topology = self._desk.config.topology
        if proof.group_id is not None:
            return topology.members(proof.group_id)
        assert proof.circuit_id is not None, "a limit has a place"
        return topology.below(proof.circuit_id)

    def _note(self, proof: LimitProof) -> None:
        self._unstored[proof.proof_key] = proof

    async def _store(self) -> None:
        for key, proof in tuple(self._unstored.items()):
            is_open = proof.ended_at is None
            await self._shelf.put(key, proof, proof.received_at, open=is_open)
            if self._unstored.get(key) is proof:
                del self._unstored[key]

    async def _page(self, query: LimitProofsQuery) -> Page[LimitProof]:
        await self._store()
        page = await self._shelf.page(query.limit, query.cursor)
        running = {proof.proof_key: proof for proof in self._running.values()}
        return replace(page, items=tuple(running.get(p.proof_key, p) for p in page.items))


def _forget(tx: UnitOfWork, before: datetime) -> None:
    tx.drop_kept_before(KIND, before)


def _sums(told: Iterable[tuple[Evse, float]]) -> tuple[float, float, float]:
    sums = [0.0, 0.0, 0.0]
    for evse, current_a in told:
        for phase in evse.phase_map.site_phases:
            sums[phase] += current_a
    return sums[0], sums[1], sums[2]


def _power_w(reading: MeterReading) -> float | None:
    """What an outlet takes, in W, at 230 V where it tells currents alone."""
    if reading.power_w is not None:
        return reading.power_w
    known_a = [current_a for current_a in reading.current_a if current_a is not None]
    return sum(known_a) * NOMINAL_V if known_a else None
