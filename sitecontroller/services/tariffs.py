"""What charging costs here: the tariff in force, and a new one as a new version of it.

A version is never edited: sessions keep the one they started under.
"""

import logging
from datetime import UTC, datetime

from sitecontroller.domain.errors import FieldError, InvalidInput, NotFound
from sitecontroller.domain.events import Event, TariffChanged, TransactionChanged
from sitecontroller.domain.tariff import Tariff, TariffTerms, tariff_of
from sitecontroller.ports import Clock, Store, UnitOfWork
from sitecontroller.publisher import Publisher
from sitecontroller.services.alarms import AlarmService

log = logging.getLogger(__name__)

_END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)


class TariffService:
    """One tariff for the whole site, in the currency of site.toml."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        publisher: Publisher,
        alarms: AlarmService,
        currency: str,
    ) -> None:
        self._store = store
        self._clock = clock
        self._publisher = publisher
        self._alarms = alarms
        self._currency = currency
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

    def _on_event(self, event: Event) -> None:
        if isinstance(event, TransactionChanged) and event.began and event.transaction.tariff:
            self._alarms.clear("no-tariff", "site")


def _tariff_at(tx: UnitOfWork, at: datetime) -> Tariff | None:
    return tx.tariff_at(at)


def _add(tx: UnitOfWork, terms: TariffTerms, currency: str, now: datetime) -> Tariff:
    """The clock may have stepped back since the last version: it must not outlive this one."""
    last = tx.tariff_at(_END_OF_TIME)
    tariff = tariff_of(
        terms,
        currency,
        now if last is None else max(now, last.valid_from),
        version=1 if last is None else last.version + 1,
    )
    tx.add_tariff(tariff)
    tx.add_outbox("tariff", tariff.tariff_id, tariff.version, "TariffAdded", tariff, now)
    return tariff
