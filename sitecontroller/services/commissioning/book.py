"""The book of checks: what was done, kept over restarts, and what is left to do at this site."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from sitecontroller.domain.commissioning import (
    DONE,
    OF_MODELS,
    SITE,
    Check,
    CheckKind,
    CheckState,
)
from sitecontroller.domain.station import StationBooted
from sitecontroller.domain.topology import ChargingStation, Supply
from sitecontroller.services.desk import Desk
from sitecontroller.services.shelf import Shelf

RESTARTED = "The controller was restarted meanwhile: begin it again"


class Book:
    """The newest of each check, by kind and by what it speaks for."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._shelf = Shelf(desk.store, "commissioning", Check)
        self._known: dict[str, Check] = {}

    async def load(self) -> None:
        """Take up what was kept; what ran when the controller ended is to be done again."""
        for check in await self._shelf.all():
            if check.state is CheckState.RUNNING:
                now = self._desk.clock.now()
                ended = (*check.findings, RESTARTED)
                await self.put(
                    replace(check, state=CheckState.UNDECIDED, ended_at=now, findings=ended)
                )
            else:
                self._known[row_key(check)] = check

    async def put(self, check: Check) -> None:
        """Keep it in place of an earlier one."""
        is_open = check.state is CheckState.RUNNING
        at = check.began_at or self._desk.clock.now()
        await self._shelf.put(row_key(check), check, at, open=is_open)
        self._known[row_key(check)] = check

    def all(self) -> tuple[Check, ...]:
        """Of this site as it is now, done or not."""
        return tuple(self._known.get(row_key(check), check) for check in self._wanted())

    def is_done(self, kind: CheckKind, firmware: str) -> bool:
        """Whether nothing of that kind is left to do for a model and firmware."""
        known = self._known.get(f"{kind}/{firmware}")
        return known is not None and known.state not in (CheckState.TO_DO, CheckState.UNDECIDED)

    def knows_another(self, kind: CheckKind, boot: StationBooted) -> bool:
        """Whether this model was tested with another firmware."""
        begins = f"{kind}/{boot.vendor} {boot.model} "
        here = f"{kind}/{firmware_of(boot)}"
        return any(key.startswith(begins) and key != here for key in self._known)

    def _wanted(self) -> Iterator[Check]:
        topology = self._desk.config.topology
        for meter_id in topology.meters:
            yield _to_do(CheckKind.METER, meter_id)
        yield _to_do(CheckKind.FALLBACKS, SITE)
        for evse in topology.evses():
            metered = any(c.meter_id is not None for c in topology.path(evse.circuit_id))
            if metered and evse.supply is Supply.AC:
                yield _to_do(CheckKind.PHASES, str(evse.key))
        boots = {station_id: self.boot_of(station_id) for station_id in topology.stations}
        for kind in OF_MODELS:
            yield from self._of_models(kind, topology.stations, boots)

    def _of_models(
        self,
        kind: CheckKind,
        stations: Mapping[str, ChargingStation],
        boots: Mapping[str, StationBooted | None],
    ) -> Iterator[Check]:
        seen: set[str] = set()
        for station_id, station in stations.items():
            boot = boots[station_id]
            firmware = "" if boot is None else firmware_of(boot)
            if firmware in seen or not station.evses:
                continue
            if boot is not None:
                seen.add(firmware)
            check = _to_do(kind, str(station.evses[0].key), firmware)
            if boot is None:
                check = replace(check, findings=(f"{station_id} has not connected yet",))
            yield check

    def boot_of(self, station_id: str) -> StationBooted | None:
        """What it said it is; None: it has never connected."""
        state = self._desk.stations.state(station_id)
        return None if state is None else state.record.boot


def is_complete(checks: tuple[Check, ...]) -> bool:
    """A lease test that found no lease is done: load management counts with it."""
    return all(
        check.state in DONE or (check.kind is CheckKind.LEASE and check.state is CheckState.FAILED)
        for check in checks
    )


def row_key(check: Check) -> str:
    """What a check speaks for: its subject, or all stations of a model and firmware."""
    what = check.firmware if check.kind in OF_MODELS and check.firmware else check.subject
    return f"{check.kind}/{what}"


def firmware_of(boot: StationBooted) -> str:
    """For people: vendor, model and version."""
    return f"{boot.vendor.strip()} {boot.model.strip()} {(boot.firmware_version or '?').strip()}"


def _to_do(kind: CheckKind, subject: str, firmware: str = "") -> Check:
    return Check(kind, subject, CheckState.TO_DO, firmware=firmware)
