"""A session paid in cash over the API: shift, change, receipt, refund, count."""

import io
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from pypdf import PdfReader

from sitecontroller.api.app import build_api
from tests.wire.site import boot16, instant, running_site

START_AT = datetime.now(UTC) - timedelta(minutes=60)
TOKEN = "t" * 40


def eur(amount):
    return {"amount": amount, "currency": "EUR"}


class Desk:
    """An attendant's API."""

    def __init__(self, client, key):
        self.client, self.key = client, key

    async def post(self, path, status=200, headers=None, **body):
        answer = await self.client.post(f"/v1/{path}", json=body, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def get(self, path):
        answer = await self.client.get(f"/v1/{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def paper(self, number):
        answer = await self.client.get(f"/v1/receipts/{number}")
        assert answer.status_code == 200, answer.text
        pages = PdfReader(io.BytesIO(answer.content)).pages
        return "\n".join(page.extract_text() for page in pages)

    async def open_shift(self, opened_with="100.00"):
        opened = await self.post("shifts", by="Ann", opened_with=eur(opened_with))
        return opened["answer"]["key"]

    async def pay(self, given="10.00", **more):
        return await self.post(
            f"transactions/{self.key}/payments", by="Ann", given=eur(given), **more
        )


@asynccontextmanager
async def client_of(site):
    api = build_api(site.site.controller, TOKEN, hosts={"desk"})
    headers = {"Authorization": f"Bearer {TOKEN}"}
    transport = httpx.ASGITransport(api)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://desk", headers=headers
    ) as client:
        yield client


@pytest.fixture
def scene(run, tmp_path):
    """`scene(play)` runs `await play(desk)` with one ended session of 7.00 EUR."""

    async def staged(play):
        async with running_site(tmp_path) as site, site.charger() as charger:
            await boot16(charger)
            began = {"connectorId": 1, "idTag": "CARD0001", "meterStart": 1000}
            started = await charger.call(
                "StartTransaction", began | {"timestamp": instant(START_AT)}
            )
            stop = {
                "transactionId": started["transactionId"],
                "meterStop": 13_000,
                "timestamp": instant(START_AT + timedelta(minutes=20)),
            }
            await charger.call("StopTransaction", stop)
            async with client_of(site) as client:
                await play(Desk(client, (await site.row()).key))

    return lambda play: run(staged(play))


def test_cash_comes_with_change_and_a_receipt(scene):
    async def play(desk):
        await desk.open_shift()
        done = await desk.pay("10.00")
        assert done["state"] == "accepted"
        answer = done["answer"]
        assert answer["change"] == eur("3.00")
        assert answer["payment"]["state"] == "captured"
        assert answer["payment"]["captured"] == eur("7.00")
        assert answer["receipt_number"].endswith("-000001")
        paid = await desk.get(f"transactions/{desk.key}/payments")
        assert (paid["owed"], paid["receipt_number"]) == (eur("0.00"), answer["receipt_number"])
        paper = await desk.paper(answer["receipt_number"])
        for words in ("COPY", "Paid (cash)", "Given", "€10.00", "Change", "€3.00"):
            assert words in paper
        listed = await desk.get("payments")
        assert [row["key"] for row in listed["items"]] == [answer["payment"]["key"]]

    scene(play)


def test_a_session_is_paid_once_also_when_asked_twice_with_one_key(scene):
    async def play(desk):
        shift = await desk.open_shift()
        path = f"transactions/{desk.key}/payments"
        headers = {"Idempotency-Key": "till-1"}
        first = await desk.post(path, headers=headers, by="Ann", given=eur("7.00"))
        again = await desk.post(path, headers=headers, by="Ann", given=eur("7.00"))
        assert again["command_id"] == first["command_id"]
        refused = await desk.post(path, 409, by="Ann", given=eur("7.00"))
        assert refused["code"] == "conflict"
        assert "paid already" in refused["detail"]
        assert (await desk.get(f"shifts/{shift}/report"))["expected"] == eur("107.00")

    scene(play)


@pytest.mark.parametrize(
    ("given", "field"), [("5.005", "given"), ("0", "given"), ("-7.00", "given"), ("9e9", "given")]
)
def test_what_is_no_cash_is_refused_by_its_field(scene, given, field):
    async def play(desk):
        await desk.open_shift()
        refused = await desk.post(
            f"transactions/{desk.key}/payments", 422, by="Ann", given=eur(given)
        )
        assert [error["field"] for error in refused["errors"]] == [field]

    scene(play)


def test_without_a_shift_or_with_too_little_no_cash_is_taken(scene):
    async def play(desk):
        refused = await desk.pay()
        assert (refused["state"], refused["answer"]["payment"]["state"]) == ("rejected", "declined")
        assert "no shift is open" in refused["reason"]
        await desk.open_shift()
        refused = await desk.pay("6.99")
        assert refused["reason"] == "6.99 given, 7.00 to be paid"
        assert (await desk.pay("7.00"))["answer"]["receipt_number"].endswith("-000001")

    scene(play)


def test_a_refund_needs_a_second_person_and_has_a_counter_receipt(scene):
    async def play(desk):
        shift = await desk.open_shift()
        key = (await desk.pay())["answer"]["payment"]["key"]
        path = f"payments/{key}/refunds"
        alone = await desk.post(path, 422, by="Ann", approved_by=" ann", why="half of it")
        assert [error["field"] for error in alone["errors"]] == ["approved_by"]
        two = {"by": "Ann", "approved_by": "Bob", "why": "cable fell out"}
        part = await desk.post(path, amount=eur("2.50"), **two)
        assert part["answer"]["payment"]["state"] == "partially-refunded"
        assert part["answer"]["receipt_number"].endswith("-000002")
        paper = await desk.paper(part["answer"]["receipt_number"])
        assert "Counter-receipt" in paper
        assert "€-2.50" in paper or "-€2.50" in paper or "−€2.50" in paper
        too_much = await desk.post(path, 422, amount=eur("4.51"), **two)
        assert "4.50 not refunded yet" in too_much["detail"]
        rest = await desk.post(path, **two)
        assert rest["answer"]["payment"]["state"] == "refunded"
        report = await desk.get(f"shifts/{shift}/report")
        assert (report["sales"], report["refunds"]) == (eur("7.00"), eur("7.00"))
        assert report["counter_receipts"]["count"] == 2
        assert report["counter_receipts"]["total"] == eur("-7.00")

    scene(play)


def test_a_shift_is_closed_on_its_count_with_a_z_report_that_never_changes(scene):
    async def play(desk):
        shift = await desk.open_shift("50.00")
        second = await desk.post("shifts", 409, by="Bob", opened_with=eur("1.00"))
        assert second["code"] == "conflict"
        await desk.pay()
        await desk.post(f"shifts/{shift}/pay-ins", by="Ann", amount=eur("20.00"), why="coins")
        await desk.post(
            f"shifts/{shift}/pay-outs",
            by="Ann",
            approved_by="Bob",
            amount=eur("30.00"),
            why="to the safe",
        )
        x_report = await desk.get(f"shifts/{shift}/report")
        assert (x_report["number"], x_report["expected"]) == (None, eur("47.00"))
        closed = await desk.post(f"shifts/{shift}/close", by="Ann", counted=eur("46.50"))
        z_report = closed["answer"]
        assert (z_report["number"], z_report["difference"]) == (1, eur("-0.50"))
        assert z_report["receipts"]["total"] == z_report["captured"]["cash"] == eur("7.00")
        assert await desk.get(f"shifts/{shift}/report") == z_report
        again = await desk.post(f"shifts/{shift}/close", 409, by="Ann", counted=eur("46.50"))
        assert "never changes" in again["detail"]
        following = await desk.open_shift()
        closed = await desk.post(f"shifts/{following}/close", by="Bob", counted=eur("100.00"))
        assert closed["answer"]["number"] == 2

    scene(play)


def test_no_more_leaves_the_drawer_than_it_holds(scene):
    async def play(desk):
        shift = await desk.open_shift("0.00")
        key = (await desk.pay())["answer"]["payment"]["key"]
        out = {"by": "Ann", "approved_by": "Bob", "why": "safe"}
        await desk.post(f"shifts/{shift}/pay-outs", 409, amount=eur("7.01"), **out)
        await desk.post(f"shifts/{shift}/pay-outs", amount=eur("5.00"), **out)
        refused = await desk.post(f"payments/{key}/refunds", **out)
        assert (refused["state"], refused["reason"]) == ("rejected", "the drawer holds 2.00 only")
        assert refused["answer"]["payment"]["state"] == "captured"

    scene(play)


def test_cash_is_not_held_and_what_is_not_there_is_not_found(scene):
    async def play(desk):
        hold = await desk.post(
            f"transactions/{desk.key}/payments/hold",
            422,
            by="Ann",
            provider="cash",
            amount=eur("20.00"),
        )
        assert hold["code"] == "invalid-input"
        card = await desk.post(f"transactions/{desk.key}/payments", 404, by="Ann", provider="card")
        assert "cash" in card["remedy"]
        nobody = {"by": "Ann", "approved_by": "Bob", "why": "x"}
        await desk.post("payments/01JZZZZZZZZZZZZZZZZZZZZZZZ/void", 404, **nobody)

    scene(play)
