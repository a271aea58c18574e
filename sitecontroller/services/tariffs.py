"""What charging costs here: tariffs, each in versions, and which sessions are under which.

A version is never edited: sessions keep the one they started under. The console's simple price is
the site's own tariff, "standard"; others come as OCPI tariffs and are chosen by station and group.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sitecontroller.domain.errors import FieldError, InvalidInput, NotFound
from sitecontroller.domain.events import Event, TariffChanged, TransactionChanged
from sitecontroller.domain.ids import fold
from sitecontroller.domain.ocpi.cost import cost_json
from sitecontroller.domain.ocpi.reader import OcpiVersion, tariff_from_ocpi
from sitecontroller.domain.ocpi.session import usage_from_json
from sitecontroller.domain.ocpi.writer import Export, tariff_to_ocpi
from sitecontroller.domain.tariff import (
    SITE_TARIFF_ID,
    Tariff,
    TariffTerms,
    TariffType,
    tariff_of,
)
from sitecontroller.domain.tariff_choice import (
    TariffChoices,
    TariffVersion,
    TariffVersions,
    in_force,
)
from sitecontroller.domain.tariff_warnings import warnings
from sitecontroller.domain.topology import Topology
from sitecontroller.ports import Clock, Store, UnitOfWork
from sitecontroller.publisher import Publisher
from sitecontroller.services.alarms import AlarmService
from sitecontroller.services.tariff_choice import choices_of, put_choices

log = logging.getLogger(__name__)

_JUST_NOW = timedelta(minutes=1)
_END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)


class TariffService:
    """All tariffs are in the currency of site.toml."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        publisher: Publisher,
        alarms: AlarmService,
        currency: str,
        topology: Topology | None = None,
        evse_prefix: str = "",
    ) -> None:
        self._store = store
        self._clock = clock
        self._publisher = publisher
        self._alarms = alarms
        self._currency = currency
        self._topology = topology or Topology({}, {}, {})
        self._party = [*evse_prefix.split("*"), "", ""][:2]
        publisher.subscribe(self._on_event, TransactionChanged)

    async def load(self) -> None:
        """A price may have been set while no controller ran (`init`)."""
        if await self._store.read(_tariff_at, self._clock.now()) is not None:
            self._alarms.clear("no-tariff", "site")

    async def current(self) -> Tariff:
        """The version in force. Raises NotFound."""
        tariff = await self._store.read(_tariff_at, self._clock.now())
        if tariff is None:
            raise NotFound(
                "no tariff is valid: sessions can't be priced",
                remedy="Set a price: sitecontroller tariff set --kwh 0.49 (with your own price)",
            )
        return tariff

    async def set(self, terms: TariffTerms) -> Tariff:
        """The next version, valid from now on. Raises InvalidInput for another currency."""
        if terms.currency not in (None, self._currency):
            raise InvalidInput(
                f"this site sells in {self._currency}, not in {terms.currency}",
                remedy="Leave the currency out, or change site.currency in site.toml",
                errors=(FieldError("currency", f"is {self._currency}"),),
            )
        tariff = await self._store.commit(_add, terms, self._currency, self._clock.now())
        log.warning(
            "audit tariff: version=%d name=%r price_per_kwh=%s session_fee=%s currency=%s",
            tariff.version,
            tariff.name,
            terms.price_per_kwh,
            terms.session_fee,
            tariff.currency,
        )
        self._alarms.clear("no-tariff", "site")
        self._publisher.publish(TariffChanged())
        return tariff

    async def versions(self, tariff_id: str | None = None) -> TariffVersions:
        """All, or those of one tariff, newest first. Raises NotFound."""
        known = await self._store.read(_all_tariffs)
        found = tuple(each for each in known if tariff_id in (None, each.tariff_id))
        if tariff_id is not None and not found:
            raise NotFound(f"no tariff '{tariff_id}'", remedy="GET /v1/tariffs lists them")
        return TariffVersions(found)

    async def version(self, tariff_id: str, version: int | None = None) -> Tariff:
        """That version, by default the newest. Raises NotFound."""
        found = (await self.versions(tariff_id)).items
        newest = max(found, key=lambda each: each.version)
        wanted = newest.version if version is None else version
        tariff = next((each for each in found if each.version == wanted), None)
        if tariff is None:
            raise NotFound(
                f"tariff '{tariff_id}' has no version {wanted}",
                remedy=f"It has 1 to {newest.version}: GET /v1/tariffs/{tariff_id} lists them",
            )
        return tariff

    async def add(
        self,
        tariff_id: str,
        ocpi: Any,
        ocpi_version: OcpiVersion | None,
        valid_from: datetime | None,
    ) -> TariffVersion:
        """An OCPI Tariff as this tariff's next version, valid from then on (None: its own start,
        or now). Raises InvalidInput naming the fields."""
        read = tariff_from_ocpi(ocpi, ocpi_version)
        now = self._clock.now()
        own_start = read.valid_from if read.valid_from > now else now
        tariff = replace(read, tariff_id=tariff_id, valid_from=valid_from or own_start)
        self._check(tariff, now)
        added = await self._store.commit(_add_version, tariff, now)
        log.warning(
            "audit tariff: id=%s version=%d valid_from=%s currency=%s",
            added.tariff_id,
            added.version,
            added.valid_from,
            added.currency,
        )
        if added.tariff_id == SITE_TARIFF_ID and in_force(added, now) is not None:
            await self.load()
        self._publisher.publish(TariffChanged())
        ad_hoc = added.tariff_type in (None, TariffType.AD_HOC_PAYMENT)
        power_w_max = max((evse.power_w_max for evse in self._topology.evses()), default=None)
        power_kw_max = None if power_w_max is None else Decimal(power_w_max).scaleb(-3)
        return TariffVersion(added, warnings(added, power_kw_max=power_kw_max, ad_hoc=ad_hoc))

    async def export(self, tariff_id: str, version: int | None, ocpi: OcpiVersion) -> Export:
        """A version as a partner gets it, and what that loses. Raises NotFound."""
        tariff = await self.version(tariff_id, version)
        country_code, party_id = self._party
        return tariff_to_ocpi(
            tariff,
            ocpi,
            country_code=country_code,
            party_id=party_id,
            last_updated=tariff.valid_from,
        )

    async def price(self, tariff_id: str, version: int | None, session: Any) -> dict[str, Any]:
        """What a session would cost under a version, with the lines behind it: nothing is stored.
        Raises NotFound, InvalidInput naming the fields."""
        tariff = await self.version(tariff_id, version)
        loop = asyncio.get_running_loop()  # many periods take longer than the loop may
        return await loop.run_in_executor(None, lambda: cost_json(tariff, usage_from_json(session)))

    def _check(self, tariff: Tariff, now: datetime) -> None:
        faults = []
        if tariff.currency != self._currency:
            faults.append(FieldError("currency", f"is {self._currency}, as in site.toml"))
        if tariff.valid_from < now - _JUST_NOW:
            faults.append(FieldError("valid_from", "lies in the past: sessions have begun since"))
        if tariff.valid_until is not None and tariff.valid_until <= tariff.valid_from:
            faults.append(FieldError("end_date_time", "lies before it becomes valid"))
        if faults:
            raise InvalidInput(
                "This tariff can't be used: "
                + "; ".join(f"{fault.field} {fault.message}" for fault in faults),
                remedy="Change what is named and send it again",
                errors=tuple(faults),
            )

    async def choices(self) -> TariffChoices:
        """Which sessions are under which tariff."""
        return await self._store.read(choices_of)

    async def choose(self, choices: TariffChoices) -> TariffChoices:
        """From now on these, for sessions that begin. Raises InvalidInput."""
        known = {each.tariff_id for each in (await self.versions()).items}
        stations = {fold(station_id) for station_id in self._topology.stations}
        faults = []
        for number, each in enumerate(choices.choices):
            if each.tariff_id not in known:
                faults.append(FieldError(f"choices[{number}].tariff_id", "is no tariff here"))
            if each.station_id is not None and fold(each.station_id) not in stations:
                faults.append(FieldError(f"choices[{number}].station_id", "is no station here"))
        if faults:
            raise InvalidInput(
                "Sessions can't be told apart so: "
                + "; ".join(f"{fault.field} {fault.message}" for fault in faults),
                remedy="GET /v1/tariffs and /v1/stations list what there is",
                errors=tuple(faults),
            )
        await self._store.commit(put_choices, choices, self._clock.now())
        log.warning("audit tariff: %d choices", len(choices.choices))
        self._publisher.publish(TariffChanged())
        return choices

    def _on_event(self, event: Event) -> None:
        if isinstance(event, TransactionChanged) and event.began and event.transaction.tariff:
            self._alarms.clear("no-tariff", "site")


def _tariff_at(tx: UnitOfWork, at: datetime) -> Tariff | None:
    return in_force(tx.tariff_at(at, SITE_TARIFF_ID), at)


def _all_tariffs(tx: UnitOfWork) -> Sequence[Tariff]:
    return tx.tariffs()


def _add_version(tx: UnitOfWork, tariff: Tariff, now: datetime) -> Tariff:
    versions = [each.version for each in tx.tariffs() if each.tariff_id == tariff.tariff_id]
    numbered = replace(tariff, version=max(versions, default=0) + 1)
    tx.add_tariff(numbered)
    tx.add_outbox("tariff", numbered.tariff_id, numbered.version, "TariffAdded", numbered, now)
    return numbered


def _add(tx: UnitOfWork, terms: TariffTerms, currency: str, now: datetime) -> Tariff:
    """The clock may have stepped back since the last version: it must not outlive this one."""
    last = tx.tariff_at(_END_OF_TIME, SITE_TARIFF_ID)
    valid_from = now if last is None else max(now, last.valid_from)
    return _add_version(tx, tariff_of(terms, currency, valid_from), now)
