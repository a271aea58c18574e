"""Firmware images in; images, logs and the record of commissioning out."""

from collections.abc import AsyncIterator
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect

from sitecontroller.api.encoding import json_response
from sitecontroller.api.schemas import Key
from sitecontroller.api.seam import Site
from sitecontroller.domain.errors import InvalidInput
from sitecontroller.domain.files import clean_name
from sitecontroller.domain.firmware import FirmwareImage, ImageTerms

Words = Annotated[str, Query(max_length=200)]
BYTES = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}

router = APIRouter(prefix="/v1")


@router.post(
    "/firmware",
    response_model=FirmwareImage,
    status_code=201,
    tags=["firmware"],
    openapi_extra={"requestBody": {"required": True, "content": BYTES}},
)
async def add_firmware(
    controller: Site,
    request: Request,
    vendor: Words,
    model: Words,
    version: Words,
    file_name: Words = "firmware.bin",
    notes: Annotated[str, Query(max_length=2000)] = "",
) -> Response:
    """Add a firmware image: the file is the body, as it is.

    `vendor` and `model` are what chargers tell at boot; `*` and `?` may stand for what varies.
    """
    terms = ImageTerms(vendor, model, version, file_name, notes)
    try:
        image = await controller.add_firmware(terms, request.stream())
    except ClientDisconnect:
        raise InvalidInput("the upload broke off", remedy="Send the file again") from None
    return json_response(image, 201)


@router.get(
    "/firmware/{image_key}/content",
    response_class=Response,
    responses={200: {"content": BYTES, "description": "The file"}},
    tags=["firmware"],
)
async def firmware_content(controller: Site, image_key: Key) -> Response:
    """The file of a firmware image."""
    image, content = await controller.firmware_file(image_key)
    return _download(content, image.file_name, image.size_bytes)


@router.get(
    "/log-jobs/{job_key}/content",
    response_class=Response,
    responses={200: {"content": BYTES, "description": "The file"}},
    tags=["logs"],
)
async def log_content(controller: Site, job_key: Key) -> Response:
    """The file that a charger uploaded."""
    job, content = await controller.log_file(job_key)
    name = clean_name(job.file_name, "log")
    return _download(content, f"{clean_name(job.station_id)}-{name}", job.size_bytes)


@router.get(
    "/commissioning/record.pdf",
    response_class=Response,
    responses={200: {"content": {"application/pdf": {}}, "description": "The record"}},
    tags=["commissioning"],
)
async def commissioning_record(controller: Site) -> Response:
    """The record of commissioning as PDF: every check, who did it and what was seen."""
    pdf = await controller.commissioning_pdf()
    headers = {"Content-Disposition": 'inline; filename="commissioning.pdf"'}
    return Response(pdf, media_type="application/pdf", headers=headers)


def _download(content: AsyncIterator[bytes], name: str, size_bytes: int | None) -> Response:
    """Never shown by a browser as a page: a station's file may be one."""
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}",
        "X-Content-Type-Options": "nosniff",
    }
    if size_bytes is not None:
        headers["Content-Length"] = str(size_bytes)
    return StreamingResponse(content, media_type="application/octet-stream", headers=headers)
