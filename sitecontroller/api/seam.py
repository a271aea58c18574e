"""What the API needs of the controller, and nothing more.

`sitecontroller.controller.Controller` fits it; tests use a small fake. Views come from memory and
return at once, one at a time; pages come from the database and are awaited.
"""

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Annotated, Any, Protocol

from fastapi import Depends
from starlette.requests import HTTPConnection

from sitecontroller.domain.authorization import TokenRecord
from sitecontroller.domain.commands import Command, CommandResult
from sitecontroller.domain.events import Event
from sitecontroller.domain.files import LogJob
from sitecontroller.domain.firmware import FirmwareImage, ImageTerms
from sitecontroller.domain.ocpi.reader import OcpiVersion
from sitecontroller.domain.ocpi.writer import Export
from sitecontroller.domain.queries import Query
from sitecontroller.domain.tariff import Tariff, TariffTerms
from sitecontroller.domain.tariff_choice import TariffChoices, TariffVersion, TariffVersions
from sitecontroller.domain.views import (
    AlarmView,
    CircuitView,
    LiveIds,
    MeterView,
    PhaseSample,
    SiteView,
    StationView,
    TransactionView,
)


class SiteController(Protocol):
    """The running site, as the API sees it."""

    def ids(self) -> LiveIds:
        """Of everything that has a view."""

    def site_view(self) -> SiteView: ...
    def station_view(self, station_id: str) -> StationView | None: ...
    def circuit_view(self, circuit_id: str) -> CircuitView | None: ...
    def meter_view(self, meter_id: str) -> MeterView | None: ...
    def alarm_view(self, key: str) -> AlarmView | None: ...
    def transaction_view(self, key: str) -> TransactionView | None:
        """A running one, or one that ended in the last hour."""

    def subscribe(self, subscriber: Callable[[Event], None]) -> Callable[[], None]:
        """The returned function ends the subscription."""

    async def execute(
        self, command: Command, *, idempotency_key: str | None = None
    ) -> CommandResult:
        """Answers within 10 s; state SENT when the station has not answered by then."""

    def command_result(self, command_id: str) -> CommandResult | None: ...
    async def query(self, query: Query) -> Any:
        """A view, or a page of them."""

    async def find_transaction(self, key: str) -> TransactionView | None:
        """Old ones too."""

    async def receipt_pdf(self, transaction_key: str, language: str) -> bytes: ...
    async def numbered_receipt_pdf(self, number: str, language: str) -> bytes:
        """Raises NotFound."""

    async def signed_xml(self, transaction_key: str) -> bytes:
        """Raises NotFound."""

    async def commissioning_pdf(self) -> bytes: ...
    async def current_tariff(self) -> Tariff:
        """Raises NotFound while there is none."""

    async def add_tariff(self, terms: TariffTerms) -> Tariff: ...
    @property
    def tariff_office(self) -> "TariffOffice": ...
    async def put_token(self, token: TokenRecord) -> None: ...
    async def delete_token(self, id_token: str) -> None: ...
    async def add_firmware(
        self, terms: ImageTerms, chunks: AsyncIterator[bytes]
    ) -> FirmwareImage: ...
    async def firmware_file(self, key: str) -> tuple[FirmwareImage, AsyncIterator[bytes]]: ...
    async def log_file(self, key: str) -> tuple[LogJob, AsyncIterator[bytes]]: ...
    def phase_history(self) -> tuple[PhaseSample, ...]: ...
    def request_shutdown(self) -> None: ...


class TariffOffice(Protocol):
    """Tariffs with their versions, and which sessions are under which."""

    async def versions(self, tariff_id: str | None = None) -> TariffVersions: ...
    async def add(
        self,
        tariff_id: str,
        ocpi: Any,
        ocpi_version: OcpiVersion | None,
        valid_from: datetime | None,
    ) -> TariffVersion: ...
    async def export(self, tariff_id: str, version: int | None, ocpi: OcpiVersion) -> Export: ...
    async def price(self, tariff_id: str, version: int | None, session: Any) -> dict[str, Any]: ...
    async def choices(self) -> TariffChoices: ...
    async def choose(self, choices: TariffChoices) -> TariffChoices: ...


async def _of_this_app(connection: HTTPConnection) -> SiteController:
    controller: SiteController = connection.app.state.controller
    return controller


Site = Annotated[SiteController, Depends(_of_this_app)]
"""The controller, as a parameter of a route."""
