"""What is live on the site: read from memory, no database in the way."""

from typing import TypeVar

from fastapi import APIRouter, Response

from sitecontroller.api.encoding import json_response, page_response
from sitecontroller.api.schemas import (
    PAGE_ITEMS,
    Cursor,
    Health,
    Limit,
    StationId,
    StrictRoute,
)
from sitecontroller.api.seam import Site
from sitecontroller.domain.errors import FieldError, InvalidInput, NotFound
from sitecontroller.domain.views import (
    CircuitView,
    MeterView,
    Page,
    PhaseSample,
    SiteView,
    StationView,
)

T = TypeVar("T")

router = APIRouter(prefix="/v1", tags=["site"], route_class=StrictRoute)


@router.get("/health", response_model=Health)
async def health(controller: Site) -> Response:
    """Whether the controller answers. Needs no token."""
    site = controller.site_view()
    return json_response({"status": "ok", "version": site.version, "at": site.at})


@router.get("/site", response_model=SiteView)
async def site(controller: Site) -> Response:
    """The site as a whole."""
    return json_response(controller.site_view())


@router.get("/stations", response_model=Page[StationView])
async def stations(controller: Site, limit: Limit = PAGE_ITEMS, cursor: Cursor = None) -> Response:
    """Every charging station, in the order of site.toml."""
    return await page_response(_page(controller.snapshot().stations, limit, cursor))


@router.get("/stations/{station_id}", response_model=StationView)
async def station(controller: Site, station_id: StationId) -> Response:
    """One charging station with its EVSEs."""
    view = controller.station_view(station_id)
    if view is None:
        raise NotFound(f"No station is called {station_id}", remedy="/v1/stations lists them")
    return json_response(view)


@router.get("/circuits", response_model=Page[CircuitView])
async def circuits(controller: Site, limit: Limit = PAGE_ITEMS, cursor: Cursor = None) -> Response:
    """Every circuit of the tree, in the order of site.toml."""
    return await page_response(_page(controller.snapshot().circuits, limit, cursor))


@router.get("/meters", response_model=Page[MeterView])
async def meters(controller: Site, limit: Limit = PAGE_ITEMS, cursor: Cursor = None) -> Response:
    """Every site meter with its last good sample."""
    return await page_response(_page(controller.snapshot().meters, limit, cursor))


@router.get("/phase-history", response_model=Page[PhaseSample])
async def phase_history(controller: Site) -> Response:
    """The main circuit's current per phase of the last hour, oldest first, in one page."""
    return await page_response(Page(controller.phase_history(), None))


def _page(items: dict[str, T], limit: int, cursor: str | None) -> Page[T]:
    """The part of an ordered mapping that follows the id `cursor`."""
    ids = list(items)
    start = 0
    if cursor is not None:
        if cursor not in items:
            raise InvalidInput(
                "This cursor does not belong to this list",
                remedy="Begin again without a cursor",
                errors=(FieldError("cursor", "unknown"),),
            )
        start = ids.index(cursor) + 1
    shown = ids[start : start + limit]
    more = start + limit < len(ids)
    return Page(tuple(items[key] for key in shown), shown[-1] if more else None)
