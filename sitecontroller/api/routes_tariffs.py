"""Tariffs in full, as OCPI writes them: set as new versions, listed, exported, tried, and chosen.

`/v1/tariff` is the simple price of a site; here is what it can't say.
"""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from sitecontroller.api.encoding import json_response
from sitecontroller.api.schemas import Instant, RawPayload, StrictRoute
from sitecontroller.api.seam import Site
from sitecontroller.domain.ocpi.reader import OcpiVersion
from sitecontroller.domain.ocpi.writer import Export
from sitecontroller.domain.tariff_choice import (
    TariffChoice,
    TariffChoices,
    TariffVersion,
    TariffVersions,
)

router = APIRouter(prefix="/v1", route_class=StrictRoute)

CHOICES_MAX = 1000

_TARIFF_ID = r"^[A-Za-z0-9*_.:-]{1,36}$"
_ID_TEXT = r"^[^\x00-\x1f\x7f]*$"

TariffId = Annotated[str, Path(pattern=_TARIFF_ID, description="As the site calls it")]
Version = Annotated[
    int | None, Query(ge=1, le=1_000_000, description="Of the tariff; the newest where left out")
]
OcpiTariffId = Annotated[str, StringConstraints(pattern=_TARIFF_ID)]
StationText = Annotated[str, StringConstraints(min_length=1, max_length=48, pattern=_ID_TEXT)]
GroupText = Annotated[str, StringConstraints(min_length=1, max_length=36, pattern=_ID_TEXT)]


class OcpiTariffBody(BaseModel):
    """An OCPI Tariff. `ocpi`: its version, else told by its fields; `valid_from`: else its own
    start, else now."""

    model_config = ConfigDict(extra="forbid")

    tariff: Annotated[RawPayload, Field(description="A Tariff object of OCPI 2.2.1 or 2.3.0")]
    ocpi: Annotated[
        Literal["2.2.1", "2.3.0"] | None,
        Field(description="OCPI version of the tariff; null: told by its fields"),
    ] = None
    valid_from: Annotated[
        Instant | None, Field(description="Not in the past; null: its own start, or now")
    ] = None


class TariffChoiceBody(BaseModel):
    """Sessions at this station (null: at any) of cards of this group (null: of any, or none)."""

    model_config = ConfigDict(extra="forbid")

    tariff_id: Annotated[OcpiTariffId, Field(description="As GET /v1/tariffs lists it")]
    station_id: Annotated[
        StationText | None, Field(description="The station's OCPP identity; null: any station")
    ] = None
    token_group: Annotated[
        GroupText | None,
        Field(description="The card's group (parent_id_token); null: any card"),
    ] = None


class TariffChoicesBody(BaseModel):
    """Tried in order; what none fits is under the tariff "standard"."""

    model_config = ConfigDict(extra="forbid")

    choices: Annotated[
        list[TariffChoiceBody],
        Field(max_length=CHOICES_MAX, description="The first that fits a session counts"),
    ]


@router.get("/tariffs", response_model=TariffVersions, tags=["tariff"])
async def tariffs(controller: Site) -> Response:
    """Every version of every tariff, the last to become valid first."""
    return json_response(await controller.tariff_office.versions())


@router.get("/tariffs/{tariff_id}", response_model=TariffVersions, tags=["tariff"])
async def tariff_versions(controller: Site, tariff_id: TariffId) -> Response:
    """The versions of one tariff, the last to become valid first."""
    return json_response(await controller.tariff_office.versions(tariff_id))


@router.put("/tariffs/{tariff_id}", response_model=TariffVersion, tags=["tariff"])
async def put_tariff(controller: Site, tariff_id: TariffId, body: OcpiTariffBody) -> Response:
    """Add a version, from an OCPI tariff. Versions are never edited; running sessions keep
    theirs. `warnings` say what drivers or the law wouldn't accept."""
    version = None if body.ocpi is None else OcpiVersion(body.ocpi)
    added = await controller.tariff_office.add(tariff_id, body.tariff, version, body.valid_from)
    return json_response(added)


@router.get("/tariffs/{tariff_id}/ocpi", response_model=Export, tags=["tariff"])
async def tariff_as_ocpi(
    controller: Site,
    tariff_id: TariffId,
    version: Version = None,
    ocpi: Annotated[
        Literal["2.2.1", "2.3.0"], Query(description="OCPI version to write")
    ] = "2.2.1",
) -> Response:
    """A version as a partner gets it, and what OCPI can't say of it (`lost`)."""
    export = await controller.tariff_office.export(tariff_id, version, OcpiVersion(ocpi))
    return json_response(export)


@router.post(
    "/tariffs/{tariff_id}/price",
    response_model=dict[str, Any],
    tags=["tariff"],
)
async def try_tariff(
    controller: Site, tariff_id: TariffId, session: RawPayload, version: Version = None
) -> Response:
    """What a session would cost under a version, line by line; nothing is stored. The session is
    written as for `sitecontroller price` (docs/tariffs.md)."""
    return json_response(await controller.tariff_office.price(tariff_id, version, session))


@router.get("/tariff-choices", response_model=TariffChoices, tags=["tariff"])
async def tariff_choices(controller: Site) -> Response:
    """Which sessions are under which tariff."""
    return json_response(await controller.tariff_office.choices())


@router.put("/tariff-choices", response_model=TariffChoices, tags=["tariff"])
async def put_tariff_choices(controller: Site, body: TariffChoicesBody) -> Response:
    """Say which sessions are under which tariff, from now on; running ones keep theirs."""
    choices = tuple(
        TariffChoice(each.tariff_id, each.station_id, each.token_group) for each in body.choices
    )
    return json_response(await controller.tariff_office.choose(TariffChoices(choices)))
