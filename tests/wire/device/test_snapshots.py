"""What a station is set to is read whole, kept without secrets, and compared."""

import asyncio
import json

import pytest

from sitecontroller.domain.commands import CommandState
from sitecontroller.domain.device import (
    Cause,
    Criterion,
    DifferencesQuery,
    Mutability,
    ReportBase,
    SettingsQuery,
    SnapshotQuery,
    SnapshotsQuery,
    StationDifferencesQuery,
    TakeSnapshot,
)
from sitecontroller.domain.errors import Conflict, InvalidInput, NotFound
from sitecontroller.services.device_models import UNASKED_AFTER_S
from sitecontroller.services.device_readings import VARIABLES, unpacked
from sitecontroller.simulation.virtual_time import VirtualLoop, virtual_clock
from tests.support import eventually
from tests.wire.device.boxes import Box16, Box21, Box201, carried_out, connected, told
from tests.wire.site import boot16, running_site

SECRETS = ("0011223344556677", "secret-of-the-box")


async def taken(site, **options):
    result = await carried_out(site, TakeSnapshot("CP-01", **options))
    assert result.state is CommandState.EFFECTIVE, result
    return result.answer


async def variables(site, key, **options):
    view = await site.site.controller.query(SnapshotQuery("CP-01", key, **options))
    return {variable.name: variable for variable in view.variables}


async def kept_text(site):
    """Everything that is kept of snapshots, unpacked."""
    rows = await site.site.store.read(lambda tx: tx.all_kept(VARIABLES))
    return str([unpacked(row.body) for row in rows])


@pytest.mark.parametrize("kind", [Box16, Box201, Box21])
def test_a_snapshot_has_every_setting_but_no_secret(run, tmp_path, kind):
    """Proves: TC_B_13_CSMS"""
    box = kind()

    async def story():
        async with told(tmp_path, box) as (site, charger):
            snapshot = await taken(site, label="as delivered")
            assert (snapshot["label"], snapshot["complete"]) == ("as delivered", True)
            kept = await variables(site, snapshot["key"])
            values = box.keys if isinstance(box, Box16) else box.values
            assert kept.keys() == values.keys()
            for name, value in values.items():
                assert kept[name].secret == (value in SECRETS)
                assert kept[name].value == (None if value in SECRETS else value)
                assert (kept[name].mutability is Mutability.READ_ONLY) == (name in box.read_only)
            kept_whole = await kept_text(site)
            assert not any(secret in kept_whole for secret in SECRETS)
            (page,) = (await site.site.controller.query(SnapshotsQuery("CP-01"))).items
            assert (page.key, page.cause, page.count) == (snapshot["key"], Cause.ASKED, len(values))
            if isinstance(box, Box201):
                (asked,) = charger.asked_for("GetBaseReport")
                assert asked["reportBase"] == "FullInventory"

    run(story())


def test_attributes_limits_and_units_of_a_variable_are_kept(run, tmp_path):
    box = Box201()
    row = {
        "component": {"name": "Cooling", "instance": "left", "evse": {"id": 1, "connectorId": 2}},
        "variable": {"name": "FanSpeed"},
        "variableAttribute": [
            {"value": "2000", "mutability": "ReadOnly"},
            {"type": "Target", "value": "2100"},
            {"type": "MinSet", "value": "1000"},
            {"type": "MaxSet", "value": "5000", "mutability": "ReadOnly"},
        ],
        "variableCharacteristics": {
            "dataType": "integer", "unit": "rpm", "minLimit": 0, "maxLimit": 6000,
            "valuesList": "a, b", "supportsMonitoring": True,
        },
    }  # fmt: skip

    def with_fan(parts):
        parts[0]["reportData"].append(row)
        return parts

    box.report = with_fan

    async def story():
        async with told(tmp_path, box) as (site, _):
            key = (await taken(site))["key"]
            fan = (await variables(site, key, q="fanspeed"))["Cooling@left[1/2].FanSpeed"]
            assert (fan.value, fan.mutability) == ("2000", Mutability.READ_ONLY)
            assert {kind: other.value for kind, other in fan.others.items()} == {
                "Target": "2100",
                "MinSet": "1000",
                "MaxSet": "5000",
            }
            assert fan.others["MaxSet"].mutability is Mutability.READ_ONLY
            assert (fan.unit, fan.data_type) == ("rpm", "integer")
            assert (fan.min_limit, fan.max_limit, fan.choices) == (0, 6000, ("a", "b"))

    run(story())


def backwards(parts):
    return parts[::-1]


def twice(parts):
    return [part for part in parts for _ in range(2)]


def without_end_mark(parts):
    return [{k: v for k, v in part.items() if k != "tbc" or v} for part in parts]


def without_any_mark(parts):
    return [{k: v for k, v in part.items() if k != "tbc"} for part in parts]


@pytest.mark.parametrize("way", [backwards, twice, without_end_mark, without_any_mark])
def test_a_report_comes_whole_however_its_parts_come(run, tmp_path, way):
    async def story():
        box = Box201(report=way, part_rows=2)
        async with told(tmp_path, box, clock=virtual_clock()) as (site, _):
            snapshot = await taken(site)
            assert snapshot["complete"], snapshot["note"]
            assert (await variables(site, snapshot["key"])).keys() == box.values.keys()

    run(story(), loop_factory=VirtualLoop)


@pytest.mark.parametrize(
    ("way", "note"),
    [
        (lambda parts: [parts[0], *parts[2:]], "these did not come: 2"),
        (lambda parts: parts[:-1], "last part did not come"),
    ],
    ids=["a gap", "no end"],
)
def test_a_report_with_a_hole_is_kept_and_called_incomplete(run, tmp_path, way, note):
    async def story():
        box = Box201(report=way, part_rows=2)
        async with told(tmp_path, box, clock=virtual_clock()) as (site, _):
            snapshot = await taken(site)
            assert not snapshot["complete"]
            assert note in snapshot["note"]
            assert len(await variables(site, snapshot["key"])) == len(box.values) - 2

    run(story(), loop_factory=VirtualLoop)


def test_a_refused_report_is_an_answer(run, tmp_path):
    async def story():
        async with told(tmp_path, Box201(status="Rejected")) as (site, _):
            result = await carried_out(site, TakeSnapshot("CP-01"))
            assert (result.state, "Rejected" in result.reason) == (CommandState.REJECTED, True)

    run(story())


def test_the_list_keeps_the_last_ten_and_prefers_those_asked_for(run, tmp_path):
    async def story():
        async with told(tmp_path, Box16()) as (site, _):
            for number in range(12):
                await taken(site, label=f"no. {number}")
            page = await site.site.controller.query(SnapshotsQuery("CP-01"))
            assert [each.label for each in page.items] == [f"no. {n}" for n in range(11, 1, -1)]
            count = await site.site.store.read(lambda tx: len(tx.all_kept("device-variables")))
            assert count == 10

    run(story())


def test_snapshots_outlive_a_restart(run, tmp_path):
    async def story():
        async with told(tmp_path, Box16()) as (site, _):
            key = (await taken(site))["key"]
        async with running_site(tmp_path, planted=True) as site:
            assert (await variables(site, key))["HeartbeatInterval"].value == "300"

    run(story())


@pytest.mark.parametrize(
    ("base", "said"),
    [
        (ReportBase.CONFIGURATION, "ConfigurationInventory"),
        (ReportBase.SUMMARY, "SummaryInventory"),
    ],
)
def test_each_base_report_can_be_asked_for_and_seen(run, tmp_path, base, said):
    """Proves: TC_B_12_CSMS, TC_B_14_CSMS"""

    async def story():
        box = Box201()
        async with told(tmp_path, box) as (site, charger):
            view = await site.site.controller.query(SettingsQuery("CP-01", base))
            (asked,) = charger.asked_for("GetBaseReport")
            assert asked["reportBase"] == said
            assert asked["requestId"] >= 0
            assert [variable.name for variable in view.variables] == sorted(
                box.values, key=str.casefold
            )

    run(story())


def test_components_in_trouble_are_asked_for_by_criteria(run, tmp_path):
    """Proves: TC_B_18_CSMS"""
    name = "EVSE[1].AvailabilityState"
    part = {
        "component": {"name": "EVSE", "evse": {"id": 1}},
        "variable": {"name": "AvailabilityState"},
    }

    async def story():
        box = Box201(status="EmptyResultSet")
        async with told(tmp_path, box) as (site, charger):
            ask = site.site.controller.query
            view = await ask(SettingsQuery("CP-01", criteria=(Criterion.PROBLEM,), names=(name,)))
            assert (view.count, view.complete) == (0, True)
            box.status = "Accepted"
            view = await ask(SettingsQuery("CP-01", criteria=(Criterion.AVAILABLE,), names=(name,)))
            assert [(v.name, v.value) for v in view.variables] == [(name, "Available")]
            first, second = charger.asked_for("GetReport")
            assert (first["componentCriteria"], first["componentVariable"]) == (["Problem"], [part])
            assert (second["componentCriteria"], second["componentVariable"]) == (
                ["Available"],
                [part],
            )

    run(story())


def test_settings_are_searched_and_paged(run, tmp_path):
    async def story():
        async with told(tmp_path, Box201()) as (site, charger):
            ask = site.site.controller.query
            first = await ask(SettingsQuery("CP-01", q="COMMctrlr", limit=1))
            assert (first.count, first.variables[0].name) == (2, "OCPPCommCtrlr.HeartbeatInterval")
            second = await ask(SettingsQuery("CP-01", q="COMMctrlr", limit=1, cursor=first.next))
            assert second.variables[0].name == "OCPPCommCtrlr.OfflineThreshold"
            assert second.next is None
            assert len(charger.asked_for("GetBaseReport")) == 1
            with pytest.raises(InvalidInput) as refusal:
                await ask(SettingsQuery("CP-01", cursor="-3"))
            assert refusal.value.errors[0].field == "cursor"

    run(story())


# differences


@pytest.mark.parametrize("kind", [Box16, Box201])
def test_what_changed_since_a_snapshot_is_told(run, tmp_path, kind):
    box = kind()

    async def story():
        async with told(tmp_path, box) as (site, _):
            before = (await taken(site))["key"]
            values = box.keys if isinstance(box, Box16) else box.values
            changed = next(iter(values))
            values[changed] = "77"
            ask = site.site.controller.query
            now = await ask(DifferencesQuery("CP-01", before))
            assert [(d.name, d.before, d.after) for d in now.differences] == [
                (changed, "300", "77")
            ]
            after = (await taken(site))["key"]
            kept = await ask(DifferencesQuery("CP-01", before, after))
            assert kept.differences == now.differences
            assert (kept.before.key, kept.after.key, now.after.key) == (before, after, "")

    run(story())


def test_two_chargers_of_one_model_are_compared(run, tmp_path):
    async def story():
        mine, other = Box16(), Box16()
        other.keys["ConnectionTimeOut"] = "120"
        async with told(tmp_path, mine) as (site, _):
            ask = site.site.controller.query
            with pytest.raises(NotFound):
                await ask(StationDifferencesQuery("CP-01", "CP-02"))
            async with connected(site, other, "CP-02"):
                await taken(site)
                await carried_out(site, TakeSnapshot("CP-02"))
                view = await ask(StationDifferencesQuery("CP-01", "CP-02"))
                assert [(d.name, d.before, d.after) for d in view.differences] == [
                    ("ConnectionTimeOut", "60", "120")
                ]

    run(story())


def test_chargers_of_different_models_are_not_compared(run, tmp_path):
    async def story():
        async with told(tmp_path, Box16()) as (site, _), site.charger("CP-02") as other:
            Box16().serve(other)
            await other.call(
                "BootNotification", {"chargePointVendor": "Test", "chargePointModel": "Other"}
            )
            await eventually(lambda: site.site.services.stations.link("CP-02"))
            await taken(site)
            await carried_out(site, TakeSnapshot("CP-02"))
            with pytest.raises(Conflict):
                await site.site.controller.query(StationDifferencesQuery("CP-01", "CP-02"))

    run(story())


# by itself


async def snapshots(site):
    return (await site.site.controller.query(SnapshotsQuery("CP-01"))).items


def test_a_station_is_read_by_itself_once_and_again_with_new_firmware(run, tmp_path):
    async def boot(site, firmware):
        async with site.charger() as charger:
            Box16().serve(charger)
            await charger.call(
                "BootNotification",
                {
                    "chargePointVendor": "Test", "chargePointModel": "Wallbox",
                    "firmwareVersion": firmware,
                },
            )  # fmt: skip
            await asyncio.sleep(UNASKED_AFTER_S - 10)
            before = len(await snapshots(site))
            await asyncio.sleep(30)
            return before

    async def story():
        async with running_site(tmp_path, clock=virtual_clock()) as site:
            assert await boot(site, "1.0") == 0
            await boot(site, "1.0")
            assert [each.cause for each in await snapshots(site)] == [Cause.FIRST_BOOT]
            await boot(site, "1.1")
            causes = [each.cause for each in await snapshots(site)]
            assert causes == [Cause.NEW_FIRMWARE, Cause.FIRST_BOOT]

    run(story(), loop_factory=VirtualLoop)


@pytest.mark.parametrize(("firmware", "asked"), [("1.8.21", 0), ("1.8.30", 1)])
def test_q15_a_model_that_bears_no_probing_is_not_read_by_itself(run, tmp_path, firmware, asked):
    async def story():
        async with (
            running_site(tmp_path, clock=virtual_clock()) as site,
            site.charger() as charger,
        ):
            Box16().serve(charger)
            await charger.call(
                "BootNotification",
                {
                    "chargePointVendor": "ABB", "chargePointModel": "Terra AC",
                    "firmwareVersion": firmware,
                },
            )  # fmt: skip
            await asyncio.sleep(UNASKED_AFTER_S + 60)
            assert len(await snapshots(site)) == asked

    run(story(), loop_factory=VirtualLoop)


def test_q14_a_station_that_leaves_set_up_unanswered_is_not_read_either(run, tmp_path):
    async def story():
        async with (
            running_site(tmp_path, clock=virtual_clock()) as site,
            site.charger() as charger,
        ):
            charger.answers["GetConfiguration"] = lambda _: None
            charger.answers["ChangeConfiguration"] = lambda _: None
            await boot16(charger)
            await asyncio.sleep(300)
            assert charger.asked_for("GetConfiguration").count({}) == 1
            assert not await snapshots(site)

    run(story(), loop_factory=VirtualLoop)


def test_a_station_that_leaves_in_the_middle_of_its_report_is_told_at_once(run, tmp_path):
    async def story():
        box = Box201(report=lambda parts: parts[:1])
        async with running_site(tmp_path) as site:
            async with connected(site, box) as charger:
                asking = asyncio.ensure_future(site.site.controller.execute(TakeSnapshot("CP-01")))
                await eventually(lambda: charger.asked_for("GetBaseReport"))
                await asyncio.sleep(0.1)
            with pytest.raises(Exception, match="went away"):
                await asyncio.wait_for(asking, 5)

    run(story())


def test_the_journal_of_a_report_hides_secrets_too(run, tmp_path):
    async def story():
        async with told(tmp_path, Box201()) as (site, _):
            await taken(site)

            async def frames():
                page = await site.site.journal.page(50, None, action="NotifyReport")
                return page.items

            shown = await eventually(frames)
            assert not any(secret in json.dumps(e.text) for e in shown for secret in SECRETS)

    run(story())
