"""What load management counts on stays as it is when settings are put back, copied or written."""

import pytest

from sitecontroller.domain.commands import CallStation, CommandState, SetVariable
from sitecontroller.domain.device import CopySettings, RestoreSnapshot, SetVariables, TakeSnapshot
from sitecontroller.domain.errors import Conflict
from sitecontroller.ocpp.variables import variable
from tests.wire.device.boxes import Box16, Box201, carried_out, connected, told

COUNTED_ON = {
    Box16: ("LocalPreAuthorize", "AllowOfflineTxForUnknownId", "FreeVend", "MaxChargingCurrent"),
    Box201: (
        "AuthCtrlr.LocalPreAuthorize",
        "TxCtrlr.StopTxOnInvalidId",
        "SmartChargingCtrlr.Enabled",
        "EVSE[1].MaxCurrent",
    ),
}
HARMLESS = {Box16: "ConnectionTimeOut", Box201: "OCPPCommCtrlr.OfflineThreshold"}
BOTH = pytest.mark.parametrize("kind", [Box16, Box201])
LIMIT = {Box16: "g7", Box201: "Vendor.G7"}
QUIRK = """
[[station]]
vendor = "Test"
source = "this test"
limit_setting = "{name}"
"""


def held_by(box):
    return box.keys if isinstance(box, Box16) else box.values


def box_of(kind, names, value):
    box = kind()
    held_by(box).update(dict.fromkeys(names, value))
    return box


def left_out(result):
    """Why, by name; passwords are another matter."""
    rows = [row for row in result.answer["rows"] if row["outcome"] == "left"]
    return {row["name"]: row["words"] for row in rows if "passwords" not in row["words"]}


@BOTH
@pytest.mark.parametrize("way", ["restored", "copied"])
def test_no_limit_and_no_free_start_is_put_back(run, tmp_path, kind, way):
    names, harmless = COUNTED_ON[kind], HARMLESS[kind]

    async def story():
        mine, sister = box_of(kind, names, "before"), box_of(kind, names, "hers")
        held_by(sister)[harmless] = "77"
        async with told(tmp_path, mine) as (site, _), connected(site, sister, "CP-02"):
            taken = await carried_out(site, TakeSnapshot("CP-01"))
            restore = RestoreSnapshot("CP-01", taken.answer["key"])
            held_by(mine).update({**dict.fromkeys(names, "now"), harmless: "9"})
            copy = CopySettings("CP-02", "CP-01")
            result = await carried_out(site, restore if way == "restored" else copy)
            assert {held_by(mine)[name] for name in names} == {"now"}
            assert held_by(mine)[harmless] == ("60" if way == "restored" else "77")
            assert left_out(result).keys() == set(names)
            assert all("load management" in why or "site.toml" in why
                       for why in left_out(result).values())  # fmt: skip
            assert "not written from here" in result.reason

    run(story())


@BOTH
def test_the_setting_that_a_maker_takes_limits_in_is_written_by_nobody_else(run, tmp_path, kind):
    """Q44: whatever its name; with the value of a person more could flow than is counted on."""
    name = LIMIT[kind]
    own = tmp_path / "quirks.toml"
    own.write_text(QUIRK.format(name=name))

    async def story():
        box = box_of(kind, [name], "32")
        async with told(tmp_path, box, quirks=str(own)) as (site, _):
            taken = await carried_out(site, TakeSnapshot("CP-01"))
            held_by(box)[name] = "6"
            result = await carried_out(site, RestoreSnapshot("CP-01", taken.answer["key"]))
            assert "load management" in left_out(result)[name]
            raw = (
                CallStation("CP-01", "ChangeConfiguration", {"key": "G7", "value": "32"})
                if kind is Box16
                else CallStation(
                    "CP-01",
                    "SetVariables",
                    {"setVariableData": [{**variable(name), "attributeValue": "32"}]},
                )
            )
            for command in (
                SetVariable("CP-01", name, "32"),
                SetVariables("CP-01", {HARMLESS[kind]: "9", name.upper(): "32"}),
                raw,
            ):
                with pytest.raises(Conflict, match=r"limits|load management"):
                    await carried_out(site, command)
            assert held_by(box)[name] == "6"
            harmless = await carried_out(site, SetVariable("CP-01", HARMLESS[kind], "9"))
            assert harmless.state is CommandState.ACCEPTED

    run(story())
