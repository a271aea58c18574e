"""Limits as stations get them, over a real socket with the whole controller (Q44 to Q52)."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from sitecontroller.app import build
from sitecontroller.config import parse_config
from sitecontroller.domain.errors import ConfigurationError
from sitecontroller.domain.topology import EvseKey
from sitecontroller.ocpp.frames import request_validator
from sitecontroller.simulation.virtual_time import VirtualLoop, virtual_clock
from tests.wire.charger import Charger
from tests.wire.limits.box import box_at
from tests.wire.site import CARDS, TestSite, boot16, running_site

Play = Callable[[TestSite], Awaitable[None]]
EARLIER_LEASES_S = 320.0
"""Until then limits of a controller that ran before may still hold in the stations."""


@pytest.fixture
def play(run: Any, tmp_path: Path) -> Callable[..., None]:
    """`play(story)` runs `await story(site)` in virtual time; the fuse has 63 A, no meter. More
    is said of [ocpp] by name."""

    async def played(story: Play, ocpp: dict[str, Any]) -> None:
        async with running_site(tmp_path, clock=virtual_clock(), **ocpp) as site:
            await asyncio.sleep(EARLIER_LEASES_S)
            await story(site)

    return lambda story, **ocpp: run(played(story, ocpp), loop_factory=VirtualLoop)


def _facts(site: TestSite) -> Any:
    return site.site.store.read(lambda tx: tx.setting("station-facts"))


def _alarm(site: TestSite, code: str) -> bool:
    return any(alarm.code == code for alarm in site.site.services.alarms.open())


def test_q44_a_refused_way_of_limiting_is_replaced_and_the_working_one_remembered(play: Any):
    async def story(site: TestSite) -> None:
        async with box_at(site, car_a=63) as box, box_at(site, "CP-02", car_a=63) as other:
            box.takes = lambda purpose, level: (purpose, level) != ("TxDefaultProfile", 1)
            other.takes = box.takes
            await box.begin()
            await asyncio.sleep(60)
            await other.begin(CARDS[1])
            await asyncio.sleep(60)
            ways = box.purposes()
            assert ("TxDefaultProfile", 1) in ways
            assert ways[-1][0] == "TxProfile"
            assert ways.count(("TxDefaultProfile", 1)) == 1
            assert box.drawn_a + other.drawn_a <= 62
        assert "tx-profile/Absolute" in (await _facts(site)).values()
        async with box_at(site, car_a=63) as again:
            again.takes = box.takes
            await again.begin(CARDS[2])
            await asyncio.sleep(20)
            limiting = [way for way in again.purposes() if way[0] != "ChargePointMaxProfile"]
            assert limiting[-1][0] == "TxProfile"
            assert ("TxDefaultProfile", 1) not in limiting

    play(story)


def test_q44_a_limit_that_is_accepted_and_ignored_is_told_in_another_way(play: Any):
    async def story(site: TestSite) -> None:
        async with box_at(site, car_a=63) as box, box_at(site, "CP-02", car_a=63) as other:
            box.obeys = lambda purpose, level: purpose == "TxProfile"
            await box.begin()
            await asyncio.sleep(15)
            await other.begin(CARDS[1])
            await asyncio.sleep(60)
            assert "TxProfile" in {purpose for purpose, _ in box.purposes()}

    play(story)


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
def test_q45_accepted_is_not_believed_until_the_meter_shows_it(play: Any, version: str):
    async def story(site: TestSite) -> None:
        async with (
            box_at(site, version=version, car_a=63) as liar,
            box_at(site, "CP-02", car_a=63) as other,
        ):
            liar.obeys = lambda purpose, level: False
            await liar.begin()
            await asyncio.sleep(30)
            await other.begin(CARDS[1])
            await asyncio.sleep(120)
            assert _alarm(site, "station-disobedient")
            assert liar.ended, "a station that doesn't obey has its session ended"
            assert other.drawn_a > 6

    play(story)


def test_q45_the_others_keep_clear_of_what_a_silent_station_may_draw(play: Any):
    async def story(site: TestSite) -> None:
        async with box_at(site, car_a=63) as silent, box_at(site, "CP-02", car_a=63) as other:
            await silent.begin()
            await asyncio.sleep(40)
            silent.silent = True  # and its car goes on as before
            silent.obeys = lambda purpose, level: False
            silent.car_a = 40.0
            await other.begin(CARDS[1])
            for _ in range(10):
                await asyncio.sleep(2)
                assert silent.drawn_a + other.drawn_a <= 62

    play(story)


def test_q46_no_limit_lies_between_a_pause_and_the_minimum(play: Any):
    async def story(site: TestSite) -> None:
        async with box_at(site) as first, box_at(site, "CP-02") as second:
            await first.begin()
            await second.begin(CARDS[1])
            for car_a in (40, 8, 7, 32):
                first.car_a = car_a
                await asyncio.sleep(60)
            for limit in (*first.limits, *second.limits):
                assert limit == 0 or limit >= 6

    play(story)


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
def test_q47_every_limit_fits_the_schema_and_holds_already(play: Any, version: str):
    async def story(site: TestSite) -> None:
        async with box_at(site, version=version) as box:
            await box.begin()
            await asyncio.sleep(60)
            sent = box.charger.asked_for("SetChargingProfile")
            assert len(sent) >= 4
            for payload in sent:
                body = payload.get("csChargingProfiles") or payload["chargingProfile"]
                schedule = body["chargingSchedule"]
                schedule = schedule[0] if isinstance(schedule, list) else schedule
                (period, *_) = schedule["chargingSchedulePeriod"]
                assert period["startPeriod"] == 0
                assert round(period["limit"] * 10) == pytest.approx(period["limit"] * 10)
                if body["chargingProfileKind"] == "Absolute":
                    begins = datetime.fromisoformat(schedule["startSchedule"])
                    ago_s = (virtual_clock().now() - begins).total_seconds()
                    assert 59 <= ago_s <= 150
            check = request_validator(
                site.site.services.stations.link("CP-01").version, "SetChargingProfile"
            )  # type: ignore[union-attr]
            assert check is not None
            assert all(check.is_valid(payload) for payload in sent)

    play(story)


@pytest.mark.parametrize("said", ["Power", "W", "power", " Power ", "Watt,Power"])
def test_q48_a_station_that_takes_power_only_is_told_to_the_technician(play: Any, said: str):
    async def story(site: TestSite) -> None:
        async with site.charger() as charger:
            charger.answers["GetConfiguration"] = lambda _: {
                "configurationKey": [
                    {
                        "key": "ChargingScheduleAllowedChargingRateUnit",
                        "readonly": True,
                        "value": said,
                    }
                ],
                "unknownKey": [],
            }
            await boot16(charger)
            await asyncio.sleep(20)
            record = site.site.services.stations.state("CP-01").record  # type: ignore[union-attr]
            assert any("takes limits in W" in warning for warning in record.warnings)
            stored = await site.site.store.read(lambda tx: tx.station("CP-01"))
            assert stored is not None
            assert stored.warnings == record.warnings

    play(story)


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
def test_q49_every_evse_gets_its_safe_default_before_anything_else(play: Any, version: str):
    async def story(site: TestSite) -> None:
        async with box_at(site, version=version) as box:
            await box.begin()
            await asyncio.sleep(30)
            evse_field = "connectorId" if version == "1.6" else "evseId"
            first: dict[int, tuple[str, int]] = {}
            for payload, way in zip(
                box.charger.asked_for("SetChargingProfile"), box.purposes(), strict=True
            ):
                first.setdefault(payload[evse_field], way)
            assert first[1] == first[2] == ("TxDefaultProfile", 0)
            assert first[0][0] in ("ChargePointMaxProfile", "ChargingStationMaxProfile")

    play(story)


def test_q49_fallbacks_that_don_t_fit_the_fuse_are_refused_with_the_sum(run: Any, tmp_path: Path):
    evses = [{"current_a_max": 32, "fallback_a": 16} for _ in range(4)]
    config = parse_config(
        {
            "site": {"id": "TEST"},
            "ocpp": {"host": "127.0.0.1", "port": 0},
            "circuits": [{"id": "main", "limit_a": 50}],
            "stations": [{"id": "CP-01", "circuit": "main", "evses": evses}],
        },
        base_dir=tmp_path,
    )

    async def started() -> None:
        with pytest.raises(ConfigurationError) as refused:
            await build(config, virtual_clock(), serve_api=False)
        assert "64" in refused.value.detail

    run(started(), loop_factory=VirtualLoop)


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_q51_what_a_station_says_it_offers_proves_nothing(play: Any, version: str):
    """EVBox Elvi says 90 A all the time (evcc#29588)."""

    async def story(site: TestSite) -> None:
        async with box_at(site, version=version, car_a=20) as box:
            box.offered_a = 90.0
            await box.begin()
            await asyncio.sleep(30)
            reading = site.site.services.metering.evse(EvseKey("CP-01", 1))
            assert reading is not None
            assert reading.reading.current_a == (20.0, 20.0, 20.0)
            assert not _alarm(site, "station-disobedient")
            assert not box.ended

    play(story)


def test_q51_an_offer_below_the_limit_does_not_hide_a_car_that_draws_more(play: Any):
    async def story(site: TestSite) -> None:
        async with box_at(site, car_a=63) as liar, box_at(site, "CP-02", car_a=63) as other:
            liar.obeys, liar.offered_a = (lambda purpose, level: False), 6.0
            await liar.begin()
            await asyncio.sleep(30)
            await other.begin(CARDS[1])
            await asyncio.sleep(60)
            assert _alarm(site, "station-disobedient")

    play(story)


def test_q52_a_limit_says_three_phases_and_the_real_ones_come_from_the_currents(play: Any):
    async def story(site: TestSite) -> None:
        async with box_at(site, car_a=16, phases=1) as box:
            await box.begin()
            await asyncio.sleep(60)
            for payload in box.charger.asked_for("SetChargingProfile")[-2:]:
                (period, *_) = payload["csChargingProfiles"]["chargingSchedule"][
                    "chargingSchedulePeriod"
                ]
                assert period["numberPhases"] == 3
            circuit = site.site.controller.circuit_view("main")
            assert circuit is not None
            l1, l2, l3 = circuit.exposure_a
            assert l1 is not None
            assert l1 >= 16
            assert (l2, l3) == (0.0, 0.0)

    play(story)


WALLBOX = ("Wall Box Chargers", "CPB1-S-2-4")
HUAWEI = ("", "ACChargePoint")
CHARX = ("Phoenix Contact GmbH & Co. KG", "EV-CC-AC1-M3-CBC-RCM-ETH-3PN-SER")


def _has(charger: Charger, **settings: str) -> None:
    """What the charger says of its settings."""
    rows = [{"key": key, "readonly": False, "value": value} for key, value in settings.items()]
    charger.answers["GetConfiguration"] = lambda _: {"configurationKey": rows, "unknownKey": []}


@pytest.mark.parametrize(
    ("names", "way"),
    [
        (WALLBOX, (0, "Absolute")),
        (("Test", "Wallbox"), (1, "Absolute")),
        (("Ours", "Box"), (1, "Relative")),
    ],
)
def test_q44_a_model_that_is_known_is_told_its_limits_in_the_way_it_takes(
    play: Any, tmp_path: Path, names: tuple[str, str], way: tuple[int, str]
):
    """Known to the controller, to nobody, or to the site alone."""
    own = tmp_path / "quirks.toml"
    own.write_text("[[station]]\nvendor = 'Ours'\nlimits_by = 'tx-default-profile/Relative'\n")

    async def story(site: TestSite) -> None:
        async with box_at(site, names=names) as box:
            await asyncio.sleep(20)
            await box.begin()
            await asyncio.sleep(20)
            told = [
                payload["csChargingProfiles"]
                for payload in box.charger.asked_for("SetChargingProfile")
                if payload["connectorId"] == 1
            ]
            assert (told[-1]["stackLevel"], told[-1]["chargingProfileKind"]) == way

    play(story, quirks=str(own))


def test_q48_a_model_known_for_watts_is_told_to_the_technician_without_its_settings(play: Any):
    async def story(site: TestSite) -> None:
        async with site.charger() as charger:
            _has(charger, HeartbeatInterval="300")
            await boot16(charger, *HUAWEI)
            await asyncio.sleep(20)
            record = site.site.services.stations.state("CP-01").record  # type: ignore[union-attr]
            assert any("takes limits in W" in warning for warning in record.warnings)

    play(story)


@pytest.mark.parametrize(("names", "written"), [(CHARX, ["false"]), (("Test", "Wallbox"), [])])
def test_q53_a_model_gets_the_settings_that_its_remote_start_needs(
    play: Any, names: tuple[str, str], written: list[str]
):
    async def story(site: TestSite) -> None:
        async with site.charger() as charger:
            _has(charger, AuthorizeRemoteTxRequests="true")
            await boot16(charger, *names)
            await asyncio.sleep(20)
            changes = charger.asked_for("ChangeConfiguration")
            keyed = [c["value"] for c in changes if c["key"] == "AuthorizeRemoteTxRequests"]
            assert keyed == written

    play(story)
