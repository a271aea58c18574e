"""The controller's face: what it hands out never takes the loop for long."""

import asyncio
from collections import Counter
from types import SimpleNamespace
from typing import Any

from sitecontroller.controller import VIEWS_AT_ONCE, Controller
from sitecontroller.domain.queries import TransactionsQuery
from sitecontroller.domain.views import Page
from sitecontroller.publisher import Publisher

LONG_PAGE = 3 * VIEWS_AT_ONCE


class Archive:
    """A store with one long page."""

    async def read(self, _fn: Any, *_arguments: Any) -> Page[int]:
        return Page(tuple(range(LONG_PAGE)), "older")


def test_a_long_page_of_transactions_is_worded_in_several_turns(run):
    turns = 0
    worded: list[int] = []

    def word(transaction: int) -> int:
        worded.append(turns)
        return transaction

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def ask() -> Page[Any]:
        picture: Any = SimpleNamespace(transaction=word)
        rest: Any = None
        archive: Any = Archive()
        controller = Controller(
            picture=picture,
            actions=SimpleNamespace(log=SimpleNamespace(page=None)),
            billing=rest,
            tariffs=rest,
            load=rest,
            store=archive,
            journal=rest,
            publisher=Publisher(),
            on_shutdown=rest,
        )
        counting = asyncio.create_task(count_turns())
        page = await controller.query(TransactionsQuery(LONG_PAGE))
        counting.cancel()
        return page

    assert run(ask()) == Page(tuple(range(LONG_PAGE)), "older")
    assert set(Counter(worded).values()) == {VIEWS_AT_ONCE}
