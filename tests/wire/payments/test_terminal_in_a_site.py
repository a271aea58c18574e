"""A session that is paid by card: the whole controller, its database, and a terminal that fails."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sitecontroller.simulation.terminal import Fault, SimulatedTerminal
from sitecontroller.simulation.terminal_books import VISA, Kind
from tests.support import eventually
from tests.wire.payments.test_cash import Desk, client_of, eur
from tests.wire.site import TestSite, boot16, instant, running_site

START_AT = datetime.now(UTC) - timedelta(minutes=60)


@asynccontextmanager
async def site_with_terminal(
    directory: Path, port: int, *, planted: bool = False
) -> AsyncIterator[TestSite]:
    terminal = {"url": f"tcp://127.0.0.1:{port}", "t3_s": 1, "t4_s": 10}
    sections = {"till": {"terminal": terminal}}
    async with running_site(directory, planted=planted, sections=sections) as site:
        yield site


async def session(site: TestSite) -> str:
    """An ended one of 7.00 EUR; its key."""
    async with site.charger() as charger:
        await boot16(charger)
        began = {"connectorId": 1, "idTag": "CARD0001", "meterStart": 1000}
        started = await charger.call("StartTransaction", began | {"timestamp": instant(START_AT)})
        stop = {
            "transactionId": started["transactionId"],
            "meterStop": 13_000,
            "timestamp": instant(START_AT + timedelta(minutes=20)),
        }
        await charger.call("StopTransaction", stop)
    return (await site.row()).key


async def open_alarms(site: TestSite) -> set[str]:
    async with client_of(site) as client:
        listed = (await client.get("/v1/alarms")).json()["items"]
    return {alarm["code"] for alarm in listed if alarm["cleared_at"] is None}


def test_a_session_is_paid_by_card_and_its_receipt_issued(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    async def story() -> None:
        terminal = SimulatedTerminal()
        port = await terminal.listen()
        async with site_with_terminal(tmp_path, port) as site:
            key = await session(site)
            async with client_of(site) as client:
                desk = Desk(client, key)
                path = f"transactions/{key}/payments"
                paid = (await desk.post(path, by="Ann", provider="card"))["answer"]
                assert paid["payment"]["captured"] == eur("7.00")
                assert paid["receipt_number"].endswith("-000001")
        assert terminal.books.taken() == 700
        await terminal.stop()

    run(story())


def test_a_sale_whose_end_nobody_heard_is_in_the_books_once_after_a_restart(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    async def story() -> None:
        terminal = SimulatedTerminal()
        terminal.books.enter(Kind.SALE, 100, VISA)
        port = await terminal.listen()
        async with site_with_terminal(tmp_path, port) as site:
            key = await session(site)
            terminal.fail_next(Fault.LOST_AFTER_BOOKING)
            async with client_of(site) as client:
                path = f"transactions/{key}/payments"
                refused = await Desk(client, key).post(path, 409, by="Ann", provider="card")
                assert refused["code"] == "payment-unclear"
            assert "terminal-unreachable" in await open_alarms(site)
        async with (
            site_with_terminal(tmp_path, port, planted=True) as site,
            client_of(site) as client,
        ):
            desk = Desk(client, key)

            async def paid() -> bool:
                told = await desk.get(f"transactions/{key}/payments")
                return bool(told["owed"] == eur("0.00") and told["receipt_number"])

            await eventually(paid)
        assert terminal.commands.count(0x0601) == 1
        await terminal.stop()

    run(story())


def test_a_terminal_without_its_bank_is_an_alarm_until_the_bank_answers(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    async def story() -> None:
        terminal = SimulatedTerminal()
        port = await terminal.listen()
        async with site_with_terminal(tmp_path, port) as site:
            key = await session(site)
            path = f"transactions/{key}/payments"
            terminal.fail_next(Fault.NO_ACQUIRER)
            async with client_of(site) as client:
                desk = Desk(client, key)
                refused = await desk.post(path, by="Ann", provider="card")
                assert refused["state"] == "rejected"
                assert "no connection to the bank" in refused["reason"]
                assert "terminal-without-bank" in await open_alarms(site)
                await desk.post(path, by="Ann", provider="card")
                assert "terminal-without-bank" not in await open_alarms(site)
        await terminal.stop()

    run(story())
