"""From a charger nobody knows to one that charges under a password of its own: real processes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from tests.processes.demo import Demo, running_demo
from tests.support import eventually, run_bounded, wait_until
from tests.wire.charger import Charger, charger_at

pytestmark = [pytest.mark.alone, pytest.mark.slow, pytest.mark.timeout(120)]

NEW = "NEW-1"
BOOT = {"chargePointVendor": "Acme", "chargePointModel": "Box 22"}


def as_charger(demo: Demo, password: str, play: Callable[[Charger], Awaitable[Any]]) -> Any:
    """Connect the new charger, boot it, and let it play its part."""
    listening = demo.listening
    assert listening is not None

    async def part() -> Any:
        async with charger_at(listening["ocpp_url"], NEW, password) as charger:
            status = (await charger.call("BootNotification", BOOT))["status"]
            return status, await play(charger)

    return run_bounded(part())


def test_a_stranger_is_accepted_gets_a_password_and_must_show_it(tmp_path):
    with running_demo(tmp_path, "--commissioning", "5m") as demo:
        before = demo.pid

        async def accepted(charger: Charger) -> str:
            waiting = demo.get("/v1/site")["new_stations"]
            assert [station["station_id"] for station in waiting] == [NEW]
            await in_thread(lambda: demo.post(f"/v1/stations/{NEW}/accept", {}))
            (asked,) = await eventually(lambda: charger.asked_for("ChangeConfiguration"))
            return str(asked["value"])

        status, password = as_charger(demo, "", accepted)
        assert status == "Pending"
        wait_until(lambda: demo.get("/v1/health") and demo.pid != before, within_s=20)

        with pytest.raises(InvalidStatus) as caught:
            as_charger(demo, "x" * 40, accepted)
        assert caught.value.response.status_code == 401

        async def online(charger: Charger) -> bool:
            return bool(demo.get(f"/v1/stations/{NEW}")["online"])

        assert as_charger(demo, password, online) == ("Accepted", True)


async def in_thread(work: Callable[[], Any]) -> Any:
    """Ask the API without keeping the charger from answering meanwhile."""
    return await asyncio.get_running_loop().run_in_executor(None, work)
