"""A question to the running controller, from a command that has no event loop of its own."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sitecontroller.cli.sites import config_path
from sitecontroller.client import ControllerClient
from sitecontroller.config import load_config

T = TypeVar("T")


def answer(options: argparse.Namespace, work: Callable[[ControllerClient], Awaitable[T]]) -> T:
    """What `work` finds out at the controller of the site that the options name."""
    config = load_config(config_path(options))

    async def ask() -> T:
        client = ControllerClient.from_state_dir(config.state_dir)
        try:
            return await work(client)
        finally:
            await client.close()

    return asyncio.run(ask())


def print_answer(
    options: argparse.Namespace, work: Callable[[ControllerClient], Awaitable[list[str]]]
) -> int:
    """The lines of the answer, and the exit status 0."""
    print("\n".join(answer(options, work)))
    return 0
