"""What is live on the site: read from memory, no database in the way."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Response

from sitecontroller.api.encoding import json_response, list_response, page_response
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
    return await _list(controller.ids().stations, controller.station_view, limit, cursor)


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
    return await _list(controller.ids().circuits, controller.circuit_view, limit, cursor)


@router.get("/meters", response_model=Page[MeterView])
async def meters(controller: Site, limit: Limit = PAGE_ITEMS, cursor: Cursor = None) -> Response:
    """Every site meter with its last good sample."""
    return await _list(controller.ids().meters, controller.meter_view, limit, cursor)


@router.get("/phase-history", response_model=Page[PhaseSample])
async def phase_history(controller: Site) -> Response:
    """The main circuit's current per phase of the last hour, oldest first, in one page."""
    return await page_response(Page(controller.phase_history(), None))


async def _list(
    ids: tuple[str, ...], view_of: Callable[[str], Any], limit: int, cursor: str | None
) -> Response:
    """The views that follow the id `cursor`."""
    start = 0
    if cursor is not None:
        if cursor not in ids:
            raise InvalidInput(
                "This cursor does not belong to this list",
                remedy="Begin again without a cursor",
                errors=(FieldError("cursor", "unknown"),),
            )
        start = ids.index(cursor) + 1
    shown = ids[start : start + limit]
    more = start + limit < len(ids)
    return await list_response(map(view_of, shown), shown[-1] if more else None)
