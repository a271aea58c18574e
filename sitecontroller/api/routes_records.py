"""What is kept in the database: transactions, receipts, alarms, frames, tokens and the tariff."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from sitecontroller.api.encoding import json_response, page_response
from sitecontroller.api.schemas import (
    PAGE_ITEMS,
    Cursor,
    Key,
    Limit,
    SearchText,
    StrictRoute,
    TariffBody,
    TokenBody,
    TokenPath,
)
from sitecontroller.api.seam import Site
from sitecontroller.domain.authorization import TokenRecord
from sitecontroller.domain.errors import NotFound
from sitecontroller.domain.queries import (
    AlarmsQuery,
    JournalQuery,
    TokensQuery,
    TransactionsQuery,
)
from sitecontroller.domain.tariff import Tariff
from sitecontroller.domain.views import AlarmView, JournalEntry, Page, TransactionView

router = APIRouter(prefix="/v1", route_class=StrictRoute)


@router.get("/transactions", response_model=Page[TransactionView], tags=["transactions"])
async def transactions(
    controller: Site,
    limit: Limit = PAGE_ITEMS,
    cursor: Cursor = None,
    active: Annotated[bool | None, Query(description="Running only, or ended only")] = None,
) -> Response:
    """Transactions, newest first."""
    return await page_response(await controller.query(TransactionsQuery(limit, cursor, active)))


@router.get("/transactions/{key}", response_model=TransactionView, tags=["transactions"])
async def transaction(controller: Site, key: Key) -> Response:
    """One transaction, however old."""
    view = controller.transaction_view(key) or await controller.find_transaction(key)
    if view is None:
        raise NotFound("No transaction has this key", remedy="/v1/transactions lists them")
    return json_response(view)


@router.get(
    "/transactions/{key}/receipt",
    response_class=Response,
    responses={200: {"content": {"application/pdf": {}}, "description": "The receipt"}},
    tags=["transactions"],
)
async def receipt(
    controller: Site,
    key: Key,
    language: Annotated[str, Query(pattern=r"^[a-z]{2}$")] = "en",
) -> Response:
    """The receipt of an ended transaction as PDF."""
    pdf = await controller.receipt_pdf(key, language)
    # The key found a transaction, so it is a ULID and can't break the header.
    headers = {"Content-Disposition": f'inline; filename="receipt-{key}.pdf"'}
    return Response(pdf, media_type="application/pdf", headers=headers)


@router.get(
    "/receipts/{number}",
    response_class=Response,
    responses={200: {"content": {"application/pdf": {}}, "description": "The receipt"}},
    tags=["transactions"],
)
async def numbered_receipt(
    controller: Site,
    number: Annotated[
        str,
        Path(max_length=100, description="As on the receipt, or as the answer of a refund has it"),
    ],
    language: Annotated[
        str, Query(pattern=r"^[a-z]{2}$", description="Of the receipt; empty: the site's")
    ] = "en",
) -> Response:
    """A receipt (as a copy) or a counter-receipt as PDF."""
    return Response(
        await controller.numbered_receipt_pdf(number, language), media_type="application/pdf"
    )


@router.get(
    "/transactions/{key}/signed-readings.xml",
    response_class=Response,
    responses={200: {"content": {"application/xml": {}}, "description": "The signed readings"}},
    tags=["transactions"],
)
async def signed_readings_xml(controller: Site, key: Key) -> Response:
    """A session's signed readings as the transparency software reads them."""
    xml = await controller.signed_xml(key)
    headers = {"Content-Disposition": f'attachment; filename="signed-readings-{key}.xml"'}
    return Response(xml, media_type="application/xml", headers=headers)


@router.get("/alarms", response_model=Page[AlarmView], tags=["alarms"])
async def alarms(controller: Site, limit: Limit = PAGE_ITEMS, cursor: Cursor = None) -> Response:
    """Alarms, newest first, cleared ones too."""
    return await page_response(await controller.query(AlarmsQuery(limit, cursor)))


@router.get("/journal", response_model=Page[JournalEntry], tags=["journal"])
async def journal(
    controller: Site,
    limit: Limit = PAGE_ITEMS,
    cursor: Cursor = None,
    station_id: SearchText = None,
    action: SearchText = None,
    text: SearchText = None,
) -> Response:
    """OCPP frames as they went over the wire, newest first; `text` is searched caseless."""
    query = JournalQuery(limit, cursor, station_id, action, text)
    return await page_response(await controller.query(query))


@router.get("/tokens", response_model=Page[TokenRecord], tags=["tokens"])
async def tokens(controller: Site, limit: Limit = PAGE_ITEMS, cursor: Cursor = None) -> Response:
    """Tokens the site knows, in full."""
    return await page_response(await controller.query(TokensQuery(limit, cursor)))


@router.put("/tokens/{id_token:path}", response_model=TokenRecord, tags=["tokens"])
async def put_token(controller: Site, id_token: TokenPath, body: TokenBody) -> Response:
    """Add a token, or replace what is known of it."""
    record = body.record(id_token)
    await controller.put_token(record)
    return json_response(record)


@router.delete("/tokens/{id_token:path}", status_code=204, tags=["tokens"])
async def delete_token(controller: Site, id_token: TokenPath) -> Response:
    """Forget a token: it no longer charges here."""
    await controller.delete_token(id_token)
    return Response(status_code=204)


@router.get("/tariff", response_model=Tariff, tags=["tariff"])
async def tariff(controller: Site) -> Response:
    """What charging costs now; 404 while no price is set."""
    return json_response(await controller.current_tariff())


@router.put("/tariff", response_model=Tariff, tags=["tariff"])
async def set_tariff(controller: Site, body: TariffBody) -> Response:
    """Set a price: a new version, valid from now on. Running sessions keep theirs."""
    return json_response(await controller.add_tariff(body.terms()))
