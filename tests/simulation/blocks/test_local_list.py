"""The local list of a simulated station, in 1.6 and 2.x words."""

from typing import Any

import pytest

from sitecontroller.domain.station import OcppVersion
from sitecontroller.simulation.blocks.local_list import ENTRIES_MAX, ITEMS_PER_MESSAGE_MAX
from tests.simulation.csms import CARD, Bench, bench

V16 = OcppVersion.V16
every_version = pytest.mark.parametrize("version", list(OcppVersion))


async def send(it: Bench, number: int, cards: dict[str, str | None], *, full: bool = True) -> str:
    """Statuses by card, None takes it off; the station's answer."""
    kind = "Full" if full else "Differential"
    if it.csms.version is V16:
        rows: list[Any] = [
            {"idTag": card, **({"idTagInfo": {"status": status}} if status else {})}
            for card, status in cards.items()
        ]
        payload: dict[str, Any] = {"listVersion": number}
    else:
        rows = [
            {
                "idToken": {"idToken": card, "type": "ISO14443"},
                **({"idTokenInfo": {"status": status}} if status else {}),
            }
            for card, status in cards.items()
        ]
        payload = {"versionNumber": number}
    if rows:
        payload["localAuthorizationList"] = rows
    answer = await it.csms.call("SendLocalList", {**payload, "updateType": kind})
    return str(answer["status"])


async def version_of(it: Bench) -> int:
    answer = await it.csms.call("GetLocalListVersion", {})
    number: int = answer["listVersion" if it.csms.version is V16 else "versionNumber"]
    return number


def setting(version: OcppVersion, name: str) -> str:
    names = {
        "enabled": ("LocalAuthListEnabled", "LocalAuthListCtrlr.Enabled"),
        "offline": ("LocalAuthorizeOffline", "AuthCtrlr.LocalAuthorizeOffline"),
        "pre": ("LocalPreAuthorize", "AuthCtrlr.LocalPreAuthorize"),
    }
    return names[name][0 if version is V16 else 1]


@every_version
def test_a_list_is_kept_changed_and_emptied(run_fast: Any, version: OcppVersion) -> None:
    async def story() -> Any:
        async with bench(version) as it:
            taken = [
                await version_of(it),
                await send(it, 5, {"A1": "Accepted", "B2": "Blocked"}),
                await send(it, 6, {"A1": None, "C3": "Accepted"}, full=False),
                await version_of(it),
                await send(it, 6, {"D4": "Accepted"}, full=False),
                await version_of(it),
                await send(it, 7, {}),
                await version_of(it),
            ]
            return taken

    assert run_fast(story()) == [
        *(0, "Accepted", "Accepted", 6),
        *("VersionMismatch", 6, "Accepted", 7),
    ]


@every_version
def test_too_much_at_once_or_altogether_is_refused(run_fast: Any, version: OcppVersion) -> None:
    async def story() -> list[str]:
        async with bench(version) as it:
            many = {f"CARD{n:04d}": "Accepted" for n in range(ITEMS_PER_MESSAGE_MAX + 1)}
            statuses = [await send(it, 1, many)]
            for part in range(ENTRIES_MAX // ITEMS_PER_MESSAGE_MAX + 1):
                first = part * ITEMS_PER_MESSAGE_MAX
                rows = {f"C{first + n:05d}": "Accepted" for n in range(ITEMS_PER_MESSAGE_MAX)}
                statuses.append(await send(it, 2 + part, rows, full=part == 0))
            return statuses

    statuses = run_fast(story())
    assert statuses[0] == "Failed"
    assert statuses[1:] == ["Accepted"] * (ENTRIES_MAX // ITEMS_PER_MESSAGE_MAX) + ["Failed"]


@every_version
def test_a_list_that_is_switched_off_says_so(run_fast: Any, version: OcppVersion) -> None:
    async def story() -> tuple[str, int]:
        async with bench(version) as it:
            await send(it, 5, {"A1": "Accepted"})
            it.station.settings.put(setting(version, "enabled"), "false")
            return await send(it, 6, {"A1": "Accepted"}), await version_of(it)

    assert run_fast(story()) == (("NotSupported", -1) if version is V16 else ("Failed", 0))


@every_version
def test_without_a_line_the_list_decides(run_fast: Any, version: OcppVersion) -> None:
    async def story() -> list[bool]:
        async with bench(version) as it:
            it.station.settings.put(setting(version, "offline"), "true")
            await send(it, 1, {CARD: "Accepted", "BLOCKED1": "Blocked"})
            await it.csms.close()
            it.plug()
            tapped = [await it.station.tap(1, card) for card in ("BLOCKED1", "UNKNOWN1", CARD)]
            await it.csms.open()
            return tapped

    assert run_fast(story()) == [False, False, True]


@every_version
def test_a_listed_card_needs_no_question(run_fast: Any, version: OcppVersion) -> None:
    async def story() -> tuple[bool, int]:
        async with bench(version) as it:
            it.station.settings.put(setting(version, "pre"), "true")
            await send(it, 1, {CARD: "Accepted"})
            it.plug()
            return await it.station.tap(1, CARD), len(it.csms.all("Authorize"))

    assert run_fast(story()) == (True, 0)
